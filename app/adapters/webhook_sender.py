"""One attempt of one delivery: signed, sent once, redirects not followed.

`services/deliveries` decides what to send and when.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook

from app.adapters.egress import check_url, resolve, resolver_of
from app.domain.deliveries import Attempt, Message
from app.domain.errors import WebhookRefused

ANSWER_SECONDS = 15.0
CONNECT_SECONDS = 5.0
"""For all addresses of a name together; each gets a part of the time that is left."""
LEAST_CONNECT_SECONDS = 1.5
"""For each address at least, because a distant one needs this long."""
ATTEMPT_SECONDS = 20.0
"""For the whole attempt, because a receiver may answer one byte at a time."""
SECRET_BYTES = 24


def new_secret() -> str:
    """Make a signing secret in the form of the Standard Webhooks specification."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class WebhookSender:
    """Sends one attempt. When to retry is decided elsewhere."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        resolvers: Sequence[tuple[str, int]] = (),
        allow_loopback: bool,
    ) -> None:
        """Take the addresses and ports of DNS resolvers. Without any, use the machine's own."""
        self._http = http
        self._resolver = resolver_of(resolvers)
        self._allow_loopback = allow_loopback

    def check(self, url: str) -> None:
        """Refuse a URL that may never be called.

        Raises:
            WebhookRefused: with the reason.
        """
        check_url(url, allow_loopback=self._allow_loopback)

    async def send(self, message: Message) -> Attempt:
        """POST once. Never raises: every failure is the attempt's outcome."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                status = await self._post(message)
        except WebhookRefused as error:
            return Attempt(_elapsed(began), error=f"{error.code}: {error.detail}")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            why = " ".join(str(error).split())[:200]
            return Attempt(_elapsed(began), error=f"{type(error).__name__}: {why}".rstrip(": "))
        return Attempt(_elapsed(began), status_code=status)

    async def _post(self, message: Message) -> int:
        url = message.url
        self.check(url)
        host = httpx.URL(url).raw_host.decode()
        addresses = await resolve(host, self._resolver, allow_loopback=self._allow_loopback)
        headers = _signed(message) | {"Host": httpx.URL(url).netloc.decode()}
        until = time.monotonic() + CONNECT_SECONDS
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            wait = max((until - time.monotonic()) / left, LEAST_CONNECT_SECONDS)
            request = self._http.build_request(
                "POST",
                httpx.URL(url).copy_with(host=address),
                content=message.body.encode(),
                headers=headers,
                timeout=httpx.Timeout(ANSWER_SECONDS, connect=wait),
                # The certificate must be valid for the name, although the connection goes to a
                # checked address.
                extensions={"sni_hostname": host},
            )
            try:
                response = await self._http.send(request, follow_redirects=False, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                # Nothing was sent yet: the worker may lack IPv6, or the address may be down.
                if left == 1:
                    raise
            else:
                # Leave the answer's body unread: it is not needed, and may be endless.
                await response.aclose()
                return response.status_code
        raise httpx.ConnectError("There is no address to connect to.")


def _signed(message: Message) -> dict[str, str]:
    at = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "user-agent": "Nameplate-Webhooks/1",
        "webhook-id": message.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(
            Webhook(secret).sign(message.id, at, message.body) for secret in message.secrets
        ),
    }


def _elapsed(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
