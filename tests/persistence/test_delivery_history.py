"""Lists of deliveries by page and filter, and what becomes of them while they are being sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.deliveries import Attempt
from app.persistence import delivery_history as store
from app.persistence.database import Database
from app.persistence.deliveries import (
    ENDED_AT_ONCE,
    Outcome,
    end_closed,
    record_attempts,
)
from app.persistence.delivery_history import DeliveryFilter, DeliveryRow, DeliveryStatus, Place
from tests.support.rows import now_of, present_zone
from tests.support.webhook_rows import (
    advance,
    at,
    change_endpoint,
    claim,
    claimed,
    delivery_row,
    endpoint_row,
    event_row,
    owe,
    put_deliveries,
    put_endpoint,
    put_events,
    put_hostnames,
    stored,
)

STATUSES = ("succeeded", "pending", "exhausted", "cancelled")
KINDS = ("custom_hostname.created", "custom_hostname.active", "custom_hostname.failed")
SUBJECTS = ("ch_a", "ch_b")
COUNT = 72
PAGE = 7
DONE = Attempt(duration_ms=12, status_code=204)
REFUSED = Attempt(duration_ms=12, status_code=500)


async def fill(database: Database) -> list[dict[str, Any]]:
    """Insert an endpoint's deliveries, three at each instant, and another one's beside them."""
    await put_hostnames(database, ch_a="a", ch_b="b")
    zone = await present_zone(database)
    made = [
        event_row(at(n // 3), SUBJECTS[n // 3 % 2], kind=KINDS[n // 4 % 3]) for n in range(COUNT)
    ]
    made += [event_row(at(n), zone.id, kind="zone.paused") for n in range(3)]
    await put_endpoint(database)
    await put_endpoint(database, "we_2")
    owed = [
        delivery_row(row["id"], "we_1", row["created_at"], status=STATUSES[n % 4])
        for n, row in enumerate(made)
    ]
    await put_events(database, made)
    await put_deliveries(database, owed)
    await put_deliveries(
        database, [delivery_row(row["id"], "we_2", row["created_at"]) for row in made]
    )
    return [
        {
            "id": delivery["id"],
            "created_at": delivery["created_at"],
            "status": delivery["status"],
            "kind": event["type"],
            "subject": event["custom_hostname_id"] or event["zone_id"],
        }
        for event, delivery in zip(made, owed, strict=True)
    ]


async def pages(
    database: Database,
    wanted: DeliveryFilter,
    *,
    between: Callable[[], Any] | None = None,
) -> list[DeliveryRow]:
    found: list[DeliveryRow] = []
    after: Place | None = None
    while True:
        async with database.transaction() as tx:
            page = await store.list_deliveries(tx, "we_1", wanted, after=after, limit=PAGE)
        found += page
        if len(page) < PAGE:
            return found
        after = Place(page[-1].created_at, page[-1].id)
        if between is not None:
            await between()


@pytest.mark.parametrize(
    "wanted",
    [
        DeliveryFilter(),
        *(DeliveryFilter(status=each) for each in DeliveryStatus),
        *(DeliveryFilter(event_type=each) for each in (*KINDS, "zone.paused")),
        *(DeliveryFilter(subject=each) for each in SUBJECTS),
        DeliveryFilter(subject="ch_unknown"),
        DeliveryFilter(since=at(5)),
        DeliveryFilter(until=at(5)),
        DeliveryFilter(since=at(5), until=at(15)),
        DeliveryFilter(since=at(5), until=at(5)),
        DeliveryFilter(
            status=DeliveryStatus.EXHAUSTED, event_type=KINDS[1], subject="ch_b", since=at(2)
        ),
    ],
)
async def test_pages_show_what_fits_newest_first_and_each_row_once(
    wanted: DeliveryFilter, database: Database
) -> None:
    rows = await fill(database)
    found = await pages(database, wanted)
    fitting = [row for row in rows if fits(row, wanted)]
    fitting.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
    assert [each.id for each in found] == [row["id"] for row in fitting]


def fits(row: dict[str, Any], wanted: DeliveryFilter) -> bool:
    return (
        wanted.status in {None, row["status"]}
        and wanted.event_type in {None, row["kind"]}
        and wanted.subject in {None, row["subject"]}
        and (wanted.since is None or row["created_at"] >= wanted.since)
        and (wanted.until is None or row["created_at"] < wanted.until)
    )


async def test_a_delivery_is_found_by_the_zone_it_is_about(database: Database) -> None:
    await fill(database)
    zone = await present_zone(database)
    found = await pages(database, DeliveryFilter(subject=zone.id))
    assert len(found) == 3


async def test_what_is_added_meanwhile_repeats_no_row_on_a_later_page(database: Database) -> None:
    rows = await fill(database)

    async def add() -> None:
        later = event_row(at(COUNT), "ch_a")
        await put_events(database, [later])
        await put_deliveries(database, [delivery_row(later["id"], "we_1", at(COUNT))])

    found = [each.id for each in await pages(database, DeliveryFilter(), between=add)]
    assert len(found) == len(set(found))
    assert set(found) == {row["id"] for row in rows}


async def test_what_waits_for_closed_endpoints_is_ended_in_batches(database: Database) -> None:
    count = 2 * ENDED_AT_ONCE + 500
    for endpoint_id in ("we_1", "we_2", "we_3"):
        await put_endpoint(database, endpoint_id)
    await owe(database, "we_1", count)
    await owe(database, "we_2", 3)
    await owe(database, "we_3", 2)
    await change_endpoint(database, "we_1", enabled=False)
    await change_endpoint(database, "we_2", deleted_at=at(0))
    ended: list[int] = []
    while not ended or ended[-1]:
        ended.append(await database.run(end_closed))
    assert ended == [ENDED_AT_ONCE + 3, ENDED_AT_ONCE, 500, 0]
    by_end = Counter(
        (row["endpoint_id"], row["status"], row["reason"]) for row in await stored(database)
    )
    assert by_end == {
        ("we_1", "exhausted", "endpoint_disabled"): count,
        ("we_2", "cancelled", "endpoint_removed"): 3,
        ("we_3", "pending", None): 2,
    }


@pytest.mark.parametrize(
    ("closed", "attempt", "expected"),
    [
        ({"enabled": False}, DONE, ("succeeded", None)),
        ({"enabled": False}, REFUSED, ("exhausted", "endpoint_disabled")),
        ({"deleted_at": at(0)}, DONE, ("succeeded", None)),
        ({"deleted_at": at(0)}, REFUSED, ("cancelled", "endpoint_removed")),
    ],
)
async def test_an_attempt_that_was_under_way_when_its_endpoint_closed_still_counts(
    closed: dict[str, Any],
    attempt: Attempt,
    expected: tuple[str, str | None],
    database: Database,
) -> None:
    await put_endpoint(database)
    await owe(database, "we_1", 1)
    (delivery,) = await claimed(database)
    await change_endpoint(database, **closed)
    assert await database.run(end_closed) == 1
    assert await record(database, delivery, attempt) == {delivery.id}
    (row,) = await stored(database)
    assert (row["status"], row["reason"]) == expected
    assert (row["attempts"], row["next_attempt_at"], row["leased_until"]) == (1, None, None)


async def record(database: Database, delivery: Any, attempt: Attempt) -> set[str]:
    wait = None if attempt.succeeded else at(5) - at(0)

    async def write(tx: Any) -> set[str]:
        return await record_attempts(tx, [Outcome(delivery, attempt, wait)])

    return await database.run(write)


async def redeliver(database: Database, *ids: str) -> int:
    async with database.transaction() as tx:
        return await store.redeliver(tx, ids)


async def test_what_is_being_sent_is_left_to_that_attempt(database: Database) -> None:
    await put_endpoint(database)
    await owe(database, "we_1", 2)
    (sending,) = await claimed(database, 1)
    both = [row["id"] for row in await stored(database)]
    assert await redeliver(database, *both) == 1
    assert await record(database, sending, DONE) == {sending.id}


async def test_a_delivery_whose_sender_died_is_sent_once_more(database: Database) -> None:
    await put_endpoint(database)
    await owe(database, "we_1", 1)
    (lost,) = await claimed(database)
    await advance(database, minutes=2)
    assert await redeliver(database, lost.id) == 1
    (again,) = await claimed(database)
    assert again.token > lost.token
    assert await record(database, lost, REFUSED) == set()
    assert await record(database, again, DONE) == {again.id}


async def test_an_attempt_of_the_schedule_before_changes_nothing_of_the_new_one(
    database: Database,
) -> None:
    await put_endpoint(database)
    await owe(database, "we_1", 1)
    (former,) = await claimed(database)
    await change_endpoint(database, enabled=False)
    await database.run(end_closed)
    await change_endpoint(database, enabled=True)
    assert await redeliver(database, former.id) == 1
    assert await record(database, former, REFUSED) == set()
    (row,) = await stored(database)
    assert (row["status"], row["attempts"], row["reason"]) == ("pending", 0, None)
    (again,) = await claimed(database)
    assert again.id == former.id


async def test_a_redelivered_delivery_keeps_its_attempts_and_begins_its_schedule_anew(
    database: Database,
) -> None:
    await put_endpoint(database)
    await owe(database, "we_1", 1)
    (first,) = await claimed(database)
    await record(database, first, DONE)
    assert await redeliver(database, first.id) == 1
    (second,) = await claimed(database)
    assert (second.attempts, second.attempts_before) == (1, 1)
    await record(database, second, REFUSED)
    async with database.transaction() as tx:
        made = await store.list_attempts(tx, first.id, limit=10)
    assert [(each.number, each.status_code) for each in made] == [(2, 500), (1, 204)]


@pytest.mark.parametrize("rate", [1, 7])
async def test_two_senders_at_once_keep_to_an_endpoints_rate(rate: int, database: Database) -> None:
    rounds = 12
    await put_endpoint(database, rate_limit=rate)
    await put_endpoint(database, "we_2")
    await owe(database, "we_1", 10 * rate + rounds * rate)
    began = await now_of(database)

    async def send() -> tuple[int, datetime]:
        async with database.transaction() as tx:
            got = await claim(tx, 100)
            # Held a little, so that the other one meets its locks.
            await tx.execute(text("SELECT pg_sleep(0.01)"))
        return len(got), await now_of(database)

    total = 0
    for number in range(rounds):
        pair = await asyncio.gather(send(), send())
        total += sum(count for count, _ in pair)
        ended = max(at for _, at in pair)
        assert total <= ((ended - began).total_seconds() + 1) * rate
        await advance(database, milliseconds=300 + 400 * (number % 2))
    # Not less than the rate either, but for what the senders left to each other.
    assert total >= rounds * rate // 4
    assert (await endpoint_row(database))["paced_until"] is not None


async def test_endpoints_without_a_rate_limit_are_not_held_up_by_one_that_has(
    database: Database,
) -> None:
    await put_endpoint(database, rate_limit=1)
    await put_endpoint(database, "we_2")
    await owe(database, "we_1", 20)
    await owe(database, "we_2", 20)
    got = Counter(each.endpoint_id for each in await claimed(database, 100))
    assert got == {"we_1": 1, "we_2": 20}


async def test_endpoints_in_arrears_with_their_rates_take_no_places_that_they_cannot_use(
    database: Database,
) -> None:
    limited = [f"we_limited_{number}" for number in range(4)]
    for endpoint_id in limited:
        await put_endpoint(database, endpoint_id, rate_limit=1)
        await owe(database, endpoint_id, 20)
    await put_endpoint(database, "we_2")
    zone = await present_zone(database)
    later = [event_row(at(1000 + n), zone.id, kind="zone.paused") for n in range(20)]
    await put_events(database, later)
    await put_deliveries(
        database, [delivery_row(row["id"], "we_2", row["created_at"]) for row in later]
    )
    got = Counter(each.endpoint_id for each in await claimed(database, 10, per_endpoint=10))
    assert got == {**dict.fromkeys(limited, 1), "we_2": 6}
