"""The process that P5 measures: the service's background work over a large zone in virtual time.

`python -m benchmarks.p5_watched DATABASE_URL SANDBOX_URL TASK` prints one line of JSON. It breaks
and removes names itself, a few minutes after the start, in three lots a hundred seconds apart. The
rounds of the lists are then at different places.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
import uuid
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import httpx

from app.bootstrap import Services, open_services
from app.domain.custom_hostname import CustomHostname
from app.domain.hostname import Hostname
from app.domain.observation import Absent, DnsView, Found, Unknown, Values
from app.domain.zone import Destinations
from app.logging import set_up_logging
from app.worker.run import RESYNC, ZONES, reconcile_work, resync_work, zone_work
from benchmarks.settings import settings_for
from benchmarks.virtual_time import VirtualTime

LIVE, VALIDATING, DOMAIN = "live", "waiting", "large-zone.com"
SETTLES = 360.0
"""Virtual seconds before anything is broken. By then, all lists have been begun."""
LOTS = 3
BETWEEN_LOTS = 100.0
MEMORY_EVERY = 10.0
"""Virtual seconds between two measurements of the process's memory."""
AT_ONCE = 32
_BAD = (
    {"hostname_status": "moved"},
    {"hostname_status": "blocked"},
    {"ssl_status": "expired"},
)
_TARGET = ("127.0.0.81",)

_STATUSES = """
SELECT o.cloudflare_id, h.state, w.suspected_at FROM custom_hostnames h
JOIN schedules w ON w.custom_hostname_id = h.id
JOIN cloudflare_objects o ON o.custom_hostname_id = h.id
WHERE h.id = ANY($1::text[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to break, how many calls a window allows, and when to give up."""

    bad: int
    removed: int
    calls: int
    live: int = 90_000
    gives_up_after: float = 7200.0


class NoDns:
    """The services' `Dns`. The target resolves; nothing can be learnt about the tenants' names."""

    async def check(
        self,
        record: CustomHostname,  # noqa: ARG002
        *,
        thorough: bool,  # noqa: ARG002
        proxy_prefixes: object,  # noqa: ARG002
    ) -> DnsView:
        """Learn nothing."""
        return DnsView(Unknown("left_out"))

    async def leads_elsewhere(
        self,
        hostname: Hostname,
        *,
        ours: Destinations,
        tenant: str,
        proxy_prefixes: object,
        within: float,
    ) -> bool:
        """Tell nothing: no name is added by a tenant's own key."""
        raise NotImplementedError

    async def addresses(self, name: str) -> Values:  # noqa: ARG002
        """Find the target."""
        return Found(_TARGET)

    async def name_servers(self, domain: str) -> Values:  # noqa: ARG002
        """Find no name servers."""
        return Absent()


