"""Index deleted hostnames by when they were, for those that are pruned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.persistence.migrations import build_index, take_index_away

revision = "4f9d26c8e1b7"
down_revision = "e71c40b9a2d8"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 13

PRUNABLE = "state = 'deleted' AND NOT tombstone"


def upgrade() -> None:
    build_index(
        "ix_custom_hostnames_prunable",
        "custom_hostnames",
        ["deleted_at"],
        postgresql_where=sa.text(PRUNABLE),
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    take_index_away("ix_custom_hostnames_prunable")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
