"""Which action at Cloudflare a record needs, including its removal. Pure.

`services/reconciler` performs the action.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.domain.cloudflare_terms import (
    ENTITLEMENTS,
    CertificateMeaning,
    HostnameMeaning,
    certificate_meaning,
    hostname_meaning,
    is_being_removed,
)
from app.domain.custom_hostname import LIVE, CustomHostname, Desired, Removal, Schedule, State
from app.domain.object_spec import ObjectSpec
from app.domain.observation import (
    Absent,
    Action,
    CloudflareHostname,
    Found,
    Observation,
    Refused,
    Unknown,
)
from app.domain.plan import found_records, has_drifted, records_in_place, wanted_spec
from app.domain.reason import Reason
from app.domain.reconcile.schedule import DAY, Policy, cloudflare_next_try
from app.domain.siblings import (
    is_needed_by_sibling,
    is_sent_by_sibling,
    may_let_go,
    serves,
    waits_for_sibling,
)


def wanted_action(record: CustomHostname, *, now: datetime, policy: Policy) -> Action | None:
    """The action to take at Cloudflare, if there is nothing to wait for."""
    if record.desired is Desired.ABSENT:
        return _removal(record)
    if record.schedule.suspected_at is not None or record.awaits_proof:
        return None
    if record.schedule.removal is not None and record.cloudflare.id is not None:
        return Action.DELETE
    if record.cloudflare.id is None:
        waits = waits_for_sibling(record) or not _wants_creation(record)
        return None if waits else Action.CREATE
    if _wants_edit(record):
        return Action.EDIT
    return Action.REFRESH if _wants_refresh(record, now, policy) else None


def _removal(record: CustomHostname) -> Action | None:
    """The object is deleted with its last name. Before that, it only stops covering this one."""
    if record.cloudflare.id is None or record.state is not State.DELETING:
        return None
    if not is_needed_by_sibling(record):
        return Action.DELETE
    known = record.cloudflare
    ready = may_let_go(record) and known.seen is not None
    return Action.EDIT if ready and not is_sent_by_sibling(record, wanted_spec(record)) else None


def begin(action: Action | None, record: CustomHostname, now: datetime) -> CustomHostname:
    """Note that an action begins, before its call."""
    match action:
        case Action.CREATE:
            return _begin_creation(record, now)
        case Action.EDIT:
            return _settle_request(_begin_edit(record), now)
        case _:
            return _settle_request(record, now)


def _begin_creation(record: CustomHostname, now: datetime) -> CustomHostname:
    """Note the start before the POST, so that the new object is known as ours after a crash.

    If an earlier POST may have created an object with another spec, both specs are kept, and an
    edit settles it.
    """
    known, wanted = record.cloudflare, wanted_spec(record)
    started = known.create_started_at or now
    applied = wanted if known.create_started_at is None else known.applied or wanted
    in_flight = wanted if applied != wanted else known.in_flight
    begun = replace(
        known,
        create_started_at=started,
        create_tried_at=now,
        applied=applied,
        in_flight=in_flight,
        refused_edit=None,
    )
    return replace(record, cloudflare=begun)


def _begin_edit(record: CustomHostname) -> CustomHostname:
    """Note the spec that is sent.

    An earlier edit without an answer may have set another method; this edit changes it back.
    """
    known, in_flight = record.cloudflare, wanted_spec(record)
    applied, before = known.applied, known.in_flight
    if applied is not None and before is not None and before.method != in_flight.method:
        applied = replace(applied, method=before.method)
    return replace(record, cloudflare=replace(known, applied=applied, in_flight=in_flight))


def _settle_request(record: CustomHostname, now: datetime) -> CustomHostname:
    """Mark a caller's refresh as done if there is nothing to refresh."""
    if record.cloudflare.id is None or not record.refresh_is_requested:
        return record
    if not _needs_nothing(record):
        return record
    return replace(record, schedule=replace(record.schedule, refreshed_at=now))


def spec_to_send(record: CustomHostname) -> ObjectSpec:
    """The spec that an edit sends. It orders a certificate only if the change asks for one.

    Cloudflare renews over HTTP where it can, although TXT was chosen. A name that serves therefore
    keeps the method of its last renewal: to send TXT again would order a certificate whose tokens
    the tenant has not added.
    """
    known = record.cloudflare
    wanted = known.in_flight or wanted_spec(record)
    same_order = known.applied is not None and known.applied.order == wanted.order
    if known.seen is None or known.seen.ssl_method is None or not (same_order and serves(record)):
        return wanted
    return replace(wanted, method=known.seen.ssl_method)


def must_wait(record: CustomHostname, observation: Observation, now: datetime) -> bool:
    """Whether the action has to wait, including for the back-off after an `Unknown`.

    A 429 must not be answered with a PATCH.
    """
    if observation.held_back is not None:
        return True
    if isinstance(observation.cloudflare, Unknown):
        return True
    schedule = record.schedule
    if schedule.cloudflare_waits_until is not None and schedule.cloudflare_waits_until > now:
        return True
    if action_waits(record, now):
        return True
    due = schedule.cloudflare_due_at
    return schedule.cloudflare_failures > 0 and due is not None and due > now


