"""Replays: which events an endpoint gets once more, and how a long one is continued."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from app.domain.errors import Conflict, ErrorCode, NotFound
from app.persistence.database import Database
from app.persistence.delivery_history import SCANNED
from app.services.delivery_history import (
    AT_ONCE,
    REPLAY_SECONDS,
    DeliveryHistory,
    Include,
    ReplayPlace,
)
from tests.support.rows import present_zone
from tests.support.webhook_rows import (
    at,
    change_endpoint,
    delivery_row,
    event_row,
    owe,
    put_deliveries,
    put_endpoint,
    put_events,
    put_hostnames,
    stored,
)

ENDS = ("succeeded", "exhausted", "cancelled", "pending")


class Clock:
    """Goes on by `step` seconds each time it is read."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.now = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


async def fill(database: Database) -> dict[str, str]:
    """Make an event for each end that a delivery can have, and one that made none. By end."""
    await put_endpoint(database)
    await put_hostnames(database, ch_a="a")
    ends = (*ENDS, "missed")
    made = [event_row(at(n), "ch_a") for n in range(len(ends))]
    await put_events(database, made)
    await put_deliveries(
        database,
        [
            delivery_row(row["id"], "we_1", row["created_at"], status=end)
            for row, end in zip(made, ENDS, strict=False)
        ],
    )
    return {end: row["id"] for row, end in zip(made, ends, strict=True)}


async def waiting(database: Database) -> list[str]:
    return [row["event_id"] for row in await stored(database) if row["status"] == "pending"]


@pytest.mark.parametrize(
    ("include", "sent"),
    [
        (Include.FAILED, {"exhausted"}),
        (Include.UNDELIVERED, {"exhausted", "missed"}),
        (Include.ALL, {"exhausted", "missed", "succeeded"}),
    ],
)
async def test_a_replay_sends_what_it_includes(
    include: Include, sent: set[str], database: Database
) -> None:
    events = await fill(database)
    replayed = await DeliveryHistory(database).replay("we_1", include, since=at(0), until=None)
    assert (replayed.count, replayed.following) == (len(sent), None)
    # What was pending already is left alone.
    assert set(await waiting(database)) == {events[end] for end in sent | {"pending"}}
    again = await DeliveryHistory(database).replay("we_1", include, since=at(0), until=None)
    assert again.count == 0


@pytest.mark.parametrize(
    ("since", "until", "sent"),
    [
        (at(0), None, [0, 1, 2, 3]),
        (at(1), None, [1, 2, 3]),
        (at(0), at(3), [0, 1, 2]),
        (at(1), at(2), [1]),
        (at(1), at(1), []),
        (at(9), None, []),
    ],
)
@pytest.mark.parametrize("is_missed", [True, False])
async def test_a_replay_takes_what_lies_between_two_times(
    since: datetime, until: datetime | None, sent: list[int], *, is_missed: bool, database: Database
) -> None:
    await put_endpoint(database)
    await put_hostnames(database, ch_a="a")
    made = [event_row(at(n), "ch_a") for n in range(4)]
    await put_events(database, made)
    if not is_missed:
        rows = [
            delivery_row(row["id"], "we_1", row["created_at"], status="exhausted") for row in made
        ]
        await put_deliveries(database, rows)
    history = DeliveryHistory(database)
    replayed = await history.replay("we_1", Include.UNDELIVERED, since=since, until=until)
    assert replayed.count == len(sent)
    assert sorted(await waiting(database)) == [made[n]["id"] for n in sent]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, {"created a", "active a", "created b", "zone", "endpoint", "own endpoint a"}),
        (
            {"event_types": ["*"]},
            {"created a", "active a", "created b", "zone", "endpoint"} | {"own endpoint a"},
        ),
        ({"event_types": ["custom_hostname.*"]}, {"created a", "active a", "created b"}),
        ({"event_types": ["custom_hostname.active", "zone.*"]}, {"active a", "zone"}),
        ({"event_types": ["webhook_endpoint.*"]}, {"endpoint", "own endpoint a"}),
        ({"tenant": "a"}, {"created a", "active a", "own endpoint a"}),
        ({"tenant": "a", "event_types": ["*"]}, {"created a", "active a", "own endpoint a"}),
        ({"tenant": "a", "event_types": ["custom_hostname.created"]}, {"created a"}),
        ({"tenant": "a", "event_types": ["zone.*"]}, set()),
        ({"tenant": "b"}, {"created b"}),
        ({"tenant": "nobody"}, set()),
    ],
)
async def test_a_replay_sends_only_what_the_endpoint_would_have_got(
    columns: dict[str, Any], expected: set[str], database: Database
) -> None:
    await put_endpoint(database, **columns)
    await put_endpoint(database, "we_2")
    await put_hostnames(database, ch_a="a", ch_b="b")
    zone = await present_zone(database)
    disabled = "webhook_endpoint.disabled"
    made = {
        "created a": event_row(at(1), "ch_a", tenant="a"),
        "active a": event_row(at(2), "ch_a", tenant="a", kind="custom_hostname.active"),
        "created b": event_row(at(3), "ch_b", tenant="b"),
        "zone": event_row(at(4), zone.id, kind="zone.paused"),
        "endpoint": event_row(at(5), "we_2", kind=disabled),
        "own endpoint a": event_row(at(6), "we_2", kind=disabled, tenant="a"),
    }
    await put_events(database, list(made.values()))
    history = DeliveryHistory(database)
    await history.replay("we_1", Include.UNDELIVERED, since=at(0), until=None)
    assert set(await waiting(database)) == {made[name]["id"] for name in expected}


