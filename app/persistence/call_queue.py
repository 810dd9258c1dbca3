"""Who waits for a Cloudflare call that the budget could not spare, in turn by tenant.

A place is taken without the budget's lock, and given up by who holds it or the hostname's lease.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.rate_limit import Lane
from app.persistence.database import NOW, Connection, lock_named
from app.persistence.leases import is_free
from app.persistence.tables import turns, watches

FIRST_FEW = 3
"""A tenant's first so many waiting are served before everybody's rest."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One hostname that waits for its turn."""

    custom_hostname_id: str
    turn: int
    interactive: bool


@dataclass(frozen=True, slots=True)
class Lengths:
    """How many wait in one lane: the tenants' first few, and the rest."""

    interactive: int = 0
    rest: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.interactive + self.rest


async def lengths(tx: Connection, budget: str, lane: Lane) -> Lengths:
    """Count who waits."""
    interactive = turns.c.interactive
    row = await tx.execute(
        select(
            func.count().filter(interactive),
            func.count().filter(~interactive),
        ).where(_in(budget, lane))
    )
    return Lengths(*row.one())


async def lanes_waiting(tx: Connection, budget: str) -> list[Lane]:
    """Give the lanes in which anybody waits; cheap, and asked each round."""
    lanes = (Lane.CREATION, Lane.VALIDATION)
    waits = [select(turns.c.turn).where(_in(budget, lane)).exists() for lane in lanes]
    row = (await tx.execute(select(*waits))).one()
    return [lane for lane, waiting in zip(lanes, row, strict=True) if waiting]


async def is_waiting(tx: Connection, budget: str, lane: Lane, *, interactive: bool) -> bool:
    """Whether anybody waits in the lane; nobody is counted, as each newcomer asks."""
    found = await tx.scalar(
        select(turns.c.turn).where(_in(budget, lane), turns.c.interactive.is_(interactive)).limit(1)
    )
    return found is not None


async def lock_place(tx: Connection, budget: str, lane: Lane, tenant: str) -> None:
    """Let a tenant's names take their places one after the other; nobody else's wait for them."""
    await lock_named(tx, f"{budget}/{lane}/{tenant}")


async def few_of(tx: Connection, budget: str, lane: Lane, tenant: str) -> bool:
    """Whether one more of this tenant's would be among its first few."""
    waiting = select(turns.c.turn).where(_in(budget, lane), turns.c.tenant == tenant)
    count = await tx.scalar(select(func.count()).select_from(waiting.limit(FIRST_FEW).subquery()))
    return (count or 0) < FIRST_FEW


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
    """Take a place behind the tenant's own last one, not behind everybody's."""
    last = await tx.scalar(
        select(func.max(turns.c.turn)).where(_in(budget, lane), turns.c.tenant == tenant)
    )
    new = upsert(turns)
    await tx.execute(
        new.values(
            custom_hostname_id=record_id,
            budget=budget,
            lane=str(lane),
            zone_id=zone_id,
            tenant=tenant,
            turn=max(last or 0, served) + 1,
            interactive=interactive,
            since=NOW,
        ).on_conflict_do_update(
            index_elements=["custom_hostname_id"],
            set_={
                name: getattr(new.excluded, name)
                for name in ("budget", "lane", "turn", "interactive", "since")
            },
            # What it waits for now is another thing; its place in the same queue it keeps.
            where=turns.c.lane != new.excluded.lane,
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
    """Give who of a zone is next among the tenants' first few, or among the rest."""
    c = turns.c
    rows = await tx.execute(
        select(c.custom_hostname_id, c.turn, c.interactive)
        .join(watches, watches.c.custom_hostname_id == c.custom_hostname_id)
        # Not one that somebody else holds at this moment.
        .where(_in(budget, lane), c.interactive.is_(interactive), c.zone_id == zone_id, is_free())
        .order_by(c.turn, c.custom_hostname_id)
        .limit(limit)
    )
    return [Waiting(*row) for row in rows]


async def leave(tx: Connection, record_ids: Sequence[str]) -> None:
    """Give up places: served, or no longer wanted."""
    await tx.execute(delete(turns).where(turns.c.custom_hostname_id.in_(record_ids)))


async def place_of(tx: Connection, record_id: str) -> int | None:
    """Give the place in its lane's queue, 1 for the next one; None for one who does not wait."""
    c = turns.c
    row = (await tx.execute(select(turns).where(c.custom_hostname_id == record_id))).first()
    if row is None:
        return None
    lane = Lane(row.lane)
    ahead = await tx.scalar(
        select(func.count())
        .select_from(turns)
        .where(
            _in(row.budget, lane),
            c.interactive.is_(row.interactive),
            (c.turn < row.turn) | and_(c.turn == row.turn, c.custom_hostname_id < record_id),
        )
    )
    mine = (ahead or 0) + 1
    waiting = await lengths(tx, row.budget, lane)
    # One slot in five is the rest's while somebody's first few wait too.
    if row.interactive:
        return mine + min(waiting.rest, mine // 4)
    return mine + min(waiting.interactive, mine * 4)


def _in(budget: str, lane: Lane) -> ColumnElement[bool]:
    return and_(turns.c.budget == budget, turns.c.lane == str(lane))
