"""Gathers what one diagnosis reads: every question about a hostname, asked with real packets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dns.rdatatype import RdataType

from app.adapters.dns.answer import Answer, CouldNotAsk, Server
from app.adapters.dns.authoritative import MAX_SERVERS, AuthoritativeServers, Zone
from app.adapters.dns.checker import MAX_NAME, name_beside, routed_name
from app.adapters.dns.cname_chain import Upstream, follow
from app.adapters.dns.limits import ServerLimits
from app.adapters.dns.query import DIAGNOSIS, Questions
from app.domain.custom_hostname import DnsRecord, Purpose
from app.domain.diagnosis.survey import (
    CaaStep,
    Dnssec,
    DnsSurvey,
    Lookup,
    Outcome,
    RecordSurvey,
    ServerView,
)
from app.domain.hostname import Hostname

MAX_RESOLVERS = 2
"""How many resolvers are asked where the name points. Their caches may differ."""
ROOT = "."
MAX_TARGETS = 4
"""How many of the accepted CNAME targets are asked for their addresses."""
_ADDRESSES = (RdataType.A, RdataType.AAAA)
_AT_NAME = (RdataType.CNAME, *_ADDRESSES)
_ROUTING = (RdataType.CNAME, RdataType.A)
INSTEAD = {"CNAME": RdataType.TXT, "TXT": RdataType.CNAME}
"""The type that is often found where another one belongs."""


class Surveyor:
    """Asks the zone's own servers and the configured resolvers."""

    def __init__(
        self,
        resolvers: Sequence[Server],
        authority: AuthoritativeServers | None,
        *,
        limits: ServerLimits,
        wait: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._resolvers = tuple(resolvers)[:MAX_SERVERS]
        self._authority = authority
        self._limits = limits
        self._wait = wait
        self._clock = clock
        self._now = now

    async def survey(
        self,
        hostname: Hostname,
        records: Sequence[DnsRecord],
        *,
        targets: Sequence[str],
        registrable: str | None,
    ) -> DnsSurvey:
        """Ask everything about one hostname. Never raises: what could not be asked is `UNKNOWN`."""
        questions = Questions(
            wait=self._wait, clock=self._clock, budget=DIAGNOSIS, limits=self._limits
        )
        zone = await self._zone(questions, hostname.base)
        look = _Look(questions, self._resolvers, zone)
        name = routed_name(hostname)
        validation = [
            each
            for each in records
            if each.purpose is not Purpose.ROUTING and each.type in RdataType.__members__
        ]
        async with asyncio.TaskGroup() as tasks:
            begin = tasks.create_task
            cname, a, aaaa = (begin(look.own(name, each, right=targets)) for each in _AT_NAME)
            views = [begin(look.view(server, name)) for server in look.asked]
            registration = begin(look.resolved(registrable or hostname.base, RdataType.NS))
            to_targets = [
                begin(look.resolved(target, each))
                for target in targets[:MAX_TARGETS]
                for each in _ADDRESSES
            ]
            doubled = begin(look.doubled(hostname.name, _ROUTING))
            caa = begin(look.climb(hostname.base))
            surveyed = [begin(look.record(each, hostname)) for each in validation]
            dnssec = begin(look.dnssec(name))
        at_targets = [each.result() for each in to_targets]
        return DnsSurvey(
            looked_at=self._now(),
            name=name,
            owner=hostname.name,
            registrable=registrable,
            registration=registration.result(),
            zone=zone.name if zone else None,
            name_servers=zone.hosts if zone else (),
            servers=tuple(each.result() for each in views),
            cname=cname.result(),
            a=a.result(),
            aaaa=aaaa.result(),
            doubled=doubled.result(),
            target_addresses=tuple(value for lookup in at_targets for value in lookup.values),
            caa=caa.result(),
            records={
                record.key: each.result() for record, each in zip(validation, surveyed, strict=True)
            },
            dnssec=dnssec.result(),
            resolvers_answer=any(lookup.outcome is not Outcome.UNKNOWN for lookup in at_targets),
        )

    async def _zone(self, questions: Questions, name: str) -> Zone | None:
        """Find the zone by walking from the root, else by what the resolvers say."""
        found = await self._authority.zone(questions, name) if self._authority else None
        if found is not None and found.name != ROOT:
            return found
        for owner in _upwards(name):
            try:
                answer = await questions.ask_first(self._resolvers, owner, RdataType.NS)
            except CouldNotAsk:
                return None
            # What is found at the end of a CNAME belongs to another name.
            if answer.values and not answer.chain:
                return Zone(owner, answer.values, ())
        return None


@dataclass(frozen=True, slots=True)
class _Look:
    """The questions of one survey, and whom they are put to."""

    questions: Questions
    resolvers: tuple[Server, ...]
    zone: Zone | None

    @property
    def servers(self) -> tuple[Server, ...]:
        """The zone's own; empty if they are unknown or not asked."""
        return self.zone.servers if self.zone else ()

    @property
    def asked(self) -> tuple[Server, ...]:
        """The servers whose views are compared."""
        return (*self.servers, *self.resolvers[:MAX_RESOLVERS])

    async def view(self, server: Server, name: str) -> ServerView:
        """Ask one server where the name points."""
        upstream = Upstream(server, self.resolvers)
        a, aaaa = await asyncio.gather(
            *(self._lookup(name, each, self._followed(upstream, name, each)) for each in _ADDRESSES)
        )
        return ServerView(
            server=server.host or server.address,
            is_authoritative=server.zone is not None,
            a=a,
            aaaa=aaaa,
        )

    async def direct(self, name: str, rdtype: RdataType) -> Lookup:
        """Ask for what stands at the name itself."""
        return await self._lookup(name, rdtype, self._at_itself(name, rdtype))

    async def own(self, name: str, rdtype: RdataType, *, right: Sequence[str] = ()) -> Lookup:
        """Ask for what stands at the name itself, and mark what a wildcard gives."""
        return await self._marked(await self.direct(name, rdtype), right)

    async def resolved(self, name: str, rdtype: RdataType) -> Lookup:
        """Ask a resolver."""
        asking = self.questions.ask_first(self.resolvers, name, rdtype)
        return await self._lookup(name, rdtype, asking)

    async def doubled(self, name: str, types: Sequence[RdataType]) -> Lookup:
        """Ask for several types at the name with the zone's appended once more.

        Gives the first that is there, else the first. Not asked if the name is too long, or no zone
        is known.
        """
        zone = self.zone.name if self.zone else ""
        place = f"{name}.{zone}"
        if not zone or len(place) > MAX_NAME:
            return Lookup(name="", type=types[0].name, outcome=Outcome.NOT_ASKED)
        lookups = [await self.own(place, each) for each in types]
        found = (each for each in lookups if each.outcome is Outcome.FOUND)
        return next(found, lookups[0])

    async def climb(self, base: str) -> tuple[CaaStep, ...]:
        """Ask for CAA as a certificate authority does (RFC 8659, section 3)."""
        steps: list[CaaStep] = []
        for name in _upwards(base):
            # Only resolvers follow CNAMEs of the parents' zones as well.
            lookup = await self._lookup(name, RdataType.CAA, self._followed_by_any(name))
            steps.append(CaaStep(lookup=lookup))
            if not lookup.is_absent:
                break
        return tuple(steps)

    async def record(self, record: DnsRecord, hostname: Hostname) -> RecordSurvey:
        """Ask for what stands where a record belongs, and where it is put by mistake."""
        rdtype = RdataType.from_text(record.type)
        instead = INSTEAD.get(record.type, RdataType.TXT)
        wanted, other, doubled, bare = await asyncio.gather(
            self._wanted(record, rdtype),
            self.own(record.name, instead),
            self.doubled(record.name, (rdtype,)),
            self._at(hostname.base, rdtype),
        )
        return RecordSurvey(wanted=wanted, other=other, doubled=doubled, bare=bare)

    async def dnssec(self, name: str) -> Dnssec:
        """Whether a resolver refuses what it would answer without checking the signatures.

        The question is for the CNAME record, so that only the zone of the name itself is judged,
        not the one that a CNAME leads to.
        """
        rdtype = RdataType.CNAME
        for resolver in self.resolvers[:MAX_RESOLVERS]:
            try:
                await self.questions.ask(resolver, name, rdtype)
            except CouldNotAsk as error:
                if error.why != "servfail":
                    continue
                try:
                    await self.questions.ask(resolver, name, rdtype, check_disabled=True)
                except CouldNotAsk:
                    continue
                return Dnssec.BOGUS
            else:
                return Dnssec.ACCEPTED
        return Dnssec.NOT_CHECKED

    async def _wanted(self, record: DnsRecord, rdtype: RdataType) -> Lookup:
        return await self._marked(await self._at(record.name, rdtype), (record.value,))

    async def _marked(self, found: Lookup, right: Sequence[str]) -> Lookup:
        """Mark what a wildcard gives, unless it is right: a name beside it gives the same."""
        is_apex = self.zone is not None and found.name == self.zone.name
        if found.outcome is not Outcome.FOUND or is_apex or not set(right).isdisjoint(found.values):
            return found
        beside = await self.direct(name_beside(found.name), RdataType.from_text(found.type))
        return replace(found, of_wildcard=beside.values == found.values)

    async def _at(self, name: str, rdtype: RdataType) -> Lookup:
        if rdtype is RdataType.CNAME:
            return await self.direct(name, rdtype)
        return await self._lookup(name, rdtype, self._followed_by_any(name, rdtype))

    async def _followed_by_any(self, name: str, rdtype: RdataType = RdataType.CAA) -> Answer:
        failure = CouldNotAsk("no_server")
        for server in (*self.servers, *self.resolvers):
            try:
                return await self._followed(Upstream(server, self.resolvers), name, rdtype)
            except CouldNotAsk as error:
                failure = error
        raise failure

    async def _followed(self, upstream: Upstream, name: str, rdtype: RdataType) -> Answer:
        return await follow(self.questions, upstream, name, rdtype)

    async def _at_itself(self, name: str, rdtype: RdataType) -> Answer:
        failure = CouldNotAsk("no_server")
        for server in (*self.servers, *self.resolvers):
            try:
                if server.holds(name):
                    return await self.questions.ask(server, name, rdtype, follow=False)
            except CouldNotAsk as error:
                failure = error
        raise failure

    async def _lookup(self, name: str, rdtype: RdataType, asking: Awaitable[Answer]) -> Lookup:
        try:
            answer = await asking
        except CouldNotAsk as error:
            return Lookup(name=name, type=rdtype.name, outcome=Outcome.UNKNOWN, why=error.why)
        return Lookup(
            name=name,
            type=rdtype.name,
            outcome=_outcome(answer),
            chain=answer.chain,
            values=answer.values,
            ttl=answer.ttl,
        )


def _outcome(answer: Answer) -> Outcome:
    if answer.values:
        return Outcome.FOUND
    return Outcome.NO_DATA if answer.exists else Outcome.NO_NAME


def _upwards(name: str) -> Iterator[str]:
    """The name and its parents, short of the top-level domain."""
    while "." in name:
        yield name
        name = name.partition(".")[2]
