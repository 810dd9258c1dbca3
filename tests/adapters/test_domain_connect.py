"""Domain Connect against real servers: HTTPS and DNS on 127.0.0.1."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from app.adapters import domain_connect
from app.adapters.domain_connect import MOST_BYTES, DomainConnect, SigningKey
from app.domain.diagnosis.domain_connect import DomainConnectOffer, ProviderSettings, Service
from app.domain.errors import NotReady
from tests.support.certificates import Authority

from .scripted_dns import ScriptedDns, scripted_dns

SETTINGS_PATH = "/v2/shop.com/settings"
TEMPLATES = "/api/v2/domainTemplates/providers/provider.com/services/"
HOST = "dc.virtucondomains.net"
OFFER = DomainConnectOffer(
    domain="shop.com",
    settings=ProviderSettings(
        provider_id="virtucondomains.net",
        name="Virtucon",
        url_sync_ux="https://dc.virtucondomains.net/sync",
        url_api="https://dc.virtucondomains.net/api",
    ),
    services=frozenset(Service),
)

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(status: int, body: bytes = b"", *headers: str) -> Answer:
    async def write(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} Any", f"Content-Length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)

    return write


async def silence(writer: asyncio.StreamWriter) -> None:
    await writer.wait_closed()


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.shop.com ESMTP\r\n")


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        await writer.drain()


@dataclass
class Provider:
    """A DNS provider's server, and the names of it in a DNS server of the test's own."""

    trust: ssl.SSLContext
    answers: dict[str, Answer] = field(default_factory=dict)
    port: int = 0
    connections: int = 0
    asked: list[str] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """What the TLS handshakes asked for."""

    def document(self, **change: object) -> dict[str, Any]:
        here = f"https://{HOST}:{self.port}"
        return {
            "providerId": "virtucondomains.net",
            "providerName": "Virtucon",
            "urlSyncUX": f"{here}/sync",
            "urlAPI": f"{here}/api",
        } | change

    def give_settings(self, **change: object) -> None:
        self.answers[SETTINGS_PATH] = answer(200, json.dumps(self.document(**change)).encode())

    def support(self, *services: Service) -> None:
        self.answers |= {TEMPLATES + service: answer(200) for service in services}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            path = lines[0].split()[1]
            self.asked.append(path)
            pairs = (line.partition(": ") for line in lines[1:])
            self.heads.append({name.lower(): value for name, _, value in pairs})
            await self.answers.get(path, answer(404))(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def provider(folder: Path, *names: str) -> AsyncIterator[Provider]:
    authority = Authority(folder, "authority")
    issued = authority.issue("provider", alternatives=names or (HOST,))
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(issued.certificate, issued.key)
    made = Provider(ssl.create_default_context(cafile=str(authority.file)))
    serving.sni_callback = lambda _, name, __: made.names.append(name)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=serving)
    made.port = server.sockets[0].getsockname()[1]
    made.give_settings()
    made.support(*Service)
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()


async def discovered(
    made: Provider,
    dns: ScriptedDns,
    *,
    listed_at: tuple[str, ...] = ("virtucondomains.net",),
    allow_loopback: bool = True,
) -> DomainConnectOffer | None:
    return await DomainConnect(
        provider_id="provider.com",
        listed_at=listed_at,
        resolvers=[("127.0.0.1", dns.port)],
        tls=made.trust,
        allow_loopback=allow_loopback,
    ).discover("shop.com")


def zone_file(made: Provider, *more: str, address: str = "127.0.0.1") -> str:
    return "\n".join(
        [f'_domainconnect.shop.com TXT "{HOST}:{made.port}"', f"{HOST} A {address}", *more]
    )


async def test_a_provider_that_lists_our_templates_is_found(tmp_path: Path) -> None:
    async with provider(tmp_path) as made, scripted_dns(zone_file(made)) as dns:
        offer = await discovered(made, dns)
    assert offer is not None
    assert offer.domain == "shop.com"
    assert offer.services == set(Service)
    assert offer.settings.name == "Virtucon"
    assert offer.host == HOST
    assert made.asked == [SETTINGS_PATH, *(TEMPLATES + service for service in Service)]


async def test_requests_say_the_name_and_no_connection_is_used_twice(tmp_path: Path) -> None:
    async with provider(tmp_path) as made, scripted_dns(zone_file(made)) as dns:
        await discovered(made, dns)
    assert made.names == [HOST] * 3
    assert made.connections == 3
    for head in made.heads:
        assert head["host"] == f"{HOST}:{made.port}"
        assert head["user-agent"] == "Nameplate/1"
        assert not {"authorization", "cookie"} & set(head)


async def test_no_cookie_is_given_back(tmp_path: Path) -> None:
    async with provider(tmp_path) as made, scripted_dns(zone_file(made)) as dns:
        body = json.dumps(made.document()).encode()
        made.answers[SETTINGS_PATH] = answer(200, body, "Set-Cookie: a=b; Path=/")
        assert await discovered(made, dns) is not None
    assert all("cookie" not in head for head in made.heads)


async def test_the_txt_record_may_stand_at_the_end_of_a_cname(tmp_path: Path) -> None:
    async with provider(tmp_path) as made:
        text = (
            "_domainconnect.shop.com CNAME _dc.virtucondomains.net\n"
            f'_dc.virtucondomains.net TXT "{HOST}:" "{made.port}"\n'
            f"{HOST} A 127.0.0.1"
        )
        async with scripted_dns(text) as dns:
            assert await discovered(made, dns) is not None


async def test_another_txt_record_is_tried_where_one_does_not_answer(tmp_path: Path) -> None:
    async with provider(tmp_path) as made:
        more = '_domainconnect.shop.com TXT "a.gone.net"'
        async with scripted_dns(zone_file(made, more)) as dns:
            assert await discovered(made, dns) is not None


async def test_only_the_templates_that_the_provider_supports_are_offered(tmp_path: Path) -> None:
    async with provider(tmp_path) as made, scripted_dns(zone_file(made)) as dns:
        del made.answers[TEMPLATES + Service.VALIDATION]
        offer = await discovered(made, dns)
    assert offer is not None
    assert offer.services == {Service.ROUTING}


async def test_nothing_is_asked_where_no_provider_lists_our_templates(tmp_path: Path) -> None:
    async with provider(tmp_path) as made, scripted_dns(zone_file(made)) as dns:
        assert await discovered(made, dns, listed_at=()) is None
    assert made.connections == 0
    assert dns.asked == []


async def test_a_provider_that_the_settings_do_not_name_is_never_offered(tmp_path: Path) -> None:
    async with provider(tmp_path) as made, scripted_dns(zone_file(made)) as dns:
        assert await discovered(made, dns, listed_at=("other.net",)) is None
    assert made.asked == [SETTINGS_PATH]


async def test_a_provider_without_links_or_without_our_templates_is_not_offered(
    tmp_path: Path,
) -> None:
    async with provider(tmp_path) as made, scripted_dns(zone_file(made)) as dns:
        made.give_settings(urlSyncUX=None)
        assert await discovered(made, dns) is None
        made.give_settings()
        for service in Service:
            del made.answers[TEMPLATES + service]
        assert await discovered(made, dns) is None


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(answer(404), id="404"),
        pytest.param(answer(500), id="500"),
        pytest.param(answer(200), id="no body"),
        pytest.param(answer(200, b"<html>"), id="no JSON"),
        pytest.param(answer(200, b"\xff\xfe{"), id="no text"),
        pytest.param(answer(200, b"[" * 50_000), id="deep"),
        pytest.param(answer(200, b" " * (MOST_BYTES + 1)), id="too long"),
        pytest.param(endless, id="endless"),
        pytest.param(no_http, id="no HTTP"),
        pytest.param(
            answer(302, b"", "Location: https://dc.virtucondomains.net/elsewhere"), id="redirect"
        ),
    ],
)
async def test_an_unusable_answer_is_no_offer(given: Answer, tmp_path: Path) -> None:
    async with provider(tmp_path) as made, scripted_dns(zone_file(made)) as dns:
        made.answers[SETTINGS_PATH] = given
        assert await discovered(made, dns) is None
    assert made.asked == [SETTINGS_PATH]


async def test_a_provider_that_is_silent_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(domain_connect, "ANSWER_SECONDS", 0.2)
    async with provider(tmp_path) as made, scripted_dns(zone_file(made)) as dns:
        made.answers[SETTINGS_PATH] = silence
        assert await discovered(made, dns) is None


async def test_all_questions_together_have_a_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(domain_connect, "DISCOVERY_SECONDS", 0.3)
    async with provider(tmp_path) as made, scripted_dns(zone_file(made)) as dns:
        made.answers[SETTINGS_PATH] = silence
        assert await discovered(made, dns) is None


async def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    async with (
        provider(tmp_path, "other.virtucondomains.net") as made,
        scripted_dns(zone_file(made)) as dns,
    ):
        assert await discovered(made, dns) is None
    assert made.asked == []


async def test_another_address_is_tried_where_one_refuses(tmp_path: Path) -> None:
    async with (
        provider(tmp_path) as made,
        scripted_dns(zone_file(made, f"{HOST} AAAA ::1")) as dns,
    ):
        assert await discovered(made, dns) is not None


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("", ""),
        ("", '_domainconnect.shop.com TXT "https://dc.virtucondomains.net"'),
        ("", '_domainconnect.shop.com TXT "gone.virtucondomains.net"'),
        ("servfail", '_domainconnect.shop.com TXT "dc.virtucondomains.net"'),
        ("malformed", '_domainconnect.shop.com TXT "dc.virtucondomains.net"'),
    ],
)
async def test_a_domain_without_a_usable_txt_record_has_no_offer(
    fault: str, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(domain_connect, "RESOLVE_SECONDS", 0.5)
    async with provider(tmp_path) as made, scripted_dns(text, faults={"*": fault}) as dns:
        assert await discovered(made, dns) is None
    assert made.connections == 0


@pytest.mark.parametrize("domain", ["a..b", "x" * 64 + ".com", "", "shop.com/../x"])
async def test_a_text_that_is_no_domain_has_no_offer(domain: str, tmp_path: Path) -> None:
    async with (
        provider(tmp_path) as made,
        scripted_dns(zone_file(made)) as dns,
    ):
        asked = DomainConnect(
            provider_id="provider.com",
            listed_at=["virtucondomains.net"],
            resolvers=[("127.0.0.1", dns.port)],
        )
        assert await asked.discover(domain) is None
    assert made.connections == 0


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0"],  # noqa: S104
)
async def test_an_inner_address_is_never_connected_to(address: str, tmp_path: Path) -> None:
    async with (
        provider(tmp_path) as made,
        scripted_dns(zone_file(made, address=address)) as dns,
    ):
        assert await discovered(made, dns, allow_loopback=False) is None
    assert made.connections == 0
    assert HOST in dns.names_asked("A")


async def test_one_inner_address_among_several_refuses_them_all(tmp_path: Path) -> None:
    async with (
        provider(tmp_path) as made,
        scripted_dns(zone_file(made, f"{HOST} A 10.0.0.1")) as dns,
    ):
        assert await discovered(made, dns) is None
    assert made.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "0x7f.0.0.1", "db.internal"])
async def test_an_inner_host_in_the_txt_record_is_refused_unresolved(
    host: str, tmp_path: Path
) -> None:
    async with provider(tmp_path) as made:
        text = f'_domainconnect.shop.com TXT "{host}:{made.port}"'
        async with scripted_dns(text) as dns:
            assert await discovered(made, dns, allow_loopback=False) is None
    assert made.connections == 0
    assert {asked.name for asked in dns.asked} == {"_domainconnect.shop.com"}


async def test_an_inner_address_behind_the_settings_is_never_connected_to(tmp_path: Path) -> None:
    async with provider(tmp_path) as made:
        made.give_settings(urlAPI="https://api.virtucondomains.net/api")
        text = zone_file(made, "api.virtucondomains.net A 10.0.0.1")
        async with scripted_dns(text) as dns:
            assert await discovered(made, dns) is None
    assert made.asked == [SETTINGS_PATH]
    assert "api.virtucondomains.net" in dns.names_asked("A")


def pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    encryption: KeySerializationEncryption | None = None,
) -> str:
    encryption = encryption or NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def asking(key: SigningKey | None) -> DomainConnect:
    return DomainConnect(provider_id="provider.com", listed_at=(), key=key)


def routing_link(key: SigningKey | None) -> str:
    return asking(key).link(
        OFFER, Service.ROUTING, host="www", variables={"target": "x.provider.com"}
    )


def test_a_link_is_not_signed_without_a_key() -> None:
    assert routing_link(None) == (
        "https://dc.virtucondomains.net/sync/v2/domainTemplates/providers/provider.com"
        "/services/nameplate-routing/apply?domain=shop.com&host=www&target=x.provider.com"
    )


@pytest.mark.parametrize("line_end", ["\n", "\\n"])
def test_a_signed_link_is_verified_with_the_public_key(line_end: str) -> None:
    key = SigningKey.read(pem(KEY).replace("\n", line_end), "_dcpubkeyv1")
    query = urlsplit(routing_link(key)).query
    text, _, tail = query.partition("&sig=")
    assert text == urlsplit(routing_link(None)).query
    assert parse_qs(query)["key"] == ["_dcpubkeyv1"]
    assert tail.endswith("&key=_dcpubkeyv1")
    signature = base64.b64decode(parse_qs(query)["sig"][0], validate=True)
    KEY.public_key().verify(signature, text.encode(), PKCS1v15(), SHA256())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "change-me",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505
        pem(KEY, BestAvailableEncryption(b"password")),
    ],
    ids=["empty", "no key", "not RSA", "too short", "with a password"],
)
def test_another_key_is_refused(text: str) -> None:
    with pytest.raises(NotReady, match="must be an RSA key of at least 2048 bits"):
        SigningKey.read(text, "_dcpubkeyv1")
