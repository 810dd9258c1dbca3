"""Apply an observation to a record. Pure.

This module collects evidence; `suspicion` filters it first, `state_rules` derives the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.cloudflare_terms import ENTITLEMENTS, both_active, has_progressed
from app.domain.custom_hostname import (
    OF_ANY_AGE,
    CloudflareObject,
    CustomHostname,
    Desired,
    DnsRecord,
    DnsSeen,
    Purpose,
    RecordKey,
    RecordStatus,
    Schedule,
    State,
)
from app.domain.object_spec import RefusedEdit
from app.domain.observation import (
    Absent,
    Action,
    CloudflareHostname,
    DnsView,
    Found,
    NotAsked,
    Observation,
    Refused,
    Routing,
    RoutingKind,
    Unknown,
    ValidationRecord,
    Values,
)
from app.domain.plan import MOST_SHOWN, records_in_place, wanted_records, wanted_spec
from app.domain.proof import challenge_name
from app.domain.reconcile.proxied import confirm_proxied
from app.domain.reconcile.schedule import (
    DAY,
    Policy,
    action_wait,
    failure_wait,
    next_follow_up,
)

_OUR_TROUBLES = frozenset(
    {
        "address_ranges_unknown",
        "busy",
        "cname_target_not_found",
        "no_server",
        "too_many_questions",
        "unreachable",
    }
)
"""Why a check may fail without the domain's name servers being at fault."""
_FAILURES_TO_TELL = 2
_MOST_ADDRESSES = 16
"""How many addresses are kept as evidence. A tenant's server may answer thousands."""
_LONGEST_SHOWN = 255
"""Of a value in the place of a record, in characters."""
_TOKEN_KINDS = ("txt_value", "http_body", "emails")


NO_CUSTOM_METADATA = 1413
"""Cloudflare's code: the zone's plan has no custom metadata."""


