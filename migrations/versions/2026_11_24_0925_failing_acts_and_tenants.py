"""Let failing acts wait apart from looks; count what contradicts by tenant."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c3a9d81f6e20"
down_revision = "5f0e7c31b9d4"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 6


def upgrade() -> None:
    op.add_column(
        "watches",
        sa.Column("act_failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "watches", sa.Column("act_waits_until", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )
    # Counts of the last ten minutes, no more.
    op.execute("TRUNCATE breaker_counts")
    op.add_column("breaker_counts", sa.Column("tenant", sa.Text(), nullable=False))
    op.drop_constraint(op.f("pk_breaker_counts"), "breaker_counts", type_="primary")
    op.create_primary_key(
        op.f("pk_breaker_counts"), "breaker_counts", ["zone_id", "side", "minute", "tenant"]
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.execute("DELETE FROM breaker_counts")
    op.drop_constraint(op.f("pk_breaker_counts"), "breaker_counts", type_="primary")
    op.drop_column("breaker_counts", "tenant")
    op.create_primary_key(
        op.f("pk_breaker_counts"), "breaker_counts", ["zone_id", "side", "minute"]
    )
    op.drop_column("watches", "act_waits_until")
    op.drop_column("watches", "act_failures")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
