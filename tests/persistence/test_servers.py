"""The tests run against the Postgres that TEST_DATABASE names."""

from __future__ import annotations

from urllib.parse import urlsplit

from app.persistence.database import Database
from tests.support.servers import DEBIAN, ServerKind, chosen

OLDEST = 14


async def test_the_server_is_the_one_that_was_chosen(database: Database, database_url: str) -> None:
    row = await database.fetch_row(
        "SELECT inet_server_port(), current_setting('server_version_num')::int / 10000"
    )
    assert row is not None
    port, version = row
    behind = port != urlsplit(database_url).port
    assert behind is (chosen() is ServerKind.PGBOUNCER)
    assert version in _debian_versions() or chosen() is ServerKind.EMBEDDED
    assert version >= OLDEST


def _debian_versions() -> set[int]:
    return {int(path.name) for path in DEBIAN.glob("*") if path.name.isdigit()}
