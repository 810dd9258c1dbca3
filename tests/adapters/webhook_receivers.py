"""Receivers of webhooks on 127.0.0.1, and names of them in a DNS server of the test's own."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.adapters.egress import EgressPolicy
from app.adapters.webhook_sender import WebhookSender
from app.adapters.webhook_signing import new_secret
from app.domain.deliveries import Attempt, Message
from tests.support.certificates import Authority

from .scripted_dns import ScriptedDns, scripted_dns

SECRET = new_secret()
BODY = json.dumps({"type": "custom_hostname.active", "data": {"name": "b\u00fccher"}})
LOOPBACK = EgressPolicy(allow_loopback=True)
PUBLIC = EgressPolicy()
# Trusts nobody: receivers without TLS need none of it.
NO_TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def message(url: str, *, endpoint: str = "we_1", secrets: tuple[str, ...] = (SECRET,)) -> Message:
    return Message(endpoint_id=endpoint, url=url, id="msg_1", body=BODY, secrets=secrets)


def new_sender(
    policy: EgressPolicy = LOOPBACK,
    dns: ScriptedDns | None = None,
    tls: ssl.SSLContext = NO_TRUST,
) -> WebhookSender:
    resolvers = [] if dns is None else [("127.0.0.1", dns.port)]
    return WebhookSender(policy, resolvers=resolvers, tls=tls)


async def sent(url: str, policy: EgressPolicy = LOOPBACK) -> Attempt:
    async with new_sender(policy) as sender:
        return await sender.send(message(url))


@dataclass
class Receiver:
    """What a receiver's server got, unparsed by any framework."""

    port: int = 0
    connections: int = 0
    open: int = 0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """What the TLS handshakes asked for."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?tenant=acme"


def status(code: int, *headers: str, body: bytes = b"") -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {code} Any", f"Content-Length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)

    return answer


async def nothing(writer: asyncio.StreamWriter) -> None:
    """Cut the connection without an answer."""
    writer.close()


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.shop.com ESMTP\r\n")
    writer.close()


async def silence(writer: asyncio.StreamWriter) -> None:
    await writer.wait_closed()


async def endless_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        await writer.drain()


async def body_that_stops(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun")
    await writer.drain()
    await writer.wait_closed()


@asynccontextmanager
async def receiver(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Serve on a free port. A connection stays open until somebody closes it."""
    got = Receiver()
    serving: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
    if tls is not None:
        tls.sni_callback = lambda _, name, __: got.names.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.connections += 1
        got.open += 1
        serving[writer] = asyncio.current_task()
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value
                    for name, _, value in (line.partition(": ") for line in head[1:])
                }
                body = await reader.readexactly(int(headers["content-length"]))
                got.requests.append((head[0], headers, body))
                await answer(writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            got.open -= 1
            writer.close()
            del serving[writer]

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    got.port = server.sockets[0].getsockname()[1]
    try:
        yield got
    finally:
        server.close()
        await server.wait_closed()
        tasks = [task for task in serving.values() if task is not None]
        for writer in list(serving):
            writer.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)


@dataclass
class NamedReceiver:
    """A receiver over TLS on 127.0.0.1, and names of it in a DNS server of the test's own."""

    got: Receiver
    dns: ScriptedDns
    trust: ssl.SSLContext

    def url(self, name: str) -> str:
        return f"https://{name}:{self.got.port}/hook"

    def sender(self, policy: EgressPolicy = LOOPBACK) -> WebhookSender:
        return new_sender(policy, self.dns, self.trust)

    async def send(self, name: str) -> Attempt:
        async with self.sender() as sender:
            return await sender.send(message(self.url(name)))


@asynccontextmanager
async def named_receiver(
    folder: Path, zone_file: str, *names: str, answer: Answer | None = None
) -> AsyncIterator[NamedReceiver]:
    """Serve the names of a zone file, a receiver at 127.0.0.1, and a certificate for each name."""
    authority = Authority(folder, "authority")
    issued = authority.issue("receiver", alternatives=names or ("hooks.shop.com",))
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(issued.certificate, issued.key)
    trust = ssl.create_default_context(cafile=str(authority.file))
    async with (
        receiver(answer or status(200), tls=serving) as got,
        scripted_dns(zone_file) as dns,
    ):
        yield NamedReceiver(got, dns, trust)


@contextmanager
def silent_at(address: str, port: int) -> Iterator[None]:
    """Let an address take no connection and refuse none: its queue of connections is full."""
    with ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket(socket.AF_INET6))
        listening.bind((address, port))
        listening.listen(0)
        for _ in range(2):
            waiting = sockets.enter_context(socket.socket(socket.AF_INET6))
            waiting.settimeout(0)
            waiting.connect_ex((address, port))
        yield
