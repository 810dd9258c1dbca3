"""Free names that nobody set up; keep refused refreshes, and since when a target is missing."""

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

NOT_DELETED = "state <> 'deleted'"
HELD = f"{NOT_DELETED} AND name_released_at IS NULL"
RELEASED = f"{NOT_DELETED} AND name_released_at IS NOT NULL"
INSTANT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.add_column("custom_hostnames", sa.Column("name_released_at", INSTANT, nullable=True))
    op.add_column("cloudflare_objects", sa.Column("refused_refresh", postgresql.JSONB()))
    op.add_column("zones", sa.Column("target_absent_since", INSTANT, nullable=True))
    op.add_column("zones", sa.Column("target_found_since", INSTANT, nullable=True))
    op.drop_column("zones", "target_absences")
    replace_indexes(("held", HELD), "hostname")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    replace_indexes(("hostname", NOT_DELETED), "held")
    op.add_column(
        "zones",
        sa.Column("target_absences", sa.SmallInteger(), server_default="0", nullable=False),
    )
    op.drop_column("zones", "target_found_since")
    op.drop_column("zones", "target_absent_since")
    op.drop_column("cloudflare_objects", "refused_refresh")
    op.drop_column("custom_hostnames", "name_released_at")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")


def replace_indexes(unique: tuple[str, str], former: str) -> None:
    """Build the indexes beside the former ones, without keeping anybody from writing."""
    name, where = unique
    with op.get_context().autocommit_block():
        build(f"uq_custom_hostnames_{name}", "hostname", where, unique=True)
        build("ix_custom_hostnames_base_new", "base", where, unique=False)
        if where == HELD:
            build("ix_custom_hostnames_released", "base", RELEASED, unique=False)
        else:
            op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_custom_hostnames_released")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS uq_custom_hostnames_{former}")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_custom_hostnames_base")
        op.execute("ALTER INDEX ix_custom_hostnames_base_new RENAME TO ix_custom_hostnames_base")


def build(name: str, column: str, where: str, *, unique: bool) -> None:
    """Drop what an earlier try left, and build it."""
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.create_index(
        name,
        "custom_hostnames",
        [column],
        unique=unique,
        postgresql_where=sa.text(where),
        postgresql_concurrently=True,
    )
