"""The tables, as the migrations make them. `alembic check` verifies that both agree.

Wide and narrow tables are separate: `custom_hostnames` is written when something changed,
`schedules` at every check. All instants are `nameplate_now()`'s.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKey,
    Identity,
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

SCHEMA_VERSION = 35
"""The `schema_version` that this code needs. Every migration writes its own number."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# Written out, not as parameters: a prepared statement's generic plan cannot know that a parameter
# fits a partial index.
NOT_DELETED = text("state <> 'deleted'")
HELD = text("state <> 'deleted' AND name_released_at IS NULL")
"""A hostname that keeps its name from others."""
RELEASED = text("state <> 'deleted' AND name_released_at IS NOT NULL")
PRUNABLE = text("state = 'deleted' AND NOT tombstone")
"""A deleted hostname whose name no longer points here."""
DANGLING = text("dangling_since IS NOT NULL")
"""A deleted hostname whose DNS was seen pointing here after its removal."""
DNS_DUE = text("dns_due_at IS NOT NULL")
CLOUDFLARE_DUE = text("cloudflare_due_at IS NOT NULL")
UNCREATED_DUE = text("cloudflare_due_at IS NOT NULL AND hostname_status IS NULL")
# The statuses in `FOLLOWED_STATUSES`.
FOLLOWED = text(
    "hostname_status = 'active' AND ssl_status IN ('pending_issuance', 'pending_deployment')"
)
WOKEN = text("wakes <> claimed_wakes")
EXCEPTIONAL = text(
    "hostname_status IS NOT NULL AND "
    "(hostname_status <> 'active' OR ssl_status IS DISTINCT FROM 'active')"
)
UNNUMBERED = text("number IS NULL")
OF_ENDPOINT = text("endpoint_id IS NOT NULL")


def instant(name: str, *, required: bool = False) -> Column[object]:
    """Return a column of instants."""
    return Column(name, TIMESTAMP(timezone=True), nullable=not required)


def _one_row() -> Column[bool]:
    return Column("one_row", Boolean, primary_key=True, server_default=text("true"))


