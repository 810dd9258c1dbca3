"""Shows what endpoints got, and sends it once more: one delivery, or those since a time.

`persistence/delivery_history` reads and writes the rows; `services/deliveries` sends them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from app.domain.errors import Conflict, ErrorCode, NotFound
from app.persistence import delivery_history as store
from app.persistence.clock import read_now
from app.persistence.database import Connection, Database
from app.persistence.delivery_history import (
    AttemptRow,
    DeliveryFilter,
    DeliveryRow,
    Place,
    Statistics,
)
from app.persistence.webhook_endpoints import WebhookEndpoint, get_endpoint
from app.services.webhook_endpoints import unknown_endpoint

AT_ONCE = 500
"""How many deliveries one transaction of a replay adds."""
REPLAY_SECONDS = 10.0
"""How long one replay may go on. It says where the next one is to begin."""
MOST_ATTEMPTS = 100
"""How many attempts of one delivery are shown, the newest ones."""


Step = Callable[[WebhookEndpoint, "Include", Place, datetime], Awaitable[tuple[int, Place | None]]]
"""Sends some after a place. Returns how many, and the place to go on after; None: all sent."""


class Include(StrEnum):
    """What a replay sends."""

    FAILED = "failed"
    """Deliveries that were given up."""
    UNDELIVERED = "undelivered"
    """These, and events that made no delivery, because the endpoint was disabled or did not exist
    or did not select them."""
    ALL = "all"
    """These, and what was delivered."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many deliveries a replay added, and where the next one is to begin; None: complete."""

    count: int
    continue_since: datetime | None


class DeliveryHistory:
    """The use cases of deliveries that were made."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock

    async def list_page(
        self, endpoint_id: str, wanted: DeliveryFilter, *, after: Place | None, limit: int
    ) -> list[DeliveryRow]:
        """Return an endpoint's deliveries, newest first.

        Raises:
            NotFound: no endpoint has this id.
            FilterTooBroad: too few fit the filter to find them in time.
        """
        async with self._database.transaction() as tx:
            await _endpoint(tx, endpoint_id)
            return await store.list_deliveries(tx, endpoint_id, wanted, after=after, limit=limit)

    async def get(
        self, endpoint_id: str, delivery_id: str
    ) -> tuple[WebhookEndpoint, DeliveryRow, list[AttemptRow]]:
        """Return one delivery with its endpoint, and its attempts, newest first.

        Raises:
            NotFound: no endpoint has this id, or no delivery of its.
        """
        async with self._database.transaction() as tx:
            endpoint = await _endpoint(tx, endpoint_id)
            delivery = await _delivery(tx, endpoint_id, delivery_id)
            attempts = await store.list_attempts(tx, delivery_id, limit=MOST_ATTEMPTS)
        return endpoint, delivery, attempts

    async def redeliver(self, endpoint_id: str, delivery_id: str) -> DeliveryRow:
        """Have one delivery sent once more, at once.

        Raises:
            NotFound: no endpoint has this id, or no delivery of its.
            Conflict: the endpoint is disabled.
        """

        async def again(tx: Connection) -> DeliveryRow:
            _require_enabled(await _endpoint(tx, endpoint_id))
            await _delivery(tx, endpoint_id, delivery_id)
            await store.redeliver(tx, [delivery_id])
            return await _delivery(tx, endpoint_id, delivery_id)

        return await self._database.run(again)

    async def replay(
        self, endpoint_id: str, include: Include, *, since: datetime, until: datetime | None
    ) -> Replayed:
        """Have the endpoint's deliveries since a time sent once more.

        Raises:
            NotFound: no endpoint has this id.
            Conflict: the endpoint is disabled.
        """
        async with self._database.transaction() as tx:
            endpoint = await _endpoint(tx, endpoint_id)
            _require_enabled(endpoint)
            end = min(until or datetime.max.replace(tzinfo=UTC), await read_now(tx))
        ends_at = self._clock() + REPLAY_SECONDS
        # What was missed comes first: it is not missed any more, so a replay that goes on later
        # passes over it.
        missed, place = await self._go_on(self._send_missed, endpoint, include, since, end, ends_at)
        if place is not None:
            return Replayed(missed, since)
        ended, place = await self._go_on(self._send_ended, endpoint, include, since, end, ends_at)
        return Replayed(missed + ended, place.created_at if place else None)

    async def _go_on(
        self,
        step: Step,
        endpoint: WebhookEndpoint,
        include: Include,
        since: datetime,
        until: datetime,
        ends_at: float,
    ) -> tuple[int, Place | None]:
        """Take steps until all is sent, or the time is over. Return how far it came then."""
        count, place = 0, Place(since, "")
        while True:
            sent, following = await step(endpoint, include, place, until)
            count += sent
            if following is None or self._clock() >= ends_at:
                return count, following
            place = following

    async def _send_ended(
        self, endpoint: WebhookEndpoint, include: Include, since: Place, until: datetime
    ) -> tuple[int, Place | None]:
        async def send(tx: Connection) -> tuple[int, Place | None]:
            found = await store.read_ended(
                tx,
                endpoint.id,
                also_succeeded=include is Include.ALL,
                since=since,
                until=until,
                limit=AT_ONCE,
            )
            sent = await store.redeliver(tx, [each.id for each in found])
            return sent, found[-1] if len(found) == AT_ONCE else None

        return await self._database.run(send)

    async def _send_missed(
        self, endpoint: WebhookEndpoint, include: Include, since: Place, until: datetime
    ) -> tuple[int, Place | None]:
        if include is Include.FAILED:
            return 0, None

        async def send(tx: Connection) -> tuple[int, Place | None]:
            found = await store.read_missed(tx, endpoint, since=since, until=until, limit=AT_ONCE)
            await store.owe_missed(tx, endpoint.id, [each.id for each in found])
            return len(found), found[-1] if len(found) == AT_ONCE else None

        return await self._database.run(send)

    async def send_test(self, endpoint_id: str, body: Mapping[str, Any]) -> DeliveryRow:
        """Send a test event to the endpoint, whatever types it selects.

        Raises:
            NotFound: no endpoint has this id.
            Conflict: the endpoint is disabled.
        """
        async with self._database.transaction() as tx:
            _require_enabled(await _endpoint(tx, endpoint_id))
            now = await read_now(tx)
            text = json.dumps({**body, "timestamp": now.isoformat()})
            delivery_id = await store.insert_test(tx, endpoint_id, body=text, at=now)
            return await _delivery(tx, endpoint_id, delivery_id)

    async def statistics(self, endpoint_id: str, *, hours: int) -> Statistics:
        """Sum up the endpoint's attempts of the last `hours`.

        Raises:
            NotFound: no endpoint has this id.
        """
        async with self._database.transaction() as tx:
            await _endpoint(tx, endpoint_id)
            return await store.read_statistics(tx, endpoint_id, hours=hours)


async def _endpoint(tx: Connection, endpoint_id: str) -> WebhookEndpoint:
    endpoint = await get_endpoint(tx, endpoint_id)
    if endpoint is None:
        raise unknown_endpoint()
    return endpoint


async def _delivery(tx: Connection, endpoint_id: str, delivery_id: str) -> DeliveryRow:
    delivery = await store.get_delivery(tx, endpoint_id, delivery_id)
    if delivery is None:
        raise NotFound("Delivery not found.")
    return delivery


def _require_enabled(endpoint: WebhookEndpoint) -> None:
    if not endpoint.enabled:
        raise Conflict(
            "The webhook endpoint is disabled; enable it first.",
            code=ErrorCode.ENDPOINT_DISABLED,
        )
