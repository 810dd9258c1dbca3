"""Webhook endpoints. Deleted ones stay as rows, for the history of their deliveries.

`services/webhook_endpoints` has the use cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, insert, or_, select, update

from app.domain.webhook_endpoint import DisabledReason, Signing
from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.webhook_tables import webhook_endpoints

LOCK = 0x656E6470
FAILED_AT_SECONDS = 60
"""How exactly the last failure is kept. A row is not written at each of many failures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """A URL that receives events. Empty `event_types` means all types, no `tenant` all tenants."""

    id: str
    url: str
    description: str = ""
    event_types: tuple[str, ...] = ()
    tenant: str | None
    signing: Signing = Signing.HMAC_SHA256
    secret: bytes = field(repr=False)
    """Encrypted. Of `ed25519`, the private key."""
    public_key: str | None = None
    previous_secret: bytes | None = field(default=None, repr=False)
    """Encrypted. It signs beside the newer one until `previous_until`."""
    previous_until: datetime | None = None
    is_tenants_own: bool = False
    """Added by a key that is bound to the tenant, so that it gets what such a key may see."""
    enabled: bool = True
    disabled_reason: DisabledReason | None = None
    disabled_at: datetime | None = None
    failing_since: datetime | None = None
    failed_at: datetime | None = None
    rate_limit: int | None = None
    """Messages a second."""
    sequence: int = 0
    """How many events it was the subject of."""
    created_at: datetime
    updated_at: datetime | None = None


_FIELDS = tuple(WebhookEndpoint.__dataclass_fields__)


async def insert_endpoint(tx: Connection, endpoint: WebhookEndpoint) -> None:
    """Insert a new endpoint."""
    await tx.execute(insert(webhook_endpoints).values(_row(endpoint)))


async def save_endpoint(tx: Connection, endpoint: WebhookEndpoint) -> None:
    """Write all of a changed endpoint, which is locked."""
    values = {**_row(endpoint), "updated_at": NOW}
    await tx.execute(
        update(webhook_endpoints).where(webhook_endpoints.c.id == endpoint.id).values(values)
    )


async def get_endpoint(
    tx: Connection, endpoint_id: str, *, lock: bool = False
) -> WebhookEndpoint | None:
    """Return one by id."""
    query = _not_deleted().where(webhook_endpoints.c.id == endpoint_id)
    if lock:
        query = query.with_for_update(key_share=True)
    row = (await tx.execute(query)).mappings().first()
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


async def lock_tenant(tx: Connection, tenant: str) -> None:
    """Let one request at a time add an endpoint of the tenant's own."""
    await tx.execute(select(func.pg_advisory_xact_lock(LOCK, func.hashtext(tenant))))


async def count_own(tx: Connection, tenant: str) -> int:
    """Count the tenant's own endpoints."""
    c = webhook_endpoints.c
    own = select(func.count()).where(c.tenant == tenant, c.is_tenants_own, c.deleted_at.is_(None))
    return int(await tx.scalar(own) or 0)


async def delete_endpoint(tx: Connection, endpoint_id: str) -> bool:
    """Close an endpoint. False if there is no such endpoint."""
    c = webhook_endpoints.c
    closed = await tx.execute(
        update(webhook_endpoints)
        .where(c.id == endpoint_id, c.deleted_at.is_(None))
        .values(deleted_at=NOW)
        .returning(c.id)
    )
    return closed.first() is not None


async def note_successes(tx: Connection, ids: Sequence[str]) -> None:
    """Note that these endpoints accepted a message, if they were failing."""
    c = webhook_endpoints.c
    failing = (
        select(c.id)
        .where(c.id.in_(ids), c.failing_since.is_not(None))
        .order_by(c.id)
        .with_for_update(key_share=True)
        .subquery()
    )
    await tx.execute(
        update(webhook_endpoints).where(c.id == failing.c.id).values(failing_since=None)
    )


async def lock_failed(
    tx: Connection, ids: Sequence[str], *, also: Sequence[str]
) -> list[WebhookEndpoint]:
    """Lock those of these endpoints whose last failure was not noted just now, and `also` these."""
    c = webhook_endpoints.c
    rows = await tx.execute(
        _not_deleted()
        .where(
            c.id.in_(ids),
            or_(
                c.failing_since.is_(None),
                c.failed_at.is_(None),
                c.failed_at < NOW - in_seconds(FAILED_AT_SECONDS),
                c.id.in_(also),
            ),
        )
        .order_by(c.id)
        .with_for_update(key_share=True)
    )
    return [_read(dict(row)) for row in rows.mappings()]


def _not_deleted() -> Any:
    c = webhook_endpoints.c
    overlaps = c.previous_until > NOW
    # What no longer signs is forgotten with the next change.
    former = {
        "previous_secret": case((overlaps, c.previous_secret)).label("previous_secret"),
        "previous_until": case((overlaps, c.previous_until)).label("previous_until"),
    }
    columns = (former.get(name, c[name]) for name in _FIELDS)
    return select(*columns).where(c.deleted_at.is_(None))


def _row(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {**asdict(endpoint), "event_types": list(endpoint.event_types)}


def _read(row: dict[str, Any]) -> WebhookEndpoint:
    reason = row["disabled_reason"]
    return WebhookEndpoint(
        **{
            **row,
            "event_types": tuple(row["event_types"]),
            "signing": Signing(row["signing"]),
            "disabled_reason": DisabledReason(reason) if reason else None,
        }
    )
