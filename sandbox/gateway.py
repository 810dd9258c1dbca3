"""The front of the emulated API: routing, token, limits, faults; then the handler.

Speaks ASGI; handlers see a `Call` and return a `Reply`.
"""

import asyncio
from urllib.parse import parse_qsl

import httpx
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from sandbox import constants, errors, fault_replies
from sandbox.account import Account
from sandbox.answer_forms import AnswerForms
from sandbox.call import Call
from sandbox.custom_hostnames_api import TooManyCreationsError
from sandbox.envelope import ApiError, Reply, failure, throttled
from sandbox.faults import Fault, FaultInjector
from sandbox.http_server import cut_connection, has_connection, until_disconnected
from sandbox.rate_limit import RateLimits
from sandbox.route_table import Handler, RouteTable
from sandbox.token import ApiToken

BASE_PATH = "/client/v4"
HOLD_SECONDS = 120.0


class _Routed:
    """A path with its handlers by method."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.handlers: dict[str, Handler] = {}
        self.route = Route(path, endpoint=_Routed)


class Gateway:
    """An ASGI application for everything under `BASE_PATH`."""

    def __init__(
        self,
        table: RouteTable,
        token: ApiToken,
        account: Account,
        limits: RateLimits,
        faults: FaultInjector,
        forms: AnswerForms,
    ) -> None:
        self._token = token
        self._account = account
        self._forms = forms
        self._limits = limits
        self._faults = faults
        self._routed: dict[str, _Routed] = {}
        for (method, path), handler in table.items():
            self._routed.setdefault(path, _Routed(path)).handlers[method] = handler

    @property
    def route_names(self) -> frozenset[str]:
        """The names that routes are counted by."""
        return frozenset(
            f"{method} {routed.path}"
            for routed in self._routed.values()
            for method in routed.handlers
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or do to it what its fault says."""
        body = await _body(receive)
        routed, path = self._match(scope)
        route = f"{scope['method']} {routed.path if routed else 'unknown'}"
        self._limits.count_route(route)
        reply = self._refusal(scope, routed.path if routed else "")
        fault = None if reply else self._faults.draw(route)
        if reply is None:
            call = Call(path, dict(parse_qsl(scope["query_string"].decode("latin-1"))), body)
            reply = self._answer(scope, routed, call, fault)
        if fault and fault.kind == "reset":
            await cut_connection(scope, receive)
        elif fault and fault.kind == "timeout":
            await _hold(scope, receive)
        else:
            reply = self._forms.enveloped(reply)
            self._add_limit_headers(reply)
            await _send(send, reply)

    def _match(self, scope: Scope) -> tuple[_Routed | None, dict[str, str]]:
        path = scope["path"].removeprefix(BASE_PATH)
        probe = {"type": "http", "method": "GET", "path": path, "root_path": ""}
        for routed in self._routed.values():
            match, child = routed.route.matches(probe)
            if match is not Match.NONE:
                return routed, child["path_params"]
        return None, {}

    def _refusal(self, scope: Scope, route: str) -> Reply | None:
        """Return why the call is not let in, if so: its token, then the user's limit."""
        authorization = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        address, _ = scope.get("client") or ("127.0.0.1", 0)
        try:
            self._token.refuse(authorization, route, address)
            self._account.refuse_revoked()
        except ApiError as error:
            return failure(error)
        wait = self._limits.admit_call()
        return None if wait is None else throttled(wait)

    def _answer(
        self, scope: Scope, routed: _Routed | None, call: Call, fault: Fault | None
    ) -> Reply:
        """Return the handler's answer, or what its fault makes of it."""
        method = scope["method"]
        if fault is None:
            return self._handle(method, routed, call)
        reply = fault_replies.instead(fault, method, routed.path if routed else "", call)
        return fault_replies.afterwards(fault, reply or self._handle(method, routed, call))

    def _handle(self, method: str, routed: _Routed | None, call: Call) -> Reply:
        route = routed.path if routed else ""
        try:
            self._token.refuse_unpermitted(route)
            self._account.refuse_unreachable(route, call.path)
            return _dispatch(method, routed, call)
        except ApiError as error:
            return failure(error)
        except TooManyCreationsError as error:
            return throttled(error.retry_after)

    def _add_limit_headers(self, reply: Reply) -> None:
        standing = self._limits.standing()
        reply.headers |= {
            "x-ratelimit-limit": str(standing.limit),
            "x-ratelimit-remaining": str(standing.remaining),
            "x-ratelimit-reset": str(standing.reset_seconds),
            "ratelimit": f'"default";r={standing.remaining};t={standing.reset_seconds}',
            "ratelimit-policy": f'"default";q={standing.limit};w={standing.window_seconds}',
        }


def _dispatch(method: str, routed: _Routed | None, call: Call) -> Reply:
    if routed is None:
        raise ApiError(404, 7000, "No route for that URI")
    if call.path.get("zone_id", constants.ZONE_ID) != constants.ZONE_ID:
        raise errors.unauthorized()
    if method not in routed.handlers:
        raise ApiError(405, 7001, f"Method {method} not available for that URI.")
    return routed.handlers[method](call)


async def _hold(scope: Scope, receive: Receive) -> None:
    """Answer nothing until the client goes away, for a bounded time."""
    if not has_connection(scope):
        raise httpx.ReadTimeout("no answer came")
    try:
        async with asyncio.timeout(HOLD_SECONDS):
            await until_disconnected(receive)
    except TimeoutError:
        await cut_connection(scope, receive)


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        chunk: bytes = message.get("body", b"")
        body += chunk
        if not message.get("more_body", False):
            return body


async def _send(send: Send, reply: Reply) -> None:
    headers = {**reply.headers, "content-length": str(len(reply.body))}
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})
