"""Shows what endpoints got, and sends it once more: one delivery, or those since a time.

`persistence/delivery_history` reads and writes the rows; `services/deliveries` sends them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
SHOWN_ATTEMPTS = 100
"""How many attempts of one delivery are shown, the newest ones."""
OLDER_SECONDS = 5.0
"""How long a replay waits for transactions that began before it."""
OLDER_POLL_SECONDS = 0.02


class Include(StrEnum):
    """What a replay sends."""

    FAILED = "failed"
    """Deliveries that were given up."""
    UNDELIVERED = "undelivered"
    """These, and events that made no delivery, because the endpoint was disabled or did not exist
    or did not select them."""
    ALL = "all"
    """These, and what was delivered."""


class Step(StrEnum):
    """What a replay reads: events without a delivery first, which then have one."""

    MISSED = "missed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ReplayPlace:
    """Where a replay goes on, and the instant at which it ends."""

    step: Step
    place: Place
    until: datetime


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many deliveries a replay added, and where it goes on; None: it is complete."""

    count: int
    following: ReplayPlace | None


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
            attempts = await store.list_attempts(tx, delivery_id, limit=SHOWN_ATTEMPTS)
        return endpoint, delivery, attempts

    async def redeliver(self, endpoint_id: str, delivery_id: str) -> DeliveryRow:
        """Have one delivery sent once more, at once.

        Raises:
            NotFound: no endpoint has this id, or no delivery of its.
            Conflict: the endpoint is disabled, an attempt is under way, or there were too many.
        """

        async def again(tx: Connection) -> DeliveryRow:
            _require_enabled(await _endpoint(tx, endpoint_id))
            delivery = await _delivery(tx, endpoint_id, delivery_id)
            if delivery.attempts >= store.MOST_ATTEMPTS:
                raise Conflict(
                    f"This delivery had {store.MOST_ATTEMPTS} attempts; it is not sent again. "
                    "Mend the receiver, and read the event from the feed.",
                    code=ErrorCode.TOO_MANY_ATTEMPTS,
                )
            if not await store.redeliver(tx, [delivery_id]):
                raise Conflict(
                    "An attempt of this delivery is under way; try again once it ended.",
                    code=ErrorCode.DELIVERY_UNDER_WAY,
                )
            return await _delivery(tx, endpoint_id, delivery_id)

        return await self._database.run(again)

    async def replay(
        self,
        endpoint_id: str,
        include: Include,
        *,
        since: datetime,
        until: datetime | None = None,
        after: ReplayPlace | None = None,
    ) -> Replayed:
        """Have the endpoint's deliveries since a time sent once more, or go on after a place.

        Raises:
            NotFound: no endpoint has this id.
            Conflict: the endpoint is disabled.
        """
        async with self._database.transaction() as tx:
            endpoint = await _endpoint(tx, endpoint_id)
            _require_enabled(endpoint)
            end = min(until or datetime.max.replace(tzinfo=UTC), await read_now(tx))
        first = Step.ENDED if include is Include.FAILED else Step.MISSED
        at = after or ReplayPlace(first, Place(since, ""), end)
        ends_at = self._clock() + REPLAY_SECONDS
        if after is None and first is Step.MISSED:
            await self._await_older_transactions()
        count = 0
        while True:
            send = self._send_missed if at.step is Step.MISSED else self._send_ended
            sent, following = await send(endpoint, include, at.place, at.until)
            count += sent
            if following is not None:
                at = replace(at, place=following)
            elif at.step is Step.MISSED:
                at = ReplayPlace(Step.ENDED, Place(since, ""), at.until)
            else:
                return Replayed(count, None)
            if self._clock() >= ends_at:
                return Replayed(count, at)

    async def _await_older_transactions(self) -> None:
        """Wait for the events of transactions that chose their endpoints earlier.

        Those that began before the endpoint was enabled did not choose it, and until they end
        nobody sees that it missed their events.
        """
        async with self._database.transaction() as tx:
            begun = await store.newest_transaction(tx)
        until = self._clock() + OLDER_SECONDS
        while self._clock() < until:
            async with self._database.transaction() as tx:
                if await store.have_ended(tx, before=begun):
                    return
            await asyncio.sleep(OLDER_POLL_SECONDS)

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
        self, endpoint: WebhookEndpoint, _include: Include, since: Place, until: datetime
    ) -> tuple[int, Place | None]:
        async def send(tx: Connection) -> tuple[int, Place | None]:
            found = await store.read_missed(tx, endpoint, since=since, until=until)
            await store.owe_missed(tx, endpoint.id, found.event_ids)
            return len(found.event_ids), found.following

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
