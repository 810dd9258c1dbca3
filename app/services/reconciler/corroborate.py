"""Make a second call before one answer counts against a name or a whole zone."""

from __future__ import annotations

import structlog

from app.domain.errors import CloudflareError, CloudflareNotFound, CloudflareUnauthorized
from app.domain.rate_limit import Lane
from app.domain.resync import WHOLE, filters, too_many_missing
from app.domain.zone import PAUSE_REASONS, PauseReason, Zone, ZoneAccess
from app.persistence.clock import read_now
from app.persistence.custom_hostnames import count_objects
from app.persistence.database import Database
from app.persistence.resync import total_of
from app.services.ports import CustomHostnameGateway, ZoneGateway
from app.services.rate_limiter import RateLimiter
from app.services.zone_pauses import Pauses

VERIFY_CALLS = 3
"""At most: the token at a user's path, the zone for its account, the token at that account's."""
log = structlog.get_logger(__name__)


class Corroborator:
    """Tells a fault of the zone from a fact about one name, or a passing one, by a second call."""

    def __init__(
        self,
        database: Database,
        cloudflare: CustomHostnameGateway,
        zones: ZoneGateway,
        rate_limiter: RateLimiter,
        pauses: Pauses,
    ) -> None:
        self._database = database
        self._cloudflare = cloudflare
        self._zones = zones
        self._rate_limiter = rate_limiter
        self._pauses = pauses
        self._asking: set[str] = set()

    async def on_refusal(self, zone: Zone, access: ZoneAccess, code: str) -> None:
        """Pause the zone if a second call fails for a cause that stops all of its calls.

        `code` is the error code of the first call; codes that do not concern the token or the zone
        are ignored. A 401 is confirmed by verifying the token, any other code by reading the zone's
        list. A process makes one such call at a time, however many calls were refused.
        """
        if code not in PAUSE_REASONS or zone.id in self._asking:
            return
        self._asking.add(zone.id)
        try:
            for _ in range(VERIFY_CALLS if code == CloudflareUnauthorized.code else 1):
                await self._rate_limiter.debit(access.budget, Lane.RESYNC)
            refusal = await self._confirmed(access, code)
            if refusal is None:
                log.warning("refusal_not_confirmed", zone=zone.id, code=code)
                return
            reason = PAUSE_REASONS[refusal.code]
            await self._pauses.pause(zone.id, reason, detail=refusal.detail)
        except CloudflareError as error:
            log.warning("corroboration_failed", zone=zone.id, code=error.code)
        finally:
            self._asking.discard(zone.id)

    async def _confirmed(self, access: ZoneAccess, code: str) -> CloudflareUnauthorized | None:
        """Give the error that refused the second call; None if it succeeded."""
        try:
            if code != CloudflareUnauthorized.code:
                await self._cloudflare.list_page(access, page=1, filters=filters(WHOLE))
                return None
            status = await self._zones.token_status(access)
        except CloudflareUnauthorized as error:
            return error
        if status == "active":
            return None
        return CloudflareUnauthorized(f"Cloudflare reports that the token is {status}.")

    async def on_absence(self, zone: Zone, access: ZoneAccess, lane: Lane) -> bool:
        """Whether the absence of one name may be believed.

        If the list lacks too many names, the zone is paused and nothing is concluded about any of
        them.
        """
        await self._rate_limiter.debit(access.budget, lane)
        try:
            page = await self._cloudflare.list_page(access, page=1, filters=filters(WHOLE))
            total = page.total
        except CloudflareNotFound:
            total = 0
        except CloudflareError as error:
            log.warning("corroboration_failed", zone=zone.id, code=error.code)
            return False
        return not await self._lacks_too_many(zone, total)

    async def _lacks_too_many(self, zone: Zone, total: int) -> bool:
        async with self._database.transaction() as tx:
            before = await total_of(tx, zone.id)
            if before is None or not too_many_missing(before - total, before):
                return False
            # The list is shorter than before: does that exceed our own removals?
            held = await count_objects(tx, zone.id)
            off = zone.breaker_off_until
            if off is not None and off > await read_now(tx):
                return False
        if not too_many_missing(held - total, held):
            return False
        detail = f"Cloudflare's list has {total} of the {held} expected hostnames"
        await self._pauses.pause(zone.id, PauseReason.HOSTNAMES_MISSING, detail=detail)
        return True
