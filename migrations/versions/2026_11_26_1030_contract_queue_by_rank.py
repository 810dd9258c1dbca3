"""Order the queue of calls by rank alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.persistence.migrations import build_index, take_index_away

revision = "9b40c7d21ea6"
down_revision = "6c1e9a7d3f58"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 15

TABLE = "queued_calls"
ORDER, FORMER = "ix_queued_calls_turn", "ix_queued_calls_order"


def upgrade() -> None:
    build_index(ORDER, TABLE, ["budget", "lane", "rank", "since", "custom_hostname_id"])
    take_index_away(FORMER)
    op.drop_column(TABLE, "interactive")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.add_column(
        TABLE, sa.Column("interactive", sa.Boolean(), server_default="true", nullable=False)
    )
    op.alter_column(TABLE, "interactive", server_default=None)
    build_index(FORMER, TABLE, ["budget", "lane", "interactive", "rank", "custom_hostname_id"])
    take_index_away(ORDER)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
