"""Diagnose a hostname's DNS: stored, or before it is added. Nothing is changed.

`domain/diagnosis` has the rules; the surveyor asks. A name is asked about at most once a minute in
each process, so that a button cannot be used to flood a tenant's name servers.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from app.domain.custom_hostname import CustomHostname, RecordKey
from app.domain.diagnosis.diagnose import diagnose
from app.domain.diagnosis.domain_connect import DomainConnectOffer, Service, host_within
from app.domain.diagnosis.finding import Finding
from app.domain.diagnosis.provider import Provider, provider_of
from app.domain.diagnosis.subject import Subject, subject_of
from app.domain.diagnosis.survey import DnsSurvey
from app.domain.hostname import PublicSuffix, registrable_domain
from app.domain.plan import wanted_records
from app.domain.zone import Zone
from app.persistence.database import Database
from app.services.cloudflare_ranges import AddressRanges
from app.services.locked_records import load, refuse_leaving, zone_of
from app.services.ports import DnsSurveyor, DomainConnectLinks
from app.services.registration import Preview, Registration, Registrations

KEPT_SECONDS = 60.0
KEPT_LOOKS = 1_000
AT_ONCE = 16
"""How many surveys of one process are under way at a time."""


@dataclass(frozen=True, slots=True)
class ApplyLink:
    """A page of the DNS provider that adds the routing record for the tenant (Domain Connect)."""

    provider: str
    """As its customers know it."""
    host: str
    """Where the link leads to. Show it: whoever controls the domain's DNS chooses it."""
    url: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was asked, what was seen, and what is wrong, the most important first."""

    subject: Subject
    survey: DnsSurvey
    findings: tuple[Finding, ...]
    apply_link: ApplyLink | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """What was asked about one name."""

    survey: DnsSurvey
    offer: DomainConnectOffer | None


@dataclass(slots=True)
class _Kept:
    """A look that is under way, or that is kept until it is too old."""

    task: asyncio.Task[_Look]
    until: float = math.inf
    waiting: int = 0
    """How many callers wait for it."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """A diagnosis of a hostname that is not added yet, with what adding it would store."""

    preview: Preview
    diagnosis: Diagnosis


_Key = tuple[str, tuple[str, ...], frozenset[RecordKey]]


class Diagnoses:
    """Diagnoses hostnames."""

    def __init__(
        self,
        database: Database,
        surveyor: DnsSurveyor,
        registrations: Registrations,
        ranges: AddressRanges,
        providers: Sequence[Provider],
        public_suffix: PublicSuffix,
        *,
        domain_connect: DomainConnectLinks | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._surveyor = surveyor
        self._registrations = registrations
        self._ranges = ranges
        self._providers = tuple(providers)
        self._public_suffix = public_suffix
        self._domain_connect = domain_connect
        self._clock = clock
        self._looks: dict[_Key, _Kept] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def of_hostname(self, record_id: str) -> Diagnosis:
        """Diagnose a stored hostname.

        Raises:
            NotFound: there is none of this id.
            Conflict: it is removed or being removed, so its DNS need not lead here.
        """
        async with self._database.transaction() as tx:
            record = await load(tx, record_id)
            zone = await zone_of(tx, record)
        refuse_leaving(record)
        return await self._diagnose(record, zone)

    async def preflight(self, wanted: Registration) -> Preflight:
        """Diagnose a hostname before it is added.

        Raises:
            InvalidInput: the hostname, the plan or the zone cannot be accepted.
        """
        preview = await self._registrations.preview(wanted)
        return Preflight(preview, await self._diagnose(preview.record, preview.zone))

    async def _diagnose(self, record: CustomHostname, zone: Zone) -> Diagnosis:
        look, ranges = await asyncio.gather(self._look(record), self._ranges.of(zone))
        survey = look.survey
        subject = subject_of(
            record,
            fallback_origin=zone.fallback_origin,
            provider_zone=zone.name,
            provider=provider_of(survey.name_servers, self._providers),
            proxy_prefixes=ranges,
        )
        link = self._apply_link(record, survey, look.offer) if look.offer else None
        return Diagnosis(subject, survey, diagnose(subject, survey), link)

    def _apply_link(
        self, record: CustomHostname, survey: DnsSurvey, offer: DomainConnectOffer
    ) -> ApplyLink | None:
        host = host_within(record.hostname.name, survey.zone or "")
        if self._domain_connect is None or not host or Service.ROUTING not in offer.services:
            return None
        target = {"target": record.zone.cname_target}
        try:
            url = self._domain_connect.link(offer, Service.ROUTING, host=host, variables=target)
        except ValueError:
            return None
        return ApplyLink(offer.settings.name, offer.host, url)

    async def _look(self, record: CustomHostname) -> _Look:
        """Give the look of the last minute, the one under way, or a new one."""
        records = wanted_records(record)
        targets = record.zone.targets
        key = (record.hostname.name, targets, frozenset(each.key for each in records))
        kept = self._looks.get(key)
        if kept is None or kept.until <= self._clock() or _has_failed(kept.task):
            self._forget()
            name = f"look at {record.hostname.name}"
            kept = _Kept(asyncio.create_task(self._ask(record, targets), name=name))
            kept.task.add_done_callback(partial(self._begin_to_keep, kept))
            self._looks[key] = kept
        kept.waiting += 1
        try:
            # Others may wait for the same answer.
            return await asyncio.shield(kept.task)
        except asyncio.CancelledError:
            # Nobody's questions would stand in the way of others'.
            if kept.waiting == 1 and not kept.task.done():
                kept.task.cancel()
            raise
        finally:
            kept.waiting -= 1

    def _begin_to_keep(self, kept: _Kept, _: asyncio.Task[_Look]) -> None:
        kept.until = self._clock() + KEPT_SECONDS

    async def _ask(self, record: CustomHostname, targets: tuple[str, ...]) -> _Look:
        async with self._gate:
            survey = await self._surveyor.survey(
                record.hostname,
                wanted_records(record),
                targets=targets,
                registrable=registrable_domain(record.hostname.base, self._public_suffix),
            )
        offer = None
        if self._domain_connect is not None and survey.zone is not None:
            offer = await self._domain_connect.discover(survey.zone)
        return _Look(survey, offer)

    def _forget(self) -> None:
        """Drop what is out of date, and the oldest where there is too much."""
        now = self._clock()
        for key, kept in list(self._looks.items()):
            if kept.task.done() and (kept.until <= now or len(self._looks) >= KEPT_LOOKS):
                del self._looks[key]


def _has_failed(task: asyncio.Task[_Look]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
