"""The budget of calls: the limit that no sequence of calls exceeds, and each lane's share."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from app.domain import rate_limit as rules
from app.domain.rate_limit import Bucket, Lane, Limits, RateHeaders

NOW = 1_700_000_000.0
LIMITS = Limits()

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
def test_no_window_ever_sees_more_calls_than_the_service_may_spend(
    wanted: list[tuple[float, Lane, int]],
) -> None:
    bucket, now, made = rules.full(LIMITS, NOW), NOW, list[float]()
    for wait, lane, want in wanted:
        now += wait
        grant = rules.acquire(bucket, LIMITS, lane, want, now)
        bucket = grant.bucket
        assert 0 <= grant.granted <= want
        made += [now] * grant.granted
    assert most_in_a_window(made, LIMITS.window) <= LIMITS.spendable


@given(Waits)
@settings(max_examples=200, deadline=None)
def test_calls_that_actions_need_beyond_their_first_exceed_no_window_by_more_than_one_actions(
    wanted: list[tuple[float, Lane, int]],
) -> None:
    bucket, now, made = rules.full(LIMITS, NOW), NOW, list[float]()
    for wait, lane, repeats in wanted:
        now += wait / 4
        for _ in range(repeats):
            grant = rules.acquire(bucket, LIMITS, lane, 1, now)
            bucket = grant.bucket
            if grant.granted:
                # Whatever lane pays for them.
                bucket = rules.debit(bucket, LIMITS, Lane.VALIDATION, 2, now)
                made += [now] * 3
    assert most_in_a_window(made, LIMITS.window) <= LIMITS.spendable + 2


@given(st.lists(st.floats(0, 20), min_size=1, max_size=200))
@settings(max_examples=100, deadline=None)
def test_no_minute_ever_sees_more_creations_than_allowed_even_five_seconds_late(
    waits: list[float],
) -> None:
    bucket, now, made = rules.full(LIMITS, NOW), NOW, list[float]()
    for wait in waits:
        now += wait
        grant = rules.acquire(bucket, LIMITS, Lane.CREATION, 20, now)
        bucket = grant.bucket
        made += [now] * grant.granted
    assert most_in_a_window(made, LIMITS.creation_window + rules.CREATION_MARGIN * 0.99) <= 14
    assert all(a <= b for a, b in pairwise(made))


def drained(lane: Lane) -> Bucket:
    bucket = rules.full(LIMITS, NOW)
    return rules.acquire(bucket, LIMITS, lane, 1000, NOW).bucket


@pytest.mark.parametrize("lane", Lane)
def test_a_lane_that_uses_up_its_calls_leaves_the_other_lanes_theirs(lane: Lane) -> None:
    bucket = drained(lane)
    assert rules.acquire(bucket, LIMITS, lane, 1, NOW).granted == 0
    full = rules.left(rules.full(LIMITS, NOW), LIMITS, NOW)
    assert rules.left(bucket, LIMITS, NOW) == {**full, lane: 0}


def test_a_full_budget_has_a_minutes_creations_and_sixty_calls_in_all() -> None:
    left = rules.left(rules.full(LIMITS, NOW), LIMITS, NOW)
    assert left == {
        Lane.INTERACTIVE: 27,
        Lane.CREATION: 14,
        Lane.VALIDATION: 10,
        Lane.RESYNC: 7,
    }
    assert sum(map(LIMITS.capacity, Lane)) == pytest.approx(60)


@pytest.mark.parametrize("lane", [Lane.INTERACTIVE, Lane.VALIDATION, Lane.RESYNC])
def test_a_lane_that_is_alone_may_use_the_whole_rate(lane: Lane) -> None:
    assert granted_over(600, {lane: 1}) == pytest.approx({lane: LIMITS.rate * 600}, rel=0.05)


def test_lanes_that_all_want_more_get_their_shares() -> None:
    # More creations than any minute allows would be logged: as many as the lane has calls for.
    limits = Limits(creations=10_000)
    granted = granted_over(1200, dict.fromkeys(Lane, 9), limits)
    total = sum(granted.values())
    assert total == pytest.approx(limits.rate * 1200, rel=0.06)
    for lane, share in rules.SHARES.items():
        assert granted[lane] / total == pytest.approx(share, abs=0.02)


WANTING: dict[str, tuple[tuple[Lane, ...], dict[Lane, float]]] = {
    "checks and lists": (
        (Lane.VALIDATION, Lane.RESYNC),
        {Lane.VALIDATION: 17 / 30, Lane.RESYNC: 13 / 30},
    ),
    "callers and lists": (
        (Lane.INTERACTIVE, Lane.RESYNC),
        {Lane.INTERACTIVE: 45 / 58, Lane.RESYNC: 13 / 58},
    ),
}


@pytest.mark.parametrize(("lanes", "shares"), WANTING.values(), ids=list(WANTING))
def test_lanes_that_want_more_divide_what_full_lanes_cannot_hold(
    lanes: tuple[Lane, ...], shares: dict[Lane, float]
) -> None:
    granted = granted_over(1200, dict.fromkeys(lanes, 9))
    for lane in lanes:
        assert granted[lane] / (LIMITS.rate * 1200) == pytest.approx(shares[lane], abs=0.03)


def test_creations_have_the_calls_that_their_log_allows_whatever_the_other_lanes_want() -> None:
    granted = granted_over(1300, dict.fromkeys(Lane, 9))
    assert granted[Lane.CREATION] == pytest.approx(1300 / 65 * 14, abs=14)


def granted_over(seconds: int, wants: dict[Lane, int], limits: Limits = LIMITS) -> dict[Lane, int]:
    bucket, granted = rules.full(limits, NOW), dict.fromkeys(wants, 0)
    for step in range(seconds * 4):
        now = NOW + 1 + step / 4
        for lane, want in wants.items():
            grant = rules.acquire(bucket, limits, lane, want, now)
            bucket = grant.bucket
            granted[lane] += grant.granted
    return granted


def test_one_tenant_has_a_tenth_of_a_minutes_calls_and_the_others_have_theirs() -> None:
    bucket, share = rules.full(LIMITS, NOW), LIMITS.per_tenant
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
        assert len(bucket.by_tenant) <= 12


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
    later = rules.left(bucket, LIMITS, NOW + 310)
    assert later == {lane: int(share * LIMITS.rate * 10) for lane, share in rules.SHARES.items()}


def test_a_longer_block_is_not_shortened_by_a_later_one() -> None:
    bucket = rules.block(rules.full(LIMITS, NOW), LIMITS, 300, NOW)
    bucket = rules.block(bucket, LIMITS, 10, NOW + 1)
    assert bucket.blocked_until == NOW + 300


def test_a_block_of_creations_stops_nothing_else() -> None:
    bucket = rules.block_creations(rules.full(LIMITS, NOW), 30, NOW)
    assert rules.acquire(bucket, LIMITS, Lane.CREATION, 1, NOW + 29).granted == 0
    assert rules.acquire(bucket, LIMITS, Lane.VALIDATION, 1, NOW).granted == 1
    assert rules.acquire(bucket, LIMITS, Lane.CREATION, 1, NOW + 31).granted == 1


def test_what_an_action_owes_is_paid_before_its_lane_gets_another_call() -> None:
    bucket = rules.debit(drained(Lane.VALIDATION), LIMITS, Lane.VALIDATION, 3, NOW)
    grant = rules.acquire(bucket, LIMITS, Lane.VALIDATION, 1, NOW + 1)
    assert grant.granted == 0
    assert rules.acquire(bucket, LIMITS, Lane.VALIDATION, 1, NOW + 1.01 + grant.wait).granted == 1
    assert rules.acquire(bucket, LIMITS, Lane.INTERACTIVE, 1, NOW + 1).granted == 1


def test_calls_of_use_only_together_are_acquired_together_or_not_at_all() -> None:
    bucket = rules.acquire(rules.full(LIMITS, NOW), LIMITS, Lane.INTERACTIVE, 20, NOW).bucket
    grant = rules.acquire_all(bucket, LIMITS, Lane.INTERACTIVE, 13, NOW)
    assert (grant.granted, grant.bucket) == (0, bucket)
    assert rules.acquire_all(bucket, LIMITS, Lane.INTERACTIVE, 13, NOW + grant.wait).granted == 13


def test_a_full_lane_grants_more_calls_together_than_it_holds_and_owes_the_rest() -> None:
    small = Limits(calls=60)
    full = rules.full(small, NOW)
    assert rules.left(full, small, NOW)[Lane.INTERACTIVE] == 5
    grant = rules.acquire_all(full, small, Lane.INTERACTIVE, 13, NOW)
    assert grant.granted == 13
    assert rules.acquire(grant.bucket, small, Lane.INTERACTIVE, 1, NOW + 60).granted == 0


def test_a_budget_of_a_former_release_begins_empty_and_keeps_its_block() -> None:
    former = {"at": NOW, "tokens": 60.0, "credits": {"resync": 3.0}, "blocked_until": NOW + 9}
    bucket = TypeAdapter(Bucket).validate_python(former)
    assert bucket == Bucket(at=NOW, blocked_until=NOW + 9)
    assert rules.left(bucket, LIMITS, NOW + 9.1) == dict.fromkeys(Lane, 0)


def heard(remaining: int, reset: float = 100) -> RateHeaders:
    return RateHeaders(limit=1200, remaining=remaining, reset=reset)


HEADERS: dict[str, tuple[RateHeaders, int]] = {
    "plenty left": (heard(1100), 58),
    "as much left as others may use": (heard(240), 58),
    "others used their part": (heard(100), 58),
    "hardly anything left": (heard(30), 12),
    "nothing left": (heard(0), 0),
}


@pytest.mark.parametrize(("headers", "left"), HEADERS.values(), ids=list(HEADERS))
def test_headers_lower_what_is_left(headers: RateHeaders, left: int) -> None:
    bucket = rules.record_headers(rules.full(LIMITS, NOW), LIMITS, headers, NOW)
    assert sum(rules.left(bucket, LIMITS, NOW).values()) == left


@pytest.mark.parametrize("remaining", [0, 30, 100, 239])
def test_what_is_left_until_the_reset_is_not_exceeded(remaining: int) -> None:
    bucket = rules.record_headers(rules.full(LIMITS, NOW), LIMITS, heard(remaining), NOW)
    made = 0
    for step in range(100):
        for lane in Lane:
            grant = rules.acquire(bucket, LIMITS, lane, 100, NOW + step)
            bucket = grant.bucket
            made += grant.granted
    assert made <= remaining


def test_headers_forgive_no_lane_what_it_owes() -> None:
    owing = rules.debit(rules.full(LIMITS, NOW), LIMITS, Lane.RESYNC, 20, NOW)
    assert owing.levels[Lane.RESYNC] < 0
    bucket = rules.record_headers(owing, LIMITS, heard(0), NOW)
    assert bucket.levels[Lane.RESYNC] == owing.levels[Lane.RESYNC]
    assert rules.left(bucket, LIMITS, NOW) == dict.fromkeys(Lane, 0)


def test_headers_never_raise_what_is_left() -> None:
    empty = drained(Lane.INTERACTIVE)
    bucket = rules.record_headers(empty, LIMITS, heard(1200), NOW)
    assert rules.left(bucket, LIMITS, NOW) == rules.left(empty, LIMITS, NOW)


def test_what_was_spent_is_told_by_lane_and_for_one_window() -> None:
    bucket = drained(Lane.RESYNC)
    bucket = rules.acquire(bucket, LIMITS, Lane.INTERACTIVE, 5, NOW).bucket
    assert rules.spent(bucket, LIMITS, NOW) == {
        Lane.INTERACTIVE: 5,
        Lane.CREATION: 0,
        Lane.VALIDATION: 0,
        Lane.RESYNC: 7,
    }
    assert sum(rules.spent(bucket, LIMITS, NOW + 301).values()) == 0


def test_what_others_spent_is_what_the_headers_say_less_the_services_own() -> None:
    bucket = drained(Lane.INTERACTIVE)
    assert rules.record_headers(bucket, LIMITS, heard(1000), NOW).spent_elsewhere == 173


@pytest.mark.parametrize("place", [1, 5, 14, 15, 29, 100])
def test_the_estimate_of_a_place_in_the_queue_is_kept(place: int) -> None:
    bucket, now = rules.full(LIMITS, NOW), NOW
    while rules.creation_wait(bucket, LIMITS, now) == 0:
        bucket = rules.acquire(bucket, LIMITS, Lane.CREATION, 1, now).bucket
    expected = rules.expected_wait(bucket, LIMITS, place, NOW)
    for _ in range(place):
        while not (grant := rules.acquire(bucket, LIMITS, Lane.CREATION, 1, now)).granted:
            now += max(grant.wait, 0.01)
        bucket = grant.bucket
    assert now - NOW <= expected + 66
    assert expected <= now - NOW + 66


@pytest.mark.parametrize(("calls", "spend"), [(60, 1 / 3), (60, 0.8), (1200, 0.8), (100_000, 0.8)])
def test_every_limit_leaves_a_rate_and_a_call_for_those_who_wait(calls: int, spend: float) -> None:
    limits = Limits(calls=calls, spend=spend)
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
