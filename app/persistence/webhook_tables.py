"""The tables of webhooks: endpoints, what is delivered to them, and how that went.

`persistence/tables` and `persistence/summary_tables` have the others.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from app.persistence.tables import instant, metadata

OWED = text("status = 'pending'")
EXHAUSTED = text("status = 'exhausted'")
TEST = text("event_id IS NULL")
"""A delivery of a test event, which is no event of the feed."""

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=text("''")),
    Column("tenant", Text),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("signing", Text, nullable=False, server_default=text("'hmac-sha256'")),
    Column("secret", LargeBinary, nullable=False),
    Column("public_key", Text),
    # Signs beside the new one for a time after a rotation.
    Column("previous_secret", LargeBinary),
    instant("previous_until"),
    # Added by a key that is bound to the tenant: it gets what such a key may see.
    Column("is_tenants_own", Boolean, nullable=False, server_default=text("false")),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("disabled_reason", Text),
    instant("disabled_at"),
    # The first failure since the last success, and the last one, to a minute.
    instant("failing_since"),
    instant("failed_at"),
    # Messages a second, and when the messages so far would have begun at this rate.
    Column("rate_limit", SmallInteger),
    instant("paced_until"),
    Column("sequence", Integer, nullable=False, server_default=text("0")),
    instant("created_at", required=True),
    instant("updated_at"),
    instant("deleted_at"),
    Index("ix_webhook_endpoints_tenant", "tenant", postgresql_where=text("deleted_at IS NULL")),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("event_id", Text, ForeignKey("events.id", ondelete="CASCADE")),
    Column("endpoint_id", Text, ForeignKey("webhook_endpoints.id"), nullable=False),
    # Of a test event alone.
    Column("body", Text),
    Column("status", Text, nullable=False),
    # Why it ended unsent.
    Column("reason", Text),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    # How many attempts were made before it was redelivered. The schedule begins there.
    Column("attempts_before", SmallInteger, nullable=False, server_default=text("0")),
    instant("next_attempt_at"),
    Column("lease_token", BigInteger, nullable=False, server_default=text("0")),
    instant("leased_until"),
    instant("created_at", required=True),
    UniqueConstraint("event_id", "endpoint_id"),
    Index("ix_deliveries_owed", "endpoint_id", "next_attempt_at", postgresql_where=OWED),
    Index("ix_deliveries_endpoint", "endpoint_id", "created_at", "id"),
    Index(
        "ix_deliveries_exhausted",
        "endpoint_id",
        "created_at",
        "id",
        postgresql_where=EXHAUSTED,
    ),
    Index("ix_deliveries_tests", "created_at", postgresql_where=TEST),
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", Text, ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    instant("started_at", required=True),
    Column("duration_ms", Integer, nullable=False),
    Column("status_code", SmallInteger),
    Column("error", Text),
    # The beginning of the answer's body.
    Column("answer", Text),
)

# Attempts by endpoint, hour and duration. The bucket is that of `domain/histogram`, in seconds.
attempt_histograms = Table(
    "attempt_histograms",
    metadata,
    Column(
        "endpoint_id",
        Text,
        ForeignKey("webhook_endpoints.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("hour", TIMESTAMP(timezone=True), primary_key=True),
    Column("succeeded", Boolean, primary_key=True),
    Column("bucket", SmallInteger, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Index("ix_attempt_histograms_hour", "hour"),
)
