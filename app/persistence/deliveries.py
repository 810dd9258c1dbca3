"""Deliveries and their attempts: the outbox that the sender works through.

`domain/deliveries` has the rules; `services/deliveries` sends them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, or_, select, true, update

from app.domain.deliveries import Attempt
from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.leases import LEASE_SECONDS
from app.persistence.tables import OWED, attempts, deliveries, events, webhook_endpoints

READ_TIMES = 8
"""Longer than one attempt may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event due to one endpoint, leased to this sender."""

    id: str
    token: int
    event_id: str
    endpoint_id: str
    body: str
    url: str
    secret: bytes
    """Encrypted."""
    is_tenants_own: bool
    """Whether a key that is bound to the tenant added the endpoint."""
    attempts: int
    """How many attempts were made before this one."""
    now: datetime


Choose = Callable[[Sequence[tuple[str, str]]], list[str]]
"""Takes pairs of delivery and endpoint that are due, in order, and returns the ids to lease."""


async def claim_deliveries(
    tx: Connection, choose: Choose, *, limit: int, per_endpoint: int, besides: Sequence[str]
) -> list[Delivery]:
    """Lease what `choose` selects from the due and unleased deliveries, without some endpoints."""
    chosen = choose(await _due(tx, limit, per_endpoint, besides, taken=()))
    ids = await _lease(tx, chosen)
    if chosen and not ids:
        # Another sender is claiming these very ones at this moment.
        due = await _due(tx, limit, per_endpoint, besides, taken=chosen)
        ids = await _lease(tx, choose(due))
    return await _read(tx, ids) if ids else []


async def _due(
    tx: Connection, limit: int, per_endpoint: int, besides: Sequence[str], *, taken: Sequence[str]
) -> list[tuple[str, str]]:
    """Return what may be leased, without locks: some rows of each endpoint with due deliveries.

    Many of them can belong to endpoints that have their share already, so it reads more rows than
    are taken.
    """
    c, endpoint = deliveries.c, webhook_endpoints.c
    due = (
        select(c.id, c.next_attempt_at)
        .where(c.endpoint_id == endpoint.id, *_due_and_free(), c.id.not_in(taken))
        .order_by(c.next_attempt_at)
        .limit(per_endpoint)
        .lateral("due")
    )
    chosen = (
        select(due.c.id, endpoint.id)
        .select_from(webhook_endpoints.join(due, true()))
        .where(endpoint.deleted_at.is_(None), endpoint.id.not_in(besides))
        .order_by(due.c.next_attempt_at)
        .limit(limit * READ_TIMES)
    )
    return [(row[0], row[1]) for row in await tx.execute(chosen)]


async def _lease(tx: Connection, ids: Sequence[str]) -> list[str]:
    """Lease those that no other sender has claimed since, or is claiming."""
    c = deliveries.c
    free = select(c.id).where(c.id.in_(ids), *_due_and_free()).with_for_update(skip_locked=True)
    locked = list((await tx.execute(free)).scalars())
    if locked:
        await tx.execute(
            update(deliveries)
            .where(c.id.in_(locked))
            .values(
                lease_token=c.lease_token + 1,
                leased_until=NOW + in_seconds(LEASE_SECONDS),
            )
        )
    return locked


def _due_and_free() -> list[Any]:
    c = deliveries.c
    return [
        OWED,
        c.next_attempt_at <= NOW,
        or_(c.leased_until.is_(None), c.leased_until <= NOW),
    ]


async def record_attempt(
    tx: Connection, delivery: Delivery, attempt: Attempt, *, retry_after: timedelta | None
) -> bool:
    """Write the attempt and what follows from it. False if the lease had been lost."""
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


async def _read(tx: Connection, ids: list[str]) -> list[Delivery]:
    c = deliveries.c
    rows = await tx.execute(
        select(
            c.id,
            c.lease_token.label("token"),
            c.event_id,
            c.endpoint_id,
            events.c.body,
            webhook_endpoints.c.url,
            webhook_endpoints.c.secret,
            webhook_endpoints.c.is_tenants_own,
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
