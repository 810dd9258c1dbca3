"""A load client in a process of its own: a closed loop finds a capacity, an open one exceeds it.

It speaks plain HTTP/1.1 over connections that are kept, with one request on each at a time.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

import uvloop
from typing_extensions import override

ANSWER_SECONDS = 20.0
"""A request without an answer after so long is a fault; the service may take 15 s."""
KEPT_SECONDS = 2.0
"""An idle connection is closed after so long: the server closes it after five."""
TICK_SECONDS = 0.005
MOST_FAULTS = 20
"""How many faults are reported in full."""
REFUSALS = {429, 503}


@dataclass(slots=True)
class Ask:
    """A request, and what a right answer to it is."""

    kind: str
    wire: bytes
    status: int
    is_right: Callable[[dict[str, Any]], bool]
    """Whether the body of an answer with this status belongs to the request."""
    refused: Callable[[str], None] = lambda _: None
    """Is told the code of the problem if the request is refused."""


class Traffic(Protocol):
    """Makes the requests, one after the other."""

    def next(self, *, with_greedy: bool) -> Ask:
        """Make the next request. `with_greedy` says whether the greedy key takes part."""


@dataclass(slots=True)
class Figures:
    """What became of the requests. Times are in seconds, from when a request was due."""

    seconds: float = 0.0
    sent: int = 0
    held_back: int = 0
    """Requests that were due while all connections were busy, and were not sent."""
    accepted: dict[str, list[float]] = field(default_factory=dict)
    """The times of the right answers, by kind."""
    refused: dict[str, list[float]] = field(default_factory=dict)
    """The times of the refusals, by code."""
    faults: Counter[str] = field(default_factory=Counter)

    def all_accepted(self) -> list[float]:
        """Return the times of all right answers, the shortest first."""
        return sorted(time for times in self.accepted.values() for time in times)

    def all_refused(self) -> list[float]:
        """Return the times of all refusals, the shortest first."""
        return sorted(time for times in self.refused.values() for time in times)


class _Connection(asyncio.Protocol):
    """A kept connection: one request at a time."""

    def __init__(self, done: Callable[[_Connection, bytes, bytes], None]) -> None:
        self._done = done
        self._received = b""
        self.ask: Ask | None = None
        self.due = 0.0
        """When the request was due; of an idle connection, when its last answer came."""
        self.lost: Callable[[_Connection], None] = lambda _: None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, ask: Ask, due: float) -> None:
        self.ask, self.due = ask, due
        self._transport.write(ask.wire)

    def close(self) -> None:
        self._transport.close()

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if separator and len(body) >= _length(head):
            self._received = b""
            self._done(self, head, body)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.lost(self)


class LoadClient:
    """Sends traffic to a port of this machine and judges each answer."""

    def __init__(self, port: int, traffic: Traffic) -> None:
        self._port = port
        self._traffic = traffic
        self._loop = asyncio.get_running_loop()
        self._idle: deque[_Connection] = deque()
        self._busy: set[_Connection] = set()
        self._opening = 0
        self._figures = Figures()
        self._again: Callable[[_Connection], bool] = lambda _: False

    async def closed(self, *, connections: int, seconds: float) -> Figures:
        """Have so many connections each send the next request once the last one is answered."""
        self._figures = figures = Figures(seconds=seconds)
        until = self._loop.time() + seconds

        def again(connection: _Connection) -> bool:
            now = self._loop.time()
            if now >= until:
                return False
            self._send(connection, self._traffic.next(with_greedy=False), now)
            return True

        self._again = again
        for _ in range(connections):
            ask = self._traffic.next(with_greedy=False)
            await self._open(ask, self._loop.time())
        await self._until_answered(seconds + ANSWER_SECONDS)
        self.close()
        return figures

    async def opened(self, *, rate: float, most: int, seconds: float) -> Figures:
        """Send `rate` requests a second whatever becomes of them, over `most` connections."""
        self._figures = figures = Figures(seconds=seconds)
        self._again = lambda _: False
        began, made = self._loop.time(), 0
        openings: set[asyncio.Task[None]] = set()
        while (elapsed := self._loop.time() - began) < seconds:
            while made < elapsed * rate:
                due = began + made / rate
                made += 1
                ask = self._traffic.next(with_greedy=True)
                if self._idle:
                    # The one that was busy last: the others may be closed.
                    self._send(self._idle.pop(), ask, due)
                elif len(self._busy) + self._opening < most:
                    self._opening += 1
                    task = asyncio.create_task(self._open_counted(ask, due))
                    openings.add(task)
                    task.add_done_callback(openings.discard)
                else:
                    figures.held_back += 1
                    ask.refused("held_back")
            self._close_idle()
            await asyncio.sleep(TICK_SECONDS)
        await asyncio.gather(*openings)
        await self._until_answered(ANSWER_SECONDS)
        return figures

    def close(self) -> None:
        """Close the connections that are left."""
        for connection in [*self._idle, *self._busy]:
            connection.close()

    async def _open_counted(self, ask: Ask, due: float) -> None:
        try:
            await self._open(ask, due)
        finally:
            self._opening -= 1

    async def _open(self, ask: Ask, due: float) -> None:
        try:
            _, connection = await self._loop.create_connection(
                lambda: _Connection(self._answered), "127.0.0.1", self._port
            )
        except OSError as error:
            self._fault(ask, f"no connection: {error}")
            return
        connection.lost = self._lost
        self._send(connection, ask, due)

    def _send(self, connection: _Connection, ask: Ask, due: float) -> None:
        self._figures.sent += 1
        self._busy.add(connection)
        connection.send(ask, due)

    def _answered(self, connection: _Connection, head: bytes, body: bytes) -> None:
        ask, now = connection.ask, self._loop.time()
        if ask is None:
            self._figures.faults["an answer that nobody asked for"] += 1
            return
        self._judge(ask, head, body, now - connection.due)
        connection.ask = None
        self._busy.discard(connection)
        if b"\r\nconnection: close" in head.lower():
            connection.close()
        elif not self._again(connection):
            connection.due = now
            self._idle.append(connection)

    def _judge(self, ask: Ask, head: bytes, body: bytes, seconds: float) -> None:
        status = int(head[9:12])
        try:
            shown = json.loads(body)
        except ValueError:
            self._fault(ask, f"{status} without JSON: {body[:200]!r}")
            return
        if status in REFUSALS:
            if _is_problem(status, head, shown):
                self._figures.refused.setdefault(shown["code"], []).append(seconds)
                ask.refused(shown["code"])
            else:
                self._fault(ask, f"{status} without a way out: {head!r} {body[:200]!r}")
        elif status == ask.status and ask.is_right(shown):
            self._figures.accepted.setdefault(ask.kind, []).append(seconds)
        else:
            self._fault(ask, f"{status}: {body[:300]!r} to {ask.wire[:120]!r}")

    def _fault(self, ask: Ask, text: str) -> None:
        faults = self._figures.faults
        known = f"{ask.kind}: {text}"
        faults[known if known in faults or len(faults) < MOST_FAULTS else "others"] += 1

    def _lost(self, connection: _Connection) -> None:
        if connection.ask is not None:
            self._fault(connection.ask, "the connection was cut")
            self._busy.discard(connection)
        elif connection in self._idle:
            self._idle.remove(connection)

    def _close_idle(self) -> None:
        while self._idle and self._idle[0].due < self._loop.time() - KEPT_SECONDS:
            self._idle.popleft().close()

    async def _until_answered(self, seconds: float) -> None:
        until = self._loop.time() + seconds
        while self._busy and self._loop.time() < until:
            await asyncio.sleep(TICK_SECONDS)
        for connection in list(self._busy):
            ask, connection.ask = connection.ask, None
            self._busy.discard(connection)
            if ask is not None:
                self._fault(ask, f"no answer in {ANSWER_SECONDS:.0f} s")
            connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the load client does: it finds the capacity, then offers a multiple of it."""

    port: int
    warm_up: float
    capacity_seconds: float
    connections: int
    """Of the closed loop."""
    times: float
    most: int
    """Connections of the open loop."""
    seconds: float


