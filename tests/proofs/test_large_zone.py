"""P5 at full size: a million names, a tenth of them validating. It takes most of an hour."""

from __future__ import annotations

import pytest

from benchmarks.p5_large_zone import (
    FLAT,
    FLOORS,
    MOST_MEMORY,
    NOTICED_WITHIN,
    Report,
    Size,
    large_zone,
)
from benchmarks.p5_watched import Task
from tests.proofs.conftest import Say

MILLION = Size(live=900_000, validating=100_000)
DEFAULT, RAISED = 1_200, 12_000


@pytest.mark.proof
@pytest.mark.timeout(7200)
async def test_of_a_million_names_those_gone_bad_are_noticed_within_ten_minutes(
    say: Say,
) -> None:
    async with large_zone(MILLION) as zone:
        report = await zone.watch(Task(bad=30, removed=0, calls=DEFAULT, live=MILLION.live))
    noticed, told = max(report.noticed), max(report.told)
    say(f"noticed within {noticed:.0f} s, told within {told:.0f} s; {_load(report)}")
    assert noticed <= NOTICED_WITHIN
    assert told <= NOTICED_WITHIN + 120
    _assert_bounded(report)


@pytest.mark.proof
@pytest.mark.timeout(7200)
async def test_of_a_million_names_those_removed_are_found_within_four_times_the_floor(
    say: Say,
) -> None:
    async with large_zone(MILLION) as zone:
        # Ten times the calls, as Enterprise may have: a whole round reads 20,000 pages.
        report = await zone.watch(
            Task(bad=0, removed=30, calls=RAISED, live=MILLION.live, gives_up_after=14_400)
        )
    found, floor = max(report.found), MILLION.floor(RAISED)
    say(f"found within {found:,.0f} s, {found / floor:.2f} times the floor; {_load(report)}")
    assert found <= FLOORS * floor
    _assert_bounded(report)
    # The other run ends before what is loaded once can be told from what grows.
    assert report.memory_growth <= FLAT


def _load(report: Report) -> str:
    return (
        f"{report.breaches} breaches; memory {max(report.memory):.1f} MB at most, "
        f"at the end {report.memory_growth:.3f} times the one half-way"
    )


def _assert_bounded(report: Report) -> None:
    assert report.breaches == 0
    assert max(report.memory) < MOST_MEMORY
