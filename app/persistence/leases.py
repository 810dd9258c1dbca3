"""Leases on hostnames and wakes: who works on which, and who asked for a check.

Every write of a hostname first locks its row here, by id and lease token: lease before wide row.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, case, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from app.domain.custom_hostname import Schedule
from app.domain.rate_limit import Lane
from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.hostname_rows import schedule_row
from app.persistence.tables import (
    schedules,
)
from app.persistence.wakeups import Channel, notify

LEASE_SECONDS = 60
"""How long a lease lasts. It is never renewed: the work is bounded well below it."""
TOMBSTONE_SECONDS = 60
"""How far apart requests for its name have the DNS of a removed hostname checked."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one hostname until the lease ends; `token` fences every write."""

    custom_hostname_id: str
    token: int
    now: datetime
    """`nameplate_now()` at the claim: the `now` of what is decided under it."""
    dns_due: bool = True
    cloudflare_due: bool = True
    is_uncreated: bool = False
    """It is not known to be at Cloudflare."""
    paid: bool = False
    """A call for its Cloudflare check was acquired already."""
    served_lane: Lane | None = None
    """It was queued in this lane, and a call for its action was acquired."""
    began: float = field(default_factory=time.monotonic, compare=False, repr=False)

    @property
    def age(self) -> float:
        """Seconds since the claim, on this process's clock."""
        return time.monotonic() - self.began


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a later list page is compared with: both statuses, and a digest of the view."""

    hostname_status: str | None = None
    ssl_status: str | None = None
    digest: int | None = None


async def claim_these(tx: Connection, ids: Sequence[str]) -> list[Claim]:
    """Lease those that are free."""
    if not ids:
        return []
    return await _lease(tx, schedules.c.custom_hostname_id.in_(ids), is_free())


async def lock_all(tx: Connection, ids: Collection[str]) -> None:
    """Lock these rows for a transaction that changes them in several statements."""
    await tx.execute(select(func.count()).select_from(locked_in_order(_ids(ids))))


async def claim_one(tx: Connection, record_id: str) -> Claim | None:
    """Lease one hostname, whether due or not; None if it is leased."""
    claims = await _lease(tx, schedules.c.custom_hostname_id == record_id, is_free())
    return claims[0] if claims else None


async def lock_schedule(tx: Connection, record_id: str) -> None:
    """Lock the row for a change of what is desired."""
    await tx.execute(
        select(schedules.c.custom_hostname_id)
        .where(schedules.c.custom_hostname_id == record_id)
        .with_for_update()
    )


async def lock_lease(tx: Connection, claim: Claim) -> bool:
    """Lock the row of `claim`; False if its lease was lost."""
    rows = await tx.execute(
        select(schedules.c.custom_hostname_id)
        .where(
            schedules.c.custom_hostname_id == claim.custom_hostname_id,
            schedules.c.lease_token == claim.token,
            schedules.c.leased_until > NOW,
        )
        .with_for_update()
    )
    return rows.first() is not None


async def save_schedule(tx: Connection, claim: Claim, schedule: Schedule) -> None:
    """Write the row and keep the lease: an action follows."""
    await tx.execute(_of(claim).values(schedule_row(schedule)))


async def save_and_release(
    tx: Connection, claim: Claim, schedule: Schedule, snapshot: Snapshot | None = None
) -> None:
    """Write the row and release the lease. A wake since the claim makes the row due at once.

    Without a `snapshot` the stored one stays.
    """
    woken = schedules.c.wakes != schedules.c.claimed_wakes
    values: dict[str, Any] = schedule_row(schedule)
    values["dns_due_at"] = case((woken, NOW), else_=values["dns_due_at"])
    values["cloudflare_due_at"] = case((woken, NOW), else_=values["cloudflare_due_at"])
    if snapshot is not None:
        values["hostname_status"] = snapshot.hostname_status
        values["ssl_status"] = snapshot.ssl_status
        values["view_digest"] = snapshot.digest
    rows = await tx.execute(_of(claim).values(**values, leased_until=None).returning(woken))
    if rows.scalar_one():
        await notify(tx, Channel.RECONCILE)


async def release_lease(tx: Connection, claim: Claim) -> None:
    """Release the lease and leave the row unchanged."""
    await tx.execute(_of(claim).values(leased_until=None))


async def wake(tx: Connection, record_id: str) -> None:
    """Make a hostname due now, even if it is leased."""
    await tx.execute(
        update(schedules)
        .where(schedules.c.custom_hostname_id == record_id)
        .values(wakes=schedules.c.wakes + 1, dns_due_at=NOW, cloudflare_due_at=NOW)
    )
    await notify(tx, Channel.RECONCILE)


async def wake_tombstone(tx: Connection, record_id: str) -> None:
    """Wake a removed hostname, because somebody adds its name, unless that was done just now."""
    woken_at = schedules.c.tombstone_woken_at
    rows = await tx.execute(
        update(schedules)
        .where(
            schedules.c.custom_hostname_id == record_id,
            or_(woken_at.is_(None), woken_at <= NOW - in_seconds(TOMBSTONE_SECONDS)),
        )
        .values(
            wakes=schedules.c.wakes + 1,
            dns_due_at=NOW,
            cloudflare_due_at=NOW,
            tombstone_woken_at=NOW,
        )
        .returning(schedules.c.custom_hostname_id)
    )
    if rows.first() is not None:
        await notify(tx, Channel.RECONCILE)


async def _lease(tx: Connection, *which: Any, **more: Any) -> list[Claim]:
    locked = locked_in_order(*which)
    rows = await tx.execute(
        update(schedules)
        .where(schedules.c.custom_hostname_id == locked.c.custom_hostname_id)
        .values(
            lease_token=schedules.c.lease_token + 1,
            leased_until=NOW + in_seconds(LEASE_SECONDS),
            claimed_wakes=schedules.c.wakes,
            **more,
        )
        .returning(
            schedules.c.custom_hostname_id,
            schedules.c.lease_token,
            NOW,
            func.coalesce(schedules.c.dns_due_at <= NOW, False),
            func.coalesce(schedules.c.cloudflare_due_at <= NOW, False),
            schedules.c.hostname_status.is_(None),
        )
    )
    return [Claim(*row) for row in rows]


def locked_in_order(*which: Any) -> CTE:
    """Lock the rows that match `which` in the order of their ids, as every statement does.

    Two statements that lock the same rows in different orders would deadlock. A bulk UPDATE locks
    in its plan's order, so it joins this CTE.
    """
    return (
        select(schedules.c.custom_hostname_id)
        .where(*which)
        .order_by(schedules.c.custom_hostname_id)
        .with_for_update(key_share=True)
        .cte("locked")
    )


def _ids(ids: Collection[str]) -> Any:
    return schedules.c.custom_hostname_id == func.any(literal(list(ids), ARRAY(TEXT)))


def is_free() -> Any:
    """Give the condition that the row is not leased."""
    return or_(schedules.c.leased_until.is_(None), schedules.c.leased_until <= NOW)


def _of(claim: Claim) -> Any:
    return update(schedules).where(
        schedules.c.custom_hostname_id == claim.custom_hostname_id,
        schedules.c.lease_token == claim.token,
    )
