"""`GET /v1/resolve?hostname=`: whose domain is this? Product backends ask it for each request.

Answered in front of FastAPI, as `fast_path.py` says. The answer is put together from columns;
nothing is decoded on the way. Its ETag is a hash of the answer: a change that it does not show
leaves a cached one valid.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from starlette.types import ASGIApp, Scope

from app.api.fast_path_http import (
    Json,
    described,
    is_known,
    not_modified,
    read_headers,
    read_parameter,
)
from app.api.hostname_schemas import EXAMPLE_RESOLVED, ResolvedOut
from app.api.problem_responses import NAME
from app.bootstrap import Services
from app.domain.custom_hostname import SERVING
from app.domain.errors import ErrorCode, InvalidHostname, InvalidInput, NotFound
from app.domain.hostname import Hostname, parse_request_host, wildcard_for
from app.persistence.fast_path_reads import ResolvedRow, read_resolved
from app.web.caller import admit
from app.web.errors import SENTENCES, problem_of

PATH = "/v1/resolve"
_PARAMETER = "hostname"
_CACHE_CONTROL = "private, max-age=30, stale-if-error=86400"
_CACHE_CONTROL_BYTES = _CACHE_CONTROL.encode()
_UNKNOWN_CACHE_CONTROL = "private, max-age=5"
"""A name that was just added is found soon, and a flood of unknown names is still held off."""


async def resolve(services: Services, scope: Scope) -> ASGIApp:
    """Answer one request.

    Raises:
        NameplateError: the caller may not ask, or asks for no hostname.
    """
    authorization, if_none_match = read_headers(scope)
    # Every key may read: `read` is the least scope.
    key = await admit(services, scope, authorization, services.resolve_rate)
    asked = _asked(scope["query_string"])
    row = await read_resolved(services.database, asked.name, wildcard_for(asked.name))
    if row is None or key.tenant not in {None, row["tenant"]}:
        answer = problem_of(NotFound(f"{asked.name} is not a hostname of any tenant."))
        answer.headers["cache-control"] = _UNKNOWN_CACHE_CONTROL
        return answer
    body = _body(asked, row, is_bound=key.tenant is not None)
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    if is_known(if_none_match, etag):
        return not_modified(etag, _CACHE_CONTROL)
    return Json(body, etag, _CACHE_CONTROL_BYTES)


def _asked(query: bytes) -> Hostname:
    text = read_parameter(query, _PARAMETER)
    if text is None:
        raise InvalidInput(
            SENTENCES["missing"], code=ErrorCode.INVALID_REQUEST, parameter=_PARAMETER
        )
    try:
        return parse_request_host(text)
    except InvalidHostname as error:
        raise InvalidInput(error.detail, code=error.code, parameter=_PARAMETER) from None


def _body(asked: Hostname, row: ResolvedRow, *, is_bound: bool) -> bytes:
    record_id, hostname, tenant, state, redirect_to, metadata = row
    serving = "true" if state in SERVING else "false"
    # A wildcard may redirect to a name that it covers, once that name's own record is removed.
    leads_away = redirect_to is not None and redirect_to != asked.name
    target = f'"{redirect_to}"' if leads_away else "null"
    # It is the provider's, as in the document.
    shown = "" if is_bound else f',"metadata":{metadata}'
    # Only the tenant may have characters that JSON escapes.
    return (
        f'{{"id":"{record_id}","hostname":"{hostname}","asked":"{asked.name}",'
        f'"tenant":{json.dumps(tenant)},"state":"{state}","serving":{serving},'
        f'"redirect_to":{target}{shown}}}'
    ).encode()


OPERATIONS: dict[str, Any] = {
    "get": described(
        {
            "tags": ["resolve"],
            "summary": "Resolve a hostname to its tenant",
            "description": "For each request to your product: whose domain is it? The exact name "
            "comes first, then the wildcard that covers it. A name that is unknown, `deleting` or "
            "`deleted` is 404. Keep answers as `Cache-Control` says.",
            "operationId": "resolve_hostname",
            "parameters": [
                {
                    "name": _PARAMETER,
                    "in": "query",
                    "required": True,
                    "description": "The host of the request as it came: in any case, with or "
                    "without a final dot and a port, in U-labels or A-labels.",
                    "schema": {"type": "string"},
                    "example": EXAMPLE_RESOLVED["asked"],
                }
            ],
        },
        ResolvedOut.__name__,
        *NAME,
        ErrorCode.NOT_FOUND,
        ok="The tenant, and what your backend needs to serve the request.",
        unchanged="The answer has not changed.",
    )
}
