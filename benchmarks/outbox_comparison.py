"""Our sender beside procrastinate, a queue of tasks in Postgres: `docs/decisions/0044`.

Run by hand: `python -m benchmarks.outbox_comparison PYTHON [at_once] [one_hangs] [killed]`, where
PYTHON is an interpreter with procrastinate and httpx. Three situations, in a new database each:
endpoints that answer at once, one that hangs and has most of what waits, and a worker that is
killed.
"""

from __future__ import annotations

import asyncio
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import uvloop

from app.adapters.cipher import Cipher
from app.adapters.webhook_signing import new_secret
from app.bootstrap import open_services
from app.domain.event_samples import sample_body
from app.domain.events import ZoneEventType
from app.local.database import local_database
from app.persistence.migrations import migrate
from app.persistence.wakeups import Channel, listening
from app.worker.loop import Loop
from app.worker.run import send_work
from benchmarks.load import content_length
from benchmarks.settings import SECRET_KEY, settings_for

ROOT = Path(__file__).resolve().parents[1]
OTHER = Path(__file__).with_name("outbox_procrastinate.py")
HOST = "127.0.0.1"
BODY = json.dumps(sample_body(ZoneEventType.PAUSED))
SLOW_SECONDS = 3.0
BEFORE_KILL = 20
"""How many are answered before the worker is killed."""
PUT_EVENTS = """
INSERT INTO events (id, zone_id, sequence, type, before, after, reason, body, created_at)
SELECT id, (SELECT id FROM zones), n, 'zone.paused', 'open', 'paused', 'operator', $2, now()
FROM unnest($1::text[]) WITH ORDINALITY AS given (id, n)
"""
PUT_ENDPOINTS = """
INSERT INTO webhook_endpoints (id, url, event_types, secret, created_at)
SELECT url, url, '{}', $2, now() FROM unnest($1::text[]) url
"""
PUT_DELIVERIES = """
INSERT INTO deliveries (id, event_id, endpoint_id, status, next_attempt_at, created_at)
SELECT 'dlv_' || n, id, url, 'pending', now() + n * interval '1 microsecond', now()
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS given (id, url, n)
"""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent."""

    id: str
    url: str


@dataclass
class Receiver:
    """Answers at once, late or never, as the path says, and notes what it answered, and when."""

    port: int = 0
    received: int = 0
    answered: list[tuple[str, float]] = field(default_factory=list)
    """Those whose sender was still there."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(content_length(head))
                self.received += 1
                if b" /hangs/" in head:
                    await asyncio.sleep(3600)
                if b" /slow/" in head:
                    await asyncio.sleep(SLOW_SECONDS)
                if reader.at_eof():
                    break
                _, _, rest = head.partition(b"\r\nwebhook-id: ")
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
                message = rest.partition(b"\r\n")[0].decode()
                self.answered.append((message, time.monotonic()))
                self.changed.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def until(self, is_enough: Callable[[], bool], *, within: float) -> None:
        """Wait until it is enough, or so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not is_enough():
                    self.changed.clear()
                    await self.changed.wait()

    def messages_answered(self) -> set[str]:
        """Return the ids of what was answered."""
        return {message for message, _ in self.answered}

    def messages(self, path: str, endpoints: int, each: int) -> list[Message]:
        """Return so many messages to so many endpoints of this path, in turn."""
        return [
            Message(f"evt_{path}_{n}", f"http://{HOST}:{self.port}/{path}/{n % endpoints}")
            for n in range(endpoints * each)
        ]


@dataclass(frozen=True, slots=True)
class Side:
    """How one of the two takes messages and sends them."""

    name: str
    put: Callable[[str, Sequence[Message]], None]
    worker: tuple[str, ...]
    """Its command. The URL follows."""

    @asynccontextmanager
    async def working(self, url: str) -> AsyncIterator[subprocess.Popen[str]]:
        """Run its worker."""
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - an interpreter that the caller named
            [*self.worker, url],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def ours() -> Side:
    """Return our side."""

    def put(url: str, messages: Sequence[Message]) -> None:
        migrate(url)
        asyncio.run(_put(url, messages))

    command = (sys.executable, "-m", "benchmarks.outbox_comparison", "work")
    return Side("ours", put, command)


def procrastinate(python: str, *, lock: bool) -> Side:
    """Return the other side, with or without a lock for each endpoint."""

    def put(url: str, messages: Sequence[Message]) -> None:
        jobs = [{"endpoint": m.url, "message": m.id, "body": BODY} for m in messages]
        subprocess.run(  # noqa: S603
            [python, str(OTHER), "put", url],
            input=json.dumps({"jobs": jobs, "lock": lock}),
            text=True,
            check=True,
        )

    name = "procrastinate, a lock for each endpoint" if lock else "procrastinate"
    return Side(name, put, (python, str(OTHER), "work"))


async def _put(url: str, messages: Sequence[Message]) -> None:
    async with open_services(settings_for(url)):
        # It writes the zone.
        pass
    ids, urls = [m.id for m in messages], [m.url for m in messages]
    sql = await asyncpg.connect(url)
    try:
        await sql.execute(PUT_EVENTS, ids, BODY)
        secret = Cipher([SECRET_KEY]).encrypt(new_secret())
        await sql.execute(PUT_ENDPOINTS, sorted(set(urls)), secret)
        await sql.execute(PUT_DELIVERIES, ids, urls)
        await sql.execute("ANALYZE deliveries, events, webhook_endpoints")
    finally:
        await sql.close()


async def work(url: str) -> None:
    """Send as a worker does until SIGTERM, then print the seconds of CPU time."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = settings_for(url, webhooks_allow_loopback=True)
    async with (
        open_services(settings) as services,
        listening(services.database.server, Channel.DELIVER) as woken,
    ):
        most = services.deliveries.most_under_way
        await Loop(send_work(services), concurrency=most, woken=woken, stop=stop).run()
    print(time.process_time())


