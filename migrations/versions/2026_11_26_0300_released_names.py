"""Note since when a name is free, which refresh was refused, and since when a target is missing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "8f1c2b7d9a34"
down_revision = "2d94b7e06a5f"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 8

INSTANT = postgresql.TIMESTAMP(timezone=True)
COLUMNS = (
    ("custom_hostnames", "name_released_at", INSTANT),
    ("cloudflare_objects", "refused_refresh", postgresql.JSONB()),
    ("zones", "target_absent_since", INSTANT),
    ("zones", "target_found_since", INSTANT),
)


def upgrade() -> None:
    for table, name, kind in COLUMNS:
        op.add_column(table, sa.Column(name, kind, nullable=True))
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    for table, name, _ in reversed(COLUMNS):
        op.drop_column(table, name)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
