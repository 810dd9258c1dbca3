"""The stored progress of list scans, so that a restart continues where it was.

`domain/resync` has the rules; `services/resync` reads the lists.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.resync import FOLLOWED_EVERY, WHOLE
from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.leases import LEASE_SECONDS
from app.persistence.tables import list_scans


@dataclass(frozen=True, slots=True, kw_only=True)
class ListScan:
    """One list of one zone, leased to this worker for one page."""

    zone_id: str
    list: str
    number: int
    """How many rounds were begun."""
    page: int | None
    """The next page to read. None between rounds. Pages are read last first."""
    pages: int | None
    total: int | None
    started_at: datetime | None
    token: int
    now: datetime


async def put_lists(tx: Connection, zone_id: str, lists: Sequence[str]) -> None:
    """Have these lists scanned from now on."""
    await tx.execute(
        upsert(list_scans)
        .values([{"zone_id": zone_id, "list": each, "due_at": NOW} for each in lists])
        .on_conflict_do_nothing()
    )


async def claim_page(tx: Connection, zones: Collection[str]) -> ListScan | None:
    """Lease the list in these zones that has been due the longest."""
    c = list_scans.c
    due = (
        select(c.zone_id, c.list)
        .where(
            c.zone_id.in_(zones),
            c.due_at <= NOW,
            or_(c.leased_until.is_(None), c.leased_until <= NOW),
        )
        .order_by(c.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    found = (await tx.execute(due)).first()
    if found is None:
        return None
    rows = await tx.execute(
        update(list_scans)
        .where(c.zone_id == found[0], c.list == found[1])
        .values(lease_token=c.lease_token + 1, leased_until=NOW + in_seconds(LEASE_SECONDS))
        .returning(*_columns(), NOW)
    )
    return _read(rows.one())


async def hasten(tx: Connection, zone_id: str, lists: Sequence[str]) -> None:
    """Begin the next round of these lists, unless one is in progress or has just ended."""
    c = list_scans.c
    await tx.execute(
        update(list_scans)
        .where(
            c.zone_id == zone_id,
            c.list.in_(lists),
            c.page.is_(None),
            c.due_at > NOW + in_seconds(FOLLOWED_EVERY.total_seconds()),
        )
        .values(due_at=NOW)
    )


async def total_of(tx: Connection, zone_id: str) -> int | None:
    """Return how many names the whole zone has, as its list last said."""
    c = list_scans.c
    return await tx.scalar(select(c.total).where(c.zone_id == zone_id, c.list == WHOLE))


async def put_off(tx: Connection, scan: ListScan, wait: timedelta) -> None:
    """Release the lease, and leave the list's progress as it was."""
    c = list_scans.c
    await tx.execute(
        update(list_scans)
        .where(c.zone_id == scan.zone_id, c.list == scan.list, c.lease_token == scan.token)
        .values(due_at=NOW + in_seconds(wait.total_seconds()), leased_until=None)
    )


async def end_round(tx: Connection, scan: ListScan, wait: timedelta, *, number: int) -> None:
    """Release the lease and reset the list's progress; the round after `number` starts afresh."""
    c = list_scans.c
    await tx.execute(
        update(list_scans)
        .where(c.zone_id == scan.zone_id, c.list == scan.list, c.lease_token == scan.token)
        .values(
            number=number,
            page=None,
            started_at=None,
            due_at=NOW + in_seconds(wait.total_seconds()),
            leased_until=None,
        )
    )


async def save_progress(
    tx: Connection,
    scan: ListScan,
    *,
    due_in: timedelta,
    page: int | None,
    pages: int,
    total: int,
    begun: datetime | None,
    finished: bool,
) -> None:
    """Save the list's progress and release the lease. `begun` is set when a round begins."""
    c = list_scans.c
    values: dict[str, object] = {
        "page": page,
        "pages": pages,
        "total": total,
        "due_at": NOW + in_seconds(due_in.total_seconds()),
        "leased_until": None,
    }
    if begun is not None:
        values |= {"started_at": begun, "number": scan.number + 1}
    if finished:
        values["finished_at"] = NOW
    await tx.execute(
        update(list_scans)
        .where(c.zone_id == scan.zone_id, c.list == scan.list, c.lease_token == scan.token)
        .values(values)
    )


def _columns() -> list[ColumnElement[Any]]:
    c = list_scans.c
    return [
        c.zone_id, c.list, c.number, c.page, c.pages, c.total, c.started_at, c.lease_token,
    ]  # fmt: skip


def _read(row: Sequence[Any]) -> ListScan:
    names = (
        "zone_id", "list", "number", "page", "pages", "total", "started_at", "token", "now",
    )  # fmt: skip
    return ListScan(**dict(zip(names, row, strict=True)))
