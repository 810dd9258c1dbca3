"""G8 through the whole service: what a URL, a name or a redirect leads to, no inner address is met.

Every address that the service might be led to has a listener of ours or lies outside this machine,
where the audit hook of `conftest` refuses each packet. A DNS server of ours counts the questions.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from typing_extensions import override

from app.bootstrap import open_services
from app.local.stack import HOST, load_secrets, sandbox_settings
from app.main import serve_api
from app.settings import Settings
from app.web.serve import bind
from app.worker.health_server import bind_metrics
from app.worker.run import run_worker
from sandbox.server import SandboxOptions, run_sandbox
from tests.adapters.scripted_dns import ScriptedDns, scripted_dns
from tests.support import PLAIN, WAIT_SECONDS
from tests.support.dns_servers import free_port, has_ipv6

ENDPOINTS = "/v1/webhook-endpoints"
DOMAIN = "green-shops.com"

LITERALS = {
    "loopback": ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "017700000001", "[::1]"],
    "full-width digits": ["\uff11\uff12\uff17.0.0.1"],
    "this network": ["0.0.0.0", "0"],  # noqa: S104 - nothing is bound
    "private": ["10.0.0.1", "10.1", "172.16.0.1", "192.168.257", "[fd00::1]"],
    "shared": ["100.64.0.1"],
    "link-local": ["169.254.1.1", "[fe80::1]", "[fe80::1%25eth0]"],
    "metadata": ["169.254.169.254", "0xa9fea9fe", "100.100.100.200", "168.63.129.16"],
    "metadata over IPv6": ["[fd00:ec2::254]", "[fd20:ce::254]"],
    "multicast, reserved, broadcast": ["224.0.0.1", "240.0.0.1", "255.255.255.255", "[ff02::1]"],
    "documentation": ["192.0.2.1", "198.51.100.1", "[2001:db8::1]"],
    "mapped": ["[::ffff:127.0.0.1]", "[::ffff:a00:1]", "[::ffff:169.254.169.254]"],
    "compatible": ["[::127.0.0.1]"],
    "NAT64": ["[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a00:1]"],
    "6to4 and Teredo": ["[2002:7f00:1::]", "[2001:0:7f00:1::]"],
    "names of inner networks": ["localhost", "LOCALHOST.", "printer.local", "db.internal"],
    "reverse names": ["1.0.0.127.in-addr.arpa"],
}
ALL_LITERALS = [literal for literals in LITERALS.values() for literal in literals]

ANSWERS = {
    "loopback": ["A 127.0.0.1"],
    "other-loopback": ["A 127.1.2.3"],
    "loopback-v6": ["AAAA ::1"],
    "this-network": ["A 0.0.0.0"],
    "private": ["A 10.0.0.1"],
    "shared": ["A 100.64.0.1"],
    "metadata": ["A 169.254.169.254"],
    "alibaba": ["A 100.100.100.200"],
    "metadata-v6": ["AAAA fd00:ec2::254"],
    "unique-local": ["AAAA fd00::1"],
    "link-local-v6": ["AAAA fe80::1"],
    "mapped": ["AAAA ::ffff:127.0.0.1"],
    "compatible": ["AAAA ::127.0.0.1"],
    "nat64": ["AAAA 64:ff9b::7f00:1"],
    "local-nat64": ["AAAA 64:ff9b:1::7f00:1"],
    "sixtofour": ["AAAA 2002:7f00:1::"],
    "teredo": ["AAAA 2001:0:7f00:1::"],
    "multicast": ["A 224.0.0.1"],
    "broadcast": ["A 255.255.255.255"],
    # One inner address spoils the public ones, whichever comes first.
    "mixed": ["A 8.8.8.8", "A 127.0.0.1"],
    "mixed-families": ["A 127.0.0.1", "AAAA 2606:4700:4700::1111"],
    "by-alias": ["CNAME loopback.green-shops.com"],
    "to-localhost": ["CNAME localhost"],
}


@dataclass
class Listener:
    """Counts connections to one address, and answers what it is told to."""

    address: str
    port: int
    answer: bytes = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(port: int, *addresses: str) -> AsyncIterator[list[Listener]]:
    async with AsyncExitStack() as stack:
        listeners = [Listener(address, port) for address in addresses]
        for each in listeners:
            server = await asyncio.start_server(each.serve, each.address, port)
            stack.callback(server.close)
        yield listeners


@dataclass
class Running:
    """The service, and the DNS server that it asks."""

    http: httpx.AsyncClient
    dns: ScriptedDns
    port: int

    async def add(self, url: str) -> dict[str, Any]:
        response = await self.http.post(ENDPOINTS, json={"url": url})
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def attempt(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        """Send a test event, and return its first attempt."""
        path = f"{ENDPOINTS}/{endpoint['id']}"
        sent = (await self.http.post(f"{path}/test")).json()
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                shown = (await self.http.get(f"{path}/deliveries/{sent['id']}")).json()
                if shown["attempts_made"]:
                    return dict(shown["attempts_made"][-1])
                await asyncio.sleep(0.05)

    def asked(self) -> Counter[str]:
        """Count the questions about the test's own names."""
        return Counter(each.name for each in self.dns.asked if each.name.endswith(DOMAIN))


