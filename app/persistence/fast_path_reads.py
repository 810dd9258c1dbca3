"""The reads that come before all else: one row, straight from the driver.

JSON is passed through as Postgres's text; nothing is decoded on the way.
"""

from __future__ import annotations

from typing import TypeAlias

import asyncpg

from app.persistence.database import Database
from app.tracing.spans import open_span

DocumentRow: TypeAlias = asyncpg.Record
ResolvedRow: TypeAlias = asyncpg.Record
CUSTOM_HOSTNAME = """
SELECT h.document::text AS document, h.revision, h.sequence, h.view, w.due_at, h.reason
FROM custom_hostnames h JOIN schedules w ON w.custom_hostname_id = h.id
WHERE h.id = $1
"""
TENANT = "SELECT tenant FROM custom_hostnames WHERE id = $1"
# The condition of the index of held names is written out, as in `tables`. Traffic arrives by the
# name that is live: while an exact one is set up, that may still be the wildcard.
RESOLVED = """
SELECT id, hostname, tenant, state, redirect_to, metadata::text AS metadata
FROM custom_hostnames
WHERE hostname IN ($1, $2) AND state <> 'deleted' AND name_released_at IS NULL
  AND state <> 'deleting'
ORDER BY state = 'cname_verified' DESC, hostname = $1 DESC LIMIT 1
"""


async def read_document(database: Database, record_id: str) -> DocumentRow | None:
    """Return `document` (JSON text), its versions, `due_at` and `reason`, or None."""
    return await _read(database, CUSTOM_HOSTNAME, record_id)


async def read_resolved(database: Database, name: str, wildcard: str) -> ResolvedRow | None:
    """Return the hostname that serves the name: a live one, and the exact `name` before `wildcard`.

    None if neither is held.

    The columns are in the order of `RESOLVED`; `metadata` is JSON text.
    """
    return await _read(database, RESOLVED, name, wildcard)


async def _read(database: Database, query: str, *values: str) -> asyncpg.Record | None:
    end = open_span("SELECT", db__system__name="postgresql", db__query__text=query)
    try:
        return await database.fetch_row(query, *values)
    finally:
        if end is not None:
            end(None)


async def read_tenant(database: Database, record_id: str) -> str | None:
    """Return the tenant of a custom hostname, which never changes. None if there is no such id."""
    row = await database.fetch_row(TENANT, record_id)
    return row["tenant"] if row else None
