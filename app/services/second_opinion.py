"""Ask the zone's list before one answer is believed of a name, or held against the whole zone."""

from __future__ import annotations

import structlog

from app.domain.budget import Lane
from app.domain.errors import CloudflareError, CloudflareNotFound, CloudflareUnauthorized
from app.domain.pause import PauseReason
from app.domain.sweeps import WHOLE, filters, too_many_missing
from app.domain.zone import ZoneAccess
from app.persistence.clock import read_now
from app.persistence.custom_hostnames import count_objects
from app.persistence.database import Database
from app.persistence.sweeps import total_of
from app.persistence.zones import Zone
from app.services.budgets import Budgets
from app.services.pauses import Pauses
from app.services.ports import CustomHostnameGateway

log = structlog.get_logger(__name__)


class SecondOpinion:
    """One page of the list tells a fault of the zone from what is true of one name."""

    def __init__(
        self,
        database: Database,
        cloudflare: CustomHostnameGateway,
        budgets: Budgets,
        pauses: Pauses,
    ) -> None:
        self._database = database
        self._cloudflare = cloudflare
        self._budgets = budgets
        self._pauses = pauses

    async def on_refused_token(self, zone: Zone, detail: str | None) -> None:
        """Pause the zone, with Cloudflare's words: this needs no second opinion."""
        await self._pauses.pause(zone.id, PauseReason.TOKEN_REFUSED, detail=detail)

    async def on_refused_call(self, zone: Zone, access: ZoneAccess) -> None:
        """Pause the zone where its list is refused, too; one name's 403 may concern that name."""
        await self._budgets.owe(access.budget, Lane.SWEEPS)
        try:
            await self._cloudflare.list_page(access, page=1, filters=filters(WHOLE))
        except CloudflareUnauthorized as error:
            await self._pauses.pause(zone.id, PauseReason.TOKEN_REFUSED, detail=error.detail)
        except CloudflareError as error:
            log.warning("second_opinion_not_heard", zone=zone.id, code=error.code)

    async def on_absence(self, zone: Zone, access: ZoneAccess) -> bool:
        """Say whether the absence of one name may be believed.

        Where the list lacks far more names, the zone is paused, and of none of them anything is
        concluded.
        """
        await self._budgets.owe(access.budget, Lane.SWEEPS)
        try:
            page = await self._cloudflare.list_page(access, page=1, filters=filters(WHOLE))
            total = page.total
        except CloudflareNotFound:
            total = 0
        except CloudflareError as error:
            log.warning("second_opinion_not_heard", zone=zone.id, code=error.code)
            return False
        return not await self._lacks_too_many(zone, total)

    async def _lacks_too_many(self, zone: Zone, total: int) -> bool:
        async with self._database.transaction() as tx:
            before = await total_of(tx, zone.id)
            if before is None or not too_many_missing(before - total, before):
                return False
            # The list is shorter than it was: by our own removals, or by more than that?
            held = await count_objects(tx, zone.id)
            off = zone.breaker_off_until
            if off is not None and off > await read_now(tx):
                return False
        if not too_many_missing(held - total, held):
            return False
        detail = f"Cloudflare's list has {total} hostnames, of {held} that should be there"
        await self._pauses.pause(zone.id, PauseReason.HOSTNAMES_MISSING, detail=detail)
        return True
