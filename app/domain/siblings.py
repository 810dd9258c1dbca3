"""A name and its wildcard, `x.com` and `*.x.com`, are one object at Cloudflare. Pure.

Two records of one tenant lead to it: whichever begins first creates it, the other joins, and it
is removed with the last of them.
"""

from __future__ import annotations

from dataclasses import replace

from app.domain.cloudflare_terms import both_active
from app.domain.custom_hostname import (
    LIVE,
    CloudflareObject,
    CustomHostname,
    Desired,
    Sibling,
    State,
)
from app.domain.object_spec import ObjectSpec, RefusedEdit


def wanted_sibling(record: CustomHostname) -> Sibling | None:
    """Give the other name of the object, if it is wanted too."""
    sibling = record.sibling
    return sibling if sibling is not None and sibling.desired is Desired.PRESENT else None


def covers_wildcard(record: CustomHostname) -> bool:
    """Whether the object has to cover `*.x.com`: one of those that are wanted is the wildcard."""
    sibling = wanted_sibling(record)
    if record.desired is Desired.ABSENT and sibling is not None:
        return sibling.hostname.is_wildcard
    return record.hostname.is_wildcard or (sibling is not None and sibling.hostname.is_wildcard)


def join(record: CustomHostname) -> CustomHostname:
    """Link a record to the object that its sibling has; a failed one joins when it is refreshed."""
    sibling = record.sibling
    if sibling is None or sibling.cloudflare_id is None or record.cloudflare.id is not None:
        return record
    waits = record.state in {State.PENDING, State.VALIDATING} or record.refresh_is_requested
    if record.desired is Desired.ABSENT or not waits:
        return record
    linked = CloudflareObject(
        id=sibling.cloudflare_id,
        create_started_at=record.cloudflare.create_started_at,
        create_tried_at=record.cloudflare.create_tried_at,
        applied=sibling.applied,
    )
    return replace(record, cloudflare=linked)


def waits_for_sibling(record: CustomHostname) -> bool:
    """Whether the sibling is about to create the object, or to find the one it began."""
    sibling = record.sibling
    if sibling is None or sibling.cloudflare_id is not None:
        return False
    if sibling.state is State.DELETING:
        return True
    if sibling.state is not State.PENDING or sibling.desired is Desired.ABSENT:
        return False
    # Whoever began goes on; where both did, or neither, the older one.
    mine = (record.cloudflare.create_started_at is None, record.id)
    return (not sibling.has_begun, sibling.id) < mine


def is_needed_by_sibling(record: CustomHostname) -> bool:
    """Whether the object must outlive this record."""
    sibling = wanted_sibling(record)
    if sibling is None:
        return False
    return sibling.cloudflare_id is not None or sibling.state is not State.FAILED


def is_sent_by_sibling(record: CustomHostname, wanted: ObjectSpec) -> bool:
    """Whether the sibling is at this very edit; until it is answered it is the sibling's."""
    sibling = record.sibling
    return (
        sibling is not None
        and record.cloudflare.in_flight is None
        and sibling.cloudflare_id == record.cloudflare.id
        and sibling.in_flight == wanted
    )


def may_let_go(record: CustomHostname) -> bool:
    """Whether the sibling has taken the object over."""
    sibling, known = wanted_sibling(record), record.cloudflare.id
    return sibling is not None and known is not None and sibling.cloudflare_id == known


def has_confirmed(record: CustomHostname, before: CustomHostname) -> bool:
    """Whether Cloudflare's answer to an edit or creation is in the record, news to the sibling."""
    return _sent(record) != _sent(before) and record.cloudflare.in_flight is None


def with_current_spec(
    record: CustomHostname, *, read: CustomHostname, present: CustomHostname
) -> CustomHostname:
    """Take over what the sibling sent since `read`, from the row as it is at present.

    Where both sent something meanwhile, nobody knows which came last: one more edit will tell.
    """
    known, theirs = record.cloudflare, present.cloudflare
    if known.id is None or known.id != theirs.id:
        return record
    if _sent(record) == _sent(read):
        applied, in_flight, refused = _sent(present)
        known = replace(known, applied=applied, in_flight=in_flight, refused_edit=refused)
    elif theirs.applied not in (None, read.cloudflare.applied, known.applied):
        known = replace(known, in_flight=theirs.applied)
    return replace(record, cloudflare=known)


def _sent(
    record: CustomHostname,
) -> tuple[ObjectSpec | None, ObjectSpec | None, RefusedEdit | None]:
    known = record.cloudflare
    return known.applied, known.in_flight, known.refused_edit


def serves(record: CustomHostname) -> bool:
    """Whether hostname and certificate are active, and cover this very name."""
    view, live = record.cloudflare.seen, record.state in LIVE
    covered = live or not record.hostname.is_wildcard or (view is not None and view.wildcard)
    return covered and both_active(view, live=live)