async def test_a_disabled_endpoint_gets_nothing_until_it_is_enabled(database: Database) -> None:
    await put_endpoint(database, enabled=False)
    (owed,) = await owe(database, "we_1", 1)
    history = DeliveryHistory(database)
    for refused in (
        history.replay("we_1", Include.ALL, since=at(0), until=None),
        history.redeliver("we_1", owed),
        history.send_test("we_1", {}),
    ):
        with pytest.raises(Conflict) as conflict:
            await refused
        assert conflict.value.code is ErrorCode.ENDPOINT_DISABLED
    await change_endpoint(database, enabled=True)
    assert (await history.redeliver("we_1", owed)).id == owed


async def test_an_unknown_endpoint_and_another_ones_delivery_are_not_found(
    database: Database,
) -> None:
    await put_endpoint(database)
    await put_endpoint(database, "we_2")
    (owed,) = await owe(database, "we_1", 1)
    history = DeliveryHistory(database)
    for refused in (
        history.replay("we_3", Include.ALL, since=at(0), until=None),
        history.redeliver("we_2", owed),
        history.get("we_2", owed),
        history.statistics("we_3", hours=1),
    ):
        with pytest.raises(NotFound):
            await refused


@pytest.mark.parametrize("end", ["missed", "exhausted", "succeeded"])
async def test_a_replay_that_took_too_long_is_continued_until_each_event_is_sent_once(
    end: str, database: Database
) -> None:
    count = SCANNED + 300
    await put_endpoint(database)
    await put_hostnames(database, ch_a="a")
    made = [event_row(at(n / 10), "ch_a") for n in range(count)]
    await put_events(database, made)
    if end != "missed":
        rows = [delivery_row(row["id"], "we_1", row["created_at"], status=end) for row in made]
        await put_deliveries(database, rows)
    # Each step is the last one of its call.
    history = DeliveryHistory(database, clock=Clock(REPLAY_SECONDS))
    counts: list[int] = []
    place: ReplayPlace | None = None
    while place is not None or not counts:
        replayed = await history.replay("we_1", Include.ALL, since=at(0), after=place)
        counts.append(replayed.count)
        place = replayed.following
    assert sum(counts) == count
    assert max(counts) == (SCANNED if end == "missed" else AT_ONCE)
    sent = Counter(await waiting(database))
    assert sent == dict.fromkeys((row["id"] for row in made), 1)


async def test_a_replay_goes_on_while_it_has_time(database: Database) -> None:
    await put_endpoint(database)
    await put_hostnames(database, ch_a="a")
    await put_events(database, [event_row(at(n / 10), "ch_a") for n in range(2 * AT_ONCE + 1)])
    history = DeliveryHistory(database, clock=Clock(0))
    replayed = await history.replay("we_1", Include.UNDELIVERED, since=at(0), until=None)
    assert (replayed.count, replayed.following) == (2 * AT_ONCE + 1, None)
