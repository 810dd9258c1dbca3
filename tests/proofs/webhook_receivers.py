"""Many receivers of webhooks behind one port, each with a path and a way to behave of its own."""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OPEN_FILES = 16_384
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


@dataclass(frozen=True, slots=True)
class Got:
    """One request that arrived in full."""

    endpoint: str
    at: float
    """Seconds of Unix time."""
    headers: dict[str, str]
    body: str
    attempt: int
    """How often this message came to this endpoint, this time included."""

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Answer = Callable[[Got], Awaitable[int | None]]
"""Gives the status to answer with. None: the connection is cut."""


async def accept(_: Got) -> int | None:
    return 204


@dataclass
class Receivers:
    """What arrived, and what was accepted."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    """By endpoint; others accept everything."""
    watch: Callable[[Got], None] = lambda _: None
    """Sees each request as it arrives."""
    accepted: dict[tuple[str, str], float] = field(default_factory=dict)
    """By endpoint and message, when the first was accepted."""
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The same, how many came."""

    def url(self, endpoint: str) -> str:
        return f"http://127.0.0.1:{self.port}/{endpoint}"

    def accepted_by(self, endpoint: str) -> set[str]:
        return {message for name, message in self.accepted if name == endpoint}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                got = await self._read(reader)
                answer = await self.answers.get(got.endpoint, accept)(got)
                if answer is None:
                    break
                if answer // 100 == 2:
                    self.accepted.setdefault((got.endpoint, got.id), got.at)
                writer.write(b"HTTP/1.1 %d Any\r\nContent-Length: 0\r\n\r\n" % answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Got:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (s.partition(": ") for s in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        endpoint = first.split(" ")[1].removeprefix("/")
        key = (endpoint, headers["webhook-id"])
        self.requests[key] += 1
        got = Got(
            endpoint,
            time.time(),
            {name: headers[name] for name in HEADERS},
            body.decode(),
            self.requests[key],
        )
        self.watch(got)
        return got


@asynccontextmanager
async def receivers() -> AsyncIterator[Receivers]:
    """Serve on a free port."""
    # Senders keep a connection for each of many endpoints.
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    if files != resource.RLIM_INFINITY and files < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    got = Receivers()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await got.serve(reader, writer)
        finally:
            serving.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    got.port = server.sockets[0].getsockname()[1]
    try:
        yield got
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
