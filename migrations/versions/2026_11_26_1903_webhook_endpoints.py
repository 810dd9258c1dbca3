"""Describe, limit, disable and rotate webhook endpoints, and count their attempts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0c6b9e2f7d41"
down_revision = "7a35c1d9e084"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 33

TABLE = "webhook_endpoints"
INSTANT = sa.TIMESTAMP(timezone=True)
OF_HOSTNAMES = (
    "created",
    "validating",
    "active",
    "cname_verified",
    "cname_lost",
    "failed",
    "deleting",
    "deleted",
    "records_changed",
    "action_required",
    "dangling",
)


def columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("signing", sa.Text(), server_default=sa.text("'hmac-sha256'"), nullable=False),
        sa.Column("public_key", sa.Text()),
        sa.Column("previous_secret", sa.LargeBinary()),
        sa.Column("previous_until", INSTANT),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("disabled_reason", sa.Text()),
        sa.Column("disabled_at", INSTANT),
        sa.Column("failing_since", INSTANT),
        sa.Column("failed_at", INSTANT),
        sa.Column("rate_limit", sa.SmallInteger()),
        sa.Column("paced_until", INSTANT),
        sa.Column("sequence", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated_at", INSTANT),
    ]


def upgrade() -> None:
    for column in columns():
        op.add_column(TABLE, column)
    op.create_index(
        f"ix_{TABLE}_tenant", TABLE, ["tenant"], postgresql_where=sa.text("deleted_at IS NULL")
    )
    op.create_table(
        "attempt_histograms",
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("hour", INSTANT, nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.Column("bucket", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            [f"{TABLE}.id"],
            name="fk_attempt_histograms_endpoint_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "endpoint_id", "hour", "succeeded", "bucket", name="pk_attempt_histograms"
        ),
    )
    op.create_index("ix_attempt_histograms_hour", "attempt_histograms", ["hour"])
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.drop_table("attempt_histograms")
    # The code before it would send to these, or sign with a key that it cannot read.
    unfit = "(NOT enabled OR signing <> 'hmac-sha256')"
    op.execute(
        f"UPDATE deliveries SET status = 'cancelled', next_attempt_at = NULL FROM {TABLE} "
        f"WHERE endpoint_id = {TABLE}.id AND status = 'pending' AND {unfit}"
    )
    op.execute(f"UPDATE {TABLE} SET deleted_at = nameplate_now() WHERE {unfit}")
    # It knows no wildcards.
    op.execute(f"UPDATE {TABLE} SET event_types = '{{}}' WHERE '*' = ANY (event_types)")
    for wildcard, types in {
        "custom_hostname.*": [f"custom_hostname.{each}" for each in OF_HOSTNAMES],
        "zone.*": ["zone.paused", "zone.resumed"],
        "webhook_endpoint.*": ["webhook_endpoint.disabled"],
    }.items():
        op.execute(
            f"UPDATE {TABLE} SET event_types = array_remove(event_types, '{wildcard}') "
            f"|| ARRAY{types} WHERE '{wildcard}' = ANY (event_types)"
        )
    op.drop_index(f"ix_{TABLE}_tenant", TABLE)
    for column in columns():
        op.drop_column(TABLE, column.name)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
