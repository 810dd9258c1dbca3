"""P1: `GET /v1/custom-hostnames/{id}` and `GET /v1/resolve`, authentication included."""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import asyncpg

from app.api.hostname_schemas import EXAMPLE_HOSTNAME
from app.local.database import local_database
from app.persistence.migrations import migrate
from benchmarks.load import requests_per_second
from benchmarks.row import Row
from benchmarks.servers import baseline, environment, nameplate, until_they_answer

HOSTNAMES = 10_000
ROUNDS = 5
SECONDS = 4.0
CONNECTIONS = 16
BARE = "bare Starlette and asyncpg"

SEED = """
INSERT INTO custom_hostnames (id, hostname, base, tenant, zone_id, plan, desired, state, reason,
  waiting_on, metadata, dns, tombstone, revision, sequence, view, document, created_at, updated_at,
  wanted_at, acted_at)
SELECT 'ch_' || n, 'h' || n || '.bench.com', 'h' || n || '.bench.com', 'tenant-' || n % 100, z.id,
  'simple', 'present', 'cname_verified', 'live', 'nobody', '{}',
  '{"routing": null, "statuses": []}', false, 1, 4, 5,
  $1::json,
  now(), now(), now(), now()
FROM generate_series(1, $2) n, zones z;
"""
SEED_WATCHES = """
INSERT INTO schedules (custom_hostname_id, zone_id, dns_due_at)
SELECT id, zone_id, now() + interval '1 day' FROM custom_hostnames
"""


async def measure() -> list[Row]:
    """Run the four servers side by side and load them in turn, five rounds."""
    with tempfile.TemporaryDirectory(prefix="nameplate-bench-") as folder, ExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, local_database(Path(folder), keep=False))
        await asyncio.to_thread(migrate, url)
        key = "np_" + secrets.token_urlsafe(32)
        ports = {
            "ours": stack.enter_context(nameplate(environment(url, key))),
            "route": stack.enter_context(
                baseline("benchmarks.plain_route:app", environment(url, key))
            ),
            "bare": stack.enter_context(baseline("benchmarks.bare:app", {"DATABASE_URL": url})),
            "textbook": stack.enter_context(
                baseline("benchmarks.textbook:app", {"DATABASE_URL": url})
            ),
        }
        await until_they_answer(ports)
        await _seed(url)
        numbers = range(1, HOSTNAMES + 1)
        one = await _load(ports, [f"/v1/custom-hostnames/ch_{n}" for n in numbers], key)
        pair = {name: ports[name] for name in ("ours", "bare")}
        names = [f"/v1/resolve?hostname=h{n}.bench.com" for n in numbers]
        resolved = await _load(pair, names, key)
        return [*_rows(one), _row(resolved, "bare", BARE, 0.80, figure="resolve a hostname")]


async def _load(ports: dict[str, int], paths: Sequence[str], key: str) -> dict[str, float]:
    """Load the servers in turn, and return the median of the rounds of each."""
    rates: dict[str, list[float]] = {name: [] for name in ports}
    for number in range(ROUNDS + 1):
        for name, port in ports.items():
            seconds = SECONDS if number else 1.0
            rate = await requests_per_second(
                port, paths, key=key, seconds=seconds, connections=CONNECTIONS
            )
            # The first round only warms up.
            if number:
                rates[name].append(rate)
    return {name: statistics.median(each) for name, each in rates.items()}


def _rows(median: dict[str, float]) -> list[Row]:
    return [
        _row(median, "bare", BARE, 0.80),
        _row(median, "route", "the same by a FastAPI route", 1.2),
        _row(median, "textbook", "FastAPI, ORM, response_model", 3.0),
    ]


def _row(
    median: dict[str, float],
    baseline: str,
    what: str,
    aim: float,
    *,
    figure: str = "GET one custom hostname",
) -> Row:
    ratio = median["ours"] / median[baseline]
    return Row(
        id="P1",
        figure=figure,
        value=round(median["ours"], 1),
        unit="requests/s",
        beside=f"{what}: {median[baseline]:,.0f} requests/s",
        ratio=round(ratio, 3),
        aim=f"at least {aim:.2f}",
        met=ratio >= aim,
    )


async def _seed(url: str) -> None:
    document = {name: value for name, value in EXAMPLE_HOSTNAME.items() if name != "next_check_at"}
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SEED, json.dumps(document), HOSTNAMES)
        await connection.execute(SEED_WATCHES)
        await connection.execute("VACUUM ANALYZE custom_hostnames, schedules")
    finally:
        await connection.close()