async def at_once(side: Side, url: str, receiver: Receiver) -> str:
    """Send 5,000 messages to 100 endpoints that answer at once."""
    messages = receiver.messages("fast", 100, 50)
    await asyncio.to_thread(side.put, url, messages)
    async with side.working(url) as worker:
        await receiver.until(lambda: len(receiver.answered) >= len(messages), within=120)
        worker.terminate()
        cpu, _ = await asyncio.to_thread(worker.communicate)
    times = [at for _, at in receiver.answered]
    took = max(times) - min(times)
    return f"{len(times) / took:,.0f} a second, {len(times) / float(cpu):,.0f} a CPU second"


async def one_hangs(side: Side, url: str, receiver: Receiver) -> str:
    """Send 500 messages to 100 endpoints behind 2,000 to one that hangs."""
    healthy = receiver.messages("fast", 100, 5)
    await asyncio.to_thread(side.put, url, receiver.messages("hangs", 1, 2000) + healthy)
    began = time.monotonic()
    async with side.working(url):
        await receiver.until(lambda: len(receiver.answered) >= len(healthy), within=60)
    waits = sorted(at - began for _, at in receiver.answered)
    if not waits:
        return "none of 500 within 60 s"
    return (
        f"{len(waits)} of 500 within 60 s, median {statistics.median(waits):.1f} s, "
        f"last {waits[-1]:.1f} s after the start"
    )


async def killed(side: Side, url: str, receiver: Receiver) -> str:
    """Send 200 messages to 100 endpoints that take 3 s, and kill the worker on its way."""
    messages = receiver.messages("slow", 100, 2)
    await asyncio.to_thread(side.put, url, messages)
    async with side.working(url) as worker:
        await receiver.until(lambda: len(receiver.answered) >= BEFORE_KILL, within=60)
        worker.kill()
    at = time.monotonic()
    async with side.working(url):
        wanted = {message.id for message in messages}
        await receiver.until(lambda: wanted <= receiver.messages_answered(), within=150)
    answered = receiver.messages_answered()
    last = max(when for _, when in receiver.answered) - at
    return (
        f"{len(answered)} of {len(wanted)} answered, the last {last:.0f} s after the kill, "
        f"{receiver.received - len(answered)} sent twice"
    )


SITUATIONS = (at_once, one_hangs, killed)


async def compare(url: str, python: str, wanted: Sequence[str]) -> None:
    """Run both sides through the situations, and print what came of it."""
    sides = [ours(), procrastinate(python, lock=False), procrastinate(python, lock=True)]
    for situation in (each for each in SITUATIONS if not wanted or each.__name__ in wanted):
        print(situation.__doc__)
        for number, side in enumerate(sides):
            receiver = Receiver()
            server = await asyncio.start_server(receiver.serve, HOST, 0)
            receiver.port = server.sockets[0].getsockname()[1]
            name = f"outbox_{situation.__name__}_{number}"
            sql = await asyncpg.connect(url)
            await sql.execute(f"CREATE DATABASE {name}")
            own = urlsplit(url)._replace(path=f"/{name}").geturl()
            print(f"  {side.name}: {await situation(side, own, receiver)}", flush=True)
            await sql.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await sql.close()
            server.close()


def main(arguments: list[str]) -> None:
    """Compare, or be the worker of our side."""
    if arguments[0] == "work":
        uvloop.run(work(arguments[1]))
        return
    with (
        tempfile.TemporaryDirectory(prefix="nameplate-bench-") as folder,
        local_database(Path(folder), keep=False) as url,
    ):
        asyncio.run(compare(url, arguments[0], arguments[1:]))


if __name__ == "__main__":
    main(sys.argv[1:])
