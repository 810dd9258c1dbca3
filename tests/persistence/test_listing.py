"""A page of the list is read from an index, whatever is asked for and however deep it lies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from app.domain.custom_hostname import Schedule, State
from app.domain.errors import FilterTooBroad
from app.domain.reason import Reason, WaitingOn
from app.persistence.database import Database, open_database
from app.persistence.hostname_lists import (
    HostnameFilter,
    Keyset,
    Sort,
    Total,
    count_hostnames,
    documents_page,
    is_served_by_index,
    list_documents,
)
from tests.conftest import new_database
from tests.support.rows import present_zone, put_hostname, put_zone

FEW = (State.ACTIVE, State.DELETED, State.CNAME_VERIFIED)
ROWS = 20_000
PLANNED_AT_FIRST = 5
"""Postgres, "PREPARE": so often a statement is planned for its values before one plan may do."""
COPIED = {
    "custom_hostnames": {
        "id": "'ch_' || lpad(n::text, 6, '0')",
        "hostname": "'h' || n || '.shop.com'",
        "base": "'h' || n || '.shop.com'",
        "tenant": "'t' || n % 10",
        "reason": "CASE WHEN n % 10 < 9 THEN 'live' ELSE reason END",
        "waiting_on": "CASE WHEN n % 10 < 9 THEN 'nobody' ELSE waiting_on END",
        "labels": "jsonb_build_object('tenth', n % 10, 'number', n::text)",
        "updated_at": "updated_at + interval '1 second' * (n * 7919 % 20000)",
        "state": "CASE WHEN n % 10 < 9 THEN 'deleted' ELSE state END",
    },
    "schedules": {"custom_hostname_id": "'ch_' || lpad(n::text, 6, '0')"},
}


@pytest.fixture(scope="module")
def filled(cluster: str, template: str) -> Iterator[str]:
    """Give the URL of a database with a table of which nine rows in ten are deleted."""
    with new_database(cluster, template=urlsplit(template).path[1:]) as url:
        asyncio.run(fill(url))
        yield url


@pytest.fixture
def database_url(cluster: str, filled: str, front: Callable[[str], str]) -> Iterator[str]:
    """Give a copy of it of the test's own."""
    with new_database(cluster, template=urlsplit(filled).path[1:]) as url:
        yield front(url)


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


async def fill(url: str) -> None:
    async with open_database(url) as database:
        zone = await put_zone(database)
        await put_hostname(
            database, zone, "ch_", "first.shop.com", Schedule(), state=State.CNAME_VERIFIED
        )
    connection = await asyncpg.connect(url)
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
        await vacuum(connection, table)
    await connection.close()


async def vacuum(sql: asyncpg.Connection, table: str) -> None:
    """Vacuum a table until all its pages are visible to all, for plans that read indexes alone.

    Something older that still runs, such as an autovacuum, may prevent it for a moment.
    """
    visible = "SELECT relallvisible = relpages FROM pg_class WHERE oid = $1::text::regclass"
    async with asyncio.timeout(30):
        while True:
            await sql.execute(f"VACUUM ANALYZE {table}")
            if await sql.fetchval(visible, table):
                return
            await asyncio.sleep(0.1)


PREFIX = "ix_custom_hostnames_"
SERVED: list[tuple[HostnameFilter, str, str]] = [
    (HostnameFilter(), "present", "changed"),
    (HostnameFilter(tenant="t9"), "tenant_present", "tenant_changed"),
    (HostnameFilter(zone_id="default"), "zone_present", "zone_changed"),
    (HostnameFilter(states=(State.DELETED,)), "state", "state_changed"),
    (HostnameFilter(states=FEW), "state", "state_changed"),
    (HostnameFilter(tenant="t9", states=FEW), "tenant_state", "tenant_state_changed"),
    (HostnameFilter(reasons=(Reason.CREATING, Reason.LIVE)), "reason_present", "reason_changed"),
    (HostnameFilter(waiting_on=WaitingOn.CLOUDFLARE), "waiting_on_present", "waiting_on_changed"),
]
BY_SORT = [
    pytest.param(wanted, sort, f"{PREFIX}{index}", id=f"{index}-{number}")
    for number, (wanted, *indexes) in enumerate(SERVED)
    for sort, index in zip(Sort, indexes, strict=True)
]


async def plan_of(sql: asyncpg.Connection, query: Select[Any], options: str = "") -> list[str]:
    """Return the plan of a query for the very values it has."""
    text, values = said(query)
    return [row[0] for row in await sql.fetch(f"EXPLAIN {options} {text}", *values)]


