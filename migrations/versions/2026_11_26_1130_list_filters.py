"""List hostnames by their exact name, their reason, and whom they wait for."""

from __future__ import annotations

from alembic import op

from app.persistence.migrations import build_index, take_index_away

revision = "e5a1f8306b9c"
down_revision = "9b40c7d21ea6"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 16

COLUMNS = ("hostname", "reason", "waiting_on")


def upgrade() -> None:
    for column in COLUMNS:
        build_index(f"ix_custom_hostnames_{column}", "custom_hostnames", [column, "id"])
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    for column in COLUMNS:
        take_index_away(f"ix_custom_hostnames_{column}")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
