"""Draw Cloudflare calls from the budget before making them, and queue who has to wait.

The budget is counted in Postgres, for all replicas together. What is drawn is not given back, and
a retry draws again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from app.domain import budget as rules
from app.domain.budget import Bucket, Draw, Lane, Limits, RateHeaders
from app.domain.custom_hostname import CustomHostname
from app.domain.errors import BudgetSpent
from app.domain.zone import ZoneAccess
from app.persistence import turns, watches
from app.persistence.budgets import lock_bucket, read_bucket, save_bucket, try_lock_bucket
from app.persistence.database import Connection, Database
from app.persistence.turns import Lengths
from app.persistence.watches import Claim, claim_turns
from app.persistence.zones import OpenZone

HEAR_SECONDS = 10.0
"""Headers that say nothing alarming are written down no more often than this."""
UNASKED_WAIT = 30.0
"""Seconds that creations stop after a 429 that does not say how long."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Queue:
    """Who waits in one lane, and when the last of them may be expected to be served."""

    lengths: Lengths
    empty_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a budget stands, for people."""

    name: str
    limits: Limits
    tokens: float
    spent: Mapping[Lane, int]
    others: int
    blocked_until: datetime | None
    creations: int
    """Creations of the last window."""
    creations_blocked_until: datetime | None
    queues: Mapping[Lane, Queue]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the queue of creations."""

    place: int
    estimated_at: datetime


