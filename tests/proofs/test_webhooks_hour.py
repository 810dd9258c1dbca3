"""An hour of webhooks in which three of ten endpoints are in trouble and workers are killed.

Each delivery ends by the schedule, and the healthy endpoints' times stand beside those of a calm
hour. The clock runs fifty times as fast as life, so a lease lasts little over a second: an attempt
at an endpoint that hangs loses its lease while the hour lasts, and is made again.
TEST_WEBHOOKS_PERCENT makes it smaller.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from app.domain.deliveries import WEBHOOK_RETRIES
from app.persistence.wakeups import Channel
from tests.proofs.conftest import Say
from tests.proofs.webhook_receivers import Got, Receivers, receivers
from tests.support import Service
from tests.support.dns_servers import free_port
from tests.worker.processes import Processes, running_processes

ENDPOINTS = max(40, 1000 * int(os.environ.get("TEST_WEBHOOKS_PERCENT", "100")) // 100)
MINUTES = 60
MINUTE_SECONDS = 1.2
"""How long a minute of the hour takes."""
TICKS = 6
"""In how many steps the clock moves on by a minute."""
EVERY = 10
"""An endpoint gets an event in one of so many minutes."""
SLOW_SECONDS = 0.6
KILLS = (10, 25, 40, 50)
"""In which minutes a worker is killed."""
ADDERS = 8
SECONDS = 1200
LIMITS = {"NAMEPLATE_RATE_LIMIT": "0", "NAMEPLATE_DATABASE_CONNECTIONS": "20"}


class Condition(StrEnum):
    """How an endpoint is."""

    HEALTHY = "healthy"
    SLOW = "slow"
    FAILING = "failing"
    REFUSING = "refusing"
    HANGING = "hanging"

    @classmethod
    def of(cls, number: int) -> Condition:
        """A tenth each is slow, failing by turns, and dead; the dead refuse or hang."""
        in_ten, place = divmod(number, 10)
        if place == 9:
            return cls.REFUSING if in_ten % 2 else cls.HANGING
        return {7: cls.SLOW, 8: cls.FAILING}.get(place, cls.HEALTHY)


DEAD = {Condition.REFUSING, Condition.HANGING}


def name_of(number: int) -> str:
    return f"{Condition.of(number)}-{number}"


@dataclass
class Hour:
    """One hour: what was due when, by the name of its endpoint and the id of its event."""

    name: str
    due: dict[tuple[str, str], float] = field(default_factory=dict)

    def late(self, got: Receivers, condition: Condition) -> list[float]:
        """Return how late each delivery arrived at endpoints in this condition, sorted."""
        return sorted(
            got.accepted[key] - due
            for key, due in self.due.items()
            if key[0].partition("-")[0] == condition
        )


@pytest.mark.proof
@pytest.mark.timeout(SECONDS + 60)
async def test_each_delivery_of_an_hour_of_trouble_ends_by_the_schedule(
    database_url: str, tmp_path: Path, say: Say
) -> None:
    began = time.monotonic()
    async with (
        receivers() as got,
        running_processes(tmp_path, database_url) as (
            processes,
            service,
        ),
    ):
        await processes.start("api", **LIMITS)
        ids = await _add_endpoints(service, got)
        workers = [await processes.start("worker") for _ in range(2)]
        async with asyncio.timeout(SECONDS):
            # The workers are at work from here on.
            await _owe(service, Hour("first"), 0, ids)
            await _until_all_ended(service)
            calm = await _pass_hour("calm", service, ids)
            await _until_all_ended(service)
            refused = f"http://127.0.0.1:{free_port()}/"
            await _trouble(service, got, ids, refused)
            hour = await _pass_hour("troubled", service, ids, processes, workers)
            await _advance(service, 61)
            await _until_all_ended(service)
        rows = [dict(row) for row in await service.sql.fetch(ENDS)]
        gaps = await service.sql.fetch(GAPS)
        disabled = await service.sql.fetchval(
            "SELECT count(*) FROM webhook_endpoints WHERE NOT enabled"
        )
    say(
        f"{ENDPOINTS:,} endpoints, {len(rows):,} deliveries, {sum(got.requests.values()):,} "
        f"requests, {len(KILLS)} kills, {time.monotonic() - began:.0f} s"
    )
    for each in (calm, hour):
        late = each.late(got, Condition.HEALTHY)
        p50, p99 = (late[int(part * (len(late) - 1))] for part in (0.5, 0.99))
        say(f"{each.name} hour, healthy endpoints: p50 {p50:.3f} s, p99 {p99:.3f} s")
    assert disabled == 0
    _check_ends(rows, hour)
    for gap in gaps:
        wait = WEBHOOK_RETRIES[gap["number"] - 1]
        assert gap["gap"] >= timedelta(seconds=0.9 * wait)


ENDS = """
SELECT e.description AS endpoint, d.event_id, d.status, d.attempts,
  (SELECT count(*) FROM attempts a WHERE a.delivery_id = d.id) AS made
