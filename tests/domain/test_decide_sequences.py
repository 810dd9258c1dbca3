"""Random histories: whatever is seen, and however the acts are answered, these facts hold."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.custom_hostname import LIVE, CustomHostname, Desired, Plan, Removal, State
from app.domain.events import EventType
from app.domain.observation import (
    Absent,
    Action,
    CloudflareHostname,
    CloudflareView,
    DnsView,
    Found,
    NotAsked,
    Observation,
    Refused,
    Unknown,
)
from app.domain.reconcile.decide import Transition, decide

from .builders import (
    ACME_RRSET,
    ELSEWHERE,
    HERE,
    NOW,
    NOWHERE,
    OWNERSHIP,
    OWNERSHIP_RRSET,
    POLICY,
    TOKEN,
    cloudflare_view,
    dns_view,
    hostname_record,
)

LEGAL = {
    (State.PENDING, State.VALIDATING),
    (State.PENDING, State.FAILED),
    (State.PENDING, State.DELETING),
    (State.VALIDATING, State.ACTIVE),
    (State.VALIDATING, State.FAILED),
    (State.VALIDATING, State.DELETING),
    (State.ACTIVE, State.CNAME_VERIFIED),
    (State.ACTIVE, State.VALIDATING),
    (State.ACTIVE, State.FAILED),
    (State.ACTIVE, State.DELETING),
    (State.CNAME_VERIFIED, State.ACTIVE),
    (State.CNAME_VERIFIED, State.VALIDATING),
    (State.CNAME_VERIFIED, State.FAILED),
    (State.CNAME_VERIFIED, State.DELETING),
    (State.FAILED, State.VALIDATING),
    (State.FAILED, State.DELETING),
    (State.DELETING, State.DELETED),
}
REFRESHED_PROOF = (State.FAILED, State.PENDING)
"""Only of a hostname that still awaits its proof: it is refreshed after `never_proved`."""
ORDER = [State.PENDING, State.VALIDATING, State.ACTIVE, State.CNAME_VERIFIED]
LOOKS_TO_RECOVER = 150
SCAN = timedelta(minutes=5)

HOSTNAME_STATUSES = ["pending", "active", "active", "moved", "deleted", "blocked", "invented"]
CERTIFICATE_STATUSES = [
    *("active", "active", "pending_validation", "pending_issuance", "pending_deployment"),
    *("validation_timed_out", "expired", "invented", None),
]


def found(view: CloudflareHostname) -> Found[CloudflareHostname]:
    return Found(view)


unknowns = st.builds(Unknown, st.just("timeout"), st.sampled_from([None, 1.0, 90.0, 600.0]))
views = st.builds(
    lambda status, ssl_status, tokens: cloudflare_view(
        status=status,
        ssl_status=ssl_status,
        ownership=OWNERSHIP if tokens else None,
        tokens=(TOKEN,) if tokens else (),
    ),
    st.sampled_from(HOSTNAME_STATUSES),
    st.sampled_from(CERTIFICATE_STATUSES),
    st.booleans(),
)
answers = st.one_of(
    views.map(found),
    st.just(Absent()),
    unknowns,
    st.sampled_from([Refused(1405, "quota"), Refused(1407, "invalid")]),
)
texts = st.sampled_from([None, ("other",), ("ownership-token",), ("certificate-token",)])
dns_views = st.builds(
    lambda routing, proof, token: dns_view(
        routing=routing, txt={OWNERSHIP_RRSET: proof, ACME_RRSET: token}
    ),
    st.one_of(st.sampled_from([HERE, HERE, ELSEWHERE, NOWHERE]), unknowns),
    texts,
    texts,
)


@dataclass(frozen=True)
class Turn:
    """One look, should it come to be: how late it is, what it meets, what a person did before."""

    late: float
    cloudflare: CloudflareView
    dns: DnsView
    answer: CloudflareView
    older: bool
    person: str | None


turns = st.builds(
    Turn,
    late=st.sampled_from([0.0, 0.0, 0.0, 1.0, 1.0, 30.0, 7200.0, 31 * 86400.0]),
    cloudflare=answers,
    dns=dns_views,
    answer=answers,
    older=st.sampled_from([False, False, False, True]),
    person=st.sampled_from([None] * 12 + ["refresh", "delete"]),
)
histories = st.lists(turns, min_size=1, max_size=25)
plans = st.sampled_from(list(Plan))


class World:
    """Carries a record through time, and checks every transition on its way."""

    def __init__(self, plan: Plan) -> None:
        self.now = NOW
        self.scanned_at = NOW
        self.record: CustomHostname = hostname_record(plan=plan)

    def wait(self, late: float) -> None:
        """Go to the next look, or on by an hour where none is due."""
        due = self.record.schedule.next_check_at or self.now + timedelta(hours=1)
        if self._is_scanned():
            due = min(due, self.scanned_at + SCAN)
        self.now = max(self.now, due) + timedelta(seconds=late)

    def _is_scanned(self) -> bool:
        present = self.record.desired is Desired.PRESENT
        return present and self.record.cloudflare.id is not None

    def person(self, wish: str | None) -> None:
        if wish is None or self.record.desired is Desired.ABSENT:
            return
        changed = replace(self.record, acted_at=self.now)
        if wish == "delete":
            self.record = replace(changed, desired=Desired.ABSENT, wanted_at=self.now)
        else:
            self.record = replace(changed, refresh_requested_at=self.now)

    def look(self, cloudflare: CloudflareView, dns: DnsView) -> Transition:
        """Look as the service does: at each side that is due, where there is something to ask."""
        schedule, known = self.record.schedule, self.record.cloudflare
        cloudflare_due = (
            schedule.cloudflare_due_at is not None and schedule.cloudflare_due_at <= self.now
        )
        if self.now >= self.scanned_at + SCAN:
            self.scanned_at = self.now
            cloudflare_due = cloudflare_due or self._is_scanned()
        dns_due = schedule.dns_due_at is not None and schedule.dns_due_at <= self.now
        leaving = self.record.desired is Desired.ABSENT
        askable = (known.id is not None) is not leaving and self.record.state is not State.DELETED
        if leaving and known.create_tried_at is None:
            askable = False
        return self.step(
            Observation(
                cloudflare=cloudflare if cloudflare_due and askable else NotAsked(),
                dns=dns if dns_due else DnsView(),
            )
        )

    def answer(self, action: Action, answer: CloudflareView, *, older: bool = False) -> Transition:
        if isinstance(answer, Found):
            created = self.record.cloudflare.create_started_at or self.now
            age = timedelta(hours=1) if older else timedelta()
            answer = Found(replace(answer.value, created_at=created - age))
        return self.step(Observation(cloudflare=answer, performed=action))

    def step(self, observation: Observation) -> Transition:
        before = self.record
        transition = decide(before, observation, now=self.now, policy=POLICY)
        check(before, observation, transition)
        check_telling(before, transition)
        check_doubt(before, observation, transition.record, self.now)
        self.record = transition.record
        return transition


def check(before: CustomHostname, observation: Observation, transition: Transition) -> None:
    """Hold one transition against everything that is promised of all of them."""
    after, steps = transition.record, transition.steps
    places = [before.state, *(step.after for step in steps)]
    assert [step.before for step in steps] == places[:-1], "steps are not contiguous"
    assert after.state is places[-1], "the steps do not lead to the state"
    assert {(step.before, step.after) for step in steps} <= LEGAL
    for step in steps:
        assert after.arrived_at.get(step.after) is not None
    assert before.arrived_at.items() <= after.arrived_at.items(), "a first arrival moved"
    if isinstance(observation.cloudflare, Unknown):
        assert transition.action is None
    mute = isinstance(observation.cloudflare, Unknown | NotAsked) and not isinstance(
        observation.dns.routing, Found
    )
    if mute and before.desired is Desired.PRESENT:
        assert steps == (), "Unknown moved a state"
    if observation.performed is not None:
        assert transition.action is None, "an act after an act"
    if transition.action is Action.CREATE:
        assert after.cloudflare.id is None
        assert after.cloudflare.create_started_at is not None
    if transition.action in {Action.REFRESH, Action.DELETE}:
        assert after.cloudflare.id is not None
    if after.state is State.CNAME_VERIFIED:
        assert after.cloudflare.id is not None
    assert transition.mismatched <= transition.checked
    if after.tombstone:
        assert after.state is State.DELETED or after.name_released_at is not None
    assert after.schedule.next_check_at is not None or nothing_is_to_come(after)


def check_telling(before: CustomHostname, transition: Transition) -> None:
    """Hold one transition against what is promised of its events, and of removals nobody asked."""
    after, steps = transition.record, transition.steps
    assert [step.reason for step in steps[-1:]] in ([], [after.reason])
    assert len(set(transition.notifications)) == len(transition.notifications)
    if steps:
        assert EventType.ACTION_REQUIRED not in transition.notifications
    if before.desired is Desired.PRESENT and transition.action is Action.DELETE:
        assert before.state not in LIVE, "a live name was removed"
        assert after.schedule.removal is not None
    if after.state in LIVE:
        assert after.schedule.removal is None


def check_doubt(
    before: CustomHostname, observation: Observation, after: CustomHostname, now: datetime
) -> None:
    """Hold one transition against what is promised of a first answer against a hostname."""
    asked = before.refresh_requested_at
    believed = (
        observation.performed is not None
        or before.desired is Desired.ABSENT
        or before.schedule.suspected_at is not None
        or before.schedule.removal is not None
        or (asked is not None and now - asked < timedelta(minutes=1))
    )
    if not believed:
        assert before.state not in LIVE or after.state in LIVE, "taken down by one answer"
        assert before.cloudflare.id in {None, after.cloudflare.id}, "forgotten after one answer"
    if after.schedule.suspected_at is not None:
        assert after.schedule.cloudflare_due_at is not None


def nothing_is_to_come(record: CustomHostname) -> bool:
    """Whether no look is needed: only a person, or nobody, can move the record on."""
    if record.state is State.DELETED:
        return not record.tombstone
    return record.state is State.FAILED


def live_through(plan: Plan, history: list[Turn]) -> World:
    world = World(plan)
    for turn in history:
        world.wait(turn.late)
        world.person(turn.person)
        checked = world.look(turn.cloudflare, turn.dns)
        if checked.action is not None:
            world.answer(checked.action, turn.answer, older=turn.older)
    return world


GOOD = Found(cloudflare_view(ownership=OWNERSHIP, tokens=(TOKEN,)))
GOOD_DNS = dns_view(
    routing=HERE,
    txt={OWNERSHIP_RRSET: ("ownership-token",), ACME_RRSET: ("certificate-token",)},
)


@settings(deadline=None, max_examples=300)
@given(plans, histories)
def test_no_history_breaks_a_promise(plan: Plan, history: list[Turn]) -> None:
    world = live_through(plan, history)
    assert world.record.state in State


def settled(record: CustomHostname) -> bool:
    # What failed waits for a person, however good the world is.
    return record.state in {State.CNAME_VERIFIED, State.DELETED} or (
        record.state is State.FAILED and record.cloudflare.id is None
    )


@settings(deadline=None, max_examples=150)
@given(plans, histories)
def test_once_everything_is_good_every_name_becomes_live_or_is_gone(
    plan: Plan, history: list[Turn]
) -> None:
    world = live_through(plan, history)
    given_up = world.record.schedule.removal is Removal.GIVE_UP
    failed_before = world.record.state is State.FAILED or given_up
    for _ in range(LOOKS_TO_RECOVER):
        if settled(world.record):
            break
        world.wait(0)
        checked = world.look(GOOD, GOOD_DNS)
        if checked.action is not None:
            gone = checked.action is Action.DELETE
            world.answer(checked.action, Absent() if gone else GOOD)
    else:
        raise AssertionError(f"still {world.record.state}: {world.record.schedule}")
    leaving = world.record.desired is Desired.ABSENT
    if leaving:
        assert world.record.state is State.DELETED
    elif not failed_before:
        assert world.record.state is State.CNAME_VERIFIED


@settings(deadline=None, max_examples=150)
@given(plans, histories)
def test_a_name_never_arrives_before_the_states_below_it(plan: Plan, history: list[Turn]) -> None:
    arrived = live_through(plan, history).record.arrived_at
    for lower, upper in pairwise(ORDER):
        if upper in arrived:
            assert lower in arrived
            assert arrived[lower] <= arrived[upper]
