from dataclasses import replace
from itertools import pairwise

import pytest

from app.domain.custom_hostname import CustomHostname, Plan, Schedule, State
from app.domain.observation import (
    Absent,
    Action,
    CloudflareHostname,
    Found,
    Observation,
    Refused,
    Unknown,
)
from app.domain.reconcile.decide import Transition, decide

from .builders import (
    ACME_RRSET,
    CNAME_KEY,
    ELSEWHERE,
    HERE,
    NOWHERE,
    OWNERSHIP_KEY,
    OWNERSHIP_RRSET,
    POLICY,
    TOKEN_KEY,
    active_record,
    at,
    blocked_record,
    checking_view,
    cloudflare_view,
    confirmed,
    decided,
    dns_view,
    live_record,
    path,
    validating_record,
)


def refreshed(record: CustomHostname, *, after: float) -> CustomHostname:
    """Answer a refresh so many seconds after NOW: Cloudflare goes on checking."""
    return decided(record, cloudflare=checking_view(), performed=Action.REFRESH, after=after).record


def seen_once() -> CustomHostname:
    """Give a name whose CNAME was seen and whose refresh was answered at NOW."""
    asked = decided(validating_record(), dns=HERE)
    assert asked.action is Action.REFRESH
    return refreshed(asked.record, after=0)


def test_the_sight_of_the_cname_sends_one_refresh() -> None:
    assert decided(validating_record(), dns=NOWHERE).action is None
    assert decided(validating_record(), dns=ELSEWHERE).action is None
    assert decided(validating_record(), dns=HERE).action is Action.REFRESH


def test_the_same_sight_sends_no_second_one() -> None:
    assert decided(seen_once(), dns=HERE, after=10).action is None


def test_each_newly_found_set_of_records_sends_one() -> None:
    proof = {OWNERSHIP_RRSET: ("ownership-token",)}
    both = proof | {ACME_RRSET: ("certificate-token",)}
    record = validating_record(plan=Plan.ZERO_DOWNTIME)
    actions = []
    for after, txt in [(0, proof), (10, proof), (800, both), (810, both)]:
        checked = decided(record, dns=dns_view(routing=NOWHERE, txt=txt), after=after)
        actions.append(checked.action)
        record = refreshed(checked.record, after=after) if checked.action else checked.record
    assert actions == [Action.REFRESH, None, Action.REFRESH, None]
    assert record.schedule.refreshed_records == {OWNERSHIP_KEY, TOKEN_KEY}


def test_records_found_together_send_one() -> None:
    txt = {OWNERSHIP_RRSET: ("ownership-token",), ACME_RRSET: ("certificate-token",)}
    checked = decided(
        validating_record(plan=Plan.ZERO_DOWNTIME), dns=dns_view(routing=HERE, txt=txt)
    )
    assert checked.action is Action.REFRESH
    assert refreshed(checked.record, after=0).schedule.refreshed_records == {
        CNAME_KEY,
        OWNERSHIP_KEY,
        TOKEN_KEY,
    }


def test_a_wrong_record_sends_none() -> None:
    dns = dns_view(routing=NOWHERE, txt={OWNERSHIP_RRSET: ("other",)})
    assert decided(validating_record(plan=Plan.ZERO_DOWNTIME), dns=dns).action is None


def refreshes(record: CustomHostname, *, seconds: int) -> list[int]:
    """Look at DNS every 30 seconds, in which all stays as it is, and give when it was refreshed."""
    sent = []
    for after in range(30, seconds, 30):
        checked = decided(record, dns=HERE, after=after)
        record = checked.record
        if checked.action is not None:
            sent.append(after)
            record = refreshed(record, after=after)
    return sent


