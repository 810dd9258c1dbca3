"""Keep how far the end of a pause has come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2d94b7e06a5f"
down_revision = "5f0e7c31b9d4"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 6


def upgrade() -> None:
    op.add_column("zones", sa.Column("lifted_after", sa.Text(), nullable=True))
    op.add_column(
        "zones",
        sa.Column("lift_accepts", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.drop_column("zones", "lift_accepts")
    op.drop_column("zones", "lifted_after")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
