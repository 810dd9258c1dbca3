"""Keep labels with a hostname, and show them in every document."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7d20c4b1e95f"
down_revision = "c47e90d5b1f3"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 23


def upgrade() -> None:
    op.add_column(
        "custom_hostnames",
        sa.Column("labels", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.drop_column("custom_hostnames", "labels")
    op.execute("UPDATE zones SET rerender_cursor = '', updated_at = nameplate_now()")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
