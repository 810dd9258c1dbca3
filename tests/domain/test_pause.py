"""The breaker: how much has to contradict at the same time before it says more of the zone."""

from datetime import timedelta

import pytest

from app.domain.pause import RESUME_OVER, Counts, may_trip, resume_over, trips

NOBODY = Counts(0, 0)


@pytest.mark.parametrize(
    ("looked", "contradicted", "tripped"),
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
def test_what_trips_the_breaker(looked: int, contradicted: int, *, tripped: bool) -> None:
    assert trips(Counts(looked, contradicted), NOBODY, of_all=False) is tripped


@pytest.mark.parametrize(
    ("live", "contradicted", "tripped"),
    [
        pytest.param(3, 3, True, id="all of three"),
        pytest.param(4, 3, False, id="three of four"),
        pytest.param(2, 2, False, id="of two nobody can tell"),
        pytest.param(19, 19, True, id="all of nineteen"),
        pytest.param(25, 25, True, id="all of twenty-five"),
    ],
)
def test_all_live_names_of_a_small_zone_do_not_go_at_once(
    live: int, contradicted: int, *, tripped: bool
) -> None:
    assert trips(Counts(live, contradicted), NOBODY, of_all=True) is tripped


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
    seen = Counts(others.looked + 200, others.contradicted + 200)
    assert trips(seen, others, of_all=True) is tripped


def test_nothing_is_counted_before_it_could_matter() -> None:
    assert [may_trip(number) for number in (0, 2, 3)] == [False, False, True]


@pytest.mark.parametrize(
    ("overdue", "over"),
    [(0, timedelta(0)), (5, timedelta(seconds=5)), (3600, RESUME_OVER), (100_000, RESUME_OVER)],
)
def test_a_few_names_need_no_hour_after_a_pause(overdue: int, over: timedelta) -> None:
    assert resume_over(overdue) == over
