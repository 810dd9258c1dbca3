"""Twenty thousand names are watched while some of their name servers are dead and some are slow.

The population is that of a service some weeks after its launch, with a campaign on. Five in six
names are live and looked at daily; three in twenty were never set up and are looked at hourly;
three hundred are in their first week (every ten minutes) and two hundred in their first days (every
two minutes). Every name has a domain of its own; a hundred domains share an operator's two name
servers. One operator in twenty stops answering and another one answers after a second.

It runs for seventy minutes of the clock, of which twelve are calm, fifteen times as fast as life:
see `watched_names`. `WATCHED_NAMES` sets another number of names; the shares stay the same.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.bootstrap import open_services
from app.domain.observation import CloudflareHostname
from benchmarks.filling import Filling, default_zone
from benchmarks.p5_watched import NoDns
from benchmarks.settings import settings_for
from tests.proofs.conftest import Say
from tests.proofs.name_servers import zone_of
from tests.proofs.watched_names import Task

NAMES = int(os.environ.get("WATCHED_NAMES", "20000"))
TASK = Task(names=NAMES, calm=12, troubled=60, speed=15)
ROOT = Path(__file__).parents[2]
MOST_STRETCH = 2.0
MOST_UNANSWERED = 0.05
"""Of the checks at servers that answer. Time-outs are so short here that a pause of this machine
looks like one."""
DELAYED = 20.0
"""Seconds of the clock, little more than one of the machine's: how much later healthy names may be
because of the others."""
MOST_GROWTH = 12.0
"""MB, over the last half of the trouble. Each zone that is seen for the first time then adds half a
kilobyte to the delegations: a megabyte for the rest of the hourly names and what comes round of the
daily ones. The rest is for what Python's allocator does not give back."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A share of the names, how long ago they were added, and how often that has them checked."""

    label: str
    share: float
    age: timedelta
    interval: timedelta


PHASES = (
    Phase("fast", 0.01, timedelta(days=2), timedelta(minutes=2)),
    Phase("week", 0.015, timedelta(days=5), timedelta(minutes=10)),
    Phase("wait", 0.15, timedelta(days=20), timedelta(hours=1)),
    Phase("live", 0.825, timedelta(days=20), timedelta(days=1)),
)


@pytest.mark.proof
@pytest.mark.timeout(600)
async def test_dead_and_slow_name_servers_delay_nobody_elses_checks(
    database_url: str, say: Say
) -> None:
    await _fill(database_url)
    report = await _watch(database_url)
    say("\n".join(_figures(report)))
    calm, troubled, memory = report["calm"], report["troubled"], report["memory"]
    healthy, dead = troubled["healthy"], troubled["dead"]
    # It is a proof only if the trouble was one.
    assert dead["unanswered"] >= 0.95 * dead["checks"] > 0
    for group in (healthy, troubled["slow"]):
        assert group["unanswered"] <= MOST_UNANSWERED * group["checks"]
    assert min(report["packets"].values()) > 0
    for group in troubled.values():
        assert group["stretch"] <= MOST_STRETCH
        # Those that were checked only once count too.
        assert group["most"] <= PHASES[0].interval.total_seconds()
    assert report["left"] <= PHASES[0].interval.total_seconds()
    # Those of the fastest phase are asked every five minutes once nothing answers.
    assert dead["interval"] == pytest.approx(300, abs=30)
    assert healthy["interval"] == pytest.approx(120, abs=10)
    assert healthy["p99"] <= calm["healthy"]["p99"] + DELAYED
    assert memory[-1] - memory[len(memory) // 2] <= MOST_GROWTH


async def _fill(url: str) -> None:
    """Write the names, each due at some instant of its interval."""
    async with open_services(settings_for(url), dns_checker=NoDns()):
        pass
    sql = await asyncpg.connect(url)
    try:
        zone = await default_zone(sql)
        now: datetime = await sql.fetchval("SELECT nameplate_now()")
        for phase, numbers in _shares():
            await Filling(sql, zone, now).fill(_views(phase, numbers))
            names = [f"{phase.label}.{zone_of(number)}" for number in numbers]
            await sql.execute(
                "UPDATE schedules SET dns_due_at = $2::timestamptz + random() * $3::interval, "
                "waiting_since = $4 FROM custom_hostnames h "
                "WHERE h.id = custom_hostname_id AND h.hostname = ANY($1::text[])",
                names,
                now,
                phase.interval,
                now - phase.age,
            )
            await sql.execute(
                "UPDATE custom_hostnames SET wanted_at = $2, acted_at = $2 "
                "WHERE hostname = ANY($1::text[])",
                names,
                now - phase.age,
            )
        await sql.execute("VACUUM ANALYZE custom_hostnames, cloudflare_objects, schedules")
    finally:
        await sql.close()


def _shares() -> Iterator[tuple[Phase, range]]:
    begin = 0
    for phase in PHASES:
        end = NAMES if phase is PHASES[-1] else begin + round(NAMES * phase.share)
        yield phase, range(begin, end)
        begin = end


def _views(phase: Phase, numbers: range) -> Iterator[CloudflareHostname]:
    live = phase.label == "live"
    for number in numbers:
        yield CloudflareHostname(
            id=str(uuid.UUID(int=number)),
            hostname=f"{phase.label}.{zone_of(number)}",
            status="active" if live else "pending",
            ssl_status="active" if live else "pending_validation",
            ssl_method="http",
            ssl_type="dv",
        )


async def _watch(url: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.proofs.watched_names",
        url,
        json.dumps(asdict(TASK)),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    return dict(json.loads(said.splitlines()[-1]))


def _figures(report: dict[str, Any]) -> list[str]:
    lines = [f"{NAMES:,} names, {TASK.troubled:.0f} minutes with dead and slow name servers"]
    for when in ("calm", "troubled"):
        for health, group in sorted(report[when].items()):
            lines.append(
                f"{when}, {health}: {group['checks']:,} checks ({group['unanswered']:,} without an "
                f"answer), late by {group['p50']:.1f} s (p99 {group['p99']:.1f} s, most "
                f"{group['most']:.1f} s), {group['stretch']:.2f} of the interval at most, "
                f"{group['interval']:.0f} s in the fastest phase"
            )
    lines.append(f"packets at the servers: {report['packets']}")
    memory = report["memory"]
    quarters = [memory[len(memory) * part // 4 if part < 4 else -1] for part in range(5)]
    lines.append("memory: " + ", ".join(f"{each:.1f} MB" for each in quarters))
    return lines
