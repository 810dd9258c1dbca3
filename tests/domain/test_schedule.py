from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from app.domain.custom_hostname import CustomHostname, Plan, Watch
from app.domain.observation import Found, NotAsked, Observation, Unknown
from app.domain.schedule import (
    FOLLOW,
    TOKENS,
    cloudflare_due_at,
    dns_due_at,
    webhook_retry_after,
)

from .builders import (
    HERE,
    NOW,
    POLICY,
    active_record,
    at,
    blocked_record,
    checking_view,
    cloudflare_view,
    decided,
    deleted_record,
    deleting_record,
    failed_record,
    live_record,
    pending_record,
    validating_record,
)

MINUTE, HOUR, DAY = 60, 3600, 86400


def dns_wait(record: CustomHostname, *, after: float) -> timedelta | None:
    due = dns_due_at(record, now=at(after), policy=POLICY)
    return due - at(after) if due else None


def cloudflare_due(record: CustomHostname, *, after: float) -> datetime | None:
    look = Observation(cloudflare=Found(checking_view()))
    return cloudflare_due_at(record, look, now=at(after), policy=POLICY)


@pytest.mark.parametrize("record", [validating_record(), active_record()])
@pytest.mark.parametrize(
    ("after", "acted_at", "wait"),
    [
        pytest.param(0, 0, 10, id="every ten seconds after an act"),
        pytest.param(10 * MINUTE - 1, 0, 10, id="for ten minutes"),
        pytest.param(10 * MINUTE, 0, MINUTE, id="then every minute"),
        pytest.param(HOUR - 1, 0, MINUTE, id="for an hour"),
        pytest.param(HOUR, 0, 2 * MINUTE, id="then every two minutes"),
        pytest.param(3 * DAY - 1, 0, 2 * MINUTE, id="to the third day"),
        pytest.param(3 * DAY, 0, 10 * MINUTE, id="then every ten minutes"),
        pytest.param(7 * DAY - 1, 0, 10 * MINUTE, id="to the seventh day"),
        pytest.param(7 * DAY, 0, HOUR, id="then hourly"),
        pytest.param(300 * DAY, 0, HOUR, id="for ever"),
        pytest.param(300 * DAY, 300 * DAY - 5, 10, id="another act brings it close again"),
        pytest.param(300 * DAY, 300 * DAY - 600, HOUR, id="and that ends as well"),
    ],
)
def test_dns_of_a_name_not_yet_live(
    record: CustomHostname, after: float, acted_at: float, wait: float
) -> None:
    acted = replace(record, acted_at=at(acted_at))
    assert dns_wait(acted, after=after) == timedelta(seconds=wait)


@pytest.mark.parametrize(
    "record",
    [pending_record(), failed_record(), blocked_record(), deleting_record(), deleted_record()],
    ids=lambda record: f"{record.state}-{record.reason}",
)
def test_dns_is_left_alone_where_nothing_could_follow(record: CustomHostname) -> None:
    assert dns_wait(record, after=0) is None


@pytest.mark.parametrize("record", [live_record(), deleted_record(tombstone=True, routing=HERE)])
def test_live_names_and_tombstones_are_looked_at_once_a_day(record: CustomHostname) -> None:
    due, dues = NOW, []
    for _ in range(5):
        following = dns_due_at(record, now=due, policy=POLICY)
        assert following is not None
        due = following
        dues.append(due)
    assert timedelta(hours=1) < dues[0] - NOW <= timedelta(hours=25)
    waits = [later - sooner for sooner, later in pairwise(dues)]
    assert waits == [timedelta(days=1)] * 4


def test_daily_looks_spread_evenly_over_the_day() -> None:
    names, hours = 24_000, Counter[int]()
    for number in range(names):
        record = replace(live_record(), id=f"record-{number}")
        due = dns_due_at(record, now=NOW, policy=POLICY)
        assert due is not None
        hours[due.hour] += 1
    assert len(hours) == 24
    assert all(800 < count < 1200 for count in hours.values())


@pytest.mark.parametrize("now", [0, 40, 90, 599])
def test_after_a_creation_or_refresh_cloudflare_is_followed_closely(now: float) -> None:
    record = validating_record(watch=Watch(refreshed_at=at(0)))
    expected = next(step for step in FOLLOW if step > now)
    assert cloudflare_due(record, after=now) == at(expected)


def follow(record: CustomHostname) -> list[int]:
    """Look at each due instant and give the instants of the first ten minutes, in seconds."""
    dues, now = [], 0.0
    while now < 10 * MINUTE:
        due = cloudflare_due(record, after=now)
        assert due is not None
        now = (due - NOW).total_seconds()
        dues.append(int(now))
    return dues


def test_the_minutes_that_matter() -> None:
    expected = [5, 10, 20, 40, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600]
    assert follow(validating_record()) == expected == list(FOLLOW)


def test_tokens_in_preparation_are_looked_for_more_closely() -> None:
    expected = [1, 2, 3, 5, 8, 12, 20, 30, 45, *range(60, 601, 60)]
    bare = validating_record(plan=Plan.ZERO_DOWNTIME, tokens=())
    assert follow(bare) == expected == list(TOKENS)


def test_complete_tokens_are_followed_like_any() -> None:
    assert follow(validating_record(plan=Plan.ZERO_DOWNTIME)) == list(FOLLOW)