async def plan_for_any_values(sql: asyncpg.Connection, query: Select[Any]) -> list[str]:
    """Return the plan that a prepared statement keeps."""
    text, values = said(query)
    listed = ", ".join(f"'{value}'" for value in values)
    async with sql.transaction():
        await sql.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await sql.execute(f"PREPARE page AS {text}")
        plan = await sql.fetch(f"EXPLAIN EXECUTE page{f'({listed})' if values else ''}")
        await sql.execute("DEALLOCATE page")
    return [row[0] for row in plan]


def assert_read_backward(plan: list[str], index: str) -> None:
    """Assert that a plan reads the rows of a page from this index alone, in its order."""
    scans = [line for line in plan if "Scan" in line and "custom_hostnames custom_host" in line]
    assert scans, plan
    assert all(f"Backward using {index} " in line for line in scans), plan


async def rows_of(sql: asyncpg.Connection, query: Select[Any]) -> list[asyncpg.Record]:
    text, values = said(query)
    return list(await sql.fetch(text, *values))


def said(query: Select[Any]) -> tuple[str, list[Any]]:
    """Return a query's text and its values, as they are sent."""
    compiled = query.compile(
        dialect=PGDialect_asyncpg(),  # type: ignore[no-untyped-call]
        compile_kwargs={"render_postcompile": True},
    )
    values = [compiled.params[name] for name in compiled.positiontup or ()]
    return str(compiled), [json.dumps(v) if isinstance(v, dict) else v for v in values]


