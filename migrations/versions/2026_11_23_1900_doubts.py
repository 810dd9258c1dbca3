"""Keep what is doubted, followed and already answered of each hostname."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "8c5d0e6f3a17"
down_revision = "47b2ae1b2028"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 2

INSTANTS = (
    "viewed_at",
    "doubted_at",
    "followed_from",
    "refreshes_on",
    "waiting_since",
    "remade_at",
)
OTHERS = ("refreshes_today", "removal", "told_reasons")


def upgrade() -> None:
    for name in INSTANTS:
        op.add_column("watches", sa.Column(name, postgresql.TIMESTAMP(timezone=True)))
    zero, empty = sa.text("0"), sa.text("'[]'")
    for column in (
        sa.Column("refreshes_today", sa.SmallInteger(), server_default=zero, nullable=False),
        sa.Column("removal", sa.Text()),
        sa.Column("told_reasons", postgresql.JSONB(), server_default=empty, nullable=False),
    ):
        op.add_column("watches", column)
    # The thirty days of the names that wait begin now: the rule is new to them.
    op.execute(
        "UPDATE watches w SET waiting_since = public.nameplate_now() FROM custom_hostnames h "
        "WHERE h.id = w.custom_hostname_id AND h.state = 'validating'"
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    for name in (*INSTANTS, *OTHERS):
        op.drop_column("watches", name)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
