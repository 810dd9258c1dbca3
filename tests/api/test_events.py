"""`/v1/events`: the feed as a list, and as a stream of server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.types import Message

from app.api.concurrency_limit import ConcurrencyLimit
from app.api.event_stream import (
    MOST_STREAMS,
    MOST_STREAMS_OF_A_KEY,
    EventStream,
    Streams,
    TooManyStreams,
)
from app.persistence.api_keys import ApiKey
from app.persistence.database import open_database
from app.persistence.feed import FeedFilter
from app.services.api_keys import ApiKeys
from app.services.feed import Feed
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/events"
STREAM = f"{PATH}/stream"
SECONDS = 30


class Reader:
    """Reads server-sent events as a browser does."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.retries: list[int] = []

    async def next(self) -> dict[str, str]:
        """Return the next event with data; note the times to wait before reconnecting."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(SECONDS):
            async for line in self._lines:
                name, _, value = line.partition(":")
                if line:
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    return fields
                else:
                    self.retries += [int(fields["retry"])] if "retry" in fields else []
                    fields = {}
        raise EOFError

    async def of_type(self, kind: str) -> dict[str, str]:
        """Return the next event of this type."""
        while True:
            found = await self.next()
            if found["event"] == kind:
                return found

    async def of_subject(self, subject: str) -> dict[str, str]:
        """Return the next event about this subject."""
        while True:
            found = await self.next()
            if json.loads(found["data"])["data"]["event"]["subject"] == subject:
                return found


@asynccontextmanager
async def streaming(service: Service, query: str = "", **headers: str) -> AsyncIterator[Reader]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with service.http.stream("GET", STREAM + query, headers=sent) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Reader(response)


async def numbered(service: Service, hostname_id: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait until the feed has so many events of the hostname."""
    found: list[dict[str, Any]] = []

    async def is_there() -> bool:
        nonlocal found
        events = await read_feed(service)
        found = [event for event in events if event["subject"] == hostname_id]
        return len(found) >= count

    await service.eventually(is_there)
    return found


async def read_feed(service: Service, query: str = "") -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = (await service.http.get(f"{PATH}?limit=7{query}{cursor}")).json()
        events += page["data"]
        if page["next_cursor"] is None:
            return events
        cursor = f"&cursor={page['next_cursor']}"


async def test_the_feed_lists_every_event_once_in_order(shared_service: Service) -> None:
    ids = [
        (await shared_service.create(f"list-{number}.green-tea.com"))["id"] for number in range(4)
    ]
    for hostname_id in ids:
        await numbered(shared_service, hostname_id)
    events = await read_feed(shared_service)
    numbers = [event["number"] for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    for hostname_id in ids:
        of_one = [event for event in events if event["subject"] == hostname_id]
        assert [event["sequence"] for event in of_one] == list(range(1, len(of_one) + 1))
        assert of_one[0]["type"] == "custom_hostname.created"
        assert of_one[0]["data"]["custom_hostname"]["id"] == hostname_id


async def test_the_feed_is_filtered_by_tenant_and_type(shared_service: Service) -> None:
    mine = await shared_service.create("mine.green-tea.com", "feed-green")
    await shared_service.create("theirs.green-tea.com", "feed-blue")
    await numbered(shared_service, mine["id"])
    green = await read_feed(shared_service, "&tenant=feed-green")
    assert {event["subject"] for event in green} == {mine["id"]}
    created = await read_feed(
        shared_service, "&tenant=feed-green&type=custom_hostname.created&type=zone.paused"
    )
    assert [event["type"] for event in created] == ["custom_hostname.created"]


async def test_a_stream_brings_what_happens_from_now_on(shared_service: Service) -> None:
    async with streaming(shared_service) as reader:
        hostname = await shared_service.create("live.green-tea.com")
        found = await reader.of_subject(hostname["id"])
    assert found["event"] == "custom_hostname.created"
    (stored,) = await shared_service.sql.fetch(
        "SELECT body, number FROM events JOIN feed ON event_id = id "
        "WHERE custom_hostname_id = $1 AND sequence = 1",
        hostname["id"],
    )
    assert (found["data"], found["id"]) == (stored["body"], str(stored["number"]))
    assert all(1_000 <= retry <= 5_000 for retry in reader.retries)
    assert reader.retries


async def test_a_stream_goes_on_where_its_reader_left_off(shared_service: Service) -> None:
    hostname = await shared_service.create("resume.green-tea.com", "resume")
    (first, *_) = await numbered(shared_service, hostname["id"])
    await shared_service.http.delete(f"/v1/custom-hostnames/{hostname['id']}")
    before = str(first["number"] - 1)
    for query, headers in (
        (f"?tenant=resume&after={before}", {}),
        ("?tenant=resume&after=0", {"Last_Event_ID": before}),
    ):
        async with streaming(shared_service, query, **headers) as reader:
            bodies = [json.loads((await reader.next())["data"]) for _ in range(2)]
        assert [body["data"]["event"]["sequence"] for body in bodies] == [1, 2]


async def test_a_stream_is_filtered(shared_service: Service) -> None:
    async with streaming(shared_service, "?tenant=only-me&type=custom_hostname.deleting") as reader:
        other = await shared_service.create("not-me.green-tea.com", "not-me")
        hostname = await shared_service.create("only-me.green-tea.com", "only-me")
        for each in (other, hostname):
            await shared_service.http.delete(f"/v1/custom-hostnames/{each['id']}")
        body = json.loads((await reader.next())["data"])
    assert body["type"] == "custom_hostname.deleting"
    assert body["data"]["event"]["subject"] == hostname["id"]


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        (f"{PATH}?cursor=x", "cursor"),
        (f"{PATH}?cursor=-1", "cursor"),
        (f"{PATH}?cursor=999999999", "cursor"),
        (f"{PATH}?cursor={'9' * 19}", "cursor"),
        (f"{STREAM}?after=x", "after"),
        (f"{STREAM}?after=999999999", "after"),
        (f"{STREAM}?after=\u0663", "after"),
    ],
)
async def test_a_number_that_the_feed_does_not_have_is_refused(
    shared_service: Service, path: str, parameter: str
) -> None:
    response = await shared_service.http.get(path)
    assert (response.status_code, response.json()["code"]) == (422, "cursor_invalid")
    assert response.json()["errors"][0]["parameter"] == parameter


