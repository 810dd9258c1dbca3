"""Problem responses after RFC 9457, and the only mapping of errors to HTTP statuses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path

from app.domain import errors
from app.domain.errors import ErrorCode

log = structlog.get_logger(__name__)
PROBLEM_TYPE = "application/problem+json"
DATABASE_RETRY_SECONDS = 1
MOST_FIELD_ERRORS = 20
"""At most so many validation errors of a request are reported."""

_STATUSES = {
    HTTPStatus.BAD_REQUEST: (
        ErrorCode.BODY_NOT_JSON,
        ErrorCode.BAD_REQUEST,
    ),
    HTTPStatus.UNAUTHORIZED: (ErrorCode.UNAUTHENTICATED,),
    HTTPStatus.FORBIDDEN: (ErrorCode.FORBIDDEN, ErrorCode.TENANT_BOUND_KEY),
    HTTPStatus.NOT_FOUND: (ErrorCode.NOT_FOUND,),
    HTTPStatus.METHOD_NOT_ALLOWED: (ErrorCode.METHOD_NOT_ALLOWED,),
    HTTPStatus.CONFLICT: (
        ErrorCode.HOSTNAME_TAKEN,
        ErrorCode.ALREADY_EXISTS,
        ErrorCode.IDEMPOTENCY_KEY_IN_USE,
        ErrorCode.SHARED_OBJECT_DIFFERS,
        ErrorCode.PROOF_REQUIRED,
        ErrorCode.STILL_DELETING,
        ErrorCode.NOTHING_TO_ADOPT,
        ErrorCode.IS_DELETING,
        ErrorCode.IS_DELETED,
        ErrorCode.CONFLICT,
        ErrorCode.ZONE_PAUSED,
        ErrorCode.ZONE_NOT_PAUSED,
        ErrorCode.TOKEN_IS_A_SETTING,
        ErrorCode.ENDPOINT_DISABLED,
        ErrorCode.DELIVERY_UNDER_WAY,
        ErrorCode.TOO_MANY_ATTEMPTS,
        ErrorCode.TOO_MANY_ENDPOINTS,
        ErrorCode.SECRETS_OVERLAP,
    ),
    HTTPStatus.REQUEST_TIMEOUT: (ErrorCode.BODY_TOO_SLOW,),
    HTTPStatus.PRECONDITION_FAILED: (ErrorCode.PRECONDITION_FAILED,),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (ErrorCode.BODY_TOO_LARGE,),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (ErrorCode.UNSUPPORTED_MEDIA_TYPE,),
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        ErrorCode.INVALID_REQUEST,
        ErrorCode.INVALID_INPUT,
        ErrorCode.QUERY_UNKNOWN,
        ErrorCode.FILTER_TOO_BROAD,
        ErrorCode.IDEMPOTENCY_KEY_INVALID,
        ErrorCode.IDEMPOTENCY_KEY_REUSED,
        ErrorCode.CURSOR_INVALID,
        ErrorCode.ETAG_INVALID,
        ErrorCode.HOSTNAME_EMPTY,
        ErrorCode.HOSTNAME_IS_URL,
        ErrorCode.HOSTNAME_HAS_PORT,
        ErrorCode.HOSTNAME_IS_IP,
        ErrorCode.HOSTNAME_TOO_LONG,
        ErrorCode.LABEL_TOO_LONG,
        ErrorCode.LABEL_EMPTY,
        ErrorCode.HOSTNAME_INVALID_CHARACTER,
        ErrorCode.HOSTNAME_NOT_IDNA,
        ErrorCode.HOSTNAME_MIXES_SCRIPTS,
        ErrorCode.WILDCARD_MISPLACED,
        ErrorCode.HOSTNAME_RESERVED,
        ErrorCode.HOSTNAME_IS_PUBLIC_SUFFIX,
        ErrorCode.TOP_LEVEL_DOMAIN_UNKNOWN,
        ErrorCode.HOSTNAME_IS_OURS,
        ErrorCode.ALSO_INVALID,
        ErrorCode.REDIRECT_INVALID,
        ErrorCode.FIELD_FIXED,
        ErrorCode.PLAN_NOT_AVAILABLE,
        ErrorCode.OPTION_NOT_AVAILABLE,
        ErrorCode.ZONE_UNKNOWN,
        ErrorCode.ORIGIN_REQUIRED,
        ErrorCode.ORIGIN_INVALID,
        ErrorCode.URL_INVALID,
        ErrorCode.URL_NOT_HTTPS,
        ErrorCode.ADDRESS_NOT_ALLOWED,
        ErrorCode.PORT_NOT_ALLOWED,
        ErrorCode.HOST_UNRESOLVED,
        ErrorCode.EVENT_TYPE_UNKNOWN,
        ErrorCode.SCOPE_UNKNOWN,
        ErrorCode.ADMIN_KEY_BOUND,
        ErrorCode.EXPIRY_PAST,
    ),
    HTTPStatus.GONE: (ErrorCode.FEED_EXPIRED,),
    HTTPStatus.TOO_MANY_REQUESTS: (
        ErrorCode.TOO_MANY_FAILED_KEYS,
        ErrorCode.TOO_MANY_WAITING,
        ErrorCode.TOO_MANY_STREAMS,
        ErrorCode.RATE_LIMITED,
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (ErrorCode.INTERNAL_ERROR,),
    HTTPStatus.BAD_GATEWAY: (
        ErrorCode.CLOUDFLARE_UNAUTHORIZED,
        ErrorCode.CLOUDFLARE_TOKEN_MALFORMED,
        ErrorCode.CLOUDFLARE_TOKEN_RESTRICTED,
        ErrorCode.CLOUDFLARE_PERMISSION_MISSING,
        ErrorCode.CLOUDFLARE_ZONE_UNKNOWN,
        ErrorCode.CLOUDFLARE_SAAS_NOT_ENABLED,
        ErrorCode.CLOUDFLARE_FORBIDDEN,
        ErrorCode.CLOUDFLARE_REFUSED,
        ErrorCode.CLOUDFLARE_NOT_FOUND,
        ErrorCode.CLOUDFLARE_DUPLICATE,
        ErrorCode.CLOUDFLARE_ERROR,
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        ErrorCode.CLOUDFLARE_UNAVAILABLE,
        ErrorCode.CLOUDFLARE_RATE_LIMITED,
        ErrorCode.BUDGET_SPENT,
        ErrorCode.DATABASE_UNAVAILABLE,
        ErrorCode.NOT_READY,
        ErrorCode.SHUTTING_DOWN,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.OVERLOADED,
    ),
}
STATUSES = {code: status for status, codes in _STATUSES.items() for code in codes}
"""The HTTP status of each code; `http_error` keeps the status of the framework's error."""