async def _carry_out(plan: Plan, traffic: Traffic) -> tuple[Figures, Figures]:
    client = LoadClient(plan.port, traffic)
    try:
        await client.closed(connections=plan.connections, seconds=plan.warm_up)
        at_capacity = await client.closed(
            connections=plan.connections, seconds=plan.capacity_seconds
        )
        rate = len(at_capacity.all_accepted()) / plan.capacity_seconds * plan.times
        return at_capacity, await client.opened(rate=rate, most=plan.most, seconds=plan.seconds)
    finally:
        client.close()


T = TypeVar("T", bound=Traffic)


def carry_out(plan: Plan, traffic: T) -> tuple[Figures, Figures, T]:
    """Carry out a plan in this process. Return the closed loop's figures and the open loop's.

    The traffic is returned as well: it knows what it sent.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        at_capacity, beyond = runner.run(_carry_out(plan, traffic))
    return at_capacity, beyond, traffic


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _is_problem(status: int, head: bytes, shown: dict[str, Any]) -> bool:
    """Whether this is a problem (RFC 9457) that says when to try again (RFC 9110, 10.2.3)."""
    fields = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    return (
        fields.get(b"content-type") == b"application/problem+json"
        and fields.get(b"retry-after", b"").isdigit()
        and int(fields[b"retry-after"]) >= 1
        and shown.get("status") == status
        and bool(shown.get("code"))
    )
