"""Have Postgres search within names: the extension whose index does it."""

from __future__ import annotations

from alembic import op

from app.persistence.migrations import create_extension

revision = "c86f0a31d7e4"
down_revision = "7d20c4b1e95f"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 24


def upgrade() -> None:
    create_extension("pg_trgm")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    # The extension stays: it may have been there before, and be in use.
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
