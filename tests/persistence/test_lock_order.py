"""Several rows are locked in the order of their ids; what Postgres undoes is run again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.custom_hostname import CloudflareObject, Schedule
from app.domain.errors import DatabaseUnavailable
from app.persistence import leases, list_snapshot
from app.persistence.connecting import connect
from app.persistence.custom_hostnames import lock_bases
from app.persistence.database import Connection, Database, TransactionUndone
from tests.support.rows import now_of, present_zone, put_hostname

IDS = [f"ch_{letter}" for letter in "abcdefgh"]
Change = Callable[[Connection, str], Awaitable[object]]


async def confirm(tx: Connection, _: str) -> None:
    later = await tx.scalar(text("SELECT nameplate_now()"))
    assert later is not None
    await list_snapshot.confirm_snapshot(
        tx, IDS[::-1], sent_at=later, round_number=None, next_check_in=None
    )


async def note(tx: Connection, _: str) -> None:
    await list_snapshot.note_in_scan(tx, IDS[::-1], 7)


async def unlisted(tx: Connection, zone_id: str) -> None:
    now = await tx.scalar(text("SELECT nameplate_now()"))
    assert now is not None
    await list_snapshot.check_unlisted(tx, zone_id, {}, since=now)


async def missing(tx: Connection, zone_id: str) -> None:
    now = await tx.scalar(text("SELECT nameplate_now()"))
    assert now is not None
    await list_snapshot.check_missing(tx, zone_id, 9, since=now, rounds=1)


async def claim(tx: Connection, _: str) -> None:
    await leases.claim_these(tx, IDS[::-1])


async def lock(tx: Connection, _: str) -> None:
    await leases.lock_all(tx, IDS[::-1])


@pytest.mark.parametrize("change", [confirm, note, unlisted, missing, claim, lock])
async def test_rows_are_locked_in_the_order_of_their_ids(
    database: Database, change: Change
) -> None:
    zone = await present_zone(database)
    later = await now_of(database) + timedelta(days=1)
    # The table has them the other way round, as it comes about in life.
    for each in reversed(IDS):
        name = f"{each[3:]}.shop.com"
        schedule = Schedule(cloudflare_due_at=later)
        await put_hostname(
            database, zone, each, name, schedule, cloudflare=CloudflareObject(id=f"cf-{each}")
        )
    async with database.transaction() as tx:
        await tx.execute(
            text(
                "UPDATE schedules SET hostname_status = 'pending', ssl_status = 'pending_issuance'"
            )
        )
        # Written back to front, so that a scan meets the last first.
        for each in reversed(IDS):
            await tx.execute(
                text("UPDATE schedules SET seen_in_scan = 0 WHERE custom_hostname_id = :id"),
                {"id": each},
            )

    async def change_all() -> None:
        async with database.transaction() as tx:
            await change(tx, zone.id)

    first = await connect(database.server)
    other = await connect(database.server)
    try:
        held = first.transaction()
        await held.start()
        await first.execute(
            "SELECT 1 FROM schedules WHERE custom_hostname_id = $1 FOR UPDATE", IDS[0]
        )
        task = asyncio.create_task(change_all())
        await until_somebody_waits(database)
        # Who waits for the first holds none of the others.
        rows = await other.fetch("SELECT custom_hostname_id FROM schedules FOR UPDATE SKIP LOCKED")
        assert sorted(row[0] for row in rows) == IDS[1:]
        await held.rollback()
        await task
    finally:
        await first.close()
        await other.close()


async def test_bases_are_locked_in_the_order_of_their_names(database: Database) -> None:
    async def lock(*bases: str) -> None:
        async with database.transaction() as tx:
            await lock_bases(tx, *bases)

    async with database.transaction() as first:
        await lock_bases(first, "a.com")
        waiting = asyncio.create_task(lock("c.com", "b.com", "a.com", "c.com"))
        await until_somebody_waits(database)
        # Who waits for the first holds none of the others.
        async with asyncio.timeout(20):
            await lock("c.com", "b.com")
    await waiting


async def until_somebody_waits(database: Database) -> None:
    waits = text("SELECT 1 FROM pg_locks WHERE NOT granted")
    for _ in range(200):
        async with database.transaction() as tx:
            if await tx.scalar(waits):
                return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


async def put_two(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(text("CREATE TABLE two (id int PRIMARY KEY, times int)"))
        await tx.execute(text("INSERT INTO two VALUES (1, 0), (2, 0)"))


def cross(order: tuple[int, int], meet: asyncio.Barrier) -> Callable[[Connection], Awaitable[None]]:
    """Change both rows in this order, once the other has changed one."""
    met = False

    async def body(tx: Connection) -> None:
        nonlocal met
        await tx.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
        for number in order:
            await tx.execute(
                text("UPDATE two SET times = times + 1 WHERE id = :id"), {"id": number}
            )
            if not met:
                met = True
                await meet.wait()

    return body


async def test_a_deadlock_is_run_again_and_both_changes_are_made(database: Database) -> None:
    await put_two(database)
    meet = asyncio.Barrier(2)
    await asyncio.gather(database.run(cross((1, 2), meet)), database.run(cross((2, 1), meet)))
    async with database.transaction() as tx:
        rows = await tx.execute(text("SELECT times FROM two"))
        assert list(rows.scalars()) == [2, 2]


async def test_a_serialization_failure_is_run_again(database: Database) -> None:
    await put_two(database)
    tries = 0

    async def body(tx: Connection) -> int:
        nonlocal tries
        tries += 1
        await tx.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        times = await tx.scalar(text("SELECT times FROM two WHERE id = 1"))
        if tries == 1:
            async with database.transaction() as between:
                await between.execute(text("UPDATE two SET times = 10 WHERE id = 1"))
        await tx.execute(text("UPDATE two SET times = :n WHERE id = 1"), {"n": (times or 0) + 1})
        return (times or 0) + 1

    assert await database.run(body) == 11
    assert tries == 2


async def test_what_is_undone_every_time_is_given_up_and_may_be_asked_again(
    database: Database,
) -> None:
    tries = 0

    async def body(tx: Connection) -> None:
        nonlocal tries
        tries += 1
        await tx.execute(
            text("DO $$ BEGIN RAISE EXCEPTION 'undone' USING ERRCODE = '40P01'; END $$")
        )

    with pytest.raises(TransactionUndone, match="was not made"):
        await database.run(body)
    assert tries == 6


async def test_a_lost_connection_is_tried_again_within_the_time_that_is_given(
    database: Database,
) -> None:
    tries = 0

    async def body(tx: Connection) -> int:
        nonlocal tries
        tries += 1
        if tries < 3:
            await tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return tries

    with pytest.raises(DatabaseUnavailable):
        await database.run(body)
    tries = 0
    assert await database.run(body, within=10) == 3


async def test_a_fault_of_the_statement_is_not_tried_again(database: Database) -> None:
    tries = 0

    async def body(tx: Connection) -> None:
        nonlocal tries
        tries += 1
        await tx.execute(text("SELECT nonsense"))

    with pytest.raises(Exception, match="nonsense"):
        await database.run(body, within=10)
    assert tries == 1