async def test_a_reader_behind_the_retention_is_told_where_to_start(
    shared_service: Service,
) -> None:
    hostname = await shared_service.create("old.green-tea.com")
    await numbered(shared_service, hostname["id"])
    await shared_service.sql.execute("UPDATE feed_head SET pruned = 1")
    try:
        for path in (f"{PATH}?cursor=0", f"{STREAM}?after=0"):
            response = await shared_service.http.get(path)
            assert (response.status_code, response.json()["code"]) == (410, "feed_expired")
            assert "is 1;" in response.json()["detail"]
    finally:
        await shared_service.sql.execute("UPDATE feed_head SET pruned = 0")


async def test_a_stream_ends_when_its_key_is_revoked(shared_service: Service) -> None:
    async with open_database(shared_service.stack.database_url) as database:
        key, secret = await ApiKeys(database).create(name="reader", scope="read")
    async with streaming(shared_service, Authorization=f"Bearer {secret}") as reader:
        await shared_service.sql.execute(
            "UPDATE api_keys SET revoked_at = now() WHERE id = $1", key.id
        )
        hostname = await shared_service.create("news.green-tea.com")
        # The process keeps good keys for a few seconds.
        await asyncio.sleep(6)
        await shared_service.http.delete(f"/v1/custom-hostnames/{hostname['id']}")
        with pytest.raises(EOFError):
            await reader.of_type("custom_hostname.deleted")


async def test_head_is_answered_without_a_stream(shared_service: Service) -> None:
    response = await shared_service.http.head(STREAM)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")


class Wire:
    """An ASGI connection whose reader takes `takes` messages and then no more."""

    def __init__(self, takes: int) -> None:
        self.sent: list[Message] = []
        self._takes = takes

    async def receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def send(self, message: Message) -> None:
        if len(self.sent) >= self._takes:
            await asyncio.Event().wait()
        self.sent.append(message)


def scope_of(key_id: str) -> dict[str, Any]:
    key = ApiKey(key_id, "test", "read", None)
    asgi = {"spec_version": "2.3"}
    return {"type": "http", "method": "GET", "asgi": asgi, "state": {"api_key": key}}


SCOPE = scope_of("key_1")


async def frames(count: int) -> AsyncGenerator[bytes]:
    for _ in range(count):
        yield b": heartbeat\n\n"


async def test_a_reader_that_takes_nothing_is_cut_off() -> None:
    wire = Wire(takes=3)
    async with asyncio.timeout(SECONDS):
        limit = ConcurrencyLimit(1, 1, "streams", TooManyStreams)
        await EventStream(frames(100), limit, send_seconds=0.1)(SCOPE, wire.receive, wire.send)
    assert len(wire.sent) == 3


async def authenticated() -> None:
    """Let every reader stay."""


