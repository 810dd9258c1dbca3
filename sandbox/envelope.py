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

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        chain: Sequence[tuple[int, str]] = (),
        also: Sequence[tuple[int, str]] = (),
        is_short: bool = False,
    ) -> None:
        """Describe an error.

        `chain` holds its reasons, `also` the errors listed after it. A short one is answered
        without `messages` and `result`.
        """
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.chain = chain
        self.also = also
        self.is_short = is_short

    def entries(self) -> list[dict[str, object]]:
        """Return `errors` of the envelope."""
        first: dict[str, object] = {"code": self.code, "message": self.message}
        if self.chain:
            first["error_chain"] = _entries(self.chain)
        return [first, *_entries(self.also)]


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
    messages: Sequence[object] = (),
) -> Reply:
    """Wrap a result."""
    content: dict[str, object] = {
        "result": result,
        "success": True,
        "errors": [],
        "messages": list(messages),
    }
    if info is not None:
        content["result_info"] = info
    return Reply(status, encode(content))


def failure(error: ApiError) -> Reply:
    """Wrap an error."""
    content: dict[str, object] = {"success": False, "errors": error.entries()}
    if not error.is_short:
        content |= {"messages": [], "result": None}
    return Reply(error.status, encode(content))


def bare(content: object) -> Reply:
    """Answer JSON without the envelope."""
    return Reply(HTTPStatus.OK, encode(content))


def empty(status: int) -> Reply:
    """Answer a status and nothing else."""
    return Reply(status, b"", {})


def throttled(wait: float) -> Reply:
    """Refuse a call until a wait is over."""
    reply = failure(ApiError(HTTPStatus.TOO_MANY_REQUESTS, 971, _THROTTLED))
    reply.headers["retry-after"] = str(max(1, math.ceil(wait)))
    return reply


def _entries(pairs: Sequence[tuple[int, str]]) -> list[dict[str, object]]:
    return [{"code": code, "message": message} for code, message in pairs]


def encode(content: object) -> bytes:
    """Write JSON as Cloudflare does: compact, characters as they are."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
