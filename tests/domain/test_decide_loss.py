from dataclasses import replace

import pytest

from app.domain.custom_hostname import LIVE, CustomHostname, Plan, State
from app.domain.observation import (
    Absent,
    Action,
    DnsView,
    NotAsked,
    Observation,
    Routing,
    RoutingKind,
    Unknown,
)
from app.domain.reason import Reason, WaitingOn
from app.domain.reconcile.decide import Transition, needs_thorough_check

from .builders import (
    CLOUDFLARE_ID,
    ELSEWHERE,
    HERE,
    NOWHERE,
    POLICY,
    TARGET,
    active_record,
    at,
    blocked_record,
    checking_view,
    cloudflare_object,
    cloudflare_view,
    confirmed,
    decided,
    dns_view,
    emitted,
    failed_record,
    live_record,
    path,
    pending_record,
    validating_record,
)

MOVED = cloudflare_view(status="moved")
SERVFAIL = dns_view(routing=Unknown("servfail"))


def lost_after_moved(record: CustomHostname) -> CustomHostname:
    """Give the record after Cloudflare said moved, and then that it is not there."""
    look = confirmed if record.state in LIVE else decided
    moved = look(record, cloudflare=MOVED, dns=ELSEWHERE, after=-180).record
    return confirmed(moved, cloudflare=Absent()).record


@pytest.mark.parametrize("status", ["moved", "deleted"])
def test_a_name_never_validated_that_moved_has_lapsed(status: str) -> None:
    seen = decided(validating_record(), cloudflare=cloudflare_view(status=status), dns=NOWHERE)
    assert (seen.steps, seen.action) == ((), None)
    assert seen.record.reason is Reason.VALIDATION_LAPSED
    assert seen.record.reason.waiting_on is WaitingOn.TENANT


@pytest.mark.parametrize("status", ["moved", "deleted"])
def test_a_live_name_that_moved_is_told_as_lost(status: str) -> None:
    seen = confirmed(live_record(), cloudflare=cloudflare_view(status=status), dns=ELSEWHERE)
    assert (path(seen), emitted(seen)) == (["validating"], ["cname_lost"])
    assert seen.record.reason is Reason.MOVED_AWAY
    assert seen.record.reason.waiting_on is WaitingOn.TENANT


def test_a_lapsed_name_is_refreshed_when_its_record_is_seen() -> None:
    lapsed = decided(validating_record(), cloudflare=MOVED, dns=NOWHERE).record
    assert decided(lapsed, dns=NOWHERE, after=60).action is None
    assert decided(lapsed, dns=HERE, after=60).action is Action.REFRESH


def test_absent_after_moved_stays_validating_and_is_made_again_on_sight() -> None:
    lost = lost_after_moved(live_record())
    assert (lost.state, lost.reason) == (State.VALIDATING, Reason.MOVED_AWAY)
    assert lost.cloudflare.id is None
    assert decided(lost, dns=ELSEWHERE, after=90).action is None
    assert decided(lost, dns=HERE, after=90).action is Action.CREATE


def test_absent_after_a_lapse_stays_validating_and_is_made_again_on_sight() -> None:
    lost = lost_after_moved(validating_record())
    assert (lost.state, lost.reason) == (State.VALIDATING, Reason.VALIDATION_LAPSED)
    assert decided(lost, dns=HERE, after=90).action is Action.CREATE


LEAVING = cloudflare_view(status="pending_deletion", ssl_status="pending_deletion")


def test_what_another_hand_removes_is_missing_and_not_made_again() -> None:
    leaving = decided(live_record(), cloudflare=LEAVING, dns=HERE)
    assert (path(leaving), leaving.action) == ([], None)
    gone = confirmed(leaving.record, cloudflare=Absent(), after=60)
    assert (path(gone), gone.record.reason) == (["failed"], Reason.MISSING_AT_CLOUDFLARE)
    assert decided(gone.record, dns=HERE, after=200).action is None


