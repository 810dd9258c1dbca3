"""P2: pages of the list of hostnames over HTTP, at a million hostnames beside ten thousand.

Each database has two processes of the service, because two of the same program over the same rows
differ by up to a sixth. All are asked for the same page in turn, over one connection each, a round
as large, small, small, large. Times and ratios are medians of the rounds, and a row shows the page
whose ratio is the worst. The deep page is page 10,000, or the last full one of a list that ends
before.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlencode, urlsplit

import asyncpg

from app.api.custom_hostnames import PATH
from app.api.hostname_list_schemas import HostnameQuery
from app.api.hostname_lists import cursor_after
from app.local.database import local_database
from app.persistence.bounded_queries import MOST_MILLISECONDS
from app.persistence.hostname_lists import Keyset, Sort
from app.persistence.migrations import migrate
from benchmarks.load import requests_per_second
from benchmarks.p2_summary import summary_rows
from benchmarks.row import Row
from benchmarks.seeding import seed_hostnames
from benchmarks.servers import environment, nameplate, until_they_answer

HOSTNAMES = {"large": 1_000_000, "small": 10_000}
LIMIT = 50
TURNS = (("large", "small"), ("small", "large"))
"""The order of a round: a row for each process of a database."""
DEEP = 10_000
ROUNDS = 25
SECONDS = 0.1
AIM = 1.25
SEARCH_AIM_MS = 100.0
FILTERS: dict[str, tuple[dict[str, str], str]] = {
    "no filter": ({}, "state <> 'deleted'"),
    "tenant": ({"tenant": "tenant-0"}, "tenant = 'tenant-0' AND state <> 'deleted'"),
    "state": ({"state": "cname_verified"}, "state = 'cname_verified'"),
    "tenant and state": (
        {"tenant": "tenant-0", "state": "cname_verified"},
        "tenant = 'tenant-0' AND state = 'cname_verified'",
    ),
    "zone": (
        {"zone": "default"},
        "zone_id = (SELECT id FROM zones WHERE is_default) AND state <> 'deleted'",
    ),
    "waiting_on": ({"waiting_on": "nobody"}, "waiting_on = 'nobody' AND state <> 'deleted'"),
    "reason": ({"reason": "live"}, "reason = 'live' AND state <> 'deleted'"),
}
"""The parameters of a filter, and its condition in SQL."""
ORDERS = {Sort.CREATED: "id DESC", Sort.CHANGED: "updated_at DESC, id DESC"}
SEARCHES = ("teapot", "velvet-zither", "-9999.", "nothing-like-this", "go", "zz")
"""Common and rare, in the middle and at the beginning of a name, and in none."""


Ports: TypeAlias = Mapping[str, Sequence[int]]
"""The processes of each database, by its name."""


@dataclass(frozen=True, slots=True)
class Time:
    """Milliseconds for one page, at a million hostnames and at ten thousand."""

    page: str
    large: float
    small: float
    ratio: float
    """How many times as long the larger list takes: the median of the rounds' own ratios, because
    what else the machine does changes from round to round."""


async def measure() -> list[Row]:
    """Seed both databases, then ask for each page in turn."""
    async with _two_services() as (urls, ports, key):
        for name, count in HOSTNAMES.items():
            await seed_hostnames(urls[name], count)
        first, deep = _pages({name: {} for name in urls}), _pages(await _deep(urls))
        return [
            _row("page 1", [await _time(page, paths, ports, key) for page, paths in first]),
            _row(f"page {DEEP:,}", [await _time(page, paths, ports, key) for page, paths in deep]),
            _search_row([await _search(text, ports, key) for text in SEARCHES]),
            *await summary_rows(urls["large"], ports["large"][0], key),
        ]


def _row(page: str, times: list[Time]) -> Row:
    worst = max(times, key=lambda time: time.ratio)
    return Row(
        id="P2",
        figure=f"{page} of a list of a million, the worst of {len(times)}: {worst.page}",
        value=round(worst.large, 2),
        unit="ms",
        beside=f"of ten thousand: {worst.small:.2f} ms",
        ratio=round(worst.ratio, 3),
        aim=f"at most {AIM:.2f}",
        met=worst.ratio <= AIM,
    )


def _search_row(times: list[Time]) -> Row:
    worst = max(times, key=lambda time: time.large)
    return Row(
        id="P2",
        figure=f"text search in a million, the slowest of {len(times)}: {worst.page}",
        value=round(worst.large, 2),
        unit="ms",
        beside=f"in ten thousand: {worst.small:.2f} ms",
        ratio=round(worst.large / SEARCH_AIM_MS, 3),
        aim=f"within {SEARCH_AIM_MS:.0f} ms",
        met=worst.large <= SEARCH_AIM_MS,
    )


async def _time(page: str, paths: Mapping[str, str], ports: Ports, key: str) -> Time:
    seconds: dict[str, list[float]] = {name: [] for name in ports}
    turns = [(name, which) for which, names in enumerate(TURNS) for name in names]
    for number in range(ROUNDS + 1):
        of_round = dict.fromkeys(ports, 0.0)
        for name, which in turns:
            rate = await requests_per_second(
                ports[name][which], [paths[name]], key=key, seconds=SECONDS, connections=1
            )
            of_round[name] += 1 / rate / len(TURNS)
        # The first round only warms up.
        if number:
            for name, each in of_round.items():
                seconds[name].append(each)
    large, small = (seconds[name] for name in ("large", "small"))
    ratios = [over / under for over, under in zip(large, small, strict=True)]
    return Time(
        page,
        statistics.median(large) * 1000,
        statistics.median(small) * 1000,
        statistics.median(ratios),
    )


async def _search(text: str, ports: Ports, key: str) -> Time:
    path = f"{PATH}?{urlencode({'q': text, 'limit': LIMIT})}"
    try:
        return await _time(f"`{text}`", dict.fromkeys(ports, path), ports, key)
    except RuntimeError:
        # The service ended it, with 422 `filter_too_broad`.
        return Time(f"`{text}`, ended", MOST_MILLISECONDS, MOST_MILLISECONDS, 1)


Cursors = Mapping[str, Mapping[str, str]]
"""By the name of a database, then by that of a page."""


def _pages(cursors: Cursors) -> list[tuple[str, dict[str, str]]]:
    """Return each page of both databases: what it is of, and its paths."""
    pages = []
    for name, (parameters, _) in FILTERS.items():
        for sort in ORDERS:
            page = f"{name} by {sort}"
            query = parameters | {"sort": str(sort), "limit": str(LIMIT)}
            paths = {}
            for database, known in cursors.items():
                cursor = {"cursor": known[page]} if page in known else {}
                paths[database] = f"{PATH}?{urlencode(query | cursor)}"
            pages.append((page, paths))
    return pages


async def _deep(urls: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Find the cursors of the deep pages."""
    found: dict[str, dict[str, str]] = {}
    for database, url in urls.items():
        sql = await asyncpg.connect(url)
        try:
            found[database] = {
                f"{name} by {sort}": await _deep_cursor(sql, parameters, condition, sort)
                for name, (parameters, condition) in FILTERS.items()
                for sort in ORDERS
            }
        finally:
            await sql.close()
    return found


