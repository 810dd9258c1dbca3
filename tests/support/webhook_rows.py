"""Rows for tests of webhooks that need the database alone: endpoints, events and deliveries."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, text, update

from app.domain.custom_hostname import Schedule
from app.persistence.database import Connection, Database
from app.persistence.deliveries import Delivery, claim_deliveries
from app.persistence.tables import events
from app.persistence.webhook_tables import deliveries, webhook_endpoints
from tests.support.rows import present_zone, put_hostname

BEGAN = datetime(2024, 11, 26, 12, tzinfo=UTC)
"""Earlier than the time of any database."""
_numbers = itertools.count(1)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


async def put_endpoint(database: Database, endpoint_id: str = "we_1", **columns: Any) -> str:
    """Insert an endpoint that gets everything, apart from the `columns`."""
    row = {
        "id": endpoint_id,
        "url": "https://hook.shop.com/",
        "event_types": [],
        "secret": b"",
        "created_at": BEGAN,
        **columns,
    }
    async with database.transaction() as tx:
        await tx.execute(insert(webhook_endpoints).values(row))
    return endpoint_id


async def put_hostnames(database: Database, **tenants: str) -> None:
    """Insert hostnames by id, each of a tenant."""
    zone = await present_zone(database)
    for record_id, tenant in tenants.items():
        name = f"shop.{record_id.replace('_', '-')}.com"
        await put_hostname(database, zone, record_id, name, Schedule(), tenant=tenant)


def event_row(
    created_at: datetime, subject: str, *, kind: str = "custom_hostname.created", **columns: Any
) -> dict[str, Any]:
    """Build an event of a hostname, a zone (`zone_...`) or an endpoint (`we_...`)."""
    number = next(_numbers)
    body = {"type": kind, "data": {"event": {"type": kind, "subject": subject, "sequence": number}}}
    column = "custom_hostname_id"
    if subject.startswith(("zone_", "we_")):
        column = "zone_id" if subject.startswith("zone_") else "endpoint_id"
    return {
        "id": f"evt_{number:06}",
        "custom_hostname_id": None,
        "zone_id": None,
        "endpoint_id": None,
        "tenant": None,
        column: subject,
        "sequence": number,
        "type": kind,
        "after": "pending",
        "reason": "operator",
        "body": json.dumps(body),
        "created_at": created_at,
        **columns,
    }


async def put_events(database: Database, rows: list[dict[str, Any]]) -> None:
    """Insert events, of which nobody is told."""
    async with database.transaction() as tx:
        await tx.execute(insert(events), rows)


def delivery_row(
    event_id: str, endpoint_id: str, created_at: datetime, *, status: str = "pending"
) -> dict[str, Any]:
    """Build a delivery, which is due if it is pending."""
    return {
        "id": f"dlv_{next(_numbers):06}",
        "event_id": event_id,
        "endpoint_id": endpoint_id,
        "status": status,
        "attempts": 0 if status == "pending" else 1,
        "next_attempt_at": created_at if status == "pending" else None,
        "created_at": created_at,
    }


async def put_deliveries(database: Database, rows: list[dict[str, Any]]) -> None:
    async with database.transaction() as tx:
        await tx.execute(insert(deliveries), rows)


async def owe(database: Database, endpoint_id: str, count: int) -> list[str]:
    """Insert deliveries that are due, of events of a zone. Return their ids."""
    zone = await present_zone(database)
    made = [event_row(at(n), zone.id, kind="zone.paused") for n in range(count)]
    owed = [delivery_row(row["id"], endpoint_id, row["created_at"]) for row in made]
    await put_events(database, made)
    await put_deliveries(database, owed)
    return [row["id"] for row in owed]


async def claim(tx: Connection, count: int = 10, *, per_endpoint: int = 100) -> list[Delivery]:
    """Lease deliveries that are due, in order."""

    def first(due: Any) -> list[str]:
        return [each.id for each in due[:count]]

    return await claim_deliveries(tx, first, limit=count, per_endpoint=per_endpoint, besides=[])


async def claimed(database: Database, count: int = 10, **more: int) -> list[Delivery]:
    async with database.transaction() as tx:
        return await claim(tx, count, **more)


async def stored(database: Database) -> list[dict[str, Any]]:
    """Return all deliveries, oldest first."""
    async with database.transaction() as tx:
        rows = await tx.execute(
            select(deliveries).order_by(deliveries.c.created_at, deliveries.c.id)
        )
        return [dict(row) for row in rows.mappings()]


async def endpoint_row(database: Database, endpoint_id: str = "we_1") -> dict[str, Any]:
    c = webhook_endpoints.c
    async with database.transaction() as tx:
        rows = await tx.execute(select(webhook_endpoints).where(c.id == endpoint_id))
        return dict(rows.mappings().one())


async def change_endpoint(database: Database, endpoint_id: str = "we_1", **columns: Any) -> None:
    async with database.transaction() as tx:
        await tx.execute(
            update(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id).values(**columns)
        )


async def advance(database: Database, **by: float) -> None:
    """Move the clock on."""
    async with database.transaction() as tx:
        await tx.execute(
            text('UPDATE clock_offset SET "offset" = "offset" + :by'), {"by": timedelta(**by)}
        )
