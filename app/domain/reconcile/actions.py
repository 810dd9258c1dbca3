"""Which action at Cloudflare a record calls for, its removal included. Pure."""

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
from app.domain.custom_hostname import LIVE, CustomHostname, Desired, Removal, State, Watch
from app.domain.object_spec import Shape
from app.domain.observation import (
    Absent,
    Act,
    CloudflareHostname,
    Found,
    Observation,
    Refused,
    Unknown,
)
from app.domain.plan import found_records, has_drifted, wanted_shape
from app.domain.reconcile.schedule import DAY, Policy, cloudflare_next_try
from app.domain.siblings import (
    is_needed_by_sibling,
    is_sent_by_sibling,
    may_let_go,
    serves,
    waits_for_sibling,
)


def wanted_act(record: CustomHostname, *, now: datetime, policy: Policy) -> Act | None:
    """What is to be done at Cloudflare, were there nothing to wait for."""
    if record.desired is Desired.ABSENT:
        return _removal(record)
    if record.watch.doubted_at is not None:
        return None
    if record.watch.removal is not None and record.cloudflare.id is not None:
        return Act.DELETE
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


def begin(act: Act | None, record: CustomHostname, now: datetime) -> CustomHostname:
    """Note the beginning of an act before its call."""
    match act:
        case Act.CREATE:
            return _begin_creation(record, now)
        case Act.EDIT:
            return _settle_request(_begin_edit(record), now)
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


def _begin_edit(record: CustomHostname) -> CustomHostname:
    """Note what is sent. An edit without an answer may have set another method, and is undone."""
    known, sending = record.cloudflare, wanted_shape(record)
    applied, before = known.applied, known.sending
    if applied is not None and before is not None and before.method != sending.method:
        applied = replace(applied, method=before.method)
    return replace(record, cloudflare=replace(known, applied=applied, sending=sending))


def _settle_request(record: CustomHostname, now: datetime) -> CustomHostname:
    """Take a person's request as met when there is nothing left to refresh."""
    if record.cloudflare.id is None or not record.refresh_is_requested:
        return record
    if not _needs_nothing(record):
        return record
    return replace(record, watch=replace(record.watch, refreshed_at=now))


def shape_to_send(record: CustomHostname) -> Shape:
    """What an edit says; it orders no certificate unless that is what was asked for.

    Cloudflare renews over HTTP where it can, though TXT was chosen. A name that serves keeps the
    method of its last renewal: TXT again would order a certificate whose tokens nobody added.
    """
    known = record.cloudflare
    wanted = known.sending or wanted_shape(record)
    same_order = known.applied is not None and known.applied.order == wanted.order
    if known.seen is None or known.seen.ssl_method is None or not (same_order and serves(record)):
        return wanted
    return replace(wanted, method=known.seen.ssl_method)


def must_wait(record: CustomHostname, observation: Observation, now: datetime) -> bool:
    """After an Unknown, acts wait for the back-off too: a 429 must not be answered with a PATCH."""
    if observation.held_back is not None:
        return True
    if isinstance(observation.cloudflare, Unknown):
        return True
    watch = record.watch
    if watch.cloudflare_waits_until is not None and watch.cloudflare_waits_until > now:
        return True
    if act_waits(record, now):
        return True
    due = watch.cloudflare_due_at
    return watch.cloudflare_failures > 0 and due is not None and due > now


def act_waits(record: CustomHostname, now: datetime) -> bool:
    """Whether the last PATCH had no answer lately; what a person asks for is tried at once."""
    until = record.watch.act_waits_until
    if until is None or record.desired is Desired.ABSENT or record.is_awaited(now):
        return False
    return until > now


def _wants_creation(record: CustomHostname) -> bool:
    if record.state is State.PENDING or record.refresh_is_requested:
        return True
    if record.watch.removal is Removal.REMAKE:
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
    if not _waits_for_records(view) or record.cloudflare.refused_refresh is not None:
        return False
    watch = record.watch
    found = found_records(record)
    if not found or _is_spent(watch, now, policy) or next_try_soon(record, now, policy):
        return False
    if found - watch.refreshed_records:
        return True
    waits = policy.refresh_again
    if watch.refreshed_at is None or watch.refreshes >= len(waits):
        return False
    return now - watch.refreshed_at >= waits[watch.refreshes]


def _is_spent(watch: Watch, now: datetime, policy: Policy) -> bool:
    began = watch.refreshes_on
    today = began is not None and now - began < DAY
    return today and watch.refreshes_today >= policy.refreshes_a_day


def next_try_soon(record: CustomHostname, now: datetime, policy: Policy) -> datetime | None:
    """Cloudflare's own next look, where it comes so soon that a refresh would gain nothing."""
    view, began = record.cloudflare.seen, record.watch.refreshed_at
    if view is None or began is None or not _is_on_schedule(view):
        return None
    at = cloudflare_next_try(began, now)
    return at if at is not None and at - now < policy.next_try_soon else None


def _is_on_schedule(view: CloudflareHostname) -> bool:
    """Whether Cloudflare looks by its back-off: not once it gave up or says unknown words."""
    hostname = view.status == "pending" or hostname_meaning(view) is HostnameMeaning.ACTIVE
    gave_up = {CertificateMeaning.TIMED_OUT, CertificateMeaning.ENDED, CertificateMeaning.GOING}
    return hostname and certificate_meaning(view) not in gave_up


