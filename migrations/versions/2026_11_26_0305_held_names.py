"""Find the hostnames that hold a name, and those that gave it free."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.persistence.migrations import build_index, take_index_away

revision = "1d5e8a0c6b72"
down_revision = "8f1c2b7d9a34"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 9

HELD = "state <> 'deleted' AND name_released_at IS NULL"
RELEASED = "state <> 'deleted' AND name_released_at IS NOT NULL"
INDEXES = (
    ("uq_custom_hostnames_held", "hostname", HELD, True),
    ("ix_custom_hostnames_held", "base", HELD, False),
    ("ix_custom_hostnames_released", "base", RELEASED, False),
)


def upgrade() -> None:
    for name, column, where, unique in INDEXES:
        condition = sa.text(where)
        build_index(name, "custom_hostnames", [column], unique=unique, postgresql_where=condition)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    for name, *_ in INDEXES:
        take_index_away(name)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
