"""List an endpoint's deliveries, and number its events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.persistence.migrations import build_index, take_index_away

revision = "93d7f05a1b6e"
down_revision = "0c6b9e2f7d41"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 34


def upgrade() -> None:
    build_index("ix_deliveries_endpoint", "deliveries", ["endpoint_id", "created_at", "id"])
    build_index(
        "ix_deliveries_exhausted",
        "deliveries",
        ["endpoint_id", "created_at", "id"],
        postgresql_where=sa.text("status = 'exhausted'"),
    )
    build_index(
        "ix_deliveries_tests",
        "deliveries",
        ["created_at"],
        postgresql_where=sa.text("event_id IS NULL"),
    )
    build_index(
        "ix_events_endpoint",
        "events",
        ["endpoint_id", "sequence"],
        unique=True,
        postgresql_where=sa.text("endpoint_id IS NOT NULL"),
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    for name in ("events_endpoint", "deliveries_tests", "deliveries_exhausted"):
        take_index_away(f"ix_{name}")
    take_index_away("ix_deliveries_endpoint")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
