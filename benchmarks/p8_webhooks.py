"""P8: webhook deliveries per CPU second, how soon they set out, and their tables at five million.

A thousand endpoints, each a port of its own on 127.0.0.1, in one process that answers 204. The
sender is the worker's own loop in a process of its own: it claims, signs, sends and records. Beside
it httpx posts the same body to the same ports in as many tasks, with a client for each endpoint; it
neither signs nor records. Both keep their connections. CPU seconds are those of the process that
sends.

How soon: events are written at a steady rate, and the receivers note when the first byte of each
message was read. The write and its commit are part of this time. Beside it stands a sender that
polls each second.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from app.adapters.cipher import Cipher
from app.adapters.webhook_signing import new_secret
from app.bootstrap import open_services
from app.domain.event_samples import sample_body
from app.domain.events import EventType
from app.local.database import local_database
from app.persistence.ids import Prefix, new_id
from app.persistence.migrations import migrate
from app.persistence.wakeups import Channel
from benchmarks.p1_get_one import SEED
from benchmarks.p8_processes import (
    HOST,
    Process,
    Spent,
    receive,
    running,
    send_bare,
    send_ours,
)
from benchmarks.p8_tables import measure_tables
from benchmarks.row import Row
from benchmarks.settings import SECRET_KEY, settings_for

ENDPOINTS = 1000
MESSAGES = 6000
ROUNDS = 5
AIM = 0.6
RATE = 200
"""Events a second."""
EVENTS = 20 * RATE
WRITERS = 4
POLLED = {50: 500.0, 99: 990.0}
"""Percentiles of the wait, in milliseconds, if a sender looks once a second and sends at once."""

PUT_ENDPOINTS = """
INSERT INTO webhook_endpoints (id, url, tenant, event_types, secret, created_at)
SELECT 'we_' || n, url, 'tenant-' || n, '{}', secret, now()
FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS given (url, secret, n)
"""
PUT_EVENTS = """
INSERT INTO events (id, custom_hostname_id, tenant, sequence, type, after, reason, body, created_at)
SELECT 'evt_' || $1::int || '_' || n, 'ch_' || 1 + n % $3::int, 'tenant-' || 1 + n % $3::int,
  1000 * $1::int + n / $3::int, $5, 'cname_verified', 'live', $4, now()
FROM generate_series(0, $2::int - 1) n
"""
PUT_DELIVERIES = """
INSERT INTO deliveries (id, event_id, endpoint_id, status, next_attempt_at, created_at)
SELECT 'dlv_' || $1::int || '_' || n, 'evt_' || $1::int || '_' || n, 'we_' || 1 + n % $3::int,
  'pending', now() - interval '1 hour' + n * interval '1 millisecond', now()
FROM generate_series(0, $2::int - 1) n
"""
UNSENT = """
SELECT count(*) FROM deliveries d WHERE status <> 'succeeded' OR NOT EXISTS (
  SELECT FROM attempts WHERE delivery_id = d.id AND status_code = 204)
