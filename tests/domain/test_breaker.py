"""When a zone pauses: too much contradicts at once, or its CNAME target is missing for long."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.breaker import Counts, may_trip, trips
from app.domain.reason import Reason, WaitingOn
from app.domain.zone import PAUSE_REASONS, RESUME_OVER, TargetHistory, resume_over

BEGAN = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    ("checks", "missing", "steady"),
    [
        pytest.param("", False, False, id="never asked"),
        pytest.param("f", False, False, id="found once"),
        pytest.param("fffff", False, True, id="found for two minutes"),
        pytest.param("aa", False, False, id="missing for half a minute"),
        pytest.param("aaaaaa", False, False, id="missing for two and a half minutes"),
        pytest.param("aaaaaaa", True, False, id="missing for three minutes"),
        pytest.param("auuuuua", True, False, id="nobody could ask in between"),
        pytest.param("aaaaaau", False, False, id="the last check was not answered"),
        pytest.param("aaafaaa", False, False, id="found in between"),
        pytest.param("aaaaaaafffff", False, True, id="back for two minutes"),
        pytest.param("aaaaaaaffff", False, False, id="back for a minute and a half"),
        pytest.param("ffuuf", False, True, id="found, not answered, found"),
        pytest.param("a" * 33_000, True, False, id="missing for eleven days"),
    ],
)
def test_a_target_is_missing_or_back_after_some_minutes(
    checks: str, *, missing: bool, steady: bool
) -> None:
    history, now = TargetHistory(), BEGAN
    for number, letter in enumerate(checks):
        now = BEGAN + timedelta(seconds=30 * number)
        history = history.then({"f": "found", "a": "absent", "u": "unknown"}[letter], now)
    assert (history.is_missing(now), history.is_steady(now)) == (missing, steady)


def test_each_cause_of_a_pause_has_a_reason_of_its_own_and_lifts_itself() -> None:
    assert len(set(PAUSE_REASONS.values())) == len(PAUSE_REASONS)
    assert all(reason.ends_by_itself for reason in PAUSE_REASONS.values())
    told = [Reason.of(code) for code in PAUSE_REASONS if str(code) in set(Reason)]
    assert {reason.waiting_on for reason in told} == {WaitingOn.OPERATOR}
    assert len({reason.message for reason in told}) == len(told)


NOBODY = Counts(0, 0)


@pytest.mark.parametrize(
    ("checked", "mismatched", "tripped"),
    [
        pytest.param(100, 20, True, id="twenty of a hundred"),
        pytest.param(100, 19, False, id="nineteen are too few"),
        pytest.param(400, 20, True, id="five in a hundred"),
        pytest.param(401, 20, False, id="less than that are the names' own affair"),
        pytest.param(1_000_000, 199, False, id="a few of very many"),
        pytest.param(1_000_000, 200, True, id="so many go at once in no zone"),
        pytest.param(3, 3, False, id="of a zone of which more is not known, three are few"),
    ],
)
def test_what_trips_the_breaker(checked: int, mismatched: int, *, tripped: bool) -> None:
    assert trips(Counts(checked, mismatched), NOBODY, of_all=False) is tripped


@pytest.mark.parametrize(
    ("live", "mismatched", "tripped"),
    [
        pytest.param(3, 3, True, id="all of three"),
        pytest.param(4, 3, False, id="three of four"),
        pytest.param(2, 2, False, id="of two nobody can tell"),
        pytest.param(19, 19, True, id="all of nineteen"),
        pytest.param(25, 25, True, id="all of twenty-five"),
    ],
)
def test_all_live_names_of_a_small_zone_do_not_go_at_once(
    live: int, mismatched: int, *, tripped: bool
) -> None:
    assert trips(Counts(live, mismatched), NOBODY, of_all=True) is tripped


@pytest.mark.parametrize(
    ("others", "tripped"),
    [
        pytest.param(Counts(0, 0), True, id="no other tenant was looked at"),
        pytest.param(Counts(4, 0), True, id="too few others to tell"),
        pytest.param(Counts(5, 0), False, id="all others are well"),
        pytest.param(Counts(100, 4), False, id="nearly all others are"),
        pytest.param(Counts(100, 5), True, id="others contradict too"),
    ],
)
def test_a_tenant_that_takes_its_own_names_away_stops_nobody_elses(
    others: Counts, *, tripped: bool
) -> None:
    seen = Counts(others.checked + 200, others.mismatched + 200)
    assert trips(seen, others, of_all=True) is tripped


def test_nothing_is_counted_before_it_could_matter() -> None:
    assert [may_trip(number) for number in (0, 2, 3)] == [False, False, True]


@pytest.mark.parametrize(
    ("overdue", "over"),
    [(0, timedelta(0)), (5, timedelta(seconds=5)), (3600, RESUME_OVER), (100_000, RESUME_OVER)],
)
def test_a_few_names_need_no_hour_after_a_pause(overdue: int, over: timedelta) -> None:
    assert resume_over(overdue) == over