OTHER = cloudflare_view(cloudflare_id="11111111-2222-4333-8444-555555555555")


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(validating_record(), id="validating"),
        pytest.param(active_record(), id="active"),
        pytest.param(live_record(), id="live"),
        pytest.param(confirmed(live_record(), cloudflare=MOVED, dns=ELSEWHERE).record, id="moved"),
    ],
)
def test_a_name_that_the_zone_has_under_another_id_is_in_the_zone_and_not_missing(
    record: CustomHostname,
) -> None:
    gone = confirmed(record, cloudflare=Absent(namesake=OTHER))
    assert (gone.record.state, gone.record.reason) == (State.FAILED, Reason.ALREADY_IN_ZONE)
    assert (gone.action, gone.record.cloudflare.id) == (None, None)


def test_what_lapsed_and_is_then_removed_is_still_made_again_on_sight() -> None:
    lapsed = decided(validating_record(), cloudflare=MOVED, dns=NOWHERE).record
    leaving = decided(lapsed, cloudflare=LEAVING, after=60)
    assert (path(leaving), leaving.record.reason) == ([], Reason.VALIDATION_LAPSED)
    gone = confirmed(leaving.record, cloudflare=Absent(), after=120).record
    assert (gone.state, gone.reason) == (State.VALIDATING, Reason.VALIDATION_LAPSED)
    assert decided(gone, dns=HERE, after=300).action is Action.CREATE


@pytest.mark.parametrize("after", [6 * 86400, 8 * 86400])
@pytest.mark.parametrize("status", ["moved", "deleted"])
def test_a_name_still_readable_is_refreshed_on_sight_however_late(
    status: str, after: float
) -> None:
    view = cloudflare_view(status=status)
    lapsed = confirmed(live_record(), cloudflare=view, dns=ELSEWHERE).record
    late = decided(lapsed, cloudflare=view, dns=ELSEWHERE, after=after).record
    assert decided(late, dns=HERE, after=after + 60).action is Action.REFRESH


def test_a_certificate_that_ended_unrenewed_is_refreshed_once_the_name_is_down() -> None:
    expired = cloudflare_view(ssl_status="expired")
    first = decided(live_record(), cloudflare=expired, dns=HERE, after=86400)
    assert (path(first), first.action) == ([], None)
    second = decided(first.record, cloudflare=expired, dns=HERE, after=86460)
    assert (path(second), second.action) == (["validating"], Action.REFRESH)
    assert second.record.reason is Reason.CERTIFICATE_EXPIRED


def test_a_name_made_again_has_a_new_beginning() -> None:
    begun = decided(lost_after_moved(live_record()), dns=HERE, after=90).record
    assert begun.cloudflare.create_started_at == at(90)
    older = replace(checking_view(), id="cf-of-somebody-else")
    answered = decided(begun, cloudflare=older, performed=Action.CREATE, after=91)
    assert answered.record.reason is Reason.ALREADY_IN_ZONE


def test_a_lost_name_that_is_still_there_after_all_is_our_own() -> None:
    begun = decided(lost_after_moved(live_record()), dns=HERE, after=90).record
    answered = decided(begun, cloudflare=checking_view(), performed=Action.CREATE, after=91)
    assert answered.record.cloudflare.id == CLOUDFLARE_ID
    assert answered.record.state is State.VALIDATING


def test_a_lost_name_is_made_again_on_sight_although_cloudflares_last_answer_failed() -> None:
    # It was never live, so there would be a last check after thirty days if it were still there.
    lapsed = decided(validating_record(), cloudflare=MOVED, dns=NOWHERE, after=-180).record
    lost = confirmed(lapsed, cloudflare=Absent()).record
    unheard = decided(lost, cloudflare=Unknown("timeout"), dns=NOWHERE, after=90).record
    waiting = decided(unheard, dns=NOWHERE, after=300).record
    assert waiting.schedule.cloudflare_due_at is None
    assert decided(waiting, dns=HERE, after=600).action is Action.CREATE