def follow_next_try(
    record: CustomHostname, before: CustomHostname, *, now: datetime, policy: Policy
) -> CustomHostname:
    """Follow Cloudflare's own next look at records newly found, in place of a refresh."""
    view = record.cloudflare.seen
    if record.state is not State.VALIDATING or record.cloudflare.id is None or view is None:
        return record
    soon = next_try_soon(record, now, policy)
    if soon is None or not found_records(record) - found_records(before):
        return record
    return replace(record, watch=replace(record.watch, followed_from=soon))


def _needs_nothing(record: CustomHostname) -> bool:
    """Whether a refresh could only disturb: a renewal is Cloudflare's affair until it gives up."""
    view = record.cloudflare.seen
    if view is None or not serves(record):
        return False
    return certificate_meaning(view) is not CertificateMeaning.TIMED_OUT


def _waits_for_records(view: CloudflareHostname) -> bool:
    """Whether looking again at once could help Cloudflare on."""
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
    """Take a custom hostname that is removed, and can still be read, for gone.

    Source: Cloudflare for SaaS, "Hostname validation status": `pending_deletion` and `deleted` may
    be read for a while after a DELETE. Without one, `deleted` means that validation was given up.
    """
    if not isinstance(observation.cloudflare, Found):
        return observation
    view = observation.cloudflare.value
    removed = observation.acted is Act.DELETE
    leaves = record.desired is Desired.ABSENT and record.state is State.DELETING
    gone = is_being_removed(view) and (removed or leaves)
    if gone or (removed and view.status == "deleted"):
        return replace(observation, cloudflare=Absent())
    return observation


def settle_removal(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> CustomHostname:
    """Begin or end the removal, at Cloudflare, of a hostname that is wanted."""
    watch, view = record.watch, record.cloudflare.seen
    # The object of a name and its wildcard is not one of them's to remove.
    is_no_matter = record.desired is Desired.ABSENT or is_needed_by_sibling(record)
    if is_no_matter or record.state in LIVE or view is None:
        return replace(record, watch=replace(watch, removal=None))
    if watch.removal is Removal.REMAKE:
        return _settle_remake(record, observation, view, now)
    if watch.removal is Removal.GIVE_UP:
        done = record.cloudflare.id is None
        return replace(record, watch=replace(watch, removal=None)) if done else record
    if _cannot_be_refreshed(record, observation, view, now=now, policy=policy):
        return replace(record, watch=replace(watch, removal=Removal.REMAKE))
    if _was_never_set_up(record, observation, view, now=now, policy=policy):
        return replace(record, watch=replace(watch, removal=Removal.GIVE_UP))
    return record


def frees_its_name(record: CustomHostname, *, now: datetime, policy: Policy) -> bool:
    """Whether others may have the name: it failed, was never live, and its time is over.

    What is at Cloudflare, or may be made there any moment, keeps its name.
    """
    if record.state is not State.FAILED or record.desired is Desired.ABSENT:
        return False
    known = record.cloudflare
    if known.id is not None or known.create_tried_at is not None or record.refresh_is_requested:
        return False
    if LIVE & record.arrived_at.keys():
        return False
    since = record.watch.waiting_since or record.wanted_at
    return now - since >= policy.gives_up_after


def release_name(record: CustomHostname, now: datetime) -> CustomHostname:
    """Give the name free; where its DNS may point here, others have to prove it is theirs."""
    routing = record.dns.routing
    points = routing is None or routing.points_at_target
    return replace(record, name_released_at=now, tombstone=points)


def _settle_remake(
    record: CustomHostname, observation: Observation, view: CloudflareHostname, now: datetime
) -> CustomHostname:
    watch = record.watch
    made = observation.acted is Act.CREATE and record.cloudflare.id is not None
    if made or record.state is State.FAILED:
        return replace(record, watch=replace(watch, removal=None, remade_at=now))
    under_way = {CertificateMeaning.CHECKING, CertificateMeaning.ISSUING}
    under_way |= {CertificateMeaning.DEPLOYING, CertificateMeaning.ACTIVE}
    if record.cloudflare.id is not None and certificate_meaning(view) in under_way:
        return replace(record, watch=replace(watch, removal=None))
    return record


def _cannot_be_refreshed(
    record: CustomHostname,
    observation: Observation,
    view: CloudflareHostname,
    *,
    now: datetime,
    policy: Policy,
) -> bool:
    """Cloudflare's advice for a certificate that timed out: refresh; if that errs, make it anew."""
    if observation.acted is not Act.REFRESH or not isinstance(observation.cloudflare, Refused):
        return False
    if observation.cloudflare.code in ENTITLEMENTS:
        # To make it anew would give the tenant other records to add, and mend nothing.
        return False
    if record.state is not State.VALIDATING or record.cloudflare.id is None:
        return False
    last = record.watch.remade_at
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
    """Time alone gives nothing up: it takes Cloudflare's Found, and DNS that was heard."""
    if observation.acted is not None or not isinstance(observation.cloudflare, Found):
        return False
    stuck = record.state is State.FAILED and record.cloudflare.id is not None
    if not (stuck or record.state is State.VALIDATING) or must_wait(record, observation, now):
        return False
    if record.watch.doubted_at is not None or LIVE & record.arrived_at.keys():
        return False
    since = record.watch.waiting_since or record.wanted_at
    heard = record.dns.routing is not None and record.watch.dns_failures == 0
    idle = hostname_meaning(view) is not HostnameMeaning.ACTIVE and not found_records(record)
    return heard and idle and now - since >= policy.gives_up_after