CODES = {
    HTTPStatus.BAD_REQUEST: ErrorCode.BAD_REQUEST,
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.BODY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
}

OTHER_CODE = ErrorCode.HTTP_ERROR


def problem(
    status: HTTPStatus,
    code: ErrorCode,
    detail: str,
    *,
    faults: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
    custom_hostname_id: str | None = None,
) -> JSONResponse:
    """Build the response. Each of the `faults` has a JSON pointer into the body, or a parameter.

    `custom_hostname_id` names what the request is in conflict with, if it is the caller's.
    """
    body: dict[str, Any] = {
        "type": f"urn:nameplate:problem:{code}",
        "title": status.phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
    }
    if faults:
        body["errors"] = faults
    if custom_hostname_id:
        body["custom_hostname_id"] = custom_hostname_id
    return JSONResponse(body, int(status), headers, media_type=PROBLEM_TYPE)


def add_error_handlers(app: FastAPI) -> None:
    """Turn every error of the application and of the framework into a problem response."""
    app.add_exception_handler(errors.NameplateError, _nameplate_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_exception)


def _nameplate_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, errors.NameplateError)  # noqa: S101 - registered for it
    return problem_of(error)


def problem_of(error: errors.NameplateError) -> Response:
    """Build the response for one of our own errors."""
    if isinstance(error, errors.DatabaseUnavailable):
        log.error("database_unavailable", cause=type(error.__cause__).__name__)
    headers = {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    retry_after = getattr(error, "retry_after", None)
    if isinstance(error, errors.DatabaseUnavailable):
        retry_after = DATABASE_RETRY_SECONDS
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return problem(
        STATUSES[error.code],
        error.code,
        error.detail,
        faults=_field_errors(error),
        headers=headers,
        custom_hostname_id=getattr(error, "custom_hostname_id", None),
    )


def _field_errors(error: errors.NameplateError) -> list[dict[str, str]]:
    if isinstance(error, errors.AlreadyExists):
        detail = "Differs from the custom hostname that exists."
        return [{"pointer": field, "detail": detail} for field in error.fields]
    places = {"pointer": "field", "parameter": "parameter"}
    members = {member: getattr(error, name, None) for member, name in places.items()}
    return [{member: place, "detail": error.detail} for member, place in members.items() if place]


def _invalid_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    found = error.errors()
    if any(fault["type"] == "json_invalid" for fault in found):
        return problem(
            HTTPStatus.BAD_REQUEST, ErrorCode.BODY_NOT_JSON, "The request body must be valid JSON."
        )
    if any(isinstance(fault.get("input"), bytes) for fault in found):
        detail = "Send the request body as JSON, with `Content-Type: application/json`."
        return problem(HTTPStatus.BAD_REQUEST, ErrorCode.BODY_NOT_JSON, detail)
    faults = [field_error_of(fault) for fault in found[:MOST_FIELD_ERRORS]]
    first = faults[0]
    where = first.get("parameter") or first.get("pointer") or "The body"
    detail = f"{where}: {first['detail']}"
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, ErrorCode.INVALID_REQUEST, detail, faults=faults
    )


