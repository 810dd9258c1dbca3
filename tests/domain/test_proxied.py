"""A name whose own zone at Cloudflare proxies it: DNS hides the record, and Cloudflare decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.custom_hostname import CustomHostname, Plan, RecordStatus, Schedule, State
from app.domain.document import represent
from app.domain.guidance import guide
from app.domain.observation import (
    Absent,
    Action,
    CloudflareHostname,
    Found,
    Observation,
    Routing,
    RoutingKind,
    Unknown,
)
from app.domain.plan import wanted_records
from app.domain.reason import Reason, WaitingOn
from app.domain.reconcile.actions import release_name
from app.domain.reconcile.decide import decide, needs_thorough_check
from app.domain.reconcile.suspicion import first_mismatches
from tests.domain.builders import (
    ACME_RRSET,
    CNAME_KEY,
    ELSEWHERE,
    HERE,
    NOW,
    NOWHERE,
    OWNERSHIP_RRSET,
    POLICY,
    PROXIED,
    active_record,
    at,
    checking_view,
    cloudflare_view,
    confirmed,
    decided,
    deleted_record,
    dns_view,
    emitted,
    live_record,
    path,
    validating_record,
)

HOUR = 3600
USES_CLOUDFLARE = (
    "The hostname is using Cloudflare and cannot be activated with an TXT or HTTP validation "
    "token. To activate the custom hostname, the DNS target needs to point to the SaaS zone"
)


def routing_of(record: CustomHostname) -> Routing:
    assert record.dns.routing is not None
    return record.dns.routing


def status_of(record: CustomHostname) -> RecordStatus:
    return next(each.status for each in wanted_records(record) if each.key == CNAME_KEY)


def proxied_active() -> CustomHostname:
    """Give an active record that was first seen proxied at NOW."""
    return decided(active_record(), dns=PROXIED).record


def proxied_live() -> CustomHostname:
    """Give a live record whose traffic Cloudflare has confirmed behind the proxy."""
    return decided(proxied_active(), cloudflare=cloudflare_view(), after=HOUR).record


@pytest.mark.parametrize(
    ("routing", "points"),
    [
        (PROXIED, None),
        (replace(PROXIED, active_since=NOW), None),
        (replace(PROXIED, active_since=NOW, is_confirmed=True), True),
        (HERE, True),
        (ELSEWHERE, False),
        (NOWHERE, False),
    ],
)
def test_a_proxied_name_points_here_once_it_is_confirmed(
    routing: Routing,
    points: bool | None,  # noqa: FBT001 - None is a third answer
) -> None:
    assert routing.points_at_target is points
    assert routing.is_hidden is (points is None)


@pytest.mark.parametrize("before", [None, NOWHERE, ELSEWHERE])
def test_a_name_that_is_validated_only_may_have_the_right_record(before: Routing | None) -> None:
    record = decided(validating_record(routing=before), dns=PROXIED).record
    assert (record.state, record.reason) == (State.VALIDATING, Reason.PROXIED_UNPROVEN)
    assert represent(record)["dns"] == {
        "points_at_target": None,
        "evidence": {"kind": "proxied", "chain": [], "addresses": ["198.51.100.83"]},
        "error": None,
    }
    assert status_of(record) is RecordStatus.UNKNOWN
    guidance = guide(record)
    assert guidance.waiting_on is WaitingOn.TENANT
    assert "may be right" in guidance.message
    assert guidance.next == 0


def test_cloudflare_is_asked_to_check_when_a_name_appears_proxied() -> None:
    seen = decided(validating_record(routing=NOWHERE), dns=PROXIED)
    assert seen.action is Action.REFRESH
    answered = decided(seen.record, cloudflare=checking_view(), performed=Action.REFRESH, after=1)
    assert answered.record.schedule.refreshed_records == {CNAME_KEY}
    again = decided(answered.record, dns=PROXIED, after=200)
    assert again.action is None
    assert again.record.schedule.refreshed_records == {CNAME_KEY}


def test_cloudflares_own_check_is_followed_if_it_is_about_to_come() -> None:
    waiting = validating_record(routing=NOWHERE, schedule=Schedule(refreshed_at=at(-50)))
    seen = decided(waiting, dns=PROXIED)
    assert seen.action is None
    assert seen.record.schedule.followed_from == at(10)


def test_a_name_that_is_validated_in_real_time_while_proxied_is_live() -> None:
    seen = decided(validating_record(routing=NOWHERE), dns=PROXIED).record
    turned = decided(seen, cloudflare=cloudflare_view(), performed=Action.REFRESH, after=10)
    assert path(turned) == ["active", "cname_verified"]
    assert turned.record.reason is Reason.LIVE
    assert routing_of(turned.record).points_at_target is True
    assert status_of(turned.record) is RecordStatus.FOUND


def test_the_certificate_may_come_later() -> None:
    seen = decided(validating_record(routing=NOWHERE), dns=PROXIED).record
    issuing = cloudflare_view(ssl_status="pending_issuance")
    turned = decided(seen, cloudflare=issuing, after=10).record
    assert (turned.state, turned.reason) == (State.VALIDATING, Reason.CERTIFICATE_ISSUING)
    assert turned.schedule.refreshed_records <= {CNAME_KEY}
    assert path(decided(turned, cloudflare=cloudflare_view(), after=60)) == [
        "active",
        "cname_verified",
    ]


@pytest.mark.parametrize(
    ("plan", "states"),
    [(Plan.SIMPLE, ["active", "cname_verified"]), (Plan.ZERO_DOWNTIME, ["active"])],
)
def test_both_may_be_seen_in_one_check(plan: Plan, states: list[str]) -> None:
    record = validating_record(plan=plan, routing=NOWHERE)
    assert path(decided(record, cloudflare=cloudflare_view(), dns=PROXIED)) == states


def test_a_name_that_was_active_before_it_was_seen_proxied_has_to_stay_active() -> None:
    active = decided(validating_record(routing=NOWHERE), cloudflare=cloudflare_view()).record
    seen = decided(active, cloudflare=cloudflare_view(), dns=PROXIED, after=1).record
    assert (seen.state, seen.reason) == (State.ACTIVE, Reason.PROXIED_UNCONFIRMED)


def test_without_a_certificate_it_is_not_said_to_be_active() -> None:
    checking = cloudflare_view(ssl_status="pending_validation")
    proved = decided(validating_record(routing=NOWHERE), cloudflare=checking).record
    seen = decided(proved, cloudflare=checking, dns=PROXIED, after=1).record
    assert routing_of(seen).active_since == at(1)
    assert (seen.state, seen.reason) == (State.VALIDATING, Reason.PROXIED_UNPROVEN)


def test_an_adopted_name_may_have_been_validated_by_a_token() -> None:
    known = decided(validating_record(routing=NOWHERE), dns=PROXIED).record
    unmade = replace(known, cloudflare=replace(known.cloudflare, id=None))
    adopted = decided(unmade, cloudflare=cloudflare_view(), performed=Action.CREATE, after=1).record
    assert adopted.cloudflare.id is not None
    assert routing_of(adopted).is_confirmed is False


def test_a_token_that_made_it_active_says_nothing_about_its_traffic() -> None:
    record = validating_record(plan=Plan.ZERO_DOWNTIME, routing=NOWHERE)
    tokens = {OWNERSHIP_RRSET: ("ownership-token",), ACME_RRSET: ("certificate-token",)}
    seen = decided(record, dns=dns_view(routing=PROXIED, txt=tokens)).record
    active = decided(seen, cloudflare=cloudflare_view(), after=10)
    assert path(active) == ["active"]
    assert active.record.reason is Reason.PROXIED_UNCONFIRMED
    early = decided(active.record, cloudflare=cloudflare_view(), after=HOUR + 9)
    assert path(early) == []
    assert path(decided(early.record, cloudflare=cloudflare_view(), after=HOUR + 10)) == [
        "cname_verified"
    ]


def test_an_active_name_waits_for_cloudflare_and_not_for_the_tenant() -> None:
    record = proxied_active()
    assert (record.state, record.reason) == (State.ACTIVE, Reason.PROXIED_UNCONFIRMED)
    guidance = guide(record)
    assert (guidance.waiting_on, guidance.next) == (WaitingOn.CLOUDFLARE, None)
    assert "CNAME target" not in guidance.message
    assert record.schedule.cloudflare_due_at == at(HOUR)


@pytest.mark.parametrize(
    ("after", "states"), [(60, []), (HOUR - 1, []), (HOUR, ["cname_verified"])]
)
def test_a_name_that_is_still_active_an_hour_later_is_live(after: int, states: list[str]) -> None:
    later = decided(proxied_active(), cloudflare=cloudflare_view(), dns=PROXIED, after=after)
    assert path(later) == states


def test_time_alone_confirms_nothing() -> None:
    record = proxied_active()
    for dns in (PROXIED, dns_view(routing=Unknown("timeout"))):
        assert path(decided(record, dns=dns, after=2 * HOUR)) == []
    absent = decided(record, cloudflare=Absent(), after=2 * HOUR)
    assert routing_of(absent.record).points_at_target is None


def test_a_request_that_was_sent_within_the_hour_confirms_nothing() -> None:
    observation = Observation(cloudflare=Found(cloudflare_view()), sent_at=at(HOUR - 1))
    late = decide(proxied_active(), observation, now=at(HOUR + 5), policy=POLICY)
    assert late.steps == ()
    assert late.record.schedule.cloudflare_due_at == at(HOUR + 10)


def test_the_hour_begins_again_with_another_proxied_name_in_between() -> None:
    record = decided(proxied_active(), dns=NOWHERE, after=600).record
    record = decided(record, dns=PROXIED, after=1200).record
    assert routing_of(record).active_since == at(1200)


def test_rotating_addresses_do_not_begin_it_again() -> None:
    other = Routing(RoutingKind.PROXIED, (), ("198.51.100.84",))
    assert routing_of(decided(proxied_active(), dns=other, after=600).record).active_since == NOW


def test_a_confirmed_name_stays_confirmed() -> None:
    record = proxied_live()
    daily = decided(record, dns=PROXIED, cloudflare=cloudflare_view(), after=30 * HOUR)
    assert daily.steps == ()
    assert daily.record.reason is Reason.LIVE
    assert routing_of(daily.record) == routing_of(record)
    assert status_of(daily.record) is RecordStatus.FOUND
    assert daily.record.schedule.cloudflare_due_at is None


@pytest.mark.parametrize("minutes", [0, 5, 10, 20, 600])
def test_a_live_name_that_becomes_proxied_shows_no_mismatch(minutes: int) -> None:
    record = live_record()
    for minute in range(0, minutes + 1, 5):
        seen = decided(record, dns=PROXIED, after=60 * minute)
        assert seen.steps == ()
        assert seen.mismatched == frozenset()
        record = seen.record
    assert (record.state, record.reason) == (State.CNAME_VERIFIED, Reason.LIVE)
    assert (record.schedule.mismatches, record.schedule.mismatched_at) == (0, None)
    assert guide(record).next is None
    assert represent(record)["dns"]["points_at_target"] is None
    observation = Observation(dns=dns_view(routing=PROXIED))
    assert first_mismatches(live_record(), observation) == frozenset()


def test_a_proxied_answer_neither_counts_nor_clears_a_mismatch() -> None:
    record = decided(live_record(), dns=ELSEWHERE).record
    record = decided(record, dns=PROXIED, after=300).record
    assert (record.schedule.mismatches, record.schedule.mismatched_at) == (1, NOW)
    assert record.reason is Reason.CNAME_MISMATCH
    for after in (600, 605, 900):
        record = decided(record, dns=PROXIED, after=after).record
        assert record.state is State.CNAME_VERIFIED
    record = decided(record, dns=ELSEWHERE, after=910).record
    lost = decided(record, dns=ELSEWHERE, after=920)
    assert emitted(lost) == ["cname_lost"]


def test_a_proxied_answer_does_not_complete_a_loss() -> None:
    doubted = Schedule(mismatches=3, mismatched_at=at(-3600), refreshed_at=at(-7200))
    seen = decided(live_record(schedule=doubted), dns=PROXIED)
    assert seen.steps == ()
    assert emitted(decided(seen.record, dns=ELSEWHERE, after=1)) == ["cname_lost"]


def test_a_name_that_cloudflare_calls_moved_is_lost_although_it_is_proxied() -> None:
    moved = confirmed(proxied_live(), cloudflare=cloudflare_view(status="moved"), after=2 * HOUR)
    assert emitted(moved) == ["cname_lost"]
    assert (moved.record.state, moved.record.reason) == (State.VALIDATING, Reason.MOVED_AWAY)
    assert routing_of(moved.record).points_at_target is None
    back = decided(moved.record, cloudflare=cloudflare_view(), after=3 * HOUR)
    assert path(back) == ["active", "cname_verified"]


def test_an_error_about_another_zone_keeps_its_reason() -> None:
    view = checking_view(verification_errors=(USES_CLOUDFLARE,))
    record = decided(validating_record(routing=NOWHERE), cloudflare=view, dns=PROXIED).record
    assert record.reason is Reason.PROXIED_ELSEWHERE


def test_a_wildcard_is_never_confirmed() -> None:
    name = "*.tenant.com"
    record = replace(active_record(), hostname=replace(active_record().hostname, name=name))
    seen = decided(record, dns=PROXIED).record
    assert (seen.state, seen.reason) == (State.ACTIVE, Reason.PROXIED_UNPROVEN)
    later = decided(seen, cloudflare=cloudflare_view(), dns=PROXIED, after=2 * HOUR)
    assert path(later) == []
    assert routing_of(later.record).active_since is None


@pytest.mark.parametrize(
    ("known", "thorough"),
    [(active_record(), True), (proxied_active(), False), (proxied_live(), False)],
    ids=["first", "unconfirmed", "confirmed"],
)
def test_all_servers_are_asked_when_a_name_is_first_seen_proxied(
    known: CustomHostname, *, thorough: bool
) -> None:
    observation = Observation(dns=dns_view(routing=PROXIED))
    assert needs_thorough_check(known, observation, now=at(HOUR), policy=POLICY) is thorough


def test_a_removed_name_that_is_proxied_may_still_point_here() -> None:
    record = deleted_record(tombstone=True, routing=HERE)
    assert decided(record, dns=PROXIED).record.tombstone
    assert not decided(record, dns=ELSEWHERE).record.tombstone


@pytest.mark.parametrize(("routing", "tombstone"), [(PROXIED, True), (ELSEWHERE, False)])
def test_a_released_name_that_is_proxied_may_still_point_here(
    routing: Routing, *, tombstone: bool
) -> None:
    assert release_name(validating_record(routing=routing), NOW).tombstone is tombstone


@pytest.mark.parametrize(("routing", "action"), [(PROXIED, None), (HERE, Action.CREATE)])
def test_a_lapsed_name_is_not_made_again_because_it_is_proxied(
    routing: Routing, action: Action | None
) -> None:
    lapsed = validating_record(view=cloudflare_view(status="moved"))
    gone = replace(lapsed, cloudflare=replace(lapsed.cloudflare, id=None))
    assert decided(gone, dns=routing).action is action


@pytest.mark.parametrize("view", [cloudflare_view(), checking_view()])
def test_what_is_not_at_cloudflare_is_not_confirmed(view: CloudflareHostname) -> None:
    record = validating_record(view=view, schedule=Schedule())
    gone = replace(record, cloudflare=replace(record.cloudflare, id=None))
    seen = decided(gone, dns=PROXIED).record
    assert routing_of(seen) == PROXIED
