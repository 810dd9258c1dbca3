"""How a list goes on from page to page, whatever becomes of its names or of the zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from app.domain import resync as rules
from app.domain.custom_hostname import CloudflareObject, Schedule
from app.domain.observation import CloudflareHostname, HostnamePage
from app.domain.rate_limit import Limits
from app.domain.zone import Zone, ZoneAccess
from app.persistence.clock import advance
from app.persistence.database import Database
from app.persistence.leases import Claim
from app.persistence.resync import put_lists
from app.services.rate_limiter import RateLimiter
from app.services.reconciler.corroborate import Corroborator
from app.services.resync import Resync
from app.services.zone_pauses import Pauses
from tests.support.rows import now_of, present_zone, put_hostname

FAULTY = "ch_0"


@dataclass
class Zones:
    """A zone at Cloudflare whose list shows what is set, all on one page."""

    names: list[str] = field(default_factory=list)
    pages_asked: list[int] = field(default_factory=list)

    async def list_page(
        self,
        access: ZoneAccess,  # noqa: ARG002
        *,
        page: int,
        filters: Mapping[str, str],  # noqa: ARG002
    ) -> HostnamePage:
        self.pages_asked.append(page)
        views = (CloudflareHostname(id=name, hostname=name, status="active") for name in self.names)
        return HostnamePage(tuple(views), total=len(self.names))


class Reconciler:
    """Takes every view in, but that of one name."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def reconcile_view(
        self,
        claim: Claim,
        view: CloudflareHostname,
        *,
        sent_at: datetime,
    ) -> None:
        assert (view.id, sent_at.tzinfo is not None) == (claim.custom_hostname_id, True)
        if claim.custom_hostname_id == FAULTY:
            raise RuntimeError("this one cannot be read")
        self.seen.append(claim.custom_hostname_id)


class Plain:
    """A cipher that hides nothing."""

    def encrypt(self, text: str) -> bytes:
        return text.encode()

    def decrypt(self, token: bytes) -> str:
        return token.decode()


@dataclass
class World:
    """A database with one zone and its whole list, and what reads it."""

    database: Database
    cloudflare: Zones
    reconciler: Reconciler
    resync: Resync
    pauses: Pauses

    async def add(self, count: int) -> list[str]:
        """Add names that Cloudflare is known to have."""
        zone = await self.zone()
        ids = [f"ch_{number}" for number in range(count)]
        later = Schedule(cloudflare_due_at=await now_of(self.database) + timedelta(days=1))
        for number, record_id in enumerate(ids):
            known = CloudflareObject(id=record_id)
            name = f"h{number}.shop.com"
            await put_hostname(self.database, zone, record_id, name, later, cloudflare=known)
        await self.execute("UPDATE schedules SET hostname_status = 'active', ssl_status = 'active'")
        return ids

    async def zone(self) -> Zone:
        return await present_zone(self.database)

    async def scan_lists(self) -> None:
        """Read the page that is due."""
        (due,) = await self.resync.claim(5)
        await self.resync.read_page(due)

    async def progress(self) -> dict[str, Any]:
        async with self.database.pool.acquire() as connection:
            row = await connection.fetchrow("SELECT * FROM list_scans")
        return dict(row)

    async def execute(self, statement: str) -> None:
        async with self.database.pool.acquire() as connection:
            await connection.execute(statement)

    async def let_pass(self, **by: float) -> None:
        async with self.database.transaction() as tx:
            await advance(tx, timedelta(**by))


@pytest.fixture
async def world(database: Database) -> World:
    zone = await present_zone(database)
    async with database.transaction() as tx:
        await put_lists(tx, zone.id, [rules.WHOLE])
    cloudflare, reconciler, pauses = Zones(), Reconciler(), Pauses(database)
    gateway: Any = cloudflare
    budgets = RateLimiter(database, Limits())
    opinion = Corroborator(database, gateway, gateway, budgets, pauses)
    resync = Resync(database, gateway, Plain(), budgets, opinion, cast("Any", reconciler))
    return World(database, cloudflare, reconciler, resync, pauses)


async def test_a_name_that_cannot_be_taken_in_does_not_hold_its_list_up(world: World) -> None:
    world.cloudflare.names = await world.add(3)
    await world.scan_lists()
    assert sorted(world.reconciler.seen) == ["ch_1", "ch_2"]
    progress = await world.progress()
    assert (progress["number"], progress["page"], progress["leased_until"]) == (1, None, None)
    assert progress["finished_at"] is not None


async def test_a_round_that_pauses_the_zone_is_over_and_the_next_begins_anew(world: World) -> None:
    ids = await world.add(25)
    await world.scan_lists()
    reason = (await world.zone()).pause_reason
    assert reason == "hostnames_missing"
    progress = await world.progress()
    assert (progress["number"], progress["page"], progress["started_at"]) == (1, None, None)
    world.cloudflare.names = ids
    await world.let_pass(minutes=10)
    await world.pauses.resume("default")
    await world.scan_lists()
    assert (await world.zone()).pause is None
    progress = await world.progress()
    assert (progress["number"], progress["page"]) == (2, None)
    assert progress["started_at"] is not None
