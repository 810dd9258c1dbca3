"""One check of a hostname's DNS: each wanted record, and where the name itself points."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from dns.rdatatype import RdataType

from app.adapters.dns.answer import Answer, CouldNotAsk, Server
from app.adapters.dns.arrival import may_arrive
from app.adapters.dns.authoritative import MAX_SERVERS, AuthoritativeServers
from app.adapters.dns.cname_chain import Upstream, follow
from app.adapters.dns.limits import ServerLimits
from app.adapters.dns.query import Questions
from app.domain.custom_hostname import (
    CustomHostname,
    DnsRecord,
    Purpose,
    State,
    ZoneTargets,
)
from app.domain.hostname import Hostname
from app.domain.observation import (
    Absent,
    DnsView,
    Found,
    Routing,
    RoutingKind,
    RRsetKey,
    Unknown,
    Values,
)
from app.domain.option_rules import is_at_cloudflare
from app.domain.plan import wanted_records
from app.domain.zone import Destinations

MAX_NAME = 253
ProxyPrefixes = Callable[[], Awaitable[tuple[str, ...]]]
"""Gives the address ranges of Cloudflare's proxies; empty while they are not known."""
_DISAGREE = Unknown("servers_disagree")
_OUR_FAILURES = frozenset({"no_server", "unreachable", "busy", "too_many_questions"})


