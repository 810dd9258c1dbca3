"""The list snapshot: narrow columns that Cloudflare's lists are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.leases import Snapshot, locked_in_order
from app.persistence.tables import EXCEPTIONAL, FOLLOWED, cloudflare_objects, schedules


@dataclass(frozen=True, slots=True)
class Missing:
    """Hostnames that a full round did not list, of those that Cloudflare had shown before."""

    unlisted: int
    lost: int
    """Those of `unlisted` that were shown so long before the round that it had to list them."""
    expected: int
    """How many the round had to list; those that it listed are among them."""


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """What is stored of a hostname that a page lists."""

    custom_hostname_id: str
    cloudflare_id: str
    snapshot: Snapshot
    viewed_at: datetime | None


async def read_snapshot(
    tx: Connection, zone_id: str, cloudflare_ids: Sequence[str]
) -> list[SnapshotRow]:
    """Return what is stored of the hostnames with these ids at Cloudflare."""
    objects, c = cloudflare_objects.c, schedules.c
    rows = await tx.execute(
        select(
            c.custom_hostname_id,
            objects.cloudflare_id,
            c.hostname_status,
            c.ssl_status,
            c.view_digest,
            c.viewed_at,
        )
        .select_from(
            cloudflare_objects.join(schedules, c.custom_hostname_id == objects.custom_hostname_id)
        )
        .where(objects.zone_id == zone_id, objects.cloudflare_id.in_(cloudflare_ids))
    )
    return [SnapshotRow(row[0], row[1], Snapshot(*row[2:5]), row[5]) for row in rows]


async def confirm_snapshot(
    tx: Connection,
    ids: Sequence[str],
    *,
    sent_at: datetime,
    round_number: int | None,
    next_check_in: timedelta | None,
) -> None:
    """Note that a page showed these unchanged. Names that lists follow get a later check."""
    c = schedules.c
    values: dict[str, Any] = {"viewed_at": sent_at}
    if round_number is not None:
        values["seen_in_scan"] = round_number
    if next_check_in is not None:
        later = NOW + in_seconds(next_check_in.total_seconds())
        values["cloudflare_due_at"] = case(
            (c.cloudflare_due_at < later, later), else_=c.cloudflare_due_at
        )
    locked = locked_in_order(
        c.custom_hostname_id == func.any(literal(list(ids), ARRAY(TEXT))),
        or_(c.viewed_at.is_(None), c.viewed_at < sent_at),
    )
    await tx.execute(
        update(schedules).where(c.custom_hostname_id == locked.c.custom_hostname_id).values(values)
    )


async def note_in_scan(tx: Connection, ids: Sequence[str], round_number: int) -> None:
    """Note that the round showed these, whatever the result."""
    c = schedules.c
    locked = locked_in_order(c.custom_hostname_id.in_(ids))
    await tx.execute(
        update(schedules)
        .where(c.custom_hostname_id == locked.c.custom_hostname_id)
        .values(seen_in_scan=round_number)
    )


async def check_unreadable(tx: Connection, ids: Sequence[str]) -> None:
    """Make due the names whose entries could not be read, unless they are in back-off."""
    c = schedules.c
    await tx.execute(
        update(schedules)
        .where(c.custom_hostname_id.in_(ids), c.cloudflare_failures == 0)
        .values(cloudflare_due_at=func.least(c.cloudflare_due_at, NOW))
    )


async def check_unlisted(
    tx: Connection, zone_id: str, filters: Mapping[str, str], *, since: datetime
) -> int:
    """Make due the names that a filtered list should have shown and did not. Return how many."""
    c = schedules.c
    named = [c[name] == value for name, value in filters.items()]
    locked = locked_in_order(
        c.zone_id == zone_id,
        EXCEPTIONAL,
        *named,
        or_(c.viewed_at.is_(None), c.viewed_at < since),
        or_(c.cloudflare_due_at.is_(None), c.cloudflare_due_at > NOW),
    )
    rows = await tx.execute(
        update(schedules)
        .where(c.custom_hostname_id == locked.c.custom_hostname_id)
        .values(cloudflare_due_at=NOW)
        .returning(literal(1))
    )
    return len(rows.all())


async def count_missing(
    tx: Connection, zone_id: str, round_number: int, *, since: datetime, lag: timedelta
) -> Missing:
    """Count what a full round, begun at `since`, did not list. A list may be `lag` behind."""
    c = schedules.c
    listed = c.seen_in_scan >= round_number
    unlisted = and_(~listed, or_(c.viewed_at.is_(None), c.viewed_at < since))
    lost = and_(~listed, or_(c.viewed_at.is_(None), c.viewed_at < since - lag))
    rows = await tx.execute(
        select(
            func.count().filter(unlisted),
            func.count().filter(lost),
            func.count().filter(or_(listed, lost)),
        ).where(c.zone_id == zone_id, c.hostname_status.is_not(None))
    )
    return Missing(*rows.one())


async def check_missing(
    tx: Connection, zone_id: str, round_number: int, *, since: datetime, rounds: int
) -> int:
    """Make due the names that `rounds` full rounds did not list. Return how many."""
    c = schedules.c
    locked = locked_in_order(
        c.zone_id == zone_id,
        c.hostname_status.is_not(None),
        c.seen_in_scan <= round_number - rounds,
        or_(c.viewed_at.is_(None), c.viewed_at < since),
    )
    rows = await tx.execute(
        update(schedules)
        .where(c.custom_hostname_id == locked.c.custom_hostname_id)
        .values(cloudflare_due_at=NOW)
        .returning(literal(1))
    )
    return len(rows.all())


async def count_followed(tx: Connection, zone_id: str, *, limit: int) -> int:
    """Count the names that wait for issuance or deployment and are checked closely."""
    c = schedules.c
    followed = (
        select(c.custom_hostname_id)
        .where(
            c.zone_id == zone_id,
            FOLLOWED,
            c.cloudflare_due_at <= NOW + in_seconds(60),
        )
        .limit(limit)
    )
    return await tx.scalar(select(func.count()).select_from(followed.subquery())) or 0
