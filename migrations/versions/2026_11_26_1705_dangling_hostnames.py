"""List removed hostnames that still point here, and count a few among many."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.persistence.migrations import build_index, take_index_away

revision = "e17a4d6c3b80"
down_revision = "5b8e2f90c1a6"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 28

TABLE = "custom_hostnames"
INDEXES = {
    "dangling": ["dangling_since", "id"],
    "tenant_dangling": ["tenant", "dangling_since", "id"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        which = sa.text("dangling_since IS NOT NULL")
        build_index(f"ix_{TABLE}_{name}", TABLE, columns, postgresql_where=which)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    for name in INDEXES:
        take_index_away(f"ix_{TABLE}_{name}")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
