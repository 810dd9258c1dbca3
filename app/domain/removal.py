"""When a hostname that is wanted is removed at Cloudflare all the same. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.domain.acts import must_wait
from app.domain.cloudflare_errors import ENTITLEMENTS
from app.domain.cloudflare_status import (
    CertificateMeaning,
    HostnameMeaning,
    certificate_meaning,
    hostname_meaning,
    is_being_removed,
)
from app.domain.custom_hostname import LIVE, CustomHostname, Desired, Removal, State
from app.domain.observation import Absent, Act, CloudflareHostname, Found, Observation, Refused
from app.domain.plan import found_records
from app.domain.schedule import Policy
from app.domain.sharing import is_needed_by_sibling


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
