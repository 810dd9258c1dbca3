"""The tables that the summary reads: counts of hostnames, and how long they took to activate.

`persistence/tables` and `persistence/webhook_tables` have the others.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    Double,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    text,
)

from app.persistence.tables import instant, metadata

EMPTY = text("count = 0")
COUNTED = ("tenant", "zone_id", "state", "reason", "waiting_on")
"""The columns of a hostname that the summary counts by."""

# Triggers on `custom_hostnames` insert into `hostname_changes` and `activations`. A worker folds
# these rows into the tables below them, which no transition ever locks.
hostname_changes = Table(
    "hostname_changes",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    *(Column(name, Text, nullable=False) for name in COUNTED),
    Column("difference", SmallInteger, nullable=False),
    Index("ix_hostname_changes_tenant", "tenant"),
)

# Hostnames that are not deleted. An empty tenant stands for all tenants together.
hostname_counts = Table(
    "hostname_counts",
    metadata,
    *(Column(name, Text, primary_key=True) for name in COUNTED),
    Column("count", BigInteger, nullable=False),
    Index("ix_hostname_counts_empty", "tenant", postgresql_where=EMPTY),
)

tenant_sizes = Table(
    "tenant_sizes",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Index("ix_tenant_sizes_count", "count"),
)

activations = Table(
    "activations",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("tenant", Text, nullable=False),
    instant("activated_at", required=True),
    # From the creation to the first time in `active`.
    Column("seconds", Double, nullable=False),
    Index("ix_activations_tenant", "tenant"),
)

# An empty tenant stands for all tenants together. The day is a day in UTC.
activation_histograms = Table(
    "activation_histograms",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("bucket", SmallInteger, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Index("ix_activation_histograms_day", "day"),
)
