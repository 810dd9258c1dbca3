"""The process that the proof of the watched names measures: the worker's reconciling, sped up.

`python -m tests.proofs.watched_names DATABASE_URL TASK` prints one line of JSON.

All waits are divided by the same number: Postgres's clock runs `speed` times as fast as life, and
so do the DNS checker's, its time-outs and the slow servers. So what is measured in the clock's
seconds is what would be measured in life, but for the work itself, which counts `speed` times. The
second server is asked after the first one's time-out instead of half a second after the question.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import sys
import time
from array import array
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import asyncpg

from app.adapters.dns.authoritative import AuthoritativeServers
from app.adapters.dns.checker import DnsChecker, ProxyPrefixes
from app.adapters.dns.limits import ServerLimits
from app.bootstrap import open_services
from app.domain.custom_hostname import CustomHostname
from app.domain.hostname import Hostname
from app.domain.observation import DnsView, Unknown, Values
from app.domain.zone import Destinations
from app.logging import set_up_logging
from app.persistence.wakeups import Channel, listening
from app.worker.loop import Loop
from app.worker.run import reconcile_work
from benchmarks.p5_watched import megabytes
from benchmarks.settings import settings_for
from tests.proofs.name_servers import ROOTS, NameServers, health_of, name_servers

TIMEOUT = 2.0
"""Seconds, as in production."""
ROUND_SECONDS = 0.1
"""Real ones, between two claims. In the clock's seconds that is longer than in production."""
SAMPLES = 8
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")

_SPEED_UP = """
CREATE OR REPLACE FUNCTION public.nameplate_now() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT timestamptz '{began}' + {speed} * (statement_timestamp() - timestamptz '{began}') $$
"""
# Those that nobody works on although they are due.
_LEFT = """
SELECT extract(epoch FROM max(nameplate_now() - dns_due_at))::float8 FROM schedules
WHERE leased_until IS NULL AND dns_due_at <= nameplate_now()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """How many names to watch, and for how long: minutes of the clock, calm and in trouble."""

    names: int
    calm: float
    troubled: float
    speed: float
    concurrency: int = 32


@dataclass(slots=True)
class Group:
    """The checks of the names whose servers do alike."""

    late: list[float] = field(default_factory=list)
    """Seconds after the instant that they were due at."""
    stretch: float = 0.0
    """The longest time between two checks, in parts of the interval that was to be kept."""
    intervals: list[float] = field(default_factory=list)
    """What the names of the fastest phase were to keep, in seconds."""
    unanswered: int = 0

    def report(self) -> dict[str, Any]:
        """Give its figures."""
        late, intervals = sorted(self.late), sorted(self.intervals)
        return {
            "checks": len(late),
            "unanswered": self.unanswered,
            "p50": _part(late, 0.5),
            "p99": _part(late, 0.99),
            "most": _part(late, 1.0),
            "stretch": self.stretch,
            "interval": _part(intervals, 0.5),
        }


class Clock:
    """The time that Postgres has, and what the checker counts by."""

    def __init__(self, speed: float) -> None:
        self.began = time.time()
        self._speed = speed

    def now(self) -> datetime:
        at = self.began + self._speed * (time.time() - self.began)
        return datetime.fromtimestamp(at, UTC)

    def monotonic(self) -> float:
        return self._speed * time.monotonic()

    async def rule(self, sql: asyncpg.Connection) -> None:
        """Make it the database's."""
        began = datetime.fromtimestamp(self.began, UTC).isoformat()
        await sql.execute(_SPEED_UP.format(began=began, speed=self._speed))