def test_a_zero_downtime_name_that_lapsed_and_is_gone_asks_for_a_refresh() -> None:
    lapsed = decided(
        validating_record(plan=Plan.ZERO_DOWNTIME), cloudflare=cloudflare_view(status="moved")
    ).record
    gone = confirmed(lapsed, cloudflare=Absent(), after=100)
    assert (path(gone), gone.record.reason) == (["failed"], Reason.NEVER_SET_UP)
    asked = replace(gone.record, refresh_requested_at=at(300))
    assert decided(asked, after=300).action is Action.CREATE


def test_a_lost_name_is_looked_at_in_dns_alone() -> None:
    schedule = lost_after_moved(live_record()).schedule
    assert schedule.cloudflare_due_at is None
    assert schedule.dns_due_at is not None


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(validating_record(), id="validating"),
        pytest.param(active_record(), id="active"),
        pytest.param(live_record(), id="live"),
    ],
)
def test_absent_without_moved_has_failed_until_a_refresh(record: CustomHostname) -> None:
    gone = confirmed(record, cloudflare=Absent())
    assert (path(gone), emitted(gone), gone.action) == (["failed"], ["failed"], None)
    assert gone.record.reason is Reason.MISSING_AT_CLOUDFLARE
    assert gone.record.reason.waiting_on is WaitingOn.OPERATOR
    later = decided(gone.record, dns=HERE, after=30 * 86400)
    assert (later.action, later.steps) == (None, ())
    asked = replace(gone.record, refresh_requested_at=at(90))
    assert decided(asked, after=90).action is Action.CREATE


@pytest.mark.parametrize(
    ("errors", "reason", "waiting_on"),
    [
        pytest.param((), Reason.HOSTNAME_BLOCKED, WaitingOn.OPERATOR, id="blocked"),
        pytest.param(
            ("The hostname's zone is held.",), Reason.ZONE_HELD, WaitingOn.TENANT, id="held"
        ),
        pytest.param(
            ("A Zone Hold prevents this.",), Reason.ZONE_HELD, WaitingOn.TENANT, id="zone hold"
        ),
    ],
)
@pytest.mark.parametrize(
    "record", [validating_record(), active_record(), live_record()], ids=lambda r: str(r.state)
)
def test_a_blocked_name_has_failed(
    record: CustomHostname, errors: tuple[str, ...], reason: Reason, waiting_on: WaitingOn
) -> None:
    view = cloudflare_view(status="blocked", verification_errors=errors)
    look = confirmed if record.state in LIVE else decided
    seen = look(record, cloudflare=view, dns=HERE)
    assert (path(seen), emitted(seen), seen.action) == (["failed"], ["failed"], None)
    assert seen.record.reason is reason
    assert seen.record.reason.waiting_on is waiting_on


def test_a_blocked_name_is_not_refreshed_by_itself() -> None:
    later = decided(blocked_record(), dns=HERE, after=86400)
    assert (later.action, later.steps) == (None, ())


def test_a_blocked_name_that_is_released_validates_again() -> None:
    released = decided(blocked_record(), cloudflare=checking_view())
    assert path(released) == ["validating"]
    live_at_once = decided(blocked_record(), cloudflare=cloudflare_view(), dns=HERE)
    assert path(live_at_once) == ["validating", "active", "cname_verified"]


def looks(*views: tuple[float, DnsView]) -> list[Transition]:
    """Look at a live name's DNS at these instants, carrying the record on."""
    record, transitions = live_record(), []
    for after, view in views:
        transitions.append(decided(record, dns=view, after=after))
        record = transitions[-1].record
    return transitions


AWAY, BACK = dns_view(routing=ELSEWHERE), dns_view(routing=HERE)
NONE = dns_view(routing=NOWHERE)


