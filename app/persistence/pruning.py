"""Removes old rows in batches. Any number of processes may do so side by side.

`services/pruning` decides when.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, select, tuple_, update

from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.feed import greatest_number, note_pruned
from app.persistence.leases import is_free
from app.persistence.tables import PRUNABLE, custom_hostnames, events, schedules
from app.persistence.webhook_tables import (
    OWED,
    TEST,
    attempt_histograms,
    attempts,
    deliveries,
    webhook_endpoints,
)

Counts = dict[str, int]
"""How many rows were removed, by table."""

NO_SECRET = b""


async def prune_events(tx: Connection, *, older_than: timedelta, limit: int) -> Counts:
    """Remove the oldest events with their deliveries. Events with pending deliveries stay."""
    ids = list((await tx.execute(old_events(older_than, limit))).scalars())
    if not ids:
        return {}
    number = await greatest_number(tx, select(events.c.id).where(events.c.id.in_(ids)))
    counts = await _remove_events(tx, events.c.id.in_(ids))
    if number is not None:
        await note_pruned(tx, number)
    return counts


async def prune_hostnames(tx: Connection, *, older_than: timedelta, limit: int) -> Counts:
    """Remove hostnames that were deleted long ago, with all that belongs to them."""
    ids = list((await tx.execute(old_hostnames(older_than, limit))).scalars())
    if not ids:
        return {}
    counts = await _remove_events(tx, events.c.custom_hostname_id.in_(ids))
    # Their schedule, their objects and their queue positions go with them.
    gone = custom_hostnames.c.id.in_(ids)
    removed = await tx.execute(delete(custom_hostnames).where(gone, PRUNABLE))
    return {**counts, "custom_hostnames": removed.rowcount}


async def prune_secrets(tx: Connection, *, older_than: timedelta, limit: int) -> Counts:
    """Empty the secrets of endpoints that were removed long ago, and those that no longer sign.

    The rows stay, because their deliveries refer to them.
    """
    c = webhook_endpoints.c
    old = (
        select(c.id)
        .where(c.deleted_at < _before(older_than), c.secret != NO_SECRET)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    former = (
        select(c.id).where(c.previous_until < NOW).limit(limit).with_for_update(skip_locked=True)
    )
    over = list((await tx.execute(former)).scalars())
    if over:
        forgotten = {"previous_secret": None, "previous_until": None}
        await tx.execute(update(webhook_endpoints).where(c.id.in_(over)).values(forgotten))
    ids = list((await tx.execute(old)).scalars())
    if ids:
        emptied = {"secret": NO_SECRET, "previous_secret": None}
        await tx.execute(update(webhook_endpoints).where(c.id.in_(ids)).values(emptied))
    return {"webhook_endpoints": len(ids)} if ids else {}


async def prune_tests(tx: Connection, *, older_than: timedelta, limit: int) -> Counts:
    """Remove old deliveries of test events, which belong to no event, with their attempts."""
    c = deliveries.c
    old = (
        select(c.id)
        .where(TEST, c.created_at < _before(older_than), c.status != "pending")
        .order_by(c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list((await tx.execute(old)).scalars())
    if not ids:
        return {}
    made = await tx.execute(delete(attempts).where(attempts.c.delivery_id.in_(ids)))
    removed = await tx.execute(delete(deliveries).where(c.id.in_(ids)))
    return {"attempts": made.rowcount, "deliveries": removed.rowcount}


async def prune_attempt_histograms(tx: Connection, *, older_than: timedelta, limit: int) -> Counts:
    """Remove counts of attempts that no statistics show any more."""
    c = attempt_histograms.c
    key = (c.endpoint_id, c.hour, c.succeeded, c.bucket)
    old = (
        select(*key)
        .where(c.hour < _before(older_than))
        .order_by(c.hour)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    removed = await tx.execute(delete(attempt_histograms).where(tuple_(*key).in_(old)))
    return {"attempt_histograms": removed.rowcount} if removed.rowcount else {}


def old_events(older_than: timedelta, limit: int) -> Select[str]:
    """Lock the oldest events, except those that another process prunes or an endpoint waits for."""
    c = events.c
    owed = select(deliveries.c.id).where(deliveries.c.event_id == c.id, OWED).exists()
    return (
        select(c.id)
        .where(c.created_at < _before(older_than), ~owed)
        .order_by(c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def old_hostnames(older_than: timedelta, limit: int) -> Select[str]:
    """Lock the lease rows of hostnames that were deleted long ago and that are not in work.

    A tombstone's DNS may still point here. It stays, so that no other tenant gets its name.
    """
    c = custom_hostnames.c
    owed = (
        select(deliveries.c.id)
        .join(events, events.c.id == deliveries.c.event_id)
        .where(events.c.custom_hostname_id == c.id, OWED)
        .exists()
    )
    return (
        select(c.id)
        .join(schedules, schedules.c.custom_hostname_id == c.id)
        .where(PRUNABLE, c.deleted_at < _before(older_than), is_free(), ~owed)
        .order_by(c.deleted_at)
        .limit(limit)
        # The lease comes before the wide row, as everywhere.
        .with_for_update(of=schedules, skip_locked=True)
    )


async def _remove_events(tx: Connection, which: ColumnElement[bool]) -> Counts:
    # By subqueries, not by lists of ids: with many endpoints an event has many deliveries.
    ids = select(events.c.id).where(which)
    sent = select(deliveries.c.id).where(deliveries.c.event_id.in_(ids))
    removed: Counts = {}
    for table, condition in (
        (attempts, attempts.c.delivery_id.in_(sent)),
        (deliveries, deliveries.c.event_id.in_(ids)),
        (events, which),
    ):
        done: Any = await tx.execute(delete(table).where(condition))
        removed[table.name] = done.rowcount
    return removed


def _before(age: timedelta) -> ColumnElement[Any]:
    return NOW - in_seconds(age.total_seconds())
