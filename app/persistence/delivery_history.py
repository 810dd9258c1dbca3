"""What was delivered to an endpoint and how, for people who look, and to be sent once more.

`persistence/deliveries` has what is due and how attempts end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Text, and_, cast, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.events import EVENT_TYPES
from app.domain.histogram import Histogram
from app.domain.webhook_endpoint import selects
from app.persistence.bounded_queries import execute_bounded
from app.persistence.clock import read_now
from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.ids import Prefix, new_id
from app.persistence.tables import events
from app.persistence.wakeups import Channel, notify
from app.persistence.webhook_endpoints import WebhookEndpoint
from app.persistence.webhook_tables import (
    EXHAUSTED,
    OWED,
    attempt_histograms,
    attempts,
    deliveries,
)

ADVICE = (
    "Too few of the deliveries fit this filter to find them in time. Add `since` or "
    "`status=exhausted`, or leave a condition out."
)
SCANNED = 2000
"""How many events one step of a replay goes through: few of them may be missed."""
MOST_ATTEMPTS = 1000
"""A delivery that had so many is not sent again."""
MOST_WAITING = 10_000
"""How many waiting deliveries are counted."""


class DeliveryStatus(StrEnum):
    """How far a delivery is."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    EXHAUSTED = "exhausted"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries to list. None excludes nothing."""

    status: DeliveryStatus | None = None
    event_type: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery as it is shown."""

    id: str
    event_id: str | None
    """None: a test event."""
    body: str
    status: DeliveryStatus
    reason: str | None
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """An attempt as it is shown."""

    number: int
    started_at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    answer: str | None


class Missed(NamedTuple):
    """Events that an endpoint did not get, and where to go on; None: they were the last."""

    event_ids: list[str]
    following: Place | None


class Place(NamedTuple):
    """Where a list or a replay goes on: after this row, in the order of time."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """An endpoint's attempts since a time, and what waits."""

    succeeded: int
    failed: int
    durations: Histogram
    """In milliseconds."""
    waiting: int
    """Up to `MOST_WAITING`."""
    oldest_waiting: datetime | None


