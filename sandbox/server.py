"""Starts and stops the sandbox: its sockets, and what listens on them.

The only file that binds; everything is on 127.0.0.1.
"""

import errno
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import constants
from sandbox.beginning import Beginning
from sandbox.dns_server import DnsServer
from sandbox.front import front
from sandbox.gateway import BASE_PATH
from sandbox.http_server import HttpServer
from sandbox.state import Sandbox
from sandbox.store import Store

_LOOPBACK = "127.0.0.1"
_FREE_PORT_TRIES = 20


class PortInUseError(OSError):
    """Somebody else listens where the sandbox should."""

    def __init__(self, port: int, what: str, option: str) -> None:
        said = f"port {port} for the sandbox's {what} is in use; choose another with {option}"
        super().__init__(errno.EADDRINUSE, said)


@dataclass(frozen=True, slots=True)
class _Use:
    """What a port is for, and the option that names it."""

    what: str
    option: str


_RECEIVER = _Use("webhook receiver", "--receiver-port")
_DNS_UDP = _Use("DNS server (UDP)", "--dns-port")
_DNS_TCP = _Use("DNS server (TCP)", "--dns-port")


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Where the sandbox keeps its state and listens, and how it begins.

    A port of 0 means any free one; the DNS port is one number for UDP and TCP. `port_option` is how
    the command calls `port`: beside an API it is no longer `--port`.
    """

    data_dir: Path
    port: int = 8001
    dns_port: int = 8053
    receiver_port: int = 8002
    speed: float = 60.0
    set_up: bool = False
    seed: int = 0
    port_option: str = "--port"


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """What a client of the sandbox has to know."""

    url: str
    dns: str
    receiver: str
    cloudflare_zone_id: str = constants.ZONE_ID
    cloudflare_account_id: str = constants.ACCOUNT_ID
    cloudflare_token: str = constants.TOKEN

    @property
    def cloudflare_base_url(self) -> str:
        """The base of the emulated Cloudflare API."""
        return f"{self.url}{BASE_PATH}"


@asynccontextmanager
async def run_sandbox(options: SandboxOptions) -> AsyncIterator[RunningSandbox]:
    """Run the sandbox; when this yields, all of it answers."""
    async with AsyncExitStack() as stack:
        http_use = _Use("control and Cloudflare API", options.port_option)
        http = _bound(stack, socket.SOCK_STREAM, options.port, http_use)
        receiver = _bound(stack, socket.SOCK_STREAM, options.receiver_port, _RECEIVER)
        udp, tcp = _bound_pair(stack, options.dns_port)
        store = Store(options.data_dir)
        stack.callback(store.close)
        beginning = Beginning(options.speed, options.set_up, options.seed)
        sandbox = Sandbox(store, beginning, (_LOOPBACK, _port(udp)))
        dns_server = DnsServer(sandbox.world)
        stack.push_async_callback(dns_server.close)
        await dns_server.start(udp, tcp)
        sandbox.start()
        stack.push_async_callback(sandbox.stop)
        for app, sock in ((front(sandbox), http), (_receiver(sandbox), receiver)):
            server = HttpServer(app)
            stack.push_async_callback(server.close)
            await server.start(sock)
        yield RunningSandbox(
            url=f"http://{_LOOPBACK}:{_port(http)}",
            dns=f"{_LOOPBACK}:{_port(udp)}",
            receiver=f"http://{_LOOPBACK}:{_port(receiver)}",
        )


def _receiver(sandbox: Sandbox) -> ASGIApp:
    async def receiver(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await sandbox.receiver(scope, receive, send)

    return receiver


def _bound(stack: AsyncExitStack, kind: socket.SocketKind, port: int, use: _Use) -> socket.socket:
    # asyncio turns Nagle's delay off only where the protocol is named.
    protocol = socket.IPPROTO_TCP if kind == socket.SOCK_STREAM else socket.IPPROTO_UDP
    sock = socket.socket(socket.AF_INET, kind, protocol)
    stack.callback(sock.close)
    sock.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    # Not for any free port: two that bind at the same moment could get the same one.
    if kind == socket.SOCK_STREAM and port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((_LOOPBACK, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(port, use.what, use.option) from None
        raise
    return sock


def _bound_pair(stack: AsyncExitStack, port: int) -> tuple[socket.socket, socket.socket]:
    """Bind UDP and TCP to one number; with any free one, some are free for one of them only."""
    for tries_left in reversed(range(_FREE_PORT_TRIES)):
        udp = _bound(stack, socket.SOCK_DGRAM, port, _DNS_UDP)
        try:
            return udp, _bound(stack, socket.SOCK_STREAM, _port(udp), _DNS_TCP)
        except PortInUseError:
            if port or not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def _port(sock: socket.socket) -> int:
    port: int = sock.getsockname()[1]
    return port
