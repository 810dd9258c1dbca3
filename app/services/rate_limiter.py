"""Acquire Cloudflare calls from the shared budget before making them.

The budget is counted in Postgres, for all replicas together. An acquired call is not returned, and
a retry acquires another one. `domain/rate_limit` has the arithmetic.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from app.domain import rate_limit as rules
from app.domain.custom_hostname import CustomHostname
from app.domain.errors import BudgetSpent
from app.domain.rate_limit import Bucket, Grant, Lane, Limits, RateHeaders
from app.domain.zone import ZoneAccess
from app.persistence import call_queue
from app.persistence.database import Connection, Database
from app.persistence.rate_limits import lock_bucket, read_bucket, save_bucket, try_lock_bucket

HEADERS_SECONDS = 10.0
"""Headers without news are recorded no more often than this."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class QueueReport:
    """How many wait in one lane, and when the last of them should be served."""

    waiting: int
    empty_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetUsage:
    """What operators see of a budget."""

    name: str
    limits: Limits
    spent: Mapping[Lane, int]
    left: Mapping[Lane, int]
    spent_elsewhere: int
    blocked_until: datetime | None
    creations: int
    """Creations of the last window."""
    creations_blocked_until: datetime | None
    queues: Mapping[Lane, QueueReport]


class RateLimiter:
    """All budgets, by name."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self.limits = limits
        self._recorded_at: dict[str, float] = {}

    async def acquire(self, name: str, lane: Lane, want: int = 1) -> Grant:
        """Acquire up to `want` calls. The grant says how many, and how long to wait for more."""
        return await self._change(
            name, lambda b, now: rules.acquire(b, self.limits, lane, want, now)
        )

    async def acquire_in(self, tx: Connection, name: str, lane: Lane) -> Grant:
        """Acquire one call in the caller's transaction, which holds the budget until it ends."""
        return await self._change_in(
            tx, name, lambda b, now: rules.acquire(b, self.limits, lane, 1, now)
        )

    async def try_acquire(
        self, tx: Connection, name: str, wants: Mapping[Lane, int]
    ) -> dict[Lane, int]:
        """Acquire up to so many calls in the caller's transaction; none if the budget is locked."""
        locked = await try_lock_bucket(tx, name, self.limits) if any(wants.values()) else None
        if locked is None:
            return dict.fromkeys(wants, 0)
        bucket, now = locked
        granted: dict[Lane, int] = {}
        for lane, want in wants.items():
            grant = rules.acquire(bucket, self.limits, lane, want, now)
            bucket, granted[lane] = grant.bucket, grant.granted
        await save_bucket(tx, name, bucket)
        return granted

    async def left(self, tx: Connection, name: str) -> dict[Lane, int]:
        """Return the calls each lane could acquire at once, read without a lock."""
        bucket, now = await read_bucket(tx, name, self.limits)
        return rules.left(bucket, self.limits, now)

    async def acquire_interactive(self, name: str, tenant: str) -> Grant:
        """Acquire one interactive call, within the tenant's share of them."""
        return await self._change(
            name, lambda b, now: rules.acquire_interactive(b, self.limits, tenant, now)
        )

    async def acquire_check(self, record: CustomHostname, name: str, *, awaited: bool) -> Grant:
        """Acquire one call to check `record`: an interactive one if a caller waits."""

        def acquiring(bucket: Bucket, now: float) -> Grant:
            grant = Grant(bucket, 0)
            if awaited:
                grant = rules.acquire_interactive(bucket, self.limits, record.tenant, now)
            if grant.granted:
                return grant
            return rules.acquire(grant.bucket, self.limits, Lane.VALIDATION, 1, now)

        return await self._change(name, acquiring)

    async def acquire_or_raise(self, name: str, lane: Lane, calls: int) -> None:
        """Acquire all of `calls`.

        Raises:
            BudgetSpent: there are fewer to spare.
        """
        grant = await self._change(
            name, lambda b, now: rules.acquire_all(b, self.limits, lane, calls, now)
        )
        if grant.granted < calls:
            raise BudgetSpent(
                "The budget of Cloudflare calls is used up for now; try again later.",
                retry_after=grant.wait,
            )

    async def debit(self, name: str, lane: Lane, calls: int = 1) -> None:
        """Count calls that an action under way makes in any case."""

        def owing(bucket: Bucket, now: float) -> Grant:
            return Grant(rules.debit(bucket, self.limits, lane, calls, now), calls)

        await self._change(name, owing)

    async def record_answer(
        self,
        access: ZoneAccess,
        headers: RateHeaders | None,
        *,
        refused_for: float | None,
        refused: bool,
        creating: bool,
    ) -> None:
        """Record what an answer of Cloudflare says about its limits.

        `refused` means a 429, `refused_for` the seconds it asks to wait. A 429 on a creation
        concerns creations alone if calls are left, or if its headers do not say.
        """
        name = access.budget
        if refused:
            creations_alone = creating and (headers is None or headers.remaining > 0)
            seconds = refused_for
            if seconds is None:
                seconds = rules.DEFAULT_RETRY_SECONDS if creations_alone else self.limits.window
            log.warning(
                "cloudflare_rate_limited",
                budget=name,
                creations_alone=creations_alone,
                seconds=round(seconds),
            )
            await self._block(name, seconds, creations_alone=creations_alone)
        elif headers is not None and self._is_news(name, headers):
            known = headers
            await self._change(
                name, lambda b, now: Grant(rules.record_headers(b, self.limits, known, now), 0)
            )

    async def usage(self, name: str) -> BudgetUsage:
        """Give the usage of one budget."""
        async with self._database.transaction() as tx:
            bucket, now = await read_bucket(tx, name, self.limits)
            queues = {
                lane: self._queue_report(bucket, lane, await call_queue.length(tx, name, lane), now)
                for lane in call_queue.LANES
            }
        since = now - self.limits.creation_window
        return BudgetUsage(
            name=name,
            limits=self.limits,
            spent=rules.spent(bucket, self.limits, now),
            left=rules.left(bucket, self.limits, now),
            spent_elsewhere=bucket.spent_elsewhere,
            blocked_until=_later(bucket.blocked_until, now),
            creations=sum(at > since for at in bucket.creations),
            creations_blocked_until=_later(bucket.creations_blocked_until, now),
            queues=queues,
        )

    def _queue_report(self, bucket: Bucket, lane: Lane, waiting: int, now: float) -> QueueReport:
        if not waiting:
            return QueueReport(0, None)
        if lane is Lane.CREATION:
            wait = rules.expected_wait(bucket, self.limits, waiting, now)
        else:
            wait = waiting / (self.limits.rate * rules.SHARES[lane])
        return QueueReport(waiting, _instant(now) + timedelta(seconds=wait))

    def _is_news(self, name: str, headers: RateHeaders) -> bool:
        alarming = headers.remaining < headers.limit * (1 - self.limits.spend)
        now = time.monotonic()
        if not alarming and now - self._recorded_at.get(name, -HEADERS_SECONDS) < HEADERS_SECONDS:
            return False
        self._recorded_at[name] = now
        return True

    async def _block(self, name: str, seconds: float, *, creations_alone: bool) -> None:
        def blocked(bucket: Bucket, now: float) -> Grant:
            if creations_alone:
                return Grant(rules.block_creations(bucket, seconds, now), 0)
            return Grant(rules.block(bucket, self.limits, seconds, now), 0)

        # Shielded: without a recorded block every replica would run into the refusal.
        await asyncio.shield(self._change(name, blocked))

    async def _change(self, name: str, change: Callable[[Bucket, float], Grant]) -> Grant:
        return await self._database.run(lambda tx: self._change_in(tx, name, change))

    async def _change_in(
        self, tx: Connection, name: str, change: Callable[[Bucket, float], Grant]
    ) -> Grant:
        bucket, now = await lock_bucket(tx, name, self.limits)
        grant = change(bucket, now)
        if grant.bucket is not bucket:
            await save_bucket(tx, name, grant.bucket)
        return grant


def _instant(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _later(epoch: float, now: float) -> datetime | None:
    return _instant(epoch) if epoch > now else None
