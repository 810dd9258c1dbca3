"""One attempt of a delivery, against real servers on 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from app.adapters import webhook_sender
from app.adapters.webhook_sender import WebhookSender, new_secret
from app.domain.deliveries import Attempt, Message
from app.domain.errors import WebhookRefused
from tests.support.certificates import Authority

from .scripted_dns import ScriptedDns, scripted_dns

SECRET = new_secret()
BODY = json.dumps({"type": "custom_hostname.active", "data": {"name": "b\u00fccher"}})


def message(url: str) -> Message:
    return Message(endpoint_id="we_1", url=url, id="msg_1", body=BODY, secrets=(SECRET,))


Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """What a receiver's server got, unparsed by any framework."""

    port: int = 0
    connections: int = 0
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


async def nothing(_: asyncio.StreamWriter) -> None:
    """Cut the connection without an answer."""


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.shop.com ESMTP\r\n")


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
    got = Receiver()
    if tls is not None:
        tls.sni_callback = lambda _, name, __: got.names.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.connections += 1
        try:
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
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    got.port = server.sockets[0].getsockname()[1]
    try:
        yield got
    finally:
        server.close()
        await server.wait_closed()


async def sent(url: str, *, allow_loopback: bool = True) -> Attempt:
    # No proxy of this machine's environment: a test's packets stay on it.
    async with httpx.AsyncClient(trust_env=False) as http:
        sender = WebhookSender(http, allow_loopback=allow_loopback)
        return await sender.send(message(url))


async def test_a_delivery_is_signed_as_standard_webhooks_asks() -> None:
    async with receiver(status(204)) as got:
        attempt = await sent(got.url)
    assert attempt.status_code == 204
    assert attempt.succeeded
    assert attempt.error is None
    ((_, headers, body),) = got.requests
    assert Webhook(SECRET).verify(body, headers) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, {**headers, "webhook-id": "msg_2"})


async def test_a_delivery_has_these_headers_and_the_body_byte_for_byte() -> None:
    async with receiver(status(200)) as got:
        await sent(got.url)
    ((line, headers, body),) = got.requests
    assert line == "POST /hook?tenant=acme HTTP/1.1"
    assert body == BODY.encode()
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "Nameplate-Webhooks/1"
    assert headers["webhook-id"] == "msg_1"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 30
    assert headers["webhook-signature"].startswith("v1,")
    assert headers["content-length"] == str(len(body))
    assert not {"authorization", "cookie"} & set(headers)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "127.1", "2130706433"])
async def test_the_host_header_is_the_name_that_was_given_with_its_port(host: str) -> None:
    async with receiver(status(200)) as got:
        attempt = await sent(f"http://{host}:{got.port}/hook")
    assert attempt.status_code == 200
    ((_, headers, _),) = got.requests
    assert headers["host"] == f"{host.lower()}:{got.port}"


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
async def test_every_2xx_is_success(code: int) -> None:
    async with receiver(status(code)) as got:
        assert (await sent(got.url)).succeeded


@pytest.mark.parametrize("code", [304, 400, 401, 404, 410, 418, 429, 500, 502, 503, 599])
async def test_any_other_status_is_an_answer_but_no_success(code: int) -> None:
    async with receiver(status(code, body=b"Oh no.")) as got:
        attempt = await sent(got.url)
    assert (attempt.status_code, attempt.error) == (code, None)
    assert not attempt.succeeded


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("follow", [False, True])
async def test_a_redirect_is_not_followed(code: int, *, follow: bool) -> None:
    async with receiver(status(200)) as second:
        location = f"Location: {second.url}"
        async with (
            receiver(status(code, location)) as first,
            httpx.AsyncClient(trust_env=False, follow_redirects=follow) as http,
        ):
            sender = WebhookSender(http, allow_loopback=True)
            attempt = await sender.send(message(first.url))
    assert attempt.status_code == code
    assert not attempt.succeeded
    assert (len(first.requests), second.connections) == (1, 0)


