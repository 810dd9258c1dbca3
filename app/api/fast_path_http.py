"""What the reads in front of FastAPI share: headers, query, If-None-Match, and the bare answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.problem_responses import problems
from app.domain.errors import ErrorCode, InvalidInput

VARY = {"vary": "Authorization"}
_VARY = (b"vary", b"Authorization")


def read_headers(scope: Scope) -> tuple[str | None, str | None]:
    """Return Authorization and If-None-Match."""
    authorization = if_none_match = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value.decode("latin-1")
        elif name == b"if-none-match":
            if_none_match = value.decode("latin-1")
    return authorization, if_none_match


def read_parameter(query: bytes, known: str) -> str | None:
    """Return the value of the only parameter that the path has, or None.

    Raises:
        InvalidInput: there is another parameter, or this one twice.
    """
    found = None
    for name, value in parse_qsl(query.decode(errors="replace"), keep_blank_values=True):
        if name != known:
            raise InvalidInput(
                f"Unknown query parameter; this path has `{known}`.",
                code=ErrorCode.QUERY_UNKNOWN,
                parameter=name[:100],
            )
        if found is not None:
            raise InvalidInput(
                "The query parameter is repeated; give it once.",
                code=ErrorCode.QUERY_UNKNOWN,
                parameter=name,
            )
        found = value
    return found


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Compare weakly, as RFC 9110, section 13.1.2, asks: proxies that compress turn tags weak."""
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in tags or "*" in tags


def not_modified(etag: str, cache_control: str) -> Response:
    """Build the answer to a caller that has the newest."""
    return Response(status_code=304, headers=caching(etag, cache_control))


def caching(etag: str, cache_control: str) -> dict[str, str]:
    """Return the header fields for a cache: keys see different answers at the same URL."""
    return {"etag": etag, "cache-control": cache_control, **VARY}


class Json:
    """A JSON text with its ETag. Starlette's response would cost three per cent of the speed."""

    def __init__(self, body: bytes, etag: str, cache_control: bytes) -> None:
        self._body = body
        self._etag = etag.encode()
        self._cache_control = cache_control

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        headers = [
            (b"content-length", b"%d" % len(self._body)),
            (b"content-type", b"application/json"),
            (b"etag", self._etag),
            (b"cache-control", self._cache_control),
            _VARY,
        ]
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


def described(
    operation: dict[str, Any], schema: str, *codes: ErrorCode, ok: str, unchanged: str
) -> dict[str, Any]:
    """Complete the OpenAPI of a read: its answers, and what all of these reads take.

    `codes` are the problems of its own.
    """
    headers = {"ETag": {"schema": {"type": "string"}}}
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    refusals = {
        str(status): {"description": answer["description"], "content": answer["content"]}
        for status, answer in problems(*codes).items()
    }
    if_none_match = {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}
    return {
        **operation,
        "security": [{"apiKey": []}],
        "parameters": [*operation["parameters"], if_none_match],
        "responses": {
            "200": {"description": ok, "headers": headers, "content": content},
            "304": {"description": unchanged},
            **refusals,
        },
    }
