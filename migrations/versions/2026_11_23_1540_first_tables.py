"""Make the first tables, and the one clock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "47b2ae1b2028"
down_revision = None
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 1

# STABLE and schema-qualified, so that it is inlined and an index can be used with it; volatile, a
# claim over many rows reads all of them.
NAMEPLATE_NOW = """
CREATE FUNCTION public.nameplate_now() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT statement_timestamp() + (SELECT c."offset" FROM public.clock_offset c) $$
"""


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_keys_hash")),
    )
    op.create_table(
        "clock_offset",
        sa.Column("one_row", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("offset", sa.Interval(), server_default=sa.text("'0'::interval"), nullable=False),
        sa.CheckConstraint("one_row", name=op.f("ck_clock_offset_one_row")),
        sa.PrimaryKeyConstraint("one_row", name=op.f("pk_clock_offset")),
    )
    op.create_table(
        "schema_version",
        sa.Column("one_row", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("one_row", name=op.f("ck_schema_version_one_row")),
        sa.PrimaryKeyConstraint("one_row", name=op.f("pk_schema_version")),
    )
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=True),
        sa.Column("event_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("deleted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
    )
    op.create_table(
        "zones",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("cloudflare_zone_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("api_token", sa.LargeBinary(), nullable=False),
        sa.Column("cname_target", sa.Text(), nullable=False),
        sa.Column(
            "accepted_targets",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("fallback_origin", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zones")),
        sa.UniqueConstraint("cloudflare_zone_id", name=op.f("uq_zones_cloudflare_zone_id")),
    )
    op.create_index(
        "uq_zones_default",
        "zones",
        ["is_default"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "custom_hostnames",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("hostname", sa.Text(), nullable=False),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("zone_id", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("desired", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("waiting_on", sa.Text(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("dns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tombstone", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("view", sa.Integer(), nullable=False),
        sa.Column("document", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("wanted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("acted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("refresh_requested_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("validating_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("activated_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("verified_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("failed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("deleting_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("deleted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["zone_id"], ["zones.id"], name=op.f("fk_custom_hostnames_zone_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custom_hostnames")),
    )
    op.create_index("ix_custom_hostnames_state", "custom_hostnames", ["state", "id"], unique=False)
    op.create_index(
        "ix_custom_hostnames_tenant", "custom_hostnames", ["tenant", "id"], unique=False
    )
    op.create_index(
        "ix_custom_hostnames_tenant_state",
        "custom_hostnames",
        ["tenant", "state", "id"],
        unique=False,
    )
    op.create_index(
        "ix_custom_hostnames_tombstones",
        "custom_hostnames",
        ["base"],
        unique=False,
        postgresql_where=sa.text("tombstone"),
    )
    op.create_index(
        "uq_custom_hostnames_base",
        "custom_hostnames",
        ["base"],
        unique=True,
        postgresql_where=sa.text("state <> 'deleted'"),
    )
    op.create_table(
        "cloudflare_objects",
        sa.Column("custom_hostname_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("zone_id", sa.Text(), nullable=False),
        sa.Column("cloudflare_id", sa.Text(), nullable=True),
        sa.Column("create_started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("create_tried_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "seen", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column(
            "validation_records",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column(
            "ownership", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True
        ),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["custom_hostname_id"],
            ["custom_hostnames.id"],
            name=op.f("fk_cloudflare_objects_custom_hostname_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["zone_id"], ["zones.id"], name=op.f("fk_cloudflare_objects_zone_id")
        ),
        sa.PrimaryKeyConstraint("custom_hostname_id", "role", name=op.f("pk_cloudflare_objects")),
        sa.UniqueConstraint(
            "zone_id", "cloudflare_id", name=op.f("uq_cloudflare_objects_zone_id_cloudflare_id")
        ),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("custom_hostname_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["custom_hostname_id"],
            ["custom_hostnames.id"],
            name=op.f("fk_events_custom_hostname_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint(
            "custom_hostname_id", "sequence", name=op.f("uq_events_custom_hostname_id_sequence")
        ),
    )
    op.create_table(
        "watches",
        sa.Column("custom_hostname_id", sa.Text(), nullable=False),
        sa.Column("zone_id", sa.Text(), nullable=False),
        sa.Column("dns_due_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("cloudflare_due_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "due_at",
            postgresql.TIMESTAMP(timezone=True),
            sa.Computed("LEAST(dns_due_at, cloudflare_due_at)", persisted=True),
            nullable=True,
        ),
        sa.Column("lease_token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("leased_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("wakes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_wakes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cloudflare_failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cloudflare_waits_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("dns_failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("contradictions", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("contradicted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("refreshed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column(
            "refreshed_records",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column("refreshes", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["custom_hostname_id"],
            ["custom_hostnames.id"],
            name=op.f("fk_watches_custom_hostname_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["zone_id"], ["zones.id"], name=op.f("fk_watches_zone_id")),
        sa.PrimaryKeyConstraint("custom_hostname_id", name=op.f("pk_watches")),
    )
    op.create_index(
        "ix_watches_due_at",
        "watches",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("lease_token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("leased_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["webhook_endpoints.id"], name=op.f("fk_deliveries_endpoint_id")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_deliveries_event_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "event_id", "endpoint_id", name=op.f("uq_deliveries_event_id_endpoint_id")
        ),
    )
    op.create_index(
        "ix_deliveries_owed",
        "deliveries",
        ["endpoint_id", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "attempts",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status_code", sa.SmallInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.id"],
            name=op.f("fk_attempts_delivery_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_attempts")),
    )
    op.execute("INSERT INTO clock_offset DEFAULT VALUES")
    op.execute(NAMEPLATE_NOW)
    op.execute(f"INSERT INTO schema_version (version) VALUES ({SCHEMA_VERSION})")


def downgrade() -> None:
    op.execute("DROP FUNCTION public.nameplate_now()")
    op.drop_table("attempts")
    op.drop_index(
        "ix_deliveries_owed",
        table_name="deliveries",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_table("deliveries")
    op.drop_index(
        "ix_watches_due_at", table_name="watches", postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.drop_table("watches")
    op.drop_table("events")
    op.drop_table("cloudflare_objects")
    op.drop_index(
        "uq_custom_hostnames_base",
        table_name="custom_hostnames",
        postgresql_where=sa.text("state <> 'deleted'"),
    )
    op.drop_index(
        "ix_custom_hostnames_tombstones",
        table_name="custom_hostnames",
        postgresql_where=sa.text("tombstone"),
    )
    op.drop_index("ix_custom_hostnames_tenant_state", table_name="custom_hostnames")
    op.drop_index("ix_custom_hostnames_tenant", table_name="custom_hostnames")
    op.drop_index("ix_custom_hostnames_state", table_name="custom_hostnames")
    op.drop_table("custom_hostnames")
    op.drop_index("uq_zones_default", table_name="zones", postgresql_where=sa.text("is_default"))
    op.drop_table("zones")
    op.drop_table("webhook_endpoints")
    op.drop_table("schema_version")
    op.drop_table("clock_offset")
    op.drop_table("api_keys")
