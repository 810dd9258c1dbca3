"""Four days of a fleet, in virtual time: the real services and Postgres over the emulator.

The clock jumps to the next instant at which anything happens: in the service (checks, list scans,
the zone monitor), at a tenant, or in the queue of creations. In each step Cloudflare comes first,
then the tenants act, then the service does all that is due, through the worker's own loops' work.

Two things are left out, because they change nothing but the run time:

* A routine DNS check is skipped if the name's DNS has not changed since its last check, none of
  its records were found, and Cloudflare is not due. Such a check only moves its own next due time.
  The due times are calculated by the service's own rule, so that the first check after a change
  falls on the instant on which it would have fallen (`every_check` does all checks).
* In a zone small enough to be scanned whole, one statement puts off the exception lists, as the
  service puts off each.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

import asyncpg
import httpx

from app.bootstrap import Services, open_services
from app.domain.custom_hostname import CustomHostname, Plan, Purpose, RecordStatus, State
from app.domain.plan import records_complete, wanted_records
from app.domain.reconcile.schedule import Policy, dns_due_at
from app.domain.resync import FOLLOWED, WHOLE
from app.local.database import local_database
from app.logging import set_up_logging
from app.persistence.custom_hostnames import read_hostnames
from app.persistence.migrations import migrate
from app.services.registration import Registration
from app.worker.run import RESYNC, ZONES, reconcile_work, resync_work, zone_work
from benchmarks.fleet.baselines import Need
from benchmarks.fleet.outside import Bill, CountingTransport, SandboxDns
from benchmarks.fleet.population import BEGINS_AT, DAY, Member, Trouble, draw
from benchmarks.settings import settings_for
from benchmarks.virtual_time import GRID, VirtualTime
from sandbox import constants
from sandbox.account import AccountSettings
from sandbox.dns_zone import RRset
from sandbox.front import front
from sandbox.simulation import simulated
from sandbox.state import Sandbox

AT_ONCE = 32
AGAIN = 30.0
"""A tenant who finds no tokens to copy comes back after so many seconds."""

_PUT_OFF = """
UPDATE list_scans SET due_at = nameplate_now() + interval '5 minutes'
WHERE due_at <= nameplate_now() AND page IS NULL AND NOT list = ANY($1::text[])
"""
_DNS_ALONE_DUE = """
SELECT custom_hostname_id FROM schedules WHERE dns_due_at <= nameplate_now()
AND (cloudflare_due_at IS NULL OR cloudflare_due_at > nameplate_now()) AND dns_failures = 0
"""
_DNS_DUE = "SELECT custom_hostname_id FROM schedules WHERE dns_due_at <= nameplate_now()"
_NEWLY_ACTIVE = """
SELECT id, activated_at FROM custom_hostnames WHERE activated_at IS NOT NULL AND id = ANY($1)
"""
_APPOINT = "UPDATE schedules SET dns_due_at = $2 WHERE custom_hostname_id = $1"


class Doing(IntEnum):
    """What a tenant does next."""

    ADD = 0
    FIRST = 1
    SECOND = 2
    MEND = 3
    SWITCH = 4


@dataclass(slots=True)
class Story:
    """What happened to one name. Times are in seconds since the epoch."""

    member: Member
    id: str = ""
    added_at: float = math.nan
    proof_at: float = math.inf
    certificate_at: float = math.inf
    active_at: float = math.inf
    bill: Bill = field(default_factory=Bill)
    tokens: tuple[tuple[str, str, Purpose], ...] = ()
    own_calls_before: int = 0
    """Its own calls up to the moment at which DNS had all it needed."""
    issued_at: float = math.nan
    """When its certificate was deployed at Cloudflare."""

    @property
    def ready_at(self) -> float:
        """When the last record that was needed appeared in DNS."""
        return max(self.proof_at, self.certificate_at)

    @property
    def need(self) -> Need:
        """What the baselines need to know."""
        return Need(self.member.hostname, self.added_at, self.proof_at, self.certificate_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of the simulation."""

    stories: list[Story]
    ends_at: float
    seed: int
    total_calls: int
    by_route: dict[str, int]
    pages: int
    breaches: int
    creations_refused: int
    most_in_window: int
    most_creations: int
    looks: int
    passed_over: int
    ticks: int
    steps: int
    real_seconds: float
    by_phase: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The size, the length and the precision of the simulation."""

    names: int = 300
    days: int = 4
    tail_days: float = 0.0
    seed: int = 1
    every_check: bool = False


async def simulate(scenario: Scenario) -> Outcome:
    """Run the simulation on a Postgres of its own."""
    set_up_logging("console", logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="nameplate-fleet-") as folder, ExitStack() as stack:
        url = await asyncio.to_thread(stack.enter_context, local_database(Path(folder), keep=False))
        await asyncio.to_thread(migrate, url)
        begins_at = BEGINS_AT.timestamp()
        sandbox = stack.enter_context(simulated(begins_at=begins_at, seed=scenario.seed))
        # One authority, so that the baselines use the waits of the run.
        sandbox.account.set(AccountSettings(authorities=["google"]))
        async with _sql(url) as sql:
            clock = VirtualTime(sql, sandbox.advance, begins_at)
            await clock.begin()
            transport = CountingTransport(httpx.ASGITransport(app=front(sandbox)))
            dns = SandboxDns(sandbox)
            async with open_services(
                settings_for(url), cloudflare_transport=transport, dns_checker=dns
            ) as services:
                fleet = Fleet(scenario, sql, clock, services, sandbox, transport, dns)
                return await fleet.live()


@asynccontextmanager
async def _sql(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


class Fleet:
    """The run itself."""

    def __init__(
        self,
        scenario: Scenario,
        sql: asyncpg.Connection,
        clock: VirtualTime,
        services: Services,
        sandbox: Sandbox,
        transport: CountingTransport,
        dns: SandboxDns,
    ) -> None:
        self._scenario = scenario
        self._sql = sql
        self._clock = clock
        self._services = services
        self._sandbox = sandbox
        self._transport = transport
        self._dns = dns
        self._stories: dict[int, Story] = {}
        self._by_id: dict[str, Story] = {}
        self._waiting: dict[str, Story] = {}
        """Not active yet."""
        self._changed: set[str] = set()
        """Names whose DNS changed since their last check."""
        self._agenda: list[tuple[float, int, Doing]] = []
        self._next_act: dict[int, float] = {}
        self._passed_over = 0
        self._ticks = 0
        self._phases: dict[str, float] = {}

    async def live(self) -> Outcome:
        """Go from instant to instant until the end."""
        began = time.perf_counter()
        scenario, start = self._scenario, self._clock.now
        for member in draw(names=scenario.names, days=scenario.days, seed=scenario.seed):
            self._stories[member.number] = Story(member)
            self._plan(member.number, Doing.ADD, start + member.added_at)
        ends_at = start + (scenario.days + scenario.tail_days) * DAY
        while True:
            due = self._clock.on_grid((await self._clock.due()).first)
            at = min(due, self._next_doing())
            if at > ends_at:
                break
            await self._timed("cloudflare", self._clock.go_to(at))
            await self._timed("tenants", self._let_tenants_act())
            await self._timed("passing over", self._pass_over())
            await self._serve()
            await self._timed("taking notes", self._take_notes())
        return self._outcome(ends_at, time.perf_counter() - began)

    def _plan(self, number: int, doing: Doing, at: float) -> None:
        heapq.heappush(self._agenda, (at, number, doing))
        self._next_act[number] = at

    def _next_doing(self) -> float:
        return self._clock.on_grid(self._agenda[0][0]) if self._agenda else math.inf

    async def _timed(self, phase: str, work: Awaitable[object]) -> None:
        began = time.perf_counter()
        await work
        self._phases[phase] = self._phases.get(phase, 0.0) + time.perf_counter() - began

    async def _serve(self) -> None:
        """Let the service do all that is due."""
        services, clock = self._services, self._clock
        await self._timed("zone watch", clock.do_all("zones", zone_work(services), ZONES))
        await self._sql.execute(_PUT_OFF, [WHOLE, *FOLLOWED])
        await self._timed("list_scans", clock.do_all("list_scans", resync_work(services), RESYNC))
        checked = await self._sql.fetch(_DNS_DUE)
        await self._timed("ticks", self._tick())
        self._changed.difference_update(row[0] for row in checked)
        paused = await self._sql.fetchval("SELECT pause_reason FROM zones LIMIT 1")
        if paused is not None:
            raise RuntimeError(f"the zone was paused: {paused}")

    async def _tick(self) -> None:
        work = reconcile_work(self._services)
        self._ticks += await self._clock.do_all("hostnames", work, AT_ONCE)

    async def _pass_over(self) -> None:
        """Move the due times of DNS checks that could see nothing new."""
        if self._scenario.every_check:
            return
        due = [row[0] for row in await self._sql.fetch(_DNS_ALONE_DUE)]
        idle = [each for each in due if each not in self._changed]
        if not idle:
            return
        async with self._services.database.transaction() as tx:
            records = await read_hostnames(tx, idle)
        moved = [(record.id, at) for record in records if (at := self._appointment(record))]
        await self._sql.executemany(_APPOINT, moved)

    def _appointment(self, record: CustomHostname) -> datetime | None:
        """Calculate the first check that could see something new."""
        found = any(each.status is RecordStatus.FOUND for each in wanted_records(record))
        idle = record.state is State.ACTIVE or (record.state is State.VALIDATING and not found)
        if not idle:
            return None
        until = self._next_act.get(self._by_id[record.id].member.number, math.inf)
        horizon = self._clock.now + DAY
        at, policy = self._clock.now, Policy()
        while at < min(until, horizon):
            due = dns_due_at(record, now=datetime.fromtimestamp(at, UTC), policy=policy)
            if due is None:
                return None
            # A tick lasts some milliseconds, which the worker's next poll rounds up to a second.
            at = (math.floor(due.timestamp() / GRID) + 1) * GRID
            self._passed_over += 1
        return datetime.fromtimestamp(at, UTC)

    async def _let_tenants_act(self) -> None:
        while self._agenda and self._agenda[0][0] <= self._clock.now:
            _, number, doing = heapq.heappop(self._agenda)
            self._next_act.pop(number, None)
            story = self._stories[number]
            if doing is Doing.ADD:
                await self._add(story)
                continue
            await self._act(story, doing)
            if story.ready_at == self._clock.now:
                story.own_calls_before = story.bill.own

    async def _add(self, story: Story) -> None:
        member = story.member
        self._transport.bills[member.hostname] = story.bill
        if member.trouble is Trouble.CAA:
            self._put(member.domain, "CAA", '0 issue "digicert.com"')
        wanted = Registration(
            hostname=member.hostname, tenant=member.tenant, plan=str(member.plan), metadata={}
        )
        (record,), _ = await self._services.registrations.register(wanted)
        story.id, story.added_at = record.id, self._clock.now
        self._by_id[record.id] = self._waiting[record.id] = story
        self._changed.add(record.id)
        if member.trouble is not Trouble.NEVER:
            self._plan(member.number, Doing.FIRST, self._clock.now + member.acts_after)

    async def _act(self, story: Story, doing: Doing) -> None:
        member, now = story.member, self._clock.now
        if doing is Doing.FIRST and not await self._knows_records(story):
            self._plan(member.number, Doing.FIRST, now + AGAIN)
            return
        self._changed.add(story.id)
        if doing is Doing.MEND:
            self._mend(story)
        elif doing is Doing.SWITCH or member.plan is Plan.SIMPLE:
            self._point_here(story)
        elif doing is Doing.FIRST:
            self._prove(story, Purpose.OWNERSHIP)
            self._plan(member.number, Doing.SECOND, now + member.second_after)
            return
        else:
            self._prove(story, Purpose.CERTIFICATE)
        last = doing is Doing.SECOND or (doing is Doing.FIRST and member.plan is Plan.SIMPLE)
        if last and member.trouble in {Trouble.MISTYPED, Trouble.CAA}:
            self._plan(member.number, Doing.MEND, now + member.mends_after)

    async def _knows_records(self, story: Story) -> bool:
        """Read the records to add, as the set-up page shows them."""
        if story.member.plan is Plan.SIMPLE:
            return True
        record = await self._services.custom_hostnames.get(story.id)
        story.tokens = tuple((r.name, r.value, r.purpose) for r in wanted_records(record))
        return records_complete(record)

    def _point_here(self, story: Story) -> None:
        member = story.member
        switches = member.plan is Plan.ZERO_DOWNTIME
        mistyped = member.trouble is Trouble.MISTYPED and not switches
        target = constants.CNAME_TARGET.replace(".net", ".com" if mistyped else ".net")
        proxied = member.trouble is Trouble.PROXIED
        self._put(member.hostname, "CNAME", f"{target}.", proxied=proxied)
        if switches or mistyped:
            return
        story.proof_at = self._clock.now
        if member.trouble is not Trouble.CAA:
            story.certificate_at = self._clock.now

    def _prove(self, story: Story, purpose: Purpose, *, cut: bool | None = None) -> None:
        """Add the TXT record for `purpose`, cut short if the name is a mistyped one."""
        trouble = story.member.trouble
        mistyped = trouble is Trouble.MISTYPED and purpose is Purpose.CERTIFICATE
        is_cut = mistyped if cut is None else cut
        for name, value, what in story.tokens:
            if what is purpose:
                self._put(name, "TXT", f'"{value[:-4] if is_cut else value}"')
        if purpose is Purpose.OWNERSHIP:
            story.proof_at = self._clock.now
        elif not is_cut and trouble is not Trouble.CAA:
            story.certificate_at = self._clock.now

    def _mend(self, story: Story) -> None:
        member = story.member
        if member.trouble is Trouble.CAA:
            allowed = ('0 issue "digicert.com"', '0 issue "pki.goog"', '0 issue "letsencrypt.org"')
            self._put(member.domain, "CAA", *allowed, '0 issue "ssl.com"')
            story.certificate_at = self._clock.now
        elif member.plan is Plan.SIMPLE:
            self._put(member.hostname, "CNAME", f"{constants.CNAME_TARGET}.")
            story.proof_at = story.certificate_at = self._clock.now
        else:
            self._prove(story, Purpose.CERTIFICATE, cut=False)

    def _put(self, name: str, rrtype: str, *values: str, proxied: bool = False) -> None:
        self._sandbox.tenant_records.put(RRset(name, rrtype, values, 300, proxied))

    async def _take_notes(self) -> None:
        rows = await self._sql.fetch(_NEWLY_ACTIVE, list(self._waiting))
        for row in rows:
            story = self._waiting.pop(row["id"])
            story.active_at = row["activated_at"].timestamp()
            there = self._sandbox.hostnames.named(story.member.hostname)
            if there and there.ssl and there.ssl.issued:
                story.issued_at = there.ssl.issued.uploaded_on
            # Close its bill: what comes now is upkeep.
            del self._transport.bills[story.member.hostname]
            if story.member.plan is Plan.ZERO_DOWNTIME:
                at = self._clock.now + story.member.switches_after
                self._plan(story.member.number, Doing.SWITCH, at)

    def _outcome(self, ends_at: float, real_seconds: float) -> Outcome:
        limits = self._sandbox.limits
        return Outcome(
            stories=list(self._stories.values()),
            ends_at=ends_at,
            seed=self._scenario.seed,
            total_calls=self._transport.total,
            by_route=dict(limits.by_route),
            pages=self._transport.pages,
            breaches=limits.breaches,
            creations_refused=limits.creations_refused,
            most_in_window=limits.most_in_window,
            most_creations=limits.most_creations_in_window,
            looks=self._dns.looks,
            passed_over=self._passed_over,
            ticks=self._ticks,
            steps=self._clock.steps,
            real_seconds=real_seconds,
            by_phase=self._phases,
        )
