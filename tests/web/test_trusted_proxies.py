"""Who the caller is behind a proxy: real HTTP from loopback, which is trusted or is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.web.caller import address_of
from app.web.serve import bind, mapped, serve
from tests.support import PLAIN


async def tell_the_address(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(address_of(scope))(scope, receive, send)


@asynccontextmanager
async def served(trusted_proxies: Sequence[str]) -> AsyncIterator[httpx.AsyncClient]:
    sock = bind("127.0.0.1", 0, "the test")
    stop, started = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(
        serve(tell_the_address, sock, stop, started=started, trusted_proxies=trusted_proxies)
    )
    await started.wait()
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False, verify=PLAIN) as http:
            yield http
    finally:
        stop.set()
        await serving
        sock.close()


CASES: dict[str, tuple[list[str], list[str], str]] = {
    "no proxy is trusted": ([], ["203.0.113.7"], "127.0.0.1"),
    "another proxy is trusted": (["10.0.0.0/8"], ["203.0.113.7"], "127.0.0.1"),
    "the peer is trusted": (["127.0.0.0/8"], ["203.0.113.7"], "203.0.113.7"),
    "what the caller sent itself does not count": (
        ["127.0.0.0/8"],
        ["198.51.100.1, 203.0.113.7"],
        "203.0.113.7",
    ),
    "two proxies in a row": (
        ["127.0.0.1", "10.0.0.0/8"],
        ["198.51.100.1, 203.0.113.7, 10.1.2.3"],
        "203.0.113.7",
    ),
    "the header comes twice": (
        ["127.0.0.1", "10.0.0.0/8"],
        ["203.0.113.7", "10.1.2.3"],
        "203.0.113.7",
    ),
    "an IPv6 caller": (["127.0.0.1"], ["2001:db8::7"], "2001:db8::7"),
    "no header": (["127.0.0.1"], [], "127.0.0.1"),
}


@pytest.mark.parametrize(("trusted", "forwarded", "address"), CASES.values(), ids=list(CASES))
async def test_the_caller_is_the_last_address_that_is_no_trusted_proxy(
    trusted: list[str], forwarded: list[str], address: str
) -> None:
    async with served(trusted) as http:
        headers = [("X-Forwarded-For", value) for value in forwarded]
        assert (await http.get("/", headers=headers)).text == address


async def test_an_ipv4_proxy_is_known_where_the_server_listens_on_ipv6() -> None:
    # Bound to loopback of IPv6 no IPv4 peer can come, so the middleware is asked directly.
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        seen.append(address_of(scope))

    trusted = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]
    middleware = ProxyHeadersMiddleware(app, [*trusted, *mapped(trusted)])  # type: ignore[arg-type]
    for peer in (
        "::ffff:10.1.2.3",
        "::ffff:192.0.2.7",
        "10.1.2.3",
        "2001:db8::1",
        "::ffff:11.0.0.1",
    ):
        scope = {
            "type": "http",
            "client": (peer, 1),
            "headers": [(b"x-forwarded-for", b"203.0.113.7")],
        }
        await middleware(scope, None, None)  # type: ignore[arg-type]
    assert seen == [*["203.0.113.7"] * 4, "::ffff:11.0.0.1"]
