"""How many live names were looked at, and how many contradicted, minute by minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from app.persistence.database import NOW, Connection
from app.persistence.tables import breaker_counts

_MINUTE = func.date_trunc("minute", NOW)


@dataclass(frozen=True, slots=True)
class Counts:
    """Live names looked at, and those among them that contradicted for the first time."""

    looked: int
    contradicted: int


async def count_looks(
    tx: Connection, zone_id: str, side: str, *, looked: int, contradicted: int
) -> None:
    """Add what was just seen."""
    c = breaker_counts.c
    new = upsert(breaker_counts).values(
        zone_id=zone_id, side=side, minute=_MINUTE, looked=looked, contradicted=contradicted
    )
    await tx.execute(
        new.on_conflict_do_update(
            index_elements=["zone_id", "side", "minute"],
            set_={
                "looked": c.looked + new.excluded.looked,
                "contradicted": c.contradicted + new.excluded.contradicted,
            },
        )
    )


async def counts_within(tx: Connection, zone_id: str, side: str, within: timedelta) -> Counts:
    """Sum up the last minutes."""
    c = breaker_counts.c
    row = await tx.execute(
        select(
            func.coalesce(func.sum(c.looked), 0),
            func.coalesce(func.sum(c.contradicted), 0),
        ).where(c.zone_id == zone_id, c.side == side, c.minute > NOW - within)
    )
    looked, contradicted = row.one()
    return Counts(int(looked), int(contradicted))


async def forget_counts(tx: Connection, zone_id: str, *, older_than: timedelta) -> None:
    """Drop what no rule asks for any more."""
    c = breaker_counts.c
    await tx.execute(
        delete(breaker_counts).where(c.zone_id == zone_id, c.minute <= NOW - older_than)
    )
