"""A webhook receiver: takes any POST, keeps it, says whether its signature is good.

Verifies with the library of Standard Webhooks, against real time: senders do not know of
the sandbox's advances. While the clock is frozen its time is good, too: in a simulation senders
live by it.
"""

import asyncio
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field, field_validator
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox.clock import Clock, rfc3339
from sandbox.http_server import cut_connection
from sandbox.store import Store

_CONFIG_KIND, _DELIVERY_KIND = "receiver", "delivery"
_TOLERANCE_SECONDS = 300.0
_KEPT_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature", "content-type")


class ReceiverConfig(BaseModel):
    """How the receiver answers, and whose signatures it knows."""

    status: int = Field(default=200, ge=200, le=599)
    delay_seconds: float = Field(default=0.0, ge=0, le=120)
    drop: bool = False
    retry_after: str | None = None
    """The value of the header `Retry-After`."""
    text: str = ""
    """The body of the answer."""
    secrets: list[str] = []

    @field_validator("secrets")
    @classmethod
    def _are_secrets(cls, secrets: list[str]) -> list[str]:
        try:
            for secret in secrets:
                Webhook(secret)
        except EmptyWebhookSecretError as error:
            raise ValueError(str(error)) from None
        return secrets


class Receiver:
    """An ASGI application that keeps what it was sent."""

    def __init__(self, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store
        row = store.get(_CONFIG_KIND, "")
        self.config = ReceiverConfig.model_validate_json(row) if row else ReceiverConfig()
        self.deliveries: list[dict[str, Any]] = [
            json.loads(value) for _, value in store.rows(_DELIVERY_KIND)
        ]

    def configure(self, config: ReceiverConfig) -> None:
        """Answer otherwise from now on."""
        self.config = config
        self._store.put(_CONFIG_KIND, "", config.model_dump_json().encode())

    def clear(self) -> None:
        """Forget all deliveries and the configuration."""
        self.config = ReceiverConfig()
        self.deliveries.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        request = Request(scope, receive)
        if request.method != "POST":
            await _respond(scope, receive, send, 405)
            return
        body = await request.body()
        config = self.config
        self._keep(request, body, None if config.drop else config.status)
        await asyncio.sleep(config.delay_seconds)
        if config.drop:
            await cut_connection(scope, receive)
        else:
            await _respond(
                scope,
                receive,
                send,
                config.status,
                text=config.text,
                headers={"Retry-After": config.retry_after} if config.retry_after else {},
            )

    def _keep(self, request: Request, body: bytes, status: int | None) -> None:
        delivery = {
            "path": request.url.path,
            "headers": {key: request.headers.get(key) for key in _KEPT_HEADERS},
            "body": _parsed(body),
            "raw_body": body.decode(errors="replace"),
            "received_at": rfc3339(self._clock.wall()),
            "verified": self._verified(body, request.headers),
            "status": status,
        }
        row = json.dumps(delivery).encode()
        self._store.put(_DELIVERY_KIND, f"{len(self.deliveries):012}", row)
        self.deliveries.append(delivery)

    def _verified(self, body: bytes, headers: Mapping[str, str]) -> bool:
        secrets = self.config.secrets
        if any(_verifies(secret, body, headers) for secret in secrets):
            return True
        now = self._clock.wall()
        return self._clock.is_frozen and any(
            _verifies_at(now, secret, body, headers) for secret in secrets
        )


def _verifies(secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers))
    except (WebhookVerificationError, ValueError):
        return False
    return True


def _verifies_at(now: float, secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """Verify by another clock than the machine's, which the library looks at by itself."""
    try:
        stamp = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        expected = Webhook(secret).sign(headers["webhook-id"], stamp, body.decode())
    except (KeyError, ValueError, OverflowError):
        return False
    is_fresh = abs(stamp.timestamp() - now) <= _TOLERANCE_SECONDS
    given = headers.get("webhook-signature", "").split()
    return is_fresh and any(hmac.compare_digest(expected, each) for each in given)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


async def _respond(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    *,
    text: str = "",
    headers: Mapping[str, str] | None = None,
) -> None:
    await Response(text, status, headers)(scope, receive, send)
