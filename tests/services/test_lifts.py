"""The end of a pause can be begun twice, cut off, and gone on with: each name is moved once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from app.domain.custom_hostname import CustomHostname, Plan, Watch, ZoneTargets
from app.domain.errors import Conflict
from app.domain.hostname import Hostname
from app.domain.pause import PauseReason
from app.persistence.clock import advance, read_now
from app.persistence.custom_hostnames import insert_hostname
from app.persistence.database import Database, open_database
from app.persistence.zones import Zone, get_zone, put_default_zone
from app.services.pauses import Pauses

COUNT = 9
PAUSED_FOR = timedelta(hours=2)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give a zone with some names that wait, paused for two hours."""
    async with open_database(database_url) as database:
        async with database.transaction() as tx:
            await put_default_zone(
                tx,
                cloudflare_zone_id="0" * 32,
                api_token=b"token",
                cname_target="customers.provider.net",
                fallback_origin="fallback.provider.net",
                budget="default",
            )
        zone = await zone_of(database)
        async with database.transaction() as tx:
            now = await read_now(tx)
            for number in range(COUNT):
                record = CustomHostname(
                    id=f"ch_{number}",
                    hostname=Hostname(f"h{number}.shop.com"),
                    tenant="tenant",
                    zone=ZoneTargets(id=zone.id, cname_target=zone.cname_target),
                    plan=Plan.SIMPLE,
                    watch=Watch(cloudflare_due_at=now, waiting_since=now),
                    created_at=now,
                    updated_at=now,
                    wanted_at=now,
                    acted_at=now,
                )
                await insert_hostname(tx, record, lease_seconds=0)
        await Pauses(database).pause(zone.id, PauseReason.TOKEN_REFUSED)
        async with database.transaction() as tx:
            await advance(tx, PAUSED_FOR)
        yield database


async def zone_of(database: Database) -> Zone:
    async with database.transaction() as tx:
        zone = await get_zone(tx, "default")
    assert zone is not None
    return zone


async def waits(database: Database) -> list[datetime]:
    async with database.pool.acquire() as connection:
        rows = await connection.fetch("SELECT waiting_since FROM watches ORDER BY 1")
    return [row[0] for row in rows]


async def test_two_who_end_a_pause_at_once_move_each_name_once(database: Database) -> None:
    before = await waits(database)
    paused = await zone_of(database)
    first, second = (Pauses(database, at_once=2) for _ in range(2))
    assert await first.lift(paused, accept_regressions=False, within=0)
    assert (await zone_of(database)).pause is not None
    lifts = (each.lift(paused, accept_regressions=False, within=9) for each in (first, second))
    assert True in await asyncio.gather(*lifts)
    assert (await zone_of(database)).pause is None
    moved = [after - was for was, after in zip(before, await waits(database), strict=True)]
    assert all(PAUSED_FOR <= by < PAUSED_FOR * 1.5 for by in moved)


async def test_what_a_request_to_resume_leaves_undone_is_gone_on_with_as_it_was_wished(
    database: Database,
) -> None:
    pauses = Pauses(database, at_once=2)
    paused = await zone_of(database)
    assert await pauses.lift(paused, accept_regressions=True, within=0)
    begun = await zone_of(database)
    assert (begun.lifted_after, begun.lift_accepts) == ("", True)
    await pauses.go_on_lifting(paused.id, within=9)
    lifted = await zone_of(database)
    assert (lifted.pause, lifted.lifted_after, lifted.lift_accepts) == (None, None, False)
    assert lifted.breaker_off_until is not None


async def test_the_end_of_another_pause_ends_none(database: Database) -> None:
    pauses = Pauses(database)
    former = await zone_of(database)
    await pauses.resume("default")
    await pauses.pause_by_operator("default", detail=None)
    assert not await pauses.lift(former, accept_regressions=False, within=9)
    assert (await zone_of(database)).pause is not None


async def test_a_zone_that_is_not_paused_cannot_be_resumed(database: Database) -> None:
    pauses = Pauses(database)
    await pauses.resume("default")
    with pytest.raises(Conflict):
        await pauses.resume("default")


async def test_an_operator_takes_a_pause_over_that_would_end_by_itself(database: Database) -> None:
    pauses = Pauses(database)
    refused = await zone_of(database)
    zone = await pauses.pause_by_operator("default", detail="an incident")
    assert (zone.pause_reason, zone.pause_retry_at) == ("operator", None)
    assert (zone.paused_at, zone.sequence) == (refused.paused_at, refused.sequence + 1)
    assert not await pauses.lift(refused, accept_regressions=False, within=9)
    with pytest.raises(Conflict):
        await pauses.pause_by_operator("default", detail="again")


async def test_an_operator_stops_the_end_of_a_pause_that_is_under_way(database: Database) -> None:
    pauses = Pauses(database)
    await pauses.lift(await zone_of(database), accept_regressions=False, within=0)
    await pauses.pause_by_operator("default", detail=None)
    await pauses.go_on_lifting((await zone_of(database)).id, within=9)
    assert (await zone_of(database)).pause_reason == "operator"