def _list_indexes(name: str, columns: list[str], **options: Any) -> tuple[Index, Index]:
    """Return the indexes of a filter of the list: in the order of creation, and of change."""
    changed = f"{name.removesuffix('present').removesuffix('_')}_changed".removeprefix("_")
    return (
        Index(f"ix_custom_hostnames_{name}", *columns, "id", **options),
        Index(f"ix_custom_hostnames_{changed}", *columns, "updated_at", "id", **options),
    )


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
    Column("budget", Text, nullable=False, server_default=text("'default'")),
    instant("paused_at"),
    Column("pause_reason", Text),
    Column("pause_detail", Text),
    instant("pause_retry_at"),
    instant("breaker_off_until"),
    # How far resuming the zone has come. NULL when it is not being resumed.
    Column("resume_cursor", Text),
    Column("resume_accepts", Boolean, nullable=False, server_default=text("false")),
    # How far the documents are re-rendered after a change of the zone's row. NULL when all are.
    Column("rerender_cursor", Text),
    # By which version of the code all documents are rendered, at least.
    Column("document_version", Integer, nullable=False, server_default=text("0")),
    Column("sequence", Integer, nullable=False, server_default=text("0")),
    Column("target_dns_status", Text),
    # Since when every check of the CNAME target has said so. A check without an answer does not end
    # it.
    instant("target_absent_since"),
    instant("target_found_since"),
    instant("check_due_at"),
    Column("apex_prefixes", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("dcv_uuid", Text),
    Column("takes_custom_metadata", Boolean),
    instant("created_at", required=True),
    instant("updated_at", required=True),
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
    Column("options", JSONB, nullable=False, server_default=text("'{}'")),
    Column("is_apex", Boolean, nullable=False, server_default=text("false")),
    Column("desired", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("waiting_on", Text, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("redirect_to", Text),
    Column("labels", JSONB, nullable=False, server_default=text("'{}'")),
    Column("dns", JSONB, nullable=False),
    Column("tombstone", Boolean, nullable=False),
    instant("dangling_since"),
    Column("proof_token", Text),
    instant("proof_found_at"),
    instant("name_released_at"),
    Column("revision", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("view", Integer, nullable=False),
    # Text that is passed through; JSONB would reorder its keys.
    Column("document", JSON, nullable=False),
    instant("created_at", required=True),
    instant("updated_at", required=True),
    instant("wanted_at", required=True),
    instant("acted_at", required=True),
    instant("refresh_requested_at"),
    instant("validating_at"),
    instant("activated_at"),
    instant("verified_at"),
    instant("failed_at"),
    instant("deleting_at"),
    instant("deleted_at"),
    Index("uq_custom_hostnames_held", "hostname", unique=True, postgresql_where=HELD),
    # `x.com` and `*.x.com` are one object at Cloudflare; each finds the other by their base.
    Index("ix_custom_hostnames_held", "base", postgresql_where=HELD),
    Index("ix_custom_hostnames_released", "base", postgresql_where=RELEASED),
    Index("ix_custom_hostnames_tombstones", "base", postgresql_where=text("tombstone")),
    Index("ix_custom_hostnames_dangling", "dangling_since", "id", postgresql_where=DANGLING),
    Index(
        "ix_custom_hostnames_tenant_dangling",
        "tenant",
        "dangling_since",
        "id",
        postgresql_where=DANGLING,
    ),
    # Lists leave out deleted rows; with this index a page costs the same however many there are.
    *_list_indexes("present", [], postgresql_where=NOT_DELETED),
    *_list_indexes("tenant_present", ["tenant"], postgresql_where=NOT_DELETED),
    *_list_indexes("reason_present", ["reason"], postgresql_where=NOT_DELETED),
    *_list_indexes("waiting_on_present", ["waiting_on"], postgresql_where=NOT_DELETED),
    *_list_indexes("zone_present", ["zone_id"], postgresql_where=NOT_DELETED),
    *_list_indexes("state", ["state"]),
    *_list_indexes("tenant_state", ["tenant", "state"]),
    Index("ix_custom_hostnames_name", "hostname", postgresql_ops={"hostname": "text_pattern_ops"}),
    Index(
        "ix_custom_hostnames_name_parts",
        "hostname",
        postgresql_using="gin",
        postgresql_ops={"hostname": "gin_trgm_ops"},
    ),
    Index(
        "ix_custom_hostnames_labels",
        "labels",
        postgresql_using="gin",
        postgresql_ops={"labels": "jsonb_path_ops"},
    ),
    Index("ix_custom_hostnames_created", "created_at"),
    Index("ix_custom_hostnames_prunable", "deleted_at", postgresql_where=PRUNABLE),
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
    instant("create_started_at"),
    instant("create_tried_at"),
    Column("seen", JSONB(none_as_null=True)),
    Column("validation_records", JSONB, nullable=False, server_default=text("'[]'")),
    Column("ownership", JSONB(none_as_null=True)),
    Column("ownership_http", JSONB(none_as_null=True)),
    Column("delegation", JSONB(none_as_null=True)),
    Column("refusal", Text),
    Column("applied", JSONB(none_as_null=True)),
    Column("in_flight", JSONB(none_as_null=True)),
    Column("refused_edit", JSONB(none_as_null=True)),
    Column("refused_refresh", JSONB(none_as_null=True)),
    # Not unique: a name and its wildcard are two rows with one object.
    Index("ix_cloudflare_objects_cloudflare_id", "zone_id", "cloudflare_id"),
)

schedules = Table(
    "schedules",
    metadata,
    Column(
        "custom_hostname_id",
        Text,
        ForeignKey("custom_hostnames.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("zone_id", Text, ForeignKey("zones.id"), nullable=False),
    instant("dns_due_at"),
    instant("cloudflare_due_at"),
    Column(
        "due_at",
        TIMESTAMP(timezone=True),
        Computed("LEAST(dns_due_at, cloudflare_due_at)", persisted=True),
    ),
    Column("lease_token", BigInteger, nullable=False, server_default=text("0")),
    instant("leased_until"),
    Column("wakes", BigInteger, nullable=False, server_default=text("0")),
    Column("claimed_wakes", BigInteger, nullable=False, server_default=text("0")),
    Column("cloudflare_failures", Integer, nullable=False, server_default=text("0")),
    instant("cloudflare_waits_until"),
    Column("action_failures", Integer, nullable=False, server_default=text("0")),
    instant("action_waits_until"),
    Column("dns_failures", Integer, nullable=False, server_default=text("0")),
    Column("mismatches", SmallInteger, nullable=False, server_default=text("0")),
    instant("mismatched_at"),
    instant("refreshed_at"),
    Column("refreshed_records", JSONB, nullable=False, server_default=text("'[]'")),
    Column("refreshes", SmallInteger, nullable=False, server_default=text("0")),
    instant("viewed_at"),
    instant("suspected_at"),
    instant("followed_from"),
    instant("refreshes_on"),
    Column("refreshes_today", SmallInteger, nullable=False, server_default=text("0")),
    instant("fast_from"),
    instant("fast_periods_on"),
    Column("fast_periods_today", SmallInteger, nullable=False, server_default=text("0")),
    # When a request last had the DNS of a removed name checked, because somebody adds it again.
    instant("tombstone_woken_at"),
    instant("waiting_since"),
    Column("removal", Text),
    instant("remade_at"),
    Column("emitted_reasons", JSONB, nullable=False, server_default=text("'[]'")),
    # Compared with Cloudflare's lists, without opening the wide rows.
    Column("hostname_status", Text),
    Column("ssl_status", Text),
    Column("view_digest", BigInteger),
    Column("seen_in_scan", BigInteger, nullable=False, server_default=text("0")),
    Index("ix_schedules_dns_due", "zone_id", "dns_due_at", postgresql_where=DNS_DUE),
    Index(
        "ix_schedules_cloudflare_due",
        "zone_id",
        "cloudflare_due_at",
        postgresql_where=CLOUDFLARE_DUE,
    ),
    Index(
        "ix_schedules_uncreated_due", "zone_id", "cloudflare_due_at", postgresql_where=UNCREATED_DUE
    ),
    Index("ix_schedules_followed", "zone_id", "cloudflare_due_at", postgresql_where=FOLLOWED),
    Index("ix_schedules_woken", "zone_id", "due_at", postgresql_where=WOKEN),
    Index(
        "ix_schedules_exceptional",
        "zone_id",
        "hostname_status",
        "ssl_status",
        postgresql_where=EXCEPTIONAL,
    ),
)

budgets = Table(
    "budgets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("state", JSONB, nullable=False),
)

queued_calls = Table(
    "queued_calls",
    metadata,
    Column(
        "custom_hostname_id",
        Text,
        ForeignKey("custom_hostnames.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("budget", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("zone_id", Text, ForeignKey("zones.id"), nullable=False),
    Column("tenant", Text, nullable=False),
    Column("rank", BigInteger, nullable=False),
    instant("since", required=True),
    Index(
        "ix_queued_calls_rank", "budget", "lane", "zone_id", "rank", "since", "custom_hostname_id"
    ),
    Index("ix_queued_calls_zone_tenant", "budget", "lane", "zone_id", "tenant", "rank"),
)

list_scans = Table(
    "list_scans",
    metadata,
    Column("zone_id", Text, ForeignKey("zones.id", ondelete="CASCADE"), primary_key=True),
    Column("list", Text, primary_key=True),
    Column("number", BigInteger, nullable=False, server_default=text("0")),
    Column("page", Integer),
    Column("pages", Integer),
    Column("total", Integer),
    instant("started_at"),
    instant("finished_at"),
    instant("due_at", required=True),
    Column("lease_token", BigInteger, nullable=False, server_default=text("0")),
    instant("leased_until"),
)

breaker_counts = Table(
    "breaker_counts",
    metadata,
    Column("zone_id", Text, ForeignKey("zones.id", ondelete="CASCADE"), primary_key=True),
    Column("side", Text, primary_key=True),
    Column("minute", TIMESTAMP(timezone=True), primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("checked", Integer, nullable=False),
    Column("mismatched", Integer, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "custom_hostname_id",
        Text,
        ForeignKey("custom_hostnames.id", ondelete="CASCADE"),
    ),
    Column("zone_id", Text, ForeignKey("zones.id", ondelete="CASCADE")),
    Column("endpoint_id", Text),
    Column("tenant", Text),
    Column("sequence", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("before", Text),
    Column("after", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", Text, nullable=False),
    instant("created_at", required=True),
    UniqueConstraint("custom_hostname_id", "sequence"),
    UniqueConstraint("zone_id", "sequence"),
    Index("ix_events_created_at", "created_at"),
    Index(
        "ix_events_endpoint", "endpoint_id", "sequence", unique=True, postgresql_where=OF_ENDPOINT
    ),
    CheckConstraint(
        "num_nonnulls(custom_hostname_id, zone_id, endpoint_id) = 1", name="has_one_subject"
    ),
)

# A trigger on `events` inserts a row for each. A worker numbers the rows once they are committed.
feed = Table(
    "feed",
    metadata,
    Column("event_id", Text, ForeignKey("events.id", ondelete="CASCADE"), primary_key=True),
    Column("ordinal", BigInteger, Identity(), nullable=False),
    Column("number", BigInteger, unique=True),
    Column("tenant", Text),
    Column("type", Text, nullable=False),
    Index("ix_feed_tenant_number", "tenant", "number"),
    Index("ix_feed_unnumbered", "ordinal", postgresql_where=UNNUMBERED),
)

feed_head = Table(
    "feed_head",
    metadata,
    _one_row(),
    Column("number", BigInteger, nullable=False),
    # The greatest number whose event was removed, because its retention is over.
    Column("pruned", BigInteger, nullable=False),
    CheckConstraint("one_row", name="one_row"),
)

idempotent_requests = Table(
    "idempotent_requests",
    metadata,
    Column("api_key_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("body_hash", LargeBinary, nullable=False),
    Column("status", SmallInteger),
    Column("resource_id", Text),
    Column("answer", LargeBinary),
    instant("created_at", required=True),
    instant("leased_until", required=True),
    Index("ix_idempotent_requests_age", "created_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("scope", Text, nullable=False),
    # The beginning of the key, to recognise it by. NULL for keys from the settings.
    Column("prefix", Text),
    Column("tenant", Text),
    instant("created_at", required=True),
    instant("expires_at"),
    instant("last_used_at"),
    instant("revoked_at"),
    CheckConstraint("scope <> 'admin' OR tenant IS NULL", name="admin_has_no_tenant"),
)
