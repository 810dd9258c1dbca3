"""Leases and wakes: one worker at a time, nothing lost in between."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.domain.custom_hostname import CustomHostname, Desired, Removal, Schedule, State
from app.domain.reason import Reason
from app.persistence import custom_hostnames as store
from app.persistence import due_work, leases, pause_spreading, tables
from app.persistence.clock import advance, read_now
from app.persistence.database import NOW, Connection, Database, in_seconds
from app.persistence.leases import Claim
from app.persistence.zones import open_zones
from tests.support.rows import now_of, present_zone, put_hostname


async def insert(database: Database, name: str, **changes: Any) -> CustomHostname:
    now = await now_of(database)
    record_id = f"ch_{name.replace('.', '_')}"
    zone = await present_zone(database)
    due = Schedule(cloudflare_due_at=now)
    return await put_hostname(database, zone, record_id, name, due, **changes)


async def let_pass(database: Database, **by: float) -> None:
    async with database.transaction() as tx:
        await advance(tx, timedelta(**by))


async def claim_due(database: Database, limit: int = 10) -> list[Claim]:
    async with database.transaction() as tx:
        zones = await open_zones(tx)
        return await due_work.claim_free(tx, zones[0].id, limit=limit) if zones else []


async def put_off(tx: Connection, *, minutes: int) -> None:
    later = NOW + in_seconds(minutes * 60)
    await tx.execute(update(tables.schedules).values(dns_due_at=later, cloudflare_due_at=later))


async def test_what_is_due_is_claimed_once(database: Database) -> None:
    for number in range(20):
        await insert(database, f"h{number}.shop.com")
    claims = await asyncio.gather(*(claim_due(database, 7) for _ in range(4)))
    ids = [claim.custom_hostname_id for each in claims for claim in each]
    assert len(ids) == len(set(ids)) == 20
    assert await claim_due(database) == []


async def test_a_lease_that_ended_is_taken_up_with_a_higher_token(database: Database) -> None:
    await insert(database, "a.shop.com")
    (first,) = await claim_due(database)
    async with database.transaction() as tx:
        await advance(tx, timedelta(seconds=leases.LEASE_SECONDS + 1))
    (second,) = await claim_due(database)
    assert second.token == first.token + 1
    async with database.transaction() as tx:
        assert not await leases.lock_lease(tx, first)
        assert await leases.lock_lease(tx, second)


async def test_a_lease_that_ended_allows_no_write_even_before_anybody_takes_it(
    database: Database,
) -> None:
    await insert(database, "a.shop.com")
    (claim,) = await claim_due(database)
    async with database.transaction() as tx:
        await advance(tx, timedelta(seconds=leases.LEASE_SECONDS + 1))
    async with database.transaction() as tx:
        assert not await leases.lock_lease(tx, claim)


async def test_a_wake_during_a_lease_makes_the_row_due_at_its_end(database: Database) -> None:
    record = await insert(database, "a.shop.com")
    (claim,) = await claim_due(database)
    later = Schedule(cloudflare_due_at=claim.now + timedelta(hours=1))
    async with database.transaction() as tx:
        await leases.wake(tx, record.id)
    assert await claim_due(database) == []
    async with database.transaction() as tx:
        assert await leases.lock_lease(tx, claim)
        await leases.save_and_release(tx, claim, later)
    assert [c.custom_hostname_id for c in await claim_due(database)] == [record.id]


async def test_what_was_woken_is_claimed_before_what_only_fell_due(database: Database) -> None:
    for number in range(5):
        await insert(database, f"early-{number}.shop.com")
    woken = await insert(database, "woken.shop.com")
    async with database.transaction() as tx:
        await leases.wake(tx, woken.id)
        zone = (await open_zones(tx))[0]
        claims = await due_work.claim_woken(tx, zone.id, limit=3)
        assert [claim.custom_hostname_id for claim in claims] == [woken.id]
        assert await due_work.claim_woken(tx, zone.id, limit=3) == []


async def test_one_that_is_woken_while_it_is_held_goes_first_once_it_is_let_go(
    database: Database,
) -> None:
    record = await insert(database, "a.shop.com")
    (claim,) = await claim_due(database)
    async with database.transaction() as tx:
        await leases.wake(tx, record.id)
        zone = (await open_zones(tx))[0]
        assert await due_work.claim_woken(tx, zone.id, limit=3) == []
        await leases.save_and_release(
            tx, claim, Schedule(cloudflare_due_at=claim.now + timedelta(hours=1))
        )
        assert len(await due_work.claim_woken(tx, zone.id, limit=3)) == 1


async def test_what_was_woken_and_put_off_since_is_not_claimed_before_its_time(
    database: Database,
) -> None:
    record = await insert(database, "a.shop.com")
    async with database.transaction() as tx:
        await leases.wake(tx, record.id)
        zone = (await open_zones(tx))[0]
        await put_off(tx, minutes=1)
        assert await due_work.claim_woken(tx, zone.id, limit=3) == []
        await advance(tx, timedelta(minutes=2))
    async with database.transaction() as tx:
        assert len(await due_work.claim_woken(tx, zone.id, limit=3)) == 1


async def test_a_release_without_a_wake_keeps_the_appointment(database: Database) -> None:
    await insert(database, "a.shop.com")
    (claim,) = await claim_due(database)
    async with database.transaction() as tx:
        await leases.save_and_release(
            tx, claim, Schedule(cloudflare_due_at=claim.now + timedelta(seconds=90))
        )
    for seconds, due in ((80, 0), (11, 1)):
        async with database.transaction() as tx:
            await advance(tx, timedelta(seconds=seconds))
        assert len(await claim_due(database)) == due


async def test_a_claim_says_which_side_is_due(database: Database) -> None:
    await insert(database, "a.shop.com")
    (claim,) = await claim_due(database)
    assert (claim.dns_due, claim.cloudflare_due) == (False, True)


async def test_an_unchanged_look_writes_no_wide_row(database: Database) -> None:
    record = await insert(database, "a.shop.com")
    async with database.transaction() as tx:
        known = await store.get_hostname(tx, record.id)
        assert known is not None
        now = await read_now(tx)
        checked = replace(
            known, updated_at=now, schedule=Schedule(dns_due_at=now + timedelta(seconds=10))
        )
        kept = await store.save_hostname(tx, checked, before=known)
    assert kept.view == known.view
    async with database.pool.acquire() as connection:
        before = await connection.fetchval("SELECT xmin::text FROM custom_hostnames")
        created = await connection.fetchval("SELECT view FROM custom_hostnames")
    assert created == 1
    async with database.transaction() as tx:
        changed = await store.save_hostname(tx, replace(known, metadata={"a": 1}), before=known)
    assert changed.view == 2
    async with database.pool.acquire() as connection:
        assert await connection.fetchval("SELECT xmin::text FROM custom_hostnames") != before


async def test_a_record_comes_back_from_its_rows_as_it_was(database: Database) -> None:
    record = await insert(database, "*.b.shop.com")
    async with database.transaction() as tx:
        known = await store.get_hostname(tx, record.id)
    assert known == replace(record, arrived_at={**(known.arrived_at if known else {})})


async def test_all_of_a_watch_is_read_as_it_was_written(database: Database) -> None:
    record = await insert(database, "a.shop.com")
    (claim,) = await claim_due(database)
    at = claim.now + timedelta(seconds=1)
    whole = Schedule(
        dns_due_at=at,
        cloudflare_due_at=at,
        cloudflare_failures=1,
        cloudflare_waits_until=at,
        action_failures=7,
        action_waits_until=at,
        dns_failures=2,
        mismatches=3,
        mismatched_at=at,
        refreshed_at=at,
        refreshed_records=frozenset({("TXT", "a", "b"), ("CNAME", "c", "d")}),
        refreshes=4,
        viewed_at=at,
        suspected_at=at,
        followed_from=at,
        refreshes_on=at,
        refreshes_today=5,
        fast_from=at,
        fast_periods_on=at,
        fast_periods_today=6,
        waiting_since=at,
        removal=Removal.REMAKE,
        remade_at=at,
        emitted_reasons=frozenset({Reason.AWAITING_CNAME, Reason.CNAME_ELSEWHERE}),
    )
    assert all(
        getattr(whole, name) != getattr(Schedule(), name) for name in Schedule.__dataclass_fields__
    )
    async with database.transaction() as tx:
        await leases.save_and_release(tx, claim, whole)
    async with database.transaction() as tx:
        known = await store.get_hostname(tx, record.id)
    assert known is not None
    assert known.schedule == whole


async def spread(database: Database, *, anew: bool, paused_for: timedelta) -> None:
    async with database.transaction() as tx:
        zone = (await open_zones(tx))[0]
        since = await read_now(tx) - paused_for
        ids = await pause_spreading.lock_for_resume(tx, zone.id, after="", limit=10)
        await pause_spreading.jitter_overdue(
            tx,
            ids,
            over=timedelta(hours=1),
            suspects_over=timedelta(minutes=5),
            paused_since=since,
            anew=anew,
        )


@pytest.mark.parametrize("doubt", ["mismatched_at", "suspected_at"])
@pytest.mark.parametrize("anew", [True, False])
async def test_after_a_pause_what_was_in_doubt_is_looked_at_within_five_minutes(
    database: Database, doubt: str, *, anew: bool
) -> None:
    record = await insert(database, "a.shop.com", state=State.CNAME_VERIFIED)
    await let_pass(database, hours=1)
    (claim,) = await claim_due(database)
    later = claim.now + timedelta(days=9)
    is_suspected = {
        "mismatched_at": Schedule(dns_due_at=later, mismatched_at=claim.now),
        "suspected_at": Schedule(dns_due_at=later, suspected_at=claim.now),
    }[doubt]
    async with database.transaction() as tx:
        await leases.save_and_release(tx, claim, is_suspected)
    await spread(database, anew=anew, paused_for=timedelta(minutes=30))
    async with database.transaction() as tx:
        known = await store.get_hostname(tx, record.id)
        latest = await read_now(tx) + timedelta(minutes=5)
    assert known is not None
    schedule = known.schedule
    assert schedule.dns_due_at is not None
    assert schedule.cloudflare_due_at is not None
    assert claim.now < max(schedule.dns_due_at, schedule.cloudflare_due_at) < latest
    assert getattr(schedule, doubt) == (None if anew else claim.now)


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        pytest.param({}, True, id="pending"),
        pytest.param({"desired": Desired.ABSENT, "state": State.DELETING}, True, id="leaving"),
        pytest.param({"desired": Desired.ABSENT, "state": State.DELETED}, False, id="gone"),
        pytest.param({"state": State.VALIDATING}, False, id="validating"),
        pytest.param({"state": State.CNAME_VERIFIED}, False, id="live"),
    ],
)
@pytest.mark.parametrize("acted_on", [False, True], ids=["", "acted on"])
async def test_after_a_pause_what_somebody_waits_for_is_due_and_all_else_is_spread(
    database: Database, changes: dict[str, Any], *, waits: bool, acted_on: bool
) -> None:
    record = await insert(database, "a.shop.com", **changes)
    await let_pass(database, hours=1)
    paused_for = timedelta(hours=2) if acted_on else timedelta(minutes=30)
    await spread(database, anew=False, paused_for=paused_for)
    async with database.transaction() as tx:
        known = await store.get_hostname(tx, record.id)
        now = await read_now(tx)
    assert known is not None
    due = known.schedule.cloudflare_due_at
    assert due is not None
    assert (due <= now) is (waits or acted_on)


async def test_what_fell_due_is_counted_as_far_as_is_asked(database: Database) -> None:
    for number in range(4):
        await insert(database, f"h{number}.shop.com")
    zone = await present_zone(database)
    async with database.transaction() as tx:
        await advance(tx, timedelta(seconds=1))
        assert await pause_spreading.count_overdue(tx, zone.id, limit=10) == 4
        assert await pause_spreading.count_overdue(tx, zone.id, limit=3) == 3
        await put_off(tx, minutes=1)
        assert await pause_spreading.count_overdue(tx, zone.id, limit=10) == 0
