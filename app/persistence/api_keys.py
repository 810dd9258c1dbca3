"""API keys, stored as hashes.

A key itself is shown when it is created. Where it was created with an Idempotency-Key,
`persistence/idempotency` has the answer that shows it, encrypted, for a day or until the key is
revoked.

`services/api_keys` creates and looks up keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.persistence.database import NOW, Connection, Database
from app.persistence.ids import Prefix, new_id
from app.persistence.tables import api_keys
from app.persistence.wakeups import Channel, notify

USES_APART_SECONDS = 60.0
"""The use of one key is written this often at most."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An authenticated caller's key."""

    id: str
    name: str
    scope: str
    tenant: str | None
    """The tenant that the key is bound to. None: it reaches all tenants."""


@dataclass(frozen=True, slots=True)
class ListedKey(ApiKey):
    """A key as operators see it."""

    prefix: str | None
    """How the key begins. None if it came from the settings, or was made before this was kept."""
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """When it was used last, to the minute."""
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A valid key, and for how many more seconds it is valid; None: without end."""

    key: ApiKey
    seconds_left: float | None


async def insert_key(
    tx: Connection,
    *,
    name: str,
    scope: str,
    tenant: str | None,
    expires_at: datetime | None,
    prefix: str,
    digest: bytes,
) -> ListedKey:
    """Insert a new key."""
    rows = await tx.execute(
        insert(api_keys)
        .values(
            id=new_id(Prefix.API_KEY),
            name=name,
            scope=scope,
            tenant=tenant,
            prefix=prefix,
            hash=digest,
            created_at=NOW,
            expires_at=expires_at,
        )
        .returning(*_LISTED)
    )
    return ListedKey(*rows.one())


async def get_key(tx: Connection, key_id: str) -> ListedKey | None:
    """Return one by id, even if it is revoked."""
    row = (await tx.execute(select(*_LISTED).where(api_keys.c.id == key_id))).first()
    return ListedKey(*row) if row else None


async def list_keys(
    tx: Connection, *, after: str | None = None, limit: int | None = None
) -> list[ListedKey]:
    """Return keys after the id `after`, newest first, revoked ones included."""
    query = select(*_LISTED).order_by(api_keys.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(api_keys.c.id < after)
    return [ListedKey(*row) for row in await tx.execute(query)]


async def revoke_key(tx: Connection, key_id: str) -> ListedKey | None:
    """Revoke a key, in all processes at once. None if there is no such key.

    A revoked key keeps its time.
    """
    c = api_keys.c
    rows = await tx.execute(
        update(api_keys)
        .where(c.id == key_id)
        .values(revoked_at=func.coalesce(c.revoked_at, NOW))
        .returning(*_LISTED)
    )
    row = rows.first()
    await notify(tx, Channel.API_KEYS)
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


async def find_key(database: Database, digest: bytes) -> FoundKey | None:
    """Return the valid key with this hash. A fast-path read, so it uses the driver's pool."""
    row = await database.fetch_row(_FIND, digest)
    if row is None:
        return None
    key = ApiKey(row["id"], row["name"], row["scope"], row["tenant"])
    return FoundKey(key, row["seconds_left"])


async def write_uses(tx: Connection, ages: Mapping[str, float]) -> None:
    """Write when keys were used last: so many seconds ago, by their ids.

    A key whose use was written within the last minute is left out, and so is one that another
    process is writing at this moment.
    """
    await tx.execute(
        _WRITE_USES,
        {"ids": list(ages), "ages": list(ages.values()), "apart": USES_APART_SECONDS},
    )


_LISTED = tuple(
    api_keys.c[name]
    for name in (
        "id",
        "name",
        "scope",
        "tenant",
        "prefix",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
)
_FIND = """
SELECT id, name, scope, tenant,
  extract(epoch FROM expires_at - public.nameplate_now())::float8 AS seconds_left
FROM api_keys
WHERE hash = $1 AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > public.nameplate_now())
"""
_WRITE_USES = text("""
WITH used AS (
  SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:ages AS float8[])) AS used(id, age)
), due AS (
  SELECT id FROM api_keys
  WHERE id IN (SELECT id FROM used) AND (last_used_at IS NULL
    OR last_used_at <= public.nameplate_now() - make_interval(secs => :apart))
  FOR UPDATE SKIP LOCKED
)
UPDATE api_keys SET last_used_at = public.nameplate_now() - make_interval(secs => used.age)
FROM used, due WHERE api_keys.id = used.id AND api_keys.id = due.id
""")
