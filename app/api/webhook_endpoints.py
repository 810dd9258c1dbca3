"""`/v1/webhook-endpoints`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.api.dependencies import (
    Cursor,
    Limit,
    PageLinksDep,
    PublicUrlDep,
    Read,
    ServicesDep,
    WriteEndpoints,
    links_of,
)
from app.api.idempotency import CallDep, respond
from app.api.problem_responses import BODY, KEPT, problems
from app.api.tenancy import KeyDep, OwnEndpoint, tenant_to_notify
from app.api.webhook_schemas import (
    OVERLAP_HOURS,
    SecretRotation,
    WebhookEndpointCreate,
    WebhookEndpointCreated,
    WebhookEndpointOut,
    WebhookEndpointPage,
    WebhookEndpointUpdate,
)
from app.domain.errors import ErrorCode
from app.domain.webhook_endpoint import Signing
from app.persistence.database import Connection
from app.persistence.webhook_endpoints import WebhookEndpoint
from app.services.idempotency import Accept, Answer
from app.web.cursor import Cursors

URL = (
    ErrorCode.URL_INVALID,
    ErrorCode.URL_NOT_HTTPS,
    ErrorCode.PORT_NOT_ALLOWED,
    ErrorCode.ADDRESS_NOT_ALLOWED,
    ErrorCode.HOST_UNRESOLVED,
)
router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhook endpoints"])
CURSORS = Cursors.of("webhook_endpoints")


@router.post(
    "",
    status_code=201,
    dependencies=[WriteEndpoints],
    operation_id="create_webhook_endpoint",
    summary="Add a webhook endpoint",
    response_model=WebhookEndpointCreated,
    responses=problems(
        *BODY, *KEPT, *URL, ErrorCode.EVENT_TYPE_UNKNOWN, ErrorCode.TOO_MANY_ENDPOINTS
    ),
)
async def create(
    wanted: WebhookEndpointCreate,
    services: ServicesDep,
    key: KeyDep,
    call: CallDep,
    public_url: PublicUrlDep,
) -> JSONResponse:
    """Add a webhook endpoint. Only this response has its signing secret (Standard Webhooks).

    What a key that is bound to a tenant adds gets its tenant's events, without `metadata`,
    `custom_metadata`, `labels` and Cloudflare's errors.
    """
    tenant = tenant_to_notify(key, wanted)

    async def add(accept: Accept) -> Answer:
        async def store(tx: Connection, endpoint: WebhookEndpoint, secret: str) -> None:
            await accept(tx, endpoint.id, _created(endpoint, secret))

        fields = wanted.model_dump(exclude={"tenant"})
        return _created(
            *await services.webhook_endpoints.create(
                **fields, tenant=tenant, is_tenants_own=key.tenant is not None, accept=store
            )
        )

    answer = await services.idempotency.accepting(call, 201, add)
    return respond(answer, public_url=public_url)


@router.get(
    "",
    dependencies=[Read],
    operation_id="list_webhook_endpoints",
    summary="List webhook endpoints, newest first",
    response_model=WebhookEndpointPage,
    responses={200: links_of(WebhookEndpointPage), **problems(ErrorCode.CURSOR_INVALID)},
)
async def list_page(
    services: ServicesDep,
    key: KeyDep,
    links: PageLinksDep,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> JSONResponse:
    """Return one page. A key that is bound to a tenant sees what such keys of its tenant added."""
    found = await services.webhook_endpoints.list_page(
        own_of=key.tenant, after=CURSORS.decode_id(cursor), limit=limit + 1
    )
    page = CURSORS.page([_shown(endpoint) for endpoint in found], limit)
    return JSONResponse(page, headers=links.header(page["next_cursor"]))


@router.get(
    "/{id}",
    dependencies=[Read],
    operation_id="get_webhook_endpoint",
    summary="Get a webhook endpoint",
    response_model=WebhookEndpointOut,
    responses=problems(ErrorCode.NOT_FOUND),
)
async def get(id: OwnEndpoint, services: ServicesDep) -> JSONResponse:  # noqa: A002
    """Return the endpoint without its secret."""
    return JSONResponse(_shown(await services.webhook_endpoints.get(id)))


@router.patch(
    "/{id}",
    dependencies=[WriteEndpoints],
    operation_id="update_webhook_endpoint",
    summary="Change a webhook endpoint",
    response_model=WebhookEndpointOut,
    responses=problems(*BODY, *KEPT, *URL, ErrorCode.EVENT_TYPE_UNKNOWN, ErrorCode.NOT_FOUND),
)
async def update(
    id: OwnEndpoint,  # noqa: A002
    wanted: WebhookEndpointUpdate,
    services: ServicesDep,
    call: CallDep,
) -> JSONResponse:
    """Change the fields that are given.

    To disable an endpoint ends the deliveries that wait. Once it is enabled again, it gets the
    events from then on; replay those that it missed.
    """

    async def change() -> Answer:
        changes = wanted.model_dump(exclude_unset=True)
        return Answer(200, _shown(await services.webhook_endpoints.update(id, changes)))

    return respond(await services.idempotency.claiming(call, change))


@router.post(
    "/{id}/rotate-secret",
    dependencies=[WriteEndpoints],
    operation_id="rotate_webhook_secret",
    summary="Rotate a webhook endpoint's secret",
    response_model=WebhookEndpointCreated,
    responses=problems(*BODY, *KEPT, ErrorCode.NOT_FOUND, ErrorCode.SECRETS_OVERLAP),
)
async def rotate(
    id: OwnEndpoint,  # noqa: A002
    services: ServicesDep,
    call: CallDep,
    wanted: SecretRotation | None = None,
) -> JSONResponse:
    """Make a new secret. Meanwhile both sign each message, and receivers may verify with either.

    Only this response has the new secret.
    """
    overlap = timedelta(hours=wanted.overlap_hours if wanted else OVERLAP_HOURS)

    async def make(accept: Accept) -> Answer:
        async def store(tx: Connection, endpoint: WebhookEndpoint, secret: str) -> None:
            await accept(tx, endpoint.id, _with_secret(200, endpoint, secret))

        endpoints = services.webhook_endpoints
        return _with_secret(200, *await endpoints.rotate(id, overlap=overlap, accept=store))

    return respond(await services.idempotency.accepting(call, 200, make))


@router.delete(
    "/{id}",
    status_code=204,
    dependencies=[WriteEndpoints],
    operation_id="delete_webhook_endpoint",
    summary="Remove a webhook endpoint",
    response_class=Response,
    responses=problems(ErrorCode.NOT_FOUND),
)
async def delete(id: OwnEndpoint, services: ServicesDep) -> Response:  # noqa: A002
    """Remove the endpoint and cancel its outstanding deliveries."""
    await services.webhook_endpoints.delete(id)
    return Response(status_code=204)


def _created(endpoint: WebhookEndpoint, secret: str) -> Answer:
    answer = _with_secret(201, endpoint, secret)
    return replace(answer, headers={"Location": f"{router.prefix}/{endpoint.id}"})


def _with_secret(status: int, endpoint: WebhookEndpoint, secret: str) -> Answer:
    is_shared = endpoint.signing is Signing.HMAC_SHA256
    return Answer(status, {**_shown(endpoint), "secret": secret if is_shared else None})


def _shown(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": list(endpoint.event_types),
        "tenant": endpoint.tenant,
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "disabled_at": _instant(endpoint.disabled_at),
        "rate_limit": endpoint.rate_limit,
        "signing": endpoint.signing,
        "public_key": endpoint.public_key,
        "previous_secret_until": _instant(endpoint.previous_until),
        "failing_since": _instant(endpoint.failing_since),
        "created_at": endpoint.created_at.isoformat(),
        "updated_at": (endpoint.updated_at or endpoint.created_at).isoformat(),
    }


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
