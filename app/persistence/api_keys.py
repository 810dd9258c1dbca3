"""API keys, as hashes: the key itself is shown once and never kept."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert
from sqlalchemy.dialects.postgresql import insert as upsert

from app.persistence.database import NOW, Connection, Database
from app.persistence.ids import Prefix, new_id
from app.persistence.tables import api_keys


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Who calls."""

    id: str
    name: str
    scope: str


async def insert_key(tx: Connection, *, name: str, scope: str, digest: bytes) -> ApiKey:
    """Write a new key."""
    key = ApiKey(new_id(Prefix.API_KEY), name, scope)
    await tx.execute(
        insert(api_keys).values(id=key.id, name=name, scope=scope, hash=digest, created_at=NOW)
    )
    return key


async def put_bootstrap_key(tx: Connection, digest: bytes) -> None:
    """Make sure the key from the settings exists; one that was revoked stays revoked."""
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
    """Find the key that has this hash and is not revoked; on the driver's pool: a hot read."""
    row = await database.fetch_row(_FIND, digest)
    return ApiKey(row["id"], row["name"], row["scope"]) if row else None


_FIND = "SELECT id, name, scope FROM api_keys WHERE hash = $1 AND revoked_at IS NULL"
