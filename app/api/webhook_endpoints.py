"""`/v1/webhook-endpoints`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.api.dependencies import Admin, Cursor, IdDep, Limit, Read, ServicesDep, problems
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
from app.web.cursor import decode_cursor, page

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhook endpoints"])


@router.post(
    "",
    status_code=201,
    dependencies=[Admin],
    summary="Add a webhook endpoint",
    response_model=WebhookEndpointCreated,
    responses=problems(400, 413),
)
async def create(
    wanted: WebhookEndpointCreate, services: ServicesDep, call: CallDep
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

    return respond(await services.idempotency.accepting(call, 201, add))


@router.get(
    "",
    dependencies=[Read],
    summary="List webhook endpoints, newest first",
    response_model=WebhookEndpointPage,
    responses=problems(),
)
async def list_page(
    services: ServicesDep, cursor: Cursor = None, limit: Limit = 50
) -> JSONResponse:
    """Return one page."""
    found = await services.webhook_endpoints.list_page(after=decode_cursor(cursor), limit=limit + 1)
    return JSONResponse(page([_shown(endpoint) for endpoint in found], limit))


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
