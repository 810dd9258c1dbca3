"""The one place where states change: from a record and an observation to a transition. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.absorb import absorb, found_records, is_to_be_sent_again
from app.domain.cloudflare_status import (
    CertificateMeaning,
    HostnameMeaning,
    certificate_meaning,
    hostname_meaning,
)
from app.domain.custom_hostname import (
    GONE,
    LIVE,
    CloudflareObject,
    CustomHostname,
    Desired,
    Purpose,
    RecordStatus,
    State,
)
from app.domain.errors import CloudflareRateLimited, CloudflareUnauthorized
from app.domain.events import EventType, event_type
from app.domain.observation import (
    Absent,
    Act,
    CloudflareHostname,
    Found,
    NotAsked,
    Observation,
    Refused,
    Unknown,
)
from app.domain.plan import has_drifted, records_complete, wanted_records, wanted_shape
from app.domain.reason import Reason
from app.domain.schedule import Policy, cloudflare_due_at, dns_due_at
from app.domain.sharing import (
    is_needed_by_sibling,
    is_sent_by_sibling,
    may_let_go,
    serves,
    waits_for_sibling,
)

UPWARDS = (State.PENDING, State.VALIDATING, State.ACTIVE, State.CNAME_VERIFIED)
"""The order in which a hostname becomes live; none is ever skipped."""

# Cloudflare's codes for a creation that a larger quota would let through.
QUOTA_CODES = frozenset({1404, 1405})


# Why a creation or an edit is refused for good, by Cloudflare's code (its page "Status codes -
# Custom hostnames"). For a certificate authority that the plan lacks there is none: its text says.
_REFUSALS = {
    **dict.fromkeys(QUOTA_CODES, Reason.QUOTA_EXCEEDED),
    1414: Reason.CUSTOM_ORIGIN_UNAVAILABLE,
    **dict.fromkeys(range(1415, 1422), Reason.CUSTOM_ORIGIN_REFUSED),
}
_SPEAKS_OF_AUTHORITY = re.compile(r"certificate[ _]authority", re.IGNORECASE)

_WHY_NOT_CREATED = {
    CloudflareUnauthorized.code: Reason.CLOUDFLARE_UNAUTHORIZED,
    CloudflareRateLimited.code: Reason.CREATION_QUEUED,
}


_PROVED_BY = {
    Purpose.OWNERSHIP: {Purpose.OWNERSHIP},
    Purpose.CERTIFICATE: {Purpose.CERTIFICATE, Purpose.DELEGATION},
}

# What a record that is asked for is called while it is missing, and while it is wrong.
_LACKING = {
    (Purpose.OWNERSHIP, "TXT"): (Reason.OWNERSHIP_TXT_MISSING, Reason.OWNERSHIP_TXT_WRONG),
    (Purpose.OWNERSHIP, "HTTP"): (Reason.OWNERSHIP_HTTP_AWAITED, Reason.OWNERSHIP_HTTP_AWAITED),
    (Purpose.CERTIFICATE, "TXT"): (Reason.CERTIFICATE_TXT_MISSING, Reason.CERTIFICATE_TXT_WRONG),
    (Purpose.CERTIFICATE, "HTTP"): (
        Reason.CERTIFICATE_HTTP_AWAITED,
        Reason.CERTIFICATE_HTTP_AWAITED,
    ),
    (Purpose.CERTIFICATE, "EMAIL"): (
        Reason.CERTIFICATE_EMAIL_AWAITED,
        Reason.CERTIFICATE_EMAIL_AWAITED,
    ),
    (Purpose.DELEGATION, "CNAME"): (Reason.DELEGATION_MISSING, Reason.DELEGATION_WRONG),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One change of state, told by one event."""

    before: State
    after: State

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


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the hostname stands, and why."""

    state: State
    reason: Reason


def decide(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> Transition:
    """Bring together what is desired and what was observed.

    `now` is Postgres's `nameplate_now()`, aware. The record that comes back carries the new state,
    its reason, and the instants of the next looks.
    """
    seen = absorb(record, observation, now=now, policy=policy)
    standing = _standing(seen, observation, now=now, policy=policy)
    steps = tuple(_steps(record.state, standing.state, created=seen.cloudflare.id is not None))
    moved = _arrive(seen, standing, steps, now)
    act = _act(moved, observation, now=now, policy=policy)
    begun = _begin(act, moved, now)
    return Transition(_schedule(begun, observation, now=now, policy=policy), steps, act)


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


def _standing(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> Standing:
    if record.desired is Desired.ABSENT:
        return _leaving(record)
    if record.cloudflare.id is None:
        return _not_at_cloudflare(record, observation)
    return _with_refused_edit(record, _there(record, observation, now=now, policy=policy))


def _there(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> Standing:
    view = record.cloudflare.seen
    if view is None:
        return Standing(record.state, record.reason)
    match hostname_meaning(view):
        case HostnameMeaning.BLOCKED:
            return Standing(State.FAILED, _blocked_reason(view))
        case HostnameMeaning.MOVED:
            return Standing(State.VALIDATING, _lapsed(record))
        case HostnameMeaning.ACTIVE | HostnameMeaning.GOING:
            if serves(record):
                return _live(record, observation, now=now, policy=policy)
            return Standing(State.VALIDATING, _missing(record, view))


def _leaving(record: CustomHostname) -> Standing:
    never_tried = record.cloudflare.id is None and record.cloudflare.create_tried_at is None
    if record.state is State.DELETED or never_tried:
        return Standing(State.DELETED, Reason.REMOVED)
    if may_let_go(record) and not has_drifted(record):
        return Standing(State.DELETED, Reason.REMOVED)
    return Standing(State.DELETING, Reason.REMOVAL_REQUESTED)


def _not_at_cloudflare(record: CustomHostname, observation: Observation) -> Standing:
    view = record.cloudflare.seen
    match observation.cloudflare:
        case Found():
            return Standing(State.FAILED, Reason.ALREADY_IN_ZONE)
        case Refused() if is_to_be_sent_again(record, observation):
            return Standing(record.state, record.reason)
        case Refused(code, message):
            why = _refusal_reason(record, code, message)
            return Standing(State.FAILED, why or Reason.REFUSED_BY_CLOUDFLARE)
        case Absent() if view is not None and hostname_meaning(view) is not HostnameMeaning.MOVED:
            return Standing(State.FAILED, Reason.MISSING_AT_CLOUDFLARE)
        case _:
            pass
    if record.state is State.FAILED:
        return Standing(State.FAILED, record.reason)
    if view is None:
        return Standing(State.PENDING, _creation_reason(record, observation))
    if hostname_meaning(view) is HostnameMeaning.MOVED:
        return Standing(State.VALIDATING, _lapsed(record))
    return Standing(State.FAILED, Reason.MISSING_AT_CLOUDFLARE)


def _refusal_reason(record: CustomHostname, code: int, message: str) -> Reason | None:
    chosen = record.options.certificate_authority is not None
    if chosen and _SPEAKS_OF_AUTHORITY.search(message):
        return Reason.CERTIFICATE_AUTHORITY_UNAVAILABLE
    return _REFUSALS.get(code)


def _with_refused_edit(record: CustomHostname, standing: Standing) -> Standing:
    """Say that what is wanted now was refused; a live name stays live with what it has."""
    refused = record.cloudflare.refused_edit
    if refused is None or refused.wanted != wanted_shape(record):
        return standing
    why = _refusal_reason(record, refused.code, refused.message) or Reason.EDIT_REFUSED
    if standing.state is State.VALIDATING:
        return Standing(State.FAILED, why)
    return Standing(standing.state, why if standing.reason is Reason.LIVE else standing.reason)


def _lapsed(record: CustomHostname) -> Reason:
    return Reason.MOVED_AWAY if record.has_been_live else Reason.VALIDATION_LAPSED


def _creation_reason(record: CustomHostname, observation: Observation) -> Reason:
    match observation.cloudflare:
        case Unknown(why):
            return _WHY_NOT_CREATED.get(why, Reason.CLOUDFLARE_UNREACHABLE)
        case NotAsked():
            return record.reason
        case _:
            return Reason.CREATING


def _blocked_reason(view: CloudflareHostname) -> Reason:
    held = _mentions(view, r"\bzone\b.*\b(held|hold)\b|\bheld zone\b")
    return Reason.ZONE_HELD if held else Reason.HOSTNAME_BLOCKED


def _live(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> Standing:
    routing = record.dns.routing
    points = routing is not None and routing.points_at_target
    if points:
        return Standing(State.CNAME_VERIFIED, Reason.LIVE)
    # Time alone concludes nothing: it takes a look that finds the name elsewhere.
    seen = isinstance(observation.dns.routing, Found)
    lost = seen and _contradicted(record, now, policy)
    if record.state is State.CNAME_VERIFIED and not lost:
        return Standing(State.CNAME_VERIFIED, Reason.CNAME_CONTRADICTED)
    return Standing(State.ACTIVE, _cname_reason(record))


def _contradicted(record: CustomHostname, now: datetime, policy: Policy) -> bool:
    watch = record.watch
    if watch.contradicted_at is None or watch.contradictions < policy.contradictions:
        return False
    return now - watch.contradicted_at >= policy.contradicted_for


def _missing(record: CustomHostname, view: CloudflareHostname) -> Reason:
    """Say what keeps the two statuses from being active, and so whose turn it is."""
    if _mentions(view, "fallback origin"):
        return Reason.FALLBACK_ORIGIN_NOT_READY
    if _mentions(view, "caa_error"):
        return Reason.CAA_FORBIDS_ISSUANCE
    if not records_complete(record):
        return Reason.PREPARING_RECORDS
    if hostname_meaning(view) is not HostnameMeaning.ACTIVE:
        return _record_reason(record, Purpose.OWNERSHIP) or Reason.HOSTNAME_CHECK_PENDING
    match certificate_meaning(view):
        case CertificateMeaning.ISSUING:
            return Reason.CERTIFICATE_ISSUING
        case CertificateMeaning.DEPLOYING:
            return Reason.CERTIFICATE_DEPLOYING
        case CertificateMeaning.ENDED:
            return Reason.CERTIFICATE_EXPIRED
        case CertificateMeaning.TIMED_OUT:
            return _record_reason(record, Purpose.CERTIFICATE) or Reason.CERTIFICATE_TIMED_OUT
        case CertificateMeaning.CHECKING | CertificateMeaning.GOING | CertificateMeaning.ACTIVE:
            return _record_reason(record, Purpose.CERTIFICATE) or Reason.CERTIFICATE_CHECK_PENDING


def _record_reason(record: CustomHostname, purpose: Purpose) -> Reason | None:
    """Name the record that is still lacking for `purpose`; None when the tenant did all of it."""
    wanted = wanted_records(record)
    routed = any(r.purpose is Purpose.ROUTING and r.status is RecordStatus.FOUND for r in wanted)
    # Once traffic arrives here, hostname and HTTP validation need no token; but what arrives by a
    # wildcard says nothing of the name itself, which is the one Cloudflare checks.
    if routed and not wanted_shape(record).wildcard:
        return None
    lacking = [r for r in wanted if r.purpose in _PROVED_BY[purpose]]
    if not lacking:
        return None if routed else _cname_reason(record)
    statuses = {r.status for r in lacking}
    if statuses == {RecordStatus.FOUND}:
        return None
    missing, wrong = _LACKING[lacking[0].purpose, lacking[0].type]
    return wrong if RecordStatus.WRONG in statuses else missing


def _cname_reason(record: CustomHostname) -> Reason:
    wrong = any(
        r.purpose is Purpose.ROUTING and r.status is RecordStatus.WRONG
        for r in wanted_records(record)
    )
    return Reason.CNAME_ELSEWHERE if wrong else Reason.AWAITING_CNAME


def _mentions(view: CloudflareHostname, pattern: str) -> bool:
    texts = (*view.verification_errors, *view.validation_errors)
    return any(re.search(pattern, text, re.IGNORECASE) for text in texts)


def _steps(before: State, after: State, *, created: bool) -> Iterator[Step]:
    """Walk from one state to the other without leaving out what lies between."""
    if before is after:
        return
    for state in _between(before, after, created=created):
        yield Step(before, state)
        before = state
    yield Step(before, after)


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
        tombstone=gone and _may_still_point_here(record, newly=bool(steps)),
    )


def _may_still_point_here(record: CustomHostname, *, newly: bool) -> bool:
    """Only a Found elsewhere or absent frees the name; a name that was never served is free."""
    routing = record.dns.routing
    if newly and record.cloudflare.seen is None and routing is None:
        return False
    if not newly and not record.tombstone:
        return False
    return routing is None or routing.points_at_target


def _act(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> Act | None:
    if observation.acted is not None:
        return None
    if _must_wait(record, observation, now):
        return None
    if record.desired is Desired.ABSENT:
        return _removal(record)
    if record.cloudflare.id is None:
        waits = waits_for_sibling(record) or not _wants_creation(record)
        return None if waits else Act.CREATE
    if _wants_edit(record):
        return Act.EDIT
    return Act.REFRESH if _wants_refresh(record, now, policy) else None


def _removal(record: CustomHostname) -> Act | None:
    """The object goes with its last name; before that it only stops covering this one."""
    if record.cloudflare.id is None or record.state is not State.DELETING:
        return None
    if not is_needed_by_sibling(record):
        return Act.DELETE
    known = record.cloudflare
    ready = may_let_go(record) and known.seen is not None
    return Act.EDIT if ready and not is_sent_by_sibling(record, wanted_shape(record)) else None


def _begin(act: Act | None, record: CustomHostname, now: datetime) -> CustomHostname:
    match act:
        case Act.CREATE:
            return _begin_creation(record, now)
        case Act.EDIT:
            sending = wanted_shape(record)
            begun = replace(record, cloudflare=replace(record.cloudflare, sending=sending))
            return _settle_request(begun, now)
        case _:
            return _settle_request(record, now)


def _begin_creation(record: CustomHostname, now: datetime) -> CustomHostname:
    """Note the beginning before the POST, so that what it makes is known as ours after a crash.

    Where an earlier POST may have made another shape, both are kept: an edit will tell.
    """
    known, wanted = record.cloudflare, wanted_shape(record)
    started = known.create_started_at or now
    applied = wanted if known.create_started_at is None else known.applied or wanted
    sending = wanted if applied != wanted else known.sending
    begun = replace(
        known,
        create_started_at=started,
        create_tried_at=now,
        applied=applied,
        sending=sending,
        refused_edit=None,
    )
    return replace(record, cloudflare=begun)


def _settle_request(record: CustomHostname, now: datetime) -> CustomHostname:
    """Take a person's request as met when there is nothing left to refresh."""
    if record.cloudflare.id is None or not record.refresh_is_requested:
        return record
    if not _needs_nothing(record):
        return record
    return replace(record, watch=replace(record.watch, refreshed_at=now))


