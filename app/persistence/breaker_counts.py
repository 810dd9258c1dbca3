"""Counts of checked live names and of their mismatches, by minute and tenant.

`domain/breaker` has the rule; `services/breaker` applies it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.breaker import Counts
from app.domain.custom_hostname import LIVE
from app.persistence.database import NOW, Connection, in_seconds, lock_named
from app.persistence.tables import breaker_counts, custom_hostnames, schedules

_MINUTE = func.date_trunc("minute", NOW)


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of one zone and side, and of the tenant with the most mismatches in it."""

    seen: Counts
    tenant: str
    of_tenant: Counts


async def count_check(
    tx: Connection, zone_id: str, side: str, tenant: str, *, is_mismatch: bool
) -> None:
    """Count one check of a live name.

    Mismatches are counted one after the other. Several at the same moment would each see only
    themselves.
    """
    if is_mismatch:
        await lock_named(tx, f"breaker/{zone_id}/{side}")
    c = breaker_counts.c
    new = upsert(breaker_counts).values(
        zone_id=zone_id,
        side=side,
        minute=_MINUTE,
        tenant=tenant,
        checked=1,
        mismatched=int(is_mismatch),
    )
    await tx.execute(
        new.on_conflict_do_update(
            index_elements=["zone_id", "side", "minute", "tenant"],
            set_={
                "checked": c.checked + new.excluded.checked,
                "mismatched": c.mismatched + new.excluded.mismatched,
            },
        )
    )


async def tally_within(tx: Connection, zone_id: str, side: str, within: timedelta) -> Tally:
    """Sum up the last minutes. The first of them counts as a whole."""
    c = breaker_counts.c
    since = func.date_trunc("minute", NOW - in_seconds(within.total_seconds()))
    rows = await tx.execute(
        select(c.tenant, func.sum(c.checked), func.sum(c.mismatched))
        .where(c.zone_id == zone_id, c.side == side, c.minute >= since)
        .group_by(c.tenant)
    )
    by_tenant = {row[0]: Counts(int(row[1]), int(row[2])) for row in rows}
    most = max(by_tenant, key=lambda tenant: by_tenant[tenant].mismatched, default="")
    checked = sum(counts.checked for counts in by_tenant.values())
    mismatched = sum(counts.mismatched for counts in by_tenant.values())
    return Tally(Counts(checked, mismatched), most, by_tenant.get(most, Counts(0, 0)))


async def count_live(
    tx: Connection, zone_id: str, *, limit: int, besides: str | None = None
) -> int:
    """Count the live names, at most `limit`, without those of the tenant `besides`."""
    c, wide = schedules.c, custom_hostnames.c
    live = (
        select(c.custom_hostname_id)
        .join(custom_hostnames, wide.id == c.custom_hostname_id)
        .where(c.zone_id == zone_id, wide.state.in_(list(LIVE)))
    )
    if besides is not None:
        live = live.where(wide.tenant != besides)
    return await tx.scalar(select(func.count()).select_from(live.limit(limit).subquery())) or 0


async def forget_counts(tx: Connection, zone_id: str, *, older_than: timedelta) -> None:
    """Delete the counts that no rule reads any more."""
    c = breaker_counts.c
    await tx.execute(
        delete(breaker_counts).where(c.zone_id == zone_id, c.minute <= NOW - older_than)
    )
