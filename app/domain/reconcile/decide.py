"""The one place where states change: from a record and an observation to a transition. Pure.

`state_rules` derives the state, `actions` the action, `schedule` the next checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.custom_hostname import (
    GONE,
    LIVE,
    CloudflareObject,
    CustomHostname,
    State,
)
from app.domain.events import EventType, event_type, find_notifications, note_emitted
from app.domain.observation import Absent, Action, Found, NotAsked, Observation, Side
from app.domain.proof import is_proved, may_point_here
from app.domain.reason import Reason
from app.domain.reconcile.actions import (
    action_waits,
    begin,
    follow_next_try,
    frees_its_name,
    must_wait,
    release_name,
    removed_is_absent,
    settle_removal,
    wanted_action,
)
from app.domain.reconcile.evidence import (
    apply_observation,
    is_to_be_sent_again,
    keep_evidence,
    shows_proof,
)
from app.domain.reconcile.schedule import (
    Policy,
    begin_fast_period,
    cloudflare_due_at,
    dns_due_at,
    last_check_at,
)
from app.domain.reconcile.state_rules import DerivedState, derive_state
from app.domain.reconcile.suspicion import (
    answering_sides,
    confirm,
    drop_late_answer,
    first_mismatches,
)

UPWARDS = (State.PENDING, State.VALIDATING, State.ACTIVE, State.CNAME_VERIFIED)
"""The order of states on the way to live. None of them is ever skipped."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of state, which emits one event."""

    before: State
    after: State
    reason: Reason
    """Why it is in `after`. A state that is only passed through has a reason that suits it."""

    @property
    def event_type(self) -> EventType:
        """The type of the step's event."""
        return event_type(self.before, self.after)


@dataclass(frozen=True, slots=True)
class Transition:
    """What follows from a check: the record to store, the steps, and the next action."""

    record: CustomHostname
    steps: tuple[Step, ...] = ()
    action: Action | None = None
    checked: frozenset[Side] = frozenset()
    """The sides that gave a clear answer about a hostname that was live."""
    mismatched: frozenset[Side] = frozenset()
    """Those of `checked` that show a mismatch for the first time."""
    notifications: tuple[EventType, ...] = ()
    """The events that are emitted after those of the steps."""