def _must_wait(record: CustomHostname, observation: Observation, now: datetime) -> bool:
    """After an Unknown, acts wait for the back-off too: a 429 must not be answered with a PATCH."""
    if isinstance(observation.cloudflare, Unknown):
        return True
    watch = record.watch
    if watch.cloudflare_waits_until is not None and watch.cloudflare_waits_until > now:
        return True
    due = watch.cloudflare_due_at
    return watch.cloudflare_failures > 0 and due is not None and due > now


def _wants_creation(record: CustomHostname) -> bool:
    if record.state is State.PENDING or record.refresh_is_requested:
        return True
    routing = record.dns.routing
    came_back = routing is not None and routing.points_at_target
    return record.state is State.VALIDATING and came_back


def _wants_edit(record: CustomHostname) -> bool:
    known = record.cloudflare
    if known.seen is None or not has_drifted(record):
        return False
    if is_sent_by_sibling(record, wanted_shape(record)):
        return False
    refused = known.refused_edit
    if refused is None or refused.wanted != wanted_shape(record):
        return True
    return record.refresh_is_requested


def _wants_refresh(record: CustomHostname, now: datetime, policy: Policy) -> bool:
    view = record.cloudflare.seen
    if view is None or _needs_nothing(record):
        return False
    if record.refresh_is_requested:
        return True
    if not _waits_for_records(view):
        return False
    watch = record.watch
    found = found_records(record)
    if not found:
        return False
    if found - watch.refreshed_records:
        return True
    waits = policy.refresh_again
    if watch.refreshed_at is None or watch.refreshes >= len(waits):
        return False
    return now - watch.refreshed_at >= waits[watch.refreshes]


