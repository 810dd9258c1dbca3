"""One attempt of one delivery: signed, sent once, redirects not followed.

`services/deliveries` decides what to send and when.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from types import TracebackType
from typing import Self

import httpcore
import httpx

from app.adapters.egress import EgressPolicy, resolver_of
from app.adapters.guarded_connections import (
    CONNECT_SECONDS,
    FAILURES,
    GuardedBackend,
    GuardedPool,
    as_httpcore,
)
from app.adapters.webhook_connections import IDLE_SECONDS, EndpointConnections
from app.adapters.webhook_response import read_answer, retry_after
from app.adapters.webhook_signing import signatures
from app.domain.deliveries import Attempt, Message
from app.domain.errors import WebhookRefused

ANSWER_SECONDS = 15.0
"""For the answer's headers, and for sending."""
BODY_SECONDS = 2.0
"""For the answer's body."""
ATTEMPT_SECONDS = 20.0
"""For the whole attempt, because a receiver may answer one byte at a time."""
MOST_TARGETS = 4096
"""How many URLs are kept as they were read."""


@dataclass(frozen=True, slots=True)
class _Target:
    """A URL that may be called."""

    url: httpcore.URL
    origin: httpcore.Origin
    host: bytes
    """The header."""


class WebhookSender:
    """Sends one attempt. When to retry is decided elsewhere. Close it to close its connections."""

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        resolvers: Sequence[tuple[str, int]] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take what may be called.

        Args:
            policy: which URLs and addresses. Those that a tenant chose lead to no inner network,
                whatever the policy allows: a tenant reads what its endpoints answer.
            resolvers: addresses and ports of DNS resolvers; without any, the machine's own.
            tls: which authorities to trust; by default the usual ones.
        """
        trust = tls or httpx.create_ssl_context(trust_env=False)
        resolver = resolver_of(resolvers)
        self._policies = {False: policy, True: replace(policy, allowed_networks=())}

        def open_pool(of_tenant: bool) -> GuardedPool:  # noqa: FBT001
            backend = GuardedBackend(self._policies[of_tenant], resolver)
            return GuardedPool(backend, trust, idle_seconds=IDLE_SECONDS)

        self._open_pools = {each: partial(open_pool, each) for each in (False, True)}
        self._connections = EndpointConnections()
        self._target = lru_cache(maxsize=MOST_TARGETS)(self._read_target)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()

    def check(self, url: str, *, is_tenants_own: bool = False) -> None:
        """Refuse a URL that may never be called.

        Raises:
            WebhookRefused: with the reason.
        """
        self._policies[is_tenants_own].check_url(url)

    async def send(self, message: Message) -> Attempt:
        """POST once. Never raises: every failure is the attempt's outcome."""
        began = time.monotonic()
        try:
            return await self._post(message, began)
        except WebhookRefused as error:
            return Attempt(_elapsed(began), error=f"{error.code}: {error.detail}")
        except FAILURES as error:
            why = " ".join(str(error).split())[:200]
            return Attempt(_elapsed(began), error=f"{type(error).__name__}: {why}".rstrip(": "))

    async def _post(self, message: Message, began: float) -> Attempt:
        target = self._target(message.url, message.is_tenants_own)
        request = _request(message, target)
        loop = asyncio.get_running_loop()
        end = loop.time() + ATTEMPT_SECONDS
        open_pool = self._open_pools[message.is_tenants_own]
        async with self._connections.of(message.endpoint_id, target.origin, open_pool) as pool:
            async with asyncio.timeout_at(end):
                response = await pool.request(request)
            duration = _elapsed(began)
            answer = await read_answer(response, until=min(loop.time() + BODY_SECONDS, end))
        attempt = Attempt(duration, status_code=response.status, answer=answer)
        if attempt.succeeded:
            return attempt
        return replace(attempt, retry_after=retry_after(response.headers, datetime.now(UTC)))

    def _read_target(self, url: str, is_tenants_own: bool) -> _Target:  # noqa: FBT001
        read = self._policies[is_tenants_own].check_url(url)
        target = as_httpcore(read)
        return _Target(target, target.origin, read.netloc)


def _request(message: Message, target: _Target) -> httpcore.Request:
    at = datetime.now(UTC)
    body = message.body.encode()
    signed = signatures(message.secrets, message.id, at, message.body)
    return httpcore.Request(
        "POST",
        target.url,
        headers=[
            (b"host", target.host),
            (b"accept", b"*/*"),
            # What is kept of the answer is text.
            (b"accept-encoding", b"identity"),
            (b"content-type", b"application/json"),
            (b"user-agent", b"Nameplate-Webhooks/1"),
            (b"webhook-id", message.id.encode("ascii")),
            (b"webhook-timestamp", b"%d" % int(at.timestamp())),
            (b"webhook-signature", signed.encode("ascii")),
            (b"content-length", b"%d" % len(body)),
        ],
        content=body,
        extensions={
            "timeout": {
                "connect": CONNECT_SECONDS,
                "write": ANSWER_SECONDS,
                "read": ANSWER_SECONDS,
            }
        },
    )


def _elapsed(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