def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        return method_not_allowed(_allowed(request))
    code = CODES.get(status, OTHER_CODE)
    detail = error.detail if error.detail != status.phrase else status.description
    return problem(status, code, detail or status.phrase, headers=_dict(error.headers))


def method_not_allowed(allowed: Sequence[str]) -> Response:
    """Build the response where a resource has other methods."""
    status = HTTPStatus.METHOD_NOT_ALLOWED
    return problem(
        status,
        CODES[status],
        "This resource does not allow this method; `Allow` lists those it does.",
        headers={"Allow": ", ".join(allowed)},
    )


def _allowed(request: Request) -> list[str]:
    """Return the path's methods as the contract lists them. A route only knows its own."""
    methods = {"GET"}
    for template, operations in request.app.openapi()["paths"].items():
        pattern, *_ = compile_path(template)
        if pattern.match(request.url.path):
            methods = {method.upper() for method in operations}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def _dict(headers: Any) -> dict[str, str] | None:
    return dict(headers) if headers else None


SENTENCES = {
    "missing": "This is required; add it.",
    "extra_forbidden": "Unknown field; leave it out, or see /openapi.json for the right name.",
    "string_type": "Must be a string; put it in quotes.",
    "string_too_short": "Must be {min_length} characters or longer.",
    "string_too_long": "Must be {max_length} characters or shorter.",
    "too_short": "Must have {min_length} items or more.",
    "too_long": "Must have {max_length} items or fewer.",
    "literal_error": "Must be {expected}.",
    "enum": "Must be {expected}.",
    "int_type": "Must be a whole number, without quotes.",
    "int_parsing": "Must be a whole number, such as 50.",
    "int_parsing_size": "Too large for a whole number; give one such as 50.",
    "string_unicode": "Contains lone surrogates; take them out.",
    "int_from_float": "Must be a whole number, such as 50.",
    "greater_than_equal": "Must be {ge} or more.",
    "less_than_equal": "Must be {le} or less.",
    "bool_type": "Must be true or false, without quotes.",
    "bool_parsing": "Must be true or false, without quotes.",
    "dict_type": "Must be a JSON object, such as {{}}.",
    "model_type": "Must be a JSON object, such as {{}}.",
    "model_attributes_type": "Must be a JSON object, such as {{}}.",
    "list_type": "Must be a JSON array, such as [].",
}
"""Sentences by pydantic's error type, filled in from its context."""


def field_error_of(found: Mapping[str, Any]) -> dict[str, str]:
    """Return one validation error: a JSON pointer into the body or a parameter, and a sentence."""
    where, *path = found["loc"] or ("body",)
    detail = sentence(found)
    if where in {"query", "header", "path"} and path:
        return {"parameter": _short(path[0]), "detail": detail}
    # RFC 6901, section 3.
    parts = (_short(part).replace("~", "~0").replace("/", "~1") for part in path)
    return {"pointer": "".join(f"/{part}" for part in parts), "detail": detail}


def sentence(found: Mapping[str, Any]) -> str:
    """Say what is wrong and how to correct it."""
    kind, context = found["type"], dict(found.get("ctx") or {})
    if "expected" in context:
        context["expected"] = context["expected"].replace("'", "`")
    if kind in {"too_short", "too_long"}:
        kind = f"string_{kind}" if isinstance(found.get("input"), str) else kind
    if kind not in SENTENCES:
        return str(found["msg"]).removeprefix("Value error, ")
    return SENTENCES[kind].format(**context)


def _short(part: object) -> str:
    # A name chosen by the caller may be as long as the body, so it is cut here.
    return str(part)[:100]