async def list_deliveries(
    tx: Connection, endpoint_id: str, wanted: DeliveryFilter, *, after: Place | None, limit: int
) -> list[DeliveryRow]:
    """Return an endpoint's deliveries before the place `after`, newest first.

    Raises:
        FilterTooBroad: too few fit the filter to find them in time.
    """
    c = deliveries.c
    newest_first = (c.created_at.desc(), c.id.desc())
    query = _shown().where(c.endpoint_id == endpoint_id).order_by(*newest_first).limit(limit)
    if after is not None:
        query = query.where(tuple_(c.created_at, c.id) < tuple_(after.created_at, after.id))
    if wanted.status is DeliveryStatus.EXHAUSTED:
        # Written out, so that its partial index fits.
        query = query.where(EXHAUSTED)
    elif wanted.status is not None:
        query = query.where(c.status == str(wanted.status))
    if wanted.event_type is not None:
        query = query.where(events.c.type == wanted.event_type)
    if wanted.subject is not None:
        subjects = (events.c.custom_hostname_id, events.c.zone_id, events.c.endpoint_id)
        query = query.where(or_(*(each == wanted.subject for each in subjects)))
    if wanted.since is not None:
        query = query.where(c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(c.created_at < wanted.until)
    rows = await execute_bounded(tx, query, advice=ADVICE)
    return [_read(dict(row)) for row in rows.mappings()]


async def get_delivery(tx: Connection, endpoint_id: str, delivery_id: str) -> DeliveryRow | None:
    """Return one delivery of the endpoint."""
    c = deliveries.c
    rows = await tx.execute(_shown().where(c.id == delivery_id, c.endpoint_id == endpoint_id))
    row = rows.mappings().first()
    return _read(dict(row)) if row else None


async def list_attempts(tx: Connection, delivery_id: str, *, limit: int) -> list[AttemptRow]:
    """Return the delivery's attempts, newest first."""
    c = attempts.c
    columns = (c.number, c.started_at, c.duration_ms, c.status_code, c.error, c.answer)
    rows = await tx.execute(
        select(*columns).where(c.delivery_id == delivery_id).order_by(c.number.desc()).limit(limit)
    )
    return [AttemptRow(**row) for row in rows.mappings()]


async def insert_test(tx: Connection, endpoint_id: str, *, body: str, at: datetime) -> str:
    """Add a delivery of a test event, which is due at once. Return its id."""
    delivery_id = new_id(Prefix.DELIVERY)
    await tx.execute(
        insert(deliveries).values(
            id=delivery_id,
            endpoint_id=endpoint_id,
            body=body,
            status="pending",
            next_attempt_at=at,
            created_at=at,
        )
    )
    await notify(tx, Channel.DELIVER)
    return delivery_id


async def redeliver(tx: Connection, ids: Sequence[str]) -> int:
    """Have these deliveries sent once more, by a new schedule. Return how many.

    One that is being sent at this moment is left to that attempt, and one that had too many is left
    alone.
    """
    c = deliveries.c
    rows = await tx.execute(
        select(c.id)
        .where(
            c.id.in_(ids),
            c.attempts < MOST_ATTEMPTS,
            or_(c.status != "pending", c.leased_until.is_(None), c.leased_until <= NOW),
        )
        .order_by(c.id)
        .with_for_update()
    )
    free = list(rows.scalars())
    if free:
        await tx.execute(
            update(deliveries)
            .where(c.id.in_(free))
            .values(
                status="pending",
                reason=None,
                attempts_before=c.attempts,
                next_attempt_at=NOW,
                # An attempt that is under way belongs to the schedule that ended.
                lease_token=c.lease_token + 1,
                leased_until=None,
            )
        )
        await notify(tx, Channel.DELIVER)
    return len(free)


async def read_ended(
    tx: Connection,
    endpoint_id: str,
    *,
    also_succeeded: bool,
    since: Place,
    until: datetime,
    limit: int,
) -> list[Place]:
    """Return the next deliveries of events that ended, in the order of time."""
    c = deliveries.c
    ended = EXHAUSTED if not also_succeeded else c.status.in_(("succeeded", "exhausted"))
    rows = await tx.execute(
        select(c.created_at, c.id)
        .where(
            c.endpoint_id == endpoint_id,
            ended,
            c.event_id.is_not(None),
            tuple_(c.created_at, c.id) > tuple_(since.created_at, since.id),
            c.created_at < until,
        )
        .order_by(c.created_at, c.id)
        .limit(limit)
    )
    return [Place(*row) for row in rows]


async def read_missed(
    tx: Connection, endpoint: WebhookEndpoint, *, since: Place, until: datetime
) -> Missed:
    """Go through the next events, and return those that the endpoint selects and never got."""
    c, delivery = events.c, deliveries.c
    scanned = (
        select(c.created_at, c.id, c.tenant, c.type, c.endpoint_id)
        .where(
            tuple_(c.created_at, c.id) > tuple_(since.created_at, since.id), c.created_at < until
        )
        .order_by(c.created_at, c.id)
        .limit(SCANNED)
        .cte("scanned")
    )
    s = scanned.c
    known = (
        select(delivery.id)
        .where(delivery.event_id == s.id, delivery.endpoint_id == endpoint.id)
        .exists()
    )
    # It is not told that it was disabled itself.
    wanted = [~known, s.endpoint_id.is_distinct_from(endpoint.id)]
    if endpoint.tenant is not None:
        wanted.append(s.tenant == endpoint.tenant)
    if endpoint.event_types:
        types = [str(kind) for kind in EVENT_TYPES if selects(endpoint.event_types, kind)]
        wanted.append(s.type.in_(types))
    rows = await tx.execute(select(s.created_at, s.id, and_(*wanted)).order_by(s.created_at, s.id))
    found = rows.all()
    last = Place(*found[-1][:2]) if len(found) == SCANNED else None
    return Missed([row[1] for row in found if row[2]], last)


async def newest_transaction(tx: Connection) -> int:
    """Return the number that the next transaction gets which writes."""
    snapshot = func.pg_current_snapshot()
    number = await tx.scalar(select(cast(cast(func.pg_snapshot_xmax(snapshot), Text), BigInteger)))
    return int(number or 0)


async def have_ended(tx: Connection, *, before: int) -> bool:
    """Whether all transactions with smaller numbers have ended."""
    snapshot = func.pg_current_snapshot()
    oldest = await tx.scalar(select(cast(cast(func.pg_snapshot_xmin(snapshot), Text), BigInteger)))
    return int(oldest or 0) >= before


async def owe_missed(tx: Connection, endpoint_id: str, event_ids: Sequence[str]) -> None:
    """Add deliveries of these events to the endpoint, due at once."""
    if not event_ids:
        return
    now = await read_now(tx)
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(Prefix.DELIVERY),
            "event_id": event_id,
            "endpoint_id": endpoint_id,
            "status": "pending",
            # In the order of the events.
            "next_attempt_at": now + timedelta(microseconds=number),
            "created_at": now + timedelta(microseconds=number),
        }
        for number, event_id in enumerate(event_ids)
    ]
    # Another replay may be adding them at this moment.
    await tx.execute(upsert(deliveries).on_conflict_do_nothing(), rows)
    await notify(tx, Channel.DELIVER)


async def read_statistics(tx: Connection, endpoint_id: str, *, hours: int) -> Statistics:
    """Sum up the attempts of the last full `hours` and of the present one, and what waits."""
    c, delivery = attempt_histograms.c, deliveries.c
    rows = await tx.execute(
        select(c.succeeded, c.bucket, func.sum(c.count))
        .where(
            c.endpoint_id == endpoint_id,
            c.hour >= func.date_trunc("hour", NOW) - in_seconds(hours * 3600),
        )
        .group_by(c.succeeded, c.bucket)
    )
    outcomes: Counter[bool] = Counter()
    durations: Counter[int] = Counter()
    for succeeded, bucket, count in rows:
        outcomes[succeeded] += int(count)
        durations[bucket] += int(count)
    owed = and_(delivery.endpoint_id == endpoint_id, OWED)
    some = select(delivery.id).where(owed).limit(MOST_WAITING).subquery()
    waiting = await tx.scalar(select(func.count()).select_from(some))
    oldest = await tx.scalar(
        select(func.min(delivery.created_at)).where(delivery.id.in_(select(some.c.id)))
    )
    return Statistics(
        succeeded=outcomes[True],
        failed=outcomes[False],
        durations=durations,
        waiting=waiting or 0,
        oldest_waiting=oldest,
    )


def _shown() -> Any:
    c = deliveries.c
    return select(
        c.id,
        c.event_id,
        func.coalesce(events.c.body, c.body).label("body"),
        c.status,
        c.reason,
        c.attempts,
        c.next_attempt_at,
        c.created_at,
    ).outerjoin(events, events.c.id == c.event_id)


def _read(row: dict[str, Any]) -> DeliveryRow:
    return DeliveryRow(**{**row, "status": DeliveryStatus(row["status"])})
