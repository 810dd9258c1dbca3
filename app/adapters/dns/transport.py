"""One DNS query over UDP or TCP.

Each UDP query has a socket of its own, connected to the server: the kernel picks a random source
port and drops packets from any other address or port (RFC 5452, sections 4.5 and 9.1). What is left
to compare is the id and the question.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
from dns.rdatatype import RdataType

from app.adapters.dns.answer import CouldNotAsk, Server

MOST_STRAY = 10
"""Packets that are no answer, after which a server is not listened to any longer."""
MOST_RECORDS = 200
LONGEST_BY_TCP = 16_384
"""What a tenant's server may make us parse: a message of 64 KiB can take seconds."""

_BUFFER = 4_096
_HEADER = struct.Struct("!6H")
_TYPE_AND_CLASS = struct.Struct("!HH")
_PAYLOAD = 1232
"""The largest UDP answer that is asked for: it fits into one packet on any path (DNS flag day)."""
_OPT = struct.pack("!BHHIH", 0, RdataType.OPT, _PAYLOAD, 0, 0)
_MAY_LACK_QUESTION = frozenset(
    {dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED}
)


@dataclass(frozen=True, slots=True)
class Query:
    """One question with its flags, under a random id.

    Made by hand: dnspython's general message takes longer to write than all the rest of a query.
    """

    name: dns.name.Name
    rdtype: RdataType
    recursive: bool
    """Whether the server is to resolve the name for us (RD)."""
    edns: bool = True
    check_disabled: bool = False
    """Whether a resolver is to skip DNSSEC validation (CD; RFC 4035, section 3.2.2)."""
    id: int = field(default_factory=lambda: secrets.randbits(16))
    question: bytes = field(init=False)
    """Name, type and class, as they are sent."""

    def __post_init__(self) -> None:
        """Write the question once: it is sent, and compared with the answer's."""
        type_and_class = _TYPE_AND_CLASS.pack(self.rdtype, dns.rdataclass.IN)
        object.__setattr__(self, "question", self.name.to_digestable() + type_and_class)

    def to_wire(self) -> bytes:
        """Write it (RFC 1035, section 4.1; RFC 6891, section 6.1.2)."""
        flags = dns.flags.RD if self.recursive else 0
        flags |= dns.flags.CD if self.check_disabled else 0
        header = _HEADER.pack(self.id, flags, 1, 0, 0, 1 if self.edns else 0)
        return header + self.question + (_OPT if self.edns else b"")

    def is_answered_by(self, message: dns.message.Message) -> bool:
        """Whether a message is a response to this question, in whatever case its letters are."""
        if message.id != self.id or not message.flags & dns.flags.QR:
            return False
        if dns.opcode.from_flags(message.flags) != dns.opcode.QUERY:
            return False
        if not message.question:
            return message.rcode() in _MAY_LACK_QUESTION
        asked = message.question[0]
        return (
            len(message.question) == 1
            and asked.rdtype == self.rdtype
            and asked.rdclass == dns.rdataclass.IN
            and asked.name == self.name
        )


async def over_udp(query: Query, server: Server, *, wait: float) -> dns.message.Message | None:
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
                    # What has arrived already is read at once, and would pass the time-out by.
                    await asyncio.sleep(0)
        except (TimeoutError, OSError):
            # A port that is closed gives no answer either.
            pass
    return None


async def over_tcp(query: Query, server: Server, *, wait: float) -> dns.message.Message | None:
    """Ask over TCP. None: nothing came in time.

    Raises:
        CouldNotAsk: the connection failed, or what came is no answer to the query.
    """
    try:
        async with asyncio.timeout(wait):
            response = parse_response(await _exchanged(query.to_wire(), server), query)
    except TimeoutError:
        return None
    except (OSError, EOFError, dns.message.Truncated):
        response = None
    if response is None:
        raise CouldNotAsk("unusable_answer")
    return response


async def _exchanged(wire: bytes, server: Server) -> bytes:
    """Send and receive one message with its length in front (RFC 1035, section 4.2.2)."""
    reader, writer = await asyncio.open_connection(server.address, server.port)
    try:
        writer.write(struct.pack("!H", len(wire)) + wire)
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        if length > LONGEST_BY_TCP:
            raise EOFError
        return await reader.readexactly(length)
    finally:
        writer.transport.abort()


def parse_response(wire: bytes, query: Query) -> dns.message.Message | None:
    """Parse what came back. None: it is no message, or no answer to the query.

    Raises:
        dns.message.Truncated: it is an answer, and did not fit.
    """
    if not _may_be_answer(wire, query):
        return None
    try:
        response = dns.message.from_wire(wire, raise_on_truncation=True)
    except dns.message.Truncated as error:
        if query.is_answered_by(error.message()):  # type: ignore[no-untyped-call] # dnspython's
            raise
        return None
    except (dns.exception.DNSException, ValueError, struct.error):
        return None
    return response if query.is_answered_by(response) else None


def _may_be_answer(wire: bytes, query: Query) -> bool:
    """Look at the header and the question alone, which costs nothing whatever the rest holds."""
    if len(wire) < _HEADER.size:
        return False
    id_, _, questions, *records = _HEADER.unpack_from(wire)
    if id_ != query.id or questions > 1 or sum(records) > MOST_RECORDS:
        return False
    if not questions:
        return True
    end = _HEADER.size + len(query.question)
    name, rest = wire[_HEADER.size : end - 4], wire[end - 4 : end]
    # Lengths of labels are below 64, so only letters change with the case.
    return name.lower() == query.question[:-4] and rest == query.question[-4:]


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
