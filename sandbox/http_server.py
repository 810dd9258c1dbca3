"""HTTP on a bound socket through uvicorn's protocol, inside a running event loop.

Uses neither uvicorn's process (signals, logging) nor its graceful shutdown: connections are
cut at the end, as a sandbox may. Lets an application cut its own connection, too.
"""

import asyncio
import socket
import struct

import httpx
from starlette.types import ASGIApp, Receive, Scope
from typing_extensions import override
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

_TRANSPORT = "sandbox.transport"
_LINGER_ZERO = struct.pack("ii", 1, 0)
_CLOSE_SECONDS = 0.5
_KEEP_ALIVE_SECONDS = 75


class _Protocol(HttpToolsProtocol):
    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.access_log = False
        self.scope["state"][_TRANSPORT] = self.transport


async def cut_connection(scope: Scope, receive: Receive) -> None:
    """Reset the client's connection without an answer.

    A client in the same process has none: it meets the error that it would raise itself.
    """
    transport: asyncio.Transport | None = scope.get("state", {}).get(_TRANSPORT)
    if transport is None:
        raise httpx.ReadError("the connection was reset")
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()
    await until_disconnected(receive)


def has_connection(scope: Scope) -> bool:
    """Say whether a call came over a socket."""
    return _TRANSPORT in scope.get("state", {})


async def until_disconnected(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


class HttpServer:
    """Serves one application on one socket."""

    def __init__(self, app: ASGIApp) -> None:
        self._config = Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        self._config.load()
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self, sock: socket.socket) -> None:
        """Answer on a bound socket."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Protocol(self._config, self._state, {}), sock=sock
        )

    async def close(self) -> None:
        """Cut all connections and wait for what was being answered."""
        if self._server:
            self._server.close()
        for connection in list(self._state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=_CLOSE_SECONDS)
        for task in self._state.tasks:
            task.cancel()
        await asyncio.sleep(0)
