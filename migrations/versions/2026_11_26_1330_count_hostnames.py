"""Count the hostnames that were there before their changes were noted."""

from __future__ import annotations

from alembic import op

revision = "4c81d2f7ae35"
down_revision = "b3e96f04d7a1"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 20

KEYS = "zone_id, state, reason, waiting_on"

# One statement has one snapshot: what it counts already holds the changes that it takes away.
COUNT = f"""
WITH counted AS (DELETE FROM hostname_changes),
of_tenants AS (
    SELECT tenant, {KEYS}, count(*) AS count FROM custom_hostnames
    WHERE state <> 'deleted' GROUP BY tenant, {KEYS}
),
sizes AS (
    INSERT INTO tenant_sizes (tenant, count)
    SELECT tenant, sum(count) FROM of_tenants GROUP BY tenant
)
INSERT INTO hostname_counts (tenant, {KEYS}, count)
SELECT tenant, {KEYS}, count FROM of_tenants
UNION ALL SELECT '', {KEYS}, sum(count) FROM of_tenants GROUP BY {KEYS}
"""


def upgrade() -> None:
    op.execute(" ".join(COUNT.split()))
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.execute("TRUNCATE hostname_counts, tenant_sizes")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
