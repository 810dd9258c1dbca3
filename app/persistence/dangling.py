"""Removed hostnames whose DNS still points here, read by the partial index that has only them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, tuple_

from app.persistence.database import Connection
from app.persistence.tables import DANGLING, custom_hostnames


@dataclass(frozen=True, slots=True)
class Dangling:
    """One of them: its document, when it was removed, and since when it is known to dangle."""

    document: Mapping[str, Any]
    deleted_at: datetime
    since: datetime


@dataclass(frozen=True, slots=True)
class DanglingKeyset:
    """Where one stands in the list."""

    since: datetime
    id: str


async def list_dangling(
    tx: Connection, *, tenant: str | None, after: DanglingKeyset | None, limit: int
) -> list[Dangling]:
    """Return those after a keyset, the newest first: all of them, or one tenant's."""
    c = custom_hostnames.c
    query = select(c.document, c.deleted_at, c.dangling_since).where(DANGLING)
    if tenant is not None:
        query = query.where(c.tenant == tenant)
    if after is not None:
        query = query.where(tuple_(c.dangling_since, c.id) < tuple_(after.since, after.id))
    rows = await tx.execute(query.order_by(c.dangling_since.desc(), c.id.desc()).limit(limit))
    return [Dangling(*row) for row in rows]


async def count_dangling(tx: Connection, *, tenant: str | None = None) -> int:
    """Count them: all, or one tenant's."""
    c = custom_hostnames.c
    query = select(func.count(c.dangling_since)).where(DANGLING)
    if tenant is not None:
        query = query.where(c.tenant == tenant)
    return await tx.scalar(query) or 0
