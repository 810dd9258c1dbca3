"""The authoritative DNS server's sockets: UDP with truncation, TCP with framing.

What is answered is `dns_answer`.
"""

import asyncio
import socket
import struct
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
from typing_extensions import override

from sandbox.dns_answer import answer
from sandbox.dns_zone import World

_PLAIN_UDP = 512
_HEADER_LENGTH = 12
_MAX_UDP = 4096
_MAX_TCP = 65_535
_TCP_IDLE_SECONDS = 10.0


def _reply(world: World, wire: bytes, *, udp: bool) -> bytes | None:
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return _format_error(wire)
    if query.flags & dns.flags.QR:
        return None
    response = answer(world, query)
    if response is None:
        return None
    if not udp:
        return response.to_wire(max_size=_MAX_TCP)
    limit = min(max(query.payload, _PLAIN_UDP), _MAX_UDP) if query.edns >= 0 else _PLAIN_UDP
    try:
        return response.to_wire(max_size=limit)
    except dns.exception.TooBig:
        return _truncated(response)


def _truncated(response: dns.message.Message) -> bytes:
    response.answer.clear()
    response.authority.clear()
    response.flags |= dns.flags.TC
    return response.to_wire()


def _format_error(wire: bytes) -> bytes | None:
    if len(wire) < _HEADER_LENGTH or wire[2] & 0x80:
        return None
    flags = (wire[2] | 0x80) << 8 | dns.rcode.FORMERR
    return wire[:2] + struct.pack("!HHHHH", flags, 0, 0, 0, 0)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, world: World) -> None:
        self._world = world
        self._transport: asyncio.DatagramTransport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = _reply(self._world, data, udp=True)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


class DnsServer:
    """Serves one world on one UDP and one TCP socket."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, udp: socket.socket, tcp: socket.socket) -> None:
        """Answer on two bound sockets."""
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self._world), sock=udp)
        self._tcp = await asyncio.start_server(self._serve_tcp, sock=tcp)

    async def close(self) -> None:
        """Stop answering at once."""
        if self._udp:
            self._udp.abort()
        if self._tcp:
            self._tcp.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                async with asyncio.timeout(_TCP_IDLE_SECONDS):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    wire = await reader.readexactly(length)
                reply = _reply(self._world, wire, udp=False)
                if reply is not None:
                    writer.write(struct.pack("!H", len(reply)) + reply)
                    await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()
