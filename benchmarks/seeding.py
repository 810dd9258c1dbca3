"""A million hostnames, made in SQL from a few records that the service's own code rendered.

The rows are what lists and `GET` one read: 20,000 tenants of skewed sizes, three zones, all states,
two years of creations, labels on most names, and the counts of the summary. Events, deliveries and
queues are left empty.

`benchmarks/filling` makes rows one by one from what the emulator shows, for benchmarks in which
Cloudflare's side has the same names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
from sqlalchemy import JSON, Column, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import TIMESTAMP

from app.domain.custom_hostname import (
    CloudflareObject,
    CustomHostname,
    Desired,
    DnsSeen,
    Plan,
    RecordStatus,
    Schedule,
    State,
    ZoneTargets,
)
from app.domain.hostname import Hostname
from app.domain.observation import CloudflareHostname, Routing, RoutingKind
from app.domain.plan import wanted_records, wanted_spec
from app.domain.reason import Reason
from app.persistence.custom_hostnames import SERVING
from app.persistence.database import open_database
from app.persistence.hostname_rows import object_row, schedule_row, wide_row
from app.persistence.summary import fold
from app.persistence.summary_tables import (
    activation_histograms,
    activations,
    hostname_changes,
    hostname_counts,
    tenant_sizes,
)
from app.persistence.tables import cloudflare_objects, custom_hostnames, schedules
from app.services.pruning import KEEP_HISTOGRAMS
from benchmarks.bulk_loading import CONNECTIONS, build_index, drop_indexes, side_by_side

TENANTS = 20_000
TARGET = "customers.bench.net"
FILLED = (custom_hostnames, cloudflare_objects, schedules)
COUNTED = (
    activation_histograms,
    activations,
    hostname_changes,
    hostname_counts,
    tenant_sizes,
)
CREATED, CHANGED = datetime(2001, 1, 1, tzinfo=UTC), datetime(2002, 2, 2, tzinfo=UTC)

PLACEHOLDERS = {
    "ch_placeholder": "id",
    "name.placeholder.com": "hostname",
    "tenant-placeholder": "tenant",
    "zone_placeholder": "zone_id",
    "cloudflare-placeholder": "cloudflare_id",
    CREATED.isoformat(): "created",
    CHANGED.isoformat(): "updated",
    '{"placeholder": ""}': "labels",
}
"""Texts of a rendered record, and the columns of `bench_rows` that take their places."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A state that a share of the names is in."""

    share: int
    """In thousandths."""
    state: State
    reason: Reason
    statuses: tuple[str, str] = ("pending", "pending_validation")
    routing: Routing = field(default_factory=lambda: Routing(RoutingKind.ABSENT))


_HERE = Routing(RoutingKind.CNAME, (TARGET,))
_BOTH = ("active", "active")
KINDS = (
    Kind(780, State.CNAME_VERIFIED, Reason.LIVE, _BOTH, _HERE),
    Kind(20, State.ACTIVE, Reason.CNAME_MISMATCH, _BOTH),
    Kind(90, State.VALIDATING, Reason.AWAITING_CNAME),
    Kind(
        20,
        State.VALIDATING,
        Reason.CNAME_ELSEWHERE,
        routing=Routing(RoutingKind.ELSEWHERE, ("shops.elsewhere.net",)),
    ),
    Kind(10, State.VALIDATING, Reason.CAA_FORBIDS_ISSUANCE, routing=_HERE),
    Kind(10, State.VALIDATING, Reason.CERTIFICATE_ISSUING, ("active", "pending_issuance"), _HERE),
    Kind(10, State.PENDING, Reason.CREATION_QUEUED),
    Kind(15, State.FAILED, Reason.NEVER_SET_UP),
    Kind(5, State.FAILED, Reason.HOSTNAME_BLOCKED, ("blocked", "pending_validation"), _HERE),
    Kind(1, State.DELETING, Reason.REMOVAL_REQUESTED),
    Kind(39, State.DELETED, Reason.REMOVED),
)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_WORDS = """
green blue red amber ivory olive coral hazel rustic silver golden quiet little northern sunny
crooked velvet paper copper winter
"""
_THINGS = """
teapot bicycle garden lantern harbour bakery orchard compass ladder window kettle saddle meadow
anchor basket candle mirror thimble wagon zither
"""
_PREFIXES = ("www", "www", "www", "shop", "app", "help", "status", "go")

