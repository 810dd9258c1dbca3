"""Hand events to endpoints: claim, sign and send, record the attempt, and put off what failed."""

from __future__ import annotations

import random

import structlog

from app.domain.attempt import Attempt
from app.domain.errors import NotReady
from app.domain.schedule import webhook_retry_after
from app.persistence import deliveries as store
from app.persistence.database import Database
from app.persistence.deliveries import Delivery
from app.services.ports import Cipher, WebhookTransport

log = structlog.get_logger(__name__)


class Deliveries:
    """Works on one claimed delivery at a time; any number may work side by side."""

    def __init__(self, database: Database, transport: WebhookTransport, cipher: Cipher) -> None:
        self._database = database
        self._transport = transport
        self._cipher = cipher

    async def claim(self, limit: int) -> list[Delivery]:
        """Lease deliveries that are due."""
        async with self._database.transaction() as tx:
            return await store.claim_deliveries(tx, limit=limit)

    async def deliver(self, delivery: Delivery) -> None:
        """Try once. A crash before the attempt is recorded means one more try: at least once."""
        attempt = await self._send(delivery)
        # Jitter keeps retries apart; nothing secret depends on it.
        chance = random.random()  # noqa: S311
        retry_after = webhook_retry_after(delivery.attempts + 1, chance=chance)
        async with self._database.transaction() as tx:
            await store.record_attempt(tx, delivery, attempt, retry_after=retry_after)
        if not attempt.succeeded:
            log.info(
                "delivery_failed",
                delivery=delivery.id,
                status_code=attempt.status_code,
                error=attempt.error,
                attempts=delivery.attempts + 1,
            )

    async def _send(self, delivery: Delivery) -> Attempt:
        try:
            secret = self._cipher.decrypt(delivery.secret)
        except NotReady as error:
            # An attempt like any other: it is seen, put off, and ends.
            return Attempt(duration_ms=0, error=error.detail)
        return await self._transport.send(
            delivery.url, message_id=delivery.event_id, body=delivery.body, secret=secret
        )

    async def seconds_until_due(self) -> float | None:
        """How long until the next one is due; None when none waits."""
        async with self._database.transaction() as tx:
            return await store.seconds_until_due(tx)