def test_without_a_refresh_the_following_counts_from_the_wish() -> None:
    assert cloudflare_due(validating_record(watch=Watch()), after=7) == at(10)


@pytest.mark.parametrize(
    ("record", "after", "wait"),
    [
        pytest.param(validating_record(), 600, 15 * MINUTE, id="idle on the first day"),
        pytest.param(validating_record(), DAY - 1, 15 * MINUTE, id="to its end"),
        pytest.param(validating_record(), DAY, HOUR, id="idle after the first day"),
        pytest.param(active_record(), 0, 30 * MINUTE, id="active"),
        pytest.param(live_record(), 0, 30 * MINUTE, id="live"),
        pytest.param(blocked_record(), 0, HOUR, id="failed, but at Cloudflare"),
        pytest.param(pending_record(), 0, 5, id="pending"),
        pytest.param(deleting_record(), 0, 10, id="deleting"),
    ],
)
def test_cloudflare_is_asked_again(record: CustomHostname, after: float, wait: float) -> None:
    assert cloudflare_due(record, after=after) == at(after + wait)


@pytest.mark.parametrize("record", [failed_record(), deleted_record()])
def test_cloudflare_is_not_asked_where_nothing_could_follow(record: CustomHostname) -> None:
    assert cloudflare_due(record, after=0) is None


@pytest.mark.parametrize(
    ("failures", "retry_after", "wait"),
    [
        (1, None, 5),
        (2, None, 10),
        (3, None, 20),
        (6, None, 160),
        (7, None, 300),
        (10_000, None, 300),
        (1, 3, 5),
        (1, 300, 300),
        (7, 3600, 3600),
    ],
)
@pytest.mark.parametrize("record", [pending_record(), validating_record(), deleting_record()])
def test_a_failed_look_backs_off(
    record: CustomHostname, failures: int, retry_after: float | None, wait: float
) -> None:
    failed = replace(record, watch=Watch(cloudflare_failures=failures))
    look = Observation(cloudflare=Unknown("timeout", retry_after))
    assert cloudflare_due_at(failed, look, now=NOW, policy=POLICY) == at(wait)


def test_the_side_that_was_not_asked_keeps_an_earlier_appointment() -> None:
    watch = Watch(refreshed_at=at(-DAY), dns_due_at=at(3), cloudflare_due_at=at(7))
    record = replace(validating_record(watch=watch), wanted_at=at(-DAY), acted_at=at(-DAY))
    dns_alone = decided(record, dns=HERE).record.watch
    cloudflare_alone = decided(record, cloudflare=checking_view()).record.watch
    assert (dns_alone.dns_due_at, dns_alone.cloudflare_due_at) == (at(120), at(7))
    assert (cloudflare_alone.dns_due_at, cloudflare_alone.cloudflare_due_at) == (at(3), at(HOUR))


def test_the_side_that_was_not_asked_gives_up_a_later_appointment() -> None:
    watch = Watch(dns_due_at=at(DAY), cloudflare_due_at=at(DAY))
    looked = decided(live_record(watch=watch), cloudflare=cloudflare_view(status="pending"))
    assert looked.record.watch.dns_due_at == at(10)


def test_a_look_at_neither_side_sets_what_was_not_set() -> None:
    watch = decided(validating_record(watch=Watch()), cloudflare=NotAsked()).record.watch
    assert (watch.dns_due_at, watch.cloudflare_due_at) == (at(10), at(5))


@pytest.mark.parametrize(
    ("dns", "cloudflare", "earlier"),
    [(5, 9, 5), (9, 5, 5), (None, 9, 9), (9, None, 9), (None, None, None)],
)
def test_the_next_check_is_the_earlier_of_both(
    dns: float | None, cloudflare: float | None, earlier: float | None
) -> None:
    watch = Watch(
        dns_due_at=None if dns is None else at(dns),
        cloudflare_due_at=None if cloudflare is None else at(cloudflare),
    )
    assert watch.next_check_at == (None if earlier is None else at(earlier))


RETRIES = [5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR]


@pytest.mark.parametrize(("attempts", "wait"), list(enumerate(RETRIES, start=1)))
def test_a_webhook_is_tried_again_after_growing_waits(attempts: int, wait: float) -> None:
    middle = webhook_retry_after(attempts, chance=0.5)
    least = webhook_retry_after(attempts, chance=0.0)
    most = webhook_retry_after(attempts, chance=0.999_999)
    assert middle == timedelta(seconds=wait)
    assert least == timedelta(seconds=wait * 0.9)
    assert most is not None
    assert timedelta(seconds=wait * 1.099) < most < timedelta(seconds=wait * 1.1)


@pytest.mark.parametrize("attempts", [8, 9, 1000])
def test_a_webhook_is_given_up_after_the_last_wait(attempts: int) -> None:
    assert webhook_retry_after(attempts, chance=0.5) is None


def test_the_following_counts_from_the_last_refresh() -> None:
    refreshed = validating_record(watch=Watch(refreshed_at=at(5000)))
    assert cloudflare_due(refreshed, after=5001) == at(5005)


def test_no_daily_look_comes_within_an_hour_of_another() -> None:
    own = dns_due_at(live_record(), now=NOW, policy=POLICY)
    assert own is not None
    for early, days in ((0, 1), (59 * MINUTE, 1), (61 * MINUTE, 0)):
        due = dns_due_at(live_record(), now=own - timedelta(seconds=early), policy=POLICY)
        assert due == own + timedelta(days=days)