# An id is a ULID: 48 bits of milliseconds in ten characters, then sixteen of any kind.
_ULID_TIME = " || ".join(
    f"substr('{_ALPHABET}', (ms >> {shift} & 31)::int + 1, 1)" for shift in range(45, -1, -5)
)
_MAKE_ROWS = f"""
CREATE UNLOGGED TABLE bench_rows AS
SELECT n, kind, tenant, zone_id, hostname, labels,
  'ch_' || {_ULID_TIME} || substr(md5(n::text), 1, 16) AS id,
  md5('cloudflare' || n) AS cloudflare_id,
  created_at, updated_at,
  to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00') AS created,
  to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00') AS updated
FROM (
  SELECT *, created_at + (now() - created_at) * age AS updated_at,
    floor(extract(epoch FROM created_at) * 1000)::bigint AS ms
  FROM (
    SELECT n,
      ($2::int[])[1 + floor(random() * 1000)] AS kind,
      'tenant-' || floor($3::int * power(random(), 3)) AS tenant,
      ($4::text[])[1 + floor(3 * power(random(), 2))] AS zone_id,
      ($5::text[])[1 + floor(random() * cardinality($5::text[]))] || '.'
        || ($6::text[])[1 + floor(random() * cardinality($6::text[]))] || '-'
        || ($7::text[])[1 + floor(random() * cardinality($7::text[]))] || '-' || n
        || (ARRAY['.com', '.com', '.com', '.net', '.io'])[1 + floor(random() * 5)] AS hostname,
      CASE WHEN random() < 0.2 THEN '{{}}' ELSE
        '{{"environment": "'
        || (ARRAY['production', 'production', 'staging'])[1 + floor(random() * 3)]
        || '", "team": "team-' || floor(random() * 40)
        || '", "batch": "' || floor(random() * 1000) || '"}}' END AS labels,
      now() - interval '730 days' * ((1.0 + $1::int - n) / $1) AS created_at,
      power(random(), 4) AS age
    FROM generate_series(1, $1::int) n
  ) drawn
) dated
"""  # noqa: S608 - the benchmark's own names, here and below
_PUT_ZONE = """
INSERT INTO zones (id, is_default, cloudflare_zone_id, api_token, cname_target, fallback_origin,
  created_at, updated_at, check_due_at)
VALUES ($1, false, $2, $3, $4, 'fallback.bench.net', now(), now(), now() + interval '1 year')
"""


_KEYS = "zone_id, state, reason, waiting_on"
# No trigger noted the rows, so they are counted as those were that older than the triggers.
_COUNT_HOSTNAMES = f"""
WITH of_tenants AS (
  SELECT tenant, {_KEYS}, count(*) AS count FROM custom_hostnames
  WHERE state <> 'deleted' GROUP BY tenant, {_KEYS}
), sizes AS (
  INSERT INTO tenant_sizes (tenant, count)
  SELECT tenant, sum(count) FROM of_tenants GROUP BY tenant
)
INSERT INTO hostname_counts (tenant, {_KEYS}, count)
SELECT tenant, {_KEYS}, count FROM of_tenants
UNION ALL SELECT '', {_KEYS}, sum(count) FROM of_tenants GROUP BY {_KEYS}
"""  # noqa: S608
# From twenty seconds to an hour; half of them took less than five minutes.
_DRAW_ACTIVATIONS = """
INSERT INTO activations (tenant, activated_at, seconds)
SELECT tenant, activated_at, 20 * power(180, random()) FROM custom_hostnames
WHERE activated_at > now() - $1::interval
"""
FOLDED_AT_ONCE = 50_000


async def seed_hostnames(url: str, count: int) -> None:
    """Fill a migrated database with `count` hostnames, in a default zone and two more.

    A process of the service must have started on it: the default zone is the one it wrote.
    """
    sql = await asyncpg.connect(url)
    try:
        zones = await _put_zones(sql)
        await sql.execute("SELECT setseed(0.5)")
        shares = [number for number, kind in enumerate(KINDS) for _ in range(kind.share)]
        await sql.execute(
            _MAKE_ROWS,
            count,
            shares,
            TENANTS,
            zones,
            list(_PREFIXES),
            _WORDS.split(),
            _THINGS.split(),
        )
        await _put_kinds(sql)
        indexes = await drop_indexes(sql, [table.name for table in FILLED])
        await side_by_side(
            url, [[f"n % {CONNECTIONS} = {part}"] for part in range(CONNECTIONS)], _fill
        )
        halves = [indexes[part::CONNECTIONS] for part in range(CONNECTIONS)]
        await side_by_side(url, halves, build_index)
        await sql.execute("DROP TABLE bench_rows, bench_kinds")
        await _count(url, sql)
        for table in (*FILLED, *COUNTED):
            await sql.execute(f"VACUUM (FREEZE, ANALYZE) {table.name}")
    finally:
        await sql.close()


async def _count(url: str, sql: asyncpg.Connection) -> None:
    """Fill the tables of the summary."""
    await sql.execute(_COUNT_HOSTNAMES, timeout=120)
    await sql.execute(_DRAW_ACTIVATIONS, KEEP_HISTOGRAMS, timeout=120)
    async with open_database(url) as database:
        folded = FOLDED_AT_ONCE
        while folded:
            async with database.transaction() as tx:
                folded = await fold(tx, most=FOLDED_AT_ONCE)


async def _put_zones(sql: asyncpg.Connection) -> list[str]:
    default = await sql.fetchrow("SELECT id, api_token FROM zones WHERE is_default")
    others = [f"zone_bench{number}" for number in (2, 3)]
    for number, zone_id in enumerate(others, start=2):
        await sql.execute(_PUT_ZONE, zone_id, f"{number:032}", default["api_token"], TARGET)
    return [default["id"], *others]


