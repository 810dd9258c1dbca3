"""Connections by name: to the addresses that were checked, and under the receiver's own name."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import dns.asyncresolver
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from app.adapters import webhook_sender
from app.adapters.egress import EgressPolicy, resolver_of
from app.adapters.guarded_connections import GuardedBackend
from app.domain.deliveries import Attempt
from app.domain.errors import WebhookRefused
from app.tracing.spans import set_up_tracing, span, stop_tracing

from .scripted_dns import read, scripted_dns
from .webhook_receivers import (
    LOOPBACK,
    PUBLIC,
    NamedReceiver,
    message,
    named_receiver,
    new_sender,
    nothing,
    receiver,
    silent_at,
    status,
)


def code_of(attempt: Attempt) -> str:
    return (attempt.error or "").partition(":")[0]


async def test_a_name_is_found_by_the_resolvers_of_the_settings(tmp_path: Path) -> None:
    async with named_receiver(tmp_path, "hooks.shop.com A 127.0.0.1") as named:
        attempt = await named.send("hooks.shop.com")
    assert (attempt.status_code, attempt.error) == (200, None)
    ((_, headers, _),) = named.got.requests
    assert headers["host"] == f"hooks.shop.com:{named.got.port}"
    assert set(named.dns.names_asked("A")) == {"hooks.shop.com"}


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
    async with named_receiver(tmp_path, zone_file) as named:
        attempt = await named.send("hooks.shop.com")
    assert (attempt.status_code, attempt.error) == (200, None)
    assert len(named.got.requests) == 1


async def test_an_address_that_is_silent_leaves_the_others_their_part_of_the_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(webhook_sender, "CONNECT_SECONDS", 1.0)
    zone_file = "hooks.shop.com AAAA ::1\nhooks.shop.com A 127.0.0.1"
    async with named_receiver(tmp_path, zone_file) as named:
        with silent_at("::1", named.got.port):
            attempt = await named.send("hooks.shop.com")
    assert (attempt.status_code, attempt.error) == (200, None)
    assert 400 <= attempt.duration_ms < 5000


async def test_a_name_none_of_whose_addresses_answers_is_one_failed_attempt(
    tmp_path: Path,
) -> None:
    zone_file = "hooks.shop.com A 127.0.0.8\nhooks.shop.com A 127.0.0.9"
    async with named_receiver(tmp_path, zone_file) as named:
        attempt = await named.send("hooks.shop.com")
    assert attempt.status_code is None
    assert code_of(attempt) == "ConnectError"


async def test_one_inner_address_among_several_refuses_them_all(tmp_path: Path) -> None:
    zone_file = "hooks.shop.com A 127.0.0.1\nhooks.shop.com A 10.0.0.1"
    async with named_receiver(tmp_path, zone_file) as named:
        attempt = await named.send("hooks.shop.com")
    assert code_of(attempt) == "address_not_allowed"
    assert named.got.connections == 0


@pytest.mark.parametrize("endpoints", [("we_1", "we_2"), ("we_1", "we_1")])
async def test_two_names_at_one_address_are_each_asked_for_by_name(
    endpoints: tuple[str, str], tmp_path: Path
) -> None:
    names = ("hooks.shop.com", "hooks.mill.com")
    zone_file = "\n".join(f"{name} A 127.0.0.1" for name in names)
    async with named_receiver(tmp_path, zone_file, *names) as named, named.sender() as sender:
        for name, endpoint in zip(names, endpoints, strict=True):
            attempt = await sender.send(message(named.url(name), endpoint=endpoint))
            assert attempt.status_code == 200
        attempt = await sender.send(message(named.url("hooks.nobody.com")))
    assert code_of(attempt) == "host_unresolved"
    assert named.got.names == list(names)
    hosts = [headers["host"] for _, headers, _ in named.got.requests]
    assert hosts == [f"{name}:{named.got.port}" for name in names]


async def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    async with named_receiver(tmp_path, "hooks.mill.com A 127.0.0.1") as named:
        attempt = await named.send("hooks.mill.com")
    assert code_of(attempt) == "ConnectError"
    assert "CERTIFICATE_VERIFY_FAILED" in (attempt.error or "")
    assert named.got.requests == []


async def rebound(named: NamedReceiver, policy: EgressPolicy, address: str) -> list[Attempt]:
    """Send, let the name lead elsewhere, and send again after the connection was closed."""
    async with named.sender(policy) as sender:
        url = message(named.url("hooks.shop.com"))
        first = await sender.send(url)
        named.dns.records = read(f"hooks.shop.com A {address}")
        return [first, await sender.send(url)]


async def test_a_name_that_answers_with_an_inner_address_later_is_refused(tmp_path: Path) -> None:
    # 127.0.0.1 stands for a public address here, 127.0.0.2 for an inner one.
    policy = EgressPolicy(allowed_networks=(ipaddress.ip_network("127.0.0.1/32"),))
    zone_file = "hooks.shop.com A 127.0.0.1"
    closing = status(200, "Connection: close")
    async with named_receiver(tmp_path, zone_file, answer=closing) as named:
        first, second = await rebound(named, policy, "127.0.0.2")
    assert first.status_code == 200
    assert code_of(second) == "address_not_allowed"
    assert named.got.connections == 1


async def test_a_check_of_the_url_does_not_stand_for_the_check_at_the_connection() -> None:
    async with (
        receiver(status(200)) as got,
        scripted_dns("hooks.shop.com A 127.0.0.1") as dns_,
        new_sender(PUBLIC, dns_) as sender,
    ):
        url = f"https://hooks.shop.com:{got.port}/"
        sender.check(url)
        attempt = await sender.send(message(url))
    assert code_of(attempt) == "address_not_allowed"
    assert got.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::127.0.0.1",
        "0x7f.1",
        "017700000001",
        "2130706433",
        "localhost",
        "hooks.shop.com",
    ],
)
async def test_the_backend_itself_opens_no_connection_to_an_inner_address(host: str) -> None:
    async with receiver(nothing) as got, scripted_dns("hooks.shop.com A 127.0.0.1") as dns_:
        backend = GuardedBackend(PUBLIC, resolver_of([("127.0.0.1", dns_.port)]))
        with pytest.raises(WebhookRefused):
            await backend.connect_tcp(host, got.port, timeout=1)
    assert (backend.opened, got.connections) == (0, 0)


async def test_no_socket_of_the_file_system_can_be_reached() -> None:
    backend = GuardedBackend(LOOPBACK, dns.asyncresolver.Resolver(configure=False))
    with pytest.raises(NotImplementedError):
        await backend.connect_unix_socket("/run/docker.sock")


async def test_a_request_has_a_span_without_the_path_where_tokens_are() -> None:
    exporter = InMemorySpanExporter()
    set_up_tracing("nameplate-test", exporter)
    try:
        async with receiver(status(503)) as got, new_sender() as sender:
            with span("deliver", begins=True):
                await sender.send(message(got.url))
        async with new_sender() as sender:
            with span("deliver", begins=True):
                await sender.send(message(got.url))
    finally:
        stop_tracing()
    calls = [each for each in exporter.get_finished_spans() if each.kind is SpanKind.CLIENT]
    answered, failed = (dict(each.attributes or {}) for each in calls)
    assert answered == {
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "server.port": got.port,
        "http.response.status_code": 503,
    }
    assert "http.response.status_code" not in failed
    assert [each.status.description for each in calls] == [None, "ConnectError"]
