"""`GET /v1/custom-hostnames/{id}`, the read product backends poll: a bare route over a bare query.

It is registered before FastAPI's routes, so its OpenAPI stands here by hand. The document comes
out of Postgres as text and is passed on undecoded.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.api.custom_hostnames import PATH
from app.api.dependencies import ID, problems
from app.bootstrap import Services
from app.domain.errors import NotFound
from app.persistence.hot_reads import read_document
from app.services.api_keys import Scope
from app.web.caller import authenticate


async def get_custom_hostname(request: Request) -> Response:
    """Give one; with If-None-Match, 304 while nothing about it changed."""
    services: Services = request.app.state.services
    await authenticate(services, request.headers.get("authorization"), Scope.READ)
    record_id = request.path_params["id"]
    row = await read_document(services.database, record_id) if ID.fullmatch(record_id) else None
    if row is None:
        raise NotFound("There is no custom hostname with this id.")
    document, revision, sequence, view, due_at = row
    etag = f'"{revision}.{sequence}.{view}"'
    headers = {"etag": etag, "cache-control": "private, no-cache"}
    if _matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    due = f'"{due_at.isoformat()}"' if due_at else "null"
    body = f'{document[:-1]},"next_check_at":{due}}}'
    return Response(body, media_type="application/json", headers=headers)


def _matches(if_none_match: str | None, etag: str) -> bool:
    """Compare weakly, as RFC 9110, section 13.1.2, asks: proxies that compress turn tags weak."""
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in tags or "*" in tags


HOT_ROUTES = [Route(PATH + "/{id}", get_custom_hostname, methods=["GET"])]

HOT_PATHS: dict[str, Any] = {
    PATH + "/{id}": {
        "get": {
            "tags": ["custom hostnames"],
            "summary": "Get a custom hostname",
            "description": "With If-None-Match, 304 while nothing about it changed.",
            "operationId": "get_custom_hostname",
            "security": [{"apiKey": []}],
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}},
            ],
            "responses": {
                "200": {
                    "description": "The custom hostname.",
                    "headers": {"ETag": {"schema": {"type": "string"}}},
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/CustomHostnameOut"}
                        }
                    },
                },
                "304": {"description": "Unchanged."},
                **{
                    str(status): {
                        "description": answer["description"],
                        "content": answer["content"],
                    }
                    for status, answer in problems(404).items()
                    if status != 422  # noqa: PLR2004
                },
            },
        }
    }
}
