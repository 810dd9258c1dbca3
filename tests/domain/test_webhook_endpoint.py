"""Which events an endpoint takes, when it is disabled, and how its rate limit spreads messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.events import EVENT_TYPES, EndpointEventType, EventType, ZoneEventType
from app.domain.webhook_endpoint import (
    BURST,
    FAILED_WITHIN,
    FAILING_FOR,
    SELECTORS,
    DisabledReason,
    Paced,
    failing_since,
    is_given_up,
    selectors,
    selects,
)

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
RATES = st.integers(1, 1000)


def ago(**by: float) -> datetime:
    return NOW - timedelta(**by)


@pytest.mark.parametrize(
    ("listed", "event_type", "selected"),
    [
        ((), EventType.CREATED, True),
        ((), ZoneEventType.PAUSED, True),
        ((), EndpointEventType.DISABLED, True),
        (("*",), EventType.ACTIVE, True),
        (("*",), ZoneEventType.RESUMED, True),
        (("*",), EndpointEventType.DISABLED, True),
        (("custom_hostname.active",), EventType.ACTIVE, True),
        (("custom_hostname.active",), EventType.FAILED, False),
        (("custom_hostname.*",), EventType.FAILED, True),
        (("custom_hostname.*",), ZoneEventType.PAUSED, False),
        (("zone.*",), ZoneEventType.PAUSED, True),
        (("zone.*",), EventType.CREATED, False),
        (("webhook_endpoint.*",), EndpointEventType.DISABLED, True),
        (("webhook_endpoint.*",), EventType.CREATED, False),
        (("zone.paused", "custom_hostname.*"), EventType.DELETED, True),
        (("zone.paused", "custom_hostname.*"), ZoneEventType.RESUMED, False),
        (("zone.paused", "*"), EventType.DELETED, True),
        # A selector is no pattern: nothing but a whole subject has a wildcard.
        (("custom_hostname.cname_*",), EventType.CNAME_LOST, False),
        (("custom_hostname",), EventType.CREATED, False),
    ],
)
def test_an_endpoint_gets_what_it_lists(
    listed: tuple[str, ...], event_type: str, *, selected: bool
) -> None:
    assert selects(listed, event_type) is selected


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_type_is_selected_by_its_name_its_subject_and_everything(event_type: str) -> None:
    subject = event_type.partition(".")[0]
    assert selectors(event_type) == (event_type, f"{subject}.*", "*")
    assert {each for each in SELECTORS if selects([each], event_type)} == set(selectors(event_type))


def test_the_selectors_are_all_types_and_a_wildcard_of_each_subject() -> None:
    wildcards = {"*", "custom_hostname.*", "zone.*", "webhook_endpoint.*"}
    assert wildcards | {str(each) for each in EVENT_TYPES} == SELECTORS


@pytest.mark.parametrize("reason", DisabledReason)
def test_each_reason_says_itself_in_a_sentence(reason: DisabledReason) -> None:
    assert reason.detail.endswith(".")


@pytest.mark.parametrize(
    ("since", "given_up"),
    [
        pytest.param(NOW, False, id="its first failure"),
        pytest.param(ago(hours=1), False, id="an hour of failures"),
        pytest.param(NOW - FAILING_FOR, False, id="five days to the second"),
        pytest.param(NOW - FAILING_FOR - SECOND, True, id="longer than five days"),
        pytest.param(ago(days=40), True, id="forty days"),
    ],
)
def test_an_endpoint_is_given_up_when_its_failures_go_on_for_five_days(
    since: datetime, *, given_up: bool
) -> None:
    assert is_given_up(since, NOW) is given_up


@pytest.mark.parametrize(
    ("since", "failed_before", "expected"),
    [
        pytest.param(None, None, NOW, id="its first failure"),
        pytest.param(None, ago(hours=1), NOW, id="it had a success in between"),
        pytest.param(ago(days=3), ago(hours=1), ago(days=3), id="they go on"),
        pytest.param(ago(days=3), NOW - FAILED_WITHIN, ago(days=3), id="it failed a day ago"),
        pytest.param(
            ago(days=3), NOW - FAILED_WITHIN - SECOND, NOW, id="it was quiet for longer than that"
        ),
        pytest.param(ago(days=40), ago(days=30), NOW, id="it was quiet for a month"),
        pytest.param(ago(days=6), None, NOW, id="nothing is known of an earlier failure"),
    ],
)
def test_failures_that_are_more_than_a_day_apart_begin_anew(
    since: datetime | None, failed_before: datetime | None, expected: datetime
) -> None:
    assert failing_since(since, failed_before, NOW) == expected


@given(RATES, st.integers(0, 3000))
def test_an_endpoint_that_was_idle_gets_a_seconds_worth_at_once(rate: int, wanted: int) -> None:
    paced = Paced.at(NOW, None, rate=rate, wanted=wanted)
    assert paced.count == min(rate, wanted)
    assert paced == Paced.at(NOW, ago(days=3), rate=rate, wanted=wanted)


@pytest.mark.parametrize("rate", [1, 2, 3, 6, 7, 30, 900, 1000])
def test_a_clock_that_stands_still_lets_no_second_burst_begin(rate: int) -> None:
    paced = Paced.at(NOW, None, rate=rate, wanted=10 * rate)
    again = Paced.at(NOW, paced.paced_until, rate=rate, wanted=10 * rate)
    assert (paced.count, again.count) == (rate, 0)
    assert again.paced_until == paced.paced_until


@pytest.mark.parametrize("rate", [1, 2, 3, 6, 7, 30, 900, 1000])
def test_one_message_follows_after_each_interval(rate: int) -> None:
    paced = Paced.at(NOW, None, rate=rate, wanted=rate)
    interval = SECOND / rate
    early = Paced.at(NOW + interval - 2 * MICROSECOND, paced.paced_until, rate=rate, wanted=9)
    due = Paced.at(NOW + interval + 2 * MICROSECOND, paced.paced_until, rate=rate, wanted=9)
    assert (early.count, due.count) == (0, 1)


def test_a_clock_that_jumps_ahead_gives_one_burst_and_no_more() -> None:
    paced = Paced.at(NOW, None, rate=5, wanted=5)
    later = Paced.at(NOW + timedelta(days=1), paced.paced_until, rate=5, wanted=100)
    assert later.count == 5
    assert later.paced_until == NOW + timedelta(days=1) + BURST


def test_a_clock_that_jumps_back_lets_nothing_begin_before_it_is_there_again() -> None:
    paced = Paced.at(NOW, None, rate=5, wanted=5)
    back = Paced.at(ago(minutes=1), paced.paced_until, rate=5, wanted=5)
    assert back == Paced(0, paced.paced_until)
    assert Paced.at(NOW + SECOND, back.paced_until, rate=5, wanted=5).count == 5


@given(
    RATES,
    st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(1, 50)), min_size=1, max_size=60),
)
def test_over_any_time_no_more_begins_than_the_rate_and_one_burst(
    rate: int, asked: list[tuple[int, int]]
) -> None:
    now, paced_until = NOW, None
    begun: list[tuple[datetime, int]] = []
    for microseconds, wanted in asked:
        now += timedelta(microseconds=microseconds)
        paced = Paced.at(now, paced_until, rate=rate, wanted=wanted)
        paced_until = paced.paced_until
        begun.append((now, paced.count))
    for first, (start, _) in enumerate(begun):
        total = 0
        for at, count in begun[first:]:
            total += count
            # Exact, in integers: messages that may begin in this time.
            assert total * SECOND <= (at - start + BURST) * rate


@given(st.integers(2, 1000), st.integers(1000, 200_000))
def test_an_endpoint_that_always_has_messages_gets_its_rate(rate: int, step: int) -> None:
    # An interval and a step together are shorter than the burst, so no step comes too late.
    steps = 200
    now, paced_until, begun = NOW, None, 0
    for _ in range(steps):
        paced = Paced.at(now, paced_until, rate=rate, wanted=10_000)
        paced_until = paced.paced_until
        begun += paced.count
        now += timedelta(microseconds=step)
    took = now - timedelta(microseconds=step) - NOW
    # Times are kept to a microsecond, and each claim may lose one.
    least = (took + BURST - steps * MICROSECOND) * rate // SECOND - 1
    assert least <= begun <= (took + BURST) * rate // SECOND
