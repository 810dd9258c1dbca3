"""What the API may change while a worker looks or acts, and how both come together. Pure.

A tick reads a record, asks the world, decides, and writes; between the read and the write, wishes
may have changed. What was observed is the tick's, what is wished is the row's as it is by then.
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
    """Give the transition as it is to be written over the row as it is at `present`.

    `read` is the record that the transition began with, `performed` the act that it answers. An act
    that nobody wishes any more is taken off.
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
    """Whether an act was refused while a change was under way, which is one of what failed now."""
    changed = present.revision != read.revision
    return changed and record.state is State.FAILED and present.state is not State.FAILED


def _is_moot(action: Action | None, record: CustomHostname) -> bool:
    """Whether the hostname was wished gone while we looked; the wake makes it due at once."""
    letting_go = action is Action.EDIT and record.state is State.DELETING
    return record.desired is Desired.ABSENT and action is not Action.DELETE and not letting_go


def _without_beginning(record: CustomHostname, present: CustomHostname) -> CustomHostname:
    """Take back the note of a POST that is not sent after all: there is nothing to look for."""
    known = replace(
        record.cloudflare,
        create_started_at=present.cloudflare.create_started_at,
        create_tried_at=present.cloudflare.create_tried_at,
    )
    return replace(record, cloudflare=known)
