"""Lists of several pages: every page is read once a round, whoever reads it, and what each shows
is as old as its request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from .seeded import Seeded, id_of, record_id, seeded_zone

COUNT = 130
"""Two pages and a half."""
SOON = timedelta(seconds=2)
LARGE = 34 * 50 + 1
"""One page more than there are lists of exceptions."""


@pytest.fixture
async def zone(database_url: str, tmp_path: Path) -> AsyncIterator[Seeded]:
    async with seeded_zone(database_url, tmp_path) as seeded:
        yield seeded


async def viewed(zone: Seeded) -> set[datetime]:
    rows = await zone.sql.fetch("SELECT DISTINCT viewed_at FROM schedules")
    return {row["viewed_at"] for row in rows}


async def seen_in_scan(zone: Seeded) -> list[int]:
    rows = await zone.sql.fetch("SELECT DISTINCT seen_in_scan FROM schedules ORDER BY 1")
    return [row["seen_in_scan"] for row in rows]


async def test_a_round_reads_every_page_once_and_sees_every_name(zone: Seeded) -> None:
    await zone.seed(COUNT)
    (before,) = await viewed(zone)
    async with zone.worker() as worker:
        await worker.read_all(zone)
        # How many pages there are is not known before the first answer.
        assert worker.asked.pages == [1, 3, 2, 1]
        assert min(await viewed(zone)) > before
        assert await seen_in_scan(zone) == [1]
        done = await zone.round()
        assert (done["number"], done["page"], done["total"]) == (1, None, COUNT)
        worker.asked.forget()
        await zone.advance(minutes=5)
        await worker.read_all(zone)
        assert worker.asked.pages == [3, 2, 1]
        assert worker.asked.count == 3
    assert await seen_in_scan(zone) == [2]


async def test_a_name_that_moved_is_seen_on_whatever_page_it_stands(zone: Seeded) -> None:
    await zone.seed(COUNT)
    numbers = [0, 49, 50, 99, 100, COUNT - 1]
    await zone.control("/seed/status", numbers=numbers, hostname_status="moved")
    async with zone.worker() as worker:
        await worker.read_all(zone)
        assert worker.asked.singles == []
    rows = await zone.sql.fetch(
        "SELECT custom_hostname_id FROM schedules WHERE suspected_at IS NOT NULL"
    )
    assert {row["custom_hostname_id"] for row in rows} == {record_id(each) for each in numbers}


async def test_a_worker_that_stops_during_a_round_leaves_it_to_another_at_the_same_page(
    zone: Seeded,
) -> None:
    await zone.seed(COUNT)
    async with zone.worker() as first, zone.worker() as second:
        for _ in range(2):
            assert await first.read_next()
        begun = await zone.round()
        # It dies while it waits for the answer of the second page.
        reached = asyncio.Event()

        async def fall_silent() -> None:
            reached.set()
            await asyncio.Event().wait()

        first.asked.before_answer = fall_silent
        dying = asyncio.create_task(first.read_next())
        await reached.wait()
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        assert first.asked.pages == [1, 3, 2]
        assert not await second.read_next()
        await zone.advance(seconds=61)
        await second.read_all(zone)
        assert second.asked.pages == [2, 1]
    done = await zone.round()
    assert (begun["page"], done["page"]) == (2, None)
    assert (done["number"], done["started_at"]) == (begun["number"], begun["started_at"])
    assert await seen_in_scan(zone) == [1]


async def test_a_worker_that_answers_after_its_lease_moves_the_round_nowhere(zone: Seeded) -> None:
    await zone.seed(COUNT)
    async with zone.worker() as late, zone.worker() as other:
        await late.read_next()

        async def overtake() -> None:
            await zone.advance(seconds=61)
            await other.read_next()
            await other.read_next()

        late.asked.before_answer = overtake
        await late.read_next()
        assert (late.asked.pages, other.asked.pages) == ([1, 3], [3, 2])
        assert (await zone.round())["page"] == 1


async def test_a_view_that_is_older_than_the_rows_last_look_is_dropped(zone: Seeded) -> None:
    await zone.seed(COUNT)
    number = 7
    async with zone.worker() as worker:
        services = worker.services

        async def look_meanwhile() -> None:
            """See it well again while the page that shows it gone is still under way."""
            await zone.control("/seed/status", numbers=[number], hostname_status="active")
            await zone.sql.execute(
                "UPDATE schedules SET cloudflare_due_at = nameplate_now() "
                "WHERE custom_hostname_id = $1",
                record_id(number),
            )
            (claim,) = await services.dispatcher.due(10)
            await services.reconciler.reconcile(claim)

        await worker.read_next()
        await worker.read_next()
        await zone.advance(seconds=10)
        assert (await zone.round())["page"] == 2
        await worker.read_next()
        await zone.control("/seed/status", numbers=[number, 8], hostname_status="moved")
        worker.asked.before_answer = look_meanwhile
        await worker.read_next()
        assert worker.asked.pages == [1, 3, 2, 1]
        assert worker.asked.singles == [id_of(number)]
    older, newer = await zone.row(8), await zone.row(number)
    assert (older["hostname_status"], newer["hostname_status"]) == ("moved", "active")
    assert older["suspected_at"] is not None
    assert newer["suspected_at"] is None
    assert newer["viewed_at"] > older["viewed_at"]
    # It was listed all the same.
    assert newer["seen_in_scan"] == older["seen_in_scan"] == 1


async def test_a_name_that_a_whole_round_does_not_list_is_asked_for_by_its_id(
    zone: Seeded,
) -> None:
    await zone.seed(COUNT)
    await zone.control("/seed/remove", numbers=[60])
    async with zone.worker() as worker:
        await worker.read_all(zone)
        assert worker.asked.singles == []
        assert await worker.look() == 1
        assert worker.asked.singles == [id_of(60)]
        # An absence is a doubt until a second look says it again.
        assert await zone.state(60) == "cname_verified"
        await zone.advance(seconds=61)
        await worker.look()
        assert worker.asked.singles == [id_of(60)] * 2
    assert await zone.state(60) == "failed"


async def pause_reason(zone: Seeded) -> str | None:
    reason = await zone.sql.fetchval("SELECT pause_reason FROM zones")
    assert reason is None or isinstance(reason, str)
    return reason


@pytest.mark.parametrize(("seconds_before", "reason"), [(59, None), (61, "hostnames_missing")])
async def test_a_list_may_lag_a_minute_behind_what_was_seen_one_by_one(
    zone: Seeded, seconds_before: int, reason: str | None
) -> None:
    await zone.seed(3)
    await zone.control("/seed/remove", numbers=[0, 1, 2])
    await zone.sql.execute(
        "UPDATE schedules SET viewed_at = nameplate_now() - $1::interval",
        timedelta(seconds=seconds_before),
    )
    async with zone.worker() as worker:
        await worker.read_all(zone)
        assert await pause_reason(zone) == reason
        # Each is asked for by its id, unless the zone is paused.
        assert await worker.look() == (3 if reason is None else 0)


async def test_a_creation_still_under_way_while_a_list_is_read_pauses_nothing(
    zone: Seeded,
) -> None:
    await zone.seed(3)
    await zone.control("/seed/remove", numbers=[0, 1, 2])
    async with zone.worker() as worker:

        async def created() -> None:
            """Their POSTs were sent just before the list was asked for."""
            await zone.sql.execute(
                "UPDATE schedules SET viewed_at = nameplate_now() - $1::interval", SOON
            )

        worker.asked.before_answer = created
        await worker.read_all(zone)
    assert await pause_reason(zone) is None


async def test_a_name_that_its_filtered_list_does_not_show_is_asked_for_by_its_id(
    zone: Seeded,
) -> None:
    left, stayed = 1234, 1500
    await zone.seed(LARGE, pending=[left, stayed])
    await whole_round(zone)
    # No list but the one it leaves would show it now.
    await zone.control("/seed/status", numbers=[left], hostname_status="active")
    async with zone.worker() as worker:
        await worker.read_all(zone)
        assert len(worker.asked.filtered) == 34
        assert worker.asked.count == 34
        await worker.look()
        assert worker.asked.singles == [id_of(left)]
    assert (await zone.state(left), await zone.state(stayed)) == ("active", "validating")


async def whole_round(zone: Seeded) -> None:
    """Let a whole round of the large zone have ended just now."""
    await zone.sql.execute(
        "UPDATE list_scans SET total = $1, pages = $2, number = 1, due_at = nameplate_now() + $3 "
        "WHERE list = 'all'",
        *(LARGE, -(-LARGE // 50), timedelta(hours=1)),
    )
    await zone.sql.execute("UPDATE schedules SET seen_in_scan = 1")
