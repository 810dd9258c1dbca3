"""Runs migrations: one run at a time over all machines, and never behind a long lock.

An advisory lock keeps two runs apart. `lock_timeout` and `statement_timeout` make a migration fail
before it blocks the service that runs beside it.
"""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.persistence import summary_tables, webhook_tables
from app.persistence.connecting import connect
from app.persistence.database import DRIVER
from app.persistence.database_url import read_database_url
from app.persistence.migrations import LOCK_TIMEOUT, STATEMENT_TIMEOUT

# Each module adds its tables to the metadata of all.
TABLES = (summary_tables, webhook_tables)
ADVISORY_LOCK = 0x6E616D65
WAIT_SECONDS = 0.2


def run(connection: Connection) -> None:
    """Run the requested migrations, each in one transaction."""
    wait_for_others(connection)
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=TABLES[0].metadata,
        compare_server_default=False,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def wait_for_others(connection: Connection) -> None:
    """Take the lock once no other run has it. To wait for another run is not a failure.

    It polls, because a waiting statement holds a snapshot, and a concurrent index build waits for
    every older snapshot to end.
    """
    while True:
        taken = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()
        if taken:
            return
        time.sleep(WAIT_SECONDS)


async def main(url: str) -> None:
    """Connect, run, disconnect."""
    server = read_database_url(url)
    engine = create_async_engine(
        DRIVER, async_creator=partial(connect, server, session={}), poolclass=NullPool
    )
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main(context.config.attributes.get("url") or os.environ["NAMEPLATE_DATABASE_URL"]))
