"""The end of a pause can be begun twice, cut off, and gone on with: each name is moved once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from app.domain.custom_hostname import Schedule, State
from app.domain.errors import Conflict
from app.domain.zone import PauseReason
from app.persistence.clock import advance
from app.persistence.database import Database
from app.services.zone_pauses import Pauses
from tests.support.rows import now_of, present_zone, put_hostname

COUNT = 9
PAUSED_FOR = timedelta(hours=2)


@pytest.fixture
async def database(database: Database) -> Database:
    """Give a zone with some names that wait, paused for two hours."""
    zone, now = await present_zone(database), await now_of(database)
    for number in range(COUNT):
        waiting = Schedule(cloudflare_due_at=now, waiting_since=now)
        name = f"h{number}.shop.com"
        live = State.CNAME_VERIFIED
        await put_hostname(database, zone, f"ch_{number}", name, waiting, state=live)
    await Pauses(database).pause(zone.id, PauseReason.TOKEN_REFUSED)
    async with database.transaction() as tx:
        await advance(tx, PAUSED_FOR)
    return database


async def waits(database: Database) -> list[datetime]:
    async with database.pool.acquire() as connection:
        rows = await connection.fetch("SELECT waiting_since FROM schedules ORDER BY 1")
    return [row[0] for row in rows]


async def test_two_who_end_a_pause_at_once_move_each_name_once(database: Database) -> None:
    before = await waits(database)
    paused = await present_zone(database)
    first, second = (Pauses(database, at_once=2) for _ in range(2))
    assert await first.resume_zone(paused, accept_regressions=False, within=0)
    assert (await present_zone(database)).pause is not None
    lifts = (
        each.resume_zone(paused, accept_regressions=False, within=9) for each in (first, second)
    )
    assert True in await asyncio.gather(*lifts)
    assert (await present_zone(database)).pause is None
    moved = [after - was for was, after in zip(before, await waits(database), strict=True)]
    assert all(PAUSED_FOR <= by < PAUSED_FOR * 1.5 for by in moved)


async def test_what_a_request_to_resume_leaves_undone_is_gone_on_with_as_it_was_wished(
    database: Database,
) -> None:
    pauses = Pauses(database, at_once=2)
    paused = await present_zone(database)
    assert await pauses.resume_zone(paused, accept_regressions=True, within=0)
    begun = await present_zone(database)
    assert (begun.resume_cursor, begun.resume_accepts) == ("", True)
    await pauses.continue_resume(paused.id, within=9)
    lifted = await present_zone(database)
    assert (lifted.pause, lifted.resume_cursor, lifted.resume_accepts) == (None, None, False)
    assert lifted.breaker_off_until is not None


async def test_the_end_of_another_pause_ends_none(database: Database) -> None:
    pauses = Pauses(database)
    former = await present_zone(database)
    await pauses.resume("default")
    await pauses.pause_by_operator("default", detail=None)
    assert not await pauses.resume_zone(former, accept_regressions=False, within=9)
    assert (await present_zone(database)).pause is not None


async def test_a_zone_that_is_not_paused_cannot_be_resumed(database: Database) -> None:
    pauses = Pauses(database)
    await pauses.resume("default")
    with pytest.raises(Conflict):
        await pauses.resume("default")


async def test_an_operator_takes_a_pause_over_that_would_end_by_itself(database: Database) -> None:
    pauses = Pauses(database)
    refused = await present_zone(database)
    zone = await pauses.pause_by_operator("default", detail="an incident")
    assert (zone.pause_reason, zone.pause_retry_at) == ("operator", None)
    assert (zone.paused_at, zone.sequence) == (refused.paused_at, refused.sequence + 1)
    assert not await pauses.resume_zone(refused, accept_regressions=False, within=9)
    with pytest.raises(Conflict):
        await pauses.pause_by_operator("default", detail="again")


async def test_an_operator_stops_the_end_of_a_pause_that_is_under_way(database: Database) -> None:
    pauses = Pauses(database)
    await pauses.resume_zone(await present_zone(database), accept_regressions=False, within=0)
    await pauses.pause_by_operator("default", detail=None)
    await pauses.continue_resume((await present_zone(database)).id, within=9)
    assert (await present_zone(database)).pause_reason == "operator"


async def test_a_few_names_are_spread_over_as_many_seconds(database: Database) -> None:
    await Pauses(database).resume("default")
    now = await now_of(database)
    async with database.pool.acquire() as connection:
        rows = await connection.fetch("SELECT cloudflare_due_at FROM schedules")
    due = [row[0] for row in rows]
    assert len(set(due)) == COUNT
    assert all(now - timedelta(seconds=5) < at <= now + timedelta(seconds=COUNT) for at in due)
