"""P6: hostnames reconciled per second and core by list scans, against one job per hostname.

Both sides include httpx, the parsing of Cloudflare's JSON, the budget where calls are acquired, and
all SQL over a real Postgres. Cloudflare itself is not included: its answers are the emulator's own
bodies, recorded beforehand and returned by the transport. In each round, one name in a hundred is
shown with another certificate status. It is claimed, decided on and recorded as after any other
check.

The baseline is the smallest honest queue with a job per hostname, on the bare driver: take one job
(`FOR UPDATE SKIP LOCKED`), GET the hostname and parse it, read its record, write its narrow row,
give the job its next time, commit. `procrastinate` itself is not among the locked packages.
"""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from typing_extensions import override

from app.adapters.cloudflare.client import CloudflareClient
from app.adapters.cloudflare.objects import WireHostname
from app.bootstrap import Services, open_services
from app.domain.observation import CloudflareHostname
from app.domain.resync import WHOLE
from app.domain.zone import ZoneAccess
from app.local.database import local_database
from app.logging import set_up_logging
from app.persistence.migrations import migrate
from app.persistence.resync import put_lists
from benchmarks.filling import Filling, default_zone
from benchmarks.row import Row
from benchmarks.settings import settings_for
from sandbox import constants
from sandbox.front import front
from sandbox.rate_limit import Limits
from sandbox.seeds import Family
from sandbox.simulation import BASE_URL, simulated

HOSTNAMES = 20_000
ROUNDS = 5
CHANGED_EVERY = 100
JOBS = 2_000
JOBS_AT_ONCE = 8
PER_PAGE = 50
AIM = 2000.0
BEGINS_AT = 1_800_000_000.0
PREFIX, DOMAIN = "bench", "acme.com"

_PATH = f"/zones/{constants.ZONE_ID}/custom_hostnames"


@dataclass(slots=True)
class Speed:
    """How long something took, in wall seconds and in CPU seconds of this process."""

    names: int
    wall: float
    cpu: float

    @property
    def a_core(self) -> float:
        """Names per CPU second."""
        return self.names / self.cpu