"""
RECORD = f"""
WITH event AS (
  INSERT INTO events
    (id, custom_hostname_id, tenant, sequence, type, after, reason, body, created_at)
  VALUES ($1, 'ch_' || $3::int, 'tenant-' || $3::int, $4, $5, 'cname_verified', 'live', $6, now())
)
INSERT INTO deliveries (id, event_id, endpoint_id, status, next_attempt_at, created_at)
VALUES ($2, $1, 'we_' || $3::int, 'pending', now(), now())
RETURNING pg_notify('{Channel.DELIVER}', '')
"""  # noqa: S608 - the channel is a name of ours
TYPE = EventType.CNAME_VERIFIED


@dataclass(frozen=True, slots=True)
class Sides:
    """The processes, and the database of ours."""

    sql: asyncpg.Connection
    receivers: Process
    ours: Process
    bare: Process


async def measure() -> list[Row]:
    """Send, then record and send, then measure the tables."""
    with tempfile.TemporaryDirectory(prefix="nameplate-bench-") as folder, ExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, local_database(Path(folder), keep=False))
        await asyncio.to_thread(migrate, url)
        receivers = stack.enter_context(running(receive, ENDPOINTS))
        ports = await receivers.answer()
        body = json.dumps(sample_body(TYPE))
        await _seed(url, ports)
        ours = stack.enter_context(running(send_ours, url))
        bare = stack.enter_context(running(send_bare, ports, body))
        await ours.answer()
        await bare.answer()
        sql = await asyncpg.connect(url)
        try:
            sides = Sides(sql, receivers, ours, bare)
            rows = [await _throughput(sides, body), *await _delays(sides, url, body)]
        finally:
            await sql.close()
        return [*rows, *await measure_tables(url)]


async def _seed(url: str, ports: Sequence[int]) -> None:
    async with open_services(settings_for(url)):
        # It writes the default zone.
        pass
    cipher = Cipher([SECRET_KEY])
    sql = await asyncpg.connect(url)
    try:
        await sql.execute(SEED, "{}", len(ports))
        await sql.execute(
            PUT_ENDPOINTS,
            [f"http://{HOST}:{port}/" for port in ports],
            [cipher.encrypt(new_secret()) for _ in ports],
        )
    finally:
        await sql.close()


async def _throughput(sides: Sides, body: str) -> Row:
    ours: list[Spent] = []
    bare: list[Spent] = []
    for number in range(1, ROUNDS + 2):
        await sides.sql.execute(PUT_EVENTS, number, MESSAGES, ENDPOINTS, body, TYPE)
        await sides.sql.execute(PUT_DELIVERIES, number, MESSAGES, ENDPOINTS)
        await sides.sql.execute("ANALYZE deliveries, events, attempts")
        ours.append(await sides.ours.ask(MESSAGES))
        await _check(sides)
        bare.append(await sides.bare.ask(MESSAGES))
        if len(await sides.receivers.ask("report")) != MESSAGES:
            raise RuntimeError("the bare side did not send all")
    # The first round opens the connections.
    rate = MESSAGES / statistics.median(spent.cpu for spent in ours[1:])
    beside = MESSAGES / statistics.median(spent.cpu for spent in bare[1:])
    wall = MESSAGES / statistics.median(spent.wall for spent in ours[1:])
    return Row(
        id="P8",
        figure=f"webhooks a CPU-second to {ENDPOINTS:,} endpoints ({wall:,.0f} of wall time)",
        value=round(rate, 1),
        unit="messages/s",
        beside=f"httpx, unsigned and unrecorded: {beside:,.0f} a CPU-second",
        ratio=round(rate / beside, 3),
        aim=f"at least {AIM:.2f}",
        met=rate >= AIM * beside,
    )


async def _check(sides: Sides) -> None:
    """See that each message arrived once and was recorded."""
    arrived = await sides.receivers.ask("report")
    unsent = await sides.sql.fetchval(UNSENT)
    if unsent or len({each for each, _ in arrived}) != MESSAGES or len(arrived) != MESSAGES:
        raise RuntimeError(f"{len(arrived)} of {MESSAGES} messages arrived, {unsent} unrecorded")


async def _delays(sides: Sides, url: str, body: str) -> list[Row]:
    sides.ours.tell(EVENTS)
    recorded = await _record_steadily(url, body)
    await sides.ours.answer()
    arrived = dict(await sides.receivers.ask("report"))
    waits = sorted((arrived[event] - at) * 1000 for event, at in recorded.items())
    cuts = statistics.quantiles(waits, n=100)
    return [_delay_row(percentile, cuts[percentile - 1]) for percentile in POLLED]


def _delay_row(percentile: int, milliseconds: float) -> Row:
    polled = POLLED[percentile]
    return Row(
        id="P8",
        figure=f"from an event's write to its first byte, p{percentile}, at {RATE} events/s",
        value=round(milliseconds, 1),
        unit="ms",
        beside=f"polling each second: {polled:.0f} ms",
        ratio=round(milliseconds / polled, 3),
        aim="less than polling",
        met=milliseconds < polled,
    )


async def _record_steadily(url: str, body: str) -> dict[str, float]:
    """Write events at a steady rate. Return when the write of each began.

    One statement does what a transition does for its event, so that the writer leaves the machine
    to those who send.
    """
    began_at: dict[str, float] = {}

    async def record(number: int) -> None:
        event_id = new_id(Prefix.EVENT)
        began_at[event_id] = time.time()
        endpoint = 1 + number % ENDPOINTS
        sequence = 1_000_000 + number
        await pool.execute(
            RECORD, event_id, new_id(Prefix.DELIVERY), endpoint, sequence, TYPE, body
        )

    async with (
        asyncpg.create_pool(url, min_size=WRITERS, max_size=WRITERS) as pool,
        asyncio.TaskGroup() as tasks,
    ):
        began = time.monotonic()
        for number in range(EVENTS):
            await asyncio.sleep(began + number / RATE - time.monotonic())
            tasks.create_task(record(number))
    return began_at
