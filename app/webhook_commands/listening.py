"""Forwards the event stream of an installation to a receiver on this machine, signed as webhooks.

The stream's wire format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx
from standardwebhooks import Webhook

STREAM = "/v1/events/stream"
SILENT_SECONDS = 45.0
"""Heartbeats come every fifteen seconds. A stream that is silent for longer is dead."""
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 15.0
"""As long as a worker waits for an answer."""
RETRY_SECONDS = 2.0
"""How long to wait before connecting again, unless the stream said."""

Say = Callable[[str], None]


class CannotListen(Exception):
    """The API or the receiver cannot be used as asked; one line."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of the stream, or a heartbeat, which has no data."""

    id: str | None = None
    data: str | None = None
    retry_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where events come from."""

    api: str
    key: str
    event_types: Sequence[str] = ()


async def listen(source: Source, *, forward_to: str, secret: str, say: Say, say_error: Say) -> None:
    """Forward events until cancelled. Each is sent once, whatever the receiver answers.

    Raises:
        CannotListen: the API refuses the stream or cannot be reached at the start, or the receiver
            is not on this machine.
    """
    check_receiver(forward_to)
    stream_timeout = httpx.Timeout(CONNECT_SECONDS, read=SILENT_SECONDS)
    async with (
        httpx.AsyncClient(timeout=stream_timeout) as api,
        httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as receiver,
    ):

        async def forward(body: str) -> None:
            say(await _forwarded(receiver, forward_to, secret, body))

        await _Follower(source, api, forward, say, say_error).run()


def check_receiver(url: str) -> None:
    """See that a URL is one of this machine.

    Raises:
        CannotListen: it is another's, or none.
    """
    try:
        read = httpx.URL(url)
        here = read.host == "localhost" or ipaddress.ip_address(read.host).is_loopback
    except (httpx.InvalidURL, ValueError):
        here = False
    if not here or read.scheme not in {"http", "https"}:
        raise CannotListen(
            "--forward-to must be a URL of this machine, such as http://127.0.0.1:9000/nameplate"
        )


class _Follower:
    """Reads the stream, and connects again after the last event that it saw."""

    def __init__(
        self,
        source: Source,
        http: httpx.AsyncClient,
        forward: Callable[[str], Awaitable[None]],
        say: Say,
        say_error: Say,
    ) -> None:
        self._source = source
        self._http = http
        self._forward = forward
        self._say = say
        self._say_error = say_error
        self._last_id: str | None = None
        self._retry_seconds = RETRY_SECONDS
        self._has_listened = False

    async def run(self) -> None:
        while True:
            try:
                await self._read()
                cut = "the stream ended"
            except httpx.InvalidURL as error:
                raise CannotListen(f"--api is not a URL: {error}") from None
            except (httpx.HTTPError, OSError) as error:
                cut = _described(error)
                if not self._has_listened:
                    raise CannotListen(f"{self._source.api} cannot be reached: {cut}") from None
            self._say_error(f"{cut}; connecting again in {self._retry_seconds:.0f} s")
            await asyncio.sleep(self._retry_seconds)

    async def _read(self) -> None:
        headers = {"Authorization": f"Bearer {self._source.key}", "Accept": "text/event-stream"}
        if self._last_id is not None:
            headers["Last-Event-ID"] = self._last_id
        url = self._source.api.rstrip("/") + STREAM
        params = {"type": self._source.event_types}
        async with self._http.stream("GET", url, headers=headers, params=params) as response:
            if response.status_code != HTTPStatus.OK:
                await response.aread()
                self._refuse(response)
                return
            if not self._has_listened:
                self._say(f"listening to {self._source.api}")
            self._has_listened = True
            async for frame in frames(response.aiter_lines()):
                self._retry_seconds = frame.retry_seconds or self._retry_seconds
                if frame.data is not None:
                    await self._forward(frame.data)
                self._last_id = frame.id or self._last_id

    def _refuse(self, response: httpx.Response) -> None:
        """End where another try would be refused as well."""
        refusal = f"{self._source.api} answered {response.status_code}: {_detail(response)}"
        passes = response.is_server_error or response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        if not (passes and self._has_listened):
            raise CannotListen(refusal)
        self._say_error(refusal)


async def frames(lines: AsyncIterator[str]) -> AsyncIterator[Frame]:
    """Read the frames of a stream. One that is cut short is left out, as the format wants."""
    found: dict[str, list[str]] = {}
    # `httpx` also breaks lines where Unicode does. Bodies are JSON in ASCII, which has no such.
    async for line in lines:
        name, _, value = line.partition(":")
        if name:
            found.setdefault(name, []).append(value.removeprefix(" "))
        elif not line and found:
            retry = found.get("retry", [""])[-1]
            yield Frame(
                id=found["id"][-1] if "id" in found else None,
                data="\n".join(found["data"]) if "data" in found else None,
                retry_seconds=int(retry) / 1000 if retry.isdecimal() else None,
            )
            found = {}


async def _forwarded(http: httpx.AsyncClient, url: str, secret: str, body: str) -> str:
    """Send an event as a worker does, and return the line that tells of it."""
    read = json.loads(body)
    event = read["data"]["event"]
    at = datetime.now(UTC)
    headers = {
        "content-type": "application/json",
        "user-agent": "Nameplate-Webhooks/1",
        "webhook-id": event["id"],
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(event["id"], at, body),
    }
    began = time.monotonic()
    try:
        response = await http.post(url, content=body.encode(), headers=headers)
        outcome = str(response.status_code)
    except (httpx.HTTPError, OSError) as error:
        outcome = _described(error)
    took = round((time.monotonic() - began) * 1000)
    return f"{at.astimezone():%H:%M:%S}  {event['type']}  {_subject(read)}  {outcome}  {took} ms"


def _subject(body: dict[str, Any]) -> str:
    """Name the hostname, or whatever else the event is about."""
    data = body["data"]
    hostname, zone = data.get("custom_hostname", {}), data.get("zone", {})
    return str(hostname.get("hostname") or zone.get("name") or data["event"]["subject"])


def _detail(response: httpx.Response) -> str:
    """Give a problem's own words (RFC 9457), or the status's."""
    try:
        return str(response.json()["detail"])
    except (ValueError, LookupError, TypeError):
        return response.reason_phrase


def _described(error: Exception) -> str:
    why = " ".join(str(error).split())
    return f"{type(error).__name__}: {why}".rstrip(": ")
