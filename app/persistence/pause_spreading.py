"""Spread the checks that fell due while a zone was paused over the time after it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import DateTime, Select, and_, case, func, literal, or_, select, update

from app.domain.custom_hostname import Desired, State
from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.due_work import cloudflare_due, dns_due
from app.persistence.tables import (
    EXCEPTIONAL,
    custom_hostnames,
    schedules,
)


async def lock_for_resume(tx: Connection, zone_id: str, *, after: str, limit: int) -> list[str]:
    """Lock the next rows of the zone that a resume changes, and give their ids in order."""
    c = schedules.c
    ids = await tx.execute(
        select(c.custom_hostname_id)
        .where(
            c.zone_id == zone_id,
            c.custom_hostname_id > after,
            or_(
                c.due_at <= NOW,
                c.mismatched_at.is_not(None),
                c.suspected_at.is_not(None),
                EXCEPTIONAL,
            ),
        )
        .order_by(c.custom_hostname_id)
        .limit(limit)
        .with_for_update()
    )
    return list(ids.scalars())


async def count_overdue(tx: Connection, zone_id: str, *, limit: int) -> int:
    """Count the names of a zone with an overdue check, up to `limit`.

    Each kind of check is counted by its own index; the greater number is given, since most names
    are due on both sides.
    """
    kinds = (dns_due(zone_id), cloudflare_due(zone_id))
    some = [select(schedules.c.custom_hostname_id).where(due).limit(limit) for due in kinds]
    counts = [select(func.count()).select_from(each.subquery()).scalar_subquery() for each in some]
    row: Sequence[int] = (await tx.execute(select(*counts))).one()
    return max(row)


async def jitter_overdue(
    tx: Connection,
    ids: Sequence[str],
    *,
    over: timedelta,
    suspects_over: timedelta,
    paused_since: datetime,
    anew: bool,
) -> None:
    """Give overdue checks a random time within `over`, and shift timers by the pause's length.

    Names to be created or removed, and those a caller changed during the pause, stay due: somebody
    waits, and their actions queue for calls anyway. Suspected and mismatched names are checked
    within `suspects_over`, on both sides. With `anew` their suspicion is dropped: the next mismatch
    counts as a first one.
    """
    c = schedules.c
    somewhere = NOW + func.random() * in_seconds(over.total_seconds())
    soon = NOW + func.random() * in_seconds(suspects_over.total_seconds())
    shift = NOW - literal(paused_since, DateTime(timezone=True))
    is_suspected = or_(c.mismatched_at.is_not(None), c.suspected_at.is_not(None))
    waited_for = c.custom_hostname_id.in_(_waited_for(ids, paused_since))
    values: dict[str, Any] = {
        each.name: case(
            (waited_for, each), (is_suspected, soon), (each <= NOW, somewhere), else_=each
        )
        for each in (c.dns_due_at, c.cloudflare_due_at)
    }
    values |= {
        # Never into the future: a resume that was interrupted may shift some rows twice.
        each.name: case((each + shift > NOW, NOW), else_=each + shift)
        for each in (c.waiting_since, c.followed_from)
    }
    if anew:
        values |= {"mismatches": 0, "mismatched_at": None, "suspected_at": None}
    await tx.execute(update(schedules).where(c.custom_hostname_id.in_(ids)).values(values))


def _waited_for(ids: Sequence[str], since: datetime) -> Select[tuple[str]]:
    h = custom_hostnames.c
    leaves = and_(h.desired == Desired.ABSENT, h.state != State.DELETED)
    waits = or_(h.state == State.PENDING, leaves, h.acted_at >= since)
    return select(h.id).where(h.id.in_(ids), waits)