async def _put_kinds(sql: asyncpg.Connection) -> None:
    """Write a row for each kind, with the texts that make the columns of its names."""
    rows = [_templates(number, kind) for number, kind in enumerate(KINDS)]
    columns = ", ".join(f'"{name}" text' for name in rows[0] if name != "kind")
    await sql.execute(f"CREATE UNLOGGED TABLE bench_kinds (kind int, {columns})")
    await sql.copy_records_to_table(
        "bench_kinds", columns=list(rows[0]), records=[list(row.values()) for row in rows]
    )


def _templates(number: int, kind: Kind) -> dict[str, Any]:
    record = _record(kind)
    schedule = schedule_row(record.schedule) | {
        "custom_hostname_id": record.id,
        "zone_id": record.zone.id,
        "hostname_status": kind.statuses[0],
        "ssl_status": kind.statuses[1],
    }
    tables = {
        custom_hostnames: wide_row(record),
        cloudflare_objects: object_row(record) | {"role": SERVING},
        schedules: schedule,
    }
    row: dict[str, Any] = {"kind": number}
    for table, values in tables.items():
        for name, value in values.items():
            row[_template_name(table, name)] = _template(table.c[name], value)
    return row


def _template_name(table: Table, column: str) -> str:
    return f"{table.name}_{column}"


def _template(column: Column[Any], value: Any) -> str | None:
    """Return the text of a value, as a format in which each placeholder is a parameter."""
    if value is None:
        return None
    text = json.dumps(value) if isinstance(column.type, JSON) else str(value)
    text = text.replace("%", "%%")
    for number, placeholder in enumerate(PLACEHOLDERS, start=1):
        text = text.replace(placeholder, f"%{number}$s")
    return text


def _record(kind: Kind) -> CustomHostname:
    """Build a record of this kind whose own values are placeholders."""
    hostname_status, ssl_status = kind.statuses
    names = list(PLACEHOLDERS)
    exists = kind.state not in {State.PENDING, State.DELETED}
    view = CloudflareHostname(
        id=names[4],
        hostname=names[1],
        status=hostname_status,
        ssl_status=ssl_status,
        ssl_method="http",
        ssl_type="dv",
        created_at=CREATED,
    )
    began = CloudflareObject(id=view.id, create_started_at=CREATED, create_tried_at=CREATED)
    record = CustomHostname(
        id=names[0],
        hostname=Hostname(names[1]),
        tenant=names[2],
        zone=ZoneTargets(id=names[3], cname_target=TARGET),
        plan=Plan.SIMPLE,
        desired=Desired.ABSENT if kind.state in _LEAVING else Desired.PRESENT,
        state=kind.state,
        reason=kind.reason,
        labels={"placeholder": ""},
        cloudflare=replace(began, seen=view) if exists else CloudflareObject(),
        # Without a time: a worker beside it has nothing to do.
        schedule=Schedule(),
        sequence=_PATH.index(kind.state) + 1 if kind.state in _PATH else 3,
        created_at=CREATED,
        updated_at=CHANGED,
        wanted_at=CREATED,
        acted_at=CREATED,
        arrived_at=dict.fromkeys(_arrived(kind.state), CREATED),
    )
    here = kind.routing.kind is RoutingKind.CNAME
    status = RecordStatus.FOUND if here else RecordStatus.MISSING
    statuses = {wanted.key: status for wanted in wanted_records(record)}
    if exists:
        sent = replace(record.cloudflare, applied=wanted_spec(record))
        record = replace(record, cloudflare=sent)
    return replace(record, dns=DnsSeen(routing=kind.routing, statuses=statuses))


_LEAVING = {State.DELETING, State.DELETED}
_PATH = [State.PENDING, State.VALIDATING, State.ACTIVE, State.CNAME_VERIFIED]


def _arrived(state: State) -> Sequence[State]:
    if state in _PATH:
        return _PATH[: _PATH.index(state) + 1]
    return [State.PENDING, State.DELETING, state] if state in _LEAVING else [State.PENDING, state]


async def _fill(sql: asyncpg.Connection, condition: str) -> None:
    for table in FILLED:
        names = await sql.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'bench_kinds' "
            "AND column_name LIKE $1",
            f"{table.name}_%",
        )
        columns = [row[0].removeprefix(f"{table.name}_") for row in names]
        values = ", ".join(_value(table.c[name]) for name in columns)
        named = ", ".join(f'"{name}"' for name in columns)
        await sql.execute(
            f"INSERT INTO {table.name} ({named}) SELECT {values} "  # noqa: S608
            f"FROM bench_rows r JOIN bench_kinds k USING (kind) WHERE {condition}",
            timeout=600,
        )


def _value(column: Column[Any]) -> str:
    template = f"k.{_template_name(column.table, column.name)}"
    if isinstance(column.type, TIMESTAMP):
        instant = "updated_at" if column.name == "updated_at" else "created_at"
        return f"CASE WHEN {template} IS NOT NULL THEN r.{instant} END"
    own = [f"r.{name}" for name in PLACEHOLDERS.values()]
    type_name = column.type.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    text = f"format({template}, {', '.join(own)})"
    return f"CASE WHEN {template} IS NOT NULL THEN {text} END::{type_name}"
