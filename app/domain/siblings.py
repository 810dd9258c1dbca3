"""How a name and its wildcard, `x.com` and `*.x.com`, share one object at Cloudflare. Pure.

Two records of one tenant then belong to one object. The record that begins first creates it, the
other joins, and the object is removed with the last of them.
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
    """Return the other name of the object, if it is desired too."""
    sibling = record.sibling
    return sibling if sibling is not None and sibling.desired is Desired.PRESENT else None


def covers_wildcard(record: CustomHostname) -> bool:
    """Whether the object has to cover `*.x.com`: one of the desired names is the wildcard."""
    sibling = wanted_sibling(record)
    if record.desired is Desired.ABSENT and sibling is not None:
        return sibling.hostname.is_wildcard
    return record.hostname.is_wildcard or (sibling is not None and sibling.hostname.is_wildcard)


def join(record: CustomHostname) -> CustomHostname:
    """Link a record to its sibling's object. A failed record joins when it is refreshed."""
    sibling = record.sibling
    if sibling is None or sibling.cloudflare_id is None or record.cloudflare.id is not None:
        return record
    waits = record.state in {State.PENDING, State.VALIDATING} or record.refresh_is_requested
    if record.desired is Desired.ABSENT or record.awaits_proof or not waits:
        return record
    linked = CloudflareObject(
        id=sibling.cloudflare_id,
        create_started_at=record.cloudflare.create_started_at,
        create_tried_at=record.cloudflare.create_tried_at,
        applied=sibling.applied,
    )
    return replace(record, cloudflare=linked)


def waits_for_sibling(record: CustomHostname) -> bool:
    """Whether the sibling is about to create the object, or to find the one it began creating."""
    sibling = record.sibling
    if sibling is None or sibling.cloudflare_id is not None:
        return False
    if sibling.state is State.DELETING:
        return True
    if sibling.state is not State.PENDING or sibling.desired is Desired.ABSENT:
        return False
    # The record that began continues. If both began, or neither did, the older one does.
    mine = (record.cloudflare.create_started_at is None, record.id)
    return (not sibling.has_begun, sibling.id) < mine


def is_needed_by_sibling(record: CustomHostname) -> bool:
    """Whether the object must outlive this record."""
    sibling = wanted_sibling(record)
    if sibling is None:
        return False
    return sibling.cloudflare_id is not None or sibling.state is not State.FAILED


def is_sent_by_sibling(record: CustomHostname, wanted: ObjectSpec) -> bool:
    """Whether the sibling is sending this very edit. Until it is answered, the edit is its own."""
    sibling = record.sibling
    return (
        sibling is not None
        and record.cloudflare.in_flight is None
        and sibling.cloudflare_id == record.cloudflare.id
        and sibling.in_flight == wanted
    )


def may_let_go(record: CustomHostname) -> bool:
    """Whether the sibling has taken over the object."""
    sibling, known = wanted_sibling(record), record.cloudflare.id
    return sibling is not None and known is not None and sibling.cloudflare_id == known


def has_confirmed(record: CustomHostname, before: CustomHostname) -> bool:
    """Whether the record got Cloudflare's answer to an edit or creation, new to the sibling."""
    return _sent(record) != _sent(before) and record.cloudflare.in_flight is None


def with_current_spec(
    record: CustomHostname, *, read: CustomHostname, current: CustomHostname
) -> CustomHostname:
    """Take over what the sibling sent since `read`, from the row as it is at current.

    If both sent something in the meantime, the order is unknown, and one more edit settles it.
    """
    known, theirs = record.cloudflare, current.cloudflare
    if known.id is None or known.id != theirs.id:
        return record
    if _sent(record) == _sent(read):
        applied, in_flight, refused = _sent(current)
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
    """Whether hostname and certificate are active and cover this very name."""
    view, live = record.cloudflare.seen, record.state in LIVE
    covered = live or not record.hostname.is_wildcard or (view is not None and view.wildcard)
    return covered and both_active(view, live=live)
