"""Hand events to endpoints: claim, sign and send, record the attempt, and put off what failed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import structlog

from app.domain.attempt import Attempt
from app.domain.delivery_shares import PER_ENDPOINT, most_of, pick, proves
from app.domain.errors import NotReady
from app.domain.schedule import webhook_retry_after
from app.persistence import deliveries as store
from app.persistence.database import Database
from app.persistence.deliveries import Delivery
from app.services.ports import Cipher, WebhookTransport

MOST_PROVEN = 10_000
"""Endpoints that are remembered for answering soon."""

log = structlog.get_logger(__name__)


class Deliveries:
    """Works on one claimed delivery at a time; any number may work side by side."""

    def __init__(self, database: Database, transport: WebhookTransport, cipher: Cipher) -> None:
        self._database = database
        self._transport = transport
        self._cipher = cipher
        self._under_way: Counter[str] = Counter()
        self._proven: dict[str, None] = {}
        """Endpoints whose last attempt was answered soon."""

    async def claim(self, limit: int) -> list[Delivery]:
        """Lease deliveries that are due, a few an endpoint: those that are slow delay no others."""
        busy = [e for e, held in self._under_way.items() if held >= most_of(e, self._proven)]

        def choose(due: Sequence[tuple[str, str]]) -> list[str]:
            return pick(due, under_way=self._under_way, proven=self._proven, places=limit)

        async with self._database.transaction() as tx:
            claimed = await store.claim_deliveries(
                tx, choose, limit=limit, per_endpoint=PER_ENDPOINT, besides=busy
            )
        self._under_way.update(delivery.endpoint_id for delivery in claimed)
        return claimed

    async def deliver(self, delivery: Delivery) -> None:
        """Try once. A crash before the attempt is recorded means one more try: at least once."""
        try:
            await self._try(delivery)
        finally:
            self._under_way[delivery.endpoint_id] -= 1
            self._under_way += Counter()  # drops what is at zero

    async def _try(self, delivery: Delivery) -> None:
        attempt = await self._send(delivery)
        self._note_pace(delivery.endpoint_id, attempt)
        # Jitter keeps retries apart; nothing secret depends on it.
        chance = random.random()  # noqa: S311
        retry_after = webhook_retry_after(delivery.attempts + 1, chance=chance)
        async with self._database.transaction() as tx:
            await store.record_attempt(tx, delivery, attempt, retry_after=retry_after)
        if not attempt.succeeded:
            log.warning(
                "delivery_failed",
                delivery=delivery.id,
                status_code=attempt.status_code,
                error=attempt.error,
                attempts=delivery.attempts + 1,
            )

    def _note_pace(self, endpoint_id: str, attempt: Attempt) -> None:
        self._proven.pop(endpoint_id, None)
        if proves(attempt.duration_ms, answered=attempt.status_code is not None):
            if len(self._proven) >= MOST_PROVEN:
                del self._proven[next(iter(self._proven))]
            self._proven[endpoint_id] = None

    async def _send(self, delivery: Delivery) -> Attempt:
        try:
            secret = self._cipher.decrypt(delivery.secret)
        except NotReady as error:
            # An attempt like any other: it is seen, put off, and ends.
            return Attempt(duration_ms=0, error=error.detail)
        return await self._transport.send(
            delivery.url, message_id=delivery.event_id, body=delivery.body, secret=secret
        )
