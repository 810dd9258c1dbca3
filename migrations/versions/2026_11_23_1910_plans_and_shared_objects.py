"""Keep what was chosen and what was sent; let a name and its wildcard share one object."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "8c1f5d0a7e42"
down_revision = "a522dc07e5db"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 4

# What the code before this one sent: its two plans, and nothing else.
APPLIED = """
UPDATE cloudflare_objects o
SET applied = jsonb_build_object(
    'method', CASE h.plan WHEN 'simple' THEN 'http' ELSE 'txt' END,
    'wildcard', h.hostname LIKE '*.%',
    'cloudflare_branding', length(h.base) > 64
)
FROM custom_hostnames h
WHERE h.id = o.custom_hostname_id AND o.cloudflare_id IS NOT NULL
"""

OBJECT_COLUMNS = ("ownership_http", "delegation", "applied", "sending", "refused_edit")


def upgrade() -> None:
    op.add_column(
        "zones",
        sa.Column(
            "apex_prefixes",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column("zones", sa.Column("dcv_uuid", sa.Text(), nullable=True))
    op.add_column("zones", sa.Column("takes_custom_metadata", sa.Boolean(), nullable=True))
    op.add_column(
        "custom_hostnames",
        sa.Column(
            "options",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column(
        "custom_hostnames",
        sa.Column("is_apex", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    for name in OBJECT_COLUMNS:
        column = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
        op.add_column("cloudflare_objects", sa.Column(name, column, nullable=True))
    op.execute(APPLIED)
    op.create_index(
        "uq_custom_hostnames_hostname",
        "custom_hostnames",
        ["hostname"],
        unique=True,
        postgresql_where=sa.text("state <> 'deleted'"),
    )
    op.create_index(
        "ix_custom_hostnames_base",
        "custom_hostnames",
        ["base"],
        postgresql_where=sa.text("state <> 'deleted'"),
    )
    op.drop_index("uq_custom_hostnames_base", table_name="custom_hostnames")
    op.drop_constraint("uq_cloudflare_objects_zone_id_cloudflare_id", "cloudflare_objects")
    op.create_index(
        "ix_cloudflare_objects_cloudflare_id", "cloudflare_objects", ["zone_id", "cloudflare_id"]
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    """Go back; a name and its wildcard that share one object have to be taken apart before."""
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
    op.drop_index("ix_cloudflare_objects_cloudflare_id", table_name="cloudflare_objects")
    op.create_unique_constraint(
        "uq_cloudflare_objects_zone_id_cloudflare_id",
        "cloudflare_objects",
        ["zone_id", "cloudflare_id"],
    )
    op.create_index(
        "uq_custom_hostnames_base",
        "custom_hostnames",
        ["base"],
        unique=True,
        postgresql_where=sa.text("state <> 'deleted'"),
    )
    op.drop_index("ix_custom_hostnames_base", table_name="custom_hostnames")
    op.drop_index("uq_custom_hostnames_hostname", table_name="custom_hostnames")
    for name in reversed(OBJECT_COLUMNS):
        op.drop_column("cloudflare_objects", name)
    for name in ("is_apex", "options"):
        op.drop_column("custom_hostnames", name)
    for name in ("takes_custom_metadata", "dcv_uuid", "apex_prefixes"):
        op.drop_column("zones", name)
