"""A small HTTP/1.1 load generator: keep-alive connections that ask again after each answer.

It parses as little as possible, so that the server is what is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import cast

from typing_extensions import override


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], until: float) -> None:
        self._requests = requests
        self._until = until
        self._received = b""
        self.answered = 0
        self.failed = ""
        self.done = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(next(self._requests))

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < content_length(head):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.failed = head.decode("latin-1").splitlines()[0]
            self._transport.close()
            return
        self._received = b""
        self.answered += 1
        if time.perf_counter() < self._until:
            self._transport.write(next(self._requests))
        else:
            self._transport.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def content_length(head: bytes) -> int:
    """Return how long the body of this request or answer is.

    Raises:
        ValueError: it does not say.
    """
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("a message without its length")


async def requests_per_second(
    port: int, paths: Sequence[str], *, key: str, seconds: float, connections: int
) -> float:
    """Request `paths` in turn for so many seconds. Every answer must be a 200."""
    wire = [
        f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        for path in paths
    ]
    loop = asyncio.get_running_loop()
    requests = cycle(wire)
    began = time.perf_counter()
    opened: list[_Connection] = []
    for _ in range(connections):
        _, protocol = await loop.create_connection(
            lambda: _Connection(requests, began + seconds), "127.0.0.1", port
        )
        opened.append(protocol)
    await asyncio.gather(*(connection.done for connection in opened))
    elapsed = time.perf_counter() - began
    failures = [connection.failed for connection in opened if connection.failed]
    if failures:
        raise RuntimeError(f"the server answered {failures[0]}")
    return sum(connection.answered for connection in opened) / elapsed
