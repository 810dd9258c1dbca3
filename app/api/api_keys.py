"""`/v1/api-keys`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from app.api.api_key_schemas import ApiKeyCreate, ApiKeyCreated, ApiKeyOut, ApiKeyPage
from app.api.dependencies import (
    Admin,
    Cursor,
    IdDep,
    Limit,
    PageLinksDep,
    PublicUrlDep,
    ServicesDep,
    links_of,
)
from app.api.idempotency import CallDep, respond
from app.api.problem_responses import BODY, KEPT, problems
from app.domain.errors import ErrorCode
from app.persistence.api_keys import ListedKey
from app.persistence.database import Connection
from app.services.idempotency import Accept, Answer
from app.web.cursor import Cursors

router = APIRouter(prefix="/v1/api-keys", tags=["API keys"])
CURSORS = Cursors.of("api_keys")


@router.post(
    "",
    status_code=201,
    dependencies=[Admin],
    operation_id="create_api_key",
    summary="Create an API key",
    response_model=ApiKeyCreated,
    responses=problems(*BODY, *KEPT, ErrorCode.ADMIN_KEY_BOUND, ErrorCode.EXPIRY_PAST),
)
async def create(
    wanted: ApiKeyCreate, services: ServicesDep, call: CallDep, public_url: PublicUrlDep
) -> JSONResponse:
    """Create an API key. Only this response has the key itself, as `secret`.

    A repetition with the same `Idempotency-Key` shows it again, for a day or until it is revoked.
    """

    async def add(accept: Accept) -> Answer:
        async def store(tx: Connection, key: ListedKey, secret: str) -> None:
            await accept(tx, key.id, _created(key, secret))

        return _created(
            *await services.api_keys.create(
                name=wanted.name,
                scope=wanted.scope,
                tenant=wanted.tenant,
                expires_at=wanted.expires_at,
                accept=store,
            )
        )

    answer = await services.idempotency.accepting(call, 201, add)
    return respond(answer, public_url=public_url)


@router.get(
    "",
    dependencies=[Admin],
    operation_id="list_api_keys",
    summary="List API keys, newest first",
    response_model=ApiKeyPage,
    responses={200: links_of(ApiKeyPage), **problems(ErrorCode.CURSOR_INVALID)},
)
async def list_page(
    services: ServicesDep, links: PageLinksDep, cursor: Cursor = None, limit: Limit = 50
) -> JSONResponse:
    """Return one page. Keys that expired or were revoked stay in the list."""
    found = await services.api_keys.list(after=CURSORS.decode_id(cursor), limit=limit + 1)
    page = CURSORS.page([_shown(key) for key in found], limit)
    return JSONResponse(page, headers=links.header(page["next_cursor"]))


@router.get(
    "/{id}",
    dependencies=[Admin],
    operation_id="get_api_key",
    summary="Get an API key",
    response_model=ApiKeyOut,
    responses=problems(ErrorCode.NOT_FOUND),
)
async def get(id: IdDep, services: ServicesDep) -> JSONResponse:  # noqa: A002
    """Return the key's description, without the key itself."""
    return JSONResponse(_shown(await services.api_keys.get(id)))


@router.delete(
    "/{id}",
    dependencies=[Admin],
    operation_id="revoke_api_key",
    summary="Revoke an API key",
    response_model=ApiKeyOut,
    responses=problems(ErrorCode.NOT_FOUND),
)
async def delete(id: IdDep, services: ServicesDep) -> JSONResponse:  # noqa: A002
    """Revoke the key for good, and return it. A repeated call changes nothing."""
    return JSONResponse(_shown(await services.api_keys.revoke(id)))


def _created(key: ListedKey, secret: str) -> Answer:
    headers = {"Location": f"{router.prefix}/{key.id}"}
    return Answer(201, {**_shown(key), "secret": secret}, headers)


def _shown(key: ListedKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scope": key.scope,
        "tenant": key.tenant,
        "created_at": key.created_at.isoformat(),
        "expires_at": _instant(key.expires_at),
        "last_used_at": _instant(key.last_used_at),
        "revoked_at": _instant(key.revoked_at),
    }


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
