"""Connections to webhook endpoints: a small pool for each, kept as long as it is used.

One pool for all would search all its connections at every request.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpcore

from app.adapters.guarded_connections import GuardedPool

IDLE_SECONDS = 60.0
"""How long an idle connection is kept."""
MOST_SECONDS = 300.0
"""How long one pool serves. Otherwise a busy connection would never follow a change of DNS."""
MOST_CONNECTIONS = 2000
"""How many connections are kept over all endpoints."""


@dataclass(slots=True, eq=False)
class EndpointPool:
    """The connections to one endpoint."""

    endpoint_id: str
    origin: httpcore.Origin
    http: GuardedPool
    began: float
    used: float
    in_use: int = 0
    connections: int = 0
    """How many it had when it was given back last."""

    async def request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request; and once more if it met a kept connection that was closed meanwhile.

        A receiver may close an idle connection at the very moment a message sets out.

        Raises:
            WebhookRefused: the address may not be called.
            httpcore.ConnectError: one of `FAILURES`.
        """
        opened = self.http.backend.opened
        try:
            return await self.http.handle_async_request(request)
        except (httpcore.ReadError, httpcore.RemoteProtocolError):
            if self.http.backend.opened != opened:
                raise
        return await self.http.handle_async_request(request)


class EndpointConnections:
    """The pools of all endpoints, the one that was used longest ago first."""

    def __init__(
        self,
        *,
        most: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take how many connections to keep at most."""
        open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = most_connections(open_files) if most is None else most
        self._clock = clock
        self._pools: dict[str, EndpointPool] = {}
        self._kept = 0
        """How many connections the pools have, replaced ones that are in use included."""
        self._closing: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many endpoints have a pool."""
        return len(self._pools)

    @asynccontextmanager
    async def of(
        self, endpoint_id: str, origin: httpcore.Origin, open_pool: Callable[[], GuardedPool]
    ) -> AsyncIterator[EndpointPool]:
        """Lend an endpoint's pool, opened if it has none; it stays open until it is given back."""
        now = self._clock()
        pool = former = self._pools.pop(endpoint_id, None)
        if pool is None or pool.origin != origin or now - pool.began > MOST_SECONDS:
            pool = EndpointPool(endpoint_id, origin, open_pool(), began=now, used=now)
        self._pools[endpoint_id] = pool
        pool.in_use += 1
        try:
            if former is not None and former is not pool and not former.in_use:
                await self._drop(former)
            yield pool
        finally:
            await self._take_back(pool)

    async def aclose(self) -> None:
        """Close all connections."""
        closing, self._closing = self._closing, None
        if closing is not None:
            closing.cancel()
            await asyncio.wait([closing])
        for pool in list(self._pools.values()):
            await self._drop(pool)

    async def _take_back(self, pool: EndpointPool) -> None:
        pool.in_use -= 1
        pool.used = self._clock()
        connections = len(pool.http.connections)
        self._kept += connections - pool.connections
        pool.connections = connections
        is_current = self._pools.get(pool.endpoint_id) is pool
        if is_current and connections:
            self._pools[pool.endpoint_id] = self._pools.pop(pool.endpoint_id)
        elif not pool.in_use:
            await self._drop(pool)
        while self._kept > self._most:
            unused = next((each for each in self._pools.values() if not each.in_use), None)
            if unused is None:
                break
            await self._drop(unused)
        if self._pools and self._closing is None:
            self._closing = asyncio.create_task(self._close_idle())

    async def _drop(self, pool: EndpointPool) -> None:
        if self._pools.get(pool.endpoint_id) is pool:
            del self._pools[pool.endpoint_id]
        self._kept -= pool.connections
        pool.connections = 0
        await pool.http.aclose()

    async def _close_idle(self) -> None:
        try:
            while self._pools:
                pool = next(iter(self._pools.values()))
                left = pool.used + IDLE_SECONDS - self._clock()
                if left > 0 or pool.in_use:
                    await asyncio.sleep(max(left, 1.0))
                else:
                    await self._drop(pool)
        finally:
            self._closing = None


def most_connections(open_files: int) -> int:
    """Return how many to keep: at most a half of the files that this process may have open."""
    if open_files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, open_files // 2)
