"""A DNS server that answers what a test scripts, over UDP and TCP on 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from typing_extensions import override

from app.adapters.dns.answer import Server

RCODES = {
    "servfail": dns.rcode.SERVFAIL,
    "refused": dns.rcode.REFUSED,
    "formerr": dns.rcode.FORMERR,
    "notimp": dns.rcode.NOTIMP,
    "badvers": dns.rcode.BADVERS,
}


@dataclass(frozen=True)
class Asked:
    """One packet that arrived."""

    name: str
    type: str
    recursion_desired: bool
    tcp: bool


@dataclass
class ScriptedDns:
    """Authoritative for `zones`, or a resolver over all its records where there are none."""

    records: dict[tuple[str, str], list[str]]
    zones: tuple[str, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)
    """By `edns` for packets with it, else by the name asked, by the type, or by `*`."""
    follows: bool = True
    """Whether it adds what its CNAMEs lead to."""
    ttl: int = 60
    edns_fault: str = ""
    """What it says to packets with EDNS."""
    bogus: bool = False
    """Whether it is a resolver that finds no signature valid."""
    damage: Callable[[bytes], bytes] = bytes
    """What the way here does to an answer."""
    asked: list[Asked] = field(default_factory=list)
    edns: list[int] = field(default_factory=list)
    """EDNS versions of the packets; -1 is none."""
    address: str = "127.0.0.1"
    port: int = 0

    @property
    def server(self) -> Server:
        return Server(self.address, self.port)

    def authoritative_for(self, zone: str) -> Server:
        return Server(self.address, self.port, dns.name.from_text(zone))

    def names_asked(self, type_: str) -> list[str]:
        return [asked.name for asked in self.asked if asked.type == type_]

    def reply(self, wire: bytes, *, tcp: bool) -> list[bytes]:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        type_ = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(Asked(name, type_, bool(query.flags & dns.flags.RD), tcp))
        self.edns.append(query.edns)
        keys = (key for key in (name, type_, "*") if key in self.faults)
        fault = self.faults.get(next(keys, ""), "")
        if query.edns >= 0:
            fault = self.edns_fault or self.faults.get("edns", fault)
        if self.bogus and not query.flags & dns.flags.CD:
            fault = "servfail"
        replies = _spoilt(query, self._answer(query, name, type_), fault, tcp=tcp)
        return [self.damage(reply) for reply in replies]

    def _answer(self, query: dns.message.Message, name: str, type_: str) -> dns.message.Message:
        response = dns.message.make_response(query, recursion_available=not self.zones)
        if self.zones and not self._holds(name):
            response.set_rcode(dns.rcode.REFUSED)
            return response
        if self.zones and self._refer(response, name):
            return response
        if self.zones:
            response.flags |= dns.flags.AA
        owner = name
        for _ in range(40):
            if self._add(response, owner, type_):
                return response
            if not self._add(response, owner, "CNAME"):
                break
            owner = self._at(owner, "CNAME")[0].rstrip(".").lower()
            if not self.follows or (self.zones and not self._holds(owner)):
                return response
        if not self._exists(owner):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response

    def _holds(self, name: str) -> bool:
        return any(name == zone or name.endswith("." + zone) or not zone for zone in self.zones)

    def _refer(self, response: dns.message.Message, name: str) -> bool:
        """Refer to the servers of a zone below our own, with what glue there is."""
        for (owner, type_), hosts in self.records.items():
            below = name == owner or name.endswith("." + owner)
            if type_ != "NS" or owner in self.zones or not below:
                continue
            self._add(response, owner, "NS", dns.message.AUTHORITY)
            for host in hosts:
                for glue in ("A", "AAAA"):
                    self._add(response, host.rstrip("."), glue, dns.message.ADDITIONAL)
            return True
        return False

    def _exists(self, name: str) -> bool:
        return any(
            owner in {name, _wildcard(name)} or owner.endswith("." + name)
            for owner, _ in self.records
        )

    def _at(self, name: str, type_: str) -> list[str]:
        return self.records.get((name, type_)) or self.records.get((_wildcard(name), type_)) or []

    def _add(
        self,
        response: dns.message.Message,
        owner: str,
        type_: str,
        section: int = dns.message.ANSWER,
    ) -> bool:
        values = self._at(owner, type_)
        if values:
            rrset = dns.rrset.from_text(owner + ".", self.ttl, dns.rdataclass.IN, type_, *values)
            response.sections[section].append(rrset)
        return bool(values)


def _wildcard(name: str) -> str:
    return "*." + name.partition(".")[2]


def _spoilt(
    query: dns.message.Message, response: dns.message.Message, fault: str, *, tcp: bool
) -> list[bytes]:
    true = response.to_wire()
    other_id = struct.pack("!H", query.id ^ 1) + true[2:]
    if fault in RCODES:
        spoilt = dns.message.make_response(query)
        spoilt.set_rcode(RCODES[fault])
        return [spoilt.to_wire()]
    if fault == "no_question":
        return [true[:2] + struct.pack("!HHHHH", 0x8580, 0, 0, 0, 0)]
    if fault == "other_question":
        other = dns.message.make_query("elsewhere.org", "A")
        other.id = query.id
        return [dns.message.make_response(other, recursion_available=True).to_wire()]
    if fault == "lame":
        response.flags &= ~(dns.flags.AA | dns.flags.RA)
        response.answer.clear()
        response.authority.clear()
        return [response.to_wire()]
    if fault in {"truncated", "cut_tcp"} and not tcp:
        response.answer.clear()
        response.flags |= dns.flags.TC
        return [response.to_wire()]
    return {
        "silence": [],
        "cut_tcp": [],
        "malformed": [true[:2] + b"\x85\x80\x00\x01\x00\x09\xff\xff"],
        "cut_short": [true[: len(true) // 2]],
        "wrong_id": [other_id],
        "wrong_id_first": [other_id, b"\x00", true],
        "flood": [*[other_id] * 60, true],
    }.get(fault, [true])


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, script: ScriptedDns) -> None:
        self._script = script
        self._transport: asyncio.DatagramTransport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        for reply in self._script.reply(data, tcp=False):
            assert self._transport is not None
            self._transport.sendto(reply, addr)


@asynccontextmanager
async def scripted_dns(
    zone_file: str = "",
    *,
    zones: tuple[str, ...] = (),
    faults: Mapping[str, str] | None = None,
    follows: bool = True,
    address: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[ScriptedDns]:
    """Serve lines of `name TYPE value`, at a free port unless one is given."""
    script = ScriptedDns(read(zone_file), zones, faults or {}, follows, address=address)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        for reply in script.reply(await reader.readexactly(length), tcp=True):
            writer.write(struct.pack("!H", len(reply)) + reply)
        writer.close()

    udp, tcp = _sockets(address, port)
    script.port = tcp.getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(script), sock=udp)
    server = await asyncio.start_server(serve, sock=tcp)
    try:
        yield script
    finally:
        transport.close()
        server.close()
        await server.wait_closed()


def read(zone_file: str) -> dict[tuple[str, str], list[str]]:
    records: dict[tuple[str, str], list[str]] = {}
    for line in filter(None, map(str.strip, zone_file.splitlines())):
        name, type_, value = line.split(maxsplit=2)
        absolute = value + "." if type_ in {"CNAME", "NS"} else value
        records.setdefault((name.lower(), type_), []).append(absolute)
    return records


def _sockets(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Give a UDP and a TCP socket on the same port; 0 is any free one."""
    while True:
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((address, port))
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
            if port:
                raise
        else:
            tcp.settimeout(0)
            udp.settimeout(0)
            return udp, tcp
