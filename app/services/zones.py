"""The use cases of zones: list them, report on them, and set them up at Cloudflare.

`domain/zone` has the values and rules; `services/zone_monitor` checks zones in the background.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar

from app.domain.errors import (
    BudgetSpent,
    CloudflareError,
    CloudflareNotEnabled,
    CloudflarePermissionMissing,
    CloudflareUnavailable,
    ErrorCode,
    InvalidInput,
    NotFound,
)
from app.domain.rate_limit import Lane
from app.domain.zone import (
    FallbackOrigin,
    Origin,
    Quota,
    Zone,
    ZoneAccess,
    ZoneRecord,
    parse_origin,
)
from app.persistence import zones as store
from app.persistence.database import Database
from app.services.ports import Cipher, ZoneGateway
from app.services.rate_limiter import BudgetUsage, RateLimiter

T = TypeVar("T")

ZONE_READ = "Zone: Read"
DNS_EDIT = "DNS: Edit"
SSL_EDIT = "SSL and Certificates: Edit"
"""The permissions that the token needs, by their names in Cloudflare's dashboard."""

REPORT_CALLS = 8
"""At most: the zone, both records, the token at three paths, the fallback origin, the quota."""
SET_UP_CALLS = 13
"""At most: the zone, two records and their creation, the fallback origin, and the report."""
KEPT_SECONDS = 30.0
"""How long a report is reused. A caller who may read one must not use up everybody's calls."""
REPORT_SECONDS = 5.0
"""A report is read in an incident; what does not answer soon is shown as unknown."""


class PartState(StrEnum):
    """The state of one part of the set-up."""

    PRESENT = "present"
    CREATED = "created"
    PROXIED = "proxied"
    """It existed unproxied; its proxying was turned on."""
    ELSEWHERE = "points_elsewhere"
    """It existed and points elsewhere than asked. It was left unchanged."""
    MISSING = "missing"
    UNKNOWN = "unknown"
    """Cloudflare did not answer."""


@dataclass(frozen=True, slots=True)
class Part:
    """One record that the set-up needs."""

    name: str
    state: PartState
    record: ZoneRecord | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneReport:
    """A zone and what Cloudflare says of it, or said within the last half minute."""

    zone: Zone
    token: str
    """`active`, another status of Cloudflare's, or the code of the error that the call ended
    with."""
    fallback_origin: FallbackOrigin | None
    quota: Quota | None
    fallback_origin_record: Part
    cname_target: Part
    saas_enabled: bool | None = None
    """Whether Cloudflare for SaaS is enabled on the zone. None if Cloudflare did not say."""
    missing_permissions: tuple[str, ...] = ()
    """Cloudflare's names of the permissions that the token lacks."""

    @property
    def is_ready(self) -> bool:
        """Whether hostnames can validate here."""
        origin = self.fallback_origin
        return (
            origin is not None
            and self.zone.pause is None
            and origin.status == "active"
            and self.cname_target.state is not PartState.MISSING
            and self.saas_enabled is not False
            and not self.missing_permissions
        )


