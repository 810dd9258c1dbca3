"""Server-sent events: the response that keeps sending the feed to one reader.

The wire format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from operator import attrgetter
from typing import ClassVar

import structlog
from fastapi.sse import format_sse_event
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from typing_extensions import override

from app.api.concurrency_limit import ConcurrencyLimit
from app.domain.errors import ErrorCode, NameplateError
from app.persistence.feed import FeedEntry, FeedFilter
from app.services.feed import Feed
from app.web.middleware import IS_HEAD

HEARTBEAT_SECONDS = 15.0
"""Proxies close connections that are silent for longer; a minute is common."""
SEND_SECONDS = 10.0
"""A reader that takes nothing for so long is cut off. It starts again after its last event."""
PAGE = 100
MOST_STREAMS = 500
"""How many streams a process holds. Each of them reads whenever there is news."""
MOST_STREAMS_OF_A_KEY = 20
"""One for each process of a backend, and more. Twenty-five keys fill a process, not one."""
RETRY_MILLISECONDS = (1_000, 5_000)
"""After how long a reader connects again, at random: all of them lose a process at once."""

log = structlog.get_logger(__name__)


class TooManyStreams(NameplateError):
    """As many streams are open as may be, in this process or of this key.

    `retry_after` is in seconds.
    """

    code = ErrorCode.TOO_MANY_STREAMS
    retry_after: ClassVar[int] = 5


class Streams:
    """The streams of one process."""

    def __init__(
        self,
        feed: Feed,
        stop: asyncio.Event,
        *,
        most: int = MOST_STREAMS,
        most_of_a_key: int = MOST_STREAMS_OF_A_KEY,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._feed = feed
        self._stop = stop
        self._heartbeat_seconds = heartbeat_seconds
        self._limit = ConcurrencyLimit(most, most_of_a_key, "streams", TooManyStreams)

    def open(
        self,
        wanted: FeedFilter,
        *,
        after: int,
        authenticated: Callable[[], Awaitable[object]],
        body_of: Callable[[FeedEntry], str] = attrgetter("body"),
    ) -> EventStream:
        """Build the response that streams the events after this number. It may find no place.

        `authenticated` raises once the reader's key is no longer valid; the stream then ends.
        `body_of` says what the reader may see of an event.
        """
        return EventStream(self._frames(wanted, after, authenticated, body_of), self._limit)

    async def _frames(
        self,
        wanted: FeedFilter,
        after: int,
        authenticated: Callable[[], Awaitable[object]],
        body_of: Callable[[FeedEntry], str],
    ) -> AsyncGenerator[bytes]:
        stopping = asyncio.create_task(self._stop.wait())
        try:
            yield _retry()
            sent_at = time.monotonic()
            while not self._stop.is_set():
                await authenticated()
                news = self._feed.news
                entries, reached = await self._feed.read(wanted, after=after, limit=PAGE)
                for entry in entries:
                    yield _frame(entry, body_of(entry))
                if entries:
                    sent_at = time.monotonic()
                is_at_end, after = reached == after, reached
                silent_until = sent_at + self._heartbeat_seconds
                if is_at_end:
                    await _set_within(news, stopping, silent_until - time.monotonic())
                if time.monotonic() >= silent_until:
                    yield _heartbeat(after)
                    sent_at = time.monotonic()
        except NameplateError as error:
            # The reader connects again, and is then told what is wrong.
            log.info("stream_ended", code=str(error.code))
        finally:
            stopping.cancel()
        yield _retry()


class EventStream(StreamingResponse):
    """A response of `text/event-stream` that cuts off a reader who takes nothing."""

    media_type = "text/event-stream"

    def __init__(
        self,
        frames: AsyncGenerator[bytes],
        limit: ConcurrencyLimit,
        *,
        send_seconds: float = SEND_SECONDS,
        status_code: int = 200,
    ) -> None:
        self._frames = frames
        self._limit = limit
        self._send_seconds = send_seconds
        # No proxy may hold events back to send them together.
        super().__init__(
            frames, status_code, headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the frames end, or the reader is gone.

        Raises:
            TooManyStreams: this process, or this API key in it, holds as many as it may.
        """
        with self._limit.taken(Request(scope).state.api_key.id):
            await self._send_all(scope, receive, send)

    async def _send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._send_seconds):
                await send(message)

        try:
            if scope.get(IS_HEAD):
                await Response(headers=dict(self.headers))(scope, receive, send)
                return
            await super().__call__(scope, receive, send_in_time)
        except (TimeoutError, ClientDisconnect) as error:
            log.info("stream_cut", cause=type(error).__name__)
        finally:
            await self._frames.aclose()


def _frame(entry: FeedEntry, body: str) -> bytes:
    return format_sse_event(id=str(entry.number), event=entry.type, data_str=body)


def _heartbeat(after: int) -> bytes:
    # With the number, so that a reader whose filter fits nothing does not start far behind.
    return format_sse_event(id=str(after), comment="heartbeat")


def _retry() -> bytes:
    return format_sse_event(retry=random.randint(*RETRY_MILLISECONDS))  # noqa: S311 - no secret


async def _set_within(event: asyncio.Event, stopping: asyncio.Task[bool], seconds: float) -> None:
    """Wait for the event or for the process to stop, at most for so long."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait(
            {waiting, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        waiting.cancel()
