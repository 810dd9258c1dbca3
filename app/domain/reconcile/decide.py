"""The one place where states change: from a record and an observation to a transition. Pure."""

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
from app.domain.events import EventType, event_type, find_notices, note_told
from app.domain.observation import Absent, Act, Found, NotAsked, Observation, Side
from app.domain.reason import Reason
from app.domain.reconcile.actions import (
    act_waits,
    begin,
    follow_next_try,
    frees_its_name,
    must_wait,
    release_name,
    removed_is_absent,
    settle_removal,
    wanted_act,
)
from app.domain.reconcile.evidence import (
    absorb,
    first_contradicted,
    is_to_be_sent_again,
    looked_at,
    take_in,
    weigh,
)
from app.domain.reconcile.schedule import Policy, cloudflare_due_at, dns_due_at, last_look_at
from app.domain.reconcile.state_rules import Standing, find_standing

UPWARDS = (State.PENDING, State.VALIDATING, State.ACTIVE, State.CNAME_VERIFIED)
"""The order in which a hostname becomes live; none is ever skipped."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change of state, told by one event."""

    before: State
    after: State
    reason: Reason
    """Why it is in `after`; of a state that it only passed through, what fits that state."""

    @property
    def event_type(self) -> EventType:
        """How the step is told."""
        return event_type(self.before, self.after)


@dataclass(frozen=True, slots=True)
class Transition:
    """What follows from a look: the record as it shall be kept, the steps, and what to do next."""

    record: CustomHostname
    steps: tuple[Step, ...] = ()
    act: Act | None = None
    looked: frozenset[Side] = frozenset()
    """Of a hostname that was live: the sides that gave a clear answer."""
    contradicted: frozenset[Side] = frozenset()
    """Those of `looked` that contradict it for the first time."""
    notices: tuple[EventType, ...] = ()
    """What is told besides the steps, and after them."""


