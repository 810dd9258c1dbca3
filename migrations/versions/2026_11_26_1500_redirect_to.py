"""Keep where a hostname redirects to, and render all documents with it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "c47e90d5b1f3"
down_revision = "7d40b6e1a952"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 22


def upgrade() -> None:
    op.add_column("custom_hostnames", sa.Column("redirect_to", sa.Text(), nullable=True))
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.drop_column("custom_hostnames", "redirect_to")
    op.execute("UPDATE zones SET rerender_cursor = ''")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