class Watching:
    """The run itself."""

    def __init__(
        self,
        task: Task,
        services: Services,
        sql: asyncpg.Connection,
        sandbox: httpx.AsyncClient,
        clock: VirtualTime,
    ) -> None:
        self._task = task
        self._services = services
        self._sql = sql
        self._sandbox = sandbox
        self._clock = clock
        self._broken_at: dict[str, float] = {}
        self._removed_at: dict[str, float] = {}
        self._noticed: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._found: dict[str, float] = {}
        self._memory: list[float] = []

    async def run(self) -> dict[str, Any]:
        """Run until everything was seen, or until it takes too long."""
        began, start = time.perf_counter(), self._clock.now
        lots = self._lots(start)
        remembered = -MEMORY_EVERY
        while not self._is_done() and self._clock.now - start < self._task.gives_up_after:
            due = self._clock.on_grid((await self._clock.due()).first)
            await self._clock.go_to(due)
            while lots and lots[0][0] <= self._clock.now:
                await self._break(*lots.pop(0)[1:])
            await self._serve()
            await self._take_notes()
            if self._clock.now - start - remembered >= MEMORY_EVERY:
                remembered = self._clock.now - start
                self._memory.append(megabytes())
        calls = (await self._sandbox.get("/control/cloudflare/calls")).json()
        return {
            "noticed": self._waits(self._noticed, self._broken_at),
            "told": self._waits(self._told, self._broken_at),
            "found": self._waits(self._found, self._removed_at),
            "memory": self._memory,
            "breaches": calls["breaches"],
            "calls": calls["total"],
            "most_in_window": calls["most_in_window"],
            "virtual_seconds": self._clock.now - start,
            "real_seconds": time.perf_counter() - began,
        }

    def _lots(self, start: float) -> list[tuple[float, list[int], list[int]]]:
        """Spread both kinds evenly over the zone, and over three lots."""
        task = self._task
        bad = _spread(task.live, task.bad, offset=1)
        removed = _spread(task.live, task.removed, offset=2)
        return [
            (start + SETTLES + lot * BETWEEN_LOTS, bad[lot::LOTS], removed[lot::LOTS])
            for lot in range(LOTS)
        ]

    async def _break(self, bad: list[int], removed: list[int]) -> None:
        for kind, statuses in enumerate(_BAD):
            if some := bad[kind :: len(_BAD)]:
                await self._seed("status", numbers=some, **statuses)
        if removed:
            await self._seed("remove", numbers=removed)
        self._broken_at |= {_id(number): self._clock.now for number in bad}
        self._removed_at |= {_id(number): self._clock.now for number in removed}

    async def _seed(self, what: str, **body: Any) -> None:
        named = {"prefix": LIVE, "domain": DOMAIN, **body}
        response = await self._sandbox.post(f"/control/cloudflare/seed/{what}", json=named)
        response.raise_for_status()

    async def _serve(self) -> None:
        services, clock = self._services, self._clock
        await clock.do_all("zones", zone_work(services), ZONES)
        await clock.do_all("list_scans", resync_work(services), RESYNC)
        await clock.do_all("hostnames", reconcile_work(services), AT_ONCE)

    async def _take_notes(self) -> None:
        waiting = [
            _record_id(each)
            for each in (*self._broken_at, *self._removed_at)
            if each not in self._told and each not in self._found
        ]
        if not waiting:
            return
        for row in await self._sql.fetch(_STATUSES, waiting):
            each, state = row["cloudflare_id"] or "", row["state"]
            if each in self._broken_at:
                gone_down = state in {"validating", "failed"}
                if gone_down or row["suspected_at"] is not None:
                    self._noticed.setdefault(each, self._clock.now)
                if gone_down:
                    self._told.setdefault(each, self._clock.now)
        await self._note_found()

    async def _note_found(self) -> None:
        left = {_record_id(each): each for each in self._removed_at if each not in self._found}
        rows = await self._sql.fetch(
            "SELECT id FROM custom_hostnames WHERE id = ANY($1::text[]) AND state = 'failed'",
            list(left),
        )
        self._found |= {left[row["id"]]: self._clock.now for row in rows}

    def _is_done(self) -> bool:
        task = self._task
        return len(self._told) == task.bad and len(self._found) == task.removed

    def _waits(self, seen: dict[str, float], since: dict[str, float]) -> list[float]:
        """Return how long each took. What was never seen counts until now."""
        return sorted(seen.get(each, self._clock.now) - at for each, at in since.items())


def _spread(population: int, count: int, *, offset: int) -> list[int]:
    return [number * population // count + offset for number in range(count)] if count else []


def _id(number: int) -> str:
    mark = zlib.crc32(f"{LIVE}.{DOMAIN}".encode())
    return str(uuid.UUID(int=(mark << 96) | number))


def _record_id(cloudflare_id: str) -> str:
    return f"ch_{cloudflare_id.replace('-', '')}"


def megabytes() -> float:
    """Return the memory that this process has in use."""
    with open("/proc/self/status") as status:  # noqa: PTH123 - read in one go
        return next(_rss(line) for line in status if line.startswith("VmRSS"))


def _rss(line: str) -> float:
    return int(line.split()[1]) / 1024


async def _advance(sandbox: httpx.AsyncClient, seconds: float) -> None:
    response = await sandbox.post("/control/clock/advance", json={"seconds": seconds})
    response.raise_for_status()


async def _main(database_url: str, sandbox_url: str, task: Task) -> None:
    settings = settings_for(
        database_url,
        cloudflare_base_url=f"{sandbox_url}/client/v4",
        cloudflare_calls=task.calls,
    )
    sql = await asyncpg.connect(database_url)
    try:
        async with httpx.AsyncClient(base_url=sandbox_url, timeout=60, trust_env=False) as sandbox:
            clock_said = (await sandbox.get("/control/clock")).json()
            wall = datetime.fromisoformat(clock_said["wall"]).timestamp()
            limits = {"calls": task.calls, "window_seconds": 300, "block_seconds": 300}
            (await sandbox.put("/control/cloudflare/limits", json=limits)).raise_for_status()
            clock = VirtualTime(sql, lambda by: _advance(sandbox, by), wall)
            await clock.begin()
            async with open_services(settings, dns_checker=NoDns()) as services:
                print(json.dumps(await Watching(task, services, sql, sandbox, clock).run()))
    finally:
        await sql.close()


if __name__ == "__main__":
    set_up_logging("console", logging.ERROR)
    asyncio.run(_main(sys.argv[1], sys.argv[2], Task(**json.loads(sys.argv[3]))))
