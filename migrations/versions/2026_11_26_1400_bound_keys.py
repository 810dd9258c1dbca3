"""Let API keys expire, belong to a tenant, and show when they were used last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "7d40b6e1a952"
down_revision = "4c81d2f7ae35"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 21

KEYS = "api_keys"
ENDPOINTS = "webhook_endpoints"
CHECK = "ck_api_keys_admin_has_no_tenant"


def upgrade() -> None:
    op.add_column(KEYS, sa.Column("prefix", sa.Text(), nullable=True))
    op.add_column(KEYS, sa.Column("tenant", sa.Text(), nullable=True))
    op.add_column(KEYS, sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(KEYS, sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        f"ALTER TABLE {KEYS} ADD CONSTRAINT {CHECK} CHECK (scope <> 'admin' OR tenant IS NULL)"
    )
    op.add_column(
        ENDPOINTS,
        sa.Column("is_tenants_own", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.drop_column(ENDPOINTS, "is_tenants_own")
    op.execute(f"ALTER TABLE {KEYS} DROP CONSTRAINT {CHECK}")
    for name in ("last_used_at", "expires_at", "tenant", "prefix"):
        op.drop_column(KEYS, name)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
