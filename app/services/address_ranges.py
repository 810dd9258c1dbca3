"""Cloudflare's published address ranges, in which every proxied name lies."""

from __future__ import annotations

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
RETRY_SECONDS = 300.0
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

    async def of(self, zone: Zone) -> tuple[str, ...]:
        """Give the ranges; those known before, or none, while Cloudflare does not tell them."""
        if self._clock() < self._until or zone.pause is not None:
            return self._ranges
        # First, so that others do not ask meanwhile.
        self._until = self._clock() + RETRY_SECONDS
        grant = await self._rate_limiter.acquire(zone.budget, Lane.INTERACTIVE)
        if not grant.granted:
            return self._ranges
        access = zone.access(self._cipher.decrypt(zone.api_token))
        try:
            self._ranges = await self._cloudflare.address_ranges(access)
        except CloudflareError as error:
            log.warning("address_ranges_unknown", code=error.code, detail=error.detail)
        else:
            self._until = self._clock() + KEPT_SECONDS
        return self._ranges
