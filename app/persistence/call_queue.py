"""The queue of hostnames that wait for a Cloudflare call, ordered by tenant's rank.

A hostname is queued without the budget's lock, and leaves when it is served or no longer desired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.rate_limit import Lane
from app.persistence.database import NOW, Connection, lock_named
from app.persistence.leases import is_free
from app.persistence.tables import queued_calls, schedules

PER_TENANT_SHARE = 3
"""How many queued hostnames of a tenant are served before those beyond any share."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One queued hostname."""

    custom_hostname_id: str
    rank: int
    interactive: bool


@dataclass(frozen=True, slots=True)
class Lengths:
    """How many wait in one lane: within their tenant's share, and beyond it."""

    interactive: int = 0
    rest: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.interactive + self.rest


async def lengths(tx: Connection, budget: str, lane: Lane) -> Lengths:
    """Count the queued hostnames of a lane."""
    interactive = queued_calls.c.interactive
    row = await tx.execute(
        select(
            func.count().filter(interactive),
            func.count().filter(~interactive),
        ).where(_in(budget, lane))
    )
    return Lengths(*row.one())


async def lanes_waiting(tx: Connection, budget: str) -> list[Lane]:
    """Give the lanes that are not empty. Cheap: it is asked each round."""
    lanes = (Lane.CREATION, Lane.VALIDATION)
    waits = [select(queued_calls.c.rank).where(_in(budget, lane)).exists() for lane in lanes]
    row = (await tx.execute(select(*waits))).one()
    return [lane for lane, waiting in zip(lanes, row, strict=True) if waiting]


async def is_waiting(tx: Connection, budget: str, lane: Lane, *, interactive: bool) -> bool:
    """Whether the lane is not empty; nothing is counted, since each new action asks."""
    found = await tx.scalar(
        select(queued_calls.c.rank)
        .where(_in(budget, lane), queued_calls.c.interactive.is_(interactive))
        .limit(1)
    )
    return found is not None


async def lock_queue_of(tx: Connection, budget: str, lane: Lane, tenant: str) -> None:
    """Queue a tenant's hostnames one after the other. Other tenants do not wait for this lock."""
    await lock_named(tx, f"{budget}/{lane}/{tenant}")


async def is_within_share(tx: Connection, budget: str, lane: Lane, tenant: str) -> bool:
    """Whether one more hostname of this tenant would be within its share."""
    waiting = select(queued_calls.c.rank).where(_in(budget, lane), queued_calls.c.tenant == tenant)
    count = await tx.scalar(
        select(func.count()).select_from(waiting.limit(PER_TENANT_SHARE).subquery())
    )
    return (count or 0) < PER_TENANT_SHARE


async def enqueue(
    tx: Connection,
    budget: str,
    lane: Lane,
    *,
    record_id: str,
    zone_id: str,
    tenant: str,
    served: int,
    interactive: bool,
) -> None:
    """Queue a hostname behind its tenant's last one, not behind all others."""
    last = await tx.scalar(
        select(func.max(queued_calls.c.rank)).where(
            _in(budget, lane), queued_calls.c.tenant == tenant
        )
    )
    new = upsert(queued_calls)
    await tx.execute(
        new.values(
            custom_hostname_id=record_id,
            budget=budget,
            lane=str(lane),
            zone_id=zone_id,
            tenant=tenant,
            rank=max(last or 0, served) + 1,
            interactive=interactive,
            since=NOW,
        ).on_conflict_do_update(
            index_elements=["custom_hostname_id"],
            set_={
                name: getattr(new.excluded, name)
                for name in ("budget", "lane", "rank", "interactive", "since")
            },
            # In another lane it gets a new position; in the same one it keeps its own.
            where=queued_calls.c.lane != new.excluded.lane,
        )
    )


async def heads(
    tx: Connection,
    budget: str,
    lane: Lane,
    *,
    interactive: bool,
    zone_id: str,
    limit: int,
) -> list[Waiting]:
    """Give the next hostnames of a zone, within their tenant's share or beyond it."""
    c = queued_calls.c
    rows = await tx.execute(
        select(c.custom_hostname_id, c.rank, c.interactive)
        .join(schedules, schedules.c.custom_hostname_id == c.custom_hostname_id)
        # Not one that is leased at this moment.
        .where(_in(budget, lane), c.interactive.is_(interactive), c.zone_id == zone_id, is_free())
        .order_by(c.rank, c.custom_hostname_id)
        .limit(limit)
    )
    return [Waiting(*row) for row in rows]


async def leave(tx: Connection, record_ids: Sequence[str]) -> None:
    """Remove hostnames from the queue: served, or no longer desired."""
    await tx.execute(delete(queued_calls).where(queued_calls.c.custom_hostname_id.in_(record_ids)))


async def position_of(tx: Connection, record_id: str) -> int | None:
    """Give the position in its lane's queue, 1 for the next one; None if it is not queued."""
    c = queued_calls.c
    row = (await tx.execute(select(queued_calls).where(c.custom_hostname_id == record_id))).first()
    if row is None:
        return None
    lane = Lane(row.lane)
    ahead = await tx.scalar(
        select(func.count())
        .select_from(queued_calls)
        .where(
            _in(row.budget, lane),
            c.interactive.is_(row.interactive),
            (c.rank < row.rank) | and_(c.rank == row.rank, c.custom_hostname_id < record_id),
        )
    )
    mine = (ahead or 0) + 1
    waiting = await lengths(tx, row.budget, lane)
    # One slot in five goes to hostnames beyond the share while others wait too.
    if row.interactive:
        return mine + min(waiting.rest, mine // 4)
    return mine + min(waiting.interactive, mine * 4)


def _in(budget: str, lane: Lane) -> ColumnElement[bool]:
    return and_(queued_calls.c.budget == budget, queued_calls.c.lane == str(lane))
