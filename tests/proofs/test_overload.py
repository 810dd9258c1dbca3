"""Twice the load that the API can carry: it answers what it can, and refuses the rest at once."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from app.domain.observation import CloudflareHostname
from app.persistence.database import open_database
from app.services.api_keys import ApiKeys
from benchmarks.filling import Filling, default_zone
from sandbox.seeds import Family
from tests.proofs.conftest import Say
from tests.proofs.offered_load import Figures, Plan, carry_out
from tests.proofs.saas_traffic import Known, SaasTraffic
from tests.support import Service
from tests.worker.processes import running_processes

SECONDS = 300
TIMES = 2.0
HOSTNAMES = 10_000
FAMILY = Family("seed", "busy-crowd.com")
KEYS = 400
AT_ONCE = 64
PER_KEY = 3
"""Requests a second of each key, without `/v1/resolve`: all keys together may send more than the
process can answer, so that the requests in progress are what limits them. One key sends a tenth of
them all."""
SETTINGS = {
    "NAMEPLATE_REQUESTS_AT_ONCE": str(AT_ONCE),
    "NAMEPLATE_RATE_LIMIT": str(PER_KEY),
    "NAMEPLATE_RATE_BURST": str(2 * PER_KEY),
}
CONNECTIONS = 48
"""Of the closed loop: fewer than may be in progress, so that nothing is refused."""
MOST = 256
"""Of the open loop: four times as many as may be in progress."""
LEAST_GOODPUT = 0.5
"""Of the capacity. Refusing costs CPU as well."""
TURNS = 10
"""By Little's law a request is in progress for as long as it takes to accept `AT_ONCE` of them, on
average; one in a hundred may take so many times as long, and wait for its reconcile besides. A
bound in seconds would be one of the machine's."""
INLINE_SECONDS = 2.0
GROWTH = 1.1
"""A kilobyte kept of each request would double the memory within minutes; what Python's allocator
keeps in its arenas varies by a few per cent."""
WORKER_NICE = 5


@pytest.mark.proof
@pytest.mark.timeout(SECONDS + 300)
async def test_at_twice_its_capacity_it_answers_rightly_or_says_when_to_try_again(
    database_url: str, tmp_path: Path, say: Say
) -> None:
    """Capacity is what a closed loop gets: so many connections that ask again once answered.

    Then twice as many requests a second are sent, whether earlier ones are answered or not.
    """
    async with running_processes(tmp_path, database_url) as (processes, service):
        api = await processes.start("api", **SETTINGS)
        worker = await processes.start("worker")
        os.setpriority(os.PRIO_PROCESS, worker.pid, WORKER_NICE)
        traffic = SaasTraffic(await _fill(service), *await _keys(database_url))
        plan = Plan(
            port=processes.port,
            warm_up=5,
            capacity_seconds=15,
            connections=CONNECTIONS,
            times=TIMES,
            most=MOST,
            seconds=SECONDS,
        )
        megabytes: list[float] = []
        watch = asyncio.create_task(_watch_memory(api.pid, megabytes))
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            loop = asyncio.get_running_loop()
            at_capacity, beyond, sent = await loop.run_in_executor(pool, carry_out, plan, traffic)
        watch.cancel()
        of_posts = await _wrong_posts(service, sent)
    early, late = _medians(megabytes[-SECONDS:])
    say("\n".join(_figures(at_capacity, beyond, early, late)))
    assert at_capacity.faults == {}
    # Nothing was near its limit when the capacity was measured.
    assert len(at_capacity.all_refused()) <= 0.01 * at_capacity.sent
    assert beyond.faults == {}
    assert of_posts == []
    # It is a proof only if the load was there, and both limits had something to do.
    assert beyond.held_back <= 0.05 * beyond.sent
    assert {"overloaded", "rate_limited"} <= set(beyond.refused)
    accepted = beyond.all_accepted()
    assert len(accepted) / beyond.seconds >= LEAST_GOODPUT * _rate(at_capacity)
    assert _quantile(accepted, 0.99) < INLINE_SECONDS + TURNS * AT_ONCE / _rate(beyond)
    assert late <= GROWTH * early


