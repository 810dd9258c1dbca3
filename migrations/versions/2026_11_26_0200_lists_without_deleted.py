"""Page through the hostnames that are not deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "6e1b7f40c2d8"
down_revision = "2d94b7e06a5f"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 8

INDEXES = {
    "ix_custom_hostnames_present": ["id"],
    "ix_custom_hostnames_tenant_present": ["tenant", "id"],
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # It holds nobody up, and waits for every transaction that is older than itself.
        op.execute("SET lock_timeout = 0")
        op.execute("SET statement_timeout = 0")
        for name, columns in INDEXES.items():
            # A build that failed leaves an INVALID index.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.create_index(
                name,
                "custom_hostnames",
                columns,
                unique=False,
                postgresql_where=sa.text("state <> 'deleted'"),
                postgresql_concurrently=True,
            )
        # Lists of one tenant used it; the narrower one takes its place.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_custom_hostnames_tenant")
        op.execute("SET lock_timeout = '4s'")
        op.execute("SET statement_timeout = '60s'")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.create_index("ix_custom_hostnames_tenant", "custom_hostnames", ["tenant", "id"])
    for name in INDEXES:
        op.drop_index(name, table_name="custom_hostnames")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
