"""Who waits for a call, in turn by tenant: thousands at once, and one of them with a crowd.

Everything is a twentieth of life: 500 tenants for 10,000, a crowd of 100 names for 2,000, and
limits under which 0.15 calls a second are ours for 3. The time is whole: an hour, and the rest.
"""

from __future__ import annotations

import random
import uuid
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from datetime import timedelta
from operator import itemgetter

import pytest

from app.domain.custom_hostname import CustomHostname
from app.domain.observation import CloudflareHostname
from app.domain.rate_limit import SHARES, Lane, Limits
from app.persistence.clock import advance, read_now
from app.persistence.connecting import connect
from app.persistence.database import Database
from app.persistence.zones import open_zones
from app.services.call_queue import CallQueue
from app.services.rate_limiter import RateLimiter
from benchmarks.filling import Filling, default_zone

TENANTS, CROWD = 500, 100
LIMITS = Limits(calls=75)
HOUR = 3600.0
STEP = 5.0
BUDGET = "default"


@dataclass
class Office:
    """The budget, those who come to it, and when each came and was served."""

    database: Database
    queue: CallQueue
    zone_id: str
    came: dict[str, float] = field(default_factory=dict)
    served: dict[str, float] = field(default_factory=dict)
    now: float = 0.0

    async def come(self, record: CustomHostname, *, awaited: bool = True) -> None:
        """Ask for a call for a refresh, that somebody waits for or not."""
        self.came[record.id] = self.now
        if await self.queue.take(record, BUDGET, Lane.VALIDATION, awaited=awaited):
            self.served[record.id] = self.now

    async def pass_to(self, instant: float) -> None:
        """Move the clock, and serve whose turn it is."""
        async with self.database.transaction() as tx:
            await advance(tx, timedelta(seconds=instant - self.now))
            self.now = instant
            claims = await self.queue.serve(tx, BUDGET, self.zone_id, limit=100)
        for claim in claims:
            self.served[claim.custom_hostname_id] = instant


@dataclass
class Hour:
    """An hour that is over, and who came in it."""

    office: Office
    crowd: list[str]
    others: list[str]


async def filled(database: Database, tenants: list[str]) -> list[CustomHostname]:
    """Have a live name for each of these."""
    sql = await connect(database.server)
    try:
        zone = await default_zone(sql)
        async with database.transaction() as tx:
            now = await read_now(tx)
        filling = Filling(sql, zone, now)
        views = [
            CloudflareHostname(
                id=str(uuid.UUID(int=number)),
                hostname=f"shop-{number}.crowded.com",
                status="active",
                ssl_status="active",
                ssl_method="http",
                ssl_type="dv",
            )
            for number in range(len(tenants))
        ]
        await filling.fill(views)
    finally:
        await sql.close()
    return [
        replace(filling.record(view), tenant=tenant)
        for view, tenant in zip(views, tenants, strict=True)
    ]


@pytest.fixture
async def hour(database: Database) -> Hour:
    """Let a crowd come at the beginning of an hour, and each other tenant at some time of it."""
    names = ["crowd"] * CROWD + [f"tenant-{number}" for number in range(TENANTS)]
    records = await filled(database, names)
    async with database.transaction() as tx:
        (zone,) = await open_zones(tx)
    office = Office(database, CallQueue(database, RateLimiter(database, LIMITS)), zone.id)
    crowd, others = records[:CROWD], records[CROWD:]
    for record in crowd:
        await office.come(record)
    drawn = random.Random(4)  # noqa: S311 - always alike
    coming = sorted(((drawn.uniform(0, HOUR), record) for record in others), key=itemgetter(0))
    while len(office.served) < len(records) and office.now < 2 * HOUR:
        await office.pass_to(office.now + STEP)
        while coming and coming[0][0] <= office.now:
            await office.come(coming.pop(0)[1])
    return Hour(office, [each.id for each in crowd], [each.id for each in others])


async def test_ten_thousand_tenants_within_an_hour_beside_a_crowd_are_served_as_reckoned(
    hour: Hour,
) -> None:
    came, served = hour.office.came, hour.office.served
    # Everybody, in the time that so many calls take at the rate of the budget.
    assert len(served) == CROWD + TENANTS
    assert max(served.values()) <= (CROWD + TENANTS) / LIMITS.rate + STEP
    # No window sees more than the service may spend.
    times = sorted(served.values())
    assert most_in_a_window(times, LIMITS.window) <= LIMITS.spendable
    # A single name waits for two of the crowd: the one whose turn it is, and the next.
    rest = sorted(served[each] for each in hour.crowd)
    waited = [each for each in hour.others if served[each] > came[each]]
    assert waited
    for each in waited:
        # What is served within one step is not told apart.
        assert between(rest, came[each], served[each]) <= 2 + LIMITS.rate * STEP
    # Callers have more than their share of the rate while the crowd wants the rest.
    assert len(waited) <= TENANTS * (1 - SHARES[Lane.INTERACTIVE])


async def without_a_call(
    database: Database, names: list[str]
) -> tuple[Office, list[CustomHostname]]:
    """Give an office whose budget is used up, and a live name for each of these tenants."""
    records = await filled(database, names)
    async with database.transaction() as tx:
        (zone,) = await open_zones(tx)
    rate_limiter = RateLimiter(database, LIMITS)
    for lane in Lane:
        await rate_limiter.acquire(BUDGET, lane, 100)
    return Office(database, CallQueue(database, rate_limiter), zone.id), records


async def test_tenants_take_turns_whoever_has_more_waiting(database: Database) -> None:
    names = ["crowd"] * 20 + ["pair"] * 2 + [f"tenant-{number}" for number in range(5)]
    office, records = await without_a_call(database, names)
    for record in records[:-1]:
        await office.come(record, awaited=False)
    while len(office.served) < 1:
        await office.pass_to(office.now + 0.25 / LIMITS.rate)
    # One that comes late joins the turn after the present one.
    await office.come(records[-1], awaited=False)
    while len(office.served) < len(records):
        await office.pass_to(office.now + 0.25 / LIMITS.rate)
    order = sorted(office.served, key=lambda each: office.served[each])
    tenants = {record.id: record.tenant for record in records}
    assert [tenants[each] for each in order[:10]] == [
        "crowd",
        "crowd",
        "pair",
        "tenant-0",
        "tenant-1",
        "tenant-2",
        "tenant-3",
        "crowd",
        "pair",
        "tenant-4",
    ]
    assert order[10:] == [record.id for record in records[3:20]]


async def test_two_tenants_that_come_again_and_again_do_not_keep_a_third_waiting(
    database: Database,
) -> None:
    names = ["crowd"] * 20 + ["one", "other"] * 20
    office, records = await without_a_call(database, names)
    crowd, coming = records[:20], list(records[20:])
    for record in (*crowd, coming.pop(0), coming.pop(0)):
        await office.come(record, awaited=False)
    while len(office.served) < 30:
        before = len(office.served)
        await office.pass_to(office.now + 0.25 / LIMITS.rate)
        # Each comes again while the other one still waits.
        for record_id in list(office.served)[before:]:
            if record_id not in {record.id for record in crowd}:
                await office.come(coming.pop(0), awaited=False)
    assert sum(record.id in office.served for record in crowd) >= 10


def most_in_a_window(times: list[float], window: float) -> int:
    return max(between(times, at - 0.001, at + window) for at in times)


def between(times: list[float], after: float, until: float) -> int:
    """Count the instants later than `after`, and not later than `until`."""
    return bisect_right(times, until) - bisect_right(times, after)
