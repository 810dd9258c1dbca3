"""Monitors each zone itself: its CNAME target, its lists, and whether a bad token works again.

Long work on all of a zone's names also continues here: resuming after a pause, and re-rendering
every document after a new CNAME target. `services/zones` has the use cases of the API.
"""

from __future__ import annotations

import time
from datetime import datetime

import structlog

from app.domain.breaker import BREAKER_WITHIN
from app.domain.document import DOCUMENT_VERSION
from app.domain.errors import CloudflareError
from app.domain.observation import Absent, Found
from app.domain.rate_limit import Lane
from app.domain.resync import LISTS, WHOLE, filters
from app.domain.zone import RETRY, TARGET_EVERY, PauseReason, Zone
from app.persistence import zones as store
from app.persistence.breaker_counts import forget_counts
from app.persistence.clock import read_now
from app.persistence.custom_hostnames import rewrite_documents
from app.persistence.database import Database
from app.persistence.resync import put_lists
from app.services.ports import Cipher, CustomHostnameGateway, Dns
from app.services.rate_limiter import RateLimiter
from app.services.zone_pauses import Pauses, pause_zone

RESUME_STEP_SECONDS = 12.0
RERENDER_SECONDS = 15.0
"""How long one check works on resuming the zone and on re-rendering its documents. The next check
may come after thirty seconds."""
RERENDERED_AT_ONCE = 200
log = structlog.get_logger(__name__)


class ZoneMonitor:
    """Checks one zone at a time."""

    def __init__(
        self,
        database: Database,
        cloudflare: CustomHostnameGateway,
        dns: Dns,
        cipher: Cipher,
        rate_limiter: RateLimiter,
        pauses: Pauses,
    ) -> None:
        self._database = database
        self._cloudflare = cloudflare
        self._dns = dns
        self._cipher = cipher
        self._rate_limiter = rate_limiter
        self._pauses = pauses

    async def claim(self, limit: int) -> list[Zone]:
        """Claim the zones that are due for a check, which each zone is every thirty seconds."""
        async with self._database.transaction() as tx:
            return await store.claim_due_zones(tx, every=TARGET_EVERY, limit=limit)

    async def check(self, zone: Zone) -> None:
        """Check one zone."""
        target_is_steady = await self._check_target(zone)
        async with self._database.transaction() as tx:
            await put_lists(tx, zone.id, LISTS)
            await forget_counts(tx, zone.id, older_than=BREAKER_WITHIN * 2)
            now = await read_now(tx)
        pause = zone.pause
        if zone.resume_cursor is not None:
            await self._pauses.continue_resume(zone.id, within=RESUME_STEP_SECONDS)
        elif pause is not None and pause.reason is PauseReason.CNAME_TARGET_MISSING:
            if target_is_steady:
                await self._pauses.resume_zone(
                    zone, accept_regressions=False, within=RESUME_STEP_SECONDS
                )
        elif pause is not None and pause.retry_at is not None and pause.retry_at <= now:
            await self._try_again(zone, due=pause.retry_at)
        if zone.rerender_cursor is not None:
            await self._rerender(zone, zone.rerender_cursor)
        elif zone.document_version < DOCUMENT_VERSION:
            async with self._database.transaction() as tx:
                is_ours = await store.start_rerender(tx, zone)
            if is_ours:
                await self._rerender(zone, "")

    async def _check_target(self, zone: Zone) -> bool:
        """Check the target's DNS. Return whether it has been present for a while."""
        match await self._dns.addresses(zone.cname_target):
            case Found():
                status = "found"
            case Absent():
                status = "absent"
            case _:
                status = "unknown"
        if status != zone.target_dns_status:
            if status == "found":
                log.info("target_dns_status", zone=zone.id, status=status)
            else:
                log.warning("target_dns_status", zone=zone.id, status=status)
        async with self._database.transaction() as tx:
            now = await read_now(tx)
            target = zone.target.then(status, now)
            await store.save_target(tx, zone.id, target)
            if target.is_missing(now):
                detail = f"{zone.cname_target} has no address in DNS"
                await pause_zone(tx, zone.id, PauseReason.CNAME_TARGET_MISSING, detail=detail)
        return target.is_steady(now)

    async def _rerender(self, zone: Zone, after: str) -> None:
        """Re-render every document: with the zone's new values, or with new fields."""
        last: str | None = after
        until = time.monotonic() + RERENDER_SECONDS
        while last is not None and time.monotonic() < until:
            async with self._database.transaction() as tx:
                before = last
                last = await rewrite_documents(tx, zone.id, after=before, limit=RERENDERED_AT_ONCE)
                if not await store.save_rerender(
                    tx, zone, before=before, after=last, version=DOCUMENT_VERSION
                ):
                    return

    async def _try_again(self, zone: Zone, *, due: datetime) -> None:
        """Ask Cloudflare for one page. If that works, the pause ends by itself."""
        async with self._database.transaction() as tx:
            if not await store.put_off_retry(tx, zone.id, due=due, wait=RETRY):
                return
        grant = await self._rate_limiter.acquire(zone.budget, Lane.RESYNC)
        works = False
        if grant.granted:
            access = zone.access(self._cipher.decrypt(zone.api_token))
            try:
                await self._cloudflare.list_page(access, page=1, filters=filters(WHOLE))
                works = True
            except CloudflareError as error:
                log.warning("zone_still_refused", zone=zone.id, code=error.code)
        if works:
            await self._pauses.resume_zone(
                zone, accept_regressions=False, within=RESUME_STEP_SECONDS
            )