async def test_streams_end_with_a_time_to_reconnect_when_the_process_stops(
    shared_service: Service,
) -> None:
    async with open_database(shared_service.stack.database_url) as database:
        feed, stop = Feed(database), asyncio.Event()
        streams = Streams(feed, stop)
        after = await feed.start_after(None, parameter="after")
        wires = [Wire(takes=1000) for _ in range(50)]
        running = [
            asyncio.create_task(
                streams.open(FeedFilter(), after=after, authenticated=authenticated)(
                    scope_of(f"key_{number % 5}"), wire.receive, wire.send
                )
            )
            for number, wire in enumerate(wires)
        ]
        await shared_service.eventually(lambda: _all_began(wires))
        stop.set()
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*running)
    for wire in wires:
        *_, last, end = wire.sent
        assert last["body"].startswith(b"retry: ")
        assert end == {"type": "http.response.body", "body": b"", "more_body": False}


async def _all_began(wires: list[Wire]) -> bool:
    return all(len(wire.sent) >= 2 for wire in wires)


async def test_a_silent_stream_sends_heartbeats_with_its_place(shared_service: Service) -> None:
    nothing = FeedFilter(tenant="nobody")
    async with open_database(shared_service.stack.database_url) as database:
        feed, stop = Feed(database), asyncio.Event()
        streams = Streams(feed, stop, heartbeat_seconds=0.2)
        wire = Wire(takes=1000)
        response = streams.open(nothing, after=0, authenticated=authenticated)
        running = asyncio.create_task(response(SCOPE, wire.receive, wire.send))
        newest = await feed.start_after(None, parameter="after")
        wanted = f": heartbeat\nid: {newest}\n\n".encode()

        async def has_beaten() -> bool:
            bodies = [message["body"] for message in wire.sent if "body" in message]
            return any(body.startswith(b": heartbeat\nid: ") for body in bodies)

        await shared_service.eventually(has_beaten)
        stop.set()
        await running
    assert wanted in [message.get("body") for message in wire.sent]


@pytest.mark.parametrize(
    ("most", "most_of_a_key", "keys", "said"),
    [(2, 9, "abc", "2 streams are open"), (9, 2, "aaa", "2 streams of this API key are open")],
)
async def test_a_process_holds_so_many_streams_in_all_and_of_a_key(
    shared_service: Service, most: int, most_of_a_key: int, keys: str, said: str
) -> None:
    async with open_database(shared_service.stack.database_url) as database:
        feed, stop = Feed(database), asyncio.Event()
        streams = Streams(feed, stop, most=most, most_of_a_key=most_of_a_key)

        async def read(key_id: str) -> None:
            wire = Wire(takes=1000)
            response = streams.open(FeedFilter(), after=0, authenticated=authenticated)
            await response(scope_of(key_id), wire.receive, wire.send)

        running = [asyncio.create_task(read(key_id)) for key_id in keys[:2]]
        await asyncio.sleep(0)
        with pytest.raises(TooManyStreams, match=said):
            await read(keys[2])
        another = asyncio.create_task(read("other"))
        await asyncio.sleep(0)
        assert another.done() is (most == 2)
        stop.set()
        await asyncio.gather(*running, another, return_exceptions=True)
        await read(keys[2])
    assert MOST_STREAMS >= 500


async def test_a_key_with_too_many_streams_is_refused_with_a_problem(
    shared_service: Service,
) -> None:
    async with open_database(shared_service.stack.database_url) as database:
        _, secret = await ApiKeys(database).create(name="crowd", scope="read", tenant="crowd")
    bearer = f"Bearer {secret}"
    async with AsyncExitStack() as stack:
        for _ in range(MOST_STREAMS_OF_A_KEY):
            await stack.enter_async_context(streaming(shared_service, Authorization=bearer))
        refused = await shared_service.http.get(STREAM, headers={"Authorization": bearer})
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
        assert refused.headers["retry-after"] == "5"
        async with streaming(shared_service):
            pass


async def test_a_bound_key_reads_its_own_tenants_events_without_what_is_the_providers(
    shared_service: Service,
) -> None:
    mine = await shared_service.create("bound.green-tea.com", "bound", metadata={"shop": 7})
    await shared_service.create("unbound.green-tea.com", "other", metadata={"shop": 8})
    await numbered(shared_service, mine["id"])
    async with open_database(shared_service.stack.database_url) as database:
        _, secret = await ApiKeys(database).create(name="bound", scope="read", tenant="bound")
    bearer = f"Bearer {secret}"
    response = await shared_service.http.get(PATH, headers={"Authorization": bearer})
    events = response.json()["data"]
    assert {event["tenant"] for event in events} == {"bound"}
    assert all("metadata" not in event["data"]["custom_hostname"] for event in events)
    async with streaming(shared_service, "?after=0", Authorization=bearer) as reader:
        body = json.loads((await reader.next())["data"])
    assert body["data"]["custom_hostname"]["id"] == mine["id"]
    assert "metadata" not in body["data"]["custom_hostname"]
    assert '"shop"' not in json.dumps(body)