class DnsChecker:
    """Checks by asking the servers of the tenant's own zone, or resolvers without `authoritative`.

    A routine check takes the first usable answer. Authoritative servers come first, because they
    have no stale "no". A thorough check asks all, and believes only what all that answer agree on.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        wait: float = 2.0,
        authoritative: AuthoritativeServers | None = None,
        limits: ServerLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolvers = tuple(servers)[:MAX_SERVERS]
        self._wait = wait
        self._authoritative = authoritative
        self._limits = limits or ServerLimits(clock=clock)
        self._clock = clock

    async def check(
        self,
        record: CustomHostname,
        *,
        thorough: bool,
        proxy_prefixes: ProxyPrefixes | None = None,
    ) -> DnsView:
        """Check a record's DNS. Never raises: what could not be asked is `Unknown`.

        Without `proxy_prefixes` no name is found proxied.
        """
        questions = self._questions(record.tenant)
        records = wanted_records(record)
        purposes = {
            (wanted.type, wanted.name): wanted.purpose
            for wanted in records
            # Not every record is a DNS record: a token may be wanted over HTTP.
            if wanted.purpose is not Purpose.ROUTING and wanted.type in RdataType.__members__
        }
        keys = sorted(purposes)
        name = routed_name(record.hostname)
        # Of a live name, what is remembered is no evidence that it has left.
        anew = thorough and record.state is State.CNAME_VERIFIED
        # Before the rest, which then begins where this walk ended.
        upstreams = await self._upstreams(questions, name, RdataType.A, anew=anew)
        look = self._thorough if thorough else _first_check
        at_cloudflare = partial(self._is_at_cloudflare, questions, name)
        sought = _Sought(name, record.zone, proxy_prefixes, at_cloudflare)
        routing, values = await asyncio.gather(
            look(questions, upstreams, sought),
            asyncio.gather(
                *(
                    self._proof(questions, key)
                    if thorough and purposes[key] is Purpose.CLAIM
                    else self._values(questions, key)
                    for key in keys
                )
            ),
        )
        seen = dict(zip(keys, values, strict=True))
        absent = _absent(record, records, routing, seen)
        misplaced = await self._misplaced(questions, absent)
        return DnsView(routing, seen, misplaced=misplaced, is_thorough=thorough)

    async def leads_elsewhere(
        self,
        hostname: Hostname,
        *,
        ours: Destinations,
        tenant: str,
        proxy_prefixes: ProxyPrefixes,
        within: float,
    ) -> bool:
        """Whether it is certain that a name's traffic does not arrive here.

        The domain's own servers must say so, found from the root: all that answer within so many
        seconds, and more than one if there are several, because one may be in other hands. Without
        `authoritative`, resolvers must.
        """
        questions, name = self._questions(tenant), routed_name(hostname)
        at_cloudflare = partial(self._is_at_cloudflare, questions, name)
        until = asyncio.get_running_loop().time() + within
        try:
            async with asyncio.timeout_at(until):
                upstreams = await self._own_upstreams(questions, name)
        except (TimeoutError, CouldNotAsk):
            return False
        look = partial(
            may_arrive,
            questions,
            name=name,
            ours=ours,
            proxy_prefixes=proxy_prefixes,
            is_at_cloudflare=at_cloudflare,
        )
        looks = [asyncio.ensure_future(look(upstream)) for upstream in upstreams]
        answers = dict(zip(upstreams, await _finished(looks, until), strict=True))
        said = {upstream: answer for upstream, answer in answers.items() if answer is not None}
        hosts = {upstream.server.host for upstream in upstreams}
        is_alone = len(hosts) > 1 and len({upstream.server.host for upstream in said}) == 1
        return bool(said) and not is_alone and not any(said.values())

    async def _own_upstreams(self, questions: Questions, name: str) -> list[Upstream]:
        """Return the servers of the domain itself; resolvers where those are not to be asked.

        Raises:
            CouldNotAsk: the way from the root to them is not known.
        """
        if self._authoritative is None:
            return [Upstream(resolver, (resolver,)) for resolver in self._resolvers]
        servers = await self._authoritative.walk(questions, name)
        return [Upstream(server, self._resolvers) for server in servers]

    async def _misplaced(
        self, questions: Questions, absent: Mapping[RRsetKey, set[str]]
    ) -> dict[RRsetKey, str]:
        """Find absent records at their name with the zone's name appended once more.

        Most providers append it to what is entered, so a full name is doubled. Only a wanted value
        counts there, and none that a wildcard of the zone gives at any name. Without an
        authoritative server the zone's name is not known.
        """
        if self._authoritative is None or not absent:
            return {}
        # All of a hostname's records stand in one zone, but for rare cuts below it.
        first = next(iter(absent))[1]
        zone = await self._authoritative.apex(questions, first)
        servers = await self._authoritative.of(questions, first)
        if not zone:
            return {}
        places = {key: f"{key[1]}.{zone}" for key in absent if len(key[1]) + len(zone) < MAX_NAME}

        async def is_there(key: RRsetKey, place: str) -> bool:
            try:
                asked = RdataType.from_text(key[0])
                found = await questions.ask(servers[0], place, asked, follow=False)
                if absent[key].isdisjoint(found.values):
                    return False
                beside = name_beside(place)
                of_wildcard = await questions.ask(servers[0], beside, asked, follow=False)
            except CouldNotAsk:
                return False
            return of_wildcard.values != found.values

        there = await asyncio.gather(*(is_there(key, at) for key, at in places.items()))
        return {key: at for (key, at), found in zip(places.items(), there, strict=True) if found}

    async def addresses(self, name: str) -> Values:
        """Return a name's addresses. Absent only if every server that answers knows of none."""
        questions = self._questions()
        upstreams = await self._upstreams(questions, name, RdataType.A)
        looks = await asyncio.gather(
            *(_addresses_by(questions, upstream, name) for upstream in upstreams)
        )
        found = [look for look in looks if isinstance(look, Found)]
        if found:
            return found[0]
        absent = next((look for look in looks if isinstance(look, Absent)), None)
        return absent or next(iter(looks), Unknown("no_server"))

    async def name_servers(self, domain: str) -> Values:
        """Return the domain's own name servers. Behind a CNAME it has none. Never raises."""
        questions = self._questions()
        try:
            answer = await questions.ask_first(self._resolvers, domain, RdataType.NS)
        except CouldNotAsk as error:
            return Unknown(error.why)
        # What is found at the end of a CNAME belongs to another domain.
        return Found(answer.values) if answer.values and not answer.chain else Absent()

    def _questions(self, tenant: str | None = None) -> Questions:
        return Questions(wait=self._wait, clock=self._clock, limits=self._limits, tenant=tenant)

    async def _thorough(
        self, questions: Questions, upstreams: Sequence[Upstream], sought: _Sought
    ) -> Found[Routing] | Unknown:
        seen = await self._agreed(questions, upstreams, sought)
        if seen != _DISAGREE:
            return seen
        # The tenant may have changed name servers since the delegation was read.
        upstreams = await self._upstreams(questions, sought.name, RdataType.A, anew=True)
        return await self._agreed(questions, upstreams, sought)

    async def _agreed(
        self, questions: Questions, upstreams: Sequence[Upstream], sought: _Sought
    ) -> Found[Routing] | Unknown:
        """Ask all, and return what all that answer agree on."""
        resolvers = [upstream for upstream in upstreams if upstream.server.zone is None]
        groups = [[upstream] for upstream in upstreams if upstream.server.zone is not None]
        # Let resolvers check on one another only if there is no better server to ask.
        groups += [resolvers] if groups else [[upstream] for upstream in resolvers]
        looks = [_first_check(questions, group, sought) for group in groups]
        return _agreement(await asyncio.gather(*looks))

    async def _is_at_cloudflare(self, questions: Questions, name: str) -> bool:
        """Whether Cloudflare serves the zone that holds the name.

        Raises:
            CouldNotAsk: nobody names the zone's servers.
        """
        zone = await self._authoritative.zone(questions, name) if self._authoritative else None
        if zone is not None and zone.hosts:
            return is_at_cloudflare(zone.hosts)
        at = name
        while "." in at:
            answer = await questions.ask_first(self._resolvers, at, RdataType.NS)
            if answer.values and not answer.chain:
                return is_at_cloudflare(answer.values)
            at = at.partition(".")[2]
        raise CouldNotAsk("no_server")

    async def _values(self, questions: Questions, key: RRsetKey) -> Values:
        rdtype, name = RdataType.from_text(key[0]), key[1]
        failures: list[str] = []
        for upstream in await self._upstreams(questions, name, rdtype):
            try:
                answer = await follow(questions, upstream, name, rdtype)
            except CouldNotAsk as error:
                failures.append(error.why)
            else:
                return Found(answer.values) if answer.values else Absent()
        return _telling(failures)

    async def _proof(self, questions: Questions, key: RRsetKey) -> Values:
        """Return the values that all servers have that answer: what proves control of a name.

        Resolvers, which may have an old answer, are asked only if there is no better server. A
        CNAME is not followed: one that matches every name may lead to a domain that anybody can
        register.
        """
        rdtype, name = RdataType.from_text(key[0]), key[1]
        # Servers that the domain has left may still answer.
        upstreams = await self._upstreams(questions, name, rdtype, anew=True)
        own = [upstream for upstream in upstreams if upstream.server.zone is not None]
        asked = own or upstreams
        looks = await asyncio.gather(
            *(_own_values(questions, upstream, name, rdtype) for upstream in asked)
        )
        hosts = {upstream.server.host for upstream in own}
        answered = {
            upstream.server.host
            for upstream, seen in zip(asked, looks, strict=True)
            if not isinstance(seen, Unknown)
        }
        # One of several may be in other hands: its host name may have expired.
        if len(hosts) > 1 and len(answered) == 1:
            return Unknown("one_server_alone")
        return _shared(looks)

    async def _upstreams(
        self, questions: Questions, name: str, rdtype: RdataType, *, anew: bool = False
    ) -> list[Upstream]:
        """Return the servers to ask a question, best first."""
        upstreams = [Upstream(resolver, (resolver,)) for resolver in self._resolvers]
        if self._authoritative is None:
            return upstreams
        servers = await self._authoritative.of(questions, name, rdtype, anew=anew)
        return [*(Upstream(server, self._resolvers) for server in servers), *upstreams]