def decide(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> Transition:
    """Bring together what is desired and what was observed.

    `now` is Postgres's `nameplate_now()`, aware. The record that comes back carries the new state,
    its reason, and the instants of the next looks.
    """
    known, observation = take_in(record, removed_is_absent(record, observation), now=now)
    looked, contradicted = looked_at(known, observation), first_contradicted(known, observation)
    known, observation = weigh(known, observation, now=now, policy=policy)
    seen = absorb(known, observation, now=now, policy=policy)
    standing = find_standing(seen, observation, now=now, policy=policy)
    steps = tuple(_steps(record.state, standing, created=seen.cloudflare.id is not None))
    moved = _arrive(seen, standing, steps, now)
    moved = settle_removal(moved, observation, now=now, policy=policy)
    # Time alone frees nothing: it takes Cloudflare's word that it is gone there.
    gone = isinstance(observation.cloudflare, Absent) and moved.name_released_at is None
    if gone and frees_its_name(moved, now=now, policy=policy):
        moved = release_name(moved, now)
    wanted = wanted_act(moved, now=now, policy=policy) if observation.acted is None else None
    postponed = wanted is not None and must_wait(moved, observation, now)
    act = None if postponed else wanted
    begun = begin(act, moved, now)
    if act is None:
        begun = follow_next_try(begun, record, now=now, policy=policy)
    notices = find_notices(record, begun, stepped=bool(steps))
    told = note_told(begun, notices, stepped=bool(steps))
    kept = _schedule(told, observation, now=now, policy=policy, postponed=postponed)
    return Transition(kept, steps, act, looked, contradicted, notices)


def needs_thorough_look(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> bool:
    """Whether the DNS part of a routine look is news: then all servers must agree on it."""
    routing = observation.dns.routing
    if not isinstance(routing, Found):
        return False
    known = record.dns.routing
    if known is None or known.points_at_target is not routing.value.points_at_target:
        return True
    return bool(decide(record, observation, now=now, policy=policy).steps)


_ON_THE_WAY = {
    State.VALIDATING: Reason.HOSTNAME_CHECK_PENDING,
    State.ACTIVE: Reason.CNAME_CHECK_PENDING,
    State.DELETING: Reason.REMOVAL_REQUESTED,
}
"""The reasons of states that a look only passes through."""


def _steps(before: State, standing: Standing, *, created: bool) -> Iterator[Step]:
    """Walk from one state to the other without leaving out what lies between."""
    if before is standing.state:
        return
    for state in _between(before, standing.state, created=created):
        yield Step(before, state, _ON_THE_WAY[state])
        before = state
    yield Step(before, standing.state, standing.reason)


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
    record: CustomHostname, standing: Standing, steps: tuple[Step, ...], now: datetime
) -> CustomHostname:
    arrived = {**{step.after: now for step in steps}, **record.arrived_at}
    watch = record.watch
    if standing.state is not State.CNAME_VERIFIED:
        watch = replace(watch, contradictions=0, contradicted_at=None)
    if standing.state in LIVE:
        watch = replace(watch, refreshes=0)
    gone = standing.state is State.DELETED
    if gone and record.cloudflare.id is not None:
        # Let go: the object lives on under its other name.
        known = record.cloudflare
        record = replace(
            record, cloudflare=CloudflareObject(seen=known.seen, applied=known.applied)
        )
    return replace(
        record,
        state=standing.state,
        reason=standing.reason,
        arrived_at=arrived,
        watch=watch,
        tombstone=_is_tombstone(record, gone=gone, newly=bool(steps)),
    )


def _is_tombstone(record: CustomHostname, *, gone: bool, newly: bool) -> bool:
    """Whether others have to prove the name before they have it.

    One that gave its name free is looked at until DNS shows that it points here no more.
    """
    if record.name_released_at is not None:
        return _may_still_point_here(record, newly=False)
    return gone and _may_still_point_here(record, newly=newly)


def _may_still_point_here(record: CustomHostname, *, newly: bool) -> bool:
    """Only a Found elsewhere or absent frees the name; a name that was never served is free."""
    routing = record.dns.routing
    if newly and record.cloudflare.seen is None and routing is None:
        return False
    if not newly and not record.tombstone:
        return False
    return routing is None or routing.points_at_target


def _schedule(
    record: CustomHostname,
    observation: Observation,
    *,
    now: datetime,
    policy: Policy,
    postponed: bool,
) -> CustomHostname:
    """Set the next looks; the side that was not asked keeps an earlier appointment."""
    watch = record.watch
    dns = dns_due_at(record, now=now, policy=policy)
    cloudflare = cloudflare_due_at(record, observation, now=now, policy=policy)
    if isinstance(observation.dns.routing, NotAsked):
        dns = _earlier(_later_than(now, watch.dns_due_at), dns)
    if isinstance(observation.cloudflare, NotAsked):
        known = _later_than(now, watch.cloudflare_due_at)
        kept = known or cloudflare
        cloudflare = kept if watch.cloudflare_failures else _earlier(known, cloudflare)
    if is_to_be_sent_again(record, observation):
        cloudflare = now
    if postponed and cloudflare is None:
        cloudflare = now + policy.failure_wait
    patched = observation.acted in {Act.REFRESH, Act.EDIT}
    acts_wait = watch.act_waits_until if patched or (postponed and act_waits(record, now)) else None
    for earliest in (watch.cloudflare_waits_until, acts_wait, observation.held_back):
        if earliest is not None and cloudflare is not None:
            cloudflare = max(cloudflare, earliest)
    if cloudflare is None:
        cloudflare = last_look_at(record, now, policy)
    return replace(record, watch=replace(watch, dns_due_at=dns, cloudflare_due_at=cloudflare))


def _later_than(now: datetime, at: datetime | None) -> datetime | None:
    return at if at is not None and at > now else None


def _earlier(known: datetime | None, new: datetime | None) -> datetime | None:
    if known is None or new is None:
        return new
    return min(known, new)
