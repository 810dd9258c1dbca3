"""Loads millions of rows: over a few connections, without triggers, indexes built at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

CONNECTIONS = 2
SECONDS = 600.0
"""How long one statement may take."""

Load = Callable[[asyncpg.Connection, str], Awaitable[None]]
"""Loads a part, over the connection that it is given."""


async def drop_indexes(sql: asyncpg.Connection, tables: Sequence[str]) -> list[str]:
    """Drop what is faster built at the end. Return the statements that build it."""
    rows = await sql.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition "
        "FROM pg_index i WHERE indrelid = ANY($1::regclass[]) "
        "AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)",
        tables,
    )
    for row in rows:
        await sql.execute(f"DROP INDEX {row['name']}")
    # The longest first, so that both connections end together.
    return sorted((row["definition"] for row in rows), key=lambda text: "gin" not in text)


async def build_index(sql: asyncpg.Connection, definition: str) -> None:
    """Build an index that was dropped."""
    await sql.execute("SET maintenance_work_mem = '256MB'")
    await sql.execute(definition, timeout=SECONDS)


async def execute(sql: asyncpg.Connection, statement: str) -> None:
    """Execute a statement that takes long."""
    await sql.execute(statement, timeout=SECONDS)


async def side_by_side(url: str, parts: Sequence[Sequence[str]], load: Load) -> None:
    """Load each part over a connection of its own."""

    async def run(part: Sequence[str]) -> None:
        sql = await asyncpg.connect(url)
        try:
            # The rows refer to each other as they are made; checking each costs a minute.
            await sql.execute("SET session_replication_role = replica")
            await sql.execute("SET synchronous_commit = off")
            for each in part:
                await load(sql, each)
        finally:
            await sql.close()

    await asyncio.gather(*(run(part) for part in parts))