def test_the_refresh_is_repeated_after_growing_waits_and_then_no_more() -> None:
    sent = [0, *refreshes(seen_once(), seconds=5 * 86400)]
    waits = [later - sooner for sooner, later in pairwise(sent)]
    assert len(waits) == 4
    for wait, least in zip(waits, (600, 3600, 4 * 3600, 24 * 3600), strict=True):
        # A little later where Cloudflare is about to look itself.
        assert least <= wait <= least + 240


def test_a_name_whose_records_come_and_go_is_refreshed_five_times_a_day() -> None:
    record, sent = validating_record(), []
    for number in range(2 * 24):
        away = decided(record, dns=NOWHERE, after=number * 3600).record
        back = decided(away, dns=HERE, after=number * 3600 + 1800)
        record = back.record
        if back.action is not None:
            sent.append(number)
            record = refreshed(record, after=number * 3600 + 1800)
    assert sent == [0, 1, 2, 3, 4, 24, 25, 26, 27, 28]


def test_a_persons_refresh_is_sent_when_the_days_own_are_spent() -> None:
    schedule = Schedule(refreshed_at=at(-7200), refreshes_on=at(-3600), refreshes_today=5)
    spent = validating_record(schedule=schedule)
    assert decided(spent, dns=HERE).action is None
    asked = decided(replace(spent, refresh_requested_at=at(1)), dns=HERE, after=1)
    assert asked.action is Action.REFRESH
    assert refreshed(asked.record, after=2).schedule.refreshes_today == 5


@pytest.mark.parametrize(
    ("created", "action", "followed_from"),
    [
        pytest.param(-10, Action.REFRESH, None, id="ten seconds after the creation"),
        pytest.param(-48, None, 12, id="just before the first look"),
        pytest.param(-740, None, 11, id="just before the tenth"),
        pytest.param(-760, Action.REFRESH, None, id="past it, while the next is minutes off"),
        pytest.param(-985, None, 8, id="and left to it again when it is near"),
        pytest.param(-8 * 86400, Action.REFRESH, None, id="no look comes after the last"),
    ],
)
def test_where_cloudflare_is_about_to_look_it_is_followed_and_not_refreshed(
    created: float, action: Action | None, followed_from: float | None
) -> None:
    checked = decided(validating_record(schedule=Schedule(refreshed_at=at(created))), dns=HERE)
    schedule = checked.record.schedule
    assert checked.action is action
    assert schedule.followed_from == (None if followed_from is None else at(followed_from))
    if followed_from is not None:
        assert schedule.cloudflare_due_at == at(followed_from + 10)


@pytest.mark.parametrize("ssl_status", ["validation_timed_out", "expired"])
def test_what_cloudflare_gave_up_is_refreshed_at_once(ssl_status: str) -> None:
    view = cloudflare_view(ssl_status=ssl_status)
    record = validating_record(view=view, schedule=Schedule(refreshed_at=at(-10)))
    assert decided(record, dns=HERE).action is Action.REFRESH


def test_a_newly_found_record_begins_the_waits_anew() -> None:
    known = validating_record(
        plan=Plan.ZERO_DOWNTIME,
        schedule=Schedule(
            refreshed_at=at(-7200), refreshed_records=frozenset({OWNERSHIP_KEY}), refreshes=4
        ),
    )
    txt = {OWNERSHIP_RRSET: ("ownership-token",), ACME_RRSET: ("certificate-token",)}
    checked = decided(known, dns=dns_view(routing=NOWHERE, txt=txt), after=60)
    assert checked.action is Action.REFRESH
    assert refreshed(checked.record, after=60).schedule.refreshes == 0


def test_a_creation_counts_as_a_look_at_what_was_found_by_then() -> None:
    begun = replace(validating_record(routing=HERE), state=State.PENDING, schedule=Schedule())
    created = decided(begun, cloudflare=checking_view(), performed=Action.CREATE, after=5).record
    assert created.schedule.refreshed_at == at(5)
    assert decided(created, dns=HERE, after=15).action is None


