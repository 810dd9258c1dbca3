"""The processes over the database that a managed provider's URL names."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.cli.test_commands import GOOD, running

PARAMETERS = "?sslmode=prefer&connect_timeout=5&target_session_attrs=read-write"
NAMED = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = $1"
)


@pytest.mark.parametrize(
    ("command", "more", "name"),
    [
        (["api", "--port", "0"], "", "nameplate-api"),
        (["worker"], "", "nameplate-worker"),
        (["worker"], "&application_name=mine", "mine"),
    ],
)
async def test_a_process_is_told_apart_by_the_name_of_its_connections(
    command: list[str], more: str, name: str, database_url: str
) -> None:
    environment = GOOD | {"NAMEPLATE_DATABASE_URL": database_url + PARAMETERS + more}
    connection = await asyncpg.connect(database_url)
    with running(*command, environment=environment) as process:
        async with asyncio.timeout(30):
            while not await connection.fetchval(NAMED, name):
                assert process.poll() is None
                await asyncio.sleep(0.1)
    await connection.close()
