from dataclasses import replace

import pytest

from app.domain.custom_hostname import (
    GONE,
    CloudflareObject,
    CustomHostname,
    Desired,
    State,
)
from app.domain.observation import (
    Absent,
    Action,
    CloudflareHostname,
    DnsView,
    Found,
    Refused,
    Routing,
    Unknown,
)
from app.domain.reason import Reason, WaitingOn

from .builders import (
    CLOUDFLARE_ID,
    ELSEWHERE,
    HERE,
    NOWHERE,
    active_record,
    at,
    blocked_record,
    checking_view,
    cloudflare_view,
    confirmed,
    decided,
    deleted_record,
    deleting_record,
    dns_view,
    emitted,
    failed_record,
    hostname_record,
    live_record,
    path,
    pending_record,
    validating_record,
)

AT_CLOUDFLARE = [
    pytest.param(record, id=f"{record.state}")
    for record in (validating_record(), active_record(), live_record(), blocked_record())
]
NEVER_CREATED = [
    pytest.param(record, id=f"{record.state}") for record in (pending_record(), failed_record())
]


def unwanted(record: CustomHostname) -> CustomHostname:
    return replace(record, desired=Desired.ABSENT)


def unanswered_record(*, tried_at: float = 0) -> CustomHostname:
    """Give a record whose POST had no answer, and which is not wanted any more."""
    tried = CloudflareObject(create_started_at=at(0), create_tried_at=at(tried_at))
    return unwanted(hostname_record(cloudflare=tried))


@pytest.mark.parametrize("record", NEVER_CREATED)
def test_what_was_never_created_is_gone_at_once(record: CustomHostname) -> None:
    gone = decided(unwanted(record))
    assert (path(gone), emitted(gone)) == (["deleting", "deleted"], ["deleting", "deleted"])
    assert (gone.action, gone.record.tombstone) == (None, False)
    assert gone.record.reason is Reason.REMOVED
    assert gone.record.schedule.next_check_at is None


@pytest.mark.parametrize("record", AT_CLOUDFLARE)
def test_what_is_at_cloudflare_is_removed_there_first(record: CustomHostname) -> None:
    asked = decided(unwanted(record))
    assert (path(asked), asked.action) == (["deleting"], Action.DELETE)
    assert asked.record.reason is Reason.REMOVAL_REQUESTED
    assert asked.record.reason.waiting_on is WaitingOn.CLOUDFLARE
    done = decided(asked.record, cloudflare=Absent(), performed=Action.DELETE)
    assert (path(done), done.action) == (["deleted"], None)
    assert done.record.cloudflare.id is None
    assert done.record.reason.waiting_on is WaitingOn.NOBODY


def test_what_is_already_gone_needs_no_removal() -> None:
    gone = decided(unwanted(live_record()), cloudflare=Absent())
    assert (path(gone), gone.action) == (["deleting", "deleted"], None)


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        pytest.param(Found(cloudflare_view()), 10, id="still there"),
        pytest.param(Refused(1439, "not modifiable"), 5, id="refused"),
        pytest.param(Unknown("timeout"), 5, id="no answer"),
        pytest.param(Unknown("cloudflare_rate_limited", 90), 90, id="429"),
    ],
)
def test_a_removal_that_did_not_end_goes_on(
    answer: Found[CloudflareHostname] | Refused | Unknown, wait: int
) -> None:
    kept = decided(deleting_record(), cloudflare=answer, performed=Action.DELETE)
    assert (kept.steps, kept.action) == ((), None)
    assert kept.record.schedule.cloudflare_due_at == at(wait)
    assert decided(kept.record, after=wait).action is Action.DELETE


@pytest.mark.parametrize("status", ["pending_deletion", "deleted"])
def test_what_is_removed_and_can_still_be_read_is_gone(status: str) -> None:
    left = Found(cloudflare_view(status=status, ssl_status="pending_deletion"))
    gone = decided(deleting_record(), cloudflare=left, performed=Action.DELETE)
    assert (path(gone), gone.record.reason) == (["deleted"], Reason.REMOVED)


def test_a_removal_whose_answer_was_lost_is_over_when_cloudflare_is_at_it() -> None:
    left = Found(cloudflare_view(status="pending_deletion", ssl_status="pending_deletion"))
    lost = decided(deleting_record(), cloudflare=Unknown("timeout"), performed=Action.DELETE).record
    assert path(decided(lost, cloudflare=left, after=10)) == ["deleted"]


def test_a_lapsed_name_that_reads_deleted_is_removed_all_the_same() -> None:
    lapsed = Found(cloudflare_view(status="deleted"))
    assert decided(deleting_record(), cloudflare=lapsed).action is Action.DELETE


def test_a_removal_that_is_stuck_is_asked_for_again() -> None:
    stuck = Found(cloudflare_view(status="pending_deletion", ssl_status="deletion_timed_out"))
    kept = decided(deleting_record(), cloudflare=stuck, performed=Action.DELETE).record
    assert kept.state is State.DELETING
    assert decided(kept, after=10).action is Action.DELETE


def test_a_removal_that_came_to_nothing_is_asked_for_again() -> None:
    still = Found(cloudflare_view())
    kept = decided(deleting_record(), cloudflare=still, performed=Action.DELETE).record
    assert decided(kept, after=10).action is Action.DELETE


def test_a_removal_says_that_the_zone_has_another_of_the_name() -> None:
    other = cloudflare_view(cloudflare_id="11111111-2222-4333-8444-555555555555")
    gone = decided(deleting_record(), cloudflare=Absent(namesake=other), performed=Action.DELETE)
    assert path(gone) == ["deleted"]
    assert gone.record.reason is Reason.REMOVED_BUT_STILL_IN_ZONE
    assert decided(gone.record, after=86400).record.reason is gone.record.reason


