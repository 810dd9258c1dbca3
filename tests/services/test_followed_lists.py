"""Above twenty names that wait for issuance or deployment, two lists replace the single looks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.resync import FOLLOWED, FOLLOWED_AT_MOST, filters

from .seeded import Seeded, Worker, id_of, record_id, seeded_zone

MANY = FOLLOWED_AT_MOST + 1
BOTH = [filters(each) for each in FOLLOWED]


@pytest.fixture
async def zone(database_url: str, tmp_path: Path) -> AsyncIterator[Seeded]:
    async with seeded_zone(database_url, tmp_path) as seeded:
        yield seeded


async def waiting(zone: Seeded, count: int) -> None:
    """Have so many names whose certificates are being issued, and each due to be looked at.

    The lists were read before: each has its next round in five minutes.
    """
    await zone.seed(count, ssl_status="pending_issuance")
    await zone.sql.execute("UPDATE list_scans SET due_at = nameplate_now() + interval '5 minutes'")
    await fall_due(zone)


async def fall_due(zone: Seeded) -> None:
    await zone.sql.execute(
        "UPDATE schedules SET cloudflare_due_at = nameplate_now(), followed_from = nameplate_now() "
        "WHERE ssl_status = 'pending_issuance'"
    )


async def issue(zone: Seeded, number: int) -> None:
    """Let one certificate be issued and deployed."""
    await zone.control("/seed/status", numbers=[number], ssl_status="active")


async def faults(zone: Seeded, *, rate: float) -> None:
    await zone.control("/faults", method="PUT", rate=rate, kinds=[500], seed=1)


async def round_of_both(worker: Worker) -> None:
    """Do what is due, the single looks first, as they bring the lists forward."""
    await worker.look()
    while await worker.read_next():
        pass


async def test_twenty_names_that_wait_are_looked_at_one_by_one(zone: Seeded) -> None:
    await waiting(zone, FOLLOWED_AT_MOST)
    async with zone.worker() as worker:
        for _ in range(3):
            # The lane of checks holds ten calls.
            await round_of_both(worker)
            await zone.advance(seconds=4)
        # On a slow machine one falls due again meanwhile.
        assert set(worker.asked.singles) == {id_of(each) for each in range(FOLLOWED_AT_MOST)}
        assert worker.asked.filtered == []


async def test_twenty_one_are_left_to_the_two_lists(zone: Seeded) -> None:
    await waiting(zone, MANY)
    async with zone.worker() as worker:
        await round_of_both(worker)
        assert worker.asked.singles == []
        assert sorted(worker.asked.filtered, key=str) == sorted(BOTH, key=str)
    due = await zone.sql.fetchval(
        "SELECT count(*) FROM schedules WHERE cloudflare_due_at > nameplate_now()"
    )
    assert due == MANY


async def test_their_lists_are_read_every_twenty_seconds_and_no_sooner(zone: Seeded) -> None:
    await waiting(zone, MANY)
    async with zone.worker() as worker:
        for _ in range(3):
            await round_of_both(worker)
            assert len(worker.asked.filtered) == 2
            worker.asked.forget()
            await zone.advance(seconds=15)
            await round_of_both(worker)
            assert worker.asked.count == 0
            await zone.advance(seconds=6)


async def test_names_that_are_followed_no_more_need_no_lists(zone: Seeded) -> None:
    await waiting(zone, MANY)
    await zone.sql.execute("UPDATE schedules SET cloudflare_due_at = NULL")
    async with zone.worker() as worker:
        await round_of_both(worker)
        assert worker.asked.count == 0


async def test_a_page_in_mid_round_that_could_not_be_had_is_not_asked_for_sooner(
    zone: Seeded,
) -> None:
    await waiting(zone, 2 * 50 + 1)
    async with zone.worker() as worker:
        await worker.look()
        while (await zone.round(FOLLOWED[0]))["page"] is None:
            await worker.read_next()
        await faults(zone, rate=1)
        while await worker.read_next():
            pass
        await faults(zone, rate=0)
        worker.asked.forget()
        for _ in range(2):
            await round_of_both(worker)
            assert filters(FOLLOWED[0]) not in worker.asked.filtered
            await zone.advance(seconds=14)
        await zone.advance(seconds=4)
        await round_of_both(worker)
        assert filters(FOLLOWED[0]) in worker.asked.filtered


async def test_a_name_that_its_list_no_longer_shows_is_the_only_one_asked_for_by_itself(
    zone: Seeded,
) -> None:
    await waiting(zone, MANY)
    await issue(zone, 3)
    async with zone.worker() as worker:
        await round_of_both(worker)
        assert worker.asked.singles == []
        await round_of_both(worker)
        assert worker.asked.singles == [id_of(3)]
    assert (await zone.row(3))["ssl_status"] == "active"


async def test_a_name_that_goes_on_to_deployment_is_seen_by_the_other_list(zone: Seeded) -> None:
    await waiting(zone, MANY)
    await zone.control("/seed/status", numbers=[5], ssl_status="pending_deployment")
    async with zone.worker() as worker:
        await round_of_both(worker)
        assert worker.asked.singles == []
    assert (await zone.row(5))["ssl_status"] == "pending_deployment"


async def test_other_names_that_are_due_are_still_looked_at_one_by_one(zone: Seeded) -> None:
    await waiting(zone, MANY + 1)
    await zone.sql.execute(
        "UPDATE schedules SET ssl_status = 'pending_validation' WHERE custom_hostname_id = $1",
        record_id(0),
    )
    async with zone.worker() as worker:
        await worker.look()
        assert worker.asked.singles == [id_of(0)]


async def test_single_looks_go_on_once_enough_names_have_arrived(zone: Seeded) -> None:
    await waiting(zone, MANY)
    async with zone.worker() as worker:
        await round_of_both(worker)
        for number in (0, 1):
            await issue(zone, number)
        await zone.advance(seconds=21)
        await round_of_both(worker)
        await round_of_both(worker)
        assert sorted(worker.asked.singles) == [id_of(0), id_of(1)]
        worker.asked.forget()
        # The calls of a minute, for as many looks.
        await zone.advance(seconds=60)
        await fall_due(zone)
        for _ in range(3):
            await worker.look()
            await zone.advance(seconds=4)
        assert set(worker.asked.singles) == {id_of(each) for each in range(2, MANY)}
        assert worker.asked.filtered == []


async def test_a_list_that_could_not_be_had_is_left_alone_for_a_while(zone: Seeded) -> None:
    await waiting(zone, MANY)
    async with zone.worker() as worker:
        await faults(zone, rate=1)
        await round_of_both(worker)
        assert len(worker.asked.filtered) == 2
        for _ in range(5):
            await zone.advance(seconds=1)
            await round_of_both(worker)
        assert len(worker.asked.filtered) == 2
