"""The rules that derive a hostname's state and reason after a check. Pure.

`evidence` applies what was observed; `decide` makes the change of state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.cloudflare_terms import (
    REFUSALS,
    CertificateMeaning,
    HostnameMeaning,
    certificate_meaning,
    hostname_meaning,
    is_held,
    reason_behind,
    reason_in_the_way,
    speaks_of_authority,
    waits_for_renewal,
)
from app.domain.custom_hostname import (
    LIVE,
    CustomHostname,
    Desired,
    Purpose,
    RecordStatus,
    Removal,
    State,
)
from app.domain.errors import (
    CloudflareForbidden,
    CloudflareNotEnabled,
    CloudflarePermissionMissing,
    CloudflareRateLimited,
    CloudflareTokenMalformed,
    CloudflareTokenRestricted,
    CloudflareUnauthorized,
    CloudflareZoneUnknown,
)
from app.domain.observation import (
    Absent,
    CloudflareHostname,
    Found,
    NotAsked,
    Observation,
    Refused,
    Unknown,
)
from app.domain.plan import (
    has_drifted,
    is_real_time,
    records_complete,
    wanted_records,
    wanted_spec,
)
from app.domain.proof import challenge_name
from app.domain.reason import Reason, WaitingOn
from app.domain.reconcile.evidence import is_to_be_sent_again
from app.domain.reconcile.schedule import Policy, proof_is_late
from app.domain.siblings import may_let_go, serves

_LAPSED = frozenset({Reason.MOVED_AWAY, Reason.VALIDATION_LAPSED})

_ENDED_WITH_THE_CHECK = frozenset({Reason.ZONE_PAUSED, Reason.PROOF_AWAITED, Reason.NAME_HELD})
"""Reasons why a creation waits that hold no longer once the hostname is worked on."""

_WHY_NOT_CREATED: Mapping[str, Reason] = {
    CloudflareUnauthorized.code: Reason.CLOUDFLARE_UNAUTHORIZED,
    CloudflareForbidden.code: Reason.CLOUDFLARE_UNAUTHORIZED,
    CloudflareTokenMalformed.code: Reason.CLOUDFLARE_TOKEN_MALFORMED,
    CloudflareTokenRestricted.code: Reason.CLOUDFLARE_TOKEN_RESTRICTED,
    CloudflarePermissionMissing.code: Reason.CLOUDFLARE_PERMISSION_MISSING,
    CloudflareZoneUnknown.code: Reason.CLOUDFLARE_ZONE_UNKNOWN,
    CloudflareNotEnabled.code: Reason.CLOUDFLARE_SAAS_NOT_ENABLED,
    CloudflareRateLimited.code: Reason.CREATION_QUEUED,
}

_PROVED_BY = {
    Purpose.OWNERSHIP: {Purpose.OWNERSHIP},
    Purpose.CERTIFICATE: {Purpose.CERTIFICATE, Purpose.DELEGATION},
}


# The reasons for a wanted record: while it is missing, and while it is wrong.
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

_LACKING_STATUSES = frozenset({RecordStatus.MISSING, RecordStatus.MISPLACED, RecordStatus.WRONG})


@dataclass(frozen=True, slots=True)
class DerivedState:
    """The state that a hostname should have, and why."""

    state: State
    reason: Reason


def derive_state(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> DerivedState:
    """Derive the state from what is desired and what is known.

    `observation` is already applied to `record`.
    """
    if record.desired is Desired.ABSENT:
        return _leaving(record, observation)
    if record.cloudflare.id is None:
        if record.awaits_proof:
            return _without_proof(record, observation, now=now, policy=policy)
        return _not_at_cloudflare(record, observation)
    derived = _there(record, observation, now=now, policy=policy)
    return _with_refused_edit(record, _with_refused_refresh(record, derived))


def _there(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> DerivedState:
    view = record.cloudflare.seen
    if view is None:
        return DerivedState(record.state, record.reason)
    # A view that speaks against a live name is believed in the check that confirms it, or never. It
    # is kept beyond that check only if a pause cleared the suspicion.
    unheard = not isinstance(observation.cloudflare, Found) and not serves(record)
    if record.state in LIVE and (record.schedule.suspected_at is not None or unheard):
        return _is_suspected(record, observation, now=now, policy=policy)
    match hostname_meaning(view):
        case HostnameMeaning.LEAVING if record.state not in LIVE and _is_kept_while_leaving(record):
            return DerivedState(record.state, record.reason)
        case HostnameMeaning.BLOCKED:
            return DerivedState(
                State.FAILED, Reason.ZONE_HELD if is_held(view) else Reason.HOSTNAME_BLOCKED
            )
        case HostnameMeaning.MOVED:
            return DerivedState(State.VALIDATING, _lapsed(record))
        case HostnameMeaning.ACTIVE | HostnameMeaning.GOING | HostnameMeaning.LEAVING:
            if serves(record):
                return _live(record, observation, now=now, policy=policy)
            return DerivedState(State.VALIDATING, _missing(record, view))


def _leaving(record: CustomHostname, observation: Observation) -> DerivedState:
    if record.state is State.DELETED:
        return DerivedState(State.DELETED, record.reason)
    if record.cloudflare.id is None and record.cloudflare.create_tried_at is None:
        other = record.reason is Reason.ALREADY_IN_ZONE or _namesake(observation) is not None
        reason = Reason.REMOVED_BUT_STILL_IN_ZONE if other else Reason.REMOVED
        return DerivedState(State.DELETED, reason)
    if may_let_go(record) and not has_drifted(record):
        return DerivedState(State.DELETED, Reason.REMOVED)
    return DerivedState(State.DELETING, Reason.REMOVAL_REQUESTED)


def _without_proof(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> DerivedState:
    """Time alone ends no wait for a proof: DNS has to say that there is none."""
    asked = observation.dns.records.get(("TXT", challenge_name(record.hostname)))
    is_answered = isinstance(asked, Found | Absent) or record.state is State.FAILED
    if is_answered and proof_is_late(record, now=now, policy=policy):
        return DerivedState(State.FAILED, Reason.NEVER_PROVED)
    why = Reason.NAME_HELD if record.is_name_held else Reason.PROOF_AWAITED
    return DerivedState(State.PENDING, why)


def _not_at_cloudflare(record: CustomHostname, observation: Observation) -> DerivedState:
    answered = _answered(record, observation)
    if answered is not None:
        return answered
    view = record.cloudflare.seen
    if record.state is State.FAILED:
        return DerivedState(State.FAILED, record.reason)
    if view is None:
        return DerivedState(State.PENDING, _creation_reason(record, observation))
    if record.schedule.removal is Removal.REMAKE:
        return DerivedState(State.VALIDATING, Reason.CERTIFICATE_TIMED_OUT)
    if _has_lapsed(record, view):
        if not _shows_itself(record):
            return DerivedState(State.FAILED, Reason.NEVER_SET_UP)
        return DerivedState(State.VALIDATING, _lapsed(record))
    return DerivedState(State.FAILED, Reason.MISSING_AT_CLOUDFLARE)


def _answered(record: CustomHostname, observation: Observation) -> DerivedState | None:
    """The state that this answer gives to a hostname that is not at Cloudflare."""
    view = record.cloudflare.seen
    match observation.cloudflare:
        case Found():
            return DerivedState(State.FAILED, Reason.ALREADY_IN_ZONE)
        case Absent(namesake) if namesake is not None:
            return DerivedState(State.FAILED, Reason.ALREADY_IN_ZONE)
        case Refused() if is_to_be_sent_again(record, observation):
            return DerivedState(record.state, record.reason)
        case Refused(code, message):
            why = _refusal_reason(record, code, message)
            return DerivedState(State.FAILED, why or Reason.REFUSED_BY_CLOUDFLARE)
        case Absent() if record.schedule.removal is Removal.GIVE_UP:
            return DerivedState(State.FAILED, Reason.NEVER_SET_UP)
        case Absent() if view is not None and not _comes_back(record, view):
            lapsed = _has_lapsed(record, view)
            why = Reason.NEVER_SET_UP if lapsed else Reason.MISSING_AT_CLOUDFLARE
            return DerivedState(State.FAILED, why)
        case _:
            return None


def _namesake(observation: Observation) -> CloudflareHostname | None:
    absent = observation.cloudflare
    return absent.namesake if isinstance(absent, Absent) else None


def _refusal_reason(record: CustomHostname, code: int, message: str) -> Reason | None:
    reason = REFUSALS.get(code)
    chosen = record.options.certificate_authority is not None
    if chosen and speaks_of_authority(message):
        return Reason.CERTIFICATE_AUTHORITY_UNAVAILABLE
    # If no certificate authority was chosen here, there is no choice to take back.
    return None if reason is Reason.CERTIFICATE_AUTHORITY_UNAVAILABLE and not chosen else reason


def _with_refused_refresh(record: CustomHostname, derived: DerivedState) -> DerivedState:
    """Give the refused refresh as the reason, if that refresh is what the hostname waits for."""
    refused, view = record.cloudflare.refused_refresh, record.cloudflare.seen
    if refused is None or view is None:
        return derived
    renews = derived.reason is Reason.LIVE
    renews &= certificate_meaning(view) is CertificateMeaning.TIMED_OUT
    waits = derived.state is State.VALIDATING
    waits &= derived.reason.waiting_on is WaitingOn.CLOUDFLARE
    if not (renews or waits):
        return derived
    why = _refusal_reason(record, refused.code, refused.message)
    return DerivedState(derived.state, why or Reason.REFRESH_REFUSED)


def _with_refused_edit(record: CustomHostname, derived: DerivedState) -> DerivedState:
    """Give the refused edit as the reason. A live name stays live with its former settings."""
    refused = record.cloudflare.refused_edit
    if refused is None or refused.wanted != wanted_spec(record):
        return derived
    why = _refusal_reason(record, refused.code, refused.message) or Reason.EDIT_REFUSED
    if derived.state is State.VALIDATING:
        return DerivedState(State.FAILED, why)
    return DerivedState(derived.state, why if derived.reason is Reason.LIVE else derived.reason)


def _comes_back(record: CustomHostname, view: CloudflareHostname) -> bool:
    lapsed = _has_lapsed(record, view) and _shows_itself(record)
    return record.schedule.removal is Removal.REMAKE or lapsed


def _has_lapsed(record: CustomHostname, view: CloudflareHostname) -> bool:
    """Whether Cloudflare itself gave up the hostname. A removal by others is not a lapse."""
    meaning = hostname_meaning(view)
    left = meaning is HostnameMeaning.LEAVING and record.reason in _LAPSED
    return left or meaning is HostnameMeaning.MOVED


def _shows_itself(record: CustomHostname) -> bool:
    """Whether DNS alone can bring back a removed name. Without its tokens, only the CNAME can."""
    return record.has_been_live or is_real_time(record)


def _is_kept_while_leaving(record: CustomHostname) -> bool:
    return record.schedule.removal is not None or record.reason in _LAPSED


def _lapsed(record: CustomHostname) -> Reason:
    return Reason.MOVED_AWAY if record.has_been_live else Reason.VALIDATION_LAPSED


def _creation_reason(record: CustomHostname, observation: Observation) -> Reason:
    if observation.held_back is not None:
        return Reason.CREATION_QUEUED
    match observation.cloudflare:
        case Unknown(why):
            return _WHY_NOT_CREATED.get(why, Reason.CLOUDFLARE_UNREACHABLE)
        case NotAsked() if record.reason not in _ENDED_WITH_THE_CHECK:
            return record.reason
        case _:
            return Reason.CREATING


def _is_suspected(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> DerivedState:
    """Do not believe Cloudflare's report yet. DNS may move the name down, but not up."""
    if record.state is State.ACTIVE:
        return DerivedState(State.ACTIVE, record.reason)
    return _live(record, observation, now=now, policy=policy)


