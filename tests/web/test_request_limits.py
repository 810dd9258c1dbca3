"""The limits of requests: their time, their body's time, and how many are in progress.

The clock is moved, and the look for late requests is made by the test itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from typing_extensions import override

from app.web.middleware import RequestMiddleware
from app.web.request_limits import WAIT_SECONDS, RequestLimits, Timed, UnderWay

LIMITS = RequestLimits(seconds=30, body_seconds=10, at_once=2)
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


class Answer:
    """What was sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])

    @property
    def code(self) -> str:
        return str(json.loads(self.messages[1]["body"])["code"])


class App:
    """The middleware around one handler, with a clock that is moved."""

    def __init__(self, handler: Handler, limits: RequestLimits = LIMITS) -> None:
        self.now = 1000.0
        self.middleware = RequestMiddleware(handler, limits, clock=lambda: self.now)
        self.begun: set[asyncio.Task[Answer]] = set()

    async def begin(
        self, path: str = "/x", *, body: list[bytes] | None = None
    ) -> asyncio.Task[Answer]:
        """Begin a request and let it come as far as it does. A body that ends early never ends."""
        task = asyncio.create_task(self._request(path, [b""] if body is None else body))
        self.begun.add(task)
        await _settle()
        return task

    async def late(self, seconds: float) -> None:
        """Let time pass, and look for late requests."""
        self.now += seconds
        self.middleware.under_way.cut_late()
        await _settle()

    async def end(self) -> None:
        for task in self.begun:
            task.cancel()
        await asyncio.gather(*self.begun, return_exceptions=True)

    async def _request(self, path: str, body: list[bytes]) -> Answer:
        parts = iter(body)

        async def receive() -> Message:
            part = next(parts, None)
            if part is None:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": part, "more_body": part != b""}

        answer = Answer()
        scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        await self.middleware(scope, receive, answer.send)
        return answer


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def hang(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


async def read(_scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def wait_for_a_change(scope: Scope, _receive: Receive, _send: Send) -> None:
    scope[WAIT_SECONDS] = 60
    await asyncio.Event().wait()


async def test_a_request_that_takes_too_long_is_answered() -> None:
    app = App(hang)
    request = await app.begin()
    await app.late(30)
    assert not request.done()
    await app.late(0.1)
    answer = await request
    assert (answer.status, answer.code) == (503, "request_timed_out")
    assert answer.headers[b"connection"] == b"close"


async def test_what_a_late_request_started_goes_on() -> None:
    done = asyncio.Event()
    go_on = asyncio.Event()
    tasks: list[asyncio.Task[Any]] = []

    async def work() -> None:
        await go_on.wait()
        done.set()

    async def start_and_wait(_scope: Scope, _receive: Receive, _send: Send) -> None:
        tasks.append(asyncio.create_task(work()))
        await asyncio.wait(tasks)

    app = App(start_and_wait)
    request = await app.begin()
    await app.late(31)
    assert (await request).code == "request_timed_out"
    go_on.set()
    await asyncio.gather(*tasks)
    assert done.is_set()


async def test_a_request_that_waits_for_a_change_may_take_so_much_longer() -> None:
    app = App(wait_for_a_change)
    request = await app.begin()
    await app.late(90)
    assert not request.done()
    await app.late(0.1)
    assert (await request).code == "request_timed_out"


@pytest.mark.parametrize("body", [[], [b"{"], [b"{", b'"a"']])
async def test_a_body_that_does_not_arrive_in_time_is_waited_for_no_longer(
    body: list[bytes],
) -> None:
    app = App(read)
    request = await app.begin(body=body)
    await app.late(10)
    assert not request.done()
    await app.late(0.1)
    answer = await request
    assert (answer.status, answer.code) == (408, "body_too_slow")
    assert answer.headers[b"connection"] == b"close"


async def test_a_body_that_arrived_does_not_count_as_slow() -> None:
    async def read_then_hang(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()
        await receive()

    app = App(read_then_hang)
    request = await app.begin()
    await app.late(11)
    assert not request.done()
    await app.end()


async def test_a_late_answer_that_has_begun_is_cut_off() -> None:
    async def begin_and_hang(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    app = App(begin_and_hang)
    request = await app.begin()
    await app.late(31)
    with pytest.raises(asyncio.CancelledError):
        await request


async def test_one_request_too_many_is_refused_at_once_and_room_is_used_again() -> None:
    app = App(hang)
    first, second, third = [await app.begin() for _ in range(3)]
    answer = await third
    assert (answer.status, answer.code) == (503, "overloaded")
    assert answer.headers[b"retry-after"] == b"1"
    assert not first.done()
    second.cancel()
    await _settle()
    assert not (await app.begin()).done()
    assert (await app.begin()).done()
    await app.end()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_supervisors_are_answered_however_many_requests_there_are(path: str) -> None:
    app = App(hang)
    for _ in range(2):
        await app.begin()
    assert not (await app.begin(path)).done()
    await app.end()


async def test_neither_supervisors_nor_those_that_wait_take_a_place() -> None:
    async def by_path(scope: Scope, receive: Receive, send: Send) -> None:
        await (wait_for_a_change if scope["path"] == "/wait" else hang)(scope, receive, send)

    app = App(by_path)
    for path in ("/wait", "/wait", "/healthz", "/x", "/x"):
        assert not (await app.begin(path)).done()
    assert (await (await app.begin("/x"))).code == "overloaded"
    await app.end()


class Walked(UnderWay):
    """Counts how often a request is looked at."""

    looks = 0

    @override
    def _leave_out_waiting(self, request: Timed) -> None:
        self.looks += 1
        super()._leave_out_waiting(request)


@pytest.mark.parametrize("looked_for_by", ["the next request", "the timer"])
async def test_those_that_wait_are_looked_at_once_and_not_for_each_request(
    looked_for_by: str,
) -> None:
    under_way = Walked(RequestLimits(at_once=10))
    waiting = [Timed({"path": "/wait"}) for _ in range(50)]
    for each in waiting:
        under_way.add(each)
        each.scope[WAIT_SECONDS] = 60
    if looked_for_by == "the timer":
        under_way.cut_late()
    assert not under_way.is_full_for("/x")
    looks = under_way.looks
    for number in range(20):
        request = Timed({"path": "/x"})
        assert not under_way.is_full_for("/x")
        under_way.add(request)
        if number >= 9:
            under_way.remove(request)
    assert under_way.looks == looks == 50
    for each in waiting:
        under_way.remove(each)
    under_way.add(Timed({"path": "/x"}))
    assert under_way.is_full_for("/x")


async def test_late_requests_are_looked_for_while_there_are_any() -> None:
    app = App(hang, RequestLimits(seconds=0.2))
    request = await app.begin()
    app.now += 1
    async with asyncio.timeout(20):
        assert (await request).code == "request_timed_out"
