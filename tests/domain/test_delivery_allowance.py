"""How many deliveries to one endpoint may be under way, and which begin next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

from app.domain.deliveries import (
    AFTER_LATE,
    AFTER_SOON,
    AT_FIRST,
    HANGING_TIMES,
    SOON_SECONDS,
    Due,
    allowance,
    pick,
)

ALLOWED = {"soon": AFTER_SOON, "late": AFTER_LATE, "dead": AT_FIRST}
PLACES = 32


def due(*counts: tuple[str, int], is_failing: bool = False) -> list[Due]:
    return [
        Due(f"{endpoint}-{n}", endpoint, is_failing)
        for endpoint, count in counts
        for n in range(count)
    ]


def begun(
    waiting: list[Due],
    *,
    fresh: Mapping[str, int] | None = None,
    hanging: Mapping[str, int] | None = None,
    places: int = PLACES,
) -> dict[str, int]:
    picked = pick(waiting, fresh=fresh or {}, hanging=hanging or {}, allowed=ALLOWED, places=places)
    assert len(set(picked)) == len(picked)
    return dict(Counter(delivery.rpartition("-")[0] for delivery in picked))


@pytest.mark.parametrize(
    ("endpoint", "count"),
    [("soon", AFTER_SOON), ("late", AFTER_LATE), ("dead", AT_FIRST), ("new", AT_FIRST)],
)
def test_an_endpoint_has_as_many_at_a_time_as_its_last_answer_allows(
    endpoint: str, count: int
) -> None:
    assert begun(due((endpoint, 50))) == {endpoint: count}
    assert begun(due((endpoint, 50)), fresh={endpoint: count}) == {}
    assert begun(due((endpoint, 50)), hanging={endpoint: count}) == {}


def test_what_is_under_way_counts_whether_it_hangs_or_not() -> None:
    assert begun(due(("soon", 50)), fresh={"soon": 3}, hanging={"soon": 4}) == {"soon": 3}


def test_endpoints_that_are_slow_share_half_of_the_places() -> None:
    failing = due(*((f"failing{n}", 5) for n in range(100)), is_failing=True)
    picked = begun([*failing, *due(("late", 50), ("soon", 50))])
    assert picked.pop("soon") == AFTER_SOON
    assert sum(picked.values()) == PLACES // 2


def test_endpoints_that_are_new_to_a_process_wait_for_no_slow_one() -> None:
    failing = due(*((f"failing{n}", 5) for n in range(100)), is_failing=True)
    picked = begun([*failing, *due(("new", 5), ("newer", 5))])
    assert (picked["new"], picked["newer"]) == (AT_FIRST, AT_FIRST)


def test_what_hangs_holds_no_place() -> None:
    hanging = {f"slow{n}": AT_FIRST for n in range(100)}
    assert begun(due(("new", 5), ("soon", 50)), hanging=hanging) == {
        "new": AT_FIRST,
        "soon": AFTER_SOON,
    }


def test_when_too_many_hang_those_that_are_slow_wait() -> None:
    hanging = {f"slow{n}": AT_FIRST for n in range(PLACES * HANGING_TIMES)}
    waiting = [*due(("failing", 5), is_failing=True), *due(("late", 5), ("soon", 50), ("new", 5))]
    assert begun(waiting, hanging=hanging) == {"soon": AFTER_SOON, "new": AT_FIRST}


def test_no_more_is_begun_than_there_are_places() -> None:
    assert begun(due(("soon", 50)), fresh={"late": 28}) == {"soon": 4}
    assert begun(due(("soon", 50)), fresh={"late": 40}) == {}


def test_a_process_with_one_place_serves_an_endpoint_that_has_not_answered_yet() -> None:
    assert begun(due(("new", 5)), places=1) == {"new": 1}


@pytest.mark.parametrize(
    ("seconds", "answered", "expected"),
    [
        (0.0, True, AFTER_SOON),
        (SOON_SECONDS, True, AFTER_SOON),
        (SOON_SECONDS + 0.001, True, AFTER_LATE),
        (20.0, True, AFTER_LATE),
        (0.005, False, AT_FIRST),
        (20.0, False, AT_FIRST),
    ],
)
def test_an_attempt_says_how_many_may_follow(
    seconds: float, *, answered: bool, expected: int
) -> None:
    assert allowance(seconds, answered=answered) == expected
