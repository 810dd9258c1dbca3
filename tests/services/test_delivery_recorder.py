"""What attempts say of an endpoint: when it is failing, recovers, and is disabled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.domain.deliveries import Attempt
from app.domain.webhook_endpoint import FAILING_FOR
from app.persistence.database import Database
from app.persistence.deliveries import Delivery, Outcome
from app.persistence.tables import events
from app.services.delivery_recorder import MOST_AT_ONCE, Recorder
from tests.support.webhook_rows import (
    advance,
    claimed,
    endpoint_row,
    owe,
    put_endpoint,
    stored,
)

DONE = Attempt(duration_ms=12, status_code=204)
REFUSED = Attempt(duration_ms=12, status_code=500)
SILENT = Attempt(duration_ms=15_000, error="ReadTimeout")
GONE = Attempt(duration_ms=12, status_code=410)


async def record(
    database: Database, deliveries: Sequence[Delivery], *attempts: Attempt
) -> list[bool]:
    """Record attempts that end together, as one batch."""
    recorder = Recorder(database)
    outcomes = [
        Outcome(delivery, attempt, None if attempt.succeeded else timedelta(minutes=5))
        for delivery, attempt in zip(deliveries, attempts, strict=True)
    ]
    return await asyncio.gather(*map(recorder.record, outcomes))


async def attempt(database: Database, result: Attempt) -> None:
    """Make one attempt of whatever is due next."""
    (delivery,) = await claimed(database, 1)
    assert await record(database, [delivery], result) == [True]


async def disabled_events(database: Database) -> list[dict[str, Any]]:
    async with database.transaction() as tx:
        query = select(events).where(events.c.type == "webhook_endpoint.disabled")
        return [dict(row) for row in (await tx.execute(query)).mappings()]


@pytest.mark.parametrize("failure", [REFUSED, SILENT])
async def test_an_endpoint_is_failing_from_its_first_failure_until_a_success(
    failure: Attempt, database: Database
) -> None:
    await put_endpoint(database)
    await owe(database, "we_1", 4)
    await attempt(database, failure)
    first = await endpoint_row(database)
    assert first["failing_since"] == first["failed_at"] is not None
    await advance(database, minutes=2)
    await attempt(database, failure)
    second = await endpoint_row(database)
    assert second["failing_since"] == first["failing_since"]
    assert second["failed_at"] > first["failed_at"]
    await attempt(database, DONE)
    assert (await endpoint_row(database))["failing_since"] is None


async def test_a_success_among_failures_that_end_together_is_a_success(database: Database) -> None:
    await put_endpoint(database)
    await owe(database, "we_1", 3)
    deliveries = await claimed(database)
    assert await record(database, deliveries, REFUSED, DONE, SILENT) == [True] * 3
    assert (await endpoint_row(database))["failing_since"] is None
    assert sorted(row["status"] for row in await stored(database)) == [
        "pending",
        "pending",
        "succeeded",
    ]


async def test_many_attempts_are_recorded_each_with_its_own_end(database: Database) -> None:
    count = 3 * MOST_AT_ONCE + 10
    await put_endpoint(database)
    await owe(database, "we_1", count)
    deliveries = await claimed(database, count, per_endpoint=count)
    attempts = [REFUSED if n % 3 else DONE for n in range(count)]
    assert await record(database, deliveries, *attempts) == [True] * count
    ends = {row["id"]: row["status"] for row in await stored(database)}
    for delivery, made in zip(deliveries, attempts, strict=True):
        assert ends[delivery.id] == ("succeeded" if made.succeeded else "pending")
    # The leases are over: none can be recorded twice.
    assert await record(database, deliveries, *attempts) == [False] * count


async def test_five_days_of_failures_disable_an_endpoint_and_tell_the_others(
    database: Database,
) -> None:
    await put_endpoint(database)
    await put_endpoint(database, "we_2", event_types=["webhook_endpoint.*"])
    await put_endpoint(database, "we_3", tenant="somebody")
    await owe(database, "we_1", 20)
    for _ in range(FAILING_FOR.days + 1):
        await attempt(database, REFUSED)
        assert (await endpoint_row(database))["enabled"]
        await advance(database, hours=23, minutes=50)
    await attempt(database, REFUSED)
    disabled = await endpoint_row(database)
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "failing")
    (event,) = await disabled_events(database)
    assert (event["endpoint_id"], event["sequence"], event["tenant"]) == ("we_1", 1, None)
    rows = await stored(database)
    assert {row["status"] for row in rows if row["endpoint_id"] == "we_1"} == {"exhausted"}
    told = [row["endpoint_id"] for row in rows if row["event_id"] == event["id"]]
    assert told == ["we_2"]


async def test_an_endpoint_that_had_nothing_to_do_is_not_disabled_by_its_next_failure(
    database: Database,
) -> None:
    await put_endpoint(database)
    await owe(database, "we_1", 2)
    await attempt(database, REFUSED)
    await advance(database, days=30)
    await attempt(database, REFUSED)
    assert (await endpoint_row(database))["enabled"]


async def test_410_disables_an_endpoint_once_however_many_attempts_hear_it(
    database: Database,
) -> None:
    await put_endpoint(database)
    await owe(database, "we_1", 4)
    deliveries = await claimed(database, 4)
    await asyncio.gather(
        *(record(database, [delivery], GONE) for delivery in deliveries[:3]),
    )
    disabled = await endpoint_row(database)
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "gone")
    assert len(await disabled_events(database)) == 1
    # One that was under way meanwhile may still arrive, and changes nothing of that.
    await record(database, deliveries[3:], DONE)
    assert not (await endpoint_row(database))["enabled"]
    assert "succeeded" in {row["status"] for row in await stored(database)}


async def test_a_tenants_own_endpoint_is_announced_to_its_tenant_as_well(
    database: Database,
) -> None:
    await put_endpoint(database, tenant="a", is_tenants_own=True)
    for number, tenant in enumerate(("a", "b", None), start=2):
        await put_endpoint(database, f"we_{number}", tenant=tenant)
    await owe(database, "we_1", 1)
    await attempt(database, GONE)
    (event,) = await disabled_events(database)
    assert event["tenant"] == "a"
    told = {row["endpoint_id"] for row in await stored(database) if row["event_id"] == event["id"]}
    assert told == {"we_2", "we_4"}
