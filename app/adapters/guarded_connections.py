"""Connections to hosts that others choose: each goes to an address that was checked.

The check sits where the connection opens, below the URL. TLS is told the receiver's own name, and
a name that answers differently the second time (rebinding) gains nothing.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable

import dns.asyncresolver
import httpcore
import httpx
from typing_extensions import override

from app.adapters.egress import EgressPolicy, resolve
from app.tracing.spans import open_span

CONNECT_SECONDS = 5.0
"""For all addresses of a name together; each gets a part of the time that is left."""
LEAST_CONNECT_SECONDS = 1.5
"""For each address at least, because a distant one needs this long."""
MOST_ADDRESSES = 6
"""How many addresses of one name are tried."""
FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    OSError,
    ValueError,
)
"""What a request can end with, beside `WebhookRefused`."""


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections for `httpcore`, to what the policy allows."""

    def __init__(
        self,
        policy: EgressPolicy,
        resolver: dns.asyncresolver.Resolver,
        *,
        most_addresses: int = MOST_ADDRESSES,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._most_addresses = most_addresses
        self._network = httpcore.AnyIOBackend()
        self.opened = 0
        """How many connections it has opened."""

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first of the host's addresses that answers, within `timeout` seconds.

        Raises:
            WebhookRefused: one of its addresses may not be called, or it has none.
            httpcore.ConnectError: no address answers.
            httpcore.ConnectTimeout: none answers in time.
        """
        addresses = await resolve(host, self._resolver, self._policy)
        addresses = addresses[: self._most_addresses]
        until = time.monotonic() + (CONNECT_SECONDS if timeout is None else timeout)
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            wait = max((until - time.monotonic()) / left, LEAST_CONNECT_SECONDS)
            try:
                stream = await self._network.connect_tcp(
                    address, port, wait, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                # This machine may lack IPv6, or the address may be down.
                if left == 1:
                    raise
            else:
                self.opened += 1
                return stream
        raise httpcore.ConnectError("There is no address to connect to.")


class GuardedPool(httpcore.AsyncConnectionPool):
    """A pool of guarded connections, with a span for each request."""

    def __init__(
        self, backend: GuardedBackend, tls: ssl.SSLContext, *, idle_seconds: float
    ) -> None:
        """Take how long an idle connection is kept; 0: it is closed after its first answer."""
        super().__init__(
            ssl_context=tls,
            max_connections=None,
            max_keepalive_connections=None if idle_seconds else 0,
            keepalive_expiry=idle_seconds,
            network_backend=backend,
        )
        self.backend = backend

    @override
    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        origin = request.url.origin
        # Without path and query, where receivers put tokens.
        end = open_span(
            request.method.decode(),
            http__request__method=request.method.decode(),
            server__address=origin.host.decode(),
            server__port=origin.port,
        )
        try:
            response = await super().handle_async_request(request)
        except BaseException as error:
            if end is not None:
                end(error)
            raise
        if end is not None:
            end(None, http__response__status_code=response.status)
        return response


def as_httpcore(url: httpx.URL) -> httpcore.URL:
    """Return the URL in httpcore's form, which has no parser of internationalised names."""
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )
