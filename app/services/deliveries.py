"""Sends events to endpoints: claims, signs and sends deliveries, records attempts, retries.

`domain/deliveries` has the rules; `persistence/deliveries` stores them; `adapters/webhook_sender`
makes the attempt.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from app.domain.deliveries import (
    AFTER_SOON,
    AT_FIRST,
    HANGING_TIMES,
    SOON_SECONDS,
    Attempt,
    Due,
    Message,
    allowance,
    next_attempt_in,
    pick,
)
from app.domain.errors import NotReady
from app.domain.events import tenants_webhook_body
from app.metrics import DELIVERIES, DELIVERY_DURATION, LEASES_LOST
from app.persistence import deliveries as store
from app.persistence.database import Database
from app.persistence.deliveries import Delivery, Outcome
from app.services.delivery_recorder import Recorder
from app.services.ports import Cipher, WebhookTransport

MOST_REMEMBERED = 10_000
"""How many endpoints' last attempts to remember."""

END_CLOSED_SECONDS = 10.0
"""How often to look for deliveries that wait for closed endpoints."""

log = structlog.get_logger(__name__)


class Deliveries:
    """Works on one claimed delivery at a time. Any number may work side by side."""

    def __init__(
        self,
        database: Database,
        transport: WebhookTransport,
        cipher: Cipher,
        *,
        places: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take how many deliveries may be in progress before the first of them hangs."""
        self._database = database
        self._transport = transport
        self._cipher = cipher
        self._recorder = Recorder(database)
        self._places = places
        self._clock = clock
        self._under_way: dict[str, tuple[str, float]] = {}
        """The endpoint of each delivery in progress, and since when it is."""
        self._allowed: dict[str, int] = {}
        self._ends_closed_at = clock()

    @property
    def most_under_way(self) -> int:
        """How many deliveries one process has in progress at most, hanging ones included."""
        return self._places * (1 + HANGING_TIMES)

    async def claim(self, limit: int) -> list[Delivery]:
        """Lease due deliveries, a few per endpoint, so that slow endpoints delay no others."""
        late = self._clock() - SOON_SECONDS
        under_way = list(self._under_way.values())
        fresh = Counter(endpoint for endpoint, since in under_way if since > late)
        hanging = Counter(endpoint for endpoint, since in under_way if since <= late)
        held = fresh + hanging
        full = [each for each in held if held[each] >= self._allowed.get(each, AT_FIRST)]
        free = min(limit, self._places - fresh.total())
        if free <= 0:
            return []
        await self._end_closed()

        def choose(due: Sequence[Due]) -> list[str]:
            return pick(
                due, fresh=fresh, hanging=hanging, allowed=self._allowed, places=self._places
            )[:limit]

        async with self._database.transaction() as tx:
            claimed = await store.claim_deliveries(
                tx, choose, limit=free, per_endpoint=AFTER_SOON, besides=full
            )
        now = self._clock()
        self._under_way |= {each.id: (each.endpoint_id, now) for each in claimed}
        for each in claimed:
            if each.is_failing:
                self._allowed.setdefault(each.endpoint_id, AT_FIRST)
        return claimed

    async def _end_closed(self) -> None:
        """End what still waits for endpoints that were closed, now and then, in batches."""
        if self._clock() < self._ends_closed_at:
            return
        self._ends_closed_at = self._clock() + END_CLOSED_SECONDS
        if await self._database.run(store.end_closed):
            # There may be more.
            self._ends_closed_at = self._clock()

    async def deliver(self, delivery: Delivery) -> None:
        """Make one attempt. A crash before it is recorded causes another one: at least once."""
        try:
            await self._try(delivery)
        finally:
            self._under_way.pop(delivery.id, None)

    async def _try(self, delivery: Delivery) -> None:
        attempt = await self._send(delivery)
        self._note_pace(delivery.endpoint_id, attempt)
        # Jitter keeps retries apart; it protects no secret.
        chance = random.random()  # noqa: S311
        made = delivery.attempts + 1 - delivery.attempts_before
        outcome = Outcome(delivery, attempt, next_attempt_in(attempt, made, chance=chance))
        if not await self._recorder.record(outcome):
            LEASES_LOST.labels("deliver").inc()
        failed = "failed" if outcome.retry_after else "exhausted"
        DELIVERIES.labels("succeeded" if attempt.succeeded else failed).inc()
        DELIVERY_DURATION.observe(attempt.duration_ms / 1000)
        if not attempt.succeeded:
            log.warning(
                "delivery_failed",
                delivery=delivery.id,
                event_id=delivery.event_id,
                endpoint=delivery.endpoint_id,
                status_code=attempt.status_code,
                error=attempt.error,
                attempts=delivery.attempts + 1,
            )

    def _note_pace(self, endpoint_id: str, attempt: Attempt) -> None:
        self._allowed.pop(endpoint_id, None)
        if len(self._allowed) >= MOST_REMEMBERED:
            del self._allowed[next(iter(self._allowed))]
        seconds, answered = attempt.duration_ms / 1000, attempt.status_code is not None
        self._allowed[endpoint_id] = allowance(seconds, answered=answered)

    async def _send(self, delivery: Delivery) -> Attempt:
        try:
            secrets = tuple(
                self._cipher.decrypt(each)
                for each in (delivery.secret, delivery.previous_secret)
                if each is not None
            )
        except NotReady as error:
            # It counts as an attempt: it is recorded, retried, and ends.
            log.warning("delivery_not_signed", delivery=delivery.id, detail=error.detail)
            return Attempt(0, error="Nameplate could not sign the message.", is_ours=True)
        body = delivery.body
        if delivery.is_tenants_own:
            body = json.dumps(tenants_webhook_body(json.loads(body)))
        return await self._transport.send(
            Message(
                endpoint_id=delivery.endpoint_id,
                url=delivery.url,
                is_tenants_own=delivery.is_tenants_own,
                id=delivery.event_id or delivery.id,
                body=body,
                secrets=secrets,
            )
        )
