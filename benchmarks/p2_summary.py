"""The summary over HTTP at a million hostnames, beside counting them anew.

The baseline groups the same rows by what the summary shows, for all tenants or for the largest one.
It runs on a bare connection, without HTTP, and leaves out how long activations took. Both sides are
asked in turn, and times and ratios are medians of the rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import asyncpg

from app.services.summary import LARGEST
from benchmarks.load import requests_per_second
from benchmarks.row import Row

PATH = "/v1/summary"
TENANT = "tenant-0"
"""The largest, with a twenty-fifth of the hostnames: counting those of any other is faster."""
ROUNDS = 7
SECONDS = 0.3

_COUNT = """
SELECT zone_id, state, reason, waiting_on, count(*) FROM custom_hostnames
WHERE state <> 'deleted' GROUP BY zone_id, state, reason, waiting_on
"""
_COUNT_OF_TENANT = """
SELECT zone_id, state, reason, waiting_on, count(*) FROM custom_hostnames
WHERE state <> 'deleted' AND tenant = $1 GROUP BY zone_id, state, reason, waiting_on
"""
_LARGEST = f"""
SELECT tenant, count(*) FROM custom_hostnames WHERE state <> 'deleted'
GROUP BY tenant ORDER BY count(*) DESC, tenant LIMIT {LARGEST}
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class Case:
    """A summary, and the queries that count the same."""

    name: str
    path: str
    counts: Sequence[Sequence[str]]
    """Each with its values."""
    aim: float


CASES = (
    # Twenty times as fast: a dashboard that many have open reads it every few seconds.
    Case("all tenants", PATH, [[_COUNT], [_LARGEST]], 0.05),
    # An index finds a tenant's rows, so that those of a small one are counted as fast.
    Case(
        "the largest tenant",
        f"{PATH}?{urlencode({'tenant': TENANT})}",
        [[_COUNT_OF_TENANT, TENANT]],
        0.5,
    ),
)


async def summary_rows(url: str, port: int, key: str) -> list[Row]:
    """Measure both summaries of a seeded database and its service."""
    sql = await asyncpg.connect(url)
    try:
        return [_row(case, await _time(sql, case, port, key)) for case in CASES]
    finally:
        await sql.close()


def _row(case: Case, rounds: Sequence[tuple[float, float]]) -> Row:
    ours, naive = (statistics.median(times) for times in zip(*rounds, strict=True))
    ratio = statistics.median(summary / counted for summary, counted in rounds)
    return Row(
        id="P2",
        figure=f"summary of {case.name}, of a million",
        value=round(ours * 1000, 2),
        unit="ms",
        beside=f"counted anew: {naive * 1000:,.1f} ms",
        ratio=round(ratio, 4),
        aim=f"at most {case.aim:.2f}",
        met=ratio <= case.aim,
    )


async def _time(
    sql: asyncpg.Connection, case: Case, port: int, key: str
) -> list[tuple[float, float]]:
    """Return the seconds that the summary and the baseline took in each round."""
    rounds = []
    for number in range(ROUNDS + 1):
        rate = await requests_per_second(port, [case.path], key=key, seconds=SECONDS, connections=1)
        began = time.perf_counter()
        for query, *values in case.counts:
            await sql.fetch(query, *values, timeout=60)
        # The first round only warms up.
        if number:
            rounds.append((1 / rate, time.perf_counter() - began))
    return rounds
