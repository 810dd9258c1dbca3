"""The narrow rows: when to look next, who holds the right to, and who asked to be woken.

Every write of a hostname first locks its row here, by id and lease token: lease before wide row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, or_, select, update

from app.domain.custom_hostname import Watch
from app.persistence.codec import watch_row
from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.tables import watches
from app.persistence.wakeups import Channel, notify

LEASE_SECONDS = 60
"""Never renewed; a tick is bounded well below it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one hostname until the lease ends; `token` fences every write."""

    custom_hostname_id: str
    token: int
    now: datetime
    """`nameplate_now()` at the claim: the `now` of what is decided under it."""
    dns_due: bool = True
    cloudflare_due: bool = True


async def claim_due(tx: Connection, *, limit: int) -> list[Claim]:
    """Lease what is due and free. Read the wide rows in a second statement, or they are stale."""
    due = (
        select(watches.c.custom_hostname_id)
        .where(watches.c.due_at <= NOW, _free())
        .order_by(watches.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return await _lease(tx, watches.c.custom_hostname_id.in_(due.scalar_subquery()))


async def claim_one(tx: Connection, record_id: str) -> Claim | None:
    """Lease one hostname, whether due or not; None when another holds it."""
    claims = await _lease(tx, watches.c.custom_hostname_id == record_id, _free())
    return claims[0] if claims else None


async def lock(tx: Connection, record_id: str) -> None:
    """Lock the row for a change of what is desired."""
    await tx.execute(
        select(watches.c.custom_hostname_id)
        .where(watches.c.custom_hostname_id == record_id)
        .with_for_update()
    )


async def hold(tx: Connection, claim: Claim) -> bool:
    """Lock the row as the holder of `claim`; False when the lease is no longer ours."""
    rows = await tx.execute(
        select(watches.c.custom_hostname_id)
        .where(
            watches.c.custom_hostname_id == claim.custom_hostname_id,
            watches.c.lease_token == claim.token,
            watches.c.leased_until > NOW,
        )
        .with_for_update()
    )
    return rows.first() is not None


async def keep(tx: Connection, claim: Claim, watch: Watch) -> None:
    """Write the row and keep the lease: an act follows."""
    await tx.execute(_of(claim).values(watch_row(watch)))


async def release(tx: Connection, claim: Claim, watch: Watch) -> None:
    """Write the row and give up the lease; a wake that came meanwhile makes it due at once."""
    woken = watches.c.wakes != watches.c.claimed_wakes
    values: dict[str, Any] = watch_row(watch)
    values["dns_due_at"] = case((woken, NOW), else_=values["dns_due_at"])
    values["cloudflare_due_at"] = case((woken, NOW), else_=values["cloudflare_due_at"])
    rows = await tx.execute(_of(claim).values(**values, leased_until=None).returning(woken))
    if rows.scalar_one():
        await notify(tx, Channel.RECONCILE)


async def wake(tx: Connection, record_id: str) -> None:
    """Make a hostname due now, even if somebody holds it at this moment."""
    await tx.execute(
        update(watches)
        .where(watches.c.custom_hostname_id == record_id)
        .values(wakes=watches.c.wakes + 1, dns_due_at=NOW, cloudflare_due_at=NOW)
    )
    await notify(tx, Channel.RECONCILE)


async def _lease(tx: Connection, *which: Any) -> list[Claim]:
    rows = await tx.execute(
        update(watches)
        .where(*which)
        .values(
            lease_token=watches.c.lease_token + 1,
            leased_until=NOW + in_seconds(LEASE_SECONDS),
            claimed_wakes=watches.c.wakes,
        )
        .returning(
            watches.c.custom_hostname_id,
            watches.c.lease_token,
            NOW,
            func.coalesce(watches.c.dns_due_at <= NOW, False),
            func.coalesce(watches.c.cloudflare_due_at <= NOW, False),
        )
    )
    return [Claim(*row) for row in rows]


def _free() -> Any:
    return or_(watches.c.leased_until.is_(None), watches.c.leased_until <= NOW)


def _of(claim: Claim) -> Any:
    return update(watches).where(
        watches.c.custom_hostname_id == claim.custom_hostname_id,
        watches.c.lease_token == claim.token,
    )
