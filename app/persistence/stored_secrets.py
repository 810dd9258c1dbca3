"""The columns that hold encrypted secrets, read page by page and written one by one.

`services/stored_secrets` rotates them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, select, true, update

from app.persistence.database import Connection
from app.persistence.tables import zones
from app.persistence.webhook_tables import webhook_endpoints


@dataclass(frozen=True, slots=True)
class Kind:
    """One column of one table."""

    label: str
    table: Table
    column: str
    used: ColumnElement[bool]
    """Which rows still need their secret."""


KINDS = (
    Kind("the token of zone", zones, "api_token", true()),
    Kind(
        "the secret of webhook endpoint",
        webhook_endpoints,
        "secret",
        webhook_endpoints.c.deleted_at.is_(None),
    ),
    Kind(
        "the previous secret of webhook endpoint",
        webhook_endpoints,
        "previous_secret",
        and_(
            webhook_endpoints.c.deleted_at.is_(None),
            webhook_endpoints.c.previous_secret.is_not(None),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """One row's secret, encrypted."""

    id: str
    encrypted: bytes


async def read_secrets(
    tx: Connection, kind: Kind, *, after: str, limit: int
) -> Sequence[StoredSecret]:
    """Return the next secrets in the order of their ids."""
    return await _read(tx, kind, after=after, limit=limit, lock=False)


async def lock_secrets(
    tx: Connection, kind: Kind, *, after: str, limit: int
) -> Sequence[StoredSecret]:
    """Return the next secrets, and lock them until the transaction ends."""
    return await _read(tx, kind, after=after, limit=limit, lock=True)


async def save_secret(tx: Connection, kind: Kind, row_id: str, encrypted: bytes) -> None:
    """Write one secret."""
    values: dict[str, Any] = {kind.column: encrypted}
    await tx.execute(update(kind.table).where(kind.table.c.id == row_id).values(values))


async def _read(
    tx: Connection, kind: Kind, *, after: str, limit: int, lock: bool
) -> list[StoredSecret]:
    c = kind.table.c
    query = select(c.id, c[kind.column]).where(c.id > after, kind.used).order_by(c.id).limit(limit)
    if lock:
        query = query.with_for_update(key_share=True)
    return [StoredSecret(*row) for row in await tx.execute(query)]
