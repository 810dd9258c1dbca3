"""One pure ASGI middleware around everything: request id, limits, headers, and one log line."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable
from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from app.domain.errors import ErrorCode
from app.metrics import count_request
from app.tracing.spans import is_tracing, name_request
from app.web.errors import problem
from app.web.request_limits import NO_LIMITS, RATE_FIELDS, RequestLimits, Timed, UnderWay

MAX_BODY = 2 * 1024 * 1024
TOO_LARGE_STATUS = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
ENDING = "This process is shutting down; accepted work continues elsewhere. Read, then try again."
FAULT = "An internal error occurred. Search the logs for the X-Request-Id of this response."
TOO_LARGE = "The request body must be at most 2 MiB."
OVERLOADED = "This process has as many requests in progress as it may; try again."
OVERLOADED_SECONDS = 1
LATE = (
    "The request took too long and was ended. The change may or may not have been made, and is "
    "worked on if it was: read before you try again."
)
SLOW_BODY = "The request body did not arrive in time; send it faster, or send less."
CUT = {
    ErrorCode.REQUEST_TIMED_OUT: (HTTPStatus.SERVICE_UNAVAILABLE, LATE),
    ErrorCode.BODY_TOO_SLOW: (HTTPStatus.REQUEST_TIMEOUT, SLOW_BODY),
}
"""What a request is answered that was ended for this reason."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)

_CACHE_CONTROL = b"cache-control"
_NOT_STORED = (_CACHE_CONTROL, b"no-store")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
IS_HEAD = "nameplate.is_head"
"""In the scope of a HEAD request, which is handled as a GET: an endless body must not begin."""
NO_ROUTE = "none"
"""The route of a request that matches no route. Its path is the caller's text and must not become a
label of a metric."""

log = structlog.get_logger(__name__)


class RequestMiddleware:
    """Wraps the application. Successful requests are not logged, because there are too many."""

    def __init__(
        self,
        app: ASGIApp,
        limits: RequestLimits = NO_LIMITS,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self.under_way = UnderWay(limits, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Request(scope, receive, send)
        if scope["method"] == "HEAD":
            # What answers GET also answers HEAD; the server leaves out the body.
            exchange.scope = scope = {**scope, "method": "GET", IS_HEAD: True}
        # Bound to every log line of this request, and of the reconcile that it starts.
        bound = bind_contextvars(request_id=exchange.request_id)
        is_full = self.under_way.is_full_for(scope["path"])
        self.under_way.add(exchange)
        try:
            if is_full:
                await exchange.refuse(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    ErrorCode.OVERLOADED,
                    OVERLOADED,
                    {"retry-after": str(OVERLOADED_SECONDS)},
                )
            elif exchange.announced > MAX_BODY:
                await exchange.refuse(TOO_LARGE_STATUS, ErrorCode.BODY_TOO_LARGE, TOO_LARGE)
            else:
                await self._app(scope, exchange.receive, exchange.send)
        except asyncio.CancelledError:
            if exchange.has_begun:
                raise
            if exchange.cut is not None:
                await exchange.refuse_cut(exchange.cut)
                return
            # The server is stopping and its grace period is over.
            await exchange.refuse(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.SHUTTING_DOWN, ENDING)
        except Exception:
            log.exception("unexpected_error")
            if exchange.has_begun:
                raise
            await exchange.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, ErrorCode.INTERNAL_ERROR, FAULT)
        finally:
            self.under_way.remove(exchange)
            exchange.end()
            reset_contextvars(**bound)


class _Request(Timed):
    """One request and its response, while they are handled."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope)
        self._receive, self._send = receive, send
        self._method: str = scope["method"]
        self._arrived = time.monotonic()
        self._status = 0
        self._is_read = False
        self._received = 0
        self.announced = 0
        self._request_id = b""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                self.announced = int(value)
            elif name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                self._request_id = value
        self._request_id = self._request_id or b"%016x" % random.getrandbits(64)

    @property
    def request_id(self) -> str:
        return self._request_id.decode()

    async def receive(self) -> Message:
        # After the body, only the caller's leaving is waited for.
        self.is_reading = not self._is_read
        message = await self._receive()
        self.is_reading = False
        self._is_read = not message.get("more_body", False)
        self._received += len(message.get("body", b""))
        if self._received > MAX_BODY:
            raise HTTPException(TOO_LARGE_STATUS, TOO_LARGE)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if is_tracing():
                # The request's span ends with the response.
                name_request(self._method, self._template)
            headers = message["headers"]
            headers += _SECURITY_HEADERS
            headers.append((b"x-request-id", self._request_id))
            if _CACHE_CONTROL not in [name for name, _ in headers]:
                headers.append(_NOT_STORED)
            rate_fields = self.scope.get(RATE_FIELDS)
            if rate_fields is not None:
                headers += rate_fields
        await self._send(message)

    @property
    def has_begun(self) -> bool:
        """Whether the response has begun. After that, no other response can be sent."""
        return self._status != 0

    async def refuse(
        self,
        status: HTTPStatus,
        code: ErrorCode,
        detail: str,
        headers: dict[str, str] | None = None,
    ) -> None:
        response = problem(status, code, detail, headers=headers)
        await response(self.scope, self._receive, self.send)

    async def refuse_cut(self, code: ErrorCode) -> None:
        """Answer a request that was cancelled because its time is over."""
        if self.task is not None:
            self.task.uncancel()
        status, detail = CUT[code]
        # The rest of a body that is late would be read as the next request's.
        await self.refuse(status, code, detail, {"connection": "close"})

    @property
    def _template(self) -> str:
        # The router stores the route in the scope that it was given.
        route = self.scope.get("route")
        return route.path if route else NO_ROUTE

    def end(self) -> None:
        """Count the request, and log it if it failed."""
        seconds = time.monotonic() - self._arrived
        method = self._method if self._method in METHODS else "other"
        count_request(method, self._template, self._status, seconds)
        self._log(seconds)

    def _log(self, seconds: float) -> None:
        if 0 < self._status < HTTPStatus.BAD_REQUEST:
            return
        log.info(
            "request",
            method=self._method,
            path=self.scope["path"],
            status=self._status,
            duration_ms=round(seconds * 1000),
        )
