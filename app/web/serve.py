"""Runs an ASGI application on a port until asked to stop. The caller handles signals."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

GRACE_SECONDS = 3
"""For requests in progress. Those that wait for a change are cut short."""

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than load balancers keep theirs, mostly a minute.
Otherwise they send a request into a connection that is just being closed."""


class PortInUse(Exception):
    """Another process listens on the port."""

    def __init__(self, port: int, what: str, option: str) -> None:
        super().__init__(f"port {port} for {what} is in use; choose another with {option}")


class _Server(uvicorn.Server):
    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signals to its main program, which may also run a worker."""
        yield


def bind(host: str, port: int, what: str, *, option: str = "--port") -> socket.socket:
    """Bind a port, before anything starts that would have to be stopped again.

    Raises:
        PortInUse: something else listens on the port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if port:
        # Not for any free port: two processes that bind at the same moment could get the same one.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(port, what, option) from None
        raise
    sock.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return sock


def mapped(prefixes: Sequence[str]) -> list[str]:
    """Return IPv4 prefixes as a socket that listens on IPv6 sees them, `::ffff:10.0.0.0/104`."""
    networks = [ipaddress.ip_network(prefix) for prefix in prefixes]
    return [
        f"::ffff:{network.network_address}/{96 + network.prefixlen}"
        for network in networks
        if network.version == 4  # noqa: PLR2004
    ]


async def serve(
    app: ASGIApp,
    sock: socket.socket,
    stop: asyncio.Event,
    *,
    started: asyncio.Event | None = None,
    trusted_proxies: Sequence[str] = (),
) -> None:
    """Serve until `stop` is set. Requests in progress may end.

    The caller of a request that comes from one of `trusted_proxies` is the last address in its
    X-Forwarded-For that is none of them.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=[*trusted_proxies, *mapped(trusted_proxies)],
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[sock]), name="http")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.01)
        if started is not None and server.started:
            started.set()
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        stopping.cancel()
        await serving