@pytest.mark.parametrize(
    ("seen", "lost"),
    [
        pytest.param([(0, AWAY)], False, id="one contradiction is not enough"),
        pytest.param([(0, AWAY), (300, AWAY)], False, id="nor are two"),
        pytest.param([(0, AWAY), (900, AWAY)], False, id="nor two over more than ten minutes"),
        pytest.param(
            [(0, AWAY), (300, AWAY), (599, AWAY)], False, id="nor three within ten minutes"
        ),
        pytest.param([(0, AWAY), (300, AWAY), (600, AWAY)], True, id="three over ten minutes are"),
        pytest.param(
            [(0, AWAY), (300, AWAY), (605, AWAY)], True, id="three at the instants of the looks"
        ),
        pytest.param(
            [(0, NONE), (300, AWAY), (605, NONE)], True, id="no record at all contradicts as well"
        ),
        pytest.param([(0, AWAY), (300, SERVFAIL), (605, AWAY)], False, id="Unknown does not count"),
        pytest.param(
            [(0, AWAY), (300, AWAY), (605, SERVFAIL)], False, id="Unknown concludes nothing"
        ),
        pytest.param(
            [(0, AWAY), (300, AWAY), (605, SERVFAIL), (905, AWAY)],
            True,
            id="Unknown does not clear",
        ),
        pytest.param(
            [(0, AWAY), (300, AWAY), (605, DnsView()), (905, AWAY)],
            True,
            id="a look at Cloudflare alone does not clear",
        ),
        pytest.param(
            [(0, AWAY), (300, AWAY), (605, BACK), (905, AWAY)], False, id="a confirmation clears"
        ),
        pytest.param(
            [(0, AWAY), (300, BACK), (605, AWAY), (905, AWAY), (1205, AWAY)],
            True,
            id="after a confirmation the count begins anew",
        ),
        pytest.param(
            [(0, AWAY), (300, BACK), (605, AWAY), (905, AWAY), (1204, AWAY)],
            False,
            id="and so do the ten minutes",
        ),
    ],
)
def test_a_live_name_is_lost_by_three_contradictions_over_ten_minutes(
    *, seen: list[tuple[float, DnsView]], lost: bool
) -> None:
    *before, last = looks(*seen)
    assert all(transition.steps == () for transition in before)
    assert path(last) == (["active"] if lost else [])


def test_losing_the_cname_is_told_as_that_alone() -> None:
    last = looks((0, AWAY), (300, AWAY), (605, AWAY))[-1]
    assert emitted(last) == ["cname_lost"]
    assert last.record.reason is Reason.CNAME_ELSEWHERE


@pytest.mark.parametrize(
    ("view", "reason"), [(AWAY, Reason.CNAME_ELSEWHERE), (NONE, Reason.AWAITING_CNAME)]
)
def test_a_lost_name_says_whether_it_leads_elsewhere(view: DnsView, reason: Reason) -> None:
    last = looks((0, view), (300, view), (605, view))[-1]
    assert last.record.reason is reason


def test_a_contradicted_name_says_so_and_is_still_live() -> None:
    first = looks((0, AWAY))[0]
    assert first.record.state is State.CNAME_VERIFIED
    assert first.record.reason is Reason.CNAME_MISMATCH


def test_a_first_contradiction_brings_looks_five_and_ten_minutes_later() -> None:
    first, second = looks((0, AWAY), (300, AWAY))
    assert first.record.schedule.dns_due_at == at(300)
    assert second.record.schedule.dns_due_at == at(605)


def test_an_unknown_look_in_between_does_not_move_the_looks() -> None:
    assert looks((0, AWAY), (100, SERVFAIL))[-1].record.schedule.dns_due_at == at(300)


def test_after_the_last_look_an_open_contradiction_is_looked_at_every_five_minutes() -> None:
    third = looks((0, AWAY), (300, AWAY), (605, SERVFAIL))[-1]
    assert third.record.schedule.dns_due_at == at(905)


