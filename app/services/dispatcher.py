"""Claim hostnames that are due: DNS checks, which are free, and what the budget has calls for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from app.domain.rate_limit import Lane
from app.domain.resync import FOLLOWED, FOLLOWED_AT_MOST
from app.domain.zone import OpenZone
from app.persistence import due_work, leases
from app.persistence.database import Connection, Database
from app.persistence.leases import Claim
from app.persistence.list_snapshot import count_followed
from app.persistence.resync import hasten
from app.persistence.wakeups import Channel, notify
from app.persistence.zones import open_zones
from app.services.call_queue import CallQueue
from app.services.rate_limiter import RateLimiter

MANY = FOLLOWED_AT_MOST + 1
"""From this many waiting for issuance or deployment, two lists are the cheaper check."""
log = structlog.get_logger(__name__)


class Dispatcher:
    """Claims hostnames of the zones that are not paused."""

    def __init__(self, database: Database, rate_limiter: RateLimiter, queue: CallQueue) -> None:
        self._database = database
        self._rate_limiter = rate_limiter
        self._queue = queue
        self._rounds = 0
        self._queue_first = True

    async def due(self, limit: int) -> list[Claim]:
        """Lease up to `limit` hostnames.

        Each zone gets a part; what one leaves goes to zones that have more. Another zone comes
        first each round. If a step fails, what was claimed before it is returned: it is leased.
        """
        async with self._database.transaction() as tx:
            zones = await open_zones(tx)
        claims: list[Claim] = []
        # Each zone comes first with its queue and with its checks.
        self._queue_first = (self._rounds // max(len(zones), 1)) % 2 == 0
        try:
            await self._share(self._rotated(zones), limit, claims)
        except Exception:
            if not claims:
                raise
            log.exception("claim_cut_short", claimed=len(claims))
        return claims

    async def release_claims(self, claims: Sequence[Claim]) -> None:
        """Release claims that will not be worked on: another worker may take them at once."""

        async def let_go(tx: Connection) -> None:
            await leases.lock_all(tx, [claim.custom_hostname_id for claim in claims])
            for claim in claims:
                await leases.release_lease(tx, claim)
            await notify(tx, Channel.RECONCILE)

        await self._database.run(let_go)

    def _rotated(self, zones: list[OpenZone]) -> list[OpenZone]:
        first = self._rounds % len(zones) if zones else 0
        self._rounds += 1
        return zones[first:] + zones[:first]

    async def _share(self, zones: list[OpenZone], limit: int, claims: list[Claim]) -> None:
        """Give each zone its part, then the remainder to zones that used theirs up."""
        unsatisfied: list[OpenZone] = []
        for number, zone in enumerate(zones):
            part = -(-(limit - len(claims)) // (len(zones) - number))
            before = len(claims)
            await self._claim(zone, part, claims)
            if 0 < part <= len(claims) - before:
                unsatisfied.append(zone)
        for zone in unsatisfied:
            await self._claim(zone, limit - len(claims), claims)

    async def _claim(self, zone: OpenZone, limit: int, claims: list[Claim]) -> None:
        """Claim in one zone, step by step. Each step is leased once its transaction is committed.

        Woken hostnames come first, because a caller may wait; then those that wait for a call, of
        which no more are claimed than the budget has calls.
        """
        if limit <= 0:
            return
        most = len(claims) + limit
        async with self._database.transaction() as tx:
            by_lists = await count_followed(tx, zone.id, limit=MANY) == MANY
        if by_lists:
            async with self._database.transaction() as tx:
                await hasten(tx, zone.id, FOLLOWED)
        async with self._database.transaction() as tx:
            # No more than half, however many were woken.
            woken = await due_work.claim_woken(tx, zone.id, limit=-(-limit // 2))
        claims += woken
        paid: list[Callable[[OpenZone, int], Awaitable[list[Claim]]]] = [
            self._queued,
            partial(self._checks, by_lists=by_lists),
        ]
        # If calls come one by one, the first step would get them all: the two alternate.
        for claim in paid if self._queue_first else reversed(paid):
            claims += await claim(zone, most - len(claims))
        async with self._database.transaction() as tx:
            free = await due_work.claim_free(tx, zone.id, limit=most - len(claims))
        claims += free

    async def _queued(self, zone: OpenZone, limit: int) -> list[Claim]:
        async with self._database.transaction() as tx:
            # No more than half: actions and checks share the calls.
            return await self._queue.serve(tx, zone.budget, zone.id, limit=-(-limit // 2))

    async def _checks(self, zone: OpenZone, limit: int, *, by_lists: bool) -> list[Claim]:
        lane = Lane.VALIDATION
        async with self._database.transaction() as tx:
            left = await self._rate_limiter.left(tx, zone.budget)
            most = min(limit, left[lane])
            ids = await due_work.lock_checks(tx, zone.id, limit=most, by_lists=by_lists)
            granted = await self._rate_limiter.try_acquire(tx, zone.budget, {lane: len(ids)})
            return await due_work.claim_checks(tx, ids[: granted[lane]])