def test_a_name_that_was_never_ours_at_cloudflare_says_so_when_it_is_removed() -> None:
    record = replace(
        hostname_record(), state=State.FAILED, reason=Reason.ALREADY_IN_ZONE, desired=Desired.ABSENT
    )
    assert decided(record).record.reason is Reason.REMOVED_BUT_STILL_IN_ZONE


def test_a_removal_waits_for_the_back_off() -> None:
    unanswered = decided(deleting_record(), cloudflare=Unknown("timeout"), performed=Action.DELETE)
    assert decided(unanswered.record, after=4).action is None


def test_a_post_without_an_answer_is_looked_up_before_the_record_is_gone() -> None:
    leaving = decided(unanswered_record())
    assert (path(leaving), leaving.action) == (["deleting"], None)
    assert leaving.record.schedule.cloudflare_due_at == at(10)


def test_what_the_unanswered_post_made_is_removed() -> None:
    leaving = decided(unanswered_record()).record
    found = decided(leaving, cloudflare=checking_view(), after=10)
    assert (found.steps, found.action) == ((), Action.DELETE)
    assert found.record.cloudflare.id == CLOUDFLARE_ID
    assert path(decided(found.record, cloudflare=Absent(), performed=Action.DELETE)) == ["deleted"]


def test_an_absence_soon_after_the_post_is_not_believed() -> None:
    leaving = decided(unanswered_record()).record
    early = decided(leaving, cloudflare=Absent(), after=29)
    late = decided(leaving, cloudflare=Absent(), after=30)
    assert (path(early), early.record.schedule.cloudflare_due_at) == ([], at(39))
    assert path(late) == ["deleted"]


def test_a_foreign_object_of_the_name_is_never_removed() -> None:
    leaving = decided(unanswered_record()).record
    foreign = replace(checking_view(), created_at=at(-3600))
    found = decided(leaving, cloudflare=foreign, after=10)
    assert (path(found), found.action) == (["deleted"], None)
    assert found.record.cloudflare.id is None


def test_a_creation_answered_after_the_wish_changed_is_removed_next() -> None:
    answered = decided(unanswered_record(), cloudflare=checking_view(), performed=Action.CREATE)
    assert (path(answered), answered.action) == (["deleting"], None)
    assert decided(answered.record, after=10).action is Action.DELETE


def test_a_lost_object_leaves_nothing_to_remove() -> None:
    missing = confirmed(live_record(), cloudflare=Absent()).record
    gone = decided(unwanted(missing))
    assert (path(gone), gone.action) == (["deleting", "deleted"], None)


@pytest.mark.parametrize(
    ("routing", "tombstone"),
    [
        pytest.param(HERE, True, id="DNS points here"),
        pytest.param(None, True, id="DNS was never heard"),
        pytest.param(ELSEWHERE, False, id="DNS leads elsewhere"),
        pytest.param(NOWHERE, False, id="DNS has nothing"),
    ],
)
def test_a_tombstone_stays_where_the_name_may_still_point_here(
    *, routing: Routing | None, tombstone: bool
) -> None:
    leaving = replace(deleting_record(), dns=replace(deleting_record().dns, routing=routing))
    gone = decided(leaving, cloudflare=Absent(), performed=Action.DELETE)
    assert path(gone) == ["deleted"]
    assert gone.record.tombstone is tombstone
    assert (gone.record.schedule.dns_due_at is not None) is tombstone


@pytest.mark.parametrize(
    ("seen", "tombstone"),
    [
        pytest.param(dns_view(routing=HERE), True, id="still pointing here"),
        pytest.param(dns_view(routing=Unknown("servfail")), True, id="not to be heard"),
        pytest.param(dns_view(), True, id="not asked"),
        pytest.param(dns_view(routing=ELSEWHERE), False, id="leading elsewhere"),
        pytest.param(dns_view(routing=NOWHERE), False, id="leading nowhere"),
    ],
)
def test_a_tombstone_goes_when_dns_surely_leads_away(*, seen: DnsView, tombstone: bool) -> None:
    checked = decided(deleted_record(tombstone=True, routing=HERE), dns=seen)
    assert (checked.steps, checked.record.tombstone) == ((), tombstone)


def test_a_tombstone_that_went_does_not_come_back() -> None:
    free = decided(deleted_record(tombstone=True, routing=HERE), dns=ELSEWHERE).record
    assert decided(free, dns=HERE, after=60).record.tombstone is False


def test_a_tombstone_is_looked_at_once_a_day_in_dns_alone() -> None:
    schedule = decided(deleted_record(tombstone=True, routing=HERE), dns=HERE).record.schedule
    assert schedule.cloudflare_due_at is None
    assert schedule.dns_due_at is not None
    assert at(3600) < schedule.dns_due_at <= at(25 * 3600)


@pytest.mark.parametrize("cloudflare", [Found(cloudflare_view()), Absent(), Unknown("timeout")])
def test_what_is_deleted_stays_deleted(
    cloudflare: Found[CloudflareHostname] | Absent | Unknown,
) -> None:
    checked = decided(deleted_record(), cloudflare=cloudflare, dns=HERE)
    assert (checked.steps, checked.action, checked.record.state) == ((), None, State.DELETED)
    assert checked.record.schedule.next_check_at is None


@pytest.mark.parametrize("record", [*AT_CLOUDFLARE, *NEVER_CREATED])
def test_a_refresh_does_not_bring_back_what_is_not_wanted(record: CustomHostname) -> None:
    asked = replace(unwanted(record), refresh_requested_at=at(60))
    checked = decided(asked, dns=HERE, after=61)
    assert checked.record.state in GONE
    assert checked.action in {None, Action.DELETE}
