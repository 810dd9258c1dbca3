"""The one clock: `nameplate_now()` is real time plus an offset, which is zero outside tests."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update

from app.persistence.database import NOW, Connection
from app.persistence.tables import clock_offset
from app.persistence.wakeups import Channel, notify


async def read_now(tx: Connection) -> datetime:
    """Ask Postgres for the time."""
    now = (await tx.execute(select(NOW))).scalar_one()
    assert isinstance(now, datetime)  # noqa: S101 - narrows the driver's Any
    return now


async def advance(tx: Connection, by: timedelta) -> None:
    """Move the clock forward and wake everything that waits for an instant. For tests only."""
    await tx.execute(update(clock_offset).values(offset=clock_offset.c.offset + by))
    for channel in Channel:
        await notify(tx, channel)