@pytest.mark.parametrize(
    ("view", "helps"),
    [
        pytest.param(checking_view(), True, id="both checking"),
        pytest.param(cloudflare_view(status="moved"), True, id="moved"),
        pytest.param(cloudflare_view(status="deleted"), True, id="deleted"),
        pytest.param(cloudflare_view(status="quantum"), True, id="an invented status"),
        pytest.param(cloudflare_view(ssl_status="initializing"), True, id="initializing"),
        pytest.param(cloudflare_view(ssl_status="pending_validation"), True, id="pending"),
        pytest.param(cloudflare_view(ssl_status="validation_timed_out"), True, id="timed out"),
        pytest.param(cloudflare_view(ssl_status="deletion_timed_out"), True, id="also at an end"),
        pytest.param(cloudflare_view(ssl_status="expired"), True, id="expired"),
        pytest.param(cloudflare_view(status="pending_deletion"), False, id="being removed"),
        pytest.param(cloudflare_view(ssl_status="pending_issuance"), False, id="being issued"),
        pytest.param(cloudflare_view(ssl_status="pending_deployment"), False, id="deployed"),
        pytest.param(cloudflare_view(status="blocked"), False, id="blocked"),
        pytest.param(cloudflare_view(), False, id="both active"),
    ],
)
def test_a_refresh_is_sent_where_looking_again_could_help(
    *, view: CloudflareHostname, helps: bool
) -> None:
    checked = decided(validating_record(), cloudflare=view, dns=HERE)
    assert (checked.action is Action.REFRESH) is helps


@pytest.mark.parametrize("record", [active_record(), live_record()], ids=["active", "live"])
def test_a_name_with_both_active_is_never_refreshed(record: CustomHostname) -> None:
    asked = replace(record, refresh_requested_at=at(60))
    assert decided(asked, cloudflare=cloudflare_view(), dns=HERE, after=61).action is None


def unanswered(*, retry_after: float | None = None) -> Transition:
    """Give a refresh on sight that had no answer."""
    asked = decided(validating_record(), dns=HERE).record
    return decided(asked, cloudflare=Unknown("timeout", retry_after), performed=Action.REFRESH)


def test_an_unanswered_refresh_is_still_to_be_done() -> None:
    schedule = unanswered().record.schedule
    assert (schedule.refreshed_at, schedule.refreshed_records) == (at(-7200), frozenset())


def test_no_refresh_is_sent_while_the_back_off_runs() -> None:
    waiting = unanswered().record
    assert waiting.schedule.cloudflare_due_at == at(5)
    assert decided(waiting, dns=HERE, after=4).action is None
    assert decided(waiting, cloudflare=checking_view(), dns=HERE, after=5).action is Action.REFRESH


def test_no_refresh_is_sent_beside_an_unknown() -> None:
    checked = decided(validating_record(), cloudflare=Unknown("timeout"), dns=HERE)
    assert checked.action is None


def test_a_person_may_not_cut_the_back_off_short() -> None:
    waiting = replace(unanswered(retry_after=300).record, refresh_requested_at=at(1))
    assert decided(waiting, after=2).action is None


def test_a_refused_refresh_is_done() -> None:
    asked = decided(validating_record(), dns=HERE).record
    refused = decided(asked, cloudflare=Refused(1439, "no"), performed=Action.REFRESH).record
    assert decided(refused, dns=HERE, after=10).action is None


@pytest.mark.parametrize(
    "record", [validating_record(), blocked_record()], ids=["validating", "blocked"]
)
def test_a_persons_refresh_is_sent_once_whatever_dns_says(record: CustomHostname) -> None:
    asked = replace(record, refresh_requested_at=at(60))
    first = decided(asked, after=60)
    assert first.action is Action.REFRESH
    view = record.cloudflare.seen
    assert view is not None
    done = decided(first.record, cloudflare=view, performed=Action.REFRESH, after=61).record
    assert decided(done, after=62).action is None


