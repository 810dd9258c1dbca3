"""Let events be about webhook endpoints. One table a migration: writers hold several."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "d1f0a8355c72"
down_revision = "c4d81f6a2e97"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 30

SUBJECTS = "num_nonnulls(custom_hostname_id, zone_id, endpoint_id) = 1"
TWO_SUBJECTS = "(custom_hostname_id IS NULL) <> (zone_id IS NULL)"


def upgrade() -> None:
    op.add_column("events", sa.Column("endpoint_id", sa.Text()))
    op.execute("ALTER TABLE events DROP CONSTRAINT ck_events_one_subject")
    op.execute(
        f"ALTER TABLE events ADD CONSTRAINT ck_events_has_one_subject CHECK ({SUBJECTS}) NOT VALID"
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    # The code before it cannot tell whose these events are.
    op.execute("DELETE FROM events WHERE endpoint_id IS NOT NULL")
    op.execute("ALTER TABLE events DROP CONSTRAINT ck_events_has_one_subject")
    op.execute(f"ALTER TABLE events ADD CONSTRAINT ck_events_one_subject CHECK ({TWO_SUBJECTS})")
    op.drop_column("events", "endpoint_id")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
