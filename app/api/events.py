"""`/v1/events`: all events in one order, as a list and as a stream."""

from __future__ import annotations

import json
import math
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from app.api.dependencies import Cursor, Limit, PageLinksDep, Read, ServicesDep, links_of
from app.api.event_schemas import FeedEventPage
from app.api.event_stream import EventStream, Streams
from app.api.problem_responses import problems
from app.api.schemas import Tenant
from app.api.tenancy import KeyDep, tenant_to_list
from app.domain.errors import ErrorCode
from app.domain.events import EVENT_TYPES, AnyEventType, tenants_webhook_body
from app.persistence.api_keys import ApiKey
from app.persistence.feed import FeedEntry, FeedFilter
from app.web.caller import address_of, authenticate
from app.web.cursor import decode_number
from app.web.request_limits import WAIT_SECONDS

router = APIRouter(prefix="/v1/events", tags=["events"])

TenantFilter = Annotated[Tenant | None, Query(description="Only events of this tenant.")]
Types = Annotated[
    list[AnyEventType],
    Query(
        alias="type",
        max_length=len(EVENT_TYPES),
        description="Only events of this type; repeat it for several types.",
    ),
]
After = Annotated[
    str | None,
    Query(max_length=20, description="Start after the event with this `number`; by default, now."),
]
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="The same; browsers send it when they reconnect."),
]
STREAM = {
    "content": {
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": "id: 1042\nevent: custom_hostname.active\ndata: {...}\n\n",
        }
    },
    "description": "Server-sent events: `id` is the event's number, `event` its type, and `data` "
    "the body that webhooks carry.",
}


@router.get(
    "",
    dependencies=[Read],
    operation_id="list_events",
    summary="List all events, oldest first",
    response_model=FeedEventPage,
    responses={
        200: links_of(FeedEventPage),
        **problems(ErrorCode.CURSOR_INVALID, ErrorCode.FEED_EXPIRED),
    },
)
async def list_page(
    services: ServicesDep,
    key: KeyDep,
    links: PageLinksDep,
    tenant: TenantFilter = None,
    types: Types = [],  # noqa: B006 - FastAPI copies it
    cursor: Cursor = None,
    limit: Limit = 50,
) -> JSONResponse:
    """Return one page of the feed. `cursor` may also be the `number` of an event.

    To keep a copy in step, note `position`, and continue after it.
    """
    wanted = _filter(tenant_to_list(key, tenant), types)
    page = await services.feed.page(wanted, after=decode_number(cursor, "cursor"), limit=limit)
    following = str(page.position) if page.has_more else None
    data = [_shown(each, key) for each in page.entries]
    body = {"data": data, "next_cursor": following, "position": page.position}
    return JSONResponse(body, headers=links.header(following))


@router.get(
    "/stream",
    dependencies=[Read],
    operation_id="stream_events",
    summary="Stream events as they happen",
    response_class=EventStream,
    responses={
        200: STREAM,
        **problems(ErrorCode.CURSOR_INVALID, ErrorCode.FEED_EXPIRED, ErrorCode.TOO_MANY_STREAMS),
    },
)
async def stream(
    request: Request,
    services: ServicesDep,
    key: KeyDep,
    tenant: TenantFilter = None,
    types: Types = [],  # noqa: B006 - FastAPI copies it
    after: After = None,
    last_event_id: LastEventId = None,
) -> EventStream:
    """Send events as server-sent events, with a heartbeat while there are none.

    The stream ends when the process stops or the API key is revoked: connect again, with
    `Last-Event-ID`, after the time that `retry` gives.
    """
    wanted = _filter(tenant_to_list(key, tenant), types)
    # A browser repeats the URL when it reconnects, so the header is the newer one.
    parameter = "after" if last_event_id is None else "Last-Event-ID"
    number = decode_number(after if last_event_id is None else last_event_id, parameter)
    streams: Streams = request.app.state.streams
    after_number = await services.feed.start_after(number, parameter=parameter)
    # It lasts as long as its reader and its key.
    request.scope[WAIT_SECONDS] = math.inf
    return streams.open(
        wanted,
        after=after_number,
        body_of=partial(_body, key=key),
        authenticated=partial(
            authenticate,
            services,
            request.headers.get("authorization"),
            address=address_of(request.scope),
        ),
    )


def _filter(tenant: str | None, types: list[AnyEventType]) -> FeedFilter:
    return FeedFilter(tenant=tenant, types=tuple(str(each) for each in types))


def _body(entry: FeedEntry, *, key: ApiKey) -> str:
    if key.tenant is None:
        return entry.body
    return json.dumps(tenants_webhook_body(json.loads(entry.body)))


def _shown(entry: FeedEntry, key: ApiKey) -> dict[str, Any]:
    data = json.loads(_body(entry, key=key))["data"]
    event = data.pop("event")
    return {
        "number": entry.number,
        **event,
        "subject": entry.subject,
        "tenant": entry.tenant,
        "data": data,
    }