async def _deep_cursor(
    sql: asyncpg.Connection, parameters: Mapping[str, str], condition: str, sort: Sort
) -> str:
    listed = f"FROM custom_hostnames WHERE {condition}"
    total = await sql.fetchval(f"SELECT count(*) {listed}", timeout=120)
    # The last row of the page before, counted from zero.
    offset = min((DEEP - 1) * LIMIT, total // LIMIT * LIMIT - LIMIT) - 1
    row = await sql.fetchrow(
        f"SELECT id, updated_at {listed} ORDER BY {ORDERS[sort]} OFFSET $1 LIMIT 1",
        offset,
        timeout=120,
    )
    keyset = Keyset(row["id"], row["updated_at"] if sort is Sort.CHANGED else None)
    return cursor_after(HostnameQuery.model_validate({**_listed(parameters), "sort": sort}), keyset)


def _listed(parameters: Mapping[str, str]) -> dict[str, object]:
    """Return parameters as a query has them: several values where it takes several."""
    return {
        name: [value] if name in {"state", "reason"} else value
        for name, value in parameters.items()
    }


@asynccontextmanager
async def _two_services() -> AsyncIterator[tuple[dict[str, str], Ports, str]]:
    """Run the service over each of two new databases of one Postgres."""
    with tempfile.TemporaryDirectory(prefix="nameplate-bench-") as folder, ExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, local_database(Path(folder), keep=False))
        urls = {name: urlsplit(url)._replace(path=f"/bench_{name}").geturl() for name in HOSTNAMES}
        sql = await asyncpg.connect(url)
        key = "np_" + secrets.token_urlsafe(32)
        try:
            for name, each in urls.items():
                await sql.execute(f"CREATE DATABASE bench_{name}")
                await asyncio.to_thread(migrate, each)
            with ExitStack() as processes:
                ports: dict[str, list[int]] = {name: [] for name in urls}
                for name in (name for names in TURNS for name in names):
                    process = nameplate(environment(urls[name], key))
                    ports[name].append(processes.enter_context(process))
                for which in range(len(TURNS)):
                    await until_they_answer({name: each[which] for name, each in ports.items()})
                yield urls, ports, key
        finally:
            for name in urls:
                await sql.execute(f"DROP DATABASE IF EXISTS bench_{name} WITH (FORCE)")
            await sql.close()
