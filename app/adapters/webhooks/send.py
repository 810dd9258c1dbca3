"""One attempt of one delivery: signed, sent once, never redirected, answered or not."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook

from app.adapters.webhooks.guard import check_url, resolve
from app.domain.attempt import Attempt
from app.domain.errors import WebhookRefused

TIMEOUT = httpx.Timeout(15.0, connect=5.0)
ATTEMPT_SECONDS = 20.0
"""Over the whole attempt: a receiver may answer one byte at a time."""
SECRET_BYTES = 24


def new_secret() -> str:
    """Make a signing secret in the form the Standard Webhooks specification gives it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class WebhookSender:
    """Sends; knows nothing of schedules."""

    def __init__(self, http: httpx.AsyncClient, *, allow_loopback: bool) -> None:
        self._http = http
        self._allow_loopback = allow_loopback

    def check(self, url: str) -> None:
        """Refuse an address that could never be called.

        Raises:
            WebhookRefused: with the reason.
        """
        check_url(url, allow_loopback=self._allow_loopback)

    async def send(self, url: str, *, message_id: str, body: str, secret: str) -> Attempt:
        """POST once. Never raises: whatever happens is the attempt's outcome."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                status = await self._post(url, message_id=message_id, body=body, secret=secret)
        except WebhookRefused as error:
            return Attempt(_elapsed(began), error=f"{error.code}: {error.detail}")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            why = " ".join(str(error).split())[:200]
            return Attempt(_elapsed(began), error=f"{type(error).__name__}: {why}".rstrip(": "))
        return Attempt(_elapsed(began), status_code=status)

    async def _post(self, url: str, *, message_id: str, body: str, secret: str) -> int:
        self.check(url)
        host = httpx.URL(url).raw_host.decode()
        address = await resolve(host, allow_loopback=self._allow_loopback)
        request = self._http.build_request(
            "POST",
            httpx.URL(url).copy_with(host=address),
            content=body.encode(),
            headers=_signed(message_id, body, secret) | {"Host": httpx.URL(url).netloc.decode()},
            timeout=TIMEOUT,
            # The certificate must be the name's, though the connection goes to a checked address.
            extensions={"sni_hostname": host},
        )
        response = await self._http.send(request, follow_redirects=False, stream=True)
        # The answer's body is nobody's business, and may have no end.
        await response.aclose()
        return response.status_code


def _signed(message_id: str, body: str, secret: str) -> dict[str, str]:
    at = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "user-agent": "Nameplate-Webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body),
    }


def _elapsed(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