class Zones:
    """The use cases of zones."""

    def __init__(
        self,
        database: Database,
        cloudflare: ZoneGateway,
        cipher: Cipher,
        rate_limiter: RateLimiter,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._cloudflare = cloudflare
        self._cipher = cipher
        self._rate_limiter = rate_limiter
        self._clock = clock
        self._kept: dict[str, tuple[float, ZoneReport]] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def list(self) -> list[Zone]:
        """Return all zones, the default one first."""
        async with self._database.transaction() as tx:
            return await store.list_zones(tx)

    async def get(self, zone_id: str) -> ZoneReport:
        """Return a zone with its report from Cloudflare, at most half a minute old.

        One request asks at a time; those that wait get the same report.

        Raises:
            NotFound: no zone has this id.
        """
        zone, access = await self._open(zone_id)
        async with self._asking[zone.id]:
            kept = self._kept_of(zone)
            if kept is not None:
                return kept
            try:
                await self._rate_limiter.acquire_or_raise(
                    zone.budget, Lane.INTERACTIVE, REPORT_CALLS
                )
            except BudgetSpent as spent:
                return _not_asked(zone, spent)
            before = self._kept.get(zone.id)
            origin, target = await asyncio.gather(
                self._look(zone.fallback_origin, access), self._look(zone.cname_target, access)
            )
            report = await self._report(zone, access, origin, target)
            # A set-up that ended meanwhile has newer knowledge.
            if self._kept.get(zone.id) is before:
                self._kept[zone.id] = self._clock(), report
            return report

    async def set_up(self, zone_id: str, *, origin: str | None) -> ZoneReport:
        """Create what is missing: fallback origin and its record, and the CNAME target.

        `origin` is where the fallback origin's record points: an address or a name. A record that
        points elsewhere is reported and left unchanged, because the traffic of live names follows
        it.

        Raises:
            NotFound: no zone has this id.
            InvalidInput: `origin` is invalid, or is missing while the record does not exist yet.
            CloudflareError: Cloudflare could not be asked, or refused.
        """
        wanted = parse_origin(origin) if origin is not None else None
        zone, access = await self._open(zone_id)
        await self._rate_limiter.acquire_or_raise(zone.budget, Lane.INTERACTIVE, SET_UP_CALLS)
        try:
            report = await self._make(zone, access, wanted)
        finally:
            # Whatever the result, the former report is out of date.
            self._kept.pop(zone.id, None)
        self._kept[zone.id] = self._clock(), _as_found(report)
        return report

    async def budget(self, zone_id: str) -> BudgetUsage:
        """Return the state of the zone's call budget.

        Raises:
            NotFound: no zone has this id.
        """
        zone, _ = await self._open(zone_id)
        return await self._rate_limiter.usage(zone.budget)

    async def _open(self, zone_id: str) -> tuple[Zone, ZoneAccess]:
        async with self._database.transaction() as tx:
            zone = await store.get_zone(tx, zone_id)
        if zone is None:
            raise NotFound("Zone not found.")
        return zone, zone.access(self._cipher.decrypt(zone.api_token))

    async def _make(self, zone: Zone, access: ZoneAccess, origin: Origin | None) -> ZoneReport:
        named = await self._cloudflare.zone(access)
        async with self._database.transaction() as tx:
            await store.name_zone(tx, zone.id, name=named.name, account_id=named.account_id)
        origin_part = await self._put_record(access, zone.fallback_origin, origin)
        present = await self._cloudflare.fallback_origin(access)
        if present is None or present.origin != zone.fallback_origin:
            await self._cloudflare.put_fallback_origin(access, zone.fallback_origin)
        # This record may point anywhere; the fallback origin gets the traffic all the same.
        towards = Origin("CNAME", zone.fallback_origin)
        target_part = await self._put_record(access, zone.cname_target, towards, compare=False)
        fresh, _ = await self._open(zone.id)
        return await self._report(fresh, access, origin_part, target_part)

    async def _report(
        self, zone: Zone, access: ZoneAccess, origin: Part, target: Part
    ) -> ZoneReport:
        token, named, present, quota = await asyncio.gather(
            self._token(access),
            _answer(self._cloudflare.zone(access)),
            _answer(self._cloudflare.fallback_origin(access)),
            _answer(self._cloudflare.quota(access)),
        )
        codes = {
            ZONE_READ: {named.error},
            DNS_EDIT: {origin.error, target.error},
            SSL_EDIT: {present.error, quota.error},
        }
        lacking = CloudflarePermissionMissing.code
        return ZoneReport(
            zone=zone,
            token=token,
            fallback_origin=present.value,
            quota=quota.value,
            fallback_origin_record=origin,
            cname_target=target,
            saas_enabled=_saas_enabled(present, quota),
            missing_permissions=tuple(name for name, seen in codes.items() if lacking in seen),
        )

    def _kept_of(self, zone: Zone) -> ZoneReport | None:
        at, report = self._kept.get(zone.id, (0.0, None))
        if report is None or self._clock() - at >= KEPT_SECONDS:
            return None
        known = report.zone
        if (known.cname_target, known.fallback_origin) != (zone.cname_target, zone.fallback_origin):
            return None
        if known.paused_at != zone.paused_at:
            # A caller wants to see the current cause, or that it was fixed.
            return None
        return replace(report, zone=zone)

    async def _token(self, access: ZoneAccess) -> str:
        try:
            return await _in_time(self._cloudflare.token_status(access))
        except CloudflareError as error:
            return error.code

    async def _look(self, name: str, access: ZoneAccess) -> Part:
        try:
            found = _routing_records(await _in_time(self._cloudflare.records_at(access, name)))
        except CloudflareError as error:
            return Part(name, PartState.UNKNOWN, error=error.code)
        record = found[0] if found else None
        usable = record is not None and record.proxied
        return Part(name, PartState.PRESENT if usable else PartState.MISSING, record)

    async def _put_record(
        self, access: ZoneAccess, name: str, origin: Origin | None, *, compare: bool = True
    ) -> Part:
        records = _routing_records(await self._cloudflare.records_at(access, name))
        if records:
            record, state = records[0], PartState.PRESENT
            if not record.proxied:
                record = await self._cloudflare.proxy_record(access, record.id)
                state = PartState.PROXIED
            if compare and origin and not any(origin.is_that_of(each) for each in records):
                state = PartState.ELSEWHERE
            return Part(name, state, record)
        if origin is None:
            raise InvalidInput(
                f"{name} has no record yet; give its target in `origin`, an address or a name.",
                code=ErrorCode.ORIGIN_REQUIRED,
                field="/origin",
            )
        created = await self._cloudflare.create_record(
            access, type_=origin.type, name=name, content=origin.content
        )
        return Part(name, PartState.CREATED, created)


def _as_found(report: ZoneReport) -> ZoneReport:
    """Report what was just created as a later report will find it."""
    return replace(
        report,
        fallback_origin_record=_part_as_found(report.fallback_origin_record),
        cname_target=_part_as_found(report.cname_target),
    )


def _part_as_found(part: Part) -> Part:
    there = part.state in {PartState.CREATED, PartState.PROXIED, PartState.ELSEWHERE}
    return replace(part, state=PartState.PRESENT) if there else part


def _not_asked(zone: Zone, spent: BudgetSpent) -> ZoneReport:
    return ZoneReport(
        zone=zone,
        token=spent.code,
        fallback_origin=None,
        quota=None,
        fallback_origin_record=Part(zone.fallback_origin, PartState.UNKNOWN, error=spent.code),
        cname_target=Part(zone.cname_target, PartState.UNKNOWN, error=spent.code),
    )


def _routing_records(records: list[ZoneRecord]) -> list[ZoneRecord]:
    return [record for record in records if record.type in {"A", "AAAA", "CNAME"}]


@dataclass(frozen=True, slots=True)
class _Answer(Generic[T]):
    """What a call returned, or the code of the error that it ended with."""

    value: T | None = None
    error: str | None = None


async def _answer(call: Awaitable[T]) -> _Answer[T]:
    """Leave out what Cloudflare does not say now: a report is not a promise."""
    try:
        return _Answer(await _in_time(call))
    except CloudflareError as error:
        return _Answer(error=error.code)


def _saas_enabled(*answers: _Answer[Any]) -> bool | None:
    if any(answer.error == CloudflareNotEnabled.code for answer in answers):
        return False
    return True if all(answer.error is None for answer in answers) else None


async def _in_time(call: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(REPORT_SECONDS):
            return await call
    except TimeoutError:
        raise CloudflareUnavailable("Cloudflare did not answer in time.") from None
