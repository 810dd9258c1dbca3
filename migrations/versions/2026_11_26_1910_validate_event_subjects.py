"""Validate that each event has one subject."""

from __future__ import annotations

from alembic import op

from app.persistence.migrations import validate_constraint

revision = "b8e14c7a520f"
down_revision = "93d7f05a1b6e"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 35


def upgrade() -> None:
    validate_constraint("events", "ck_events_has_one_subject")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
