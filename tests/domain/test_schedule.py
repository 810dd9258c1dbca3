from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from app.domain.custom_hostname import CustomHostname, Plan, Schedule
from app.domain.deliveries import webhook_retry_after
from app.domain.hostname import Hostname
from app.domain.observation import (
    Action,
    CloudflareHostname,
    Found,
    NotAsked,
    Observation,
    Routing,
    Unknown,
    ValidationRecord,
)
from app.domain.reason import Reason
from app.domain.reconcile.schedule import (
    FOLLOW,
    TOKENS,
    begin_fast_period,
    cloudflare_due_at,
    cloudflare_next_try,
    dns_due_at,
)

from .builders import (
    CNAME_KEY,
    HERE,
    NOW,
    NOWHERE,
    OWNERSHIP,
    POLICY,
    SECOND_TOKEN,
    TOKEN,
    active_record,
    at,
    blocked_record,
    checking_view,
    cloudflare_object,
    cloudflare_view,
    confirmed,
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
    schedule = begin_fast_period(record, now=at(after), policy=POLICY)
    record = replace(record, schedule=schedule)
    due = dns_due_at(record, now=at(after), policy=POLICY)
    return due - at(after) if due else None


def cloudflare_due(record: CustomHostname, *, after: float) -> datetime | None:
    look = Observation(cloudflare=Found(checking_view()))
    return cloudflare_due_at(record, look, now=at(after), policy=POLICY)


@pytest.mark.parametrize(
    ("after", "wait"), [(0, 2 * MINUTE), (HOUR, 2 * MINUTE), (4 * DAY, 10 * MINUTE)]
)
def test_what_is_all_there_is_looked_at_every_two_minutes_at_most(after: float, wait: int) -> None:
    there = validating_record(routing=HERE)
    assert dns_wait(there, after=after) == timedelta(seconds=wait)
    # A zero-downtime name lacks its tokens still: the CNAME alone is not all.
    lacking = validating_record(routing=HERE, plan=Plan.ZERO_DOWNTIME, tokens=(TOKEN,))
    assert dns_wait(lacking, after=0) == timedelta(seconds=10)


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
    performed = replace(record, acted_at=at(acted_at))
    assert dns_wait(performed, after=after) == timedelta(seconds=wait)


def periods(record: CustomHostname, acts: list[float]) -> list[float]:
    """Let a caller act at these instants; give those at which a fast period began."""
    began = []
    for act in acts:
        record = replace(record, acted_at=at(act))
        before = record.schedule.fast_from
        record = decided(record, dns=NOWHERE, after=act).record
        # Two looks on, nothing has begun by itself.
        record = decided(record, dns=NOWHERE, after=act + 20).record
        if record.schedule.fast_from != before:
            began.append((record.schedule.fast_from or NOW).timestamp() - NOW.timestamp())
        wait = dns_wait(record, after=act + 20)
        is_fast = bool(began) and began[-1] > act - 10 * MINUTE
        assert (wait == timedelta(seconds=10)) is is_fast
    return began


QUARTERS = [float(number * 15 * MINUTE) for number in range(30)]


@pytest.mark.parametrize(
    ("acts", "began"),
    [
        pytest.param(QUARTERS[:3], QUARTERS[:3], id="each act begins one"),
        pytest.param(QUARTERS, QUARTERS[:6], id="six a day"),
        pytest.param(
            [*QUARTERS[:8], DAY - 60, DAY + 1], [*QUARTERS[:6], DAY + 1], id="and six on the next"
        ),
        pytest.param([0, 60, 300, 570], [0], id="an act within one neither counts nor prolongs it"),
        pytest.param([0, 570, 600], [0, 600], id="the first act behind it does"),
    ],
)
def test_acts_begin_fast_periods_of_which_there_are_six_a_day(
    acts: list[float], began: list[float]
) -> None:
    record = replace(validating_record(), wanted_at=at(-9 * DAY), acted_at=at(-9 * DAY))
    assert periods(record, acts) == began


def test_an_act_of_the_day_before_begins_no_fast_period_when_the_day_is_over() -> None:
    spent = Schedule(fast_from=at(-HOUR), fast_periods_on=at(-2 * HOUR), fast_periods_today=6)
    record = replace(validating_record(schedule=spent), acted_at=at(0))
    later = decided(record, dns=NOWHERE, after=23 * HOUR).record.schedule
    assert (later.fast_from, later.fast_periods_today) == (at(-HOUR), 6)


@pytest.mark.parametrize("record", [live_record(), pending_record(), deleting_record()])
def test_names_whose_dns_is_not_watched_for_records_use_no_fast_period_up(
    record: CustomHostname,
) -> None:
    assert begin_fast_period(record, now=NOW, policy=POLICY) == record.schedule


@pytest.mark.parametrize(
    "record",
    [pending_record(), failed_record(), deleting_record(), deleted_record()],
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
    expected = next(step for step in FOLLOW if step > now)
    assert cloudflare_due(followed(routing=HERE), after=now) == at(expected)


def followed(
    *,
    plan: Plan = Plan.SIMPLE,
    view: CloudflareHostname | None = None,
    tokens: tuple[ValidationRecord, ...] | None = None,
    routing: Routing | None = None,
    reason: Reason | None = None,
) -> CustomHostname:
    """Give a validating record that is followed from NOW."""
    schedule = Schedule(refreshed_at=NOW, followed_from=NOW)
    record = validating_record(
        plan=plan, view=view, tokens=tokens, routing=routing, schedule=schedule
    )
    return replace(record, reason=reason or record.reason)


def follow(record: CustomHostname) -> list[int]:
    """Look at each due instant until none is due, and give the instants in seconds."""
    dues, due = [], cloudflare_due(record, after=0)
    while due is not None:
        dues.append(int((due - NOW).total_seconds()))
        due = cloudflare_due(record, after=dues[-1])
    return dues


MATTER = [10, 40, 55, 70, 90, 115, 150, 200, 280, 420, 600]
ISSUING = cloudflare_view(ssl_status="pending_issuance")


def test_the_minutes_that_matter() -> None:
    assert follow(followed(routing=HERE)) == MATTER == list(FOLLOW)


@pytest.mark.parametrize(
    ("record", "looks"),
    [
        pytest.param(followed(routing=NOWHERE), [10], id="one look where it is the tenant's turn"),
        pytest.param(followed(), [10], id="also before DNS was ever asked"),
        pytest.param(
            followed(routing=HERE, reason=Reason.CAA_FORBIDS_ISSUANCE),
            [10],
            id="nor is there anything to follow while a CAA record forbids",
        ),
        pytest.param(
            followed(view=ISSUING, reason=Reason.CERTIFICATE_ISSUING), MATTER, id="an issuance"
        ),
        pytest.param(
            followed(view=ISSUING, reason=Reason.CERTIFICATE_DEPLOYING), MATTER, id="a deployment"
        ),
        pytest.param(
            followed(plan=Plan.ZERO_DOWNTIME, tokens=()), list(TOKENS), id="tokens are waited for"
        ),
        pytest.param(
            followed(plan=Plan.ZERO_DOWNTIME), [10], id="and then it is the tenant's turn again"
        ),
        pytest.param(validating_record(routing=HERE), [], id="a name that nobody follows"),
    ],
)
def test_what_is_followed(record: CustomHostname, looks: list[int]) -> None:
    assert follow(record) == looks


def test_tokens_in_preparation_are_looked_for_more_closely() -> None:
    assert list(TOKENS) == [3, 6, 12, 20, 30, 45, *range(60, 601, 60)]


@pytest.mark.parametrize(
    ("record", "wait"),
    [
        pytest.param(validating_record(routing=HERE), None, id="validating"),
        pytest.param(active_record(), None, id="active"),
        pytest.param(live_record(), None, id="live"),
        pytest.param(blocked_record(), None, id="failed, but at Cloudflare"),
        pytest.param(pending_record(), 5, id="pending"),
        pytest.param(deleting_record(), 10, id="deleting"),
    ],
)
@pytest.mark.parametrize("after", [0, 600, 3 * DAY])
def test_a_single_look_is_due_only_where_the_list_scans_do_not_serve(
    record: CustomHostname, after: float, wait: float | None
) -> None:
    due = None if wait is None else at(after + wait)
    assert cloudflare_due(record, after=after) == due


def test_a_live_name_is_followed_while_its_certificate_is_mended() -> None:
    schedule = Schedule(refreshed_at=NOW, followed_from=NOW)
    assert follow(live_record(view=ISSUING, schedule=schedule)) == MATTER
    assert follow(live_record(schedule=schedule)) == []


@pytest.mark.parametrize("action", [Action.CREATE, Action.REFRESH])
def test_a_creation_and_a_refresh_begin_the_following(action: Action) -> None:
    worn = validating_record(routing=HERE, schedule=Schedule(followed_from=at(-DAY)))
    answered = decided(worn, cloudflare=checking_view(), performed=action, after=7).record.schedule
    assert (answered.followed_from, answered.cloudflare_due_at) == (at(7), at(17))


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        pytest.param(checking_view(), checking_view(), False, id="the same"),
        pytest.param(checking_view(), ISSUING, True, id="both parts further"),
        pytest.param(
            checking_view(),
            cloudflare_view(ssl_status="pending_validation"),
            True,
            id="the hostname active",
        ),
        pytest.param(
            ISSUING, cloudflare_view(ssl_status="pending_deployment"), True, id="being deployed"
        ),
        pytest.param(
            cloudflare_view(ssl_status="pending_deployment"), ISSUING, False, id="a step back"
        ),
    ],
)
def test_news_of_progress_begins_the_following(
    *, before: CloudflareHostname, after: CloudflareHostname, news: bool
) -> None:
    idle = validating_record(view=before, routing=HERE, schedule=Schedule(followed_from=at(-DAY)))
    seen = decided(idle, cloudflare=after).record.schedule
    assert seen.followed_from == (at(0) if news else at(-DAY))
    assert seen.cloudflare_due_at == at(10 if news else 30 * DAY)


