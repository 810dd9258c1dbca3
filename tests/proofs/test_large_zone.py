"""P5 at full size: a million names, a tenth of them validating. It takes most of an hour."""

from __future__ import annotations

import pytest

from benchmarks.p5_large_zone import FLAT, FLOORS, MOST_MEMORY, NOTICED_WITHIN, Size, large_zone
from benchmarks.p5_watched import Task

MILLION = Size(live=900_000, validating=100_000)
DEFAULT, RAISED = 1_200, 12_000


@pytest.mark.proof
@pytest.mark.timeout(7200)
async def test_a_million_names_are_watched_within_the_budget() -> None:
    async with large_zone(MILLION) as zone:
        bad = await zone.watch(Task(bad=30, removed=0, calls=DEFAULT, live=MILLION.live))
        # Ten times the calls, as Enterprise may have: a whole round reads 20,000 pages.
        removed = await zone.watch(
            Task(bad=0, removed=30, calls=RAISED, live=MILLION.live, gives_up_after=14_400)
        )
    assert max(bad.noticed) <= NOTICED_WITHIN
    assert max(bad.told) <= NOTICED_WITHIN + 120
    assert max(removed.found) <= FLOORS * MILLION.floor(RAISED)
    for report in (bad, removed):
        assert report.breaches == 0
        assert max(report.memory) < MOST_MEMORY
        assert report.memory[-1] <= FLAT * report.memory[len(report.memory) // 10]