def _absent(
    record: CustomHostname,
    records: Sequence[DnsRecord],
    routing: Found[Routing] | Unknown,
    seen: Mapping[RRsetKey, Values],
) -> dict[RRsetKey, set[str]]:
    """Return the absent RRsets of `records`, each with the values that would be right."""
    nothing = isinstance(routing, Found) and routing.value.kind is RoutingKind.ABSENT
    absent: dict[RRsetKey, set[str]] = {}
    for wanted in records:
        key, is_routing = (wanted.type, wanted.name), wanted.purpose is Purpose.ROUTING
        if nothing if is_routing else isinstance(seen.get(key), Absent):
            right = {wanted.value}
            if is_routing and wanted.type == "CNAME":
                right |= set(record.zone.targets)
            absent.setdefault(key, set()).update(right)
    return absent


async def _finished(looks: Sequence[asyncio.Future[bool]], until: float) -> list[bool | None]:
    """Return what each look found by then; None: it could not ask, or takes longer."""
    left = until - asyncio.get_running_loop().time()
    try:
        if looks:
            await asyncio.wait(looks, timeout=max(left, 0))
    finally:
        for look in looks:
            look.cancel()
    ended = await asyncio.gather(*looks, return_exceptions=True)
    for each in ended:
        if isinstance(each, Exception) and not isinstance(each, CouldNotAsk):
            raise each
    return [each if isinstance(each, bool) else None for each in ended]


