"""API keys, stored as hashes. A key itself is shown once and never stored.

`services/api_keys` creates and looks up keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.persistence.database import NOW, Connection, Database
from app.persistence.ids import Prefix, new_id
from app.persistence.tables import api_keys


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An authenticated caller's key."""

    id: str
    name: str
    scope: str


@dataclass(frozen=True, slots=True)
class ListedKey(ApiKey):
    """A key as operators see it."""

    created_at: datetime
    revoked_at: datetime | None


async def insert_key(tx: Connection, *, name: str, scope: str, digest: bytes) -> ApiKey:
    """Insert a new key."""
    key = ApiKey(new_id(Prefix.API_KEY), name, scope)
    await tx.execute(
        insert(api_keys).values(id=key.id, name=name, scope=scope, hash=digest, created_at=NOW)
    )
    return key


async def list_keys(tx: Connection) -> list[ListedKey]:
    """Return all keys, oldest first, revoked ones included."""
    rows = await tx.execute(select(*_LISTED).order_by(api_keys.c.created_at, api_keys.c.id))
    return [ListedKey(*row) for row in rows]


async def revoke_key(tx: Connection, key_id: str) -> ListedKey | None:
    """Revoke a key. A revoked key keeps its time. None if there is no such key."""
    c = api_keys.c
    rows = await tx.execute(
        update(api_keys)
        .where(c.id == key_id)
        .values(revoked_at=func.coalesce(c.revoked_at, NOW))
        .returning(*_LISTED)
    )
    row = rows.first()
    return ListedKey(*row) if row else None


async def put_bootstrap_key(tx: Connection, digest: bytes) -> None:
    """Make sure that the key from the settings exists. A revoked one stays revoked."""
    await tx.execute(
        upsert(api_keys)
        .values(
            id=new_id(Prefix.API_KEY),
            name="bootstrap",
            scope="admin",
            hash=digest,
            created_at=NOW,
        )
        .on_conflict_do_nothing(index_elements=["hash"])
    )


async def find_key(database: Database, digest: bytes) -> ApiKey | None:
    """Return the unrevoked key with this hash. A hot read, so it uses the driver's pool."""
    row = await database.fetch_row(_FIND, digest)
    return ApiKey(row["id"], row["name"], row["scope"]) if row else None


_LISTED = tuple(api_keys.c[name] for name in ("id", "name", "scope", "created_at", "revoked_at"))
_FIND = "SELECT id, name, scope FROM api_keys WHERE hash = $1 AND revoked_at IS NULL"
