"""The feed: committed events are numbered without gaps, in the order of each subject."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.custom_hostname import CustomHostname, Schedule, State
from app.domain.errors import FeedExpired, InvalidInput
from app.persistence import feed as store
from app.persistence.custom_hostnames import save_hostname
from app.persistence.database import Connection, Database
from app.persistence.feed import FeedEntry, FeedFilter
from app.persistence.leases import lock_schedule
from app.persistence.pruning import prune_events, prune_hostnames
from app.services.events import emit_event
from app.services.feed import Feed, Sequencer
from app.services.locked_records import load
from tests.support.rows import now_of, present_zone, put_hostname

EVERYTHING = FeedFilter()


async def put(database: Database, record_id: str, tenant: str = "tenant") -> CustomHostname:
    zone = await present_zone(database)
    name = f"{record_id.replace('_', '-')}.shop.com"
    return await put_hostname(database, zone, record_id, name, Schedule(), tenant=tenant)


async def emit(tx: Connection, record_id: str) -> None:
    """Write one event as a transition does, under the row's lock."""
    await lock_schedule(tx, record_id)
    record = await load(tx, record_id)
    numbered = replace(record, sequence=record.sequence + 1)
    await save_hostname(tx, numbered, before=record)
    await emit_event(
        tx, numbered, before=State.PENDING, after=State.VALIDATING, at=record.created_at
    )


async def emit_one(database: Database, record_id: str) -> None:
    async with database.transaction() as tx:
        await emit(tx, record_id)


async def number(database: Database, most: int = 1000) -> int:
    async with database.transaction() as tx:
        return await store.number_events(tx, most=most)


async def read_all(database: Database, wanted: FeedFilter = EVERYTHING) -> list[FeedEntry]:
    entries: list[FeedEntry] = []
    position = 0
    while True:
        async with database.transaction() as tx:
            found, reached = await store.read_feed(tx, wanted, after=position, limit=7)
        entries += found
        if reached == position:
            return entries
        position = reached


async def test_events_are_numbered_from_one_without_gaps(database: Database) -> None:
    for record_id in ("ch_1", "ch_2"):
        await put(database, record_id)
        for _ in range(10):
            await emit_one(database, record_id)
    assert await number(database, most=15) == 15
    assert await number(database) == 5
    assert await number(database) == 0
    assert [entry.number for entry in await read_all(database)] == list(range(1, 21))


async def test_an_event_committed_late_gets_a_later_number(database: Database) -> None:
    await put(database, "ch_early")
    await put(database, "ch_late")
    async with database.transaction() as late:
        await emit(late, "ch_late")
        await emit_one(database, "ch_early")
        assert await number(database) == 1
    assert await number(database) == 1
    assert [entry.subject for entry in await read_all(database)] == ["ch_early", "ch_late"]


async def test_one_process_numbers_at_a_time(database: Database) -> None:
    await put(database, "ch_1")
    await emit_one(database, "ch_1")
    async with database.transaction() as first:
        assert await store.number_events(first, most=10) == 1
        assert await number(database) == 0
    assert len(await read_all(database)) == 1


async def test_readers_miss_nothing_of_sixteen_writers(database: Database) -> None:
    """While they write and two processes number, a reader sees each event once, in order."""
    writers, each = 16, 12
    for writer in range(writers):
        await put(database, f"ch_{writer}")
    done = asyncio.Event()

    async def write(writer: int) -> None:
        for _ in range(each):
            await database.run(lambda tx: emit(tx, f"ch_{writer}"))

    async def sequence() -> None:
        sequencer = Sequencer(database)
        while not done.is_set():
            for unit in await sequencer.claim(1):
                await sequencer.perform(unit)
            await asyncio.sleep(0)

    async def read() -> list[FeedEntry]:
        seen: list[FeedEntry] = []
        position = 0
        while len(seen) < writers * each:
            async with database.transaction() as tx:
                found, position = await store.read_feed(tx, EVERYTHING, after=position, limit=10)
            seen += found
            await asyncio.sleep(0)
        return seen

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        sequencing = [tasks.create_task(sequence()) for _ in range(2)]
        reading = tasks.create_task(read())
        await asyncio.gather(*(write(writer) for writer in range(writers)))
        seen = await reading
        done.set()
        await asyncio.gather(*sequencing)
    assert [entry.number for entry in seen] == list(range(1, writers * each + 1))
    for writer in range(writers):
        subject = f"ch_{writer}"
        of_one = [entry.body for entry in seen if entry.subject == subject]
        assert [f'"sequence": {n},' in body for n, body in enumerate(of_one, start=1)] == [
            True
        ] * each


