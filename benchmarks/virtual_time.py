"""Virtual time: the clocks of Postgres and of the emulator, which only this module moves.

The benchmark's own database gets a `nameplate_now()` that is only the offset, without real time.
However long a step computes, no real second gets in. One thing remains: within a tick, the service
counts from its claim by its own clock, so what it writes is late by the real milliseconds that the
tick took.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import asyncpg

from app.worker.loop import Work

T = TypeVar("T")

MOST_ROUNDS = 1000
GRID = 1.0
"""Seconds. Instants are rounded up to it, because the worker's loop polls every second."""

_FREEZE = """
CREATE OR REPLACE FUNCTION public.nameplate_now() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT timestamptz 'epoch' + (SELECT c."offset" FROM public.clock_offset c) $$
"""
_SET = 'UPDATE clock_offset SET "offset" = $1'
# No lease is held between steps, and no zone is paused, so whatever is due is free.
_DUE = """
SELECT
  LEAST(
    (SELECT min(dns_due_at) FROM schedules WHERE dns_due_at IS NOT NULL),
    (SELECT min(cloudflare_due_at) FROM schedules WHERE cloudflare_due_at IS NOT NULL),
    CASE WHEN EXISTS (SELECT FROM queued_calls) THEN nameplate_now() END
  ) AS hostnames,
  (SELECT min(due_at) FROM list_scans) AS list_scans,
  (SELECT min(coalesce(check_due_at, nameplate_now())) FROM zones) AS zones
"""


@dataclass(frozen=True, slots=True)
class Due:
    """When the service has something to do next, by kind, in seconds since the epoch."""

    hostnames: float
    list_scans: float
    zones: float

    @property
    def first(self) -> float:
        """The earliest of them."""
        return min(self.hostnames, self.list_scans, self.zones)


class VirtualTime:
    """Stands still until it is moved. In seconds since the epoch."""

    def __init__(
        self,
        sql: asyncpg.Connection,
        advance_cloudflare: Callable[[float], Awaitable[None]],
        begins_at: float,
    ) -> None:
        self._sql = sql
        self._advance_cloudflare = advance_cloudflare
        self.now = begins_at
        self.steps = 0

    @property
    def instant(self) -> datetime:
        """Return the current time, as Postgres has it."""
        return datetime.fromtimestamp(self.now, UTC)

    async def begin(self) -> None:
        """Take control of the database's clock."""
        await self._sql.execute(_FREEZE)
        await self._sql.execute(_SET, timedelta(seconds=self.now))

    async def due(self) -> Due:
        """Return when the service has something to do next."""
        row = await self._sql.fetchrow(_DUE)
        return Due(*(at.timestamp() if at else math.inf for at in row))

    def on_grid(self, at: float) -> float:
        """Round up, to an instant later than now."""
        if math.isinf(at):
            return at
        return max(math.ceil(at / GRID) * GRID, self.now + GRID)

    async def go_to(self, at: float) -> None:
        """Move both clocks. The emulator does what falls due on the way."""
        by, self.now = at - self.now, at
        self.steps += 1
        await self._advance_cloudflare(by)
        await self._sql.execute(_SET, timedelta(seconds=at))

    async def do_all(self, kind: str, work: Work[T], at_once: int) -> int:
        """Claim and do what is due of a kind until nothing is left. Return how much it was."""
        done = 0
        for _ in range(MOST_ROUNDS):
            if getattr(await self.due(), kind) > self.now:
                break
            items = await work.claim(at_once)
            if not items:
                # Due, but the budget has no call for it.
                break
            await asyncio.gather(*(work.perform(item) for item in items))
            done += len(items)
        return done