def _medians(megabytes: Sequence[float]) -> tuple[float, float]:
    """Return the median memory of the second fifth of the run, and of the last: at full length the
    second minute's and the last one's. In the first, pools and caches still fill."""
    fifth = len(megabytes) // 5
    return (
        statistics.median(megabytes[fifth : 2 * fifth]),
        statistics.median(megabytes[-fifth:]),
    )


def _figures(at_capacity: Figures, beyond: Figures, early: float, late: float) -> list[str]:
    offered = beyond.sent / beyond.seconds
    return [
        f"capacity {_rate(at_capacity):,.0f}/s: {_times(at_capacity.all_accepted())}",
        f"offered  {offered:,.0f}/s for {beyond.seconds:,.0f} s; held back {beyond.held_back:,}",
        f"accepted {_rate(beyond):,.0f}/s: {_times(beyond.all_accepted())}",
        *_by_name(beyond.accepted),
        f"refused  {len(beyond.all_refused()) / beyond.seconds:,.0f}/s",
        *_by_name(beyond.refused),
        f"memory   {early:.1f} MB in the second fifth, {late:.1f} MB in the last",
        *(f"FAULT    {count} times: {text}" for text, count in beyond.faults.items()),
    ]


def _by_name(times: Mapping[str, list[float]]) -> list[str]:
    return [
        f"  {name} {len(each):,}: {_times(sorted(each))}" for name, each in sorted(times.items())
    ]


def _rate(figures: Figures) -> float:
    return len(figures.all_accepted()) / figures.seconds


def _times(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    p50, p99 = (1000 * _quantile(seconds, part) for part in (0.5, 0.99))
    return f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms, most {1000 * seconds[-1]:,.0f} ms"


def _quantile(ordered: Sequence[float], part: float) -> float:
    return ordered[int(part * (len(ordered) - 1))]


async def _fill(service: Service) -> list[Known]:
    """Have live hostnames, here and at Cloudflare."""
    zone = await default_zone(service.sql)
    await service.world.control(
        "POST",
        "/cloudflare/seed",
        count=HOSTNAMES,
        prefix=FAMILY.prefix,
        domain=FAMILY.domain,
        hostname_status="active",
        ssl_status="active",
    )
    await service.world.control(
        "PUT",
        "/dns/records",
        name=f"*.{FAMILY.domain}",
        type="CNAME",
        values=[zone.cname_target],
        ttl=60,
    )
    now = await service.sql.fetchval("SELECT nameplate_now()")
    await Filling(service.sql, zone, now).fill(_views())
    rows = await service.sql.fetch("SELECT id, hostname, tenant FROM custom_hostnames")
    return [Known(**row) for row in rows]


def _views() -> Iterator[CloudflareHostname]:
    for number in range(HOSTNAMES):
        yield CloudflareHostname(
            id=FAMILY.uuid(number),
            hostname=FAMILY.name(number),
            status="active",
            ssl_status="active",
            ssl_method="http",
            ssl_type="dv",
        )


async def _keys(database_url: str) -> tuple[list[str], str]:
    """Create the keys, and one more for the caller that sends too much."""
    async with open_database(database_url) as database:
        api_keys = ApiKeys(database)
        created = [
            await api_keys.create(name=f"backend {number}", scope="write")
            for number in range(KEYS + 1)
        ]
    first, *others = [secret for _, secret in created]
    return others, first


async def _watch_memory(pid: int, megabytes: list[float]) -> None:
    """Note the resident memory of a process once a second."""
    while True:
        megabytes.append(_resident(pid))
        await asyncio.sleep(1)


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kilobytes) / 1024


async def _wrong_posts(service: Service, sent: SaasTraffic) -> list[str]:
    """Name the new hostnames that were answered 201 and do not exist as answered, or whose refusal
    said that nothing was done and that exist nevertheless."""
    rows = await service.sql.fetch("SELECT id, hostname, tenant FROM custom_hostnames")
    stored = {row["hostname"]: Known(**row) for row in rows}
    lost = [name for name, made in sent.accepted.items() if stored.get(name) != made]
    nothing_done = {"overloaded", "rate_limited", "held_back"}
    done = [name for name, code in sent.refused.items() if code in nothing_done and name in stored]
    return lost + done