async def test_a_filter_leaves_out_the_events_of_others(database: Database) -> None:
    await put(database, "ch_1", tenant="green")
    await put(database, "ch_2", tenant="blue")
    for _ in range(3):
        await emit_one(database, "ch_1")
        await emit_one(database, "ch_2")
    await number(database)
    green = await read_all(database, FeedFilter(tenant="green"))
    assert {entry.subject for entry in green} == {"ch_1"}
    assert len(await read_all(database, FeedFilter(types=("custom_hostname.validating",)))) == 6
    assert await read_all(database, FeedFilter(types=("custom_hostname.active",))) == []


async def test_a_page_goes_past_numbers_that_its_filter_leaves_out(database: Database) -> None:
    await put(database, "ch_1")
    for _ in range(9):
        await emit_one(database, "ch_1")
    await number(database)
    rare = FeedFilter(types=("custom_hostname.active",))
    for scanned, reached in ((4, 4), (100, 9)):
        async with database.transaction() as tx:
            read = await store.read_feed(tx, rare, after=0, limit=10, scanned=scanned)
        assert read == ([], reached)
    page = await Feed(database, scanned=2).page(rare, after=None, limit=10)
    assert (page.entries, page.position, page.has_more) == ([], 9, False)
    page = await Feed(database, scanned=2, scans=3).page(rare, after=None, limit=10)
    assert (page.entries, page.position, page.has_more) == ([], 6, True)


async def test_what_is_recent_is_read_from_memory_like_from_the_table(database: Database) -> None:
    await put(database, "ch_1", tenant="green")
    await put(database, "ch_2", tenant="blue")
    await emit_one(database, "ch_1")
    await number(database)
    feed, table = Feed(database), Feed(database)
    async with feed.watching():
        while await feed.read(EVERYTHING, after=1, limit=1) != ([], 1):
            await asyncio.sleep(0.01)
        news = feed.news
        for _ in range(3):
            await emit_one(database, "ch_1")
            await emit_one(database, "ch_2")
        await number(database)
        async with asyncio.timeout(30):
            await news.wait()
        for wanted in (EVERYTHING, FeedFilter(tenant="blue"), FeedFilter(types=("other",))):
            for after in range(8):
                for limit in (2, 100):
                    read = await feed.read(wanted, after=after, limit=limit)
                    assert read == await table.read(wanted, after=after, limit=limit)


async def test_who_missed_pruned_events_is_told_so(database: Database) -> None:
    await put(database, "ch_1")
    for _ in range(4):
        await emit_one(database, "ch_1")
    await number(database)
    async with database.transaction() as tx:
        await tx.execute(
            text(
                "UPDATE events SET created_at = :old FROM feed "
                "WHERE feed.event_id = events.id AND number <= 2"
            ),
            {"old": await now_of(database) - timedelta(days=91)},
        )
        counts = await prune_events(tx, older_than=timedelta(days=90), limit=10)
    assert counts["events"] == 2
    # A reader that had begun before they were removed.
    with pytest.raises(FeedExpired):
        async with database.transaction() as tx:
            await store.read_feed(tx, EVERYTHING, after=1, limit=10)
    feed = Feed(database)
    with pytest.raises(FeedExpired, match="start after is 2"):
        await feed.start_after(1, parameter="after")
    assert await feed.start_after(2, parameter="after") == 2
    assert await feed.start_after(None, parameter="after") == 4
    with pytest.raises(InvalidInput):
        await feed.start_after(5, parameter="after")
    page = await feed.page(EVERYTHING, after=None, limit=10)
    assert [entry.number for entry in page.entries] == [3, 4]


async def test_events_removed_with_their_hostname_expire_no_reader(database: Database) -> None:
    """They are of a hostname that is gone for good, so nobody has to list it again."""
    await put(database, "ch_1")
    await emit_one(database, "ch_1")
    await number(database)
    async with database.transaction() as tx:
        await tx.execute(
            text(
                "UPDATE custom_hostnames SET state = 'deleted', deleted_at = :old WHERE id = 'ch_1'"
            ),
            {"old": await now_of(database) - timedelta(days=91)},
        )
        counts = await prune_hostnames(tx, older_than=timedelta(days=90), limit=10)
    assert counts["custom_hostnames"] == 1
    assert await Feed(database).start_after(0, parameter="after") == 0