def action_waits(record: CustomHostname, now: datetime) -> bool:
    """Whether a recent PATCH got no answer. What a caller asks for is tried at once."""
    until = record.schedule.action_waits_until
    if until is None or record.desired is Desired.ABSENT or record.is_awaited(now):
        return False
    return until > now


def _wants_creation(record: CustomHostname) -> bool:
    if record.state is State.PENDING or record.refresh_is_requested:
        return True
    if record.schedule.removal is Removal.REMAKE:
        return True
    routing = record.dns.routing
    came_back = routing is not None and routing.points_at_target is True
    return record.state is State.VALIDATING and came_back


def _wants_edit(record: CustomHostname) -> bool:
    known = record.cloudflare
    if known.seen is None or not has_drifted(record):
        return False
    if is_sent_by_sibling(record, wanted_spec(record)):
        return False
    refused = known.refused_edit
    if refused is None or refused.wanted != wanted_spec(record):
        return True
    return record.refresh_is_requested


def _wants_refresh(record: CustomHostname, now: datetime, policy: Policy) -> bool:
    view = record.cloudflare.seen
    if view is None or _needs_nothing(record):
        return False
    if record.refresh_is_requested:
        return True
    if not _waits_for_records(view) or record.cloudflare.refused_refresh is not None:
        return False
    schedule = record.schedule
    found = records_in_place(record)
    if not found or _is_spent(schedule, now, policy) or next_try_soon(record, now, policy):
        return False
    if found - schedule.refreshed_records:
        return True
    waits = policy.refresh_again
    if schedule.refreshed_at is None or schedule.refreshes >= len(waits):
        return False
    return now - schedule.refreshed_at >= waits[schedule.refreshes]


def _is_spent(schedule: Schedule, now: datetime, policy: Policy) -> bool:
    began = schedule.refreshes_on
    today = began is not None and now - began < DAY
    return today and schedule.refreshes_today >= policy.refreshes_a_day


def next_try_soon(record: CustomHostname, now: datetime, policy: Policy) -> datetime | None:
    """When Cloudflare checks next, if that is so soon that a refresh would gain nothing."""
    view, began = record.cloudflare.seen, record.schedule.refreshed_at
    if view is None or began is None or not _is_on_schedule(view):
        return None
    at = cloudflare_next_try(began, now)
    return at if at is not None and at - now < policy.next_try_soon else None


def _is_on_schedule(view: CloudflareHostname) -> bool:
    """Whether Cloudflare checks by its back-off: not once it gave up or shows unknown statuses."""
    hostname = view.status == "pending" or hostname_meaning(view) is HostnameMeaning.ACTIVE
    gave_up = {CertificateMeaning.TIMED_OUT, CertificateMeaning.ENDED, CertificateMeaning.GOING}
    return hostname and certificate_meaning(view) not in gave_up


def follow_next_try(
    record: CustomHostname, before: CustomHostname, *, now: datetime, policy: Policy
) -> CustomHostname:
    """Follow Cloudflare's own next check of newly found records, in place of a refresh."""
    view = record.cloudflare.seen
    if record.state is not State.VALIDATING or record.cloudflare.id is None or view is None:
        return record
    soon = next_try_soon(record, now, policy)
    if soon is None or not records_in_place(record) - records_in_place(before):
        return record
    return replace(record, schedule=replace(record.schedule, followed_from=soon))


def _needs_nothing(record: CustomHostname) -> bool:
    """Whether a refresh could only do harm. Renewals are left to Cloudflare until it gives up."""
    view = record.cloudflare.seen
    if view is None or not serves(record):
        return False
    return certificate_meaning(view) is not CertificateMeaning.TIMED_OUT


def _waits_for_records(view: CloudflareHostname) -> bool:
    """Whether an immediate check could help Cloudflare make progress."""
    match hostname_meaning(view):
        case HostnameMeaning.BLOCKED | HostnameMeaning.LEAVING:
            return False
        case HostnameMeaning.MOVED | HostnameMeaning.GOING:
            return True
        case HostnameMeaning.ACTIVE:
            waiting = {
                CertificateMeaning.CHECKING,
                CertificateMeaning.TIMED_OUT,
                CertificateMeaning.ENDED,
            }
            return certificate_meaning(view) in waiting


def removed_is_absent(record: CustomHostname, observation: Observation) -> Observation:
    """Treat a custom hostname that was removed, but can still be read, as absent.

    Source: Cloudflare for SaaS, "Hostname validation status": `pending_deletion` and `deleted` may
    be read for a while after a DELETE. Without a DELETE, `deleted` means that Cloudflare gave up
    validation.
    """
    if not isinstance(observation.cloudflare, Found):
        return observation
    view = observation.cloudflare.value
    removed = observation.performed is Action.DELETE
    leaves = record.desired is Desired.ABSENT and record.state is State.DELETING
    gone = is_being_removed(view) and (removed or leaves)
    if gone or (removed and view.status == "deleted"):
        return replace(observation, cloudflare=Absent())
    return observation