def test_news_of_progress_of_a_followed_name_changes_nothing() -> None:
    seen = decided(followed(routing=HERE), cloudflare=ISSUING, after=6).record.schedule
    assert (seen.followed_from, seen.cloudflare_due_at) == (at(0), at(10))


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
    failed = replace(record, schedule=Schedule(cloudflare_failures=failures))
    look = Observation(cloudflare=Unknown("timeout", retry_after))
    assert cloudflare_due_at(failed, look, now=NOW, policy=POLICY) == at(wait)


def test_the_side_that_was_not_asked_keeps_an_earlier_appointment() -> None:
    schedule = Schedule(
        refreshed_at=at(-DAY),
        refreshed_records=frozenset({CNAME_KEY}),
        refreshes=4,
        followed_from=at(-50),
        dns_due_at=at(3),
        cloudflare_due_at=at(2),
    )
    record = validating_record(schedule=schedule, routing=HERE)
    record = replace(record, wanted_at=at(-DAY), acted_at=at(-DAY))
    dns_alone = decided(record, dns=HERE).record.schedule
    cloudflare_alone = decided(record, cloudflare=checking_view()).record.schedule
    assert (dns_alone.dns_due_at, dns_alone.cloudflare_due_at) == (at(120), at(2))
    assert (cloudflare_alone.dns_due_at, cloudflare_alone.cloudflare_due_at) == (at(3), at(5))


