"""Records attempts of deliveries in batches, and disables endpoints that fail for too long.

`domain/webhook_endpoint` has the rule; `persistence/deliveries` writes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from app.domain.errors import DatabaseUnavailable
from app.domain.events import EndpointEvent, EndpointEventType, endpoint_webhook_body
from app.domain.webhook_endpoint import DisabledReason, failing_since, is_given_up
from app.persistence import deliveries as store
from app.persistence import webhook_endpoints
from app.persistence.clock import read_now
from app.persistence.database import Connection, Database
from app.persistence.deliveries import Outcome
from app.persistence.events import insert_endpoint_event
from app.persistence.ids import Prefix, new_id
from app.persistence.webhook_endpoints import WebhookEndpoint

MOST_AT_ONCE = 50
WAIT_SECONDS = 0.02
"""How long an attempt waits for others to be recorded with."""

log = structlog.get_logger(__name__)


class Recorder:
    """Records what is given to it within `WAIT_SECONDS`, many in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Outcome, asyncio.Future[bool]]] = []
        self._flushes: set[asyncio.Task[None]] = set()
        """The event loop keeps no task alive."""
        self._timer: asyncio.TimerHandle | None = None

    async def record(self, outcome: Outcome) -> bool:
        """Write an attempt and what follows from it. False if the lease had been lost.

        Raises:
            DatabaseUnavailable: it was not written; the lease ends, and another attempt is made.
        """
        loop = asyncio.get_running_loop()
        recorded: asyncio.Future[bool] = loop.create_future()
        self._waiting.append((outcome, recorded))
        if len(self._waiting) >= MOST_AT_ONCE:
            self._flush()
        elif self._timer is None:
            self._timer = loop.call_later(WAIT_SECONDS, self._flush)
        return await recorded

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        if batch:
            task = asyncio.create_task(self._write(batch))
            self._flushes.add(task)
            task.add_done_callback(self._flushes.discard)

    async def _write(self, batch: Sequence[tuple[Outcome, asyncio.Future[bool]]]) -> None:
        outcomes = [outcome for outcome, _ in batch]

        async def write(tx: Connection) -> set[str]:
            held = await store.record_attempts(tx, outcomes)
            await _note_health(tx, [each for each in outcomes if each.delivery.id in held])
            return held

        try:
            held = await self._database.run(write)
        except Exception as error:  # noqa: BLE001 - each waiter gets it
            if len(batch) > 1 and not isinstance(error, DatabaseUnavailable):
                # One that cannot be written must not have the others sent again.
                for each in batch:
                    await self._write([each])
                return
            for _, recorded in batch:
                if not recorded.done():
                    recorded.set_exception(error)
            return
        for outcome, recorded in batch:
            if not recorded.done():
                recorded.set_result(outcome.delivery.id in held)


async def _note_health(tx: Connection, outcomes: Sequence[Outcome]) -> None:
    succeeded = {each.delivery.endpoint_id for each in outcomes if each.attempt.succeeded}
    recovered = [
        each.delivery.endpoint_id
        for each in outcomes
        if each.attempt.succeeded and each.delivery.is_failing
    ]
    if recovered:
        await webhook_endpoints.note_successes(tx, sorted(set(recovered)))
    receivers = [each for each in outcomes if not each.attempt.is_ours]
    gone = {each.delivery.endpoint_id for each in receivers if each.attempt.is_gone}
    failed = {each.delivery.endpoint_id for each in receivers} - succeeded | gone
    if not failed:
        return
    urls = {(each.delivery.endpoint_id, each.delivery.url) for each in receivers}
    now = await read_now(tx)
    for endpoint in await webhook_endpoints.lock_failed(tx, sorted(failed), also=sorted(gone)):
        # What an address answered that is no longer the endpoint's says nothing of the new one.
        if (endpoint.id, endpoint.url) in urls:
            await _note_failure(tx, endpoint, now, is_gone=endpoint.id in gone)


async def _note_failure(
    tx: Connection, endpoint: WebhookEndpoint, now: datetime, *, is_gone: bool
) -> None:
    since = failing_since(endpoint.failing_since, endpoint.failed_at, now)
    reason: DisabledReason | None = None
    if is_gone:
        reason = DisabledReason.GONE
    elif is_given_up(since, now):
        reason = DisabledReason.FAILING
    endpoint = replace(endpoint, failing_since=since, failed_at=now)
    if reason is None or not endpoint.enabled:
        await webhook_endpoints.save_endpoint(tx, endpoint)
        return
    await disable(tx, endpoint, reason, now=now)
    await _emit_disabled(tx, endpoint, reason, now)
    log.warning("webhook_endpoint_disabled", endpoint=endpoint.id, reason=str(reason))


async def disable(
    tx: Connection, endpoint: WebhookEndpoint, reason: DisabledReason, *, now: datetime
) -> WebhookEndpoint:
    """Disable a locked endpoint, and end the deliveries that wait for it. Return it."""
    disabled = replace(
        endpoint,
        enabled=False,
        disabled_reason=reason,
        disabled_at=now,
        sequence=endpoint.sequence + (reason is not DisabledReason.BY_HAND),
    )
    await webhook_endpoints.save_endpoint(tx, disabled)
    await store.end_pending(tx, endpoint.id, status="exhausted", reason="endpoint_disabled")
    return disabled


async def _emit_disabled(
    tx: Connection, endpoint: WebhookEndpoint, reason: DisabledReason, now: datetime
) -> None:
    """Write the event. Of a provider's endpoint it goes to the provider alone."""
    event = EndpointEvent(
        id=new_id(Prefix.EVENT),
        endpoint_id=endpoint.id,
        tenant=endpoint.tenant if endpoint.is_tenants_own else None,
        sequence=endpoint.sequence + 1,
        type=EndpointEventType.DISABLED,
        reason=str(reason),
        created_at=now,
    )
    body = endpoint_webhook_body(
        event,
        url=endpoint.url,
        description=endpoint.description,
        tenant=endpoint.tenant,
        message=reason.detail,
    )
    await insert_endpoint_event(tx, event, body=json.dumps(body))