def _live(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> DerivedState:
    if _serves_here(record):
        missing = _lacks_renewal_tokens(record)
        reason = Reason.RENEWAL_TOKENS_MISSING if missing else Reason.LIVE
        return DerivedState(State.CNAME_VERIFIED, reason)
    # Time alone proves nothing. A check has to find the name pointing elsewhere.
    seen = observation.dns.routing
    away = isinstance(seen, Found) and seen.value.points_at_target is False
    lost = away and _mismatched(record, now, policy)
    if record.state is State.CNAME_VERIFIED and not lost:
        return DerivedState(State.CNAME_VERIFIED, Reason.CNAME_MISMATCH)
    return DerivedState(State.ACTIVE, _cname_reason(record))


def _serves_here(record: CustomHostname) -> bool:
    """Whether DNS points here, or says nothing against a live name that is proxied by now."""
    routing = record.dns.routing
    if routing is None or not routing.is_hidden:
        return routing is not None and routing.points_at_target is True
    return record.state is State.CNAME_VERIFIED and record.schedule.mismatched_at is None


def _lacks_renewal_tokens(record: CustomHostname) -> bool:
    """Whether a renewal waits for records that are certainly absent, or for an e-mail's answer.

    Any name but a wildcard renews over HTTP by itself.
    """
    view = record.cloudflare.seen
    if view is None or not record.hostname.is_wildcard or not waits_for_renewal(view):
        return False
    wanted = (r for r in wanted_records(record) if r.purpose in _PROVED_BY[Purpose.CERTIFICATE])
    return any(r.type == "EMAIL" or r.status in _LACKING_STATUSES for r in wanted)


def _mismatched(record: CustomHostname, now: datetime, policy: Policy) -> bool:
    schedule = record.schedule
    if schedule.mismatched_at is None or schedule.mismatches < policy.mismatches:
        return False
    return now - schedule.mismatched_at >= policy.mismatched_for


def _missing(record: CustomHostname, view: CloudflareHostname) -> Reason:
    """Return what keeps the two statuses from being active, and so who has to act next."""
    in_the_way = reason_in_the_way(view)
    # The name points here by now, but Cloudflare has yet to see it.
    seen_since = in_the_way is Reason.PROXIED_ELSEWHERE and _is_routed(record)
    if in_the_way is not None and not seen_since:
        return in_the_way
    if not records_complete(record):
        return Reason.PREPARING_RECORDS
    if hostname_meaning(view) is not HostnameMeaning.ACTIVE:
        return _first_lacking(record, view) or Reason.HOSTNAME_CHECK_PENDING
    return _certificate_reason(record, view)


def _first_lacking(record: CustomHostname, view: CloudflareHostname) -> Reason | None:
    """Return what the tenant has to add next, in the order of the records. The CNAME comes last."""
    needed = [Purpose.OWNERSHIP]
    if certificate_meaning(view) is CertificateMeaning.CHECKING:
        needed.append(Purpose.CERTIFICATE)
    reasons = [_record_reason(record, purpose) for purpose in needed]
    lacking = [reason for reason in reasons if reason is not None]
    return next((r for r in lacking if r not in _CNAME_REASONS), next(iter(lacking), None))


_CERTIFICATE_REASONS = {
    CertificateMeaning.ISSUING: Reason.CERTIFICATE_ISSUING,
    CertificateMeaning.DEPLOYING: Reason.CERTIFICATE_DEPLOYING,
}

_CNAME_REASONS = frozenset({Reason.AWAITING_CNAME, Reason.CNAME_ELSEWHERE, Reason.PROXIED_UNPROVEN})


def _certificate_reason(record: CustomHostname, view: CloudflareHostname) -> Reason:
    meaning = certificate_meaning(view)
    if meaning in _CERTIFICATE_REASONS:
        return _CERTIFICATE_REASONS[meaning]
    lacking = _record_reason(record, Purpose.CERTIFICATE) or reason_behind(view)
    if lacking is not None:
        return lacking
    match meaning:
        case CertificateMeaning.TIMED_OUT:
            return Reason.CERTIFICATE_TIMED_OUT
        case CertificateMeaning.ENDED:
            return Reason.CERTIFICATE_EXPIRED
        case _:
            return Reason.CERTIFICATE_CHECK_PENDING


def _record_reason(record: CustomHostname, purpose: Purpose) -> Reason | None:
    """Return what is still missing for `purpose`. None when the tenant has done all of it."""
    wanted = wanted_records(record)
    # Once traffic arrives here, hostname and HTTP validation need no token. But traffic that
    # arrives through a wildcard says nothing about the base name, which Cloudflare checks.
    routed = _is_routed(record)
    lacking = [r for r in wanted if r.purpose in _PROVED_BY[purpose]]
    by_mail = any(r.type == "EMAIL" for r in lacking)
    if routed and not by_mail and not wanted_spec(record).wildcard:
        return None
    if not lacking:
        return None if routed else _cname_reason(record)
    statuses = {r.status for r in lacking}
    if statuses == {RecordStatus.FOUND}:
        return None
    missing, wrong = _LACKING[lacking[0].purpose, lacking[0].type]
    return wrong if RecordStatus.WRONG in statuses else missing


def _cname_reason(record: CustomHostname) -> Reason:
    routing = record.dns.routing
    if routing is not None and routing.is_hidden:
        confirms = serves(record) and routing.active_since is not None
        return Reason.PROXIED_UNCONFIRMED if confirms else Reason.PROXIED_UNPROVEN
    wrong = any(
        r.purpose is Purpose.ROUTING and r.status is RecordStatus.WRONG
        for r in wanted_records(record)
    )
    return Reason.CNAME_ELSEWHERE if wrong else Reason.AWAITING_CNAME


def _is_routed(record: CustomHostname) -> bool:
    found = (r for r in wanted_records(record) if r.status is RecordStatus.FOUND)
    return any(r.purpose is Purpose.ROUTING for r in found)