def decide(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> Transition:
    """Decide what follows from what is desired and what was observed.

    `now` is Postgres's `nameplate_now()`, aware. The returned record has the new state, its reason,
    and the instants of the next checks.
    """
    known, observation = drop_late_answer(record, removed_is_absent(record, observation), now=now)
    checked, mismatched = answering_sides(known, observation), first_mismatches(known, observation)
    known, observation = confirm(known, observation, now=now, policy=policy)
    seen = apply_observation(known, observation, now=now, policy=policy)
    derived = derive_state(seen, observation, now=now, policy=policy)
    steps = tuple(_steps(record.state, derived, created=seen.cloudflare.id is not None))
    moved = _note_dangling(_arrive(seen, derived, steps, now), record, observation, now)
    moved = settle_removal(moved, observation, now=now, policy=policy)
    # Time alone releases no name. Cloudflare has to say that the object is absent.
    gone = isinstance(observation.cloudflare, Absent) and moved.name_released_at is None
    if gone and frees_its_name(moved, now=now, policy=policy):
        moved = release_name(moved, now)
    # A proof is recorded by itself. Only then is it certain that nobody else has the name.
    proved = is_proved(moved, record)
    acts = observation.performed is None and not proved
    wanted = wanted_action(moved, now=now, policy=policy) if acts else None
    postponed = wanted is not None and must_wait(moved, observation, now)
    action = None if postponed else wanted
    begun = begin(action, moved, now)
    if action is None:
        begun = follow_next_try(begun, record, now=now, policy=policy)
    notifications = find_notifications(record, begun, stepped=bool(steps))
    told = note_emitted(begun, notifications, stepped=bool(steps))
    kept = _schedule(told, observation, now=now, policy=policy, postponed=postponed, proved=proved)
    return Transition(kept, steps, action, checked, mismatched, notifications)


def needs_thorough_check(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> bool:
    """Whether a routine check found DNS changed. If so, all servers must agree on it."""
    if shows_proof(record, observation.dns):
        return True
    routing = observation.dns.routing
    if not isinstance(routing, Found):
        return False
    known = record.dns.routing
    seen = keep_evidence(known, routing.value)
    if known is None or known.points_at_target is not seen.points_at_target:
        return True
    transition = decide(record, observation, now=now, policy=policy)
    return bool(transition.steps) or EventType.DANGLING in transition.notifications


_ON_THE_WAY = {
    State.VALIDATING: Reason.HOSTNAME_CHECK_PENDING,
    State.ACTIVE: Reason.CNAME_CHECK_PENDING,
    State.DELETING: Reason.REMOVAL_REQUESTED,
}
"""The reasons of states that a hostname only passes through."""


def _steps(before: State, derived: DerivedState, *, created: bool) -> Iterator[Step]:
    """Walk from one state to the other without skipping a state in between."""
    if before is derived.state:
        return
    for state in _between(before, derived.state, created=created):
        yield Step(before, state, _ON_THE_WAY[state])
        before = state
    yield Step(before, derived.state, derived.reason)


def _between(before: State, after: State, *, created: bool) -> tuple[State, ...]:
    if after is State.DELETED and before is not State.DELETING:
        return (State.DELETING,)
    if before is State.PENDING and after is State.FAILED and created:
        return (State.VALIDATING,)
    if after not in UPWARDS or before in GONE:
        return ()
    # A failed hostname that is at Cloudflare again begins with its validation.
    start = 0 if before is State.FAILED else UPWARDS.index(before)
    return UPWARDS[start + 1 : UPWARDS.index(after)]


def _arrive(
    record: CustomHostname, derived: DerivedState, steps: tuple[Step, ...], now: datetime
) -> CustomHostname:
    arrived = {**{step.after: now for step in steps}, **record.arrived_at}
    schedule = record.schedule
    if derived.state is not State.CNAME_VERIFIED:
        schedule = replace(schedule, mismatches=0, mismatched_at=None)
    if derived.state in LIVE:
        schedule = replace(schedule, refreshes=0)
    gone = derived.state is State.DELETED
    if gone and record.cloudflare.id is not None:
        # Let go of the object, which lives on under its other name.
        known = record.cloudflare
        record = replace(
            record, cloudflare=CloudflareObject(seen=known.seen, applied=known.applied)
        )
    return replace(
        record,
        state=derived.state,
        reason=derived.reason,
        arrived_at=arrived,
        schedule=schedule,
        tombstone=_is_tombstone(record, gone=gone, newly=bool(steps)),
        # A token is of one record alone, and ends with it.
        proof=None if gone else record.proof,
    )


def _is_tombstone(record: CustomHostname, *, gone: bool, newly: bool) -> bool:
    """Whether another tenant has to prove the name before taking it.

    A released name is checked until DNS shows that it no longer points here.
    """
    if record.name_released_at is not None:
        return _may_still_point_here(record, newly=False)
    return gone and _may_still_point_here(record, newly=newly)


def _note_dangling(
    record: CustomHostname, before: CustomHostname, observation: Observation, now: datetime
) -> CustomHostname:
    """Note that a removed name still leads here, once a check after its removal has found that.

    A name that somebody holds again is meant to lead here.
    """
    since = record.dangling_since
    if before.state is State.DELETED and since is None:
        seen = observation.dns.routing
        since = now if isinstance(seen, Found) and seen.value.points_at_target else None
    if record.state is not State.DELETED or not record.tombstone or record.is_name_held:
        since = None
    reason = record.reason
    if since is not None and reason is Reason.REMOVED:
        reason = Reason.DANGLING
    elif since is None and reason is Reason.DANGLING:
        reason = Reason.REMOVED
    return replace(record, dangling_since=since, reason=reason)


def _may_still_point_here(record: CustomHostname, *, newly: bool) -> bool:
    """Whether DNS may still point here. Only a `Found` elsewhere or an absence frees the name.

    A name that never served is free.
    """
    routing = record.dns.routing
    if newly and record.cloudflare.seen is None and routing is None:
        return False
    if not newly and not record.tombstone:
        return False
    return may_point_here(routing)


def _schedule(
    record: CustomHostname,
    observation: Observation,
    *,
    now: datetime,
    policy: Policy,
    postponed: bool,
    proved: bool,
) -> CustomHostname:
    """Schedule the next checks. A side that was not asked keeps an earlier due time."""
    schedule = begin_fast_period(record, now=now, policy=policy)
    record = replace(record, schedule=schedule)
    dns = dns_due_at(record, now=now, policy=policy)
    cloudflare = cloudflare_due_at(record, observation, now=now, policy=policy)
    if isinstance(observation.dns.routing, NotAsked):
        dns = _earlier(_later_than(now, schedule.dns_due_at), dns)
    if isinstance(observation.cloudflare, NotAsked):
        known = _later_than(now, schedule.cloudflare_due_at)
        kept = known or cloudflare
        cloudflare = kept if schedule.cloudflare_failures else _earlier(known, cloudflare)
    if is_to_be_sent_again(record, observation) or proved:
        cloudflare = now
    if postponed and cloudflare is None:
        cloudflare = now + policy.failure_wait
    patched = observation.performed in {Action.REFRESH, Action.EDIT}
    actions_wait = (
        schedule.action_waits_until
        if patched or (postponed and action_waits(record, now))
        else None
    )
    for earliest in (schedule.cloudflare_waits_until, actions_wait, observation.held_back):
        if earliest is not None and cloudflare is not None:
            cloudflare = max(cloudflare, earliest)
    if cloudflare is None:
        cloudflare = last_check_at(record, now, policy)
    return replace(record, schedule=replace(schedule, dns_due_at=dns, cloudflare_due_at=cloudflare))


def _later_than(now: datetime, at: datetime | None) -> datetime | None:
    return at if at is not None and at > now else None


def _earlier(known: datetime | None, new: datetime | None) -> datetime | None:
    if known is None or new is None:
        return new
    return min(known, new)
