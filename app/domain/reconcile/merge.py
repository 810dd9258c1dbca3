"""Merges a reconcile tick with what the API changed in the meantime. Pure.

A tick reads a record, checks DNS and Cloudflare, decides, and writes. Between the read and the
write, callers may have changed what is desired. What was observed comes from the tick; what is
desired comes from the row as it is at the write.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from app.domain.custom_hostname import CustomHostname, Desired, State
from app.domain.events import EventType
from app.domain.observation import Action
from app.domain.proof import is_proved
from app.domain.reconcile.actions import buried
from app.domain.reconcile.decide import Transition
from app.domain.siblings import with_current_spec


def merge_concurrent_changes(
    transition: Transition,
    *,
    read: CustomHostname,
    current: CustomHostname,
    performed: Action | None,
    now: datetime,
) -> Transition:
    """Return the transition as it is to be written over the row `current`.

    `read` is the record that the transition began with, `performed` the action that it answers. An
    action that is no longer desired is dropped.
    """
    record = _with_current_desires(transition.record, current)
    if current.name_released_at != read.name_released_at or current.revision != read.revision:
        record = replace(
            record, name_released_at=current.name_released_at, tombstone=current.tombstone
        )
    record = _with_current_proof(record, read=read, current=current)
    notifications = transition.notifications
    if read.tombstone and not current.tombstone:
        # Another record speaks for the name by now.
        record = buried(record)
        notifications = tuple(each for each in notifications if each is not EventType.DANGLING)
    if performed is not None and _failed_concurrently(record, read=read, current=current):
        record = replace(record, refresh_requested_at=now)
    record = with_current_spec(record, read=read, current=current)
    action = None if _is_moot(transition.action, record) else transition.action
    if action is None and transition.action is Action.CREATE:
        record = _without_beginning(record, current)
    return replace(transition, record=record, action=action, notifications=notifications)


def _with_current_desires(record: CustomHostname, current: CustomHostname) -> CustomHostname:
    zone = replace(
        current.zone,
        takes_custom_metadata=record.zone.takes_custom_metadata,
        dcv_uuid=record.zone.dcv_uuid or current.zone.dcv_uuid,
    )
    return replace(
        record,
        zone=zone,
        desired=current.desired,
        plan=current.plan,
        options=current.options,
        metadata=current.metadata,
        labels=current.labels,
        redirect_to=current.redirect_to,
        revision=current.revision,
        sequence=current.sequence,
        view=current.view,
        wanted_at=current.wanted_at,
        acted_at=current.acted_at,
        refresh_requested_at=current.refresh_requested_at,
    )


def _with_current_proof(
    record: CustomHostname, *, read: CustomHostname, current: CustomHostname
) -> CustomHostname:
    """Let a proof count only if the row still awaits it and nobody has the name.

    The name's base is locked while there is a proof to write.
    """
    proved = is_proved(record, read)
    if proved and current.awaits_proof and not current.is_name_held:
        return replace(record, name_released_at=None)
    if proved or current.proof != read.proof:
        return replace(record, proof=current.proof, name_released_at=current.name_released_at)
    return record


def _failed_concurrently(
    record: CustomHostname, *, read: CustomHostname, current: CustomHostname
) -> bool:
    """Whether an action was refused while the change that has now failed was in progress."""
    changed = current.revision != read.revision
    return changed and record.state is State.FAILED and current.state is not State.FAILED


def _is_moot(action: Action | None, record: CustomHostname) -> bool:
    """Whether the hostname's removal was requested meanwhile. The wake makes it due at once."""
    letting_go = action is Action.EDIT and record.state is State.DELETING
    return record.desired is Desired.ABSENT and action is not Action.DELETE and not letting_go


def _without_beginning(record: CustomHostname, current: CustomHostname) -> CustomHostname:
    """Undo the note of a POST that is not sent after all; it leaves nothing to search for."""
    known = replace(
        record.cloudflare,
        create_started_at=current.cloudflare.create_started_at,
        create_tried_at=current.cloudflare.create_tried_at,
    )
    return replace(record, cloudflare=known)