def test_the_side_that_was_not_asked_gives_up_a_later_appointment() -> None:
    schedule = Schedule(dns_due_at=at(DAY), cloudflare_due_at=at(DAY))
    checked = confirmed(
        live_record(schedule=schedule), cloudflare=cloudflare_view(status="pending")
    )
    assert checked.record.schedule.dns_due_at == at(180)


def test_a_look_at_neither_side_sets_what_was_not_set() -> None:
    schedule = decided(
        validating_record(schedule=Schedule(followed_from=NOW)), cloudflare=NotAsked()
    ).record.schedule
    assert (schedule.dns_due_at, schedule.cloudflare_due_at) == (at(10), at(10))


@pytest.mark.parametrize(
    ("dns", "cloudflare", "earlier"),
    [(5, 9, 5), (9, 5, 5), (None, 9, 9), (9, None, 9), (None, None, None)],
)
def test_the_next_check_is_the_earlier_of_both(
    dns: float | None, cloudflare: float | None, earlier: float | None
) -> None:
    schedule = Schedule(
        dns_due_at=None if dns is None else at(dns),
        cloudflare_due_at=None if cloudflare is None else at(cloudflare),
    )
    assert schedule.next_check_at == (None if earlier is None else at(earlier))


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


def test_no_daily_look_comes_within_an_hour_of_another() -> None:
    own = dns_due_at(live_record(), now=NOW, policy=POLICY)
    assert own is not None
    for early, days in ((0, 1), (59 * MINUTE, 1), (61 * MINUTE, 0)):
        due = dns_due_at(live_record(), now=own - timedelta(seconds=early), policy=POLICY)
        assert due == own + timedelta(days=days)


