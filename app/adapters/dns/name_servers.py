"""Which servers are authoritative for a name, and which of them may be asked.

A tenant's zone names its own name servers, and could name an address inside our network. Such an
address is never asked (server-side request forgery through DNS).
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

import dns.name
from dns.rdatatype import RdataType

from app.adapters.dns.query import CouldNotAsk, Questions, Server
from app.adapters.egress import is_public

MAX_SERVERS = 4
MAX_LABELS = 8
"""How many names to try when walking up from a name."""
KEPT_SECONDS = 300.0
KEPT_NAMES = 4096


@dataclass(frozen=True, slots=True)
class Kept:
    """A set of servers, and until when it is valid."""

    servers: tuple[Server, ...]
    until: float


class ServerCache:
    """Sets of servers by name, for a limited time. The oldest entry makes room for the newest."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, Kept] = {}

    def get(self, name: str) -> Kept | None:
        """Return the valid entry for a name, or None."""
        kept = self._kept.get(name)
        return kept if kept is not None and self._clock() < kept.until else None

    def fresh(self, servers: tuple[Server, ...]) -> Kept:
        """Make an entry that is valid from now on."""
        return Kept(servers, self._clock() + KEPT_SECONDS)

    def put(self, names: Sequence[str], kept: Kept) -> None:
        """Store one set of servers under several names."""
        for name in names:
            self._kept.pop(name, None)
            while len(self._kept) >= KEPT_NAMES:
                del self._kept[next(iter(self._kept))]
            self._kept[name] = kept


class AuthoritativeServers:
    """Finds the servers of a name's zone by asking the resolvers."""

    def __init__(
        self,
        resolvers: tuple[Server, ...],
        *,
        port: int,
        allow_loopback: bool,
        clock: Callable[[], float],
    ) -> None:
        self._resolvers = resolvers
        self._port = port
        self._allow_loopback = allow_loopback
        self.cache = ServerCache(clock)

    async def of(self, questions: Questions, name: str) -> tuple[Server, ...]:
        """Return at most four servers. Empty if no known server may be asked."""
        climbed: list[str] = []
        kept: Kept | None = None
        try:
            for owner in _upwards(name):
                kept = self.cache.get(owner)
                if kept is None:
                    climbed.append(owner)
                    servers = await self._at(questions, owner)
                    kept = None if servers is None else self.cache.fresh(servers)
                if kept is not None:
                    break
        except CouldNotAsk:
            return ()
        kept = kept or self.cache.fresh(())
        self.cache.put(climbed, kept)
        return kept.servers

    async def _at(self, questions: Questions, owner: str) -> tuple[Server, ...] | None:
        """Return the servers of the zone that begins at `owner`. None if no zone begins there."""
        answer = await questions.ask_first(self._resolvers, owner, RdataType.NS)
        if answer.chain or not answer.values:
            return None
        hosts = [host for host in answer.values if host][:MAX_SERVERS]
        found = await asyncio.gather(*(self._addresses(questions, host) for host in hosts))
        if not any(found):
            raise CouldNotAsk("no_server")
        # First one address of each host, then the second ones: four hosts tell more than one host's
        # four addresses.
        spread = dict.fromkeys(a for a in chain.from_iterable(zip_longest(*found)) if a)
        zone = dns.name.from_text(owner)
        allowed = [
            Server(address, self._port, zone) for address in spread if self._may_ask(address)
        ]
        return _of_both_families(allowed)

    async def _addresses(self, questions: Questions, host: str) -> tuple[str, ...]:
        """Return addresses of both families, because this machine may reach only one of them."""
        v4, v6 = await asyncio.gather(
            *(self._values(questions, host, rdtype) for rdtype in (RdataType.A, RdataType.AAAA))
        )
        return (*v4, *v6)

    async def _values(self, questions: Questions, host: str, rdtype: RdataType) -> tuple[str, ...]:
        try:
            return (await questions.ask_first(self._resolvers, host, rdtype)).values
        except CouldNotAsk:
            return ()

    def _may_ask(self, text: str) -> bool:
        address = ipaddress.ip_address(text)
        return is_public(address) or (self._allow_loopback and address.is_loopback)


def _of_both_families(servers: Sequence[Server]) -> tuple[Server, ...]:
    """Take the first few. If all are of one family, the last place goes to the other family."""
    first = servers[:MAX_SERVERS]
    is_v6 = {":" in server.address for server in first}
    other = [server for server in servers if (":" in server.address) not in is_v6]
    if len(first) == MAX_SERVERS and other:
        first = [*first[:-1], other[0]]
    return tuple(first)


def _upwards(name: str) -> Iterable[str]:
    """Return the name and the names above it, short of the top-level domain."""
    labels = name.split(".")
    above = (".".join(labels[at:]) for at in range(len(labels) - 1))
    return islice(above, MAX_LABELS)
