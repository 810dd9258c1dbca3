"""Cloudflare's published address ranges, in which every proxied name lies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from app.domain.errors import CloudflareError
from app.domain.rate_limit import Lane
from app.domain.zone import Zone
from app.services.ports import Cipher, ZoneGateway
from app.services.rate_limiter import RateLimiter

KEPT_SECONDS = 86_400.0
"""The ranges change every few years."""
RETRY_SECONDS = 30.0
log = structlog.get_logger(__name__)


class AddressRanges:
    """Cloudflare's published address ranges, asked for once a day."""

    def __init__(
        self,
        cloudflare: ZoneGateway,
        cipher: Cipher,
        rate_limiter: RateLimiter,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cloudflare = cloudflare
        self._cipher = cipher
        self._rate_limiter = rate_limiter
        self._clock = clock
        self._ranges: tuple[str, ...] = ()
        self._until = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def of(self, zone: Zone) -> tuple[str, ...]:
        """Give the ranges; those known before, or none, while Cloudflare does not tell them."""
        if self._clock() >= self._until and zone.pause is None:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask(zone), name="address ranges")
            # All who need them wait for the one call, and none who leaves ends it.
            await asyncio.shield(self._asking)
        return self._ranges

    async def _ask(self, zone: Zone) -> None:
        wait = RETRY_SECONDS
        try:
            grant = await self._rate_limiter.acquire(zone.budget, Lane.INTERACTIVE)
            if grant.granted:
                access = zone.access(self._cipher.decrypt(zone.api_token))
                self._ranges = await self._cloudflare.address_ranges(access)
                wait = KEPT_SECONDS
        except CloudflareError as error:
            log.warning("address_ranges_unknown", code=error.code, detail=error.detail)
        finally:
            self._until = self._clock() + wait
