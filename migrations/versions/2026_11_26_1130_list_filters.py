"""List hostnames by their exact name, their reason, whom they wait for, and their age."""

from __future__ import annotations

from alembic import op

from app.persistence.migrations import build_index, take_index_away

revision = "e5a1f8306b9c"
down_revision = "9b40c7d21ea6"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 16

INDEXES = {
    "ix_custom_hostnames_hostname": ["hostname", "id"],
    "ix_custom_hostnames_reason": ["reason", "id"],
    "ix_custom_hostnames_waiting_on": ["waiting_on", "id"],
    "ix_custom_hostnames_zone": ["zone_id", "id"],
    "ix_custom_hostnames_created": ["created_at"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        build_index(name, "custom_hostnames", columns)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    for name in INDEXES:
        take_index_away(name)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
