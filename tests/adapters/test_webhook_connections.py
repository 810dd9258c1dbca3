"""Connections to endpoints: kept, found again, replaced, bounded and closed."""

from __future__ import annotations

import asyncio
import random
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpcore
import pytest

from app.adapters import webhook_connections
from app.adapters.egress import resolver_of
from app.adapters.guarded_connections import GuardedBackend, GuardedPool
from app.adapters.webhook_connections import (
    IDLE_SECONDS,
    MOST_SECONDS,
    EndpointConnections,
    most_connections,
)

from .webhook_receivers import (
    LOOPBACK,
    NO_TRUST,
    Answer,
    Receiver,
    body_that_stops,
    endless_body,
    message,
    named_receiver,
    new_sender,
    nothing,
    receiver,
    status,
)


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def connections(
    *, most: int = 100, clock: Callable[[], float] | None = None
) -> EndpointConnections:
    return EndpointConnections(most=most, clock=clock or Clock())


def open_pool() -> GuardedPool:
    backend = GuardedBackend(LOOPBACK, resolver_of(()))
    return GuardedPool(backend, NO_TRUST, idle_seconds=IDLE_SECONDS)


def request(got: Receiver) -> httpcore.Request:
    url = httpcore.URL(got.url)
    return httpcore.Request("POST", url, headers=[("host", "x"), ("content-length", "0")])


async def call(kept: EndpointConnections, endpoint: str, got: Receiver) -> int:
    """Send one request to an endpoint, and read its answer to the end."""
    made = request(got)
    async with kept.of(endpoint, made.url.origin, open_pool) as pool:
        response = await pool.request(made)
        await response.aread()
        await response.aclose()
    return response.status


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not fact():
            await asyncio.sleep(0.01)


async def test_a_connection_is_kept_for_the_next_message_to_its_endpoint() -> None:
    async with receiver(status(200, body=b"ok")) as got, new_sender() as sender:
        for _ in range(5):
            assert (await sender.send(message(got.url))).succeeded
    assert (got.connections, len(got.requests)) == (1, 5)


async def test_a_connection_over_tls_is_kept_and_its_name_resolved_once(tmp_path: Path) -> None:
    zone_file = "hooks.shop.com A 127.0.0.1"
    async with named_receiver(tmp_path, zone_file) as named, named.sender() as sender:
        for _ in range(3):
            assert (await sender.send(message(named.url("hooks.shop.com")))).succeeded
    assert (named.got.connections, len(named.got.requests)) == (1, 3)
    assert named.dns.names_asked("A") == ["hooks.shop.com"]


async def test_endpoints_share_no_connection_even_at_one_address() -> None:
    async with receiver(status(200)) as got, new_sender() as sender:
        for endpoint in ("we_1", "we_2", "we_1"):
            await sender.send(message(got.url, endpoint=endpoint))
    assert got.connections == 2


async def test_messages_at_the_same_time_have_a_connection_each() -> None:
    async with receiver(status(200)) as got, new_sender() as sender:
        attempts = await asyncio.gather(*[sender.send(message(got.url)) for _ in range(10)])
    assert all(attempt.succeeded for attempt in attempts)
    assert got.connections <= 10


async def test_all_connections_are_closed_with_the_sender() -> None:
    async with receiver(status(200)) as got:
        async with new_sender() as sender:
            for endpoint in ("we_1", "we_2"):
                await sender.send(message(got.url, endpoint=endpoint))
            assert got.open == 2
        await until(lambda: got.open == 0)


@pytest.mark.parametrize("answer", [endless_body, body_that_stops, status(200, body=b"x" * 20_000)])
async def test_a_connection_whose_answer_was_not_read_to_its_end_is_closed(answer: Answer) -> None:
    async with receiver(answer) as got, new_sender() as sender:
        for _ in range(2):
            assert (await sender.send(message(got.url))).succeeded
    assert got.connections == 2


async def test_a_connection_whose_answer_is_longer_than_what_is_kept_of_it_is_kept() -> None:
    async with receiver(status(200, body=b"x" * 5000)) as got, new_sender() as sender:
        for _ in range(2):
            attempt = await sender.send(message(got.url))
            assert attempt.answer == "x" * 1024
    assert got.connections == 1


async def test_an_endpoint_whose_url_changed_is_called_at_the_new_one() -> None:
    async with receiver(status(200)) as old, receiver(status(201)) as new, new_sender() as sender:
        assert (await sender.send(message(old.url))).status_code == 200
        assert (await sender.send(message(new.url))).status_code == 201
        await until(lambda: old.open == 0)
        assert (await sender.send(message(old.url))).status_code == 200
    assert (old.connections, new.connections) == (2, 1)


