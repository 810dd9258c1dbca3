"""The reads that come before all else, straight from the driver: a hostname's document, its tenant.

The document is passed through as Postgres's text; nothing is decoded on the way.
"""

from __future__ import annotations

from typing import TypeAlias

import asyncpg

from app.persistence.database import Database
from app.tracing.spans import open_span

DocumentRow: TypeAlias = asyncpg.Record
CUSTOM_HOSTNAME = """
SELECT h.document::text AS document, h.revision, h.sequence, h.view, w.due_at, h.reason
FROM custom_hostnames h JOIN schedules w ON w.custom_hostname_id = h.id
WHERE h.id = $1
"""
TENANT = "SELECT tenant FROM custom_hostnames WHERE id = $1"


async def read_document(database: Database, record_id: str) -> DocumentRow | None:
    """Return `document` (JSON text), its versions, `due_at` and `reason`, or None."""
    end = open_span("SELECT", db__system__name="postgresql", db__query__text=CUSTOM_HOSTNAME)
    try:
        return await database.fetch_row(CUSTOM_HOSTNAME, record_id)
    finally:
        if end is not None:
            end(None)


async def read_tenant(database: Database, record_id: str) -> str | None:
    """Return the tenant of a custom hostname, which never changes. None if there is no such id."""
    row = await database.fetch_row(TENANT, record_id)
    return row["tenant"] if row else None
