"""P5: a large zone within the budget. Bad names are seen, missing ones found, memory is flat.

There are three processes: this one, which fills the tables and controls Cloudflare's side; the
emulator; and the watched process (`benchmarks.p5_watched`). The watched process runs the service's
list scans, zone monitor and reconciler in virtual time, and its memory is measured. Ten per cent of
the names are `pending` at Cloudflare, so that their list is long. Free checks of tenants' DNS are
left out: no row is due for one, and a check that happens nevertheless learns nothing. They use no
budget; P7 measures them.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from app.adapters.cloudflare.objects import WireHostname
from app.bootstrap import open_services
from app.local.database import local_database
from app.persistence.migrations import migrate
from benchmarks.filling import Filling, default_zone
from benchmarks.p5_watched import DOMAIN, LIVE, VALIDATING, Task
from benchmarks.row import Row
from benchmarks.settings import settings_for
from sandbox import constants

ROOT = Path(__file__).resolve().parents[1]
PER_PAGE = 50
CALLS_A_SECOND = 4.0
"""Cloudflare's 1,200 in five minutes, from which the floor is calculated."""
NOTICED_WITHIN = 600.0
FLOORS = 4.0
MOST_MEMORY = 300.0
FLAT = 1.05
"""The memory at the end is at most so many times the one half-way. By then, each kind of work has
been done, with all that it loads and prepares once."""

