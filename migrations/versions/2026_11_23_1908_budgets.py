"""Keep budgets, turns, sweeps, pauses, and what lists are compared with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "a522dc07e5db"
down_revision = "8c5d0e6f3a17"
branch_labels = None
depends_on = None

# The number that `/readyz` compares with what the running code needs.
SCHEMA_VERSION = 3

EXCEPTIONAL = (
    "hostname_status IS NOT NULL AND "
    "(hostname_status <> 'active' OR ssl_status IS DISTINCT FROM 'active')"
)


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_budgets")),
    )
    op.create_table(
        "breaker_counts",
        sa.Column("zone_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("minute", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("looked", sa.Integer(), nullable=False),
        sa.Column("contradicted", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["zone_id"], ["zones.id"], name=op.f("fk_breaker_counts_zone_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("zone_id", "side", "minute", name=op.f("pk_breaker_counts")),
    )
    op.create_table(
        "sweeps",
        sa.Column("zone_id", sa.Text(), nullable=False),
        sa.Column("list", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("lease_token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("leased_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["zone_id"], ["zones.id"], name=op.f("fk_sweeps_zone_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("zone_id", "list", name=op.f("pk_sweeps")),
    )
    op.create_table(
        "turns",
        sa.Column("custom_hostname_id", sa.Text(), nullable=False),
        sa.Column("budget", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("zone_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("interactive", sa.Boolean(), nullable=False),
        sa.Column("since", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["custom_hostname_id"],
            ["custom_hostnames.id"],
            name=op.f("fk_turns_custom_hostname_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["zone_id"], ["zones.id"], name=op.f("fk_turns_zone_id")),
        sa.PrimaryKeyConstraint("custom_hostname_id", name=op.f("pk_turns")),
    )
    op.create_index(
        "ix_turns_order",
        "turns",
        ["budget", "lane", "interactive", "turn", "custom_hostname_id"],
        unique=False,
    )
    op.create_index("ix_turns_tenant", "turns", ["budget", "lane", "tenant", "turn"], unique=False)
    op.add_column("events", sa.Column("zone_id", sa.Text(), nullable=True))
    op.alter_column("events", "custom_hostname_id", existing_type=sa.TEXT(), nullable=True)
    op.alter_column("events", "tenant", existing_type=sa.TEXT(), nullable=True)
    op.create_unique_constraint(
        op.f("uq_events_zone_id_sequence"), "events", ["zone_id", "sequence"]
    )
    op.create_foreign_key(
        op.f("fk_events_zone_id"), "events", "zones", ["zone_id"], ["id"], ondelete="CASCADE"
    )
    op.create_check_constraint(
        op.f("ck_events_one_subject"),
        "events",
        "(custom_hostname_id IS NULL) <> (zone_id IS NULL)",
    )
    op.add_column("watches", sa.Column("hostname_status", sa.Text(), nullable=True))
    op.add_column("watches", sa.Column("ssl_status", sa.Text(), nullable=True))
    op.add_column("watches", sa.Column("view_digest", sa.BigInteger(), nullable=True))
    op.add_column(
        "watches",
        sa.Column("listed_in", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.drop_index(
        op.f("ix_watches_due_at"), table_name="watches", postgresql_where="(due_at IS NOT NULL)"
    )
    op.create_index(
        "ix_watches_cloudflare_due",
        "watches",
        ["zone_id", "cloudflare_due_at"],
        unique=False,
        postgresql_where=sa.text("cloudflare_due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_watches_dns_due",
        "watches",
        ["zone_id", "dns_due_at"],
        unique=False,
        postgresql_where=sa.text("dns_due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_watches_exceptional",
        "watches",
        ["zone_id", "hostname_status", "ssl_status"],
        unique=False,
        postgresql_where=sa.text(EXCEPTIONAL),
    )
    op.add_column(
        "zones", sa.Column("budget", sa.Text(), server_default=sa.text("'default'"), nullable=False)
    )
    op.add_column(
        "zones", sa.Column("paused_at", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )
    op.add_column("zones", sa.Column("pause_reason", sa.Text(), nullable=True))
    op.add_column("zones", sa.Column("pause_detail", sa.Text(), nullable=True))
    op.add_column(
        "zones", sa.Column("pause_retry_at", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )
    op.add_column(
        "zones", sa.Column("breaker_off_until", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )
    op.add_column(
        "zones", sa.Column("sequence", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("zones", sa.Column("target_standing", sa.Text(), nullable=True))
    op.add_column(
        "zones",
        sa.Column(
            "target_absences", sa.SmallInteger(), server_default=sa.text("0"), nullable=False
        ),
    )
    op.add_column(
        "zones", sa.Column("watch_due_at", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )
    # What is at Cloudflare already must not be taken for not yet created.
    op.execute(
        "UPDATE watches w SET hostname_status = o.seen ->> 'status', "
        "ssl_status = o.seen ->> 'ssl_status' FROM cloudflare_objects o "
        "WHERE o.custom_hostname_id = w.custom_hostname_id AND o.cloudflare_id IS NOT NULL"
    )
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION}")


def downgrade() -> None:
    op.drop_column("zones", "watch_due_at")
    op.drop_column("zones", "target_absences")
    op.drop_column("zones", "target_standing")
    op.drop_column("zones", "sequence")
    op.drop_column("zones", "breaker_off_until")
    op.drop_column("zones", "pause_retry_at")
    op.drop_column("zones", "pause_detail")
    op.drop_column("zones", "pause_reason")
    op.drop_column("zones", "paused_at")
    op.drop_column("zones", "budget")
    op.drop_index(
        "ix_watches_exceptional",
        table_name="watches",
        postgresql_where=sa.text(EXCEPTIONAL),
    )
    op.drop_index(
        "ix_watches_dns_due",
        table_name="watches",
        postgresql_where=sa.text("dns_due_at IS NOT NULL"),
    )
    op.drop_index(
        "ix_watches_cloudflare_due",
        table_name="watches",
        postgresql_where=sa.text("cloudflare_due_at IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_watches_due_at"),
        "watches",
        ["due_at"],
        unique=False,
        postgresql_where="(due_at IS NOT NULL)",
    )
    op.drop_column("watches", "listed_in")
    op.drop_column("watches", "view_digest")
    op.drop_column("watches", "ssl_status")
    op.drop_column("watches", "hostname_status")
    op.execute("DELETE FROM events WHERE zone_id IS NOT NULL")
    op.drop_constraint(op.f("ck_events_one_subject"), "events", type_="check")
    op.drop_constraint(op.f("fk_events_zone_id"), "events", type_="foreignkey")
    op.drop_constraint(op.f("uq_events_zone_id_sequence"), "events", type_="unique")
    op.alter_column("events", "tenant", existing_type=sa.TEXT(), nullable=False)
    op.alter_column("events", "custom_hostname_id", existing_type=sa.TEXT(), nullable=False)
    op.drop_column("events", "zone_id")
    op.drop_index("ix_turns_tenant", table_name="turns")
    op.drop_index("ix_turns_order", table_name="turns")
    op.drop_table("turns")
    op.drop_table("sweeps")
    op.drop_table("breaker_counts")
    op.drop_table("budgets")
    op.execute(f"UPDATE schema_version SET version = {SCHEMA_VERSION - 1}")