async def test_a_pool_in_use_stays_open_when_another_replaces_it() -> None:
    kept = connections()
    async with receiver(status(200)) as old, receiver(status(201)) as new:
        made = request(old)
        async with kept.of("we_1", made.url.origin, open_pool) as pool:
            assert await call(kept, "we_1", new) == 201
            response = await pool.request(made)
            await response.aread()
            await response.aclose()
            assert response.status == 200
        await until(lambda: old.open == 0)
        assert new.open == 1
        await kept.aclose()


async def test_a_kept_connection_that_the_receiver_cuts_costs_no_attempt() -> None:
    count = 0

    async def first_of_each_connection(writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        await (nothing if count == 2 else status(200))(writer)

    async with receiver(first_of_each_connection) as got, new_sender() as sender:
        for _ in range(2):
            assert (await sender.send(message(got.url))).succeeded
    assert (got.connections, len(got.requests)) == (2, 3)


async def test_a_new_connection_that_the_receiver_cuts_is_a_failed_attempt() -> None:
    async with receiver(nothing) as got, new_sender() as sender:
        attempt = await sender.send(message(got.url))
    assert not attempt.succeeded
    assert len(got.requests) == 1


async def test_the_endpoint_called_longest_ago_makes_room() -> None:
    kept = connections(most=2)
    async with receiver(status(200)) as got:
        for endpoint in ("we_1", "we_2", "we_1", "we_3"):
            await call(kept, endpoint, got)
        assert len(kept) == 2
        await call(kept, "we_1", got)
        assert got.connections == 3
        await call(kept, "we_2", got)
        assert got.connections == 4
        await until(lambda: got.open == 2)
        await kept.aclose()


async def test_what_is_in_use_makes_room_for_nobody() -> None:
    kept = connections(most=1)
    async with receiver(status(200)) as got:
        made = request(got)
        async with kept.of("we_1", made.url.origin, open_pool) as pool:
            response = await pool.request(made)
            await call(kept, "we_2", got)
            await response.aread()
            await response.aclose()
            assert response.status == 200
        await until(lambda: got.open == 1)
        await kept.aclose()


async def test_an_endpoint_that_cannot_be_reached_keeps_no_pool() -> None:
    kept = connections()
    async with receiver(status(200)) as got:
        pass
    for n in range(5):
        with pytest.raises(httpcore.ConnectError):
            await call(kept, f"we_{n}", got)
    assert len(kept) == 0


async def test_a_pool_is_replaced_after_a_while_so_that_dns_is_followed() -> None:
    clock = Clock()
    kept = connections(clock=clock)
    async with receiver(status(200)) as got:
        await call(kept, "we_1", got)
        clock.now += MOST_SECONDS
        await call(kept, "we_1", got)
        assert got.connections == 1
        clock.now += 1
        await call(kept, "we_1", got)
        assert got.connections == 2
        await until(lambda: got.open == 1)
        await kept.aclose()


async def test_an_idle_connection_is_closed_though_nothing_else_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook_connections, "IDLE_SECONDS", 0.2)
    async with receiver(status(200)) as got, new_sender() as sender:
        for _ in range(2):
            assert (await sender.send(message(got.url))).succeeded
            await until(lambda: got.open == 0)
    assert got.connections == 2


@pytest.mark.parametrize(
    ("open_files", "most"), [(1024, 512), (65_536, 2000), (resource.RLIM_INFINITY, 2000)]
)
def test_half_of_the_files_that_may_be_open_are_left_to_others(open_files: int, most: int) -> None:
    assert most_connections(open_files) == most


async def test_nothing_is_lost_or_left_open_while_endpoints_move_and_make_room() -> None:
    kept = connections(most=5)
    chance = random.Random(42)  # noqa: S311 - chooses what a test does
    async with receiver(status(200)) as one, receiver(status(201)) as other:
        calls = [(f"we_{chance.randrange(12)}", chance.choice((one, other))) for _ in range(300)]

        async def work() -> None:
            while calls:
                endpoint, got = calls.pop()
                assert await call(kept, endpoint, got) == (200 if got is one else 201)

        await asyncio.gather(*[work() for _ in range(20)])
        assert len(one.requests) + len(other.requests) == 300
        await until(lambda: one.open + other.open <= 5)
        await kept.aclose()
        await until(lambda: one.open + other.open == 0)
    assert (len(kept), kept._kept) == (0, 0)