async def _first_check(
    questions: Questions, upstreams: Sequence[Upstream], sought: _Sought
) -> Found[Routing] | Unknown:
    failures: list[str] = []
    for upstream in upstreams:
        try:
            return Found(await _check_by(questions, upstream, sought))
        except CouldNotAsk as error:
            failures.append(error.why)
    return _telling(failures)


async def _addresses_by(questions: Questions, upstream: Upstream, name: str) -> Values:
    try:
        first = await follow(questions, upstream, name, RdataType.A)
        if first.values:
            return Found(first.values)
        second = await follow(questions, upstream, name, RdataType.AAAA)
    except CouldNotAsk as error:
        return Unknown(error.why)
    return Found(second.values) if second.values else Absent()


async def _check_by(questions: Questions, upstream: Upstream, sought: _Sought) -> Routing:
    name, zone = sought.name, sought.zone
    targets = zone.targets
    first = await follow(questions, upstream, name, RdataType.A, stop_at=targets)
    if set(first.chain) & set(targets):
        return Routing(RoutingKind.CNAME, first.chain)
    last = first.chain[-1] if first.chain else name
    if _lie_in(first.values, zone.apex_prefixes):
        second = await follow(questions, upstream, last, RdataType.AAAA)
        addresses = first.values + second.values
        ours = _lie_in(addresses, zone.apex_prefixes)
        kind = RoutingKind.APEX if ours else RoutingKind.ELSEWHERE
        return Routing(kind, first.chain, addresses)
    # A proxied name may share its addresses with the target, so this comes before `flattened`.
    proxied = await _behind_proxy(questions, upstream, sought, first)
    if proxied is not None:
        return proxied
    flattened = await _targets_with(questions, upstream, first.values, targets, RdataType.A)
    if first.values and not flattened:
        return Routing(RoutingKind.ELSEWHERE, first.chain, first.values)
    second = await follow(questions, upstream, last, RdataType.AAAA)
    addresses = first.values + second.values
    if not addresses and not first.chain:
        return Routing(RoutingKind.ABSENT)
    if _lie_in(addresses, zone.apex_prefixes):
        return Routing(RoutingKind.APEX, first.chain, addresses)
    flattened = await _targets_with(questions, upstream, second.values, flattened, RdataType.AAAA)
    kind = RoutingKind.FLATTENED if addresses and flattened else RoutingKind.ELSEWHERE
    return Routing(kind, first.chain, addresses)