@asynccontextmanager
async def running(database_url: str, folder: Path, **others: Any) -> AsyncIterator[Running]:
    """Run API and worker with settings as in life, but for the `others`."""
    kept = load_secrets(folder)
    port = free_port()
    options = SandboxOptions(
        data_dir=folder / "sandbox", port=0, dns_port=0, receiver_port=0, speed=1000, set_up=True
    )
    async with run_sandbox(options) as sandbox, scripted_dns() as dns:
        settings = sandbox_settings(
            sandbox,
            database_url,
            kept,
            dns_resolvers=f"127.0.0.1:{dns.port}",
            webhooks_allow_loopback=False,
            webhooks_ports=f"443,{port}",
            **others,
        )
        sock = bind(HOST, 0, "the API")
        url = f"http://{HOST}:{sock.getsockname()[1]}"
        headers = {"Authorization": f"Bearer {kept.api_key}"}
        async with (
            _served(settings, sock),
            httpx.AsyncClient(
                base_url=url, headers=headers, timeout=30, trust_env=False, verify=PLAIN
            ) as http,
        ):
            yield Running(http, dns, port)


@asynccontextmanager
async def _served(settings: Settings, sock: socket.socket) -> AsyncIterator[None]:
    stop, started = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with open_services(settings) as services:
            await run_worker(services, stop, concurrency=8, metrics=bind_metrics(HOST, 0))

    api = asyncio.create_task(serve_api(settings, sock, stop, started=started))
    worker = asyncio.create_task(work())
    try:
        await asyncio.wait_for(started.wait(), WAIT_SECONDS)
        yield
    finally:
        stop.set()
        await asyncio.gather(api, worker)
        sock.close()


