"""What Postgres ends by itself, so that a process that froze holds nobody up."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import text

from app.domain.errors import DatabaseUnavailable
from app.persistence.database import FAST_PATH_CONNECTIONS, Database, open_database
from app.web.errors import problem_of

SETTINGS = {
    "idle_in_transaction_session_timeout": "15s",
    "lock_timeout": "8s",
    "tcp_keepalives_idle": "30",
}


async def test_both_pools_tell_postgres_what_to_end(database_url: str) -> None:
    async with open_database(database_url) as database:
        for name, value in SETTINGS.items():
            async with database.transaction() as tx:
                assert await tx.scalar(text(f"SHOW {name}")) == value
            row = await database.fetch_row(f"SHOW {name}")
            assert row is not None
            assert row[0] == value


async def test_connections_that_a_peak_opened_are_used_again(database_url: str) -> None:
    async with open_database(database_url, connections=2) as database:

        async def backend() -> int:
            async with database.transaction() as tx:
                return int(await tx.scalar(text("SELECT pg_backend_pid() FROM pg_sleep(0.05)")))

        seen = {
            pid for _ in range(3) for pid in await asyncio.gather(*(backend() for _ in range(8)))
        }
    assert len(seen) == 4


async def test_connections_go_to_those_who_wait_in_the_order_of_asking(database_url: str) -> None:
    done = [0] * 40
    async with open_database(database_url, connections=2) as database:

        async def ask() -> None:
            async with database.transaction() as tx:
                await tx.execute(text("SELECT pg_sleep(0.002)"))

        async def ask_on(number: int) -> None:
            while max(done) < 20:
                await ask()
                done[number] += 1

        await asyncio.gather(*(ask_on(number) for number in range(len(done))))
    assert min(done) >= 18


async def lock_clock(database: Database, *, patience: str = "8s") -> None:
    async with database.transaction() as tx:
        await tx.execute(text(f"SET LOCAL lock_timeout = '{patience}'"))
        await tx.execute(text("SELECT 1 FROM clock_offset FOR UPDATE"))


async def test_a_lock_that_is_held_too_long_is_a_database_that_does_not_answer(
    database_url: str,
) -> None:
    async with open_database(database_url) as database:
        async with database.transaction() as tx:
            await tx.execute(text("SELECT 1 FROM clock_offset FOR UPDATE"))
            with pytest.raises(DatabaseUnavailable):
                await lock_clock(database, patience="50ms")
        await lock_clock(database)


async def leave_open(database: Database) -> None:
    """Hold a lock, and do nothing until another gets it."""
    async with database.transaction() as tx:
        await tx.execute(text("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
        await tx.execute(text("SELECT 1 FROM clock_offset FOR UPDATE"))
        await lock_clock(database)
        await tx.execute(text("SELECT 1"))


async def test_a_transaction_that_is_left_open_is_ended_and_its_locks_with_it(
    database_url: str,
) -> None:
    async with open_database(database_url) as database:
        with pytest.raises(DatabaseUnavailable):
            await leave_open(database)
        await lock_clock(database)


async def test_a_fast_path_read_waits_for_a_connection_no_longer_than_for_a_new_one(
    database_url: str,
) -> None:
    async with open_database(f"{database_url}?connect_timeout=1") as database:
        busy = [
            asyncio.create_task(database.fetch_row("SELECT pg_sleep(3)"))
            for _ in range(FAST_PATH_CONNECTIONS)
        ]
        await asyncio.sleep(0.2)
        began = time.monotonic()
        waiting = [database.fetch_row("SELECT 1") for _ in range(100)]
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(each) for each in answers} == {DatabaseUnavailable}
        assert time.monotonic() - began < 2
        await asyncio.gather(*busy)
        row = await database.fetch_row("SELECT 1")
        assert row is not None


def test_a_database_that_does_not_answer_is_a_503_that_says_when_to_come_again() -> None:
    answer = problem_of(DatabaseUnavailable("It does not answer."))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
