"""How migrations run: one at a time over all machines, and never behind a long lock.

An advisory lock keeps two runs apart; `lock_timeout` and `statement_timeout` let a migration fail
rather than hold up the service that is running beside it.
"""

from __future__ import annotations

import asyncio
import os
import time

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.persistence.database import driver_url
from app.persistence.tables import metadata

ADVISORY_LOCK = 0x6E616D65
WAIT_SECONDS = 0.2
LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "60s"


def run(connection: Connection) -> None:
    """Run what was asked for in one transaction a migration."""
    # Asked for again and again: one who waits within a statement has a snapshot, and an index that
    # the other run builds CONCURRENTLY waits for its end.
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK}):
        connection.commit()
        time.sleep(WAIT_SECONDS)
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=False,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def main(url: str) -> None:
    """Connect, run, disconnect."""
    engine = create_async_engine(driver_url(url), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main(context.config.attributes.get("url") or os.environ["NAMEPLATE_DATABASE_URL"]))