def apply_observation(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> CustomHostname:
    """Return the record with `observation` applied. Its state is unchanged."""
    seen = _apply_cloudflare(record, observation, now=now, policy=policy)
    seen = _apply_dns(seen, observation.dns, now)
    seen = _apply_proof(seen, observation.dns, now)
    seen = confirm_proxied(seen, record, observation, now=now, policy=policy)
    seen = _apply_action(seen, observation, now)
    seen = _count_failing_actions(seen, observation, now=now, policy=policy)
    return replace(seen, schedule=replace(seen.schedule, waiting_since=_waiting_since(seen)))


def is_ours(view: CloudflareHostname, record: CustomHostname, skew: timedelta) -> bool:
    """Whether an object is the one this record began to create: the rule of adoption.

    It must not be older than the start of the creation.
    """
    known = record.cloudflare
    if known.seen is not None and known.seen.id == view.id:
        return True
    started = known.create_started_at
    if started == OF_ANY_AGE:
        return True
    if started is None or view.created_at is None:
        return False
    sent = record.cloudflare.in_flight, record.cloudflare.applied, wanted_spec(record)
    wildcard = {spec.wildcard for spec in sent if spec is not None}
    return view.created_at >= started - skew and view.wildcard in wildcard


def _apply_cloudflare(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> CustomHostname:
    schedule = record.schedule
    match observation.cloudflare:
        case Found(view):
            return _apply_found(record, observation, view, now=now, policy=policy)
        case Absent():
            forgotten = _forget(record.cloudflare, now, policy)
            # Cloudflare said "it exists" to the creation, and then "not found": back off.
            odd = observation.performed is Action.CREATE
            failures = schedule.cloudflare_failures + 1 if odd else 0
            schedule = replace(answered(schedule), cloudflare_failures=failures)
            return replace(record, cloudflare=forgotten, schedule=schedule)
        case Refused() as refused:
            return _apply_refusal(record, observation.performed, refused)
        case Unknown() as unknown:
            failed = replace(schedule, cloudflare_failures=schedule.cloudflare_failures + 1)
            if unknown.retry_after is not None:
                wait = failure_wait(replace(record, schedule=failed), unknown, policy)
                failed = replace(failed, cloudflare_waits_until=now + wait)
            kept = record.cloudflare
            if observation.performed is Action.CREATE and unknown.retry_after is not None:
                # Cloudflare did not process this POST, so it created nothing.
                kept = _without_post(kept)
            return replace(record, cloudflare=kept, schedule=failed)
        case NotAsked():
            return record


def _apply_found(
    record: CustomHostname,
    observation: Observation,
    view: CloudflareHostname,
    *,
    now: datetime,
    policy: Policy,
) -> CustomHostname:
    schedule = answered(record.schedule)
    if record.cloudflare.id is None and not is_ours(view, record, policy.adoption_skew):
        return replace(record, cloudflare=CloudflareObject(), schedule=schedule)
    if observation.performed is None and _is_news_of_progress(record, view, now):
        schedule = replace(schedule, followed_from=now)
    sent = _confirm(record) if observation.performed is Action.EDIT else record.cloudflare
    kept = _keep(sent, view)
    if observation.performed in {Action.EDIT, Action.REFRESH} or both_active(view, live=False):
        kept = replace(kept, refused_refresh=None)
    return replace(record, cloudflare=kept, schedule=schedule)


def _is_news_of_progress(record: CustomHostname, view: CloudflareHostname, now: datetime) -> bool:
    """Whether Cloudflare made progress with a name that is not followed closely."""
    before = record.cloudflare.seen
    if record.state is not State.VALIDATING or before is None:
        return False
    return has_progressed(before, view) and next_follow_up(record, now) is None


def answered(schedule: Schedule) -> Schedule:
    """Note an answer, which ends the back-off."""
    return replace(schedule, cloudflare_failures=0, cloudflare_waits_until=None)


def _apply_refusal(
    record: CustomHostname, performed: Action | None, refused: Refused
) -> CustomHostname:
    known = replace(record.cloudflare, refusal=refused.message)
    if performed in {Action.CREATE, Action.EDIT} and keeps_metadata_back(record, refused):
        # From now on the whole zone leaves the metadata out, so another spec is wanted.
        record = replace(record, zone=replace(record.zone, takes_custom_metadata=False))
        known = replace(known, refusal=None)
    if performed is Action.EDIT:
        return _apply_refused_edit(record, refused)
    if performed is Action.DELETE:
        # The same request would be refused again at once.
        failures = record.schedule.cloudflare_failures + 1
        schedule = replace(answered(record.schedule), cloudflare_failures=failures)
        return replace(record, cloudflare=known, schedule=schedule)
    if performed is Action.CREATE:
        known = _without_post(known)
    if performed is Action.REFRESH and refused.code in ENTITLEMENTS:
        sent = known.applied or wanted_spec(record)
        refusal = RefusedEdit(wanted=sent, code=refused.code, message=refused.message)
        known = replace(known, refusal=None, refused_refresh=refusal)
    return replace(record, cloudflare=known, schedule=answered(record.schedule))


def keeps_metadata_back(record: CustomHostname, refused: Refused) -> bool:
    """Whether only the custom metadata was refused, so that leaving it out will help."""
    return refused.code == NO_CUSTOM_METADATA and bool(wanted_spec(record).custom_metadata)


def _apply_refused_edit(record: CustomHostname, refused: Refused) -> CustomHostname:
    """Keep the former spec, since nothing was changed, and do not send this one again by itself."""
    known = record.cloudflare
    wanted = known.in_flight or wanted_spec(record)
    refusal = RefusedEdit(wanted=wanted, code=refused.code, message=refused.message)
    known = replace(known, in_flight=None, refused_edit=refusal)
    # The object of a name that is being removed has to be let go of, so retry with a growing
    # back-off.
    leaving = record.desired is Desired.ABSENT
    failures = record.schedule.cloudflare_failures + 1 if leaving else 0
    schedule = replace(answered(record.schedule), cloudflare_failures=failures)
    return replace(record, cloudflare=known, schedule=schedule)


def _confirm(record: CustomHostname) -> CloudflareObject:
    """Note that Cloudflare accepted the spec. A new order has new tokens and drops the old ones."""
    known = record.cloudflare
    wanted = known.in_flight or wanted_spec(record)
    same_order = known.applied is None or known.applied.order == wanted.order
    tokens = known.validation_records if same_order else ()
    return replace(
        known, applied=wanted, in_flight=None, refused_edit=None, validation_records=tokens
    )


def _without_post(known: CloudflareObject) -> CloudflareObject:
    """Forget a POST that created nothing, but keep an earlier one that may have created something.

    The earlier one got no answer.
    """
    if known.create_started_at != known.create_tried_at:
        return known
    return CloudflareObject(seen=known.seen, refusal=known.refusal)


def _tokens(
    known: tuple[ValidationRecord, ...], shown: tuple[ValidationRecord, ...]
) -> tuple[ValidationRecord, ...]:
    """Keep tokens that served and are no longer shown; take new ones of a kind if there are any.

    Cloudflare may renew over HTTP what was proved by TXT. Tokens of one kind replace only tokens of
    the same kind.
    """
    kept: list[ValidationRecord] = []
    for kind in _TOKEN_KINDS:
        before = [token for token in known if getattr(token, kind)]
        now = [token for token in shown if getattr(token, kind)]
        kept += before if before and set(now) <= set(before) else now
    return tuple(dict.fromkeys(kept))


def _keep(known: CloudflareObject, view: CloudflareHostname) -> CloudflareObject:
    tokens = _tokens(known.validation_records, view.validation_records)
    proof = known.ownership
    if view.ownership_name and view.ownership_value:
        proof = (view.ownership_name, view.ownership_value)
    return replace(
        known,
        id=view.id,
        seen=replace(view, validation_records=()),
        validation_records=tokens,
        ownership=proof,
        ownership_http=view.ownership_http or known.ownership_http,
        delegation=view.delegation or known.delegation,
        refusal=None,
    )


def _forget(known: CloudflareObject, now: datetime, policy: Policy) -> CloudflareObject:
    """Forget the object, unless the absence comes too soon after a POST without an answer."""
    tried = known.create_tried_at
    if known.id is None and tried is not None and now - tried < policy.post_settles:
        return known
    return CloudflareObject(seen=known.seen)


def _apply_dns(record: CustomHostname, view: DnsView, now: datetime) -> CustomHostname:
    routing, schedule = record.dns.routing, record.schedule
    error = record.dns.error
    if isinstance(view.routing, Unknown):
        schedule = replace(schedule, dns_failures=schedule.dns_failures + 1)
        error = _lasting_error(view.routing, schedule, error)
    if isinstance(view.routing, Found):
        error = None
        schedule = replace(schedule, dns_failures=0)
        routing = keep_evidence(routing, view.routing.value)
        schedule = _count_mismatch(schedule, record.state, routing, now)
    wanted = wanted_records(record)
    statuses = _statuses(wanted, view, record.dns.statuses)
    seen_dns = DnsSeen(
        routing=routing,
        statuses=statuses,
        found=_values_found(wanted, view, statuses, record.dns.found),
        found_at=_places(wanted, view, statuses, record.dns.found_at),
        error=error,
    )
    applied = replace(record, dns=seen_dns)
    # A record that disappeared counts as newly found when it comes back.
    kept = schedule.refreshed_records & records_in_place(applied)
    return replace(applied, schedule=replace(schedule, refreshed_records=kept))


def shows_proof(record: CustomHostname, view: DnsView) -> bool:
    """Whether DNS has the value that the record awaits. What could not be asked proves nothing."""
    if record.proof is None or not record.awaits_proof or record.is_name_held:
        return False
    values = view.records.get(("TXT", challenge_name(record.hostname)))
    return isinstance(values, Found) and record.proof.token in values.value


def _apply_proof(record: CustomHostname, view: DnsView, now: datetime) -> CustomHostname:
    """Give the name to a record whose tenant proved control of it."""
    if record.proof is None or not (view.is_thorough and shows_proof(record, view)):
        return record
    return replace(record, proof=replace(record.proof, found_at=now), name_released_at=None)


def _lasting_error(routing: Unknown, schedule: Schedule, before: str | None) -> str | None:
    """Return what is wrong with the domain's name servers, once two checks in a row failed.

    While the CNAME target is not found either, the trouble may be ours.
    """
    if routing.why in _OUR_TROUBLES:
        return before
    return routing.why if schedule.dns_failures >= _FAILURES_TO_TELL else before


def _values_found(
    wanted: tuple[DnsRecord, ...],
    view: DnsView,
    statuses: Mapping[RecordKey, RecordStatus],
    before: Mapping[RecordKey, tuple[str, ...]],
) -> dict[RecordKey, tuple[str, ...]]:
    """Return what stands in the place of validation records that are wrong."""
    found = {}
    for record in wanted:
        if record.purpose is Purpose.ROUTING or statuses.get(record.key) is not RecordStatus.WRONG:
            continue
        seen = view.records.get((record.type, record.name))
        if isinstance(seen, Found):
            shown = seen.value[:MOST_SHOWN]
            found[record.key] = tuple(each[:_LONGEST_SHOWN] for each in shown)
        elif record.key in before:
            found[record.key] = before[record.key]
    return found


def _places(
    wanted: tuple[DnsRecord, ...],
    view: DnsView,
    statuses: Mapping[RecordKey, RecordStatus],
    before: Mapping[RecordKey, str],
) -> dict[RecordKey, str]:
    """Return where records stand that are missing in their own place."""
    seen = {}
    for record in wanted:
        rrset = (record.type, record.name)
        is_routing = record.purpose is Purpose.ROUTING
        asked = view.routing if is_routing else view.records.get(rrset, NotAsked())
        is_answered = isinstance(asked, Found | Absent)
        place = view.misplaced.get(rrset) if is_answered else before.get(record.key)
        if statuses.get(record.key) is RecordStatus.MISSING and place is not None:
            seen[record.key] = place
    return seen


def keep_evidence(before: Routing | None, seen: Routing) -> Routing:
    """Keep the first evidence of the same finding, with what Cloudflare has confirmed of it.

    Rotating addresses are not a change.
    """
    same = before is not None and (before.kind, before.chain) == (seen.kind, seen.chain)
    if same and before is not None:
        return before
    return replace(seen, addresses=seen.addresses[:_MOST_ADDRESSES])


def _count_mismatch(schedule: Schedule, state: State, seen: Routing, now: datetime) -> Schedule:
    if seen.is_hidden and state is State.CNAME_VERIFIED:
        return schedule
    if seen.points_at_target or state is not State.CNAME_VERIFIED:
        return replace(schedule, mismatches=0, mismatched_at=None)
    return replace(
        schedule,
        mismatches=schedule.mismatches + 1,
        mismatched_at=schedule.mismatched_at or now,
    )


def _statuses(
    wanted: tuple[DnsRecord, ...], view: DnsView, before: Mapping[RecordKey, RecordStatus]
) -> dict[RecordKey, RecordStatus]:
    statuses = {}
    for record in wanted:
        status = (
            _routing_status(record, view)
            if record.purpose is Purpose.ROUTING
            else _value_status(record, view.records.get((record.type, record.name)))
        )
        kept = status or before.get(record.key)
        if kept is not None:
            statuses[record.key] = kept
    return statuses


def _routing_status(record: DnsRecord, view: DnsView) -> RecordStatus | None:
    match view.routing:
        case Found(routing) if routing.kind is RoutingKind.APEX and record.type != "CNAME":
            there = record.value in routing.addresses
            return RecordStatus.FOUND if there else RecordStatus.MISSING
        case Found(routing) if routing.kind is RoutingKind.PROXIED:
            return RecordStatus.UNKNOWN
        case Found(routing) if routing.points_at_target:
            return RecordStatus.FOUND
        case Found(routing):
            absent = routing.kind is RoutingKind.ABSENT
            return RecordStatus.MISSING if absent else RecordStatus.WRONG
        case _:
            return None


def _value_status(record: DnsRecord, values: Values | None) -> RecordStatus | None:
    match values:
        case Found(found):
            return RecordStatus.FOUND if record.value in found else RecordStatus.WRONG
        case Absent():
            return RecordStatus.MISSING
        case _:
            return None


def is_to_be_sent_again(record: CustomHostname, observation: Observation) -> bool:
    """Whether an action was refused for its custom metadata, which the next one leaves out."""
    answer, known = observation.cloudflare, record.cloudflare
    if not isinstance(answer, Refused) or answer.code != NO_CUSTOM_METADATA:
        return False
    if observation.performed is Action.EDIT:
        return known.refused_edit is None or known.refused_edit.wanted != wanted_spec(record)
    return known.refusal is None


def _waiting_since(record: CustomHostname) -> datetime:
    """A caller's change or refresh restarts the tenant's time. A later instant, if set, counts."""
    instants = (record.wanted_at, record.refresh_requested_at, record.schedule.waiting_since)
    return max(at for at in instants if at is not None)


def _apply_action(
    record: CustomHostname, observation: Observation, now: datetime
) -> CustomHostname:
    """Note an answered action, which counts as a refresh. An unanswered one is still to be done."""
    if observation.performed not in {Action.CREATE, Action.REFRESH, Action.EDIT}:
        return record
    vanished = observation.performed is Action.CREATE and isinstance(observation.cloudflare, Absent)
    vanished = vanished or is_to_be_sent_again(record, observation)
    if vanished or isinstance(observation.cloudflare, Unknown | NotAsked):
        return record
    found = records_in_place(record)
    again = observation.performed is Action.REFRESH and found <= record.schedule.refreshed_records
    own = observation.performed is Action.REFRESH and not record.refresh_is_requested
    schedule = _count_refresh(record.schedule, now) if own else record.schedule
    schedule = replace(
        schedule,
        # A refresh requested while the action was in progress is still to be done.
        refreshed_at=observation.sent_at or now,
        refreshed_records=record.schedule.refreshed_records | found,
        refreshes=record.schedule.refreshes + 1 if again else 0,
        followed_from=now,
    )
    return replace(record, schedule=schedule)


def _count_failing_actions(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> CustomHostname:
    """Back off from a PATCH without an answer, although checks in between may have one."""
    if observation.performed not in {Action.REFRESH, Action.EDIT}:
        return record
    schedule = record.schedule
    if isinstance(observation.cloudflare, Unknown):
        failures = schedule.action_failures + 1
        until = now + action_wait(failures, policy)
        return replace(
            record, schedule=replace(schedule, action_failures=failures, action_waits_until=until)
        )
    return replace(record, schedule=replace(schedule, action_failures=0, action_waits_until=None))


def _count_refresh(schedule: Schedule, now: datetime) -> Schedule:
    if schedule.refreshes_on is None or now - schedule.refreshes_on >= DAY:
        return replace(schedule, refreshes_on=now, refreshes_today=1)
    return replace(schedule, refreshes_today=schedule.refreshes_today + 1)
