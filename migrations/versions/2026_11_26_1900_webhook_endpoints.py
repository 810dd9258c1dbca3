"""Describe, limit, disable and rotate webhook endpoints, and deliver again."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0c6b9e2f7d41"
down_revision = "e17a4d6c3b80"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 29

INSTANT = sa.TIMESTAMP(timezone=True)
SUBJECTS = "num_nonnulls(custom_hostname_id, zone_id, endpoint_id) = 1"
TWO_SUBJECTS = "(custom_hostname_id IS NULL) <> (zone_id IS NULL)"


def endpoint_columns() -> list[sa.Column[Any]]:
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


def delivery_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("body", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column(
            "attempts_before", sa.SmallInteger(), server_default=sa.text("0"), nullable=False
        ),
    ]


def upgrade() -> None:
    for column in endpoint_columns():
        op.add_column("webhook_endpoints", column)
    for column in delivery_columns():
        op.add_column("deliveries", column)
    op.alter_column("deliveries", "event_id", nullable=True)
    op.add_column("attempts", sa.Column("answer", sa.Text()))
    op.add_column("events", sa.Column("endpoint_id", sa.Text()))
    op.execute("ALTER TABLE events DROP CONSTRAINT ck_events_one_subject")
    op.execute(
        f"ALTER TABLE events ADD CONSTRAINT ck_events_has_one_subject CHECK ({SUBJECTS}) NOT VALID"
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
            ["webhook_endpoints.id"],
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
    # The code before it cannot sign with these, nor tell whose these events are.
    op.execute("DELETE FROM events WHERE endpoint_id IS NOT NULL")
    op.execute("DELETE FROM deliveries WHERE event_id IS NULL")
    op.execute(
        "UPDATE deliveries SET status = 'cancelled', next_attempt_at = NULL FROM webhook_endpoints "
        "WHERE endpoint_id = webhook_endpoints.id AND status = 'pending' "
        "AND (NOT enabled OR signing <> 'hmac-sha256')"
    )
    op.execute(
        "UPDATE webhook_endpoints SET deleted_at = nameplate_now() "
        "WHERE NOT enabled OR signing <> 'hmac-sha256'"
    )
    op.execute("ALTER TABLE events DROP CONSTRAINT ck_events_has_one_subject")
    op.execute(f"ALTER TABLE events ADD CONSTRAINT ck_events_one_subject CHECK ({TWO_SUBJECTS})")
    op.drop_column("events", "endpoint_id")
    op.drop_column("attempts", "answer")
    op.alter_column("deliveries", "event_id", nullable=False)
    for column in delivery_columns():
        op.drop_column("deliveries", column.name)
    for column in endpoint_columns():
        op.drop_column("webhook_endpoints", column.name)
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
