"""The migrations make what the code describes, can be taken back, and never wait for ever."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import asyncpg
import pytest
from alembic import command
from sqlalchemy.exc import DBAPIError

from app.persistence.migrations import alembic_config, migrate
from app.persistence.tables import SCHEMA_VERSION, metadata


def test_the_tables_described_are_the_tables_migrated(empty_database_url: str) -> None:
    migrate(empty_database_url)
    command.check(alembic_config(empty_database_url))


async def _tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    await connection.close()
    return {row["table_name"] for row in rows} - {"alembic_version"}


def test_every_migration_can_be_taken_back_and_run_again(empty_database_url: str) -> None:
    migrate(empty_database_url)
    command.downgrade(alembic_config(empty_database_url), "base")
    assert asyncio.run(_tables(empty_database_url)) == set()
    migrate(empty_database_url)
    assert asyncio.run(_tables(empty_database_url)) == set(metadata.tables)
    command.check(alembic_config(empty_database_url))


async def test_the_schemas_number_is_the_one_the_code_needs(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT version FROM schema_version") == SCHEMA_VERSION
    await connection.close()


async def test_the_clock_is_real_time_plus_an_offset_of_zero(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT nameplate_now() = statement_timestamp()")
    await connection.execute("UPDATE clock_offset SET \"offset\" = '1 day'")
    ahead = await connection.fetchval("SELECT nameplate_now() - statement_timestamp()")
    assert ahead.days == 1
    await connection.close()


@pytest.mark.parametrize("side", ["dns", "cloudflare"])
async def test_a_claim_by_the_clock_uses_the_index(database_url: str, side: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("SET enable_seqscan = off")
    plan = await connection.fetch(
        f"EXPLAIN SELECT custom_hostname_id FROM watches WHERE zone_id = 'zone' "  # noqa: S608
        f"AND {side}_due_at IS NOT NULL AND {side}_due_at <= nameplate_now() "
        f"ORDER BY {side}_due_at LIMIT 10"
    )
    assert any(f"ix_watches_{side}_due" in row[0] for row in plan)
    assert not any("Filter" in row[0] for row in plan)
    await connection.close()


async def test_three_migrations_at_once_are_one_after_the_other(empty_database_url: str) -> None:
    environment = os.environ | {"NAMEPLATE_DATABASE_URL": empty_database_url}
    runs = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app", "migrate", env=environment, stdout=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    assert [await run.wait() for run in runs] == [0, 0, 0]
    await asyncio.to_thread(command.check, alembic_config(empty_database_url))


async def test_a_migration_gives_up_behind_a_long_lock(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE events IN ACCESS SHARE MODE")
        with pytest.raises(DBAPIError, match="lock timeout"):
            await asyncio.to_thread(command.downgrade, alembic_config(database_url), "base")
    await connection.close()
