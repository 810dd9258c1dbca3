"""Note each change of what the summary counts.

From here on every change is noted; the next migration counts what was there before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b3e96f04d7a1"
down_revision = "7d0a5e2c91f8"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 19

COUNTED = "tenant, zone_id, state, reason, waiting_on"
KEYS = COUNTED.split(", ")

# A trigger, so that the changes of processes that run older code are counted as well.
FUNCTION = f"""
CREATE FUNCTION public.nameplate_count_hostname() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF TG_OP <> 'INSERT' AND OLD.state <> 'deleted' THEN
INSERT INTO public.hostname_changes ({COUNTED}, difference)
VALUES ({", ".join(f"OLD.{key}" for key in KEYS)}, -1); END IF;
IF TG_OP <> 'DELETE' AND NEW.state <> 'deleted' THEN
INSERT INTO public.hostname_changes ({COUNTED}, difference)
VALUES ({", ".join(f"NEW.{key}" for key in KEYS)}, 1); END IF;
IF TG_OP = 'UPDATE' AND OLD.activated_at IS NULL AND NEW.activated_at IS NOT NULL THEN
INSERT INTO public.activations (tenant, activated_at, seconds)
VALUES (NEW.tenant, NEW.activated_at, extract(epoch FROM NEW.activated_at - NEW.created_at));
END IF; RETURN NULL; END $$
"""


def upgrade() -> None:
    op.create_table(
        "hostname_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        *(sa.Column(key, sa.Text(), nullable=False) for key in KEYS),
        sa.Column("difference", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hostname_changes"),
    )
    op.create_index("ix_hostname_changes_tenant", "hostname_changes", ["tenant"])
    op.create_table(
        "hostname_counts",
        *(sa.Column(key, sa.Text(), nullable=False) for key in KEYS),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*KEYS, name="pk_hostname_counts"),
    )
    op.create_index(
        "ix_hostname_counts_empty",
        "hostname_counts",
        ["tenant"],
        postgresql_where=sa.text("count = 0"),
    )
    op.create_table(
        "tenant_sizes",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_tenant_sizes"),
    )
    op.create_index("ix_tenant_sizes_count", "tenant_sizes", ["count"])
    op.create_table(
        "activations",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_activations"),
    )
    op.create_index("ix_activations_tenant", "activations", ["tenant"])
    op.create_table(
        "activation_histograms",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("bucket", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "day", "bucket", name="pk_activation_histograms"),
    )
    op.create_index("ix_activation_histograms_day", "activation_histograms", ["day"])
    op.execute(" ".join(FUNCTION.split("\n")).strip())
    op.execute(
        "CREATE TRIGGER count_hostname AFTER INSERT OR DELETE ON custom_hostnames "
        "FOR EACH ROW EXECUTE FUNCTION public.nameplate_count_hostname()"
    )
    changed = " OR ".join(
        f"OLD.{each} IS DISTINCT FROM NEW.{each}" for each in [*KEYS, "activated_at"]
    )
    op.execute(
        "CREATE TRIGGER count_changed_hostname AFTER UPDATE ON custom_hostnames "
        f"FOR EACH ROW WHEN ({changed}) EXECUTE FUNCTION public.nameplate_count_hostname()"
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.execute("DROP TRIGGER count_changed_hostname ON custom_hostnames")
    op.execute("DROP TRIGGER count_hostname ON custom_hostnames")
    op.execute("DROP FUNCTION public.nameplate_count_hostname()")
    for table in (
        "activation_histograms",
        "activations",
        "tenant_sizes",
        "hostname_counts",
        "hostname_changes",
    ):
        op.drop_table(table)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
