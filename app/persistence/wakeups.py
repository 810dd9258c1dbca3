"""LISTEN and NOTIFY: tells every waiting process at once that work is due, or a key was revoked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

import structlog
from sqlalchemy import func, select

from app.persistence.connecting import connect
from app.persistence.database import Connection
from app.persistence.database_url import ConnectArguments

HEARTBEAT_SECONDS = 30.0
AGAIN_SECONDS = 1.0
COMMAND_SECONDS = 5.0

log = structlog.get_logger(__name__)


class Channel(StrEnum):
    """What to wake for: two kinds of work, new events of the feed, and revoked API keys."""

    RECONCILE = "nameplate_reconcile"
    DELIVER = "nameplate_deliver"
    FEED = "nameplate_feed"
    API_KEYS = "nameplate_api_keys"


async def notify(tx: Connection, channel: Channel) -> None:
    """Wake the listeners when this transaction commits. Postgres merges repetitions into one."""
    await tx.execute(select(func.pg_notify(str(channel), "")))


@asynccontextmanager
async def listening(server: ConnectArguments, channel: Channel) -> AsyncIterator[asyncio.Event]:
    """Yield an event that each NOTIFY sets.

    It is also set when a lost connection is back, because something may have been missed.
    """
    woken = asyncio.Event()
    task = asyncio.create_task(_listen(server, channel, woken), name=f"listen {channel}")
    try:
        yield woken
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _listen(server: ConnectArguments, channel: Channel, woken: asyncio.Event) -> None:
    while True:
        try:
            await _listen_once(server, channel, woken)
        except Exception as error:  # noqa: BLE001 - whatever it was, listening goes on
            log.warning("listen_lost", channel=str(channel), error=type(error).__name__)
        await asyncio.sleep(AGAIN_SECONDS)


async def _listen_once(server: ConnectArguments, channel: Channel, woken: asyncio.Event) -> None:
    connection = await connect(server, command_seconds=COMMAND_SECONDS)
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    try:
        await connection.add_listener(str(channel), lambda *_: woken.set())
        woken.set()
        while not lost.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), HEARTBEAT_SECONDS)
            # A connection may go dead without closing; only a query detects that.
            await connection.execute("SELECT 1")
    finally:
        # A lost connection cannot be closed properly, so drop it.
        connection.terminate()
