"""One attempt of a delivery, against real servers on 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from app.adapters import webhook_sender
from app.adapters.egress import EgressPolicy
from app.adapters.webhook_signing import new_private_key, new_secret
from app.domain.errors import WebhookRefused

from .webhook_receivers import (
    BODY,
    PUBLIC,
    SECRET,
    Answer,
    body_that_stops,
    endless_body,
    message,
    new_sender,
    no_http,
    nothing,
    receiver,
    sent,
    silence,
    status,
)


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


async def test_all_secrets_of_a_message_sign_it_in_their_order() -> None:
    newest, former = new_private_key(), new_secret()
    async with receiver(status(204)) as got, new_sender() as sender:
        await sender.send(message(got.url, secrets=(newest, former)))
    ((_, headers, body),) = got.requests
    first, second = headers["webhook-signature"].split(" ")
    assert (first[:4], second[:3]) == ("v1a,", "v1,")
    assert Webhook(former).verify(body, headers) == json.loads(BODY)


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
async def test_a_redirect_is_not_followed(code: int) -> None:
    async with receiver(status(200)) as second:
        location = f"Location: {second.url}"
        async with receiver(status(code, location)) as first:
            attempt = await sent(first.url)
    assert attempt.status_code == code
    assert not attempt.succeeded
    assert (len(first.requests), second.connections) == (1, 0)


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver(status(200)) as proxy, receiver(status(204)) as got:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        attempt = await sent(got.url)
    assert attempt.status_code == 204
    assert proxy.connections == 0


async def test_silence_is_an_error_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_sender, "ANSWER_SECONDS", 0.3)
    async with receiver(silence) as got:
        attempt = await sent(got.url)
    assert (attempt.status_code, attempt.error) == (None, "ReadTimeout")
    assert not attempt.succeeded
    assert attempt.duration_ms >= 250


async def test_an_answer_byte_by_byte_ends_with_the_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def slowly(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    monkeypatch.setattr(webhook_sender, "ATTEMPT_SECONDS", 0.5)
    async with receiver(slowly) as got:
        attempt = await sent(got.url)
    assert (attempt.status_code, attempt.error) == (None, "TimeoutError")


async def test_interim_answers_without_end_end_with_the_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def interim(writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    monkeypatch.setattr(webhook_sender, "ATTEMPT_SECONDS", 0.5)
    async with receiver(interim) as got:
        attempt = await sent(got.url)
    assert (attempt.status_code, attempt.error) == (None, "TimeoutError")


async def test_a_switch_of_protocols_that_nobody_asked_for_is_an_error_line() -> None:
    async with receiver(status(101, "Upgrade: websocket", "Connection: Upgrade")) as got:
        attempt = await sent(got.url)
    assert attempt.status_code is None
    assert attempt.error is not None
    assert attempt.error.startswith("RemoteProtocolError: ")


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
    assert len(got.requests) == 1


async def test_headers_without_an_end_are_an_error_line() -> None:
    async def endless_headers(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"X-More: " + b"x" * 8000 + b"\r\n")
            await writer.drain()

    async with receiver(endless_headers) as got:
        attempt = await sent(got.url)
    assert attempt.status_code is None
    assert attempt.error is not None
    assert attempt.error.startswith("RemoteProtocolError: ")


@pytest.mark.parametrize("answer", [endless_body, body_that_stops])
async def test_the_body_of_an_answer_changes_nothing_about_its_status(answer: Answer) -> None:
    async with receiver(answer) as got:
        async with asyncio.timeout(10):
            attempt = await sent(got.url)
    assert (attempt.status_code, attempt.error) == (200, None)
    assert attempt.answer


async def test_a_body_that_lasts_as_long_as_the_attempt_changes_nothing_about_its_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook_sender, "ATTEMPT_SECONDS", 0.5)
    async with receiver(body_that_stops) as got:
        attempt = await sent(got.url)
    assert (attempt.status_code, attempt.error, attempt.answer) == (200, None, "begun")


@pytest.mark.parametrize(
    ("code", "headers", "asked"),
    [
        (503, ["Retry-After: 120"], 120.0),
        (429, ["retry-after: 0"], 0.0),
        (302, ["Retry-After: 7"], 7.0),
        (503, ["Retry-After: soon"], None),
        (503, [], None),
        (200, ["Retry-After: 120"], None),
    ],
)
async def test_a_receiver_that_does_not_take_it_may_say_when_to_try_again(
    code: int, headers: list[str], asked: float | None
) -> None:
    async with receiver(status(code, *headers, body=b"Later, please.")) as got:
        attempt = await sent(got.url)
    assert attempt.retry_after == asked
    assert attempt.answer == "Later, please."


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
async def test_a_refused_address_is_never_connected_to(host: str) -> None:
    async with receiver(status(200)) as got:
        attempt = await sent(f"https://{host}:{got.port}/", PUBLIC)
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
        ("https://hooks.shop.com:6379/", "port_not_allowed"),
        ("nonsense", "url_invalid"),
        ("", "url_invalid"),
    ],
)
async def test_an_address_that_cannot_be_called_is_an_error_line(url: str, code: str) -> None:
    attempt = await sent(url, EgressPolicy(ports=frozenset({443})))
    assert attempt.status_code is None
    assert attempt.error is not None
    assert attempt.error.startswith(f"{code}: ")


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "whsk_", "whsk_c2hvcnQ=", "secret"])
async def test_a_malformed_secret_is_an_error_line_and_sends_nothing(secret: str) -> None:
    async with receiver(status(200)) as got, new_sender() as sender:
        attempt = await sender.send(message(got.url, secrets=(secret,)))
    assert attempt.error is not None
    assert attempt.error.startswith("ValueError: ")
    assert got.connections == 0


async def test_an_address_is_checked_before_it_is_taken() -> None:
    async with new_sender(PUBLIC) as sender:
        sender.check("https://hooks.shop.com/")
        with pytest.raises(WebhookRefused):
            sender.check("https://127.0.0.1/")
