"""Webhook endpoints. Deleted ones stay as rows, for the history of their deliveries.

`services/webhook_endpoints` has the use cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from app.persistence.database import NOW, Connection
from app.persistence.tables import OWED, deliveries, webhook_endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """A URL that receives events. Empty `event_types` means all types, no `tenant` all tenants."""

    id: str
    url: str
    event_types: tuple[str, ...]
    tenant: str | None
    secret: bytes
    """Encrypted."""
    is_tenants_own: bool = False
    """Added by a key that is bound to the tenant, so that it gets what such a key may see."""
    created_at: datetime


async def insert_endpoint(tx: Connection, endpoint: WebhookEndpoint) -> None:
    """Insert a new endpoint."""
    await tx.execute(
        insert(webhook_endpoints).values(
            id=endpoint.id,
            url=endpoint.url,
            event_types=list(endpoint.event_types),
            tenant=endpoint.tenant,
            secret=endpoint.secret,
            is_tenants_own=endpoint.is_tenants_own,
            created_at=endpoint.created_at,
        )
    )


async def get_endpoint(tx: Connection, endpoint_id: str) -> WebhookEndpoint | None:
    """Return one by id."""
    rows = await tx.execute(_not_deleted().where(webhook_endpoints.c.id == endpoint_id))
    row = rows.mappings().first()
    return _read(dict(row)) if row else None


async def list_endpoints(
    tx: Connection, *, own_of: str | None, after: str | None, limit: int
) -> list[WebhookEndpoint]:
    """Return endpoints after the id `after`, newest first: a tenant's own, or all."""
    query = _not_deleted().order_by(webhook_endpoints.c.id.desc()).limit(limit)
    if own_of is not None:
        c = webhook_endpoints.c
        query = query.where(c.tenant == own_of, c.is_tenants_own)
    if after is not None:
        query = query.where(webhook_endpoints.c.id < after)
    return [_read(dict(row)) for row in (await tx.execute(query)).mappings()]


async def delete_endpoint(tx: Connection, endpoint_id: str) -> bool:
    """Close an endpoint and cancel its pending deliveries. False if there is no such endpoint."""
    c = webhook_endpoints.c
    closed = await tx.execute(
        update(webhook_endpoints)
        .where(c.id == endpoint_id, c.deleted_at.is_(None))
        .values(deleted_at=NOW)
        .returning(c.id)
    )
    if closed.first() is None:
        return False
    await tx.execute(
        update(deliveries)
        .where(deliveries.c.endpoint_id == endpoint_id, OWED)
        .values(status="cancelled", next_attempt_at=None)
    )
    return True


def _not_deleted() -> Any:
    c = webhook_endpoints.c
    columns = (c.id, c.url, c.event_types, c.tenant, c.secret, c.is_tenants_own, c.created_at)
    return select(*columns).where(c.deleted_at.is_(None))


def _read(row: dict[str, Any]) -> WebhookEndpoint:
    return WebhookEndpoint(**{**row, "event_types": tuple(row["event_types"])})
