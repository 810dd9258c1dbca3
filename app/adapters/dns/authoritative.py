"""Which servers are authoritative for a name, found by walking from the root, and who may be asked.

A tenant's zone names its own name servers, and could name an address inside our network. Such an
address is never asked (server-side request forgery through DNS).
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

import dns.message
import dns.name
from dns.rdatatype import RdataType

from app.adapters.dns.answer import (
    CouldNotAsk,
    Referral,
    Server,
    name_text,
    parse_name,
    read_apex,
    read_referral,
)
from app.adapters.dns.limits import Network, lies_in
from app.adapters.dns.query import Questions
from app.adapters.dns.referrals import Referrals
from app.adapters.dns.root_servers import ROOT_SERVERS
from app.adapters.egress import is_public

MAX_SERVERS = 4
MAX_REFERRALS = 12
"""How many delegations are followed down one name."""
MAX_DEPTH = 2
"""How often the walk to a name may need the address of a server that takes a walk to find."""
CLOSED_SECONDS = 60.0
"""How long no walk is tried after no root server could be asked."""
SETTLED_SECONDS = 60.0
"""A delegation that is younger is not looked up anew because its servers are of no use."""


@dataclass(frozen=True, slots=True)
class Zone:
    """The DNS zone that holds a name, and who serves it."""

    name: str
    hosts: tuple[str, ...]
    """Host names of its servers: of the zone's own NS records, else of the delegation."""
    servers: tuple[Server, ...]
    """At most four that may be asked."""