def test_a_lost_name_begins_its_count_anew_when_it_is_live_again() -> None:
    *_, lost, back, away = looks((0, AWAY), (300, AWAY), (605, AWAY), (700, BACK), (1400, AWAY))
    assert lost.record.schedule.mismatches == 0
    assert path(back) == ["cname_verified"]
    assert (path(away), away.record.schedule.mismatches) == ([], 1)


def test_contradictions_are_counted_for_live_names_alone() -> None:
    assert decided(active_record(), dns=ELSEWHERE).record.schedule.mismatches == 0


@pytest.mark.parametrize(
    ("status", "ssl_status"), [("pending", "active"), ("active", "expired"), ("moved", "active")]
)
def test_leaving_cname_verified_downwards_is_told_as_cname_lost_only(
    status: str, ssl_status: str
) -> None:
    view = cloudflare_view(status=status, ssl_status=ssl_status)
    seen = confirmed(live_record(), cloudflare=view, dns=HERE)
    assert (path(seen), emitted(seen)) == (["validating"], ["cname_lost"])


def test_an_active_name_that_regresses_is_told_as_validating() -> None:
    seen = confirmed(active_record(), cloudflare=checking_view())
    assert (path(seen), emitted(seen)) == (["validating"], ["validating"])


@pytest.mark.parametrize("kind", [RoutingKind.CNAME, RoutingKind.FLATTENED])
def test_a_cname_and_a_flattened_one_both_point_here(kind: RoutingKind) -> None:
    seen = decided(active_record(), dns=Routing(kind, (), ("192.0.2.1",)))
    assert path(seen) == ["cname_verified"]


def test_addresses_that_rotate_are_no_news() -> None:
    rotated = replace(HERE, addresses=("192.0.2.77",))
    assert decided(live_record(), dns=rotated).record.dns == live_record().dns


def test_another_chain_is_news() -> None:
    through = Routing(RoutingKind.CNAME, ("www.tenant.com", TARGET), ("192.0.2.1",))
    assert decided(live_record(), dns=through).record.dns.routing == through


THIRD = looks((0, AWAY), (300, AWAY))[-1].record


@pytest.mark.parametrize(
    ("record", "view", "after", "thorough"),
    [
        pytest.param(live_record(), BACK, 0, False, id="a confirmation is no news"),
        pytest.param(live_record(), AWAY, 0, True, id="a first contradiction is news"),
        pytest.param(live_record(), SERVFAIL, 0, False, id="Unknown is no news"),
        pytest.param(live_record(), DnsView(NotAsked()), 0, False, id="no question, no news"),
        pytest.param(THIRD, AWAY, 500, False, id="a contradiction too early is no news"),
        pytest.param(THIRD, AWAY, 605, True, id="the one that would take it down is news"),
        pytest.param(active_record(), BACK, 0, True, id="the CNAME of an active name is news"),
        pytest.param(active_record(), NONE, 0, False, id="its continued absence is not"),
        pytest.param(validating_record(), NONE, 0, True, id="the first answer of all is news"),
    ],
)
def test_all_servers_are_asked_about_news_alone(
    *, record: CustomHostname, view: DnsView, after: float, thorough: bool
) -> None:
    observation = Observation(dns=view)
    asked = needs_thorough_check(record, observation, now=at(after), policy=POLICY)
    assert asked is thorough


def test_an_object_never_seen_moved_is_missing_even_when_pending_goes_on() -> None:
    record = replace(
        pending_record(), state=State.VALIDATING, cloudflare=cloudflare_object(checking_view())
    )
    assert confirmed(record, cloudflare=Absent()).record.reason is (Reason.MISSING_AT_CLOUDFLARE)


def test_a_failed_record_keeps_its_reason_whatever_dns_says() -> None:
    record = failed_record(reason=Reason.QUOTA_EXCEEDED)
    assert decided(record, dns=HERE).record.reason is Reason.QUOTA_EXCEEDED