class Replay(httpx.AsyncBaseTransport):
    """Answers with recorded bodies: pages of the list, and single hostnames."""

    def __init__(self) -> None:
        self.pages: list[bytes] = []
        self.singles: dict[str, bytes] = {}

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer as Cloudflare did."""
        page = request.url.params.get("page")
        if page is not None:
            return _json(self.pages[int(page) - 1])
        return _json(self.singles[request.url.path.rpartition("/")[2]])

    def views(self) -> list[CloudflareHostname]:
        """Return all custom hostnames that the pages show."""
        return [
            WireHostname.model_validate(row).to_domain()
            for page in self.pages
            for row in json.loads(page)["result"]
        ]

    def change(self, round_number: int) -> int:
        """Show one name in a hundred with another certificate status from now on."""
        changed = 0
        for number, page in enumerate(self.pages):
            envelope = json.loads(page)
            for place, row in enumerate(envelope["result"]):
                if (number * PER_PAGE + place) % CHANGED_EVERY == round_number:
                    row["ssl"]["status"] = "pending_validation"
                    changed += 1
            self.pages[number] = json.dumps(envelope, separators=(",", ":")).encode()
        return changed


async def measure() -> list[Row]:
    """Run some rounds of list scans and some jobs, each timed."""
    set_up_logging("console", logging.ERROR)
    replay = Replay()
    await _record(replay)
    with tempfile.TemporaryDirectory(prefix="nameplate-bench-") as folder, ExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, local_database(Path(folder), keep=False))
        await asyncio.to_thread(migrate, url)
        # More than Cloudflare allows: speed is what is measured.
        settings = settings_for(url, cloudflare_calls=10_000_000)
        async with open_services(settings, cloudflare_transport=replay) as services, _sql(url) as s:
            await _fill(services, s, replay)
            speeds = [await _scan(services, s, replay, number) for number in range(ROUNDS + 1)]
            jobs = await _work_through_jobs(url, s, replay)
    # The first round only warms up.
    return [_row(speeds[1:], jobs)]


def _row(speeds: list[Speed], jobs: Speed) -> Row:
    rate = statistics.median(each.a_core for each in speeds)
    wall = statistics.median(each.names / each.wall for each in speeds)
    return Row(
        id="P6",
        figure=f"hostnames compared a CPU-second, 1 % changed ({wall:,.0f} a second of wall time)",
        value=round(rate, 1),
        unit="hostnames/s",
        beside=f"a job each (our own smallest queue): {jobs.a_core:,.0f} a CPU-second",
        ratio=round(rate / jobs.a_core, 3),
        aim=f"at least {AIM:,.0f} hostnames/s",
        met=rate >= AIM,
    )


async def _record(replay: Replay) -> None:
    with simulated(begins_at=BEGINS_AT) as sandbox:
        sandbox.limits.set_limits(Limits(calls=1_000_000))
        sandbox.seeding.load(
            Family(PREFIX, DOMAIN), start=0, count=HOSTNAMES, status="active", ssl_status="active"
        )
        transport = httpx.ASGITransport(app=front(sandbox))
        headers = {"authorization": f"Bearer {constants.TOKEN}"}
        async with httpx.AsyncClient(
            transport=transport, base_url=BASE_URL, headers=headers
        ) as api:
            for page in range(1, HOSTNAMES // PER_PAGE + 1):
                answer = await api.get(_PATH, params={"page": page, "per_page": PER_PAGE})
                replay.pages.append(answer.content)
                for row in answer.json()["result"][: JOBS * PER_PAGE // HOSTNAMES]:
                    replay.singles[row["id"]] = _single(row)


def _single(row: dict[str, Any]) -> bytes:
    return json.dumps({"success": True, "errors": [], "messages": [], "result": row}).encode()


async def _fill(services: Services, sql: asyncpg.Connection, replay: Replay) -> None:
    zone = await default_zone(sql)
    now = await sql.fetchval("SELECT nameplate_now()")
    await Filling(sql, zone, now).fill(replay.views())
    async with services.database.transaction() as tx:
        await put_lists(tx, zone.id, [WHOLE])
    await sql.execute("VACUUM ANALYZE custom_hostnames, cloudflare_objects, schedules")


async def _scan(services: Services, sql: asyncpg.Connection, replay: Replay, number: int) -> Speed:
    """Read the whole list once."""
    changed = replay.change(number)
    await sql.execute("UPDATE list_scans SET due_at = nameplate_now()")
    wall, cpu = time.perf_counter(), time.process_time()
    pages = 0
    while scans := await services.resync.claim(2):
        await asyncio.gather(*(services.resync.read_page(scan) for scan in scans))
        pages += len(scans)
    speed = Speed(HOSTNAMES, time.perf_counter() - wall, time.process_time() - cpu)
    recorded = await sql.fetchval(
        "SELECT count(*) FROM schedules WHERE ssl_status = 'pending_validation'"
    )
    if pages < len(replay.pages) or recorded != changed * (number + 1):
        raise RuntimeError(f"{pages} pages were read, and {recorded} changes recorded")
    return speed


_MAKE_JOBS = """
CREATE TABLE bench_jobs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  custom_hostname_id text NOT NULL, cloudflare_id text NOT NULL, due_at timestamptz NOT NULL);
CREATE INDEX bench_jobs_due ON bench_jobs (due_at);
"""
_ADD_JOBS = """
INSERT INTO bench_jobs (custom_hostname_id, cloudflare_id, due_at)
SELECT custom_hostname_id, cloudflare_id, now() FROM cloudflare_objects
WHERE cloudflare_id = ANY($1::text[])
"""
_TAKE = """
SELECT id, custom_hostname_id, cloudflare_id FROM bench_jobs
WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_READ = """
SELECT h.state, h.reason, h.dns, o.seen FROM custom_hostnames h
JOIN cloudflare_objects o ON o.custom_hostname_id = h.id WHERE h.id = $1
"""
_WRITE = """
UPDATE schedules SET viewed_at = now(), hostname_status = $2, ssl_status = $3
WHERE custom_hostname_id = $1
"""
_NEXT = "UPDATE bench_jobs SET due_at = now() + interval '5 minutes' WHERE id = $1"


async def _work_through_jobs(url: str, sql: asyncpg.Connection, replay: Replay) -> Speed:
    await sql.execute(_MAKE_JOBS)
    await sql.execute(_ADD_JOBS, list(replay.singles))
    access = ZoneAccess(constants.ZONE_ID, constants.TOKEN)
    async with (
        httpx.AsyncClient(transport=replay, trust_env=False) as http,
        asyncpg.create_pool(url, min_size=JOBS_AT_ONCE, max_size=JOBS_AT_ONCE) as pool,
    ):
        client = CloudflareClient(http, BASE_URL)
        wall, cpu = time.perf_counter(), time.process_time()
        done = await asyncio.gather(*(_worker(pool, client, access) for _ in range(JOBS_AT_ONCE)))
        return Speed(sum(done), time.perf_counter() - wall, time.process_time() - cpu)


async def _worker(
    pool: asyncpg.Pool[asyncpg.Record], client: CloudflareClient, access: ZoneAccess
) -> int:
    done = 0
    async with pool.acquire() as connection:
        while True:
            async with connection.transaction():
                job = await connection.fetchrow(_TAKE)
                if job is None:
                    return done
                view = await client.get(access, job["cloudflare_id"])
                row = await connection.fetchrow(_READ, job["custom_hostname_id"])
                json.loads(row["seen"])
                await connection.execute(
                    _WRITE, job["custom_hostname_id"], view.status, view.ssl_status
                )
                await connection.execute(_NEXT, job["id"])
            done += 1


@asynccontextmanager
async def _sql(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def _json(body: bytes) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "application/json"}, content=body)