class Budgets:
    """All budgets, by name."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self.limits = limits
        self._heard_at: dict[str, float] = {}

    async def draw(self, name: str, lane: Lane, want: int = 1) -> Draw:
        """Take up to `want` calls; the draw says how many, and how long to wait for more."""
        if lane is Lane.SWEEPS:
            async with self._database.transaction() as tx:
                seen, at = await read_bucket(tx, name, self.limits)
            if rules.is_surely_refused(seen, self.limits, lane, at):
                return rules.draw(seen, self.limits, lane, want, at)
        return await self._change(name, lambda b, now: rules.draw(b, self.limits, lane, want, now))

    async def draw_look(self, record: CustomHostname, name: str, *, awaited: bool) -> Draw:
        """Take one call to look at `record` with; an interactive one where somebody waits."""

        def looking(bucket: Bucket, now: float) -> Draw:
            drawn = Draw(bucket, 0)
            if awaited:
                drawn = rules.draw_for_person(bucket, self.limits, record.tenant, now)
            if drawn.granted:
                return drawn
            return rules.draw(drawn.bucket, self.limits, Lane.VALIDATION, 1, now)

        return await self._change(name, looking)

    async def require(self, name: str, lane: Lane, calls: int) -> None:
        """Take all of `calls`.

        Raises:
            BudgetSpent: there are not so many to spare.
        """
        drawn = await self._change(
            name, lambda b, now: rules.draw_all(b, self.limits, lane, calls, now)
        )
        if drawn.granted < calls:
            raise BudgetSpent(
                "The budget of Cloudflare calls has none to spare at the moment.",
                retry_after=drawn.wait,
            )

    async def owe(self, name: str, lane: Lane, calls: int = 1) -> None:
        """Count calls that an act already begun cannot do without."""

        def owing(bucket: Bucket, now: float) -> Draw:
            return Draw(rules.owe(bucket, self.limits, lane, calls, now), calls)

        await self._change(name, owing)

    async def heard(
        self,
        access: ZoneAccess,
        headers: RateHeaders | None,
        *,
        refused_for: float | None,
        refused: bool,
        creating: bool,
    ) -> None:
        """Take in what an answer of Cloudflare says of its limits.

        `refused` is a 429, `refused_for` the seconds it asks to wait. A 429 on a creation while
        calls are left, or without a word on them, is the limit of creations alone.
        """
        name = access.budget
        if refused:
            creations_alone = creating and (headers is None or headers.remaining > 0)
            seconds = refused_for
            if seconds is None:
                seconds = UNASKED_WAIT if creations_alone else self.limits.window
            log.warning(
                "cloudflare_rate_limited",
                budget=name,
                creations_alone=creations_alone,
                seconds=round(seconds),
            )
            await self._block(name, seconds, creations_alone=creations_alone)
        elif headers is not None and self._is_news(name, headers):
            said = headers
            await self._change(name, lambda b, now: Draw(rules.hear(b, self.limits, said, now), 0))

    async def take_turn(
        self, record: CustomHostname, name: str, lane: Lane, *, awaited: bool
    ) -> float | None:
        """Take one call for an act on `record`; else give the seconds to wait, having queued it.

        An act that is `awaited` is interactive, but a creation keeps to its queue, and so does what
        one tenant asks for beyond its share. The budget is locked for as long as a call is drawn,
        and not for a place in the queue: all processes wait for that lock.
        """
        if awaited and lane is not Lane.CREATION:
            drawn = await self._change(
                name, lambda b, now: rules.draw_for_person(b, self.limits, record.tenant, now)
            )
            if drawn.granted:
                await self.leave_queue(record)
                return None
        return await self._in_turn(record, name, lane, awaited=awaited)

    async def _in_turn(
        self, record: CustomHostname, name: str, lane: Lane, *, awaited: bool
    ) -> float | None:
        async with self._database.transaction() as tx:
            await turns.lock_place(tx, name, lane, record.tenant)
            seen, at = await read_bucket(tx, name, self.limits)
            first_few = await turns.few_of(tx, name, lane, record.tenant)
            pays = first_few and awaited
            drawn = self._draw_for(seen, lane, interactive=pays, now=at)
            if drawn.granted and await self._is_next(tx, seen, name, lane, interactive=first_few):
                bucket, now = await lock_bucket(tx, name, self.limits)
                drawn = self._draw_for(bucket, lane, interactive=pays, now=now)
                if drawn.granted:
                    served = rules.turn_served(drawn.bucket, drawn.bucket.turns)
                    await save_bucket(tx, name, served)
                    await turns.leave(tx, [record.id])
                    return None
                await save_bucket(tx, name, drawn.bucket)
            await turns.enqueue(
                tx,
                name,
                lane,
                record_id=record.id,
                zone_id=record.zone.id,
                tenant=record.tenant,
                served=seen.turns.get(lane, 0),
                interactive=first_few,
            )
        return max(drawn.wait, 1.0)

    async def leave_queue(self, record: CustomHostname) -> None:
        """Give up a place: another call serves."""
        async with self._database.transaction() as tx:
            await turns.leave(tx, [record.id])

    async def has_turns(self, tx: Connection, name: str) -> bool:
        """Whether anybody waits for a turn."""
        return bool(await turns.lanes_waiting(tx, name))

    async def serve(
        self, tx: Connection, name: str, zones: Sequence[str], *, limit: int
    ) -> list[Claim]:
        """Claim those whose turn it is, each with the call it waited for."""
        waiting = await turns.lanes_waiting(tx, name) if limit > 0 else []
        if not waiting:
            return []
        seen, at = await read_bucket(tx, name, self.limits)
        lanes = self._servable(waiting, seen, at)
        await self._note_wanted(tx, name, [each for each in waiting if each not in lanes], seen, at)
        queues = [await self._queue_of(tx, name, lane, zones, limit) for lane in lanes]
        locked = await try_lock_bucket(tx, name, self.limits) if queues else None
        return await self._serve_queues(tx, name, queues, *locked) if locked else []

    async def _serve_queues(
        self, tx: Connection, name: str, queues: Sequence[_Queue], before: Bucket, now: float
    ) -> list[Claim]:
        # No call is drawn for one that somebody took meanwhile.
        free = await watches.lock_free(tx, [each for queue in queues for each in queue.ids])
        bucket, room = before, queues[0].limit
        for queue in queues:
            queue.keep(free)
            bucket = self._serve_lane(queue, bucket, now, room)
            room -= len(queue.served)
        if any(queue.served for queue in queues) or self._has_news(before, queues, now):
            await save_bucket(tx, name, bucket)
        claims: list[Claim] = []
        for queue in queues:
            claims += await claim_turns(tx, queue.served, queue.lane)
        if claims:
            await turns.leave(tx, [claim.custom_hostname_id for claim in claims])
        return claims

    def _has_news(self, before: Bucket, queues: Sequence[_Queue], now: float) -> bool:
        """Whether a lane's want of calls is to be written down, though none was to be had."""
        return any(rules.is_to_be_noted(before, self.limits, each.lane, now) for each in queues)

    async def _queue_of(
        self, tx: Connection, name: str, lane: Lane, zones: Sequence[str], limit: int
    ) -> _Queue:
        few, rest = [
            await turns.heads(tx, name, lane, interactive=each, zones=zones, limit=limit)
            for each in (True, False)
        ]
        return _Queue(lane, limit, few, rest)

    async def _note_wanted(
        self, tx: Connection, name: str, lanes: Sequence[Lane], seen: Bucket, at: float
    ) -> None:
        unheard = [lane for lane in lanes if rules.is_to_be_noted(seen, self.limits, lane, at)]
        if unheard:
            bucket, now = await lock_bucket(tx, name, self.limits)
            await save_bucket(tx, name, rules.note_wanted(bucket, unheard, now))

    def _servable(self, lanes: Sequence[Lane], bucket: Bucket, now: float) -> list[Lane]:
        return [lane for lane in lanes if rules.may_serve(bucket, self.limits, lane, now)]

    async def claim_looks(
        self, tx: Connection, zone: OpenZone, *, limit: int, by_lists: bool
    ) -> list[Claim]:
        """Claim looks that are due, and draw just as many calls, in one transaction."""
        seen, at = await read_bucket(tx, zone.budget, self.limits)
        if limit <= 0 or rules.is_surely_refused(seen, self.limits, Lane.VALIDATION, at):
            return []
        ids = await watches.due_looks(tx, zone.id, limit=limit, by_lists=by_lists)
        locked = await try_lock_bucket(tx, zone.budget, self.limits) if ids else None
        if locked is None:
            return []
        # A lane that gets less than it asks for still wants its share.
        drawn = rules.draw(locked[0], self.limits, Lane.VALIDATION, len(ids), locked[1])
        await save_bucket(tx, zone.budget, drawn.bucket)
        return await watches.claim_looks(tx, ids[: drawn.granted])

    async def place_of(self, name: str, record_id: str) -> Place:
        """Say when a creation that has to wait may be expected to begin."""
        async with self._database.transaction() as tx:
            place = await turns.place_of(tx, record_id)
            if place is None:
                # Turned away by Cloudflare itself: it takes its turn once creations go on.
                place = (await turns.lengths(tx, name, Lane.CREATION)).total + 1
            bucket, now = await read_bucket(tx, name, self.limits)
        wait = rules.expected_wait(bucket, self.limits, place, now)
        return Place(place, _instant(now) + timedelta(seconds=wait))

    async def standing(self, name: str) -> Standing:
        """Give all there is to know of one."""
        async with self._database.transaction() as tx:
            bucket, now = await read_bucket(tx, name, self.limits)
            queues = {
                lane: self._queue(bucket, lane, await turns.lengths(tx, name, lane), now)
                for lane in (Lane.CREATION, Lane.VALIDATION)
            }
        since = now - self.limits.creation_window
        return Standing(
            name=name,
            limits=self.limits,
            tokens=rules.tokens_left(bucket, self.limits, now),
            spent=rules.spent(bucket, self.limits, now),
            others=bucket.others,
            blocked_until=_later(bucket.blocked_until, now),
            creations=sum(at > since for at in bucket.creations),
            creations_blocked_until=_later(bucket.creations_blocked_until, now),
            queues=queues,
        )

    def _queue(self, bucket: Bucket, lane: Lane, lengths: Lengths, now: float) -> Queue:
        if not lengths.total:
            return Queue(lengths, None)
        if lane is Lane.CREATION:
            wait = rules.expected_wait(bucket, self.limits, lengths.total, now)
        else:
            wait = lengths.total / (self.limits.rate * rules.SHARES[lane])
        return Queue(lengths, _instant(now) + timedelta(seconds=wait))

    def _serve_lane(self, queue: _Queue, bucket: Bucket, now: float, room: int) -> Bucket:
        while len(queue.served) < room and (head := queue.head(bucket.served)) is not None:
            drawn = self._draw_for(bucket, queue.lane, interactive=head.interactive, now=now)
            bucket = drawn.bucket
            if not drawn.granted and not head.interactive and queue.few:
                # The rest's slot waits for its call; those it would hold up need none of that lane.
                head = queue.few[0]
                drawn = self._draw_for(bucket, queue.lane, interactive=True, now=now)
                bucket = drawn.bucket
            if not drawn.granted:
                break
            queue.take(head)
            served = {**bucket.turns, queue.lane: max(head.turn, bucket.turns.get(queue.lane, 0))}
            bucket = rules.turn_served(bucket, served)
        return bucket

    def _draw_for(self, bucket: Bucket, lane: Lane, *, interactive: bool, now: float) -> Draw:
        if lane is Lane.CREATION:
            paying = Lane.INTERACTIVE if interactive else Lane.CREATION
            return rules.draw_creation(bucket, self.limits, paying, now)
        return rules.draw(bucket, self.limits, lane, 1, now)

    async def _is_next(
        self, tx: Connection, bucket: Bucket, name: str, lane: Lane, *, interactive: bool
    ) -> bool:
        """Whether nobody waits whose turn comes before that of a newcomer."""
        if await turns.is_waiting(tx, name, lane, interactive=True):
            return False
        if interactive and not rules.is_rests_slot(bucket.served):
            return True
        return not await turns.is_waiting(tx, name, lane, interactive=False)

    def _is_news(self, name: str, headers: RateHeaders) -> bool:
        alarming = headers.remaining < headers.limit * (1 - self.limits.spend)
        now = time.monotonic()
        if not alarming and now - self._heard_at.get(name, -HEAR_SECONDS) < HEAR_SECONDS:
            return False
        self._heard_at[name] = now
        return True

    async def _block(self, name: str, seconds: float, *, creations_alone: bool) -> None:
        def blocked(bucket: Bucket, now: float) -> Draw:
            if creations_alone:
                return Draw(rules.block_creations(bucket, seconds, now), 0)
            return Draw(rules.block(bucket, self.limits, seconds, now), 0)

        # Shielded: a block that is not written would let every replica run into it.
        await asyncio.shield(self._change(name, blocked))

    async def _change(self, name: str, change: Callable[[Bucket, float], Draw]) -> Draw:
        async with self._database.transaction() as tx:
            bucket, now = await lock_bucket(tx, name, self.limits)
            drawn = change(bucket, now)
            await save_bucket(tx, name, drawn.bucket)
        return drawn


@dataclass(slots=True)
class _Queue:
    """One lane's queue as one transaction serves it: read before the budget is locked."""

    lane: Lane
    limit: int
    few: list[turns.Waiting]
    """The next of the tenants' first few."""
    rest: list[turns.Waiting]
    served: list[str] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """All that were read."""
        return [each.custom_hostname_id for each in (*self.few, *self.rest)]

    def keep(self, ids: Sequence[str]) -> None:
        """Leave out all others."""
        known = set(ids)
        self.few = [each for each in self.few if each.custom_hostname_id in known]
        self.rest = [each for each in self.rest if each.custom_hostname_id in known]

    def head(self, served: int) -> turns.Waiting | None:
        """Give who is next: a tenant's first few, but one slot in five goes to the rest."""
        chosen = self.rest if (self.rest and rules.is_rests_slot(served)) else self.few
        return next(iter(chosen or self.rest), None)

    def take(self, head: turns.Waiting) -> None:
        """Serve it."""
        (self.few if head.interactive else self.rest).remove(head)
        self.served.append(head.custom_hostname_id)


def _instant(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _later(epoch: float, now: float) -> datetime | None:
    return _instant(epoch) if epoch > now else None
