"""The queue of hostnames that wait for a Cloudflare call, in turn by tenant.

Each tenant's hostnames have ascending ranks, from the least rank that waits. So the next hostname
of every tenant comes before the second one of any. A hostname is queued without the budget's lock,
and leaves when it is served or no longer desired.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.rate_limit import Lane
from app.persistence.database import NOW, Connection, lock_named
from app.persistence.leases import is_free
from app.persistence.tables import queued_calls, schedules

LANES = (Lane.CREATION, Lane.VALIDATION)
"""The lanes that have a queue."""
_ORDER = (queued_calls.c.rank, queued_calls.c.since, queued_calls.c.custom_hostname_id)


async def length(tx: Connection, budget: str, lane: Lane) -> int:
    """Count the queued hostnames of a lane."""
    waiting = select(func.count()).select_from(queued_calls).where(_in(budget, lane))
    return await tx.scalar(waiting) or 0


async def lanes_waiting(tx: Connection, budget: str) -> list[Lane]:
    """Give the lanes that are not empty. Cheap: it is asked each round."""
    row = (await tx.execute(select(*(_waits(budget, lane) for lane in LANES)))).one()
    return [lane for lane, waiting in zip(LANES, row, strict=True) if waiting]


async def is_waiting(tx: Connection, budget: str, lane: Lane) -> bool:
    """Whether the lane is not empty; nothing is counted, since each new action asks."""
    return bool(await tx.scalar(select(_waits(budget, lane))))


async def lock_queue_of(tx: Connection, budget: str, lane: Lane, tenant: str) -> None:
    """Queue a tenant's hostnames one after the other. Other tenants do not wait for this lock."""
    await lock_named(tx, f"{budget}/{lane}/{tenant}")


async def enqueue(
    tx: Connection, budget: str, lane: Lane, *, record_id: str, zone_id: str, tenant: str
) -> None:
    """Queue a hostname behind its tenant's last one, not behind all others."""
    rank = queued_calls.c.rank
    least = select(func.min(rank)).where(_in(budget, lane)).scalar_subquery()
    mine = _in(budget, lane) & (queued_calls.c.tenant == tenant)
    last = select(func.max(rank)).where(mine).scalar_subquery()
    new = upsert(queued_calls)
    await tx.execute(
        new.values(
            custom_hostname_id=record_id,
            budget=budget,
            lane=str(lane),
            zone_id=zone_id,
            tenant=tenant,
            rank=func.greatest(least, last + 1, 1),
            since=NOW,
        ).on_conflict_do_update(
            index_elements=["custom_hostname_id"],
            set_={
                name: getattr(new.excluded, name) for name in ("budget", "lane", "rank", "since")
            },
            # In another lane it gets a new position; in the same one it keeps its own.
            where=queued_calls.c.lane != new.excluded.lane,
        )
    )


async def lock_heads(
    tx: Connection, budget: str, lane: Lane, *, zone_id: str, limit: int
) -> list[str]:
    """Lock the next hostnames of a zone that are not leased, nor locked by another process."""
    if limit <= 0:
        return []
    c = queued_calls.c
    rows = await tx.execute(
        select(c.custom_hostname_id)
        .join(schedules, schedules.c.custom_hostname_id == c.custom_hostname_id)
        .where(_in(budget, lane), c.zone_id == zone_id, is_free())
        .order_by(*_ORDER)
        .limit(limit)
        .with_for_update(of=schedules, skip_locked=True)
    )
    return list(rows.scalars())


async def leave(tx: Connection, record_ids: Sequence[str]) -> None:
    """Remove hostnames from the queue: served, or no longer desired."""
    await tx.execute(delete(queued_calls).where(queued_calls.c.custom_hostname_id.in_(record_ids)))


async def position_of(tx: Connection, record_id: str) -> int | None:
    """Give the position in its lane's queue, 1 for the next one; None if it is not queued."""
    c = queued_calls.c
    row = (await tx.execute(select(queued_calls).where(c.custom_hostname_id == record_id))).first()
    if row is None:
        return None
    here = tuple_(row.rank, row.since, record_id)
    ahead = select(func.count()).where(_in(row.budget, Lane(row.lane)), tuple_(*_ORDER) < here)
    return (await tx.scalar(ahead) or 0) + 1


def _waits(budget: str, lane: Lane) -> ColumnElement[bool]:
    return select(queued_calls.c.rank).where(_in(budget, lane)).exists()


def _in(budget: str, lane: Lane) -> ColumnElement[bool]:
    return and_(queued_calls.c.budget == budget, queued_calls.c.lane == str(lane))
