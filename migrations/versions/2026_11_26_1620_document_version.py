"""Note by which version of the code a zone's documents were rendered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "a2f5c81e07d9"
down_revision = "4be9d5f7302a"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 26


def upgrade() -> None:
    op.add_column(
        "zones",
        sa.Column("document_version", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.drop_column("zones", "document_version")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
