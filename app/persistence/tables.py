"""The tables, as the migrations make them (`alembic check` holds both to each other).

Wide and narrow are apart: `custom_hostnames` is written when something changed, `watches` at every
look. All instants are `nameplate_now()`'s.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, TIMESTAMP

SCHEMA_VERSION = 2
"""What this code needs of `schema_version`; every migration writes the number after its own."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# Written out, never as parameters: a prepared statement's generic plan could not know that a
# parameter fits a partial index.
NOT_DELETED = text("state <> 'deleted'")
OWED = text("status = 'pending'")


def _instant(name: str, *, required: bool = False) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=not required)


def _one_row() -> Column[bool]:
    return Column("one_row", Boolean, primary_key=True, server_default=text("true"))


schema_version = Table(
    "schema_version",
    metadata,
    _one_row(),
    Column("version", Integer, nullable=False),
    CheckConstraint("one_row", name="one_row"),
)

clock_offset = Table(
    "clock_offset",
    metadata,
    _one_row(),
    Column("offset", Interval, nullable=False, server_default=text("'0'::interval")),
    CheckConstraint("one_row", name="one_row"),
)

zones = Table(
    "zones",
    metadata,
    Column("id", Text, primary_key=True),
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    Column("cloudflare_zone_id", Text, nullable=False, unique=True),
    Column("name", Text),
    Column("account_id", Text),
    Column("api_token", LargeBinary, nullable=False),
    Column("cname_target", Text, nullable=False),
    Column("accepted_targets", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("fallback_origin", Text, nullable=False),
    _instant("created_at", required=True),
    _instant("updated_at", required=True),
    Index("uq_zones_default", "is_default", unique=True, postgresql_where=text("is_default")),
)

custom_hostnames = Table(
    "custom_hostnames",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hostname", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("zone_id", Text, ForeignKey("zones.id"), nullable=False),
    Column("plan", Text, nullable=False),
    Column("desired", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("waiting_on", Text, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("dns", JSONB, nullable=False),
    Column("tombstone", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("view", Integer, nullable=False),
    # Text that is passed through: JSONB would put its keys into an order of its own.
    Column("document", JSON, nullable=False),
    _instant("created_at", required=True),
    _instant("updated_at", required=True),
    _instant("wanted_at", required=True),
    _instant("acted_at", required=True),
    _instant("refresh_requested_at"),
    _instant("validating_at"),
    _instant("activated_at"),
    _instant("verified_at"),
    _instant("failed_at"),
    _instant("deleting_at"),
    _instant("deleted_at"),
    # `x.com` and `*.x.com` are one object at Cloudflare, so the base is what must be unique.
    Index("uq_custom_hostnames_base", "base", unique=True, postgresql_where=NOT_DELETED),
    Index("ix_custom_hostnames_tombstones", "base", postgresql_where=text("tombstone")),
    Index("ix_custom_hostnames_tenant", "tenant", "id"),
    Index("ix_custom_hostnames_state", "state", "id"),
    Index("ix_custom_hostnames_tenant_state", "tenant", "state", "id"),
)

cloudflare_objects = Table(
    "cloudflare_objects",
    metadata,
    Column(
        "custom_hostname_id",
        Text,
        ForeignKey("custom_hostnames.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("role", Text, primary_key=True),
    Column("zone_id", Text, ForeignKey("zones.id"), nullable=False),
    Column("cloudflare_id", Text),
    _instant("create_started_at"),
    _instant("create_tried_at"),
    Column("seen", JSONB(none_as_null=True)),
    Column("validation_records", JSONB, nullable=False, server_default=text("'[]'")),
    Column("ownership", JSONB(none_as_null=True)),
    Column("refusal", Text),
    UniqueConstraint("zone_id", "cloudflare_id"),
)

watches = Table(
    "watches",
    metadata,
    Column(
        "custom_hostname_id",
        Text,
        ForeignKey("custom_hostnames.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("zone_id", Text, ForeignKey("zones.id"), nullable=False),
    _instant("dns_due_at"),
    _instant("cloudflare_due_at"),
    Column(
        "due_at",
        TIMESTAMP(timezone=True),
        Computed("LEAST(dns_due_at, cloudflare_due_at)", persisted=True),
    ),
    Column("lease_token", BigInteger, nullable=False, server_default=text("0")),
    _instant("leased_until"),
    Column("wakes", BigInteger, nullable=False, server_default=text("0")),
    Column("claimed_wakes", BigInteger, nullable=False, server_default=text("0")),
    Column("cloudflare_failures", Integer, nullable=False, server_default=text("0")),
    _instant("cloudflare_waits_until"),
    Column("dns_failures", Integer, nullable=False, server_default=text("0")),
    Column("contradictions", SmallInteger, nullable=False, server_default=text("0")),
    _instant("contradicted_at"),
    _instant("refreshed_at"),
    Column("refreshed_records", JSONB, nullable=False, server_default=text("'[]'")),
    Column("refreshes", SmallInteger, nullable=False, server_default=text("0")),
    _instant("viewed_at"),
    _instant("doubted_at"),
    _instant("followed_from"),
    _instant("refreshes_on"),
    Column("refreshes_today", SmallInteger, nullable=False, server_default=text("0")),
    _instant("waiting_since"),
    Column("removal", Text),
    _instant("remade_at"),
    Column("told_reasons", JSONB, nullable=False, server_default=text("'[]'")),
    Index("ix_watches_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
)

events = Table(
    "events",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "custom_hostname_id",
        Text,
        ForeignKey("custom_hostnames.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("tenant", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("before", Text),
    Column("after", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", Text, nullable=False),
    _instant("created_at", required=True),
    UniqueConstraint("custom_hostname_id", "sequence"),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("tenant", Text),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("secret", LargeBinary, nullable=False),
    _instant("created_at", required=True),
    _instant("deleted_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("event_id", Text, ForeignKey("events.id", ondelete="CASCADE"), nullable=False),
    Column("endpoint_id", Text, ForeignKey("webhook_endpoints.id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    _instant("next_attempt_at"),
    Column("lease_token", BigInteger, nullable=False, server_default=text("0")),
    _instant("leased_until"),
    _instant("created_at", required=True),
    UniqueConstraint("event_id", "endpoint_id"),
    Index("ix_deliveries_owed", "endpoint_id", "next_attempt_at", postgresql_where=OWED),
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", Text, ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    _instant("started_at", required=True),
    Column("duration_ms", Integer, nullable=False),
    Column("status_code", SmallInteger),
    Column("error", Text),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("scope", Text, nullable=False),
    _instant("created_at", required=True),
    _instant("revoked_at"),
)
