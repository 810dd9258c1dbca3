"""Deliver again, and deliver test events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "4e9b62c07ad5"
down_revision = "d1f0a8355c72"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 31

ZERO = sa.text("0")


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("body", sa.Text()))
    op.add_column("deliveries", sa.Column("reason", sa.Text()))
    op.add_column(
        "deliveries",
        sa.Column("attempts_before", sa.SmallInteger(), server_default=ZERO, nullable=False),
    )
    op.alter_column("deliveries", "event_id", nullable=True)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.execute("DELETE FROM deliveries WHERE event_id IS NULL")
    op.alter_column("deliveries", "event_id", nullable=False)
    for column in ("attempts_before", "reason", "body"):
        op.drop_column("deliveries", column)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
