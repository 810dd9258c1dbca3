"""Drop what kept a name with a hostname that gave it free, and the count of absent targets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.persistence.migrations import build_index, take_index_away

revision = "b3f7904e2c15"
down_revision = "1d5e8a0c6b72"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 10

NOT_DELETED = "state <> 'deleted'"
INDEXES = (
    ("uq_custom_hostnames_hostname", "hostname", True),
    ("ix_custom_hostnames_base", "base", False),
)


def upgrade() -> None:
    for name, *_ in INDEXES:
        take_index_away(name)
    op.drop_column("zones", "target_absences")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    for name, column, unique in INDEXES:
        condition = sa.text(NOT_DELETED)
        build_index(name, "custom_hostnames", [column], unique=unique, postgresql_where=condition)
    op.add_column(
        "zones",
        sa.Column("target_absences", sa.SmallInteger(), server_default="0", nullable=False),
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
