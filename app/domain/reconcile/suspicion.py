"""Suspect what speaks against a hostname until a second check confirms it. Pure.

`evidence` applies what is left of the observation.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.cloudflare_terms import both_active
from app.domain.custom_hostname import (
    LIVE,
    CustomHostname,
    Desired,
    State,
)
from app.domain.observation import (
    Absent,
    Action,
    Found,
    NotAsked,
    Observation,
    Side,
    Unknown,
)
from app.domain.reconcile.evidence import answered
from app.domain.reconcile.schedule import (
    Policy,
    confirm_after,
)

EARLY = timedelta(seconds=5)
"""How much earlier than its due time a confirming check may come."""


def drop_late_answer(
    record: CustomHostname, observation: Observation, *, now: datetime
) -> tuple[CustomHostname, Observation]:
    """Note when the request was sent, and drop an answer that is older than the last one applied.

    A page of a list can arrive after a check that was sent later. A view under another id than the
    record's belongs to another object and is dropped too. So is any view of a record that is still
    to be created: only the answer to its POST says what is ours. The answer to an action is always
    applied.
    """
    performed = observation.performed is not None
    if isinstance(observation.cloudflare, NotAsked):
        return record, observation
    if isinstance(observation.cloudflare, Unknown) and not performed:
        return record, observation
    if not performed and (_is_late(record, observation) or _is_of_another(record, observation)):
        return record, replace(observation, cloudflare=NotAsked())
    sent = observation.sent_at or now
    viewed = max(sent, record.schedule.viewed_at or sent)
    return replace(record, schedule=replace(record.schedule, viewed_at=viewed)), observation


def confirm(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> tuple[CustomHostname, Observation]:
    """Begin, keep or end the suspicion. A suspected absence is taken out of the observation."""
    if record.desired is Desired.ABSENT:
        return _with_suspicion(record, None), observation
    if not isinstance(observation.cloudflare, Found | Absent):
        return record, observation
    if not speaks_against(record, observation):
        return _with_suspicion(record, None), observation
    if _is_believed(record, observation, now=now, policy=policy):
        return _with_suspicion(record, None), observation
    suspected = _with_suspicion(record, record.schedule.suspected_at or now)
    if isinstance(observation.cloudflare, Absent):
        suspected = replace(suspected, schedule=answered(suspected.schedule))
        return suspected, replace(observation, cloudflare=NotAsked())
    return suspected, observation


def speaks_against(record: CustomHostname, observation: Observation) -> bool:
    """Whether the check says that a hostname is gone, or that a live one is no longer live."""
    if record.desired is Desired.ABSENT or observation.performed in {Action.CREATE, Action.DELETE}:
        return False
    match observation.cloudflare:
        case Absent():
            return record.cloudflare.id is not None
        case Found(view):
            return record.state in LIVE and not both_active(view, live=True)
        case _:
            return False


def answering_sides(record: CustomHostname, observation: Observation) -> frozenset[Side]:
    """The sides that gave a clear answer about a live hostname, and so could show a mismatch.

    DNS can show a mismatch only for a `cname_verified` name. An `active` one is not known to point
    here.
    """
    if observation.performed in {Action.CREATE, Action.DELETE} or record.desired is Desired.ABSENT:
        return frozenset()
    sides = set()
    if record.state is State.CNAME_VERIFIED and isinstance(observation.dns.routing, Found):
        sides.add(Side.DNS)
    if record.state in LIVE and isinstance(observation.cloudflare, Found | Absent):
        sides.add(Side.CLOUDFLARE)
    return frozenset(sides)


def first_mismatches(record: CustomHostname, observation: Observation) -> frozenset[Side]:
    """Those of `answering_sides` that show a mismatch now and did not in the check before."""
    return frozenset(
        side
        for side in answering_sides(record, observation)
        if _is_mismatch(side, record, observation)
    )


def _is_mismatch(side: Side, record: CustomHostname, observation: Observation) -> bool:
    match side:
        case Side.DNS:
            routing = observation.dns.routing
            away = isinstance(routing, Found) and routing.value.points_at_target is False
            return away and record.schedule.mismatched_at is None
        case Side.CLOUDFLARE:
            return speaks_against(record, observation) and record.schedule.suspected_at is None


def _is_late(record: CustomHostname, observation: Observation) -> bool:
    sent, viewed = observation.sent_at, record.schedule.viewed_at
    return sent is not None and viewed is not None and sent <= viewed


def _is_of_another(record: CustomHostname, observation: Observation) -> bool:
    known, seen = record.cloudflare.id, observation.cloudflare
    if not isinstance(seen, Found) or (known is None and record.desired is Desired.ABSENT):
        return False
    return seen.value.id != known


def _is_believed(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> bool:
    if record.schedule.removal is not None:
        return True
    suspected = record.schedule.suspected_at
    sent = observation.sent_at or now
    return suspected is not None and sent - suspected >= confirm_after(record, now, policy) - EARLY


def _with_suspicion(record: CustomHostname, suspected_at: datetime | None) -> CustomHostname:
    return replace(record, schedule=replace(record.schedule, suspected_at=suspected_at))
