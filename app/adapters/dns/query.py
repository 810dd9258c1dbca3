"""One DNS question to one server, with "no" and "no answer" kept apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rdtypes.nsbase
import dns.rdtypes.txtbase
from dns.rdatatype import RdataType

MAX_HOPS = 16
"""RFC 1034 names no number; resolvers give up at about this many."""
MAX_PACKETS = 40
"""The most packets that one check sends, however a tenant's zone is built."""
MAX_SECONDS = 8.0
"""How long one check keeps asking. The last question may exceed it by its own wait. Two checks and
an action fit into a tick, and slow servers hold a worker's slot no longer."""

_PAYLOAD = 1232
_LAME = "lame"


class CouldNotAsk(Exception):
    """No usable answer. `why` is a stable word."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    @property
    def is_lame(self) -> bool:
        """Whether the server answered, but does not hold the name."""
        return self.why == _LAME


@dataclass(frozen=True, slots=True)
class Server:
    """A name server: authoritative for `zone`, or a recursive resolver if `zone` is None."""

    address: str
    port: int = 53
    zone: dns.name.Name | None = None

    def holds(self, name: str) -> bool:
        """Whether the server's answer about the name counts.

        Raises:
            CouldNotAsk: the text is not a name.
        """
        return self.zone is None or parse_name(name).is_subdomain(self.zone)


@dataclass(frozen=True, slots=True)
class Answer:
    """The CNAMEs that were followed, and the values. Empty values: the name surely has none."""

    chain: tuple[str, ...]
    values: tuple[str, ...]


class Questions:
    """The questions of one check. Each is asked once, and their total is bounded."""

    def __init__(self, *, wait: float = 2.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._wait = wait
        self._clock = clock
        self._until = clock() + MAX_SECONDS
        self._packets_left = MAX_PACKETS
        self._asked: dict[tuple[Server, str, RdataType], asyncio.Task[Answer]] = {}

    async def ask(self, server: Server, name: str, rdtype: RdataType) -> Answer:
        """Ask one server, and follow the CNAMEs that the server itself followed.

        Raises:
            CouldNotAsk: time-out, SERVFAIL, REFUSED, a server that does not hold the name, or
                an unusable answer.
        """
        key = (server, name, rdtype)
        if key not in self._asked:
            self._asked[key] = asyncio.ensure_future(self._ask(*key))
        return await self._asked[key]

    async def ask_first(self, servers: Sequence[Server], name: str, rdtype: RdataType) -> Answer:
        """Ask one server after the other until one gives a usable answer.

        Raises:
            CouldNotAsk: none of them did.
        """
        failure = CouldNotAsk("no_server")
        for server in servers:
            try:
                return await self.ask(server, name, rdtype)
            except CouldNotAsk as error:
                failure = error
        raise failure

    async def _ask(self, server: Server, name: str, rdtype: RdataType) -> Answer:
        query = _query(server, name, rdtype)
        # An authoritative server is one of several: asking the next one is the second try.
        for _ in range(2 if server.zone is None else 1):
            response = await self._exchange(server, query)
            if response is not None:
                return _read(response, server, query.question[0].name, rdtype)
        raise CouldNotAsk("timeout")

    async def _exchange(
        self, server: Server, query: dns.message.Message
    ) -> dns.message.Message | None:
        where, wait, port = server.address, self._wait, server.port
        try:
            self._draw()
            try:
                # Ignore an answer to another question than ours. Otherwise, whoever guesses our
                # port could keep out the true answer.
                return await dns.asyncquery.udp(
                    query,
                    where,
                    timeout=wait,
                    port=port,
                    ignore_unexpected=True,
                    ignore_errors=True,
                    raise_on_truncation=True,
                )
            except dns.message.Truncated:
                self._draw()
                return await dns.asyncquery.tcp(query, where, timeout=wait, port=port)
        except dns.exception.Timeout:
            return None
        except (OSError, dns.exception.DNSException, EOFError):
            raise CouldNotAsk("unusable_answer") from None

    def _draw(self) -> None:
        if self._packets_left <= 0:
            raise CouldNotAsk("too_many_questions")
        if self._clock() > self._until:
            raise CouldNotAsk("timeout")
        self._packets_left -= 1


def parse_name(text: str) -> dns.name.Name:
    """Parse a name.

    Raises:
        CouldNotAsk: the text is not a name.
    """
    try:
        return dns.name.from_text(text)
    except (dns.exception.DNSException, UnicodeError):
        raise CouldNotAsk("unusable_name") from None


def _query(server: Server, name: str, rdtype: RdataType) -> dns.message.Message:
    query = dns.message.make_query(parse_name(name), rdtype, use_edns=0, payload=_PAYLOAD)
    if server.zone is not None:
        query.flags &= ~dns.flags.RD
    return query


def _read(
    response: dns.message.Message, server: Server, name: dns.name.Name, rdtype: RdataType
) -> Answer:
    code = response.rcode()
    if code not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        raise CouldNotAsk(dns.rcode.to_text(code).lower())
    _refuse_lame(response, server)
    chain: list[str] = []
    while rdtype != RdataType.CNAME and len(chain) <= MAX_HOPS:
        alias = _alias(response, name)
        if alias is None:
            break
        name = alias
        chain.append(_text(name))
        if server.zone is not None and not name.is_subdomain(server.zone):
            return Answer(tuple(chain), ())
    values = sorted(_value(rdata) for rdata in _rrset(response, name, rdtype))
    return Answer(tuple(chain), tuple(values))


def _refuse_lame(response: dns.message.Message, server: Server) -> None:
    """Only a server that holds the name, or resolves it for us, can say that there is nothing."""
    enough = dns.flags.AA if server.zone is not None else dns.flags.AA | dns.flags.RA
    if not response.flags & enough:
        raise CouldNotAsk(_LAME)


def _alias(response: dns.message.Message, name: dns.name.Name) -> dns.name.Name | None:
    found = _rrset(response, name, RdataType.CNAME)
    return next((r.target for r in found if isinstance(r, dns.rdtypes.nsbase.NSBase)), None)


def _rrset(
    response: dns.message.Message, name: dns.name.Name, rdtype: RdataType
) -> Sequence[dns.rdata.Rdata]:
    rdclass = response.question[0].rdclass
    rrset = response.get_rrset(dns.message.ANSWER, name, rdclass, rdtype)
    return tuple(rrset or ())


def _value(rdata: dns.rdata.Rdata) -> str:
    if isinstance(rdata, dns.rdtypes.txtbase.TXTBase):
        return b"".join(rdata.strings).decode("utf-8", "replace")
    if isinstance(rdata, dns.rdtypes.nsbase.NSBase):
        return _text(rdata.target)
    return rdata.to_text()


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