async def keysets(sql: asyncpg.Connection, wanted: HostnameFilter, sort: Sort) -> list[Keyset]:
    """Return keysets in the middle of the list and near its end."""
    query = documents_page(wanted, sort=sort, after=None, limit=2 * ROWS)
    rows = await rows_of(sql, query)
    return [
        Keyset(rows[at]["id"], rows[at]["updated_at"] if sort is Sort.CHANGED else None)
        for at in (len(rows) // 2, len(rows) - 200)
    ]


@pytest.mark.parametrize(("wanted", "sort", "index"), BY_SORT)
async def test_a_page_is_read_from_an_index_in_its_order(
    sql: asyncpg.Connection, wanted: HostnameFilter, sort: Sort, index: str
) -> None:
    if wanted.zone_id is not None:
        wanted = replace(wanted, zone_id=await sql.fetchval("SELECT id FROM zones"))
    read = []
    for after in (None, *await keysets(sql, wanted, sort)):
        query = documents_page(wanted, sort=sort, after=after, limit=50)
        plan = await plan_of(sql, query, "(ANALYZE, BUFFERS, TIMING off)")
        assert_read_backward(plan, index)
        # The last row of the page before is read again, and no other.
        removed = [line.split(": ")[1] for line in plan if "Rows Removed" in line]
        assert set(removed) <= {"1", "1.00"}, plan
        read.append(len(await rows_of(sql, query)))
    assert read == [50, 50, 50]


@pytest.mark.parametrize(("wanted", "sort", "index"), BY_SORT)
async def test_a_page_is_not_planned_anew_at_each_request(
    sql: asyncpg.Connection, wanted: HostnameFilter, sort: Sort, index: str
) -> None:
    if wanted.zone_id is not None:
        wanted = replace(wanted, zone_id=await sql.fetchval("SELECT id FROM zones"))
    for after in (None, *await keysets(sql, wanted, sort)):
        query = documents_page(wanted, sort=sort, after=after, limit=50)
        text, _ = said(query)
        async with sql.transaction():
            for _ in range(PLANNED_AT_FIRST + 1):
                await rows_of(sql, query)
            assert await sql.fetchval(
                "SELECT generic_plans > 0 FROM pg_prepared_statements WHERE statement = $1", text
            )
        plan = await plan_for_any_values(sql, query)
        assert_read_backward(plan, index)


async def test_one_name_is_found_by_its_index(sql: asyncpg.Connection) -> None:
    wanted = HostnameFilter(hostname="h7.shop.com", tenant="t7", states=(State.DELETED,))
    for sort in Sort:
        query = documents_page(wanted, sort=sort, after=None, limit=50)
        assert [row["id"] for row in await rows_of(sql, query)] == ["ch_000007"]
        plan = await plan_of(sql, query)
        assert any(f"using {PREFIX}name " in line for line in plan), plan


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
    query = documents_page(wanted, sort=Sort.CREATED, after=None, limit=50)
    assert [row["id"] for row in await rows_of(sql, query)] == ["ch_000008", "ch_000007"]
    plan = await plan_of(sql, query)
    assert any(f"{PREFIX}created " in line for line in plan), plan


@pytest.mark.parametrize(
    ("wanted", "found", "index"),
    [
        (HostnameFilter(search="h1999.s"), ["ch_001999"], "name_parts"),
        (HostnameFilter(search="9019.shop"), ["ch_019019", "ch_009019"], "name_parts"),
        (HostnameFilter(labels=(("number", "19"),)), ["ch_000019"], "labels"),
        (HostnameFilter(labels=(("number", "19"), ("number", "29"))), [], "labels"),
        (HostnameFilter(search="fi"), ["ch_"], "name"),
    ],
)
async def test_rare_words_and_labels_are_found_by_their_index(
    sql: asyncpg.Connection, wanted: HostnameFilter, found: list[str], index: str
) -> None:
    for sort in Sort:
        query = documents_page(wanted, sort=sort, after=None, limit=50)
        assert sorted(row["id"] for row in await rows_of(sql, query)) == sorted(found)
        plan = await plan_of(sql, query)
        assert any(f"{PREFIX}{index} " in f"{line} " for line in plan), plan


async def test_a_common_word_is_read_in_the_order_of_the_list(sql: asyncpg.Connection) -> None:
    # A name in ten is not deleted, and all of them have the word.
    query = documents_page(
        HostnameFilter(search=".shop.com"), sort=Sort.CHANGED, after=None, limit=50
    )
    plan = await plan_of(sql, query)
    assert any(f"Backward using {PREFIX}changed " in line for line in plan), plan


@pytest.mark.parametrize(
    ("wanted", "total"),
    [
        (HostnameFilter(), Total(2001, is_exact=True)),
        (HostnameFilter(states=(State.DELETED,)), Total(10_000, is_exact=False)),
        (HostnameFilter(tenant="t9"), Total(2000, is_exact=True)),
        (HostnameFilter(tenant="nobody"), Total(0, is_exact=True)),
        (HostnameFilter(search="h19", tenant="t9"), Total(112, is_exact=True)),
    ],
)
async def test_a_count_is_exact_up_to_ten_thousand(
    database: Database,
    sql: asyncpg.Connection,  # noqa: ARG001 - it fills the tables
    wanted: HostnameFilter,
    total: Total,
) -> None:
    async with database.transaction() as tx:
        assert await count_hostnames(tx, wanted) == total


async def test_a_walk_by_creation_meets_each_hostname_once_whatever_changes(
    database: Database, sql: asyncpg.Connection
) -> None:
    wanted = HostnameFilter(states=FEW, tenant="t9")
    ids = await sql.fetch("SELECT id FROM custom_hostnames WHERE tenant = 't9'")
    met: list[str] = []
    after: Keyset | None = None
    for number in range(100):
        async with database.transaction() as tx:
            rows = await list_documents(tx, wanted, after=after, limit=100)
        if not rows:
            break
        met += [row.id for row in rows]
        after = Keyset(rows[-1].id)
        # Some change their state, both met and unmet; and a newer one appears.
        await sql.execute(
            "UPDATE custom_hostnames SET updated_at = now(), "
            "state = CASE state WHEN 'active' THEN 'cname_verified' ELSE 'active' END "
            "WHERE tenant = 't9' AND random() < 0.1"
        )
        await put_hostname(
            database,
            await present_zone(database),
            f"ch_9{number:05}",
            f"new-{number}.shop.com",
            Schedule(),
            tenant="t9",
            state=State.ACTIVE,
        )
    assert len(met) == len(set(met))
    assert set(met) == {row[0] for row in ids}


async def test_a_list_by_change_begins_with_what_changed_last(
    database: Database, sql: asyncpg.Connection
) -> None:
    met: list[datetime] = []
    after: Keyset | None = None
    while True:
        async with database.transaction() as tx:
            rows = await list_documents(
                tx, HostnameFilter(), sort=Sort.CHANGED, after=after, limit=500
            )
        if not rows:
            break
        met += [row.updated_at for row in rows]
        after = Keyset(rows[-1].id, rows[-1].updated_at)
    assert met == sorted(met, reverse=True)
    assert len(met) == await sql.fetchval(
        "SELECT count(*) FROM custom_hostnames WHERE state <> 'deleted'"
    )


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
        (HostnameFilter(search="shop"), False),
        (HostnameFilter(labels=(("team", "blue"),)), False),
        (HostnameFilter(reasons=(Reason.LIVE,), states=(State.DELETED,)), False),
        (HostnameFilter(created_before=datetime(2026, 1, 1, tzinfo=UTC)), False),
    ],
)
async def test_only_what_an_index_does_not_serve_may_be_refused(
    wanted: HostnameFilter, *, served: bool
) -> None:
    assert is_served_by_index(wanted) is served
