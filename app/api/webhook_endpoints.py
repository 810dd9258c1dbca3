"""`/v1/webhook-endpoints`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.api.dependencies import (
    Admin,
    Cursor,
    IdDep,
    Limit,
    PageLinksDep,
    PublicUrlDep,
    Read,
    ServicesDep,
    links_of,
    problems,
)
from app.api.idempotency import CallDep, respond
from app.api.webhook_schemas import (
    WebhookEndpointCreate,
    WebhookEndpointCreated,
    WebhookEndpointOut,
    WebhookEndpointPage,
)
from app.persistence.database import Connection
from app.persistence.webhook_endpoints import WebhookEndpoint
from app.services.idempotency import Accept, Answer
from app.web.cursor import Cursors

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhook endpoints"])
CURSORS = Cursors.of("webhook_endpoints")


@router.post(
    "",
    status_code=201,
    dependencies=[Admin],
    summary="Add a webhook endpoint",
    response_model=WebhookEndpointCreated,
    responses=problems(400, 413),
)
async def create(
    wanted: WebhookEndpointCreate,
    services: ServicesDep,
    call: CallDep,
    public_url: PublicUrlDep,
) -> JSONResponse:
    """Add a webhook endpoint. Only this response has its signing secret (Standard Webhooks)."""

    async def add(accept: Accept) -> Answer:
        async def store(tx: Connection, endpoint: WebhookEndpoint, secret: str) -> None:
            await accept(tx, endpoint.id, _created(endpoint, secret))

        return _created(
            *await services.webhook_endpoints.create(
                wanted.url, event_types=wanted.event_types, tenant=wanted.tenant, accept=store
            )
        )

    answer = await services.idempotency.accepting(call, 201, add)
    return respond(answer, public_url=public_url)


@router.get(
    "",
    dependencies=[Read],
    summary="List webhook endpoints, newest first",
    response_model=WebhookEndpointPage,
    responses={200: links_of(WebhookEndpointPage), **problems()},
)
async def list_page(
    services: ServicesDep, links: PageLinksDep, cursor: Cursor = None, limit: Limit = 50
) -> JSONResponse:
    """Return one page."""
    after = None if cursor is None else "".join(CURSORS.decode(cursor))
    found = await services.webhook_endpoints.list_page(after=after, limit=limit + 1)
    shown = found[:limit]
    next_cursor = CURSORS.encode(shown[-1].id) if len(found) > limit else None
    body = {"data": [_shown(endpoint) for endpoint in shown], "next_cursor": next_cursor}
    return JSONResponse(body, headers=links.header(next_cursor))


@router.get(
    "/{id}",
    dependencies=[Read],
    summary="Get a webhook endpoint",
    response_model=WebhookEndpointOut,
    responses=problems(404),
)
async def get(id: IdDep, services: ServicesDep) -> JSONResponse:  # noqa: A002
    """Return the endpoint without its secret."""
    return JSONResponse(_shown(await services.webhook_endpoints.get(id)))


@router.delete(
    "/{id}",
    status_code=204,
    dependencies=[Admin],
    summary="Remove a webhook endpoint",
    response_class=Response,
    responses=problems(404),
)
async def delete(id: IdDep, services: ServicesDep) -> Response:  # noqa: A002
    """Remove the endpoint and cancel its outstanding deliveries."""
    await services.webhook_endpoints.delete(id)
    return Response(status_code=204)


def _created(endpoint: WebhookEndpoint, secret: str) -> Answer:
    headers = {"Location": f"{router.prefix}/{endpoint.id}"}
    return Answer(201, {**_shown(endpoint), "secret": secret}, headers)


def _shown(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "event_types": list(endpoint.event_types),
        "tenant": endpoint.tenant,
        "created_at": endpoint.created_at.isoformat(),
    }
