"""Keys in a process's cache: revoked and expired at once, and their use written in the background.

The clock of the cache stands still here, so that nothing is forgotten because it is old.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from app.persistence.clock import advance, read_now
from app.persistence.database import Database
from app.persistence.wakeups import Channel
from app.services.api_keys import ApiKeys


class Cached:
    """The keys as one process has them, and its clock."""

    def __init__(self, database: Database) -> None:
        self.now = 0.0
        self.keys = ApiKeys(database, clock=lambda: self.now)
        self._database = database

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.keys.follow_revocations())
        await self.listens()
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def listens(self) -> None:
        """Wait until the connection listens: everything is looked up anew then."""
        async with asyncio.timeout(20):
            while not self.keys._forgotten:
                await asyncio.sleep(0.05)

    async def refuses(self, secret: str) -> None:
        """Wait until the key is refused."""
        async with asyncio.timeout(20):
            while await self.keys.find(secret) is not None:
                await asyncio.sleep(0.05)

    async def fetch(self, query: str, *values: object) -> list[object]:
        async with self._database.pool.acquire() as connection:
            return list(await connection.fetch(query, *values))

    async def used_at(self, key_id: str) -> datetime | None:
        return (await self.keys.get(key_id)).last_used_at


@pytest.fixture
async def cached(database: Database) -> Cached:
    return Cached(database)


async def test_a_revocation_reaches_the_cache_of_another_process_at_once(
    cached: Cached, database: Database
) -> None:
    key, secret = await cached.keys.create(name="test", scope="read")
    kept, good = await cached.keys.create(name="test", scope="read")
    async with cached.following():
        assert await cached.keys.find(secret) is not None
        await ApiKeys(database).revoke(key.id)
        await cached.refuses(secret)
        found = await cached.keys.find(good)
        assert found is not None
        assert found.id == kept.id


async def test_a_revocation_is_seen_after_the_connection_was_lost(cached: Cached) -> None:
    key, secret = await cached.keys.create(name="test", scope="read")
    async with cached.following():
        assert await cached.keys.find(secret) is not None
        # Nobody is notified of this one.
        await cached.fetch("UPDATE api_keys SET revoked_at = now() WHERE id = $1", key.id)
        assert await cached.keys.find(secret) is not None
        await cached.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE $1",
            f"LISTEN %{Channel.API_KEYS}%",
        )
        await cached.refuses(secret)


async def test_without_a_notification_a_revoked_key_works_for_five_seconds(
    cached: Cached,
) -> None:
    key, secret = await cached.keys.create(name="test", scope="read")
    assert await cached.keys.find(secret) is not None
    await cached.fetch("UPDATE api_keys SET revoked_at = now() WHERE id = $1", key.id)
    assert await cached.keys.find(secret) is not None
    cached.now = 5.1
    assert await cached.keys.find(secret) is None


async def test_a_key_that_was_good_still_counts_as_such_after_a_revocation(
    cached: Cached,
) -> None:
    _, good = await cached.keys.create(name="test", scope="read")
    assert await cached.keys.find(good, address="a") is not None
    for number in range(20):
        await cached.keys.find(f"np_{number}", address="a")
    cached.keys.forget_all()
    assert await cached.keys.find(good, address="a") is not None


async def test_an_expired_key_stops_at_its_time_though_it_is_cached(
    cached: Cached, database: Database
) -> None:
    async with database.transaction() as tx:
        expires_at = await read_now(tx) + timedelta(minutes=1)
    _, secret = await cached.keys.create(name="test", scope="read", expires_at=expires_at)
    async with database.transaction() as tx:
        await advance(tx, timedelta(seconds=57))
    # Now it has less than three seconds, and would be cached for five.
    if await cached.keys.find(secret) is None:
        pytest.skip("the machine took three seconds for two statements")
    async with database.transaction() as tx:
        await advance(tx, timedelta(seconds=3))
    cached.now = 3.1
    assert await cached.keys.find(secret) is None


async def test_a_use_is_written_later_and_once_a_minute_at_most(
    cached: Cached, database: Database
) -> None:
    key, secret = await cached.keys.create(name="test", scope="read")
    await cached.keys.find(secret)
    assert await cached.used_at(key.id) is None
    cached.now = 30.0
    await cached.keys.write_uses()
    first = await cached.used_at(key.id)
    assert first is not None
    async with database.transaction() as tx:
        age = await read_now(tx) - first
    assert age >= timedelta(seconds=30)
    await cached.keys.find(secret)
    await cached.keys.write_uses()
    assert await cached.used_at(key.id) == first
    async with database.transaction() as tx:
        await advance(tx, timedelta(minutes=1))
    await cached.keys.find(secret)
    await cached.keys.write_uses()
    second = await cached.used_at(key.id)
    assert second is not None
    assert second >= first + timedelta(seconds=60)
