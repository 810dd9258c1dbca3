"""The processes of P8: one that receives for all endpoints, and two that send, ours and a bare one.

Each is told what to do over a pipe, and answers over it. The senders measure their own CPU time.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from typing import Any, cast

import httpx
import uvloop
from typing_extensions import override

from app.bootstrap import open_services
from app.persistence.deliveries import Delivery
from app.persistence.wakeups import Channel, listening
from app.worker.loop import Loop
from app.worker.run import send_work
from benchmarks.load import content_length
from benchmarks.settings import settings_for

HOST = "127.0.0.1"
ANSWER_SECONDS = 120.0
FILES = 8192
"""Open files: a listener and connections for each endpoint."""
PLACES = 32
"""How many messages are under way at a time, on both sides: what a worker has by default."""

Work = Callable[[int], Awaitable[None]]
"""Sends so many messages."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a round of messages took: seconds of CPU time and of wall time."""

    cpu: float
    wall: float


class Process:
    """A process of the benchmark's, at the other end of a pipe."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def tell(self, what: Any) -> None:
        """Send it something, and go on."""
        self._pipe.send(what)

    async def answer(self) -> Any:
        """Wait for its answer.

        Raises:
            RuntimeError: there is none in time.
        """
        if not await asyncio.to_thread(self._pipe.poll, ANSWER_SECONDS):
            raise RuntimeError("a process of the benchmark does not answer")
        return self._pipe.recv()

    async def ask(self, what: Any) -> Any:
        """Send it something and wait for its answer."""
        self.tell(what)
        return await self.answer()


@contextmanager
def running(target: Callable[..., None], *given: Any) -> Iterator[Process]:
    """Run `target` in a process of its own, with a pipe and what is given."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=target, args=(there, *given), daemon=True)
    process.start()
    there.close()
    try:
        yield Process(here)
    finally:
        process.terminate()
        process.join()


def receive(pipe: Pipe, count: int) -> None:
    """Listen at so many ports and answer 204 to all. Told anything, it answers what arrived since.

    The first answer is the ports. What arrived is, for each message, its id and when its first byte
    was read.
    """
    _allow_files()
    uvloop.run(_receive(pipe, count))


async def _receive(pipe: Pipe, count: int) -> None:
    arrived: list[tuple[str, float]] = []
    loop = asyncio.get_running_loop()
    ports = []
    for _ in range(count):
        sock = socket.create_server((HOST, 0), backlog=PLACES)
        ports.append(sock.getsockname()[1])
        await loop.create_server(lambda: _Receiver(arrived), sock=sock)

    def report() -> None:
        pipe.recv()
        pipe.send(list(arrived))
        arrived.clear()

    loop.add_reader(pipe.fileno(), report)
    pipe.send(ports)
    await asyncio.Event().wait()


class _Receiver(asyncio.Protocol):
    def __init__(self, arrived: list[tuple[str, float]]) -> None:
        self._arrived = arrived
        self._received = b""
        self._began = 0.0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        if not self._received:
            self._began = time.time()
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < content_length(head):
            return
        self._received = b""
        self._arrived.append((_message_id(head), self._began))
        self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


def _message_id(head: bytes) -> str:
    _, _, rest = head.partition(b"\r\nwebhook-id: ")
    return rest.partition(b"\r\n")[0].decode()


def send_ours(pipe: Pipe, url: str) -> None:
    """Send what is due as a worker does, so many messages at each word, and answer what it took."""
    _allow_files()
    uvloop.run(_serve(pipe, _our_work(url)))


@asynccontextmanager
async def _our_work(url: str) -> AsyncIterator[Work]:
    settings = settings_for(url, webhooks_allow_loopback=True, worker_concurrency=PLACES)
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings))
        server = services.database.server
        woken = await stack.enter_async_context(listening(server, Channel.DELIVER))

        async def send(count: int) -> None:
            stop = asyncio.Event()
            work = send_work(services)
            left = count

            async def perform(delivery: Delivery) -> None:
                nonlocal left
                await work.perform(delivery)
                left -= 1
                if not left:
                    stop.set()

            most = services.deliveries.most_under_way
            counted = replace(work, perform=perform)
            await Loop(counted, concurrency=most, woken=woken, stop=stop).run()

        yield send


def send_bare(pipe: Pipe, ports: Sequence[int], body: str) -> None:
    """POST to the ports in turn, so many messages at each word, and answer what it took."""
    _allow_files()
    uvloop.run(_serve(pipe, _bare_work(ports, body.encode())))


@asynccontextmanager
async def _bare_work(ports: Sequence[int], body: bytes) -> AsyncIterator[Work]:
    trust = httpx.create_ssl_context(trust_env=False)
    urls = [f"http://{HOST}:{port}/" for port in ports]
    headers = {"content-type": "application/json"}
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(verify=trust, trust_env=False))
            for _ in urls
        ]

        async def send(count: int) -> None:
            left = iter(range(count))

            async def post() -> None:
                for number in left:
                    endpoint = number % len(urls)
                    response = await clients[endpoint].post(
                        urls[endpoint], content=body, headers=headers
                    )
                    response.raise_for_status()

            await asyncio.gather(*(post() for _ in range(PLACES)))

        yield send


async def _serve(pipe: Pipe, opened: Any) -> None:
    """Do the work whenever the pipe says how much, and answer what it took."""
    async with opened as work:
        pipe.send("ready")
        while True:
            count = await asyncio.to_thread(pipe.recv)
            wall, cpu = time.perf_counter(), time.process_time()
            await work(count)
            pipe.send(Spent(time.process_time() - cpu, time.perf_counter() - wall))


def _allow_files() -> None:
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, wanted), most))