FROM deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
"""
GAPS = """
SELECT a.number, b.started_at - a.started_at AS gap
FROM attempts a JOIN attempts b ON b.delivery_id = a.delivery_id AND b.number = a.number + 1
"""


def _check_ends(rows: Sequence[dict[str, Any]], hour: Hour) -> None:
    """See that all but the dead got everything, and that these were tried eight times."""
    ends = Counter(
        (row["endpoint"].partition("-")[0], row["status"])
        for row in rows
        if (row["endpoint"], row["event_id"]) in hour.due
    )
    expected = {
        (condition, "exhausted" if condition in DEAD else "succeeded") for condition in Condition
    }
    assert set(ends) == expected
    assert sum(ends.values()) == len(hour.due)
    for row in rows:
        assert row["made"] == row["attempts"], row
        if row["status"] == "exhausted":
            assert row["attempts"] == len(WEBHOOK_RETRIES) + 1, row


async def _add_endpoints(service: Service, got: Receivers) -> list[str]:
    """Add all endpoints, and return their ids in order."""
    ids: dict[int, str] = {}

    async def add(first: int) -> None:
        for number in range(first, ENDPOINTS, ADDERS):
            name = name_of(number)
            # No event of the service's own: the deliveries are counted.
            types = ["webhook_endpoint.disabled"]
            body = {"url": got.url(name), "description": name, "event_types": types}
            response = await service.http.post("/v1/webhook-endpoints", json=body)
            assert response.status_code == 201, response.text
            ids[number] = response.json()["id"]

    await asyncio.gather(*map(add, range(ADDERS)))
    return [ids[number] for number in range(ENDPOINTS)]


async def _trouble(service: Service, got: Receivers, ids: Sequence[str], refused: str) -> None:
    """Let three of ten endpoints behave badly from now on."""

    async def slow(_: Got) -> int | None:
        await asyncio.sleep(SLOW_SECONDS)
        return 200

    async def failing(message: Got) -> int | None:
        return 500 if message.attempt % 2 else 200

    async def hanging(_: Got) -> int | None:
        await asyncio.sleep(SECONDS)
        return None

    answers = {
        Condition.SLOW: slow,
        Condition.FAILING: failing,
        Condition.HANGING: hanging,
    }
    for number, endpoint_id in enumerate(ids):
        condition = Condition.of(number)
        if condition in answers:
            got.answers[name_of(number)] = answers[condition]
        if condition is Condition.REFUSING:
            path = f"/v1/webhook-endpoints/{endpoint_id}"
            response = await service.http.patch(path, json={"url": refused + name_of(number)})
            assert response.is_success, response.text


async def _pass_hour(
    name: str,
    service: Service,
    ids: Sequence[str],
    processes: Processes | None = None,
    workers: list[asyncio.subprocess.Process] | None = None,
) -> Hour:
    """Let an hour pass in which each endpoint gets an event every `EVERY` minutes."""
    hour = Hour(name)
    for minute in range(MINUTES):
        began = time.monotonic()
        await _owe(service, hour, minute, ids)
        if processes is not None and workers and minute in KILLS:
            victim = workers.pop(0)
            victim.kill()
            await victim.wait()
            workers.append(await processes.start("worker"))
        for tick in range(1, TICKS + 1):
            await _advance(service, 60 / TICKS)
            left = began + tick * MINUTE_SECONDS / TICKS - time.monotonic()
            await asyncio.sleep(max(0.0, left))
    return hour


async def _owe(service: Service, hour: Hour, minute: int, ids: Sequence[str]) -> None:
    """Write an event that is due to the endpoints whose turn it is."""
    numbers = [
        number
        for number in range(ENDPOINTS)
        if number // 10 % EVERY == minute % EVERY
        # One for each that hangs: its eight attempts take two minutes.
        and (Condition.of(number) is not Condition.HANGING or minute < EVERY)
    ]
    event_id = f"evt_{hour.name}_{minute:02}"
    now = time.time()
    async with service.sql.transaction():
        await service.sql.execute(
            "INSERT INTO events (id, zone_id, sequence, type, after, reason, body, created_at) "
            "SELECT $1, z.id, 1 + (SELECT count(*) FROM events), 'zone.paused', 'paused', "
            '\'operator\', \'{"type": "zone.paused", "data": {}}\', nameplate_now() FROM zones z',
            event_id,
        )
        await service.sql.execute(
            "INSERT INTO deliveries (id, event_id, endpoint_id, status, next_attempt_at, "
            "created_at) SELECT 'dlv' || substr($1, 4) || '_' || n, $1, e, 'pending', "
            "nameplate_now(), nameplate_now() "
            "FROM unnest($2::text[]) WITH ORDINALITY AS endpoints (e, n)",
            event_id,
            [ids[number] for number in numbers],
        )
        await service.sql.execute(f"NOTIFY {Channel.DELIVER}")
    hour.due.update({(name_of(number), event_id): now for number in numbers})


async def _advance(service: Service, seconds: float) -> None:
    """Move the service's clock on and wake the senders."""
    by = timedelta(seconds=seconds)
    await service.sql.execute('UPDATE clock_offset SET "offset" = "offset" + $1', by)
    await service.sql.execute(f"NOTIFY {Channel.DELIVER}")


async def _until_all_ended(service: Service) -> None:
    """Move the clock from attempt to attempt until no delivery waits for one."""
    while True:
        row = await service.sql.fetchrow(
            "SELECT count(*) AS waiting, "
            "count(*) FILTER (WHERE next_attempt_at <= nameplate_now()"
            " OR leased_until > nameplate_now()) AS busy, "
            "min(next_attempt_at) - nameplate_now() AS wait "
            "FROM deliveries WHERE status = 'pending'"
        )
        if row["waiting"] == 0:
            return
        if row["busy"]:
            await asyncio.sleep(0.25)
            continue
        # Those that are due within two hours after it go together.
        await _advance(service, row["wait"].total_seconds() + 7200)
