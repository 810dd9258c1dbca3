"""LISTEN and NOTIFY: work that is due now is told at once, to every process that waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

import asyncpg
from sqlalchemy import func, select

from app.persistence.database import UNREACHABLE, Connection


class Channel(StrEnum):
    """What there is to wake for."""

    RECONCILE = "nameplate_reconcile"
    DELIVER = "nameplate_deliver"


async def notify(tx: Connection, channel: Channel) -> None:
    """Wake the listeners when this transaction commits; Postgres folds repetitions into one."""
    await tx.execute(select(func.pg_notify(str(channel), "")))


@asynccontextmanager
async def listening(database_url: str, channel: Channel) -> AsyncIterator[asyncio.Event]:
    """Yield an event that is set by each NOTIFY.

    It is set too whenever the connection was lost and found again: something may have been missed.
    """
    woken = asyncio.Event()
    task = asyncio.create_task(_listen(database_url, channel, woken), name=f"listen {channel}")
    try:
        yield woken
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _listen(database_url: str, channel: Channel, woken: asyncio.Event) -> None:
    while True:
        with suppress(*UNREACHABLE):
            await _listen_once(database_url, channel, woken)
        await asyncio.sleep(1)


async def _listen_once(database_url: str, channel: Channel, woken: asyncio.Event) -> None:
    connection = await asyncpg.connect(database_url, timeout=10)
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    try:
        await connection.add_listener(str(channel), lambda *_: woken.set())
        woken.set()
        await lost.wait()
    finally:
        with suppress(*UNREACHABLE):
            await connection.close(timeout=1)
