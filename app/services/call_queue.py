"""Queue actions that wait for a Cloudflare call, and serve them in turn by tenant.

The budget's row is locked only while a call is acquired: all processes wait for that lock.
`rate_limiter` has the calls themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from app.domain import rate_limit as rules
from app.domain.custom_hostname import CustomHostname
from app.domain.rate_limit import Lane
from app.persistence import call_queue
from app.persistence.database import Connection, Database
from app.persistence.due_work import claim_served
from app.persistence.leases import Claim
from app.persistence.rate_limits import read_bucket
from app.services.rate_limiter import RateLimiter


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """A position in the queue of creations."""

    position: int
    estimated_at: datetime


class CallQueue:
    """The queues of all budgets."""

    def __init__(self, database: Database, rate_limiter: RateLimiter) -> None:
        self._database = database
        self._rate_limiter = rate_limiter
        self._limits = rate_limiter.limits

    async def take(self, record: CustomHostname, name: str, lane: Lane, *, awaited: bool) -> bool:
        """Acquire one call for an action on `record`, or queue it; say whether it was acquired.

        An `awaited` action is interactive. Creations keep to their queue even so, and so does what
        a tenant asks for beyond its share.
        """
        if awaited and lane is not Lane.CREATION:
            grant = await self._rate_limiter.acquire_interactive(name, record.tenant)
            if grant.granted:
                await self.leave(record)
                return True
        async with self._database.transaction() as tx:
            await call_queue.lock_queue_of(tx, name, lane, record.tenant)
            is_next = not await call_queue.is_waiting(tx, name, lane, record.zone.id)
            # Read first: a refusal would keep the budget locked while the hostname is queued.
            if is_next and (await self._rate_limiter.left(tx, name))[lane]:
                grant = await self._rate_limiter.acquire_in(tx, name, lane)
                if grant.granted:
                    await call_queue.leave(tx, [record.id])
                    return True
            await call_queue.enqueue(
                tx,
                name,
                lane,
                record_id=record.id,
                zone_id=record.zone.id,
                tenant=record.tenant,
            )
        return False

    async def leave(self, record: CustomHostname) -> None:
        """Leave the queue: another call serves the record."""
        async with self._database.transaction() as tx:
            await call_queue.leave(tx, [record.id])

    async def serve(self, tx: Connection, name: str, zone_id: str, *, limit: int) -> list[Claim]:
        """Claim the next hostnames, each with the call it waited for."""
        lanes = await call_queue.lanes_waiting(tx, name) if limit > 0 else []
        if not lanes:
            return []
        left = await self._rate_limiter.left(tx, name)
        # Locked before the budget, so that no call is acquired for one that was leased meanwhile.
        heads: dict[Lane, list[str]] = {}
        for lane in lanes:
            most = min(left[lane], limit - sum(map(len, heads.values())))
            heads[lane] = await call_queue.lock_heads(tx, name, lane, zone_id=zone_id, limit=most)
        wants = {lane: len(ids) for lane, ids in heads.items()}
        granted = await self._rate_limiter.try_acquire(tx, name, wants)
        claims: list[Claim] = []
        for lane, ids in heads.items():
            claims += await claim_served(tx, ids[: granted[lane]], lane)
        if claims:
            await call_queue.leave(tx, [claim.custom_hostname_id for claim in claims])
        return claims

    async def position_of(self, name: str, record_id: str) -> QueuePosition:
        """Give the position of a queued creation and when it should begin."""
        async with self._database.transaction() as tx:
            position = await call_queue.position_of(tx, record_id)
            if position is None:
                # Cloudflare itself refused it: it is queued once creations go on.
                position = await call_queue.length(tx, name, Lane.CREATION) + 1
            bucket, now = await read_bucket(tx, name, self._limits)
        wait = rules.expected_wait(bucket, self._limits, position, now)
        return QueuePosition(position, datetime.fromtimestamp(now + wait, UTC))
