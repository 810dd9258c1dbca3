"""The budget of calls: what no sequence of draws may ever exceed, and who goes first."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import rate_limit as rules
from app.domain.rate_limit import Bucket, Lane, Limits, RateHeaders

NOW = 1_700_000_000.0
LIMITS = Limits()
QUIET = (Lane.CREATION, Lane.VALIDATION, Lane.RESYNC)

Waits = st.lists(
    st.tuples(st.floats(0, 40), st.sampled_from(list(Lane)), st.integers(1, 80)),
    min_size=1,
    max_size=200,
)


def most_in_a_window(times: list[float], window: float) -> int:
    most, start = 0, 0
    for end in range(len(times)):
        while times[end] - times[start] > window:
            start += 1
        most = max(most, end - start + 1)
    return most


@given(Waits)
@settings(max_examples=200, deadline=None)
def test_no_window_ever_sees_more_calls_than_are_ours(
    draws: list[tuple[float, Lane, int]],
) -> None:
    bucket, now, made = rules.full(LIMITS, NOW), NOW, list[float]()
    for wait, lane, want in draws:
        now += wait
        grant = rules.acquire(bucket, LIMITS, lane, want, now)
        bucket = grant.bucket
        assert 0 <= grant.granted <= want
        made += [now] * grant.granted
    assert most_in_a_window(made, LIMITS.window) <= LIMITS.ours


@given(st.lists(st.floats(0, 20), min_size=1, max_size=200))
@settings(max_examples=100, deadline=None)
def test_no_minute_ever_sees_more_creations_than_allowed_even_five_seconds_late(
    waits: list[float],
) -> None:
    bucket, now, made = rules.full(LIMITS, NOW), NOW, list[float]()
    for wait in waits:
        now += wait
        grant = rules.acquire_creation(bucket, LIMITS, Lane.CREATION, now)
        bucket = grant.bucket
        made += [now] * grant.granted
    assert most_in_a_window(made, LIMITS.creation_window + rules.CREATION_MARGIN * 0.99) <= 14
    assert all(a <= b for a, b in pairwise(made))


def drained(lane: Lane) -> Bucket:
    bucket = rules.full(LIMITS, NOW)
    return rules.acquire(bucket, LIMITS, lane, 1000, NOW).bucket


@pytest.mark.parametrize("lane", QUIET)
def test_a_lane_nobody_waits_for_leaves_the_reserve_to_interactive_calls(lane: Lane) -> None:
    bucket = drained(lane)
    assert rules.acquire(bucket, LIMITS, lane, 1, NOW).granted == 0
    assert rules.acquire(bucket, LIMITS, Lane.INTERACTIVE, 1000, NOW).granted == LIMITS.reserve


def test_interactive_calls_may_use_all_there_is() -> None:
    bucket = rules.full(LIMITS, NOW)
    assert rules.acquire(bucket, LIMITS, Lane.INTERACTIVE, 1000, NOW).granted == 60


@pytest.mark.parametrize("lane", QUIET)
def test_a_lane_that_is_alone_may_use_the_whole_rate(lane: Lane) -> None:
    assert granted_over(600, {lane: 1}) == pytest.approx({lane: LIMITS.rate * 600}, rel=0.05)


def test_lanes_that_all_want_more_get_their_shares() -> None:
    granted = granted_over(1200, dict.fromkeys(QUIET, 1))
    total = sum(granted.values())
    assert total == pytest.approx(LIMITS.rate * 1200, rel=0.05)
    for lane, share in rules.SHARES.items():
        assert granted[lane] / total == pytest.approx(share, abs=0.05)


def granted_over(seconds: int, wants: dict[Lane, int]) -> dict[Lane, int]:
    bucket, granted = drained(Lane.VALIDATION), dict.fromkeys(wants, 0)
    for step in range(seconds * 4):
        now = NOW + 1 + step / 4
        for lane, want in wants.items():
            grant = rules.acquire(bucket, LIMITS, lane, want, now)
            bucket = grant.bucket
            granted[lane] += grant.granted
    return granted


def test_one_tenant_has_a_tenth_of_a_minutes_calls_and_the_others_have_theirs() -> None:
    bucket, share = rules.full(LIMITS, NOW), LIMITS.a_tenants
    assert share == 20
    for number in range(3 * share):
        grant = rules.acquire_interactive(bucket, LIMITS, "eager", NOW)
        bucket = grant.bucket
        assert grant.granted == (number < share)
    assert grant.wait == pytest.approx(rules.MINUTE)
    assert rules.acquire_interactive(bucket, LIMITS, "patient", NOW).granted == 1
    assert rules.acquire_interactive(bucket, LIMITS, "eager", NOW + 59).granted == 0
    assert rules.acquire_interactive(bucket, LIMITS, "eager", NOW + 60).granted == 1


def test_a_tenants_calls_are_forgotten_with_their_minute() -> None:
    bucket = rules.full(LIMITS, NOW)
    for second in range(0, 600, 5):
        tenant = f"tenant-{second}"
        bucket = rules.acquire_interactive(bucket, LIMITS, tenant, NOW + second).bucket
        assert len(bucket.people) <= 12


def test_a_refusal_says_when_to_come_back_and_then_there_is_a_call() -> None:
    for lane in Lane:
        bucket = drained(lane)
        grant = rules.acquire(bucket, LIMITS, lane, 1, NOW)
        assert grant.wait > 0
        again = rules.acquire(grant.bucket, LIMITS, lane, 1, NOW + grant.wait + 0.01)
        assert again.granted == 1, lane


def test_a_block_stops_every_lane_until_it_ends_and_leaves_the_budget_empty() -> None:
    bucket = rules.block(rules.full(LIMITS, NOW), LIMITS, 300, NOW)
    for lane in Lane:
        assert rules.acquire(bucket, LIMITS, lane, 1, NOW + 299).granted == 0
    assert rules.acquire(bucket, LIMITS, Lane.INTERACTIVE, 60, NOW + 300).granted == 0
    assert rules.acquire(bucket, LIMITS, Lane.INTERACTIVE, 60, NOW + 302).granted == 6


def test_a_longer_block_is_not_shortened_by_a_later_one() -> None:
    bucket = rules.block(rules.full(LIMITS, NOW), LIMITS, 300, NOW)
    bucket = rules.block(bucket, LIMITS, 10, NOW + 1)
    assert bucket.blocked_until == NOW + 300


def test_a_block_of_creations_stops_nothing_else() -> None:
    bucket = rules.block_creations(rules.full(LIMITS, NOW), 30, NOW)
    assert rules.acquire_creation(bucket, LIMITS, Lane.CREATION, NOW + 29).granted == 0
    assert rules.acquire(bucket, LIMITS, Lane.VALIDATION, 1, NOW).granted == 1
    assert rules.acquire_creation(bucket, LIMITS, Lane.CREATION, NOW + 31).granted == 1


def test_what_an_act_owes_is_paid_before_anything_else_is_drawn() -> None:
    bucket = rules.debit(drained(Lane.INTERACTIVE), LIMITS, Lane.VALIDATION, 3, NOW)
    assert rules.acquire(bucket, LIMITS, Lane.INTERACTIVE, 1, NOW + 1).granted == 0
    assert rules.acquire(bucket, LIMITS, Lane.INTERACTIVE, 1, NOW + 2).granted == 1


def heard(remaining: int, reset: float = 100) -> RateHeaders:
    return RateHeaders(limit=1200, remaining=remaining, reset=reset)


HEADERS: dict[str, tuple[RateHeaders, Callable[[float], bool]]] = {
    "plenty left": (heard(1100), lambda left: left == 60),
    "as much left as others may use": (heard(240), lambda left: left == 60),
    "others used their part": (heard(100), lambda left: left == 60),
    "hardly anything left": (heard(30), lambda left: left == 15),
    "nothing left": (heard(0), lambda left: left == 0),
}


@pytest.mark.parametrize(("headers", "fits"), HEADERS.values(), ids=list(HEADERS))
def test_headers_lower_what_is_left(headers: RateHeaders, fits: Callable[[float], bool]) -> None:
    bucket = rules.record_headers(rules.full(LIMITS, NOW), LIMITS, headers, NOW)
    assert fits(rules.tokens_left(bucket, LIMITS, NOW))


@pytest.mark.parametrize("remaining", [0, 30, 100, 239])
def test_what_is_left_until_the_reset_is_not_exceeded(remaining: int) -> None:
    bucket = rules.record_headers(rules.full(LIMITS, NOW), LIMITS, heard(remaining), NOW)
    made = 0
    for step in range(100):
        grant = rules.acquire(bucket, LIMITS, Lane.INTERACTIVE, 100, NOW + step)
        bucket = grant.bucket
        made += grant.granted
    assert made <= remaining


def test_headers_never_raise_what_is_left() -> None:
    empty = drained(Lane.INTERACTIVE)
    bucket = rules.record_headers(empty, LIMITS, heard(1200), NOW)
    assert rules.tokens_left(bucket, LIMITS, NOW) == 0


def test_what_was_spent_is_told_by_lane_and_for_one_window() -> None:
    bucket = drained(Lane.RESYNC)
    bucket = rules.acquire(bucket, LIMITS, Lane.INTERACTIVE, 5, NOW).bucket
    assert rules.spent(bucket, LIMITS, NOW) == {
        Lane.INTERACTIVE: 5,
        Lane.CREATION: 0,
        Lane.VALIDATION: 0,
        Lane.RESYNC: 20,
    }
    assert sum(rules.spent(bucket, LIMITS, NOW + 301).values()) == 0


def test_what_others_spent_is_what_the_headers_say_less_what_is_ours() -> None:
    bucket = drained(Lane.INTERACTIVE)
    assert rules.record_headers(bucket, LIMITS, heard(1000), NOW).others == 140


@pytest.mark.parametrize("place", [1, 5, 14, 15, 29, 100])
def test_the_estimate_of_a_place_in_the_queue_is_kept(place: int) -> None:
    bucket, now = rules.full(LIMITS, NOW), NOW
    while rules.creation_wait(bucket, LIMITS, now) == 0:
        bucket = rules.acquire_creation(bucket, LIMITS, Lane.CREATION, now).bucket
    expected = rules.expected_wait(bucket, LIMITS, place, NOW)
    for _ in range(place):
        while not (grant := rules.acquire_creation(bucket, LIMITS, Lane.CREATION, now)).granted:
            now += max(grant.wait, 0.01)
        bucket = grant.bucket
    assert now - NOW <= expected + 66
    assert expected <= now - NOW + 66


@pytest.mark.parametrize("calls", [60, 1200, 100_000])
def test_every_limit_leaves_a_rate_and_a_call_for_those_who_wait(calls: int) -> None:
    limits = Limits(calls=calls)
    assert limits.rate > 0
    bucket, now = rules.full(limits, NOW), NOW
    for lane in Lane:
        for _ in range(100):
            grant = rules.acquire(bucket, limits, lane, 1, now)
            bucket = grant.bucket
            if grant.granted:
                break
            now += grant.wait
        assert grant.granted == 1, (lane, limits)
