"""Bound how often callers have DNS checked: fast periods a day, and wakes of tombstones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "c4d81f6a2e97"
down_revision = "e17a4d6c3b80"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 29

TABLE = "schedules"
INSTANT = sa.TIMESTAMP(timezone=True)
INSTANTS = ("fast_from", "fast_periods_on", "tombstone_woken_at")


def upgrade() -> None:
    for name in INSTANTS:
        op.add_column(TABLE, sa.Column(name, INSTANT))
    count = sa.Column("fast_periods_today", sa.SmallInteger(), nullable=False, server_default="0")
    op.add_column(TABLE, count)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    # The code before it cannot read this reason; it waits for the proof as before.
    op.execute(
        "UPDATE custom_hostnames SET state = 'pending', reason = 'proof_awaited', "
        "waiting_on = 'tenant' WHERE reason = 'never_proved'"
    )
    op.execute(
        f"UPDATE {TABLE} SET emitted_reasons = emitted_reasons - 'never_proved' "
        "WHERE emitted_reasons ? 'never_proved'"
    )
    op.execute("UPDATE zones SET rerender_cursor = '', updated_at = nameplate_now()")
    op.drop_column(TABLE, "fast_periods_today")
    for name in reversed(INSTANTS):
        op.drop_column(TABLE, name)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
