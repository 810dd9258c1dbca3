"""Find what was woken before what only fell due."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "5f0e7c31b9d4"
down_revision = "8c1f5d0a7e42"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 5


def upgrade() -> None:
    op.create_index(
        "ix_watches_woken",
        "watches",
        ["zone_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("wakes <> claimed_wakes"),
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.drop_index(
        "ix_watches_woken",
        table_name="watches",
        postgresql_where=sa.text("wakes <> claimed_wakes"),
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
