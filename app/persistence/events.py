"""Events and the deliveries they cause, written in the transaction of the change itself.

`domain/events` defines them; `services/events` emits them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select

from app.domain.custom_hostname import State
from app.domain.events import EndpointEvent, Event, EventType, ZoneEvent, ZoneEventType
from app.domain.reason import Reason
from app.domain.webhook_endpoint import selectors
from app.persistence.database import Connection
from app.persistence.ids import Prefix, new_id
from app.persistence.tables import events
from app.persistence.wakeups import Channel, notify
from app.persistence.webhook_tables import deliveries, webhook_endpoints


async def insert_event(tx: Connection, event: Event, *, body: str) -> None:
    """Write the event, and one pending delivery for each endpoint that subscribed to it."""
    await tx.execute(
        insert(events).values(
            id=event.id,
            custom_hostname_id=event.custom_hostname_id,
            tenant=event.tenant,
            sequence=event.sequence,
            type=str(event.type),
            before=str(event.before) if event.before else None,
            after=str(event.after),
            reason=str(event.reason),
            body=body,
            created_at=event.created_at,
        )
    )
    await _owe(tx, event.id, event.type, event.tenant, event.created_at)


async def insert_zone_event(tx: Connection, event: ZoneEvent, *, body: str) -> None:
    """Write a zone's event, which goes to the endpoints that belong to no tenant."""
    before, after = ("open", "paused") if event.type is ZoneEventType.PAUSED else ("paused", "open")
    await tx.execute(
        insert(events).values(
            id=event.id,
            zone_id=event.zone_id,
            sequence=event.sequence,
            type=str(event.type),
            before=before,
            after=after,
            reason=str(event.reason),
            body=body,
            created_at=event.created_at,
        )
    )
    await _owe(tx, event.id, event.type, None, event.created_at)


async def insert_endpoint_event(tx: Connection, event: EndpointEvent, *, body: str) -> None:
    """Write the event of an endpoint that was disabled. It goes to the others."""
    await tx.execute(
        insert(events).values(
            id=event.id,
            endpoint_id=event.endpoint_id,
            tenant=event.tenant,
            sequence=event.sequence,
            type=str(event.type),
            before="enabled",
            after="disabled",
            reason=event.reason,
            body=body,
            created_at=event.created_at,
        )
    )
    await _owe(tx, event.id, event.type, event.tenant, event.created_at)


async def _owe(
    tx: Connection, event_id: str, kind: str, tenant: str | None, created_at: datetime
) -> None:
    endpoints = await _subscribed(tx, kind, tenant)
    if not endpoints:
        return
    await tx.execute(
        insert(deliveries),
        [
            {
                "id": new_id(Prefix.DELIVERY),
                "event_id": event_id,
                "endpoint_id": endpoint_id,
                "status": "pending",
                "next_attempt_at": created_at,
                "created_at": created_at,
            }
            for endpoint_id in endpoints
        ],
    )
    await notify(tx, Channel.DELIVER)


async def list_events(
    tx: Connection, custom_hostname_id: str, *, after: int, limit: int
) -> list[Event]:
    """Return a hostname's events in order, from the one after sequence number `after`."""
    rows = await tx.execute(
        select(*(c for c in events.c if c.name not in {"body", "zone_id", "endpoint_id"}))
        .where(events.c.custom_hostname_id == custom_hostname_id, events.c.sequence > after)
        .order_by(events.c.sequence)
        .limit(limit)
    )
    return [_read(dict(row)) for row in rows.mappings()]


async def _subscribed(tx: Connection, kind: str, tenant: str | None) -> list[str]:
    c = webhook_endpoints.c
    rows = await tx.execute(
        select(c.id).where(
            c.deleted_at.is_(None),
            c.enabled,
            or_(c.tenant.is_(None), c.tenant == tenant),
            or_(
                func.cardinality(c.event_types) == 0,
                c.event_types.overlap(list(selectors(str(kind)))),
            ),
        )
    )
    return list(rows.scalars())


def _read(row: dict[str, Any]) -> Event:
    return Event(
        **{
            **row,
            "type": EventType(row["type"]),
            "before": State(row["before"]) if row["before"] else None,
            "after": State(row["after"]),
            "reason": Reason.of(row["reason"]),
        }
    )
