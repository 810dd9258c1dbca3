"""Cloudflare's side of DNS: really asking the sandbox's server over its sockets.

A simulation in one process asks what answers there, without sockets. Asks with recursion
desired, as a resolver's client does, and keeps answers as a resolver does, but never longer
than they are true; judges nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdata
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT

from sandbox.dns_answer import answer
from sandbox.dns_zone import World

_TIMEOUT_SECONDS = 1.5
_MOST_KEPT = 100_000


class LookupFailedError(Exception):
    """The question was not answered: no reply, or SERVFAIL or REFUSED."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a name leads to: the names of its CNAME chain and the data at its end."""

    names: tuple[str, ...]
    rdatas: tuple[dns.rdata.Rdata, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The data in zone-file form."""
        return tuple(rdata.to_text() for rdata in self.rdatas)

    @property
    def strings(self) -> tuple[str, ...]:
        """The data of TXT records, their pieces joined."""
        return tuple(
            b"".join(rdata.strings).decode(errors="replace")
            for rdata in self.rdatas
            if isinstance(rdata, TXT)
        )


Exchange = Callable[[dns.message.Message], Awaitable[dns.message.Message]]


def over_sockets(address: str, port: int) -> Exchange:
    """Return how to ask a server: UDP, and TCP for what is cut."""

    async def exchange(query: dns.message.Message) -> dns.message.Message:
        try:
            response, _ = await dns.asyncquery.udp_with_fallback(
                query, address, timeout=_TIMEOUT_SECONDS, port=port
            )
        except (dns.exception.DNSException, EOFError, OSError) as error:
            raise LookupFailedError(str(error)) from error
        return response

    return exchange


def in_process(world: World) -> Exchange:
    """Return how to ask a world itself for what its server would answer."""

    async def exchange(query: dns.message.Message) -> dns.message.Message:
        response = answer(world, query)
        if response is None:
            raise LookupFailedError("no answer")
        return response

    return exchange


class Lookup:
    """A stub resolver for one server, with a cache that the server's world invalidates."""

    def __init__(self, exchange: Exchange, world: World) -> None:
        self._exchange = exchange
        self._world = world
        self._kept: dict[tuple[str, str], tuple[Answer, list[int | None]]] = {}

    async def ask(self, name: str, rrtype: str) -> Answer:
        """Return what a name holds; nothing there is an empty answer, no error."""
        kept = self._kept.get((name, rrtype))
        if kept and self._changes(kept[0]) == kept[1]:
            return kept[0]
        revision = self._world.revision
        found = await self._asked(name, rrtype)
        changes = self._changes(found)
        if revision == self._world.revision and None not in changes:
            self._keep((name, rrtype), found, changes)
        return found

    async def _asked(self, name: str, rrtype: str) -> Answer:
        query = dns.message.make_query(name, rrtype, use_edns=True)
        response = await self._exchange(query)
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise LookupFailedError(dns.rcode.to_text(response.rcode()))
        return _answer(response)

    def _changes(self, answer: Answer) -> list[int | None]:
        return [self._world.changes(name) for name in answer.names]

    def _keep(self, key: tuple[str, str], answer: Answer, changes: list[int | None]) -> None:
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = answer, changes


def _answer(response: dns.message.Message) -> Answer:
    names = [response.question[0].name.to_text(omit_final_dot=True).lower()]
    rdatas: tuple[dns.rdata.Rdata, ...] = ()
    for rrset in response.answer:
        if rrset.rdtype == dns.rdatatype.CNAME and rrset.rdtype != response.question[0].rdtype:
            names.append(rrset[0].to_text().rstrip(".").lower())
        else:
            rdatas = tuple(rrset)
    return Answer(tuple(names), rdatas)