def settle_removal(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> CustomHostname:
    """Begin or end the removal, at Cloudflare, of a hostname that is still desired."""
    schedule, view = record.schedule, record.cloudflare.seen
    # One name must not remove an object that it shares with its sibling.
    is_no_matter = record.desired is Desired.ABSENT or is_needed_by_sibling(record)
    if is_no_matter or record.state in LIVE or view is None:
        return replace(record, schedule=replace(schedule, removal=None))
    if schedule.removal is Removal.REMAKE:
        return _settle_remake(record, observation, view, now)
    if schedule.removal is Removal.GIVE_UP:
        done = record.cloudflare.id is None
        return replace(record, schedule=replace(schedule, removal=None)) if done else record
    if _cannot_be_refreshed(record, observation, view, now=now, policy=policy):
        return replace(record, schedule=replace(schedule, removal=Removal.REMAKE))
    if _was_never_set_up(record, observation, view, now=now, policy=policy):
        return replace(record, schedule=replace(schedule, removal=Removal.GIVE_UP))
    return record


def frees_its_name(record: CustomHostname, *, now: datetime, policy: Policy) -> bool:
    """Whether others may have the name: it failed, was never live, and its time is over.

    A name stays taken while it is at Cloudflare, or may be created there at any moment.
    """
    if record.state is not State.FAILED or record.desired is Desired.ABSENT:
        return False
    known = record.cloudflare
    if known.id is not None or known.create_tried_at is not None or record.refresh_is_requested:
        return False
    if LIVE & record.arrived_at.keys():
        return False
    since = record.schedule.waiting_since or record.wanted_at
    return now - since >= policy.gives_up_after


def release_name(record: CustomHostname, now: datetime) -> CustomHostname:
    """Release the name. If its DNS may point here, another tenant has to prove the name first."""
    routing = record.dns.routing
    may_point = routing is None or routing.points_at_target is not False
    return replace(record, name_released_at=now, tombstone=may_point)


def buried(record: CustomHostname) -> CustomHostname:
    """Return the record without its tombstone: nobody has to prove its name any more."""
    reason = Reason.REMOVED if record.reason is Reason.DANGLING else record.reason
    return replace(record, tombstone=False, dangling_since=None, reason=reason)


def _settle_remake(
    record: CustomHostname, observation: Observation, view: CloudflareHostname, now: datetime
) -> CustomHostname:
    schedule = record.schedule
    made = observation.performed is Action.CREATE and record.cloudflare.id is not None
    if made or record.state is State.FAILED:
        return replace(record, schedule=replace(schedule, removal=None, remade_at=now))
    under_way = {CertificateMeaning.CHECKING, CertificateMeaning.ISSUING}
    under_way |= {CertificateMeaning.DEPLOYING, CertificateMeaning.ACTIVE}
    if record.cloudflare.id is not None and certificate_meaning(view) in under_way:
        return replace(record, schedule=replace(schedule, removal=None))
    return record


def _cannot_be_refreshed(
    record: CustomHostname,
    observation: Observation,
    view: CloudflareHostname,
    *,
    now: datetime,
    policy: Policy,
) -> bool:
    """Cloudflare's advice for a timed-out certificate: refresh, and recreate if that fails."""
    if observation.performed is not Action.REFRESH or not isinstance(
        observation.cloudflare, Refused
    ):
        return False
    if observation.cloudflare.code in ENTITLEMENTS:
        # A new object would give the tenant other records to add, and fix nothing.
        return False
    if record.state is not State.VALIDATING or record.cloudflare.id is None:
        return False
    last = record.schedule.remade_at
    rested = last is None or now - last >= policy.remade_again
    return rested and certificate_meaning(view) is CertificateMeaning.TIMED_OUT


def _was_never_set_up(
    record: CustomHostname,
    observation: Observation,
    view: CloudflareHostname,
    *,
    now: datetime,
    policy: Policy,
) -> bool:
    """Whether to give up a name. Time alone is not enough: Cloudflare and DNS must both answer."""
    if observation.performed is not None or not isinstance(observation.cloudflare, Found):
        return False
    stuck = record.state is State.FAILED and record.cloudflare.id is not None
    if not (stuck or record.state is State.VALIDATING) or must_wait(record, observation, now):
        return False
    if record.schedule.suspected_at is not None or LIVE & record.arrived_at.keys():
        return False
    since = record.schedule.waiting_since or record.wanted_at
    heard = record.dns.routing is not None and record.schedule.dns_failures == 0
    idle = hostname_meaning(view) is not HostnameMeaning.ACTIVE and not found_records(record)
    return heard and idle and now - since >= policy.gives_up_after
