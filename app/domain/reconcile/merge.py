"""Merges a reconcile tick with what the API changed in the meantime. Pure.

A tick reads a record, checks DNS and Cloudflare, decides, and writes. Between the read and the
write, callers may have changed what is desired. What was observed comes from the tick; what is
desired comes from the row as it is at the write.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.domain.custom_hostname import CustomHostname, Desired, State
from app.domain.observation import Action
from app.domain.reconcile.decide import Transition
from app.domain.siblings import with_current_spec


def merge_concurrent_changes(
    transition: Transition,
    *,
    read: CustomHostname,
    present: CustomHostname,
    performed: Action | None,
    now: datetime,
) -> Transition:
    """Return the transition as it is to be written over the row `present`.

    `read` is the record that the transition began with, `performed` the action that it answers. An
    action that is no longer desired is dropped.
    """
    record = _with_current_desires(transition.record, present)
    if present.name_released_at != read.name_released_at or present.revision != read.revision:
        record = replace(
            record, name_released_at=present.name_released_at, tombstone=present.tombstone
        )
    if performed is not None and _failed_concurrently(record, read=read, present=present):
        record = replace(record, refresh_requested_at=now)
    record = with_current_spec(record, read=read, present=present)
    action = None if _is_moot(transition.action, record) else transition.action
    if action is None and transition.action is Action.CREATE:
        record = _without_beginning(record, present)
    return replace(transition, record=record, action=action)


def _with_current_desires(record: CustomHostname, present: CustomHostname) -> CustomHostname:
    zone = replace(
        present.zone,
        takes_custom_metadata=record.zone.takes_custom_metadata,
        dcv_uuid=record.zone.dcv_uuid or present.zone.dcv_uuid,
    )
    return replace(
        record,
        zone=zone,
        desired=present.desired,
        plan=present.plan,
        options=present.options,
        metadata=present.metadata,
        revision=present.revision,
        sequence=present.sequence,
        view=present.view,
        wanted_at=present.wanted_at,
        acted_at=present.acted_at,
        refresh_requested_at=present.refresh_requested_at,
    )


def _failed_concurrently(
    record: CustomHostname, *, read: CustomHostname, present: CustomHostname
) -> bool:
    """Whether an action was refused while the change that has now failed was in progress."""
    changed = present.revision != read.revision
    return changed and record.state is State.FAILED and present.state is not State.FAILED


def _is_moot(action: Action | None, record: CustomHostname) -> bool:
    """Whether the hostname's removal was requested meanwhile. The wake makes it due at once."""
    letting_go = action is Action.EDIT and record.state is State.DELETING
    return record.desired is Desired.ABSENT and action is not Action.DELETE and not letting_go


def _without_beginning(record: CustomHostname, present: CustomHostname) -> CustomHostname:
    """Undo the note of a POST that is not sent after all; it leaves nothing to search for."""
    known = replace(
        record.cloudflare,
        create_started_at=present.cloudflare.create_started_at,
        create_tried_at=present.cloudflare.create_tried_at,
    )
    return replace(record, cloudflare=known)
