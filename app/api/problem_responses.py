"""Which problems an operation may answer with, by status, for OpenAPI."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from app.api.schemas import ProblemOut
from app.domain.errors import ErrorCode
from app.web.errors import PROBLEM_TYPE, STATUSES

_ANY = (
    ErrorCode.UNAUTHENTICATED,
    ErrorCode.FORBIDDEN,
    ErrorCode.TENANT_BOUND_KEY,
    ErrorCode.INVALID_REQUEST,
    ErrorCode.QUERY_UNKNOWN,
    ErrorCode.RATE_LIMITED,
    ErrorCode.TOO_MANY_FAILED_KEYS,
    ErrorCode.INTERNAL_ERROR,
    ErrorCode.DATABASE_UNAVAILABLE,
    ErrorCode.OVERLOADED,
    ErrorCode.REQUEST_TIMED_OUT,
    ErrorCode.SHUTTING_DOWN,
)
"""What every operation with a key may answer with."""

BODY = (
    ErrorCode.BODY_NOT_JSON,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.BODY_TOO_SLOW,
)
KEPT = (
    ErrorCode.IDEMPOTENCY_KEY_INVALID,
    ErrorCode.IDEMPOTENCY_KEY_REUSED,
    ErrorCode.IDEMPOTENCY_KEY_IN_USE,
)
"""Of an operation that takes an Idempotency-Key."""
CONDITIONAL = (ErrorCode.ETAG_INVALID, ErrorCode.PRECONDITION_FAILED)
"""Of an operation that takes If-Match."""
NAME = (
    ErrorCode.HOSTNAME_EMPTY,
    ErrorCode.HOSTNAME_IS_URL,
    ErrorCode.HOSTNAME_HAS_PORT,
    ErrorCode.HOSTNAME_IS_IP,
    ErrorCode.HOSTNAME_TOO_LONG,
    ErrorCode.LABEL_TOO_LONG,
    ErrorCode.LABEL_EMPTY,
    ErrorCode.HOSTNAME_INVALID_CHARACTER,
    ErrorCode.HOSTNAME_NOT_IDNA,
)
"""Of a hostname that cannot be read."""
NEW_NAME = (
    *NAME,
    ErrorCode.HOSTNAME_MIXES_SCRIPTS,
    ErrorCode.WILDCARD_MISPLACED,
    ErrorCode.HOSTNAME_RESERVED,
    ErrorCode.HOSTNAME_IS_PUBLIC_SUFFIX,
    ErrorCode.TOP_LEVEL_DOMAIN_UNKNOWN,
)
"""Of a hostname that cannot be a custom hostname."""
CHOICES = (
    ErrorCode.PLAN_NOT_AVAILABLE,
    ErrorCode.OPTION_NOT_AVAILABLE,
    ErrorCode.REDIRECT_INVALID,
    ErrorCode.SHARED_OBJECT_DIFFERS,
)
"""Of plan, options and redirect that cannot work."""
LEAVING = (ErrorCode.IS_DELETING, ErrorCode.IS_DELETED)
CLOUDFLARE = tuple(
    code
    for code, status in STATUSES.items()
    if status is HTTPStatus.BAD_GATEWAY
    or code
    in {
        ErrorCode.CLOUDFLARE_UNAVAILABLE,
        ErrorCode.CLOUDFLARE_RATE_LIMITED,
        ErrorCode.BUDGET_SPENT,
    }
)
"""Of an operation that waits for Cloudflare's answer."""


def problems(*codes: ErrorCode) -> dict[int | str, dict[str, Any]]:
    """Describe the problems of an operation: these, and those of all operations."""
    by_status: dict[int, list[ErrorCode]] = {}
    for code in (*_ANY, *codes):
        by_status.setdefault(int(STATUSES[code]), []).append(code)
    return {
        status: {
            "model": ProblemOut,
            "description": "A problem: " + ", ".join(f"`{code}`" for code in found) + ".",
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
        }
        for status, found in sorted(by_status.items())
    }
