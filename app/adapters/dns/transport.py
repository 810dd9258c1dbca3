"""One DNS query over UDP or TCP.

Each UDP query has a socket of its own, connected to the server: the kernel picks a random source
port and drops packets from any other address or port (RFC 5452, sections 4.5 and 9.1). What is left
to compare is the id and the question.
"""

from __future__ import annotations

import asyncio
import socket
import struct

import dns.asyncquery
import dns.exception
import dns.inet
import dns.message

from app.adapters.dns.answer import CouldNotAsk, Server

MOST_STRAY = 50
"""Packets that are no answer, after which a server is not listened to any longer."""

_BUFFER = 65_535


async def over_udp(
    query: dns.message.Message, server: Server, *, wait: float
) -> dns.message.Message | None:
    """Ask, and pass over whatever is no answer to the query. None: nothing came in time.

    Raises:
        dns.message.Truncated: the answer did not fit.
        CouldNotAsk: there is no way to the server from here.
    """
    loop = asyncio.get_running_loop()
    with _sent(query.to_wire(), server) as sock:
        try:
            async with asyncio.timeout(wait):
                for _ in range(MOST_STRAY):
                    response = parse_response(await loop.sock_recv(sock, _BUFFER), query)
                    if response is not None:
                        return response
        except (TimeoutError, OSError):
            # A port that is closed gives no answer either.
            pass
    return None


async def over_tcp(
    query: dns.message.Message, server: Server, *, wait: float
) -> dns.message.Message | None:
    """Ask over TCP. None: nothing came in time.

    Raises:
        CouldNotAsk: the connection failed, or what came is no answer to the query.
    """
    try:
        return await dns.asyncquery.tcp(query, server.address, timeout=wait, port=server.port)
    except dns.exception.Timeout:
        return None
    except (OSError, dns.exception.DNSException, EOFError):
        raise CouldNotAsk("unusable_answer") from None


def parse_response(wire: bytes, query: dns.message.Message) -> dns.message.Message | None:
    """Parse what came back. None: it is no message, or no answer to the query.

    Raises:
        dns.message.Truncated: it is an answer, and did not fit.
    """
    if wire[:2] != query.id.to_bytes(2, "big"):
        return None
    try:
        response = dns.message.from_wire(wire, raise_on_truncation=True)
    except dns.message.Truncated as error:
        if query.is_response(error.message()):  # type: ignore[no-untyped-call] # dnspython's
            raise
        return None
    except (dns.exception.DNSException, ValueError, struct.error):
        return None
    return response if query.is_response(response) else None


def _sent(wire: bytes, server: Server) -> socket.socket:
    try:
        family = dns.inet.af_for_address(server.address)
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.settimeout(0)
            sock.connect(dns.inet.low_level_address_tuple((server.address, server.port), family))
            sock.send(wire)
        except OSError:
            sock.close()
            raise
    except OSError:
        # No route, a family that this machine lacks, a firewall here, or no more sockets.
        raise CouldNotAsk("unreachable") from None
    return sock
