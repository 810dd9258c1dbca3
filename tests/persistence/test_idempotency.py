"""Who has an Idempotency-Key, when two want it, and when it is forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from app.persistence import idempotency as store
from app.persistence.clock import advance
from app.persistence.database import Database
from app.persistence.idempotency import Call

CALL = Call("key_1", "a", "POST", "/v1/custom-hostnames", b"hash")


async def begin(database: Database, call: Call = CALL, *, status: int | None = None) -> bool:
    async with database.transaction() as tx:
        return await store.begin(tx, call, status=status, resource_id="ch_1") is not None


async def pass_by(database: Database, **by: float) -> None:
    async with database.transaction() as tx:
        await advance(tx, timedelta(**by))


async def test_a_second_request_waits_for_the_first_ones_transaction_and_then_has_no_key(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        assert await store.begin(tx, CALL)
        second = asyncio.create_task(begin(database))
        await asyncio.sleep(0.2)
        assert not second.done()
    assert await second is False


async def test_a_first_request_that_was_rolled_back_leaves_the_key_to_the_second(
    database: Database,
) -> None:
    async with database.engine.connect() as tx:
        assert await store.begin(tx, CALL)
        second = asyncio.create_task(begin(database))
        await asyncio.sleep(0.2)
        await tx.rollback()
    assert await second is True


async def test_a_request_that_was_never_accepted_loses_its_key_with_its_lease(
    database: Database,
) -> None:
    assert await begin(database)
    await pass_by(database, seconds=29)
    assert not await begin(database)
    await pass_by(database, seconds=2)
    assert await begin(database)


async def test_a_request_that_was_accepted_keeps_its_key_for_a_day(database: Database) -> None:
    assert await begin(database, status=201)
    await pass_by(database, hours=23)
    assert not await begin(database)
    await pass_by(database, hours=1, seconds=1)
    async with database.transaction() as tx:
        assert await store.find(tx, CALL) is None
    assert await begin(database)


async def test_each_part_of_a_call_is_a_scope_of_its_own(database: Database) -> None:
    assert await begin(database)
    for other in (
        replace(CALL, api_key_id="key_2"),
        replace(CALL, key="b"),
        replace(CALL, method="PATCH"),
        replace(CALL, path="/v1/webhook-endpoints"),
    ):
        assert await begin(database, other)


async def test_old_requests_are_removed_and_new_ones_stay(database: Database) -> None:
    for number in range(5):
        await begin(database, replace(CALL, key=f"old-{number}"), status=201)
    await pass_by(database, hours=25)
    await begin(database, replace(CALL, key="new"), status=201)
    async with database.transaction() as tx:
        assert await store.prune(tx, limit=3) == {"idempotent_requests": 3}
        assert await store.prune(tx, limit=3) == {"idempotent_requests": 2}
        assert await store.prune(tx, limit=3) == {"idempotent_requests": 0}
        assert await store.find(tx, replace(CALL, key="new")) is not None
