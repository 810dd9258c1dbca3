"""Spread what fell due while a zone was paused over the time after it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import DateTime, Select, and_, case, func, literal, or_, select, update

from app.domain.custom_hostname import Desired, State
from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.due_work import _cloudflare_due, _dns_due
from app.persistence.tables import (
    EXCEPTIONAL,
    custom_hostnames,
    schedules,
)


async def lock_for_resume(tx: Connection, zone_id: str, *, after: str, limit: int) -> list[str]:
    """Lock the zone's next rows that the end of a pause concerns, and give their ids in order."""
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
    """Count the names of a zone of which a look is due, as far as `limit`.

    Each kind of look by its own index, and the greater number: most are due on both sides.
    """
    kinds = (_dns_due(zone_id), _cloudflare_due(zone_id))
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
    """Give what fell due during a pause a place within `over`; the pause counts for no timer.

    What is to be created or removed, or was acted on during the pause, stays due: somebody waits,
    and its acts queue for their calls by themselves. What was contradicted or in doubt is looked at
    within `suspects_over`, on both sides. With `anew` all of that is forgotten: what the next look
    says against a name is a first contradiction, and counted as one.
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
        # Never into the future: a pause whose end was stopped is counted anew for some.
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
