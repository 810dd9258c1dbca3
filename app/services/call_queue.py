"""Queue actions that wait for a Cloudflare call, and serve them in turn by tenant.

Actions within a tenant's share come before those beyond it. The budget's row is locked only while
a call is acquired: all processes wait for that lock. `rate_limiter` has the calls themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.domain import rate_limit as rules
from app.domain.custom_hostname import CustomHostname
from app.domain.rate_limit import Bucket, Grant, Lane
from app.persistence import call_queue, due_work
from app.persistence.database import Connection, Database
from app.persistence.due_work import claim_served
from app.persistence.leases import Claim
from app.persistence.rate_limits import lock_bucket, read_bucket, save_bucket, try_lock_bucket
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

    async def take(
        self, record: CustomHostname, name: str, lane: Lane, *, awaited: bool
    ) -> float | None:
        """Acquire one call for an action on `record`, or queue it and give the seconds to wait.

        An `awaited` action is interactive. Creations keep to their queue even so, and so does what
        a tenant asks for beyond its share.
        """
        if awaited and lane is not Lane.CREATION:
            grant = await self._rate_limiter.acquire_interactive(name, record.tenant)
            if grant.granted:
                await self.leave(record)
                return None
        return await self._queue_up(record, name, lane, awaited=awaited)

    async def _queue_up(
        self, record: CustomHostname, name: str, lane: Lane, *, awaited: bool
    ) -> float | None:
        async with self._database.transaction() as tx:
            await call_queue.lock_queue_of(tx, name, lane, record.tenant)
            seen, at = await read_bucket(tx, name, self._limits)
            within_share = await call_queue.is_within_share(tx, name, lane, record.tenant)
            pays = within_share and awaited
            grant = self._acquire_for(seen, lane, interactive=pays, now=at)
            if grant.granted and await self._is_next(
                tx, seen, name, lane, interactive=within_share
            ):
                bucket, now = await lock_bucket(tx, name, self._limits)
                grant = self._acquire_for(bucket, lane, interactive=pays, now=now)
                if grant.granted:
                    served = rules.note_served(grant.bucket, grant.bucket.ranks_served)
                    await save_bucket(tx, name, served)
                    await call_queue.leave(tx, [record.id])
                    return None
                await save_bucket(tx, name, grant.bucket)
            await call_queue.enqueue(
                tx,
                name,
                lane,
                record_id=record.id,
                zone_id=record.zone.id,
                tenant=record.tenant,
                served=seen.ranks_served.get(lane, 0),
                interactive=within_share,
            )
        return max(grant.wait, 1.0)

    async def leave(self, record: CustomHostname) -> None:
        """Leave the queue: another call serves the record."""
        async with self._database.transaction() as tx:
            await call_queue.leave(tx, [record.id])

    async def are_waited_for(self, tx: Connection, name: str) -> bool:
        """Whether any hostname is queued."""
        return bool(await call_queue.lanes_waiting(tx, name))

    async def serve(self, tx: Connection, name: str, zone_id: str, *, limit: int) -> list[Claim]:
        """Claim the next hostnames, each with the call it waited for."""
        waiting = await call_queue.lanes_waiting(tx, name) if limit > 0 else []
        if not waiting:
            return []
        seen, at = await read_bucket(tx, name, self._limits)
        lanes = self._servable(waiting, seen, at)
        await self._note_wanted(tx, name, [each for each in waiting if each not in lanes], seen, at)
        queues = [await self._queue_of(tx, name, lane, zone_id, limit) for lane in lanes]
        locked = await try_lock_bucket(tx, name, self._limits) if queues else None
        return await self._serve_queues(tx, name, queues, *locked) if locked else []

    async def _serve_queues(
        self, tx: Connection, name: str, queues: Sequence[_LaneQueue], before: Bucket, now: float
    ) -> list[Claim]:
        # No call is acquired for one that was leased meanwhile.
        free = await due_work.lock_free(tx, [each for queue in queues for each in queue.ids])
        bucket, room = before, queues[0].limit
        for queue in queues:
            queue.keep(free)
            bucket = self._serve_lane(queue, bucket, now, room)
            room -= len(queue.served)
        if any(queue.served for queue in queues) or self._has_news(before, queues, now):
            await save_bucket(tx, name, bucket)
        claims: list[Claim] = []
        for queue in queues:
            claims += await claim_served(tx, queue.served, queue.lane)
        if claims:
            await call_queue.leave(tx, [claim.custom_hostname_id for claim in claims])
        return claims

    def _has_news(self, before: Bucket, queues: Sequence[_LaneQueue], now: float) -> bool:
        """Whether to note that a lane wants calls, though it got none."""
        return any(rules.is_to_be_noted(before, self._limits, each.lane, now) for each in queues)

    async def _queue_of(
        self, tx: Connection, name: str, lane: Lane, zone_id: str, limit: int
    ) -> _LaneQueue:
        few, rest = [
            await call_queue.heads(tx, name, lane, interactive=each, zone_id=zone_id, limit=limit)
            for each in (True, False)
        ]
        return _LaneQueue(lane, limit, few, rest)

    async def _note_wanted(
        self, tx: Connection, name: str, lanes: Sequence[Lane], seen: Bucket, at: float
    ) -> None:
        unheard = [lane for lane in lanes if rules.is_to_be_noted(seen, self._limits, lane, at)]
        if unheard:
            bucket, now = await lock_bucket(tx, name, self._limits)
            await save_bucket(tx, name, rules.note_wanted(bucket, unheard, now))

    def _servable(self, lanes: Sequence[Lane], bucket: Bucket, now: float) -> list[Lane]:
        return [lane for lane in lanes if rules.may_serve(bucket, self._limits, lane, now)]

    async def position_of(self, name: str, record_id: str) -> QueuePosition:
        """Give the position of a queued creation and when it should begin."""
        async with self._database.transaction() as tx:
            position = await call_queue.position_of(tx, record_id)
            if position is None:
                # Cloudflare itself refused it: it is queued once creations go on.
                position = (await call_queue.lengths(tx, name, Lane.CREATION)).total + 1
            bucket, now = await read_bucket(tx, name, self._limits)
        wait = rules.expected_wait(bucket, self._limits, position, now)
        return QueuePosition(position, datetime.fromtimestamp(now + wait, UTC))

    def _serve_lane(self, queue: _LaneQueue, bucket: Bucket, now: float, room: int) -> Bucket:
        while len(queue.served) < room and (head := queue.head(bucket.served)) is not None:
            grant = self._acquire_for(bucket, queue.lane, interactive=head.interactive, now=now)
            bucket = grant.bucket
            if not grant.granted and not head.interactive and queue.few:
                # The slot beyond the share waits for its own lane; the others need no call of it.
                head = queue.few[0]
                grant = self._acquire_for(bucket, queue.lane, interactive=True, now=now)
                bucket = grant.bucket
            if not grant.granted:
                break
            queue.take(head)
            served = {
                **bucket.ranks_served,
                queue.lane: max(head.rank, bucket.ranks_served.get(queue.lane, 0)),
            }
            bucket = rules.note_served(bucket, served)
        return bucket

    def _acquire_for(self, bucket: Bucket, lane: Lane, *, interactive: bool, now: float) -> Grant:
        if lane is Lane.CREATION:
            paying = Lane.INTERACTIVE if interactive else Lane.CREATION
            return rules.acquire_creation(bucket, self._limits, paying, now)
        return rules.acquire(bucket, self._limits, lane, 1, now)

    async def _is_next(
        self, tx: Connection, bucket: Bucket, name: str, lane: Lane, *, interactive: bool
    ) -> bool:
        """Whether no queued hostname comes before a new one."""
        if await call_queue.is_waiting(tx, name, lane, interactive=True):
            return False
        if interactive and not rules.is_slot_beyond_share(bucket.served):
            return True
        return not await call_queue.is_waiting(tx, name, lane, interactive=False)


@dataclass(slots=True)
class _LaneQueue:
    """One lane's queue as one transaction serves it. It is read before the budget is locked."""

    lane: Lane
    limit: int
    few: list[call_queue.Waiting]
    """The next ones within their tenants' share."""
    rest: list[call_queue.Waiting]
    served: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """The ids of all that were read."""
        return [each.custom_hostname_id for each in (*self.few, *self.rest)]

    def keep(self, ids: Sequence[str]) -> None:
        """Drop all others."""
        known = set(ids)
        self.few = [each for each in self.few if each.custom_hostname_id in known]
        self.rest = [each for each in self.rest if each.custom_hostname_id in known]

    def head(self, served: int) -> call_queue.Waiting | None:
        """Give the next one: within a share first, but one slot in five goes to those beyond it."""
        chosen = self.rest if (self.rest and rules.is_slot_beyond_share(served)) else self.few
        return next(iter(chosen or self.rest), None)

    def take(self, head: call_queue.Waiting) -> None:
        """Mark it as served."""
        (self.few if head.interactive else self.rest).remove(head)
        self.served.append(head.custom_hostname_id)
