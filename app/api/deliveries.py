"""`/v1/webhook-endpoints/{id}`: what was delivered, and to send it once more."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import JSONResponse

from app.api.delivery_schemas import (
    DeliveryDetailOut,
    DeliveryOut,
    DeliveryPage,
    DeliveryQuery,
    Replay,
    ReplayOut,
    StatisticsOut,
    TestEvent,
)
from app.api.dependencies import (
    PageLinksDep,
    Read,
    ServicesDep,
    WriteEndpoints,
    links_of,
)
from app.api.idempotency import CallDep, respond
from app.api.problem_responses import BODY, KEPT, problems
from app.api.tenancy import OwnEndpoint
from app.domain.errors import ErrorCode, InvalidInput, NotFound
from app.domain.event_samples import sample_body
from app.domain.events import tenants_webhook_body
from app.domain.histogram import quantile
from app.persistence.delivery_history import (
    MOST_WAITING,
    AttemptRow,
    DeliveryFilter,
    DeliveryRow,
    Place,
    Statistics,
)
from app.persistence.ids import ID
from app.services.delivery_history import ReplayPlace, Step
from app.services.idempotency import Answer
from app.web.cursor import Cursors, not_ours

router = APIRouter(prefix="/v1/webhook-endpoints/{id}", tags=["webhook deliveries"])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
MOST_HOURS = 720
NO_ID = "-"
"""Stands for the beginning in a cursor."""


async def known_delivery(
    delivery_id: Annotated[str, Path(description="The delivery's id, as the API returned it.")],
) -> str:
    """Refuse what no id looks like, before anybody is asked for it."""
    if not ID.fullmatch(delivery_id):
        raise NotFound("Delivery not found.")
    return delivery_id


DeliveryId = Annotated[str, Depends(known_delivery)]


@router.get(
    "/deliveries",
    dependencies=[Read],
    operation_id="list_webhook_deliveries",
    summary="List an endpoint's deliveries, newest first",
    response_model=DeliveryPage,
    responses={
        200: links_of(DeliveryPage),
        **problems(ErrorCode.NOT_FOUND, ErrorCode.CURSOR_INVALID, ErrorCode.FILTER_TOO_BROAD),
    },
)
async def list_page(
    id: OwnEndpoint,  # noqa: A002
    services: ServicesDep,
    links: PageLinksDep,
    wanted: Annotated[DeliveryQuery, Query()],
) -> JSONResponse:
    """Return one page. All conditions must hold."""
    cursors, limit = Cursors.of(f"deliveries of {id}", wanted.list_conditions()), wanted.limit
    after = _place(cursors, wanted.cursor) if wanted.cursor is not None else None
    conditions = DeliveryFilter(
        status=wanted.status,
        event_type=str(wanted.event_type) if wanted.event_type else None,
        subject=wanted.subject,
        since=wanted.since,
        until=wanted.until,
    )
    found = await services.delivery_history.list_page(id, conditions, after=after, limit=limit + 1)
    shown = found[:limit]
    following = None
    if len(found) > limit:
        following = cursors.encode(shown[-1].id, _micros(shown[-1].created_at))
    body = {"data": [_shown(each) for each in shown], "next_cursor": following}
    return JSONResponse(body, headers=links.header(following))


@router.get(
    "/deliveries/{delivery_id}",
    dependencies=[Read],
    operation_id="get_webhook_delivery",
    summary="Get a delivery with its attempts",
    response_model=DeliveryDetailOut,
    responses=problems(ErrorCode.NOT_FOUND),
)
async def get(
    id: OwnEndpoint,  # noqa: A002
    delivery_id: DeliveryId,
    services: ServicesDep,
) -> JSONResponse:
    """Return what is sent, and how each attempt went."""
    endpoint, delivery, attempts = await services.delivery_history.get(id, delivery_id)
    body = json.loads(delivery.body)
    shown = _shown(delivery) | {
        "body": tenants_webhook_body(body) if endpoint.is_tenants_own else body,
        "attempts_made": [_attempt(each) for each in attempts],
    }
    return JSONResponse(shown)


@router.post(
    "/deliveries/{delivery_id}/redeliver",
    status_code=202,
    dependencies=[WriteEndpoints],
    operation_id="redeliver_webhook",
    summary="Send a delivery once more",
    response_model=DeliveryOut,
    responses=problems(
        *KEPT,
        ErrorCode.NOT_FOUND,
        ErrorCode.ENDPOINT_DISABLED,
        ErrorCode.DELIVERY_UNDER_WAY,
        ErrorCode.TOO_MANY_ATTEMPTS,
    ),
)
async def redeliver(
    id: OwnEndpoint,  # noqa: A002
    delivery_id: DeliveryId,
    services: ServicesDep,
    call: CallDep,
) -> JSONResponse:
    """Send it at once, with the same `webhook-id` and body, and retry it as a new one."""

    async def again() -> Answer:
        return Answer(202, _shown(await services.delivery_history.redeliver(id, delivery_id)))

    return respond(await services.idempotency.claiming(call, again))


@router.post(
    "/replay",
    status_code=202,
    dependencies=[WriteEndpoints],
    operation_id="replay_webhooks",
    summary="Send an endpoint's deliveries since a time once more",
    response_model=ReplayOut,
    responses=problems(
        *BODY,
        *KEPT,
        ErrorCode.NOT_FOUND,
        ErrorCode.ENDPOINT_DISABLED,
        ErrorCode.CURSOR_INVALID,
    ),
)
async def replay(
    id: OwnEndpoint,  # noqa: A002
    wanted: Replay,
    services: ServicesDep,
    call: CallDep,
) -> JSONResponse:
    """Send them at once. What is on its way already is left alone.

    An answer with `next_cursor` stands for a part of them: send the request again with it.
    """
    cursors = Cursors.of(f"replay of {id}", wanted.conditions())
    after = _replay_place(cursors, wanted.cursor) if wanted.cursor is not None else None

    async def again() -> Answer:
        replayed = await services.delivery_history.replay(
            id, wanted.include, since=wanted.since, until=wanted.until, after=after
        )
        at = replayed.following
        following = _replay_cursor(cursors, at) if at else None
        return Answer(202, {"replayed": replayed.count, "next_cursor": following})

    return respond(await services.idempotency.claiming(call, again))


@router.post(
    "/test",
    status_code=202,
    dependencies=[WriteEndpoints],
    operation_id="test_webhook_endpoint",
    summary="Send a test event",
    response_model=DeliveryOut,
    responses=problems(*BODY, *KEPT, ErrorCode.NOT_FOUND, ErrorCode.ENDPOINT_DISABLED),
)
async def send_test(
    id: OwnEndpoint,  # noqa: A002
    services: ServicesDep,
    call: CallDep,
    wanted: TestEvent | None = None,
) -> JSONResponse:
    """Send an example event of any type to this endpoint alone.

    It is signed, retried and listed as any other delivery, and is not in the feed.
    """
    body = sample_body((wanted or TestEvent()).type)

    async def send() -> Answer:
        return Answer(202, _shown(await services.delivery_history.send_test(id, body)))

    return respond(await services.idempotency.claiming(call, send))


@router.get(
    "/statistics",
    dependencies=[Read],
    operation_id="get_webhook_statistics",
    summary="Get an endpoint's delivery statistics",
    response_model=StatisticsOut,
    responses=problems(ErrorCode.NOT_FOUND),
)
async def statistics(
    id: OwnEndpoint,  # noqa: A002
    services: ServicesDep,
    hours: Annotated[
        int, Query(ge=1, le=MOST_HOURS, description="How many hours back from now.")
    ] = 24,
) -> JSONResponse:
    """Return how many attempts succeeded, how long they took, and how many deliveries wait."""
    found = await services.delivery_history.statistics(id, hours=hours)
    return JSONResponse(_statistics(found, hours))


def _place(cursors: Cursors, cursor: str) -> Place:
    """Read the place out of the cursor.

    Raises:
        InvalidInput: it is not a cursor of this list.
    """
    try:
        delivery_id, at = cursors.decode(cursor)
        place = Place(_instant(at), delivery_id)
    except (ValueError, OverflowError):
        raise not_ours() from None
    if not ID.fullmatch(delivery_id):
        raise not_ours()
    return place


def _replay_cursor(cursors: Cursors, at: ReplayPlace) -> str:
    place = at.place
    return cursors.encode(at.step, place.id or NO_ID, _micros(place.created_at), _micros(at.until))


def _replay_place(cursors: Cursors, cursor: str) -> ReplayPlace:
    """Read where a replay goes on.

    Raises:
        InvalidInput: it is not a cursor of this replay.
    """
    try:
        step, row_id, at, until = cursors.decode(cursor)
        place = Place(_instant(at), row_id)
        found = ReplayPlace(Step(step), place, _instant(until))
    except (InvalidInput, ValueError, OverflowError):
        raise _not_of_this_replay() from None
    if row_id == NO_ID:
        return replace(found, place=Place(place.created_at, ""))
    if not ID.fullmatch(row_id):
        raise _not_of_this_replay()
    return found


def _not_of_this_replay() -> InvalidInput:
    return InvalidInput(
        "Pass `next_cursor` of the answer before, unchanged, with the same other fields.",
        code=ErrorCode.CURSOR_INVALID,
        field="/cursor",
    )


def _micros(instant: datetime) -> str:
    return str((instant - _EPOCH) // _MICROSECOND)


def _instant(microseconds: str) -> datetime:
    return _EPOCH + int(microseconds) * _MICROSECOND


def _shown(delivery: DeliveryRow) -> dict[str, Any]:
    event = json.loads(delivery.body)["data"]["event"]
    next_attempt_at = delivery.next_attempt_at
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "event_type": event["type"],
        "subject": event["subject"],
        "sequence": event["sequence"],
        "status": delivery.status,
        "reason": delivery.reason,
        "attempts": delivery.attempts,
        "next_attempt_at": next_attempt_at.isoformat() if next_attempt_at else None,
        "created_at": delivery.created_at.isoformat(),
    }


def _attempt(attempt: AttemptRow) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": attempt.started_at.isoformat(),
        "duration_ms": attempt.duration_ms,
        "status_code": attempt.status_code,
        "error": attempt.error,
        "answer": attempt.answer,
    }


def _statistics(found: Statistics, hours: int) -> dict[str, Any]:
    parts = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    durations = {name: quantile(found.durations, part) for name, part in parts.items()}
    oldest = found.oldest_waiting
    return {
        "hours": hours,
        "succeeded": found.succeeded,
        "failed": found.failed,
        "duration_ms": {k: None if v is None else round(v, 1) for k, v in durations.items()},
        "waiting": found.waiting,
        "waiting_is_exact": found.waiting < MOST_WAITING,
        "oldest_waiting_at": oldest.isoformat() if oldest else None,
    }
