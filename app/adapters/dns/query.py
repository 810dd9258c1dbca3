"""The questions of one check: each asked once, within a budget, with "no" and "no answer" apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import dns.message
import dns.name
import dns.rcode
from dns.rdatatype import RdataType

from app.adapters.dns.answer import (
    Answer,
    CouldNotAsk,
    Server,
    parse_name,
    read_answer,
)
from app.adapters.dns.limits import ServerLimits
from app.adapters.dns.transport import Query, over_tcp, over_udp

STAGGER = 0.5
"""Seconds after which the next server is asked as well, where the first usable answer will do."""

_WITHOUT_EDNS = frozenset({dns.rcode.FORMERR, dns.rcode.NOTIMP, dns.rcode.BADVERS})
_Read = TypeVar("_Read")
_Key = tuple[str, int, bool, str, RdataType, bool]


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that one check sends and lasts, however a tenant's zone is built."""

    packets: int
    seconds: float


CHECK = Budget(packets=40, seconds=10.0)
"""Two checks and an action fit into a tick, and slow servers hold a worker's slot no longer."""
DIAGNOSIS = Budget(packets=120, seconds=20.0)
"""Of all that may be wrong, for a person who waits."""


class Questions:
    """The questions of one check. Each is asked once, and their total is bounded."""

    def __init__(
        self,
        *,
        wait: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        budget: Budget = CHECK,
        limits: ServerLimits | None = None,
        tenant: str | None = None,
    ) -> None:
        """Ask within `budget` and `limits`; `tenant` is whose name the questions are about."""
        self._wait = wait
        self._clock = clock
        self._until = clock() + budget.seconds
        self._packets_left = budget.packets
        self._limits = limits or ServerLimits(clock=clock)
        self._tenant = tenant
        self._asked: dict[_Key, asyncio.Task[dns.message.Message]] = {}

    @property
    def exhausted(self) -> bool:
        """Whether the budget is used up, so that a failure tells nothing about a server."""
        return self._packets_left <= 0 or self._clock() > self._until

    async def ask(
        self,
        server: Server,
        name: str,
        rdtype: RdataType,
        *,
        follow: bool = True,
        check_disabled: bool = False,
    ) -> Answer:
        """Ask one server, and follow the CNAMEs that the server itself followed.

        Without `follow`, what stands at the name itself is the answer. With `check_disabled`, a
        resolver is told not to validate signatures: what is SERVFAIL without it and an answer with
        it fails DNSSEC.

        Raises:
            CouldNotAsk: time-out, SERVFAIL, REFUSED, a server that does not hold the name, or
                an unusable answer.
        """
        response = await self._task(server, name, rdtype, check_disabled=check_disabled)
        return read_answer(response, server, parse_name(name), rdtype, follow=follow)

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

    async def race(
        self,
        servers: Sequence[Server],
        name: str,
        rdtype: RdataType,
        read: Callable[[dns.message.Message, Server], _Read],
    ) -> _Read:
        """Return the first thing that can be read. A server that hesitates gets company.

        `read` raises `CouldNotAsk` for a response that is of no use.

        Raises:
            CouldNotAsk: nobody's response was.
        """
        failure = CouldNotAsk("no_server")
        waiting: dict[asyncio.Task[dns.message.Message], Server] = {}
        rest = list(servers)
        while rest or waiting:
            if rest:
                server = rest.pop(0)
                waiting[self._task(server, name, rdtype)] = server
            done, _ = await asyncio.wait(
                waiting,
                timeout=STAGGER if rest else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                server = waiting.pop(task)
                try:
                    return read(task.result(), server)
                except CouldNotAsk as error:
                    failure = error
        raise failure

    def _task(
        self, server: Server, name: str, rdtype: RdataType, *, check_disabled: bool = False
    ) -> asyncio.Task[dns.message.Message]:
        recursive = server.zone is None
        key = (server.address, server.port, recursive, name, rdtype, check_disabled)
        task = self._asked.get(key)
        if task is None:
            task = asyncio.ensure_future(
                self._response(server, name, rdtype, check_disabled=check_disabled)
            )
            # One that nobody waits for any more may fail as well.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._asked[key] = task
        return task

    async def _response(
        self, server: Server, name: str, rdtype: RdataType, *, check_disabled: bool
    ) -> dns.message.Message:
        parsed = parse_name(name)
        for edns in (True, False):
            query = Query(
                parsed,
                rdtype,
                recursive=server.zone is None,
                edns=edns,
                check_disabled=check_disabled,
            )
            response = await self._persist(server, name, query)
            if response.rcode() not in _WITHOUT_EDNS:
                break
        return response

    async def _persist(self, server: Server, name: str, query: Query) -> dns.message.Message:
        # An authoritative server is one of several: asking the next one is the second try.
        for _ in range(2 if server.zone is None else 1):
            self._limits.refuse_dead(server)
            response = await self._exchange(server, query)
            if response is not None:
                self._limits.answered(server)
                return response
            self._limits.timed_out(server, name)
        raise CouldNotAsk("timeout")

    async def _exchange(self, server: Server, query: Query) -> dns.message.Message | None:
        async with self._limits.turn(server, self._tenant):
            try:
                return await over_udp(query, server, wait=self._draw())
            except dns.message.Truncated:
                return await over_tcp(query, server, wait=self._draw())

    def _draw(self) -> float:
        """Take a packet from the budget, and return how long to wait for its answer."""
        left = self._until - self._clock()
        if self._packets_left <= 0:
            raise CouldNotAsk("too_many_questions")
        if left < 0:
            raise CouldNotAsk("timeout")
        self._packets_left -= 1
        return min(self._wait, left)
