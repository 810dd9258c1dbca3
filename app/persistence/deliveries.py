"""Deliveries and their attempts: the outbox that the sender empties."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, or_, select, update

from app.domain.attempt import Attempt
from app.persistence.database import NOW, Connection
from app.persistence.tables import OWED, attempts, deliveries, events, webhook_endpoints

LEASE_SECONDS = 60
"""Longer than one attempt may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event owed to one endpoint, leased to this sender."""

    id: str
    token: int
    event_id: str
    body: str
    url: str
    secret: bytes
    """Encrypted."""
    attempts: int
    """How many tries there were before this one."""
    now: datetime


async def claim_deliveries(tx: Connection, *, limit: int) -> list[Delivery]:
    """Lease what is due and free."""
    c = deliveries.c
    due = (
        select(c.id)
        .where(
            OWED,
            c.next_attempt_at <= NOW,
            or_(c.leased_until.is_(None), c.leased_until <= NOW),
        )
        .order_by(c.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    leased = await tx.execute(
        update(deliveries)
        .where(c.id.in_(due.scalar_subquery()))
        .values(
            lease_token=c.lease_token + 1,
            leased_until=NOW + func.make_interval(0, 0, 0, 0, 0, 0, LEASE_SECONDS),
        )
        .returning(c.id)
    )
    ids = list(leased.scalars())
    return await _read(tx, ids) if ids else []


async def record_attempt(
    tx: Connection, delivery: Delivery, attempt: Attempt, *, retry_after: timedelta | None
) -> bool:
    """Write the attempt and what follows from it; False when the lease was no longer ours."""
    c = deliveries.c
    status = "succeeded" if attempt.succeeded else "pending" if retry_after else "exhausted"
    settled = await tx.execute(
        update(deliveries)
        .where(c.id == delivery.id, c.lease_token == delivery.token, OWED)
        .values(
            status=status,
            attempts=delivery.attempts + 1,
            next_attempt_at=NOW + retry_after if status == "pending" else None,
            leased_until=None,
        )
        .returning(c.id)
    )
    if settled.first() is None:
        return False
    await tx.execute(
        insert(attempts).values(
            delivery_id=delivery.id,
            number=delivery.attempts + 1,
            started_at=delivery.now,
            duration_ms=attempt.duration_ms,
            status_code=attempt.status_code,
            error=attempt.error,
        )
    )
    return True


async def seconds_until_due(tx: Connection) -> float | None:
    """How long until the next delivery is due and free; None when none waits."""
    c = deliveries.c
    free_at = func.greatest(c.next_attempt_at, c.leased_until)
    wait = func.extract("epoch", func.min(free_at) - NOW)
    seconds = (await tx.execute(select(wait).where(OWED))).scalar_one_or_none()
    return None if seconds is None else max(float(seconds), 0.0)


async def _read(tx: Connection, ids: list[str]) -> list[Delivery]:
    c = deliveries.c
    rows = await tx.execute(
        select(
            c.id,
            c.lease_token.label("token"),
            c.event_id,
            events.c.body,
            webhook_endpoints.c.url,
            webhook_endpoints.c.secret,
            c.attempts,
            NOW.label("now"),
        )
        .join(events, events.c.id == c.event_id)
        .join(webhook_endpoints, webhook_endpoints.c.id == c.endpoint_id)
        .where(c.id.in_(ids))
        .order_by(events.c.custom_hostname_id, events.c.sequence)
    )
    return [_delivery(dict(row)) for row in rows.mappings()]


def _delivery(row: dict[str, Any]) -> Delivery:
    return Delivery(**row)
