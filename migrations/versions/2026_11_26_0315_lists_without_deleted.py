"""Page through the hostnames that are not deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.persistence.migrations import build_index, take_index_away

revision = "6e1b7f40c2d8"
down_revision = "b3f7904e2c15"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 11

NOT_DELETED = sa.text("state <> 'deleted'")
INDEXES = {
    "ix_custom_hostnames_present": ["id"],
    "ix_custom_hostnames_tenant_present": ["tenant", "id"],
}
FORMER = "ix_custom_hostnames_tenant"


def upgrade() -> None:
    for name, columns in INDEXES.items():
        build_index(name, "custom_hostnames", columns, postgresql_where=NOT_DELETED)
    # Lists of one tenant used it; the narrower one takes its place.
    take_index_away(FORMER)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    build_index(FORMER, "custom_hostnames", ["tenant", "id"])
    for name in INDEXES:
        take_index_away(name)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