def test_cloudflares_own_looks_are_those_of_its_back_off_schedule() -> None:
    tries, now = [], NOW
    while (following := cloudflare_next_try(NOW, now)) is not None:
        tries.append(following)
        now = following
    waits = [int((b - a).total_seconds()) for a, b in pairwise([NOW, *tries])]
    assert waits[:12] == [60, 63, 66, 69, 72, 76, 80, 84, 88, 93, 242, 279]
    assert waits[29] in range(3400, 3700)
    assert waits[40:] == [4 * HOUR] * 35
    assert len(tries) == 75
    assert timedelta(days=6) < tries[-1] - NOW < timedelta(days=8)


@pytest.mark.parametrize(
    ("after", "next_try"),
    [(-5, 60), (0, 60), (59, 60), (60, 123), (750, 751), (751, 993), (14 * DAY, None)],
)
def test_the_next_of_cloudflares_own_looks(after: float, next_try: float | None) -> None:
    expected = None if next_try is None else at(next_try)
    assert cloudflare_next_try(NOW, at(after)) == expected


def test_a_wildcard_whose_renewal_lacks_its_tokens_is_looked_at_hourly_in_dns() -> None:
    view = cloudflare_view(ssl_status="pending_validation", wildcard=True)
    record = replace(
        live_record(view=view),
        hostname=Hostname("*.shop.tenant.com"),
        plan=Plan.ZERO_DOWNTIME,
        cloudflare=cloudflare_object(view, ownership=OWNERSHIP, tokens=(TOKEN, SECOND_TOKEN)),
    )
    assert dns_wait(record, after=0) == timedelta(minutes=1)
    known = replace(record, reason=Reason.RENEWAL_TOKENS_MISSING)
    assert dns_wait(known, after=0) == timedelta(hours=1)


def test_dns_of_a_failed_name_at_cloudflare_is_looked_at_when_its_time_is_over() -> None:
    assert dns_wait(blocked_record(), after=0) == POLICY.gives_up_after


def test_dns_of_a_free_name_that_may_still_point_here_is_looked_at_daily() -> None:
    freed = replace(failed_record(), name_released_at=at(0), tombstone=True)
    wait = dns_wait(freed, after=0)
    assert wait is not None
    assert wait <= timedelta(days=1)