def _needs_nothing(record: CustomHostname) -> bool:
    """Whether a refresh could only disturb: a renewal is Cloudflare's affair until it gives up."""
    view = record.cloudflare.seen
    if view is None or not serves(record):
        return False
    return certificate_meaning(view) is not CertificateMeaning.TIMED_OUT


def _waits_for_records(view: CloudflareHostname) -> bool:
    """Whether looking again at once could help Cloudflare on."""
    match hostname_meaning(view):
        case HostnameMeaning.BLOCKED:
            return False
        case HostnameMeaning.MOVED | HostnameMeaning.GOING:
            return True
        case HostnameMeaning.ACTIVE:
            waiting = {CertificateMeaning.CHECKING, CertificateMeaning.TIMED_OUT}
            return certificate_meaning(view) in waiting


def _schedule(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
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
    waits_until = watch.cloudflare_waits_until
    if waits_until is not None and cloudflare is not None:
        cloudflare = max(cloudflare, waits_until)
    return replace(record, watch=replace(watch, dns_due_at=dns, cloudflare_due_at=cloudflare))


def _later_than(now: datetime, at: datetime | None) -> datetime | None:
    return at if at is not None and at > now else None


def _earlier(known: datetime | None, new: datetime | None) -> datetime | None:
    if known is None or new is None:
        return new
    return min(known, new)
