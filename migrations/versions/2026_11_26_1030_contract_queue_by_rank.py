"""Order the queue of calls by rank, and let each zone have its own.

Not beside the former release, which reads the column and the budget's state as they were: stop its
processes first.
"""

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
INDEXES = {
    "ix_queued_calls_rank": ["budget", "lane", "zone_id", "rank", "since", "custom_hostname_id"],
    "ix_queued_calls_zone_tenant": ["budget", "lane", "zone_id", "tenant", "rank"],
}
FORMER = {
    "ix_queued_calls_order": ["budget", "lane", "interactive", "rank", "custom_hostname_id"],
    "ix_queued_calls_tenant": ["budget", "lane", "tenant", "rank"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        build_index(name, TABLE, columns)
    for name in FORMER:
        take_index_away(name)
    op.drop_column(TABLE, "interactive")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.add_column(
        TABLE, sa.Column("interactive", sa.Boolean(), server_default="true", nullable=False)
    )
    op.alter_column(TABLE, "interactive", server_default=None)
    for name, columns in FORMER.items():
        build_index(name, TABLE, columns)
    for name in INDEXES:
        take_index_away(name)
    # What the former release cannot do without; its budgets begin empty.
    op.execute("""UPDATE budgets SET state = state || '{"tokens": 0}'""")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
