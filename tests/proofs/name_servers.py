"""Name servers of many tenants on loopback addresses, some of which turn silent or slow.

One process answers for all. Four addresses are the root, which delegates every tenant's zone to the
two servers of its operator, with glue. An operator has a /24 of its own. What an operator's servers
say depends on the label before the number of the zone: `live` has its CNAME, anything else nothing.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from multiprocessing.sharedctypes import SynchronizedArray

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset

ROOTS = tuple(f"127.9.{number}.1" for number in range(4))
OPERATORS = 200
EACH = 2
"""Servers of an operator."""
TARGET = "customers.nameplate-demo.net"
ANSWERS_AFTER = 1.0
"""Seconds, of a slow server."""
_TTL = 3600


class Health(IntEnum):
    """How an operator's servers do once the trouble has begun."""

    HEALTHY = 0
    SLOW = 1
    DEAD = 2


_TROUBLE, _READY = OPERATORS, OPERATORS + 1
"""The places of two switches in the array of packets, behind the operators' counts."""
_STARTS_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class NameServers:
    """The running servers, seen from another process."""

    port: int
    packets: SynchronizedArray[int]

    def begin_trouble(self) -> None:
        """From now on, the dead are silent and the slow are slow."""
        self.packets[_TROUBLE] = 1

    def counts(self) -> dict[str, int]:
        """Give how many packets reached the servers, by their health."""
        counts = {health.name.lower(): 0 for health in Health}
        for operator in range(OPERATORS):
            counts[health_of(operator).name.lower()] += self.packets[operator]
        return counts


def zone_of(number: int) -> str:
    """Give the zone of a name: each tenant has a domain of its own."""
    return f"n{number}-{number % OPERATORS}.com"


def health_of(number: int) -> Health:
    """Give how the servers of a name, or of an operator, do: one in twenty is dead, one slow."""
    return {0: Health.DEAD, 1: Health.SLOW}.get(number % OPERATORS % 20, Health.HEALTHY)


@contextmanager
def name_servers(*, speed: float) -> Iterator[NameServers]:
    """Run them in a process of their own. `speed` divides how long the slow ones take."""
    context = multiprocessing.get_context("spawn")
    packets = context.Array("q", OPERATORS + 2)
    with ExitStack() as stack:
        sockets = [stack.enter_context(sock) for sock in _bound()]
        process = context.Process(target=_serve, args=(sockets, packets, speed), daemon=True)
        process.start()
        try:
            until = time.monotonic() + _STARTS_WITHIN
            while not packets[_READY]:
                if time.monotonic() > until:
                    raise RuntimeError("the name servers did not start")
                time.sleep(0.05)
            yield NameServers(sockets[0].getsockname()[1], packets)
        finally:
            process.terminate()
            process.join()


def _bound() -> Iterator[socket.socket]:
    """Bind all addresses at one port."""
    port = 0
    for address in (*ROOTS, *(a for number in range(OPERATORS) for a in _addresses(number))):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, port))
        sock.settimeout(0)
        port = sock.getsockname()[1]
        yield sock


def _addresses(operator: int) -> list[str]:
    return [f"127.10.{operator}.{number + 1}" for number in range(EACH)]


def _serve(sockets: Sequence[socket.socket], packets: SynchronizedArray[int], speed: float) -> None:
    asyncio.run(_answer(sockets, packets, speed))


async def _answer(
    sockets: Sequence[socket.socket], packets: SynchronizedArray[int], speed: float
) -> None:
    loop = asyncio.get_running_loop()

    def read(sock: socket.socket, operator: int | None) -> None:
        wire, where = sock.recvfrom(512)
        query = dns.message.from_wire(wire)
        if operator is None:
            sock.sendto(_referral(query).to_wire(), where)
            return
        packets[operator] += 1
        health = health_of(operator) if packets[_TROUBLE] else Health.HEALTHY
        if health is Health.DEAD:
            return
        wait = ANSWERS_AFTER / speed if health is Health.SLOW else 0.0
        loop.call_later(wait, sock.sendto, _records(query).to_wire(), where)

    for place, sock in enumerate(sockets):
        operator = None if place < len(ROOTS) else (place - len(ROOTS)) // EACH
        loop.add_reader(sock, partial(read, sock, operator))
    packets[_READY] = 1
    await asyncio.Event().wait()


def _referral(query: dns.message.Message) -> dns.message.Message:
    """Refer to the servers of the zone's operator, whose number the zone's name ends in."""
    zone = dns.name.Name(query.question[0].name.labels[-3:])
    operator = int(zone.labels[0].rpartition(b"-")[2])
    response = dns.message.make_response(query)
    hosts = [f"ns{number}.operator-{operator}.net." for number in range(EACH)]
    response.authority.append(dns.rrset.from_text_list(zone, _TTL, "IN", "NS", hosts))
    for host, address in zip(hosts, _addresses(operator), strict=True):
        response.additional.append(dns.rrset.from_text(host, _TTL, "IN", "A", address))
    return response


def _records(query: dns.message.Message) -> dns.message.Message:
    """Answer for the zone: a CNAME at its `live` name, and nothing else anywhere."""
    name = query.question[0].name
    zone = dns.name.Name(name.labels[-3:])
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    if name.labels[0] == b"live":
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", f"{TARGET}."))
        return response
    if name != zone:
        response.set_rcode(dns.rcode.NXDOMAIN)
    soa = "ns0.operator.net. hostmaster.operator.net. 1 7200 3600 1209600 60"
    response.authority.append(dns.rrset.from_text(zone, 60, "IN", "SOA", soa))
    return response