async def test_silence_is_an_error_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_sender, "ANSWER_SECONDS", 0.3)
    async with receiver(silence) as got:
        attempt = await sent(got.url)
    assert (attempt.status_code, attempt.error) == (None, "ReadTimeout")
    assert not attempt.succeeded
    assert attempt.duration_ms >= 250


async def test_a_closed_port_is_an_error_line() -> None:
    async with receiver(nothing) as got:
        pass
    attempt = await sent(got.url)
    assert attempt.status_code is None
    assert attempt.error is not None
    assert attempt.error.startswith("ConnectError: ")
    assert "\n" not in attempt.error


@pytest.mark.parametrize("answer", [nothing, no_http])
async def test_an_answer_that_is_no_http_is_an_error_line(answer: Answer) -> None:
    async with receiver(answer) as got:
        attempt = await sent(got.url)
    assert attempt.status_code is None
    assert attempt.error is not None
    assert attempt.error.startswith("RemoteProtocolError: ")
    assert SECRET not in attempt.error


@pytest.mark.parametrize("answer", [endless_body, body_that_stops])
async def test_the_body_of_an_answer_is_not_waited_for(answer: Answer) -> None:
    async with receiver(answer) as got:
        async with asyncio.timeout(5):
            attempt = await sent(got.url)
    assert attempt.status_code == 200


async def test_no_connection_is_used_for_a_second_delivery() -> None:
    # Kept open by address, it would carry the certificate of another name there.
    async with receiver(status(200)) as got, httpx.AsyncClient(trust_env=False) as http:
        sender = WebhookSender(http, allow_loopback=True)
        for host in ("localhost", "127.0.0.1"):
            url = f"http://{host}:{got.port}/"
            await sender.send(message(url))
    assert got.connections == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
async def test_a_refused_address_is_never_connected_to(host: str) -> None:
    async with receiver(status(200)) as got:
        attempt = await sent(f"https://{host}:{got.port}/", allow_loopback=False)
    assert attempt.status_code is None
    assert attempt.error is not None
    assert attempt.error.startswith("address_not_allowed: ")
    assert got.connections == 0


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1/", "url_not_https"),
        ("https://user:password@127.0.0.1/", "url_invalid"),
        ("https://a..b/", "host_unresolved"),
        ("nonsense", "url_invalid"),
        ("", "url_invalid"),
    ],
)
async def test_an_address_that_cannot_be_called_is_an_error_line(url: str, code: str) -> None:
    attempt = await sent(url, allow_loopback=False)
    assert attempt.status_code is None
    assert attempt.error is not None
    assert attempt.error.startswith(f"{code}: ")


@dataclass
class DualStack:
    """A receiver over TLS on 127.0.0.1, and names of it in a DNS server of the test's own."""

    got: Receiver
    dns: ScriptedDns
    trust: ssl.SSLContext

    async def send(self, name: str) -> Attempt:
        async with httpx.AsyncClient(trust_env=False, verify=self.trust) as http:
            sender = WebhookSender(
                http, resolvers=[("127.0.0.1", self.dns.port)], allow_loopback=True
            )
            url = f"https://{name}:{self.got.port}/hook"
            return await sender.send(message(url))


@asynccontextmanager
async def dual_stack(folder: Path, zone_file: str, *names: str) -> AsyncIterator[DualStack]:
    """Serve the names of a zone file, a receiver at 127.0.0.1, and a certificate for each name."""
    authority = Authority(folder, "authority")
    issued = authority.issue("receiver", alternatives=names or ("hooks.shop.com",))
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(issued.certificate, issued.key)
    trust = ssl.create_default_context(cafile=str(authority.file))
    async with receiver(status(200), tls=serving) as got, scripted_dns(zone_file) as dns:
        yield DualStack(got, dns, trust)