async def _behind_proxy(
    questions: Questions, upstream: Upstream, sought: _Sought, first: Answer
) -> Routing | None:
    """Return the evidence that the name's own zone at Cloudflare proxies it.

    A proxied name shows addresses and never a CNAME. For any other name no question is asked.

    Raises:
        CouldNotAsk: the zone is at Cloudflare, and whether the addresses are its proxies' is not
            known. A name that serves behind its proxy would seem to have left.
    """
    if sought.proxy_prefixes is None or first.chain or not first.values:
        return None
    prefixes = await sought.proxy_prefixes()
    addresses = first.values
    if prefixes:
        if not _lie_in(addresses, prefixes):
            return None
        second = await follow(questions, upstream, sought.name, RdataType.AAAA)
        addresses += second.values
        if not _lie_in(addresses, prefixes):
            return None
    if not await sought.is_at_cloudflare():
        return None
    if not prefixes:
        raise CouldNotAsk("address_ranges_unknown")
    return Routing(RoutingKind.PROXIED, (), addresses)


def _lie_in(addresses: tuple[str, ...], prefixes: tuple[str, ...]) -> bool:
    """Whether there are addresses, and all of them belong to the prefixes."""
    networks = [ipaddress.ip_network(prefix) for prefix in prefixes]
    found = [ipaddress.ip_address(address) for address in addresses]
    return bool(found) and all(any(each in network for network in networks) for each in found)


async def _targets_with(
    questions: Questions,
    upstream: Upstream,
    addresses: tuple[str, ...],
    targets: tuple[str, ...],
    rdtype: RdataType,
) -> tuple[str, ...]:
    """Return the targets that have all these addresses."""
    if not addresses:
        return targets
    wanted = set(addresses)
    return tuple(
        [
            target
            for target in targets
            if wanted <= set((await follow(questions, upstream, target, rdtype)).values)
        ]
    )


def routed_name(hostname: Hostname) -> str:
    """Return the name to ask: the hostname, or a random name that the wildcard covers."""
    if not hostname.is_wildcard:
        return hostname.name
    return _random_name(hostname.base)


def name_beside(name: str) -> str:
    """Return a name for which only a wildcard can answer as it does for this one.

    A record at this name makes the names above it exist, and so keeps a wildcard farther above from
    answering for the name beside it (RFC 4592, section 2.2.2).
    """
    return _random_name(name.removeprefix("*.").partition(".")[2])


def _random_name(above: str) -> str:
    """Return a name for which a tenant cannot have made a record: only a wildcard answers."""
    label = f"nameplate-{secrets.token_hex(8)}"[-(MAX_NAME - 1 - len(above)) :]
    return f"{label}.{above}"


def _agreement(looks: Sequence[Found[Routing] | Unknown]) -> Found[Routing] | Unknown:
    """Return what all that answered agree on. A change is only believed then."""
    found = [look for look in looks if isinstance(look, Found)]
    if not found:
        return _telling([look.why for look in looks if isinstance(look, Unknown)])
    if len({look.value.points_at_target for look in found}) > 1:
        return _DISAGREE
    return found[0]


def _telling(failures: Sequence[str]) -> Unknown:
    """Return the failure that tells most of the domain: the best server's, but for our own.

    A resolver only says SERVFAIL of what the zone's own server shows to be a loop.
    """
    theirs = (why for why in failures if why not in _OUR_FAILURES)
    return Unknown(next(theirs, failures[0] if failures else "no_server"))


async def _own_values(
    questions: Questions, upstream: Upstream, name: str, rdtype: RdataType
) -> Values:
    """Return the values at this very name."""
    try:
        answer = await questions.ask(upstream.server, name, rdtype)
    except CouldNotAsk as error:
        return Unknown(error.why)
    return Found(answer.values) if answer.values and not answer.chain else Absent()


def _shared(looks: Sequence[Values]) -> Values:
    """Return the values that all have that answered."""
    answers = [look for look in looks if not isinstance(look, Unknown)]
    if not answers:
        return looks[0] if looks else Unknown("no_server")
    sets = [look.value if isinstance(look, Found) else () for look in answers]
    shared = tuple(value for value in sets[0] if all(value in each for each in sets))
    if shared:
        return Found(shared)
    return _DISAGREE if any(sets) else Absent()


@dataclass(frozen=True, slots=True)
class _Sought:
    """The name whose routing is looked for, and what tells where it points."""

    name: str
    zone: ZoneTargets
    proxy_prefixes: ProxyPrefixes | None
    is_at_cloudflare: Callable[[], Awaitable[bool]]
