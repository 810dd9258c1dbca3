"""The queue of hostnames that wait for a Cloudflare call, in turn by tenant.

A lane has a queue for each zone. A hostname's rank is one more than its tenant's last one, and one
more than the least rank that waits: tenants take turns, and nobody new joins the rank that is
served. A hostname is queued without the budget's lock, and leaves when it is served or no longer
desired.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.rate_limit import Lane
from app.persistence.database import NOW, Connection, lock_named
from app.persistence.leases import is_free
from app.persistence.tables import queued_calls, schedules

LANES = (Lane.CREATION, Lane.VALIDATION)
"""The lanes that have a queue."""
_ORDER = (queued_calls.c.rank, queued_calls.c.since, queued_calls.c.custom_hostname_id)


async def length(tx: Connection, budget: str, lane: Lane) -> int:
    """Count the queued hostnames of a lane, in all zones of the budget."""
    waiting = select(func.count()).select_from(queued_calls).where(_in(budget, lane))
    return await tx.scalar(waiting) or 0


async def lanes_waiting(tx: Connection, budget: str) -> list[Lane]:
    """Give the lanes that are not empty. Cheap: it is asked each round."""
    row = (await tx.execute(select(*(_waits(budget, lane) for lane in LANES)))).one()
    return [lane for lane, waiting in zip(LANES, row, strict=True) if waiting]


async def is_waiting(tx: Connection, budget: str, lane: Lane, zone_id: str) -> bool:
    """Whether a hostname of the zone is queued; nothing is counted, since each new action asks."""
    waiting = select(queued_calls.c.rank).where(_of(budget, lane, zone_id))
    return bool(await tx.scalar(select(waiting.exists())))


async def lock_queue_of(tx: Connection, budget: str, lane: Lane, tenant: str) -> None:
    """Queue a tenant's hostnames one after the other. Other tenants do not wait for this lock."""
    await lock_named(tx, f"{budget}/{lane}/{tenant}")


async def enqueue(
    tx: Connection, budget: str, lane: Lane, *, record_id: str, zone_id: str, tenant: str
) -> None:
    """Queue a hostname behind its tenant's last one, not behind all others."""
    rank = queued_calls.c.rank
    least = select(func.min(rank)).where(_of(budget, lane, zone_id)).scalar_subquery()
    mine = _of(budget, lane, zone_id) & (queued_calls.c.tenant == tenant)
    last = select(func.max(rank)).where(mine).scalar_subquery()
    new = upsert(queued_calls)
    await tx.execute(
        new.values(
            custom_hostname_id=record_id,
            budget=budget,
            lane=str(lane),
            zone_id=zone_id,
            tenant=tenant,
            rank=func.greatest(least + 1, last + 1, 1),
            since=NOW,
        ).on_conflict_do_update(
            index_elements=["custom_hostname_id"],
            set_={
                name: getattr(new.excluded, name) for name in ("budget", "lane", "rank", "since")
            },
            # In another queue it gets a new position; in the same one it keeps its own.
            where=(queued_calls.c.lane != new.excluded.lane)
            | (queued_calls.c.budget != new.excluded.budget),
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
        .where(_of(budget, lane, zone_id), is_free())
        .order_by(*_ORDER)
        .limit(limit)
        .with_for_update(of=schedules, skip_locked=True)
    )
    return list(rows.scalars())


async def leave(tx: Connection, record_ids: Sequence[str]) -> None:
    """Remove hostnames from the queue: served, or no longer desired."""
    await tx.execute(delete(queued_calls).where(queued_calls.c.custom_hostname_id.in_(record_ids)))


async def position_of(tx: Connection, record_id: str) -> int | None:
    """Give the position in its zone's queue, 1 for the next one; None if it is not queued."""
    c = queued_calls.c
    row = (await tx.execute(select(queued_calls).where(c.custom_hostname_id == record_id))).first()
    if row is None:
        return None
    here = tuple_(row.rank, row.since, record_id)
    ahead = select(func.count()).where(
        _of(row.budget, Lane(row.lane), row.zone_id), tuple_(*_ORDER) < here
    )
    return (await tx.scalar(ahead) or 0) + 1


def _waits(budget: str, lane: Lane) -> ColumnElement[bool]:
    return select(queued_calls.c.rank).where(_in(budget, lane)).exists()


def _of(budget: str, lane: Lane, zone_id: str) -> ColumnElement[bool]:
    return _in(budget, lane) & (queued_calls.c.zone_id == zone_id)


def _in(budget: str, lane: Lane) -> ColumnElement[bool]:
    return and_(queued_calls.c.budget == budget, queued_calls.c.lane == str(lane))


async def move_zone(tx: Connection, zone_id: str, budget: str) -> None:
    """Let what waits in a zone wait for calls of another budget."""
    moved = queued_calls.c.zone_id == zone_id
    await tx.execute(update(queued_calls).where(moved).values(budget=budget))