_PATH = f"/client/v4/zones/{constants.ZONE_ID}/custom_hostnames"
_NO_LIMITS = {
    "calls": 100_000_000,
    "window_seconds": 300,
    "block_seconds": 300,
    "creations": 15,
    "creation_window_seconds": 60,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large the zone is."""

    live: int
    validating: int

    @property
    def names(self) -> int:
        """All names of the zone."""
        return self.live + self.validating

    def floor(self, calls: int) -> float:
        """Seconds to read the whole zone once, if nothing else were read, at `calls` a window."""
        return self.names / PER_PAGE / (calls / 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the watched process reports: seconds of virtual time, megabytes."""

    noticed: list[float]
    told: list[float]
    found: list[float]
    memory: list[float]
    breaches: int
    calls: int
    most_in_window: int
    virtual_seconds: float
    real_seconds: float

    @property
    def memory_growth(self) -> float:
        """How many times the memory half-way there is at the end."""
        return self.memory[-1] / self.memory[len(self.memory) // 2]


BENCH = Size(live=90_000, validating=10_000)


async def measure() -> list[Row]:
    """Measure a zone of a hundred thousand names, within Cloudflare's default limits."""
    async with large_zone(BENCH) as zone:
        report = await zone.watch(Task(bad=30, removed=30, calls=1200))
    return rows(BENCH, report, calls=1200)


def rows(size: Size, report: Report, *, calls: int) -> list[Row]:
    """Return the rows of the table."""
    floor = size.floor(calls)
    noticed, found = max(report.noticed, default=0.0), max(report.found, default=0.0)
    told = max(report.told, default=0.0)
    most, growth = max(report.memory), report.memory_growth
    return [
        Row(
            id="P5",
            figure=f"{size.names:,} names: a bad one noticed, the last of {len(report.noticed)}",
            value=round(noticed, 1),
            unit="s",
            beside=f"told after {told:,.0f} s",
            ratio=round(noticed / NOTICED_WITHIN, 3),
            aim=f"within {NOTICED_WITHIN:.0f} s",
            met=noticed <= NOTICED_WITHIN,
        ),
        Row(
            id="P5",
            figure=f"a removed one found, the last of {len(report.found)}",
            value=round(found, 1),
            unit="s",
            beside=f"reading it all once: {floor:,.0f} s",
            ratio=round(found / floor, 3),
            aim=f"at most {FLOORS:.0f} times",
            met=found <= FLOORS * floor,
        ),
        Row(
            id="P5",
            figure="memory of the watching process, at most",
            value=round(most, 1),
            unit="MB",
            beside=f"at the end over half-way: {growth:.3f}",
            ratio=round(most / MOST_MEMORY, 3),
            aim=f"under {MOST_MEMORY:.0f} MB and flat",
            met=most < MOST_MEMORY and growth <= FLAT,
        ),
        Row(
            id="P5",
            figure="calls refused for the budget",
            value=report.breaches,
            unit="calls",
            beside=f"most in five minutes: {report.most_in_window:,} of {calls:,}",
            ratio=round(report.most_in_window / calls, 3),
            aim="none",
            met=report.breaches == 0,
        ),
    ]


@dataclass(frozen=True, slots=True)
class LargeZone:
    """A filled database and a seeded emulator whose clock stands still."""

    database_url: str
    sandbox: str

    async def watch(self, task: Task) -> Report:
        """Run the service over it in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.p5_watched",
            self.database_url,
            self.sandbox,
            json.dumps(asdict(task)),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            raise RuntimeError(f"the watched process ended with {process.returncode}")
        return Report(**json.loads(said.splitlines()[-1]))


@asynccontextmanager
async def large_zone(size: Size) -> AsyncIterator[LargeZone]:
    """Start Postgres and the emulator, seed the emulator, and fill the database to match."""
    with tempfile.TemporaryDirectory(prefix="nameplate-bench-") as folder, ExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, local_database(Path(folder), keep=False))
        await asyncio.to_thread(migrate, url)
        async with (
            _emulator() as sandbox,
            httpx.AsyncClient(base_url=sandbox, timeout=120, trust_env=False) as http,
        ):
            await _control(http, "PUT", "/clock", frozen=True, speed=1)
            await _control(http, "PUT", "/cloudflare/limits", **_NO_LIMITS)
            await _seed(http, size)
            await _fill(url, sandbox, http)
            yield LargeZone(url, sandbox)


async def _seed(http: httpx.AsyncClient, size: Size) -> None:
    for prefix, count, status, ssl_status in (
        (LIVE, size.live, "active", "active"),
        (VALIDATING, size.validating, "pending", "pending_validation"),
    ):
        await _control(
            http,
            "POST",
            "/cloudflare/seed",
            count=count,
            prefix=prefix,
            domain=DOMAIN,
            hostname_status=status,
            ssl_status=ssl_status,
        )


async def _fill(url: str, sandbox: str, http: httpx.AsyncClient) -> None:
    """Write the rows from what the emulator's own list shows of the names."""
    clock = await _control(http, "GET", "/clock")
    settings = settings_for(url, cloudflare_base_url=f"{sandbox}/client/v4")
    async with open_services(settings):
        pass
    sql = await asyncpg.connect(url)
    try:
        zone = await default_zone(sql)
        filling = Filling(sql, zone, datetime.fromisoformat(clock["wall"]))
        first = await _page(http, 1)
        pages = -(-first["result_info"]["total_count"] // PER_PAGE)
        for begin in range(1, pages + 1, 100):
            numbers = range(begin, min(begin + 100, pages + 1))
            bodies = [await _page(http, number) for number in numbers]
            await filling.fill(
                WireHostname.model_validate(row).to_domain()
                for body in bodies
                for row in body["result"]
            )
        await sql.execute("VACUUM ANALYZE custom_hostnames, cloudflare_objects, schedules")
    finally:
        await sql.close()


async def _page(http: httpx.AsyncClient, number: int) -> dict[str, Any]:
    response = await http.get(
        _PATH,
        params={"page": number, "per_page": PER_PAGE},
        headers={"Authorization": f"Bearer {constants.TOKEN}"},
    )
    response.raise_for_status()
    return dict(response.json())


async def _control(http: httpx.AsyncClient, method: str, path: str, **body: Any) -> dict[str, Any]:
    response = await http.request(method, f"/control{path}", json=body or None)
    response.raise_for_status()
    return dict(response.json()) if response.content else {}


@asynccontextmanager
async def _emulator() -> AsyncIterator[str]:
    ports = [_free_port() for _ in range(3)]
    names = ("--port", "--dns-port", "--receiver-port")
    arguments = [
        part for name, port in zip(names, ports, strict=True) for part in (name, str(port))
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app",
        "sandbox",
        *arguments,
        cwd=ROOT,
        env=os.environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(30):
            # The process prints one line when everything answers.
            if process.stdout is None or not await process.stdout.readline():
                raise RuntimeError("the emulator did not start")
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
