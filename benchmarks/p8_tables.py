"""P8's tables: what is read and written of deliveries at five million, beside ten thousand.

The service's own store functions run against two databases of one Postgres, in turn. The endpoint
that is looked at has a fifth of all deliveries. What writes is rolled back.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg

from app.domain.deliveries import AFTER_SOON, Attempt, Due
from app.persistence.database import Connection, Database, open_database
from app.persistence.deliveries import Delivery, Outcome, claim_deliveries, record_attempts
from app.persistence.delivery_history import (
    DeliveryFilter,
    DeliveryStatus,
    Place,
    get_delivery,
    list_attempts,
    list_deliveries,
    read_statistics,
)
from app.persistence.migrations import migrate
from app.services.delivery_recorder import MOST_AT_ONCE
from benchmarks.p8_processes import PLACES
from benchmarks.p8_seeding import LARGEST, STATISTICS_DAYS, seed_deliveries
from benchmarks.row import Row

DELIVERIES = {"large": 5_000_000, "small": 10_000}
LIMIT = 50
DEEP = 10_000
"""The page, or the last full one of a list that ends before."""
DUE = 1000
ROUNDS = 40
AIM = 1.5

MAKE_DUE = """
UPDATE deliveries SET status = 'pending', attempts = 0, next_attempt_at = now()
FROM webhook_endpoints e CROSS JOIN LATERAL (
  SELECT id FROM deliveries WHERE endpoint_id = e.id ORDER BY created_at DESC LIMIT 1
) newest
WHERE deliveries.id = newest.id
"""
LAST_OF_PAGE = """
SELECT created_at, id FROM deliveries WHERE endpoint_id = $1
ORDER BY created_at DESC, id DESC OFFSET $2 LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two databases, and what is asked of it."""

    database: Database
    deep: Place
    """The last row before the deep page."""
    exhausted: str
    """A delivery with eight attempts."""


Step = Callable[[Connection, Side], Awaitable[float]]
"""Does its work and returns the seconds that it took."""


async def measure_tables(url: str) -> list[Row]:
    """Fill both databases and measure each step in both."""
    async with _two_databases(url) as urls, AsyncExitStack() as stack:
        sides = {}
        for name, each in urls.items():
            await seed_deliveries(each, DELIVERIES[name])
            database = await stack.enter_async_context(open_database(each))
            sides[name] = await _side(database, each)
        rows = [await _row(figure, step, sides) for figure, step in UNDUE.items()]
        for each in urls.values():
            await _make_due(each)
        return rows + [await _row(figure, step, sides) for figure, step in WITH_DUE.items()]


async def _row(figure: str, step: Step, sides: dict[str, Side]) -> Row:
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(ROUNDS + 1):
        for name, side in sides.items():
            async with side.database.engine.connect() as tx:
                took = await step(tx, side)
                await tx.rollback()
            # The first round only warms up.
            if number:
                seconds[name].append(took)
    large, small = (statistics.median(seconds[name]) for name in ("large", "small"))
    ratios = zip(seconds["large"], seconds["small"], strict=True)
    ratio = statistics.median(over / under for over, under in ratios)
    return Row(
        id="P8",
        figure=f"five million deliveries: {figure}",
        value=round(large * 1000, 2),
        unit="ms",
        beside=f"ten thousand: {small * 1000:.2f} ms",
        ratio=round(ratio, 3),
        aim=f"at most {AIM:.2f}",
        met=ratio <= AIM,
    )


def _listing(wanted: DeliveryFilter, *, deep: bool = False, expected: int = LIMIT) -> Step:
    async def step(tx: Connection, side: Side) -> float:
        began = time.perf_counter()
        after = side.deep if deep else None
        found = await list_deliveries(tx, LARGEST, wanted, after=after, limit=LIMIT)
        return _took(began, found, expected)

    return step


async def _one(tx: Connection, side: Side) -> float:
    began = time.perf_counter()
    await get_delivery(tx, LARGEST, side.exhausted)
    return _took(began, await list_attempts(tx, side.exhausted, limit=LIMIT), 8)


async def _statistics(tx: Connection, _: Side) -> float:
    began = time.perf_counter()
    found = await read_statistics(tx, LARGEST, hours=24 * STATISTICS_DAYS)
    return _took(began, list(found.durations), 4)


async def _claim_nothing(tx: Connection, _: Side) -> float:
    began = time.perf_counter()
    return _took(began, await _claim(tx, PLACES), 0)


async def _claim_some(tx: Connection, _: Side) -> float:
    began = time.perf_counter()
    return _took(began, await _claim(tx, PLACES), PLACES)


async def _record(tx: Connection, _: Side) -> float:
    claimed = await _claim(tx, MOST_AT_ONCE)
    attempt = Attempt(duration_ms=80, status_code=204)
    outcomes = [Outcome(each, attempt, None) for each in claimed]
    began = time.perf_counter()
    return _took(began, list(await record_attempts(tx, outcomes)), MOST_AT_ONCE)


async def _claim(tx: Connection, count: int) -> list[Delivery]:
    def choose(due: Sequence[Due]) -> list[str]:
        return [each.id for each in due[:count]]

    return await claim_deliveries(tx, choose, limit=count, per_endpoint=AFTER_SOON, besides=[])


def _took(began: float, found: Sequence[object], expected: int) -> float:
    seconds = time.perf_counter() - began
    if len(found) != expected:
        raise RuntimeError(f"{len(found)} rows were found, not {expected}")
    return seconds


UNDUE: dict[str, Step] = {
    "first page": _listing(DeliveryFilter()),
    f"page {DEEP:,}": _listing(DeliveryFilter(), deep=True),
    "first page of what was exhausted": _listing(DeliveryFilter(status=DeliveryStatus.EXHAUSTED)),
    "first page of what waits, nothing does": _listing(
        DeliveryFilter(status=DeliveryStatus.PENDING), expected=0
    ),
    "one with its attempts": _one,
    f"statistics of {STATISTICS_DAYS} days": _statistics,
    "a claim, nothing due": _claim_nothing,
}
WITH_DUE: dict[str, Step] = {
    f"a claim of {PLACES}, {DUE:,} due": _claim_some,
    f"recording {MOST_AT_ONCE} attempts": _record,
}


async def _side(database: Database, url: str) -> Side:
    sql = await asyncpg.connect(url)
    try:
        total = await sql.fetchval(
            "SELECT count(*) FROM deliveries WHERE endpoint_id = $1", LARGEST
        )
        before = min((DEEP - 1) * LIMIT, total - LIMIT) - 1
        deep = await sql.fetchrow(LAST_OF_PAGE, LARGEST, before)
        exhausted = await sql.fetchval(
            "SELECT id FROM deliveries WHERE endpoint_id = $1 AND status = 'exhausted' "
            "ORDER BY created_at LIMIT 1",
            LARGEST,
        )
    finally:
        await sql.close()
    return Side(database, Place(*deep), exhausted)


async def _make_due(url: str) -> None:
    sql = await asyncpg.connect(url)
    try:
        changed = await sql.execute(MAKE_DUE)
        # Their one attempt is still to be made.
        await sql.execute(
            "DELETE FROM attempts USING deliveries WHERE id = delivery_id AND status = 'pending'"
        )
        await sql.execute("VACUUM ANALYZE deliveries")
    finally:
        await sql.close()
    if changed != f"UPDATE {DUE}":
        raise RuntimeError(f"{DUE} deliveries were to be due: {changed}")


@asynccontextmanager
async def _two_databases(url: str) -> AsyncIterator[dict[str, str]]:
    urls = {name: urlsplit(url)._replace(path=f"/bench_{name}").geturl() for name in DELIVERIES}
    sql = await asyncpg.connect(url)
    try:
        for name, each in urls.items():
            await sql.execute(f"CREATE DATABASE bench_{name}")
            await asyncio.to_thread(migrate, each)
        yield urls
    finally:
        for name in urls:
            await sql.execute(f"DROP DATABASE IF EXISTS bench_{name} WITH (FORCE)")
        await sql.close()