class WatchedDns:
    """The services' `Dns`: the real checker, and a note of when each routine check was made."""

    def __init__(self, checker: DnsChecker, clock: Clock, names: int) -> None:
        self._checker = checker
        self._clock = clock
        # As large from the first moment as ever, so that the notes do not look like a leak.
        self._checked = array("d", [0.0]) * names
        self.groups: dict[str, Group] = {}
        self.begin()

    def begin(self) -> None:
        """Count anew."""
        self.groups = defaultdict(Group)

    async def check(
        self,
        record: CustomHostname,
        *,
        thorough: bool,
        proxy_prefixes: ProxyPrefixes | None = None,
    ) -> DnsView:
        if thorough:
            return await self._checker.check(record, thorough=True, proxy_prefixes=proxy_prefixes)
        number = number_of(record)
        group = self.groups[health_of(number).name.lower()]
        self._note(group, record, number)
        seen = await self._checker.check(record, thorough=False, proxy_prefixes=proxy_prefixes)
        group.unanswered += isinstance(seen.routing, Unknown)
        return seen

    async def leads_elsewhere(
        self,
        hostname: Hostname,
        *,
        ours: Destinations,
        tenant: str,
        proxy_prefixes: ProxyPrefixes,
        within: float,
    ) -> bool:
        raise NotImplementedError("the worker adds no names")

    async def addresses(self, name: str) -> Values:
        return await self._checker.addresses(name)

    async def name_servers(self, domain: str) -> Values:
        return await self._checker.name_servers(domain)

    def _note(self, group: Group, record: CustomHostname, number: int) -> None:
        now, due = self._clock.now(), record.schedule.dns_due_at
        if due is None:
            raise RuntimeError(f"{record.hostname.name} was checked without being due")
        group.late.append((now - due).total_seconds())
        before = self._checked[number]
        self._checked[number] = now.timestamp()
        if before:
            interval = due.timestamp() - before
            group.stretch = max(group.stretch, (now.timestamp() - before) / interval)
            if record.hostname.name.startswith("fast."):
                group.intervals.append(interval)


def number_of(record: CustomHostname) -> int:
    """Give the number that a name's zone begins with."""
    return int(record.hostname.name.split(".")[1].partition("-")[0].removeprefix("n"))


async def _watch(url: str, task: Task, servers: NameServers) -> dict[str, Any]:
    clock = Clock(task.speed)
    authoritative = AuthoritativeServers(
        [], roots=ROOTS, port=servers.port, allowed=[_LOOPBACK], clock=clock.monotonic
    )
    checker = DnsChecker(
        [],
        wait=TIMEOUT / task.speed,
        authoritative=authoritative,
        # No network is the operator's own: the rates hold as they do for tenants' servers.
        limits=ServerLimits(clock=clock.monotonic),
        clock=clock.monotonic,
    )
    dns = WatchedDns(checker, clock, task.names)
    sql = await asyncpg.connect(url)
    stop = asyncio.Event()
    try:
        await clock.rule(sql)
        async with (
            open_services(settings_for(url), dns_checker=dns) as services,
            listening(services.database.server, Channel.RECONCILE) as woken,
            asyncio.TaskGroup() as tasks,
        ):
            work = replace(
                reconcile_work(services), round_seconds=ROUND_SECONDS, poll_seconds=ROUND_SECONDS
            )
            loop = Loop(work, concurrency=task.concurrency, woken=woken, stop=stop)
            tasks.create_task(loop.run())
            try:
                await asyncio.sleep(60 * task.calm / task.speed)
                calm, before = _groups(dns), servers.counts()
                servers.begin_trouble()
                dns.begin()
                memory = [megabytes()]
                for _ in range(SAMPLES):
                    await asyncio.sleep(60 * task.troubled / task.speed / SAMPLES)
                    memory.append(megabytes())
                left = await sql.fetchval(_LEFT)
            finally:
                stop.set()
    finally:
        await sql.close()
    after = servers.counts()
    return {
        "calm": calm,
        "troubled": _groups(dns),
        "packets": {health: after[health] - before[health] for health in after},
        "memory": memory,
        "left": left or 0.0,
    }


def _groups(dns: WatchedDns) -> dict[str, Any]:
    return {health: group.report() for health, group in dns.groups.items()}


def _part(ordered: list[float], part: float) -> float:
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0


if __name__ == "__main__":
    set_up_logging("console", logging.ERROR)
    given = Task(**json.loads(sys.argv[2]))
    with name_servers(speed=given.speed) as running:
        report = asyncio.run(_watch(sys.argv[1], given, running))
    sys.stdout.write(json.dumps(report) + "\n")
