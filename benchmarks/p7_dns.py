"""P7: DNS checks per second and core, against a bare loop that asks the same questions.

Both ask one server on 127.0.0.1, a process of its own that answers from a template and counts the
packets that reach it. Every check is of another name. The bare side is `dns.asyncquery.udp` in the
same number of tasks: no budget, no limits, no reading of the answer beyond dnspython's own. Ours is
`DnsChecker` as the worker uses it, with the delegation of the zone already known.

Two kinds of checks: one answer that holds the CNAME to the target, and a chain whose addresses are
compared with those of the target, which takes three questions.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import multiprocessing
import socket
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.name

from app.adapters.dns.answer import Server
from app.adapters.dns.authoritative import AuthoritativeServers
from app.adapters.dns.checker import DnsChecker
from app.adapters.dns.limits import ServerLimits
from app.domain.custom_hostname import CustomHostname, Plan, ZoneTargets
from app.domain.hostname import Hostname
from app.domain.observation import Found, RoutingKind
from benchmarks.row import Row

CHECKS = 4_000
ROUNDS = 5
AT_ONCE = 32
AIM_RATIO, AIM_RATE = 0.8, 1500.0
HOST, ZONE, TARGET = "127.0.0.1", "bench.com", "customers.provider.bench.com"

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
_A, _CNAME = b"\x00\x01", b"\x00\x05"
_NAME_HERE = b"\xc0\x0c"
_TTL = b"\x00\x00\x00\x3c"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of check: the label before its number, and the questions that one takes."""

    label: str
    routing: RoutingKind
    names: Callable[[str], tuple[str, ...]]


ONE = Kind("one", RoutingKind.CNAME, lambda name: (name,))
CHAIN = Kind("chain", RoutingKind.ELSEWHERE, lambda name: (name, f"edge.{name}", TARGET))


@dataclass(frozen=True, slots=True)
class Speed:
    """Checks per second, of CPU time and of wall time."""

    a_core: float
    wall: float


async def measure() -> list[Row]:
    """Run both sides in turn, some rounds of each kind."""
    with _server() as (port, packets):
        return [await _measured(kind, port, packets) for kind in (ONE, CHAIN)]


async def _measured(kind: Kind, port: int, packets: Synchronized[int]) -> Row:
    numbers = itertools.count()
    ours: list[Speed] = []
    bare: list[Speed] = []
    for _ in range(ROUNDS + 1):
        names = [f"{kind.label}-{next(numbers)}.{ZONE}" for _ in range(2 * CHECKS)]
        ours.append(await _timed(_checks(kind, port, names[:CHECKS]), kind, packets))
        bare.append(await _timed(_questions(kind, port, names[CHECKS:]), kind, packets))
    # The first round only warms up.
    rate = statistics.median(speed.a_core for speed in ours[1:])
    beside = statistics.median(speed.a_core for speed in bare[1:])
    wall = statistics.median(speed.wall for speed in ours[1:])
    questions = len(kind.names(""))
    is_one = kind is ONE
    return Row(
        id="P7",
        figure=f"DNS checks a CPU-second, {questions} question(s) each ({wall:,.0f} of wall time)",
        value=round(rate, 1),
        unit="checks/s",
        beside=f"the same questions, bare: {beside:,.0f} a CPU-second",
        ratio=round(rate / beside, 3),
        aim=f"{AIM_RATIO} of bare" + (f", {AIM_RATE:,.0f} checks/s" if is_one else ""),
        met=rate >= AIM_RATIO * beside and (rate >= AIM_RATE or not is_one),
    )


async def _timed(work: Coroutine[Any, Any, None], kind: Kind, packets: Synchronized[int]) -> Speed:
    before, wall, cpu = packets.value, time.perf_counter(), time.process_time()
    await work
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    expected = CHECKS * len(kind.names(""))
    if packets.value - before != expected:
        raise RuntimeError(f"{packets.value - before} packets arrived, not {expected}")
    return Speed(CHECKS / cpu, CHECKS / wall)


async def _checks(kind: Kind, port: int, names: list[str]) -> None:
    zone = dns.name.from_text(ZONE)
    authoritative = AuthoritativeServers([], roots=[HOST], port=port, allowed=[_LOOPBACK])
    authoritative.referrals.put(zone, [Server(HOST, port, zone, f"ns.{ZONE}")], 3600)
    checker = DnsChecker([], authoritative=authoritative, limits=ServerLimits([_LOOPBACK]))
    record = _record()

    async def check(name: str) -> None:
        view = await checker.check(replace(record, hostname=Hostname(name)), thorough=False)
        if not isinstance(view.routing, Found) or view.routing.value.kind is not kind.routing:
            raise RuntimeError(f"{name} was found to be {view.routing}")

    await _in_turn(check, names)


async def _questions(kind: Kind, port: int, names: list[str]) -> None:
    async def ask(name: str) -> None:
        for each in kind.names(name):
            query = dns.message.make_query(each, "A", use_edns=0, payload=1232)
            query.flags &= ~dns.flags.RD
            await dns.asyncquery.udp(query, HOST, port=port, timeout=5)

    await _in_turn(ask, names)


async def _in_turn(do: Callable[[str], Coroutine[Any, Any, None]], names: list[str]) -> None:
    left = iter(names)

    async def work() -> None:
        for name in left:
            await do(name)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def _record() -> CustomHostname:
    return CustomHostname(
        id="host_1",
        hostname=Hostname(f"www.{ZONE}"),
        tenant="bench",
        zone=ZoneTargets(id="zone_1", cname_target=TARGET),
        plan=Plan.SIMPLE,
        created_at=_EPOCH,
        updated_at=_EPOCH,
        wanted_at=_EPOCH,
        acted_at=_EPOCH,
    )


@contextmanager
def _server() -> Iterator[tuple[int, Synchronized[int]]]:
    context = multiprocessing.get_context("spawn")
    packets = context.Value("q", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((HOST, 0))
        process = context.Process(target=_serve, args=(sock, packets), daemon=True)
        process.start()
        try:
            yield sock.getsockname()[1], packets
        finally:
            process.terminate()
            process.join()


def _serve(sock: socket.socket, packets: Synchronized[int]) -> None:
    target = b"".join(bytes([len(label)]) + label.encode() for label in TARGET.split(".")) + b"\0"
    address = _record_of(_A, bytes([192, 0, 2, 7]))
    of_target = _record_of(_A, bytes([192, 0, 2, 81]))
    to_target = _record_of(_CNAME, target)
    to_edge = _record_of(_CNAME, b"\x04edge" + _NAME_HERE)
    while True:
        wire, where = sock.recvfrom(512)
        packets.value += 1
        # The question ends after its name, type and class.
        question = wire[12 : wire.index(b"\0", 12) + 5]
        length = question[0]
        label = question[1 : 1 + length].lower()
        answer = {b"one": to_target, b"cha": to_edge, b"cus": of_target}.get(label[:3], address)
        header = wire[:2] + b"\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00"
        sock.sendto(header + question + answer, where)


def _record_of(rdtype: bytes, data: bytes) -> bytes:
    return _NAME_HERE + rdtype + b"\x00\x01" + _TTL + len(data).to_bytes(2, "big") + data
