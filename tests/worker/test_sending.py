"""The sender at work: one endpoint has all that its share allows, and slow ones stop no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from app.adapters.egress import EgressPolicy
from app.adapters.webhook_sender import WebhookSender
from app.adapters.webhook_signing import new_secret
from app.domain.deliveries import AFTER_SOON, AT_FIRST
from app.persistence.database import Database
from app.services.deliveries import Deliveries
from app.worker.loop import Loop
from app.worker.run import send_work

PLACES = 32


@dataclass
class Receiver:
    """Answers after a while, and counts what it has in hand."""

    seconds: float
    port: int = 0
    now: int = 0
    most_at_once: int = 0
    answered: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            (length,) = (
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
            self.now += 1
            self.most_at_once = max(self.most_at_once, self.now)
            await asyncio.sleep(self.seconds)
            self.now -= 1
            self.answered += 1
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiver(seconds: float) -> AsyncIterator[Receiver]:
    got = Receiver(seconds)
    server = await asyncio.start_server(got.serve, "127.0.0.1", 0)
    got.port = server.sockets[0].getsockname()[1]
    try:
        yield got
    finally:
        server.close()


class Plain:
    """Keeps secrets as they are."""

    def encrypt(self, text: str) -> bytes:
        return text.encode()

    def decrypt(self, token: bytes) -> str:
        return token.decode()


async def owe(database: Database, *endpoints: tuple[str, Receiver, int]) -> None:
    """Put so many deliveries in that are due, to each endpoint."""
    most = max(count for _, _, count in endpoints)
    async with database.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO zones (id, cloudflare_zone_id, api_token, cname_target, fallback_origin, "
            "created_at, updated_at) VALUES ('z', 'z', '', 't', 'o', now(), now())"
        )
        await connection.execute(
            "INSERT INTO events (id, zone_id, sequence, type, after, reason, body, created_at) "
            "SELECT 'v' || n, 'z', n, 'zone.paused', 'paused', 'operator', '{}', now() "
            "FROM generate_series(1, $1::int) n",
            most,
        )
        for name, got, count in endpoints:
            await connection.execute(
                "INSERT INTO webhook_endpoints (id, url, event_types, secret, created_at) "
                "VALUES ($1, $2, '{}', $3, now())",
                name,
                f"http://127.0.0.1:{got.port}/",
                new_secret().encode(),
            )
            await connection.execute(
                "INSERT INTO deliveries (id, event_id, endpoint_id, status, next_attempt_at, "
                "created_at) SELECT $1 || n, 'v' || n, $1, 'pending', now() - interval '1 hour', "
                "now() FROM generate_series(1, $2::int) n",
                name,
                count,
            )


@asynccontextmanager
async def in_flight(database: Database) -> AsyncIterator[None]:
    """Run the sender as a worker does."""
    async with WebhookSender(EgressPolicy(allow_loopback=True)) as sender:

        class Services:
            deliveries = Deliveries(database, sender, Plain(), places=PLACES)

        stop = asyncio.Event()
        work = send_work(cast("Any", Services()))
        most = Services.deliveries.most_under_way
        loop = Loop(work, concurrency=most, woken=asyncio.Event(), stop=stop)
        running = asyncio.create_task(loop.run())
        try:
            yield
        finally:
            stop.set()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def until_answered(got: Receiver, count: int, *, within: float) -> None:
    async with asyncio.timeout(within):
        while got.answered < count:
            await asyncio.sleep(0.02)


async def test_an_endpoint_gets_as_many_at_a_time_as_its_share_allows(database: Database) -> None:
    count, seconds = 120, 0.3
    async with receiver(seconds) as got:
        await owe(database, ("only", got, count))
        began = time.monotonic()
        async with in_flight(database):
            await until_answered(got, count, within=30)
        took = time.monotonic() - began
    assert got.most_at_once == AFTER_SOON
    # Claims follow completions: by rounds of four a quarter-second it would take more than twice
    # what its share allows.
    assert took < 2 * count * seconds / AFTER_SOON


async def test_slow_endpoints_hold_nobody_up(database: Database) -> None:
    slow_count = 40
    async with receiver(18.0) as slow, receiver(0.01) as fast:
        slow_ones = [(f"slow{n}-", slow, 20) for n in range(slow_count)]
        await owe(database, *slow_ones, ("fast-", fast, 100))
        async with in_flight(database):
            await until_answered(fast, 100, within=17)
            assert slow.answered == 0
    assert slow.most_at_once == AT_FIRST * slow_count
