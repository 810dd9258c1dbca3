"""The reads that product backends make on their own fast path: answered in front of FastAPI.

So their OpenAPI stands here by hand. `GET /v1/custom-hostnames/{id}` is answered here: the document
comes out of Postgres as text and is passed on undecoded. `resolve.py` answers `GET /v1/resolve`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import resolve
from app.api.custom_hostnames import PATH, show
from app.api.fast_path_http import (
    VARY,
    Json,
    caching,
    described,
    is_known,
    not_modified,
    read_headers,
)
from app.api.long_poll import MOST_SECONDS, LongPolls, seconds_to_wait
from app.api.tenancy import unknown_hostname
from app.bootstrap import Services
from app.domain.document import add_moment, tenants_view
from app.domain.errors import ErrorCode, NameplateError
from app.domain.reason import Reason
from app.persistence.fast_path_reads import DocumentRow, read_document
from app.persistence.ids import ID
from app.web.caller import address_of, admit, authenticate
from app.web.errors import method_not_allowed, problem_of
from app.web.request_limits import WAIT_SECONDS

_PREFIX = PATH + "/"
_CACHE_CONTROL = "private, no-cache"
_CACHE_CONTROL_BYTES = _CACHE_CONTROL.encode()
# What FastAPI's router would leave in the scope: the metrics take the template from there.
_ROUTE = SimpleNamespace(path=PATH + "/{id}")
_RESOLVE_ROUTE = SimpleNamespace(path=resolve.PATH)


class FastPath:
    """Answers the fast-path reads itself and hands everything else on."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services
        self._long_polls = LongPolls()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        try:
            if scope["type"] == "http" and scope["path"] == resolve.PATH:
                response = await self._resolve(scope)
            elif (record_id := _asked_for(scope)) is not None:
                scope["route"] = _ROUTE
                response = await self._get_custom_hostname(scope, receive, record_id)
            else:
                response = self._app
        except NameplateError as error:
            response = problem_of(error)
        await response(scope, receive, send)

    async def _resolve(self, scope: Scope) -> ASGIApp:
        scope["route"] = _RESOLVE_ROUTE
        if scope["method"] != "GET":
            return method_not_allowed(["GET", "HEAD"])
        answer = await resolve.resolve(self._services, scope)
        if isinstance(answer, JSONResponse):
            # A name that this key may not see is unknown, for a while, to this key alone.
            answer.headers.update(VARY)
        return answer

    async def _get_custom_hostname(self, scope: Scope, receive: Receive, record_id: str) -> ASGIApp:
        authorization, if_none_match = read_headers(scope)
        key = await admit(self._services, scope, authorization, self._services.request_rate)
        # Every key may read: `read` is the least scope.
        seconds = seconds_to_wait(scope["query_string"]) if scope["query_string"] else 0
        found = ID.fullmatch(record_id)
        row = await read_document(self._services.database, record_id) if found else None
        if row is not None and key.tenant is not None and _tenant_of(row) != key.tenant:
            row = None
        if row is not None and seconds:
            # The middleware lets it take as long.
            scope[WAIT_SECONDS] = seconds
            again = partial(authenticate, self._services, authorization, address=address_of(scope))
            row = await self._changed(
                row, record_id, key.id, if_none_match, seconds, receive, again
            )
        if row is None:
            raise unknown_hostname()
        document, revision, sequence, view, due_at, reason = row
        etag = _etag(revision, sequence, view)
        if is_known(if_none_match, etag):
            return not_modified(etag, _CACHE_CONTROL)
        if reason == Reason.CREATION_QUEUED:
            record = await self._services.custom_hostnames.get(record_id)
            shown = await show(self._services, record, key)
            return JSONResponse(shown, headers=caching(etag, _CACHE_CONTROL))
        if key.tenant is not None:
            shown = add_moment(tenants_view(json.loads(document)), next_check_at=due_at)
            return JSONResponse(shown, headers=caching(etag, _CACHE_CONTROL))
        due = f'"{due_at.isoformat()}"' if due_at else "null"
        body = f'{document[:-1]},"queue":null,"next_check_at":{due}}}'.encode()
        return Json(body, etag, _CACHE_CONTROL_BYTES)

    async def _changed(
        self,
        before: DocumentRow,
        record_id: str,
        key_id: str,
        if_none_match: str | None,
        seconds: int,
        receive: Receive,
        authenticated: Callable[[], Awaitable[object]],
    ) -> DocumentRow | None:
        """Wait until the document differs from what the caller has, or from `before`."""
        known = _etag_of(before) if if_none_match is None else if_none_match

        def is_changed(row: DocumentRow | None) -> bool:
            return row is None or not is_known(known, _etag_of(row))

        if is_changed(before):
            return before

        async def read() -> DocumentRow | None:
            # The key may be revoked while its caller waits.
            await authenticated()
            return await read_document(self._services.database, record_id)

        return await self._long_polls.until(key_id, is_changed, read, seconds, receive)


def _tenant_of(row: DocumentRow) -> str:
    tenant: str = json.loads(row["document"])["tenant"]
    return tenant


def _etag_of(row: DocumentRow) -> str:
    return _etag(row["revision"], row["sequence"], row["view"])


def _etag(revision: int, sequence: int, view: int) -> str:
    return f'"{revision}.{sequence}.{view}"'


def _asked_for(scope: Scope) -> str | None:
    """Give the id where this is `GET /v1/custom-hostnames/{id}`."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    path: str = scope["path"]
    if not path.startswith(_PREFIX):
        return None
    rest = path[len(_PREFIX) :]
    return rest if rest and "/" not in rest else None


FAST_PATHS: dict[str, Any] = {
    PATH + "/{id}": {
        "get": described(
            {
                "tags": ["custom hostnames"],
                "summary": "Get a custom hostname",
                "description": "With If-None-Match, answers 304 while the hostname has not "
                "changed. With `wait`, answers when the hostname changes, or when the time is "
                "over.",
                "operationId": "get_custom_hostname",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
                    {
                        "name": "wait",
                        "in": "query",
                        "description": "How many seconds to wait for a change: from what "
                        "If-None-Match names, or else from the hostname as it is now.",
                        "schema": {
                            "type": "integer",
                            "minimum": 0,
                            "maximum": MOST_SECONDS,
                            "default": 0,
                        },
                    },
                ],
            },
            "CustomHostnameOut",
            ErrorCode.NOT_FOUND,
            ErrorCode.TOO_MANY_WAITING,
            ok="The custom hostname.",
            unchanged="The hostname has not changed.",
        )
    },
    resolve.PATH: resolve.OPERATIONS,
}