class AuthoritativeServers:
    """Finds the servers of a name's zone, as its parents delegate it.

    The first question on the way down is the very question that is wanted, so the last answer of a
    walk is the answer to it, and costs no packet more.
    """

    def __init__(
        self,
        resolvers: Sequence[Server],
        *,
        roots: Sequence[str] = (),
        port: int = 53,
        allowed: Sequence[Network] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Walk from `roots`, by address, or from the published root servers if there are none.

        Servers may be asked at public addresses and in the `allowed` networks, all at one `port`.
        """
        self._resolvers = tuple(resolvers)[:MAX_SERVERS]
        self._roots = tuple(
            Server(address, port, dns.name.root) for address in (roots or ROOT_SERVERS)
        )
        self._port = port
        self._allowed = tuple(allowed)
        self._clock = clock
        self._closed_until = 0.0
        self.referrals = Referrals(clock)

    async def of(
        self,
        questions: Questions,
        name: str,
        rdtype: RdataType = RdataType.A,
        *,
        anew: bool = False,
    ) -> tuple[Server, ...]:
        """Return at most four servers of the zone that holds the name, whether or not they answer.

        `rdtype` is what they are to be asked. `anew` passes over what is remembered. Empty if the
        root cannot be reached, or if no server of the zone may be asked.
        """
        try:
            return await self._find(questions, parse_name(name), rdtype, anew=anew, depth=0)
        except CouldNotAsk:
            return ()

    async def walk(self, questions: Questions, name: str) -> tuple[Server, ...]:
        """Return the servers that the root's referrals lead to, whatever is remembered.

        Raises:
            CouldNotAsk: the way did not lead to a server that answers.
        """
        asked, roots = parse_name(name), _some_of(self._roots)
        servers, failure = await self._descend(questions, roots, asked, RdataType.A, depth=0)
        if failure is not None:
            raise failure
        return servers

    async def apex(self, questions: Questions, name: str) -> str | None:
        """Return the name of the zone that holds the name. None if it was not found below the root.

        A server may hold parent and child, and then answers without a referral to the child. So the
        zone's name is what its SOA says.
        """
        apex = await self._zone_name(questions, await self.of(questions, name), name)
        return None if apex in {None, dns.name.root} else name_text(apex)

    async def zone(self, questions: Questions, name: str, *, anew: bool = False) -> Zone | None:
        """Return the zone that holds the name, and its servers. None if it was not found."""
        servers = await self.of(questions, name, anew=anew)
        apex = await self._zone_name(questions, servers, name)
        if apex is None:
            return None
        text, held = name_text(apex), tuple(replace(server, zone=apex) for server in servers)
        try:
            hosts = (await questions.ask_first(held, text or ".", RdataType.NS)).values
        except CouldNotAsk:
            hosts = ()
        known = tuple(dict.fromkeys(server.host for server in servers if server.host))
        return Zone(text, hosts or known, held)

    async def _zone_name(
        self, questions: Questions, servers: Sequence[Server], name: str
    ) -> dns.name.Name | None:
        try:
            return await self._apex(questions, servers, parse_name(name)) if servers else None
        except CouldNotAsk:
            return servers[0].zone

    async def _apex(
        self, questions: Questions, servers: Sequence[Server], name: dns.name.Name
    ) -> dns.name.Name | None:
        top = servers[0].zone or dns.name.root
        while name not in {top, dns.name.root}:
            apex = await questions.race(servers, name_text(name), RdataType.SOA, read_apex)
            # A zone does not begin above the delegation that led to it.
            if apex is not None and name.is_subdomain(apex) and apex.is_subdomain(top):
                return apex
            name = name.parent()
        return top

    async def _find(
        self,
        questions: Questions,
        name: dns.name.Name,
        rdtype: RdataType,
        *,
        anew: bool,
        depth: int,
    ) -> tuple[Server, ...]:
        known = self.referrals.deepest(name, self._port)
        kept, age = known or ((), 0.0)
        if known is not None and not anew:
            servers, failure = await self._descend(questions, kept, name, rdtype, depth=depth)
            if failure is None or age < SETTLED_SECONDS:
                return servers
        if self._clock() < self._closed_until:
            return kept
        roots = _some_of(self._roots)
        servers, failure = await self._descend(questions, roots, name, rdtype, depth=depth)
        if failure is None or servers != roots:
            return servers
        if failure.why != "busy" and not questions.exhausted:
            self._closed_until = self._clock() + CLOSED_SECONDS
        return kept

    async def _descend(
        self,
        questions: Questions,
        servers: tuple[Server, ...],
        name: dns.name.Name,
        rdtype: RdataType,
        *,
        depth: int,
    ) -> tuple[tuple[Server, ...], CouldNotAsk | None]:
        """Return the last servers referred to, and why none of them answered if none did."""

        def read(response: dns.message.Message, server: Server) -> Referral | None:
            return read_referral(response, server, name)

        for _ in range(MAX_REFERRALS):
            if not servers:
                break
            try:
                referral = await questions.race(servers, name_text(name), rdtype, read)
            except CouldNotAsk as error:
                return servers, error
            if referral is None:
                return servers, None
            servers = await self._delegated(questions, referral, depth=depth)
        return (), CouldNotAsk("no_server")

    async def _delegated(
        self, questions: Questions, referral: Referral, *, depth: int
    ) -> tuple[Server, ...]:
        """Return the servers that a referral names and that may be asked."""
        hosts = sorted(referral.hosts, key=lambda host: host not in referral.glue)[:MAX_SERVERS]
        found = await asyncio.gather(
            *(self._addresses(questions, referral, host, depth=depth) for host in hosts)
        )
        servers = [
            [Server(address, self._port, referral.zone, host) for address in addresses]
            for host, addresses in zip(hosts, found, strict=True)
        ]
        chosen = choose(servers, self._may_ask)
        if any(found):
            self.referrals.put(referral.zone, chosen, referral.ttl)
        return chosen

    async def _addresses(
        self, questions: Questions, referral: Referral, host: str, *, depth: int
    ) -> tuple[str, ...]:
        """Return addresses of both families, because this machine may reach only one of them."""
        if host in referral.glue:
            return referral.glue[host]
        types = (RdataType.A, RdataType.AAAA)
        v4, v6 = await asyncio.gather(
            *(self._resolved(questions, referral, host, rdtype, depth=depth) for rdtype in types)
        )
        return (*v4, *v6)

    async def _resolved(
        self, questions: Questions, referral: Referral, host: str, rdtype: RdataType, *, depth: int
    ) -> tuple[str, ...]:
        servers: tuple[Server, ...] = self._resolvers
        try:
            name = parse_name(host)
            # Without a resolver, a host inside the zone that it serves cannot be found at all.
            if not servers and depth < MAX_DEPTH and not name.is_subdomain(referral.zone):
                servers = await self._find(questions, name, rdtype, anew=False, depth=depth + 1)
            return (await questions.ask_first(servers, host, rdtype)).values
        except CouldNotAsk:
            return ()

    def _may_ask(self, address: str) -> bool:
        return is_public(ipaddress.ip_address(address)) or lies_in(address, self._allowed)


def choose(
    by_host: Sequence[Sequence[Server]], may_ask: Callable[[str], bool]
) -> tuple[Server, ...]:
    """Choose at most four servers among those of each host.

    First one address of each host, then the second ones: four hosts tell more than one host's four
    addresses. If all are of one family, the last place goes to the other family.
    """
    spread = chain.from_iterable(zip_longest(*by_host))
    by_address: dict[str, Server] = {}
    for server in spread:
        if server is not None and may_ask(server.address):
            by_address.setdefault(server.address, server)
    servers = list(by_address.values())
    first = servers[:MAX_SERVERS]
    is_v6 = {":" in server.address for server in first}
    other = [server for server in servers if (":" in server.address) not in is_v6]
    if len(first) == MAX_SERVERS and other:
        first = [*first[:-1], other[0]]
    return tuple(first)


def _some_of(roots: Sequence[Server]) -> tuple[Server, ...]:
    """Choose a few at random, half of them IPv4: no root server is asked more than the others."""
    shuffled = sorted(roots, key=lambda _: secrets.randbits(32))
    v4 = [server for server in shuffled if ":" not in server.address]
    v6 = [server for server in shuffled if ":" in server.address]
    mixed = chain.from_iterable(zip_longest(v4, v6))
    return tuple(server for server in mixed if server is not None)[:MAX_SERVERS]
