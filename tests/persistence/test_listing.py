"""A page of the list is read from an index, whatever is asked for and however deep it lies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy.dialects import postgresql

from app.domain.custom_hostname import Schedule, State
from app.domain.errors import FilterTooBroad
from app.domain.reason import Reason, WaitingOn
from app.persistence.custom_hostnames import (
    HostnameFilter,
    documents_page,
    is_served_by_index,
    list_documents,
)
from app.persistence.database import Database
from tests.support.rows import present_zone, put_hostname

FEW = (State.ACTIVE, State.DELETED, State.CNAME_VERIFIED)
ROWS = 20_000
COPIED = {
    "custom_hostnames": {
        "id": "'ch_' || lpad(n::text, 6, '0')",
        "hostname": "'h' || n || '.shop.com'",
        "base": "'h' || n || '.shop.com'",
        "tenant": "'t' || n % 10",
        "reason": "CASE WHEN n % 10 < 9 THEN 'live' ELSE reason END",
        "waiting_on": "CASE WHEN n % 10 < 9 THEN 'nobody' ELSE waiting_on END",
        "state": "CASE WHEN n % 10 < 9 THEN 'deleted' ELSE state END",
    },
    "schedules": {"custom_hostname_id": "'ch_' || lpad(n::text, 6, '0')"},
}


@pytest.fixture
async def sql(database: Database, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection to a table of which nine rows in ten are deleted."""
    zone = await present_zone(database)
    await put_hostname(
        database, zone, "ch_", "first.shop.com", Schedule(), state=State.CNAME_VERIFIED
    )
    connection = await asyncpg.connect(database_url)
    for table, changed in COPIED.items():
        names = [
            row[0]
            for row in await connection.fetch(
                "SELECT column_name FROM information_schema.columns "
                "WHERE table_name = $1 AND is_generated = 'NEVER'",
                table,
            )
        ]
        values = ", ".join(changed.get(name, f'"{name}"') for name in names)
        columns = ", ".join(f'"{name}"' for name in names)
        await connection.execute(
            f"INSERT INTO {table} ({columns}) "  # noqa: S608 - the test's own names
            f"SELECT {values} FROM {table}, generate_series(1, {ROWS}) n"
        )
        await connection.execute(f"ANALYZE {table}")
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (HostnameFilter(), "ix_custom_hostnames_present"),
        (HostnameFilter(tenant="t9"), "ix_custom_hostnames_tenant_present"),
        (HostnameFilter(states=(State.DELETED,)), "ix_custom_hostnames_state"),
        (HostnameFilter(states=FEW), "ix_custom_hostnames_state"),
        (HostnameFilter(tenant="t9", states=FEW), "ix_custom_hostnames_tenant_state"),
        (
            HostnameFilter(reasons=(Reason.LIVE,), states=(State.DELETED,)),
            "ix_custom_hostnames_reason",
        ),
        (
            HostnameFilter(waiting_on=WaitingOn.NOBODY, states=(State.DELETED,)),
            "ix_custom_hostnames_waiting_on",
        ),
    ],
)
async def test_a_page_is_read_from_an_index_in_its_order(
    sql: asyncpg.Connection, wanted: HostnameFilter, index: str
) -> None:
    read = []
    for after in (None, "ch_015000", "ch_000500"):
        query = documents_page(wanted, after=after, limit=50)
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        said = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        rows = await sql.fetch(f"EXPLAIN (ANALYZE, BUFFERS, TIMING off) {said}")
        plan = [row[0] for row in rows]
        scans = [line for line in plan if "Scan" in line and "custom_hostnames custom_host" in line]
        assert scans, plan
        assert all(f"Backward using {index} " in line for line in scans), plan
        assert not any("Rows Removed" in line for line in plan), plan
        read.append(len(await sql.fetch(said)))
    assert read[0] == 50


async def test_one_name_is_found_by_its_index(sql: asyncpg.Connection) -> None:
    wanted = HostnameFilter(hostname="h7.shop.com", tenant="t7", states=(State.DELETED,))
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    query = documents_page(wanted, after=None, limit=50)
    said = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    assert [row["id"] for row in await sql.fetch(said)] == ["ch_000007"]
    plan = [row[0] for row in await sql.fetch(f"EXPLAIN {said}")]
    assert any("using ix_custom_hostnames_hostname " in line for line in plan), plan


async def test_a_short_time_is_found_by_its_index(sql: asyncpg.Connection) -> None:
    await sql.execute(
        "UPDATE custom_hostnames SET created_at = timestamptz '2026-01-01 00:00Z' "
        "+ interval '1 minute' * substr(id, 4)::int WHERE id <> 'ch_'"
    )
    await sql.execute("ANALYZE custom_hostnames")
    began = datetime(2026, 1, 1, tzinfo=UTC)
    wanted = HostnameFilter(
        states=(State.DELETED, State.CNAME_VERIFIED),
        created_after=began + timedelta(minutes=7),
        created_before=began + timedelta(minutes=9),
    )
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    query = documents_page(wanted, after=None, limit=50)
    said = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    assert [row["id"] for row in await sql.fetch(said)] == ["ch_000008", "ch_000007"]
    plan = [row[0] for row in await sql.fetch(f"EXPLAIN {said}")]
    assert any("ix_custom_hostnames_created " in line for line in plan), plan


async def test_a_filter_that_fits_too_few_rows_is_refused_after_half_a_second(
    database: Database, sql: asyncpg.Connection
) -> None:
    # Another transaction holds the table for longer than that.
    lock = sql.transaction()
    await lock.start()
    await sql.execute("LOCK TABLE custom_hostnames IN ACCESS EXCLUSIVE MODE")
    with pytest.raises(FilterTooBroad):
        async with database.transaction() as tx:
            await list_documents(tx, HostnameFilter(zone_id="z", tenant="t"), after=None, limit=50)
    await lock.rollback()
    async with database.transaction() as tx:
        assert await list_documents(tx, HostnameFilter(), after=None, limit=50)


@pytest.mark.parametrize(
    ("wanted", "served"),
    [
        (HostnameFilter(), True),
        (HostnameFilter(hostname="a.shop.com"), True),
        (HostnameFilter(tenant="t", states=(State.ACTIVE,)), True),
        (HostnameFilter(zone_id="z"), True),
        (HostnameFilter(reasons=(Reason.LIVE, Reason.CREATING)), True),
        (HostnameFilter(waiting_on=WaitingOn.TENANT), True),
        (HostnameFilter(zone_id="z", states=(State.ACTIVE,)), False),
        (HostnameFilter(tenant="t", reasons=(Reason.LIVE,)), False),
        (HostnameFilter(created_before=datetime(2026, 1, 1, tzinfo=UTC)), False),
    ],
)
async def test_only_what_an_index_does_not_serve_may_be_refused(
    wanted: HostnameFilter, *, served: bool
) -> None:
    assert is_served_by_index(wanted) is served
