"""Check one hostname: Cloudflare and DNS in parallel, each where it is due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

import structlog

from app.domain.custom_hostname import CustomHostname, Desired, State
from app.domain.errors import BudgetSpent, CloudflareError
from app.domain.observation import (
    CloudflareHostname,
    CloudflareView,
    DnsView,
    NotAsked,
    Observation,
    Side,
    Unknown,
)
from app.domain.plan import needs_dcv_uuid
from app.domain.rate_limit import Lane
from app.domain.reconcile.decide import needs_thorough_check
from app.domain.reconcile.schedule import Policy
from app.domain.zone import TARGET_FINE, Zone, ZoneAccess
from app.metrics import CHECKS
from app.persistence.database import Database
from app.persistence.leases import Claim
from app.persistence.zones import note_dcv_uuid
from app.services.cloudflare_ranges import AddressRanges
from app.services.ports import CustomHostnameGateway, Dns
from app.services.rate_limiter import RateLimiter
from app.services.reconciler.act import ActionExecutor, paying_lane, view_of
from app.tracing.spans import span

log = structlog.get_logger(__name__)


class Observer:
    """Asks and draws no conclusions. What could not be asked is Unknown."""

    def __init__(
        self,
        database: Database,
        cloudflare: CustomHostnameGateway,
        dns: Dns,
        rate_limiter: RateLimiter,
        executor: ActionExecutor,
        ranges: AddressRanges,
        *,
        policy: Policy,
    ) -> None:
        self._database = database
        self._cloudflare = cloudflare
        self._dns = dns
        self._rate_limiter = rate_limiter
        self._executor = executor
        self._ranges = ranges
        self._policy = policy

    async def observe(
        self,
        record: CustomHostname,
        claim: Claim,
        zone: Zone,
        access: ZoneAccess,
        *,
        sent_at: datetime,
    ) -> Observation:
        """Ask both sides. If DNS has news, all its servers are asked before it counts."""
        cloudflare, dns = await asyncio.gather(
            self._check_cloudflare(record, claim, access),
            self._check_dns(record, claim, zone),
        )
        observation = Observation(cloudflare, dns, sent_at=sent_at)
        if needs_thorough_check(record, observation, now=claim.now, policy=self._policy):
            thorough = await self._ask_dns(record, zone, thorough=True)
            return replace(observation, dns=thorough)
        return observation

    async def with_dcv_uuid(
        self, record: CustomHostname, claim: Claim, access: ZoneAccess
    ) -> CustomHostname:
        """Ask for the zone's delegation label if no answer about the hostname contained it."""
        if not needs_dcv_uuid(record) or not _may_ask_cloudflare(record, claim):
            return record
        if not (await self._rate_limiter.acquire(access.budget, Lane.VALIDATION)).granted:
            return record
        try:
            uuid = await self._cloudflare.dcv_delegation_uuid(access)
        except CloudflareError as error:
            log.warning("cloudflare_not_asked", code=error.code, detail=error.detail)
            return record
        async with self._database.transaction() as tx:
            await note_dcv_uuid(tx, record.zone.id, uuid)
        return replace(record, zone=replace(record.zone, dcv_uuid=uuid))

    async def _check_cloudflare(
        self, record: CustomHostname, claim: Claim, access: ZoneAccess
    ) -> CloudflareView:
        if not _may_ask_cloudflare(record, claim) or record.state is State.DELETED:
            return NotAsked()
        known = record.cloudflare
        if record.desired is Desired.ABSENT:
            # With an id, the removal itself asks. Without one, a POST that had no answer may have
            # created the hostname.
            if known.id is None and known.create_tried_at is not None:
                lane = paying_lane(None, record, claim.now)
                return await self._ask(
                    record, claim, access, lambda: self._executor.find(record, access, lane)
                )
            return NotAsked()
        known_id = known.id
        if known_id is None:
            return NotAsked()
        return await self._ask(
            record, claim, access, lambda: self._cloudflare.get(access, known_id)
        )

    async def _ask(
        self,
        record: CustomHostname,
        claim: Claim,
        access: ZoneAccess,
        call: Callable[[], Awaitable[CloudflareHostname]],
    ) -> CloudflareView:
        """Ask with the call acquired at the claim, or acquire one now."""
        if not claim.paid:
            awaited = record.is_awaited(claim.now)
            grant = await self._rate_limiter.acquire_check(record, access.budget, awaited=awaited)
            if not grant.granted:
                return Unknown(BudgetSpent.code)
        seen = await view_of(call())
        CHECKS.labels(str(Side.CLOUDFLARE), _outcome(seen)).inc()
        return seen

    async def _ask_dns(self, record: CustomHostname, zone: Zone, *, thorough: bool) -> DnsView:
        with span("check DNS", thorough=thorough):
            seen = await self._dns.check(
                record, thorough=thorough, proxy_prefixes=partial(self._ranges.of, zone)
            )
        CHECKS.labels(str(Side.DNS), _outcome(seen.routing)).inc()
        return seen

    async def _check_dns(self, record: CustomHostname, claim: Claim, zone: Zone) -> DnsView:
        if zone.target_dns_status not in TARGET_FINE:
            # Without the target, no result says anything about the tenant's record.
            return (
                DnsView(routing=Unknown("cname_target_not_found")) if claim.dns_due else DnsView()
            )
        at_cloudflare = record.cloudflare.id is not None
        leaving = record.desired is Desired.ABSENT and record.state is not State.DELETED
        # Moved and then gone: it comes back once DNS points here again.
        lapsed = record.state is State.VALIDATING
        due = claim.dns_due and (at_cloudflare or record.tombstone or lapsed or record.awaits_proof)
        if due or (leaving and at_cloudflare):
            return await self._ask_dns(record, zone, thorough=False)
        return DnsView()


def _outcome(seen: object) -> str:
    return type(seen).__name__.lower()


def _may_ask_cloudflare(record: CustomHostname, claim: Claim) -> bool:
    waits_until = record.schedule.cloudflare_waits_until
    is_waiting = waits_until is not None and waits_until > claim.now
    return claim.cloudflare_due and not is_waiting