def test_a_later_refresh_of_a_person_is_another() -> None:
    done = refreshed(replace(validating_record(), refresh_requested_at=at(60)), after=61)
    assert decided(done, after=70).action is None
    assert decided(replace(done, refresh_requested_at=at(80)), after=81).action is Action.REFRESH


def test_a_refresh_that_frees_a_blocked_name_validates_it() -> None:
    answered = decided(blocked_record(), cloudflare=checking_view(), performed=Action.REFRESH)
    assert path(answered) == ["validating"]


@pytest.mark.parametrize(
    ("record", "action"),
    [(validating_record(routing=HERE), Action.REFRESH), (validating_record(), Action.CREATE)],
)
def test_no_act_follows_an_act(record: CustomHostname, action: Action) -> None:
    asked = replace(record, refresh_requested_at=at(60))
    assert decided(asked, cloudflare=checking_view(), performed=action, after=0).action is None


def test_nothing_is_repeated_for_records_that_were_never_seen() -> None:
    for after in (700, 4000, 30 * 86400):
        assert decided(validating_record(), dns=NOWHERE, after=after).action is None


def test_a_request_met_by_a_serving_name_does_not_make_it_again_later() -> None:
    asked = replace(live_record(), refresh_requested_at=at(60))
    met = decided(asked, cloudflare=cloudflare_view(), dns=HERE, after=61).record
    gone = confirmed(met, cloudflare=Absent(), after=30 * 86400)
    assert (path(gone), gone.action) == (["failed"], None)


def test_a_patch_without_an_answer_is_tried_less_and_less_though_looks_have_one() -> None:
    record, waits, after = refreshable(), list[float](), 0.0
    for _ in range(10):
        checked = decided(record, cloudflare=checking_view(), dns=HERE, after=after)
        assert checked.action is Action.REFRESH
        failed = decided(
            checked.record, cloudflare=Unknown("timeout"), performed=Action.REFRESH, after=after
        ).record
        early = decided(failed, cloudflare=checking_view(), dns=HERE, after=after + 1)
        assert early.action is None
        due = early.record.schedule.cloudflare_due_at
        assert due is not None
        waits.append((due - at(after)).total_seconds())
        record, after = early.record, after + waits[-1]
    assert waits == [6, 10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_a_patch_that_is_answered_ends_its_back_off() -> None:
    failed = decided(refreshable(), cloudflare=Unknown("timeout"), performed=Action.REFRESH).record
    answered = decided(
        failed, cloudflare=checking_view(), performed=Action.REFRESH, after=60
    ).record
    assert (answered.schedule.action_failures, answered.schedule.action_waits_until) == (0, None)


def test_a_person_who_asks_again_waits_for_no_back_off_of_the_machine() -> None:
    record = refreshable()
    for after in (0, 5, 15, 35, 75):
        record = decided(
            record, cloudflare=Unknown("timeout"), performed=Action.REFRESH, after=after
        ).record
    asked = replace(record, refresh_requested_at=at(100), acted_at=at(100))
    assert decided(record, cloudflare=checking_view(), dns=HERE, after=100).action is None
    assert decided(asked, cloudflare=checking_view(), dns=HERE, after=100).action is Action.REFRESH


def test_a_refresh_asked_for_while_another_was_under_way_is_still_to_be_done() -> None:
    record = replace(refreshable(), refresh_requested_at=at(5))
    look = Observation(cloudflare=Found(checking_view()), performed=Action.REFRESH, sent_at=at(2))
    answered = decide(record, look, now=at(7), policy=POLICY).record
    assert answered.refresh_is_requested


def refreshable() -> CustomHostname:
    """Give a name whose CNAME is there, and was not refreshed for yet; nobody waits for it."""
    record = validating_record(routing=HERE, schedule=Schedule(refreshed_at=at(-7200)))
    return replace(record, wanted_at=at(-7200), acted_at=at(-7200))