async def test_no_literal_of_an_inner_address_is_taken_or_looked_up(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as service:
        endpoint = await service.add(f"https://hooks.{DOMAIN}/")
        before = len(service.dns.asked)
        taken = []
        for literal in ALL_LITERALS:
            for authority in (literal, f"{literal}:{service.port}"):
                url = f"https://{authority}/hook"
                answers = [
                    await service.http.post(ENDPOINTS, json={"url": url}),
                    await service.http.patch(f"{ENDPOINTS}/{endpoint['id']}", json={"url": url}),
                ]
                for answer in answers:
                    problem = answer.json()
                    is_refused = answer.status_code == 422 and problem["code"] in {
                        "address_not_allowed",
                        "url_invalid",
                    }
                    if not is_refused or problem["errors"][0]["pointer"] != "/url":
                        taken.append((url, answer.text))
        assert taken == []
        shown = (await service.http.get(f"{ENDPOINTS}/{endpoint['id']}")).json()
        assert shown["url"] == endpoint["url"]
        asked = [each.name for each in service.dns.asked[before:]]
        assert not set(asked) & {
            literal.strip("[]").rstrip(".").lower() for literal in ALL_LITERALS
        }


NEVER_CALLED = {
    f"http://hooks.{DOMAIN}/": "url_not_https",
    f"ftp://hooks.{DOMAIN}/": "url_not_https",
    f"//hooks.{DOMAIN}/": "url_not_https",
    f"https://user:secret@hooks.{DOMAIN}/": "url_invalid",
    f"https://hooks.{DOMAIN}:0/": "url_invalid",
    f"https://hooks.{DOMAIN}:65536/": "url_invalid",
    "https:///hook": "url_invalid",
    f"https://hooks.{DOMAIN}:22/": "port_not_allowed",
}


async def test_other_urls_that_are_never_called_are_refused_with_their_reason(
    refusing: Running,
) -> None:
    answers = [await refusing.http.post(ENDPOINTS, json={"url": url}) for url in NEVER_CALLED]
    assert {answer.status_code for answer in answers} == {422}
    codes = [answer.json()["code"] for answer in answers]
    assert dict(zip(NEVER_CALLED, codes, strict=True)) == NEVER_CALLED


@pytest.fixture
async def refusing(database_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with running(database_url, tmp_path) as service:
        yield service


async def test_no_name_that_leads_inside_is_connected_to(refusing: Running) -> None:
    listened = ["127.0.0.1", "127.1.2.3", *(["::1"] if has_ipv6() else [])]
    for name, answers in ANSWERS.items():
        for answer in answers:
            kind, _, value = answer.partition(" ")
            key = (f"{name}.{DOMAIN}", kind)
            absolute = f"{value}." if kind == "CNAME" else value
            refusing.dns.records.setdefault(key, []).append(absolute)
    refusing.dns.records["localhost", "A"] = ["127.0.0.1"]
    async with listening(refusing.port, *listened) as listeners:
        endpoints = {
            name: await refusing.add(f"https://{name}.{DOMAIN}:{refusing.port}/hook")
            for name in (*ANSWERS, "nowhere")
        }
        assert refusing.asked() == {}
        attempts = await asyncio.gather(*map(refusing.attempt, endpoints.values()))
    said = {
        name: str(attempt["error"]).partition(":")[0]
        for name, attempt in zip(endpoints, attempts, strict=True)
    }
    assert said == {**dict.fromkeys(ANSWERS, "address_not_allowed"), "nowhere": "host_unresolved"}
    assert {attempt["status_code"] for attempt in attempts} == {None}
    assert [each.connections for each in listeners] == [0] * len(listeners)
    assert {f"{name}.{DOMAIN}" for name in endpoints} <= set(refusing.asked())


class Alternating(dict[tuple[str, str], list[str]]):
    """Gives one name another address at each question."""

    def __init__(self, name: str, *addresses: str) -> None:
        super().__init__({(name, "A"): [addresses[0]]})
        self._name = name
        self._addresses = addresses
        self._asked = 0

    @override
    def get(self, key: Any, default: Any = None) -> Any:
        if key != (self._name, "A"):
            return super().get(key, default)
        self._asked += 1
        return [self._addresses[(self._asked - 1) % len(self._addresses)]]


@pytest.fixture
async def allowing(database_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """Allow one address of this machine, so that all others of it are inner ones."""
    async with running(
        database_url,
        tmp_path,
        webhooks_allowed_networks="127.0.0.2",
        webhooks_allow_http=True,
    ) as service:
        yield service


async def test_a_name_that_rebinds_leads_to_no_address_that_was_not_checked(
    allowing: Running,
) -> None:
    name = f"rebind.{DOMAIN}"
    allowing.dns.records = Alternating(name, "127.0.0.2", "127.0.0.1")
    allowing.dns.ttl = 0
    async with listening(allowing.port, "127.0.0.1", "127.0.0.2") as (inner, outer):
        endpoint = await allowing.add(f"http://{name}:{allowing.port}/hook")
        attempts = [await allowing.attempt(endpoint) for _ in range(8)]
    ends = Counter(
        attempt["status_code"] or attempt["error"].partition(":")[0] for attempt in attempts
    )
    assert set(ends) == {204, "address_not_allowed"}
    # Asked once for each connection: what was checked is what is connected to.
    assert inner.connections == 0
    assert outer.connections >= ends[204]


REDIRECTS = (301, 302, 303, 307, 308)


async def test_a_redirect_into_the_machine_is_not_followed(allowing: Running) -> None:
    ends = []
    async with listening(allowing.port, "127.0.0.1", "127.0.0.2") as (inner, outer):
        for status in REDIRECTS:
            outer.answer = (
                f"HTTP/1.1 {status} Elsewhere\r\nLocation: http://127.0.0.1:{allowing.port}/\r\n"
                "Content-Length: 0\r\nConnection: close\r\n\r\n"
            ).encode()
            endpoint = await allowing.add(f"http://127.0.0.2:{allowing.port}/hook")
            attempt = await allowing.attempt(endpoint)
            ends.append((attempt["status_code"], attempt["error"]))
    assert ends == [(status, None) for status in REDIRECTS]
    assert inner.connections == 0
    assert outer.connections >= len(REDIRECTS)


async def test_an_address_that_is_no_longer_allowed_is_refused_at_the_attempt(
    allowing: Running,
) -> None:
    name = f"moves.{DOMAIN}"
    allowing.dns.records[name, "A"] = ["127.0.0.2"]
    allowing.dns.ttl = 0
    async with listening(allowing.port, "127.0.0.1", "127.0.0.2") as (inner, _):
        endpoint = await allowing.add(f"http://{name}:{allowing.port}/hook")
        assert (await allowing.attempt(endpoint))["status_code"] == 204
        allowing.dns.records[name, "A"] = ["127.0.0.1"]
        attempt = await allowing.attempt(endpoint)
    assert str(attempt["error"]).startswith("address_not_allowed")
    assert inner.connections == 0
