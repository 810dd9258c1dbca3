"""Proof of control: what counts as one, and what a name may not do before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.custom_hostname import (
    CustomHostname,
    Desired,
    Plan,
    ProofOfControl,
    Purpose,
    Schedule,
    Sibling,
    State,
    When,
)
from app.domain.errors import ProofRequired
from app.domain.events import EventType
from app.domain.guidance import guide
from app.domain.hostname import Hostname
from app.domain.observation import (
    Absent,
    Action,
    DnsView,
    Found,
    NotAsked,
    Observation,
    Routing,
    Unknown,
    Values,
)
from app.domain.plan import wanted_records
from app.domain.proof import challenge_name, is_proved, refuse_unprovable
from app.domain.reason import Reason, WaitingOn
from app.domain.reconcile.decide import Transition, decide, needs_thorough_check
from app.domain.reconcile.merge import merge_concurrent_changes
from app.domain.siblings import join

from .builders import (
    ELSEWHERE,
    HERE,
    NAME,
    NOWHERE,
    POLICY,
    at,
    decided,
    deleted_record,
    dns_view,
    hostname_record,
    path,
)

DAY = 86400
TOKEN = "a-token-of-this-record-alone"
CHALLENGE = ("TXT", f"_nameplate-challenge.{NAME}")


def awaiting_record(*, plan: Plan = Plan.SIMPLE) -> CustomHostname:
    """Give a record of a name that another tenant had, and whose DNS still points here."""
    record = hostname_record(plan=plan, reason=Reason.PROOF_AWAITED, routing=HERE)
    return replace(record, proof=ProofOfControl(token=TOKEN), name_released_at=at(0))


def look(values: Values | None, *, thorough: bool = True) -> DnsView:
    records = {} if values is None else {CHALLENGE: values}
    return DnsView(routing=Found(HERE), records=records, is_thorough=thorough)


NO_PROOF = [
    pytest.param(look(None), id="not asked"),
    pytest.param(look(Absent()), id="no record"),
    pytest.param(look(Found(("another",))), id="another value"),
    pytest.param(look(Found((TOKEN + " ",))), id="nearly the value"),
    pytest.param(look(Found((TOKEN.upper(),))), id="in capitals"),
    pytest.param(look(Unknown("servfail")), id="servfail"),
    pytest.param(look(Unknown("timeout")), id="time-out"),
    pytest.param(look(Unknown("servers_disagree")), id="servers disagree"),
    pytest.param(look(Found((TOKEN,)), thorough=False), id="seen by one server"),
    pytest.param(DnsView(), id="DNS not asked at all"),
]


@pytest.mark.parametrize("plan", [Plan.SIMPLE, Plan.ZERO_DOWNTIME, Plan.DELEGATED])
@pytest.mark.parametrize("seen", NO_PROOF)
def test_without_the_proof_a_name_waits_and_nothing_is_done(seen: DnsView, plan: Plan) -> None:
    record = replace(awaiting_record(plan=plan), refresh_requested_at=at(0))
    for after in (0, 3600, 14 * DAY - 1):
        checked = decided(record, dns=seen, after=after)
        assert (checked.steps, checked.action, checked.notifications) == ((), None, ())
        after_it = checked.record
        assert (after_it.state, after_it.reason) == (State.PENDING, Reason.PROOF_AWAITED)
        assert after_it.awaits_proof
        assert after_it.name_released_at == at(0)
        assert after_it.schedule.cloudflare_due_at is None
        assert after_it.schedule.dns_due_at is not None


ENDS = [
    pytest.param(look(Absent()), True, id="no record"),
    pytest.param(look(Found(("another",))), True, id="another value"),
    pytest.param(look(Unknown("timeout")), False, id="no answer"),
    pytest.param(DnsView(), False, id="DNS not asked"),
]


@pytest.mark.parametrize(("seen", "ends"), ENDS)
@pytest.mark.parametrize("held", [False, True])
def test_a_proof_that_is_not_there_after_fourteen_days_is_no_longer_awaited(
    seen: DnsView, *, ends: bool, held: bool
) -> None:
    record = replace(awaiting_record(), is_name_held=held)
    record = decided(record, dns=look(Absent())).record
    checked = decided(record, dns=seen, after=14 * DAY)
    after = checked.record
    assert (path(checked), checked.action) == (["failed"] if ends else [], None)
    assert after.schedule.cloudflare_due_at is None
    if ends:
        assert (after.reason, after.schedule.dns_due_at) == (Reason.NEVER_PROVED, None)
        assert (after.tombstone, after.name_released_at) == (False, at(0))
    else:
        # It goes on, once a day: what could not be asked ends nothing.
        assert after.schedule.dns_due_at is not None
        assert after.schedule.dns_due_at - at(14 * DAY) > timedelta(hours=1)


def test_a_refresh_asks_for_the_same_proof_for_another_fourteen_days() -> None:
    ended = decided(awaiting_record(), dns=look(Absent()), after=14 * DAY).record
    asked = replace(ended, refresh_requested_at=at(20 * DAY), acted_at=at(20 * DAY))
    again = decided(asked, dns=look(Absent()), after=20 * DAY)
    assert path(again) == ["pending"]
    assert [step.event_type for step in again.steps] == [EventType.ACTION_REQUIRED]
    assert again.record.reason is Reason.PROOF_AWAITED
    assert again.record.proof == ended.proof
    assert again.record.schedule.dns_due_at == at(20 * DAY + 10)
    waits = decided(again.record, dns=look(Absent()), after=33 * DAY)
    assert path(waits) == []
    assert path(decided(waits.record, dns=look(Absent()), after=34 * DAY)) == ["failed"]


@pytest.mark.parametrize("others", [(), ("another",)])
def test_the_value_among_others_is_the_proof_and_gives_the_name(others: tuple[str, ...]) -> None:
    record = awaiting_record()
    proved = decided(record, dns=look(Found((*others, TOKEN))), after=30)
    assert is_proved(proved.record, record)
    assert (proved.record.proof, proved.record.name_released_at) == (
        ProofOfControl(token=TOKEN, found_at=at(30)),
        None,
    )
    # It is recorded before anything is sent.
    assert (proved.steps, proved.action) == ((), None)
    assert proved.record.reason is Reason.CREATING
    assert proved.record.schedule.cloudflare_due_at == at(30)
    following = decided(proved.record, after=31)
    assert following.action is Action.CREATE
    assert Purpose.CLAIM not in {each.purpose for each in wanted_records(proved.record)}


def test_what_one_server_shows_has_all_of_them_asked() -> None:
    record = awaiting_record()
    for routing in (Found(HERE), Unknown("timeout"), NotAsked()):
        seen = DnsView(routing=routing, records={CHALLENGE: Found((TOKEN,))})
        assert needs_thorough_check(record, Observation(dns=seen), now=at(0), policy=POLICY)
    wrong = Observation(dns=look(Found(("another",)), thorough=False))
    assert not needs_thorough_check(record, wrong, now=at(0), policy=POLICY)


def test_the_record_to_add_comes_first_and_is_next() -> None:
    record = decided(awaiting_record(), dns=look(Absent())).record
    claim, routing = wanted_records(record)
    assert (claim.type, claim.name, claim.value) == (*CHALLENGE, TOKEN)
    assert (claim.purpose, claim.when, routing.purpose) == (
        Purpose.CLAIM,
        When.BEFORE,
        Purpose.ROUTING,
    )
    guidance = guide(record)
    assert (guidance.next, guidance.switch_safe, guidance.waiting_on) == (
        0,
        False,
        WaitingOn.TENANT,
    )


def test_a_wildcard_is_proved_at_its_base() -> None:
    assert challenge_name(Hostname("*.shop.com")) == "_nameplate-challenge.shop.com"


def test_a_name_without_room_for_the_record_is_refused() -> None:
    label = "a" * 57
    refuse_unprovable(Hostname(f"{label}.{label}.{label}.{label[:54]}.com"))
    with pytest.raises(ProofRequired):
        refuse_unprovable(Hostname(f"{label}.{label}.{label}.{label}.com"))


@pytest.mark.parametrize(
    ("acted_ago", "waited", "wait"), [(60, 60, 10), (1200, 1200, 60), (7200, 7200, 120)]
)
def test_dns_is_checked_as_for_a_name_whose_tenant_acts(
    acted_ago: int, waited: int, wait: int
) -> None:
    record = replace(awaiting_record(), acted_at=at(-acted_ago), wanted_at=at(-waited))
    due = decided(record, dns=look(Absent())).record.schedule.dns_due_at
    assert due == at(wait)


def test_a_name_that_somebody_holds_cannot_be_proved() -> None:
    record = replace(awaiting_record(), is_name_held=True)
    checked = decided(record, dns=look(Found((TOKEN,))))
    assert (checked.record.state, checked.record.reason) == (State.PENDING, Reason.NAME_HELD)
    assert (checked.record.awaits_proof, checked.action) == (True, None)
    free = replace(checked.record, is_name_held=False)
    assert is_proved(decided(free, dns=look(Found((TOKEN,)))).record, free)


def test_it_does_not_join_the_object_of_its_other_name_before() -> None:
    sibling = Sibling(
        id="record-2",
        hostname=Hostname(f"*.{NAME}"),
        desired=Desired.PRESENT,
        state=State.CNAME_VERIFIED,
        cloudflare_id="cf-9",
    )
    record = replace(awaiting_record(), sibling=sibling)
    assert join(record).cloudflare.id is None
    proved = decided(record, dns=look(Found((TOKEN,)))).record
    assert join(proved).cloudflare.id == "cf-9"


@pytest.mark.parametrize("routing", [HERE, ELSEWHERE, None])
def test_who_never_proved_the_name_leaves_no_tombstone(routing: Routing | None) -> None:
    record = awaiting_record()
    record = replace(record, desired=Desired.ABSENT, dns=replace(record.dns, routing=routing))
    gone = decided(record)
    assert path(gone) == ["deleting", "deleted"]
    assert (gone.record.tombstone, gone.record.proof) == (False, None)
    assert gone.record.schedule.next_check_at is None


def merged(transition: Transition, read: CustomHostname, current: CustomHostname) -> CustomHostname:
    return merge_concurrent_changes(
        transition, read=read, current=current, performed=None, now=at(5)
    ).record


def test_a_proof_counts_only_if_nobody_took_the_name_meanwhile() -> None:
    read = awaiting_record()
    proved = decided(read, dns=look(Found((TOKEN,))))
    assert is_proved(merged(proved, read, read), read)
    edited = replace(read, revision=2, labels={"shop": "7"})
    assert merged(proved, read, edited).name_released_at is None
    taken = merged(proved, read, replace(read, is_name_held=True))
    assert (taken.awaits_proof, taken.name_released_at) == (True, at(0))


def test_a_proof_that_is_no_longer_asked_for_stays_away() -> None:
    read = awaiting_record()
    checked = decided(read, dns=look(Absent()))
    current = replace(read, proof=None, name_released_at=None, revision=2)
    record = merged(checked, read, current)
    assert (record.proof, record.name_released_at) == (None, None)
    assert decided(record, after=10).record.reason is Reason.CREATING


# What follows is about the name that was left behind.


def test_a_removed_name_that_still_points_here_is_told_once() -> None:
    seen = decided(deleted_record(tombstone=True, routing=HERE), dns=HERE, after=60)
    assert (seen.notifications, seen.steps) == ((EventType.DANGLING,), ())
    assert (seen.record.dangling_since, seen.record.reason) == (at(60), Reason.DANGLING)
    again = decided(seen.record, dns=HERE, after=90000)
    assert (again.notifications, again.record.dangling_since) == ((), at(60))
    unheard = decided(seen.record, dns=dns_view(routing=Unknown("servfail")), after=90000)
    assert (unheard.notifications, unheard.record.reason) == ((), Reason.DANGLING)
    gone = decided(seen.record, dns=NOWHERE, after=90000).record
    assert (gone.dangling_since, gone.reason, gone.tombstone) == (None, Reason.REMOVED, False)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(deleted_record(tombstone=False, routing=HERE), id="no tombstone"),
        pytest.param(
            replace(deleted_record(tombstone=True, routing=HERE), is_name_held=True),
            id="somebody has the name again",
        ),
    ],
)
def test_a_name_that_may_point_here_does_not_dangle(record: CustomHostname) -> None:
    seen = decided(record, dns=HERE)
    assert (seen.notifications, seen.record.dangling_since) == ((), None)
    assert seen.record.reason is Reason.REMOVED


@pytest.mark.parametrize(
    "seen", [DnsView(), dns_view(routing=Unknown("timeout")), dns_view(routing=ELSEWHERE)]
)
def test_only_a_check_that_finds_it_here_says_that_it_dangles(seen: DnsView) -> None:
    checked = decided(deleted_record(tombstone=True, routing=HERE), dns=seen)
    assert (checked.notifications, checked.record.dangling_since) == ((), None)


def test_the_check_that_would_tell_it_asks_all_servers() -> None:
    record = deleted_record(tombstone=True, routing=HERE)
    seen = Observation(dns=dns_view(routing=HERE))
    assert needs_thorough_check(record, seen, now=at(0), policy=POLICY)
    told = decide(record, seen, now=at(0), policy=POLICY).record
    assert not needs_thorough_check(told, seen, now=at(86400), policy=POLICY)


def test_another_custom_hostname_in_the_zone_is_still_said() -> None:
    record = replace(
        deleted_record(tombstone=True, routing=HERE), reason=Reason.REMOVED_BUT_STILL_IN_ZONE
    )
    seen = decided(record, dns=HERE).record
    assert (seen.reason, seen.dangling_since) == (Reason.REMOVED_BUT_STILL_IN_ZONE, at(0))


def test_a_tombstone_that_was_closed_meanwhile_tells_nothing() -> None:
    read = deleted_record(tombstone=True, routing=HERE)
    seen = decided(read, dns=HERE)
    written = merge_concurrent_changes(
        seen, read=read, current=replace(read, tombstone=False), performed=None, now=at(5)
    )
    assert written.notifications == ()
    assert (written.record.tombstone, written.record.dangling_since) == (False, None)
    assert written.record.reason is Reason.REMOVED


def test_the_message_names_the_record_to_remove() -> None:
    told = decided(deleted_record(tombstone=True, routing=HERE), dns=HERE).record
    assert guide(told).message == (
        "The hostname was removed, but its DNS still points here. Remove the CNAME record of "
        "shop.tenant.com, which leads to customers.provider.net."
    )
    wildcard = replace(told, hostname=Hostname("*.tenant.com"))
    assert guide(wildcard).message.endswith("It leads all names below here.")


def test_a_schedule_of_a_name_that_awaits_its_proof_survives_a_long_wait() -> None:
    record = replace(awaiting_record(), schedule=Schedule(dns_failures=5))
    due = decided(record, dns=look(Unknown("timeout"))).record.schedule.dns_due_at
    assert due is not None
    assert due - at(0) <= timedelta(minutes=5)
