"""Lists of custom hostnames: which are read, how often, in what order, and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import resync as rules
from app.domain.resync import EXCEPTIONS, FOLLOWED, LISTS, WHOLE

A_PAGE = 3
"""Names on a page of the lists that are played here."""
OTHER = "hostname_status=moved"
MOST_PAGES = 200
"""No round that is played here has more: one that goes on has no end."""
LEAST_LARGE = 34 * 50 + 1

Changes = st.lists(
    st.tuples(
        st.lists(st.integers(0, 60), max_size=6, unique=True),
        st.lists(st.integers(0, 60), max_size=6),
    ),
    max_size=30,
)
"""What happens between two pages: who leaves, by place, and where others join."""


@dataclass
class Played:
    """A list of numbers in the order of their creation, read while it changes."""

    names: list[int]
    seen: set[int]
    stayed: set[int]
    fresh: int = 1_000
    read: int = 0
    joined: int = 0

    def change(self, leaving: Sequence[int], joining: Sequence[int], *, at_the_end: bool) -> None:
        for place in sorted(leaving, reverse=True):
            if place < len(self.names):
                self.stayed.discard(self.names.pop(place))
        for place in joining:
            self.fresh += 1
            self.joined += 1
            self.names.insert(len(self.names) if at_the_end else place, self.fresh)

    def read_page(self, page: int) -> int:
        """Take in a page and give how many there are."""
        self.read += 1
        self.seen |= set(self.names[(page - 1) * A_PAGE : page * A_PAGE])
        return -(-len(self.names) // A_PAGE)


def play(
    count: int,
    began_at: int,
    changes: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    at_the_end: bool,
) -> Played:
    """Read a whole round, something happening after each page."""
    names = list(range(count))
    played = Played(names, set(), set(names))
    waiting, page, first = list(changes), began_at, True
    while True:
        following = rules.next_page(page, played.read_page(page), first=first)
        assert played.read <= began_at + MOST_PAGES
        if following is None:
            return played
        assert following >= 1
        if waiting:
            played.change(*waiting.pop(0), at_the_end=at_the_end)
        page, first = following, False


@given(count=st.integers(0, 40), began_at=st.integers(1, 20), changes=Changes)
@settings(max_examples=400, deadline=None)
def test_no_name_that_stayed_on_the_list_is_missed_while_others_leave_and_are_added(
    count: int, began_at: int, changes: list[tuple[list[int], list[int]]]
) -> None:
    played = play(count, began_at, changes, at_the_end=True)
    assert played.stayed <= played.seen


@given(count=st.integers(0, 40), began_at=st.integers(1, 20), changes=Changes)
@settings(max_examples=400, deadline=None)
def test_each_name_that_joins_before_the_end_hides_one_at_most(
    count: int, began_at: int, changes: list[tuple[list[int], list[int]]]
) -> None:
    played = play(count, began_at, changes, at_the_end=False)
    assert len(played.stayed - played.seen) <= played.joined


@given(count=st.integers(1, 200), began_at=st.integers(1, 100))
def test_a_list_that_stands_still_costs_a_call_a_page_and_one_for_a_wrong_beginning(
    count: int, began_at: int
) -> None:
    pages = -(-count // A_PAGE)
    played = play(count, began_at, [], at_the_end=True)
    assert played.read == pages + (began_at != pages)
    assert len(played.seen) == count


@pytest.mark.parametrize(
    ("page", "pages", "first", "following"),
    [
        pytest.param(3, 3, True, 2, id="after the last page the one before it"),
        pytest.param(2, 3, False, 1, id="and so on to the first"),
        pytest.param(1, 3, False, None, id="which ends the round"),
        pytest.param(1, 1, True, None, id="as a list of one page ends with it"),
        pytest.param(1, 0, True, None, id="and an empty one"),
        pytest.param(3, 5, True, 5, id="a list that grew since the last round begins at its end"),
        pytest.param(3, 5, False, 2, id="but one that grows during the round goes on"),
        pytest.param(9, 4, True, 4, id="a list that shrank since begins at its end"),
        pytest.param(9, 4, False, 4, id="and so does one that shrinks during the round"),
        pytest.param(9, 0, False, None, id="one that emptied is read"),
    ],
)
def test_pages_are_read_from_the_last_to_the_first(
    *, page: int, pages: int, first: bool, following: int | None
) -> None:
    assert rules.next_page(page, pages, first=first) == following


@pytest.mark.parametrize(
    ("total", "large"),
    [
        pytest.param(None, False, id="a zone that was never counted is small"),
        pytest.param(0, False, id="an empty zone is small"),
        pytest.param(LEAST_LARGE - 1, False, id="as many pages as exceptions cost no more"),
        pytest.param(LEAST_LARGE, True, id="one page more is large"),
        pytest.param(1_000_000, True, id="a million is large"),
    ],
)
def test_a_zone_is_large_where_the_exceptions_cost_fewer_calls(
    total: int | None,
    large: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert rules.is_large(total) is large


@pytest.mark.parametrize(
    ("total", "followed", "read"),
    [
        pytest.param(None, False, {WHOLE}, id="before it was counted, the whole"),
        pytest.param(LEAST_LARGE - 1, False, {WHOLE}, id="a small zone, the whole"),
        pytest.param(50, True, {WHOLE, *FOLLOWED}, id="and the two lists of those followed"),
        pytest.param(LEAST_LARGE, False, set(LISTS), id="a large zone, all of them"),
        pytest.param(LEAST_LARGE, True, set(LISTS), id="whoever is followed"),
    ],
)
def test_which_lists_are_read(*, total: int | None, followed: bool, read: set[str]) -> None:
    assert {each for each in LISTS if rules.is_read(each, total, followed=followed)} == read


@pytest.mark.parametrize(
    ("name", "took", "followed", "wait"),
    [
        pytest.param(WHOLE, 0, False, 300, id="a round begins five minutes after the one before"),
        pytest.param(WHOLE, 100, False, 200, id="counted from its beginning"),
        pytest.param(WHOLE, 299, False, 1, id="a second is left at least"),
        pytest.param(WHOLE, 3600, False, 1, id="the whole of a large zone is read without end"),
        pytest.param(OTHER, 4, False, 296, id="an exception like the whole"),
        pytest.param(FOLLOWED[0], 4, False, 296, id="the followed ones too while they are few"),
        pytest.param(FOLLOWED[0], 4, True, 20, id="issuance every twenty seconds while many wait"),
        pytest.param(FOLLOWED[1], 90, True, 20, id="deployment, too, whatever the round took"),
        pytest.param(OTHER, 0, True, 300, id="no other exception"),
        pytest.param(WHOLE, 0, True, 300, id="nor the whole"),
    ],
)
def test_when_the_next_round_begins(*, name: str, took: float, followed: bool, wait: float) -> None:
    found = rules.next_round_in(name, timedelta(seconds=took), followed=followed)
    assert found == timedelta(seconds=wait)


@pytest.mark.parametrize(("missing", "rounds"), [(0, 1), (1, 1), (100, 1), (101, 2), (50_000, 2)])
def test_more_than_a_hundred_missing_names_have_to_be_missing_twice(
    missing: int, rounds: int
) -> None:
    assert rules.rounds_missed(missing) == rounds


@pytest.mark.parametrize(
    ("missing", "held", "too_many"),
    [
        pytest.param(0, 0, False, id="nothing of nothing"),
        pytest.param(1, 1, False, id="the only one"),
        pytest.param(2, 2, False, id="both"),
        pytest.param(3, 3, True, id="all of three"),
        pytest.param(2, 3, False, id="all but one of three"),
        pytest.param(0, 3, False, id="none of three"),
        pytest.param(19, 20, False, id="nineteen of twenty"),
        pytest.param(20, 21, True, id="twenty of twenty-one"),
        pytest.param(20, 1999, True, id="twenty are more than one in a hundred of 1,999"),
        pytest.param(20, 2000, False, id="and one in a hundred of 2,000"),
        pytest.param(21, 2000, True, id="of which twenty-one are too many"),
        pytest.param(10_000, 1_000_000, False, id="one in a hundred of a million"),
        pytest.param(10_001, 1_000_000, True, id="more than one in a hundred of a million"),
    ],
)
def test_too_many_missing_names_are_cloudflares_fault(
    *, missing: int, held: int, too_many: bool
) -> None:
    assert rules.too_many_missing(missing, held) is too_many


def test_no_two_lists_show_the_same_name() -> None:
    asked = [rules.filters(each) for each in EXCEPTIONS]
    assert len(asked) == len({tuple(sorted(each.items())) for each in asked}) == 34
    by_certificate = [each for each in asked if "ssl_status" in each]
    assert {each["hostname_status"] for each in by_certificate} == {"active"}
    by_hostname = {each["hostname_status"] for each in asked if "ssl_status" not in each}
    assert "active" not in by_hostname
    assert rules.filters(WHOLE) == {}


def test_no_list_shows_a_name_that_is_served() -> None:
    served = {"hostname_status": "active", "ssl_status": "active"}
    assert not any(rules.filters(each).items() <= served.items() for each in EXCEPTIONS)
    assert set(FOLLOWED) <= set(EXCEPTIONS)