async def test_a_name_is_found_by_the_resolvers_of_the_settings(tmp_path: Path) -> None:
    async with dual_stack(tmp_path, "hooks.shop.com A 127.0.0.1") as stack:
        attempt = await stack.send("hooks.shop.com")
    assert (attempt.status_code, attempt.error) == (200, None)
    ((_, headers, _),) = stack.got.requests
    assert headers["host"] == f"hooks.shop.com:{stack.got.port}"
    assert set(stack.dns.names_asked("A")) == {"hooks.shop.com"}


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(("AAAA ::1", "A 127.0.0.1"), id="IPv6 is refused"),
        pytest.param(("AAAA ::1", "A 127.0.0.9", "A 127.0.0.1"), id="two are refused"),
        pytest.param(("A 127.0.0.8", "A 127.0.0.9", "A 127.0.0.1"), id="the last answers"),
    ],
)
async def test_every_address_of_a_name_is_tried_before_a_webhook_is_put_off(
    addresses: tuple[str, ...], tmp_path: Path
) -> None:
    zone_file = "\n".join(f"hooks.shop.com {address}" for address in addresses)
    async with dual_stack(tmp_path, zone_file) as stack:
        attempt = await stack.send("hooks.shop.com")
    assert (attempt.status_code, attempt.error) == (200, None)
    assert len(stack.got.requests) == 1


async def test_an_address_that_is_silent_leaves_the_others_their_part_of_the_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(webhook_sender, "CONNECT_SECONDS", 1.0)
    zone_file = "hooks.shop.com AAAA ::1\nhooks.shop.com A 127.0.0.1"
    async with dual_stack(tmp_path, zone_file) as stack:
        with silent_at("::1", stack.got.port):
            attempt = await stack.send("hooks.shop.com")
    assert (attempt.status_code, attempt.error) == (200, None)
    assert 400 <= attempt.duration_ms < 5000


async def test_a_name_none_of_whose_addresses_answers_is_one_failed_attempt(
    tmp_path: Path,
) -> None:
    zone_file = "hooks.shop.com A 127.0.0.8\nhooks.shop.com A 127.0.0.9"
    async with dual_stack(tmp_path, zone_file) as stack:
        attempt = await stack.send("hooks.shop.com")
    assert attempt.status_code is None
    assert attempt.error is not None
    assert attempt.error.startswith("ConnectError: ")


async def test_one_inner_address_among_several_refuses_them_all(tmp_path: Path) -> None:
    zone_file = "hooks.shop.com A 127.0.0.1\nhooks.shop.com A 10.0.0.1"
    async with dual_stack(tmp_path, zone_file) as stack:
        attempt = await stack.send("hooks.shop.com")
    assert attempt.error is not None
    assert attempt.error.startswith("address_not_allowed: ")
    assert stack.got.connections == 0


async def test_two_names_at_one_address_are_each_asked_for_by_name(tmp_path: Path) -> None:
    names = ("hooks.shop.com", "hooks.mill.com")
    zone_file = "\n".join(f"{name} A 127.0.0.1" for name in names)
    async with dual_stack(tmp_path, zone_file, *names) as stack:
        for name in names:
            assert (await stack.send(name)).status_code == 200
        attempt = await stack.send("hooks.nobody.com")
    assert attempt.error is not None
    assert attempt.error.startswith("host_unresolved: ")
    assert stack.got.names == list(names)


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


async def test_an_address_is_checked_before_it_is_taken() -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        sender = WebhookSender(http, allow_loopback=False)
        sender.check("https://hooks.shop.com/")
        with pytest.raises(WebhookRefused):
            sender.check("https://127.0.0.1/")


def test_a_new_secret_is_new_and_of_the_form_that_standard_webhooks_names() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert all(secret.startswith("whsec_") for secret in secrets)
    assert all(len(Webhook(secret)._whsecret) == 24 for secret in secrets)
