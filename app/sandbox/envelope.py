"""Cloudflare's answer envelope and its errors.

Shapes only; which error is due when is decided where the call is handled.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

_THROTTLED = "Please wait and consider throttling your request speed"


@dataclass(slots=True)
class Reply:
    """An HTTP answer, ready but for the headers that the gateway adds."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


class ApiError(Exception):
    """An error of Cloudflare's API."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a longer list."""

    number: int
    size: int

    def cut(self, items: Sequence[Any]) -> Sequence[Any]:
        """Return the items on this page."""
        start = (self.number - 1) * self.size
        return items[start : start + self.size]

    def info(self, count: int, total: int) -> dict[str, int]:
        """Return `result_info`."""
        return {
            "page": self.number,
            "per_page": self.size,
            "count": count,
            "total_count": total,
            "total_pages": -(-total // self.size),
        }


def success(
    result: object,
    *,
    status: int = HTTPStatus.OK,
    info: Mapping[str, int] | None = None,
    beside: Mapping[str, object] | None = None,
) -> Reply:
    """Wrap a result; `beside` puts fields next to it."""
    content: dict[str, object] = dict(beside or {})
    content |= {"result": result, "success": True, "errors": [], "messages": []}
    if info is not None:
        content["result_info"] = info
    return Reply(status, encode(content))


def failure(error: ApiError) -> Reply:
    """Wrap an error."""
    content = {
        "result": None,
        "success": False,
        "errors": [{"code": error.code, "message": error.message}],
        "messages": [],
    }
    return Reply(error.status, encode(content))


def throttled(wait: float) -> Reply:
    """Refuse a call until a wait is over."""
    reply = failure(ApiError(HTTPStatus.TOO_MANY_REQUESTS, 971, _THROTTLED))
    reply.headers["retry-after"] = str(max(1, math.ceil(wait)))
    return reply


def encode(content: object) -> bytes:
    """Write JSON as Cloudflare does: compact, characters as they are."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
