"""Index events by their age, for those that are pruned."""

from __future__ import annotations

from alembic import op

from app.persistence.migrations import build_index, take_index_away

revision = "e71c40b9a2d8"
down_revision = "6e1b7f40c2d8"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 12


def upgrade() -> None:
    build_index("ix_events_created_at", "events", ["created_at"])
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    take_index_away("ix_events_created_at")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
