"""Claim what is due: looks at DNS, which are free, and what the budget has calls for."""

from __future__ import annotations

from app.domain.sweeps import FOLLOWED, FOLLOWED_AT_MOST
from app.persistence import watches
from app.persistence.database import Connection, Database
from app.persistence.listings import count_followed
from app.persistence.sweeps import hasten
from app.persistence.watches import Claim
from app.persistence.zones import OpenZone, open_zones
from app.services.budgets import Budgets


class Claims:
    """Hands out hostnames to work on, of the zones that are not paused."""

    def __init__(self, database: Database, budgets: Budgets) -> None:
        self._database = database
        self._budgets = budgets

    async def due(self, limit: int) -> list[Claim]:
        """Lease up to `limit` hostnames.

        What was woken comes first, as somebody may wait for it; then what waits for a call, of
        which there is never more than the budget has calls.
        """
        claims: list[Claim] = []
        async with self._database.transaction() as tx:
            zones = await open_zones(tx)
        for zone in zones:
            async with self._database.transaction() as tx:
                # No more than half, however many there are who wake.
                woken = -(-(limit - len(claims)) // 2)
                claims += await watches.claim_woken(tx, zone.id, limit=woken)
            claims += await self._turns(zone, limit - len(claims))
            claims += await self._looks(zone, limit - len(claims))
            async with self._database.transaction() as tx:
                claims += await watches.claim_free(tx, zone.id, limit=limit - len(claims))
        return claims

    async def _turns(self, zone: OpenZone, limit: int) -> list[Claim]:
        async with self._database.transaction() as tx:
            # No more than half: acts and looks share what there is to spare.
            return await self._budgets.serve(tx, zone.budget, [zone.id], limit=-(-limit // 2))

    async def _looks(self, zone: OpenZone, limit: int) -> list[Claim]:
        async with self._database.transaction() as tx:
            by_lists = await self._are_followed_by_lists(tx, zone)
            wanted = await watches.count_looks(tx, zone.id, limit=limit, by_lists=by_lists)
        if not wanted:
            return []
        async with self._database.transaction() as tx:
            return await self._budgets.claim_looks(tx, zone, limit=wanted, by_lists=by_lists)

    async def _are_followed_by_lists(self, tx: Connection, zone: OpenZone) -> bool:
        """Whether so many wait for issuance or deployment that two lists are the cheaper look."""
        most = FOLLOWED_AT_MOST
        if await count_followed(tx, zone.id, limit=most + 1) <= most:
            return False
        await hasten(tx, zone.id, FOLLOWED)
        return True
