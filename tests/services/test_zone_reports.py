"""A zone's report costs five calls, and so is kept for half a minute."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import pytest

from app.domain.rate_limit import Lane, Limits
from app.domain.zone import CloudflareZone, FallbackOrigin, Quota, ZoneAccess, ZoneRecord
from app.persistence.database import Database
from app.services.rate_limiter import RateLimiter
from app.services.zones import KEPT_SECONDS, REPORT_CALLS, SET_UP_CALLS, PartState, Zones


class Cloudflare:
    """A zone that lacks its CNAME target, and counts how often its token is asked about."""

    def __init__(self) -> None:
        self.records = {"fallback.provider.net"}
        self.reports = 0

    async def zone(self, _: ZoneAccess) -> CloudflareZone:
        return CloudflareZone(name="provider.net", account_id="a")

    async def token_status(self, _: ZoneAccess) -> str:
        self.reports += 1
        await asyncio.sleep(0.05)
        return "active"

    async def quota(self, _: ZoneAccess) -> Quota | None:
        return None

    async def fallback_origin(self, _: ZoneAccess) -> FallbackOrigin:
        return FallbackOrigin(origin="fallback.provider.net", status="active", errors=())

    async def records_at(self, _: ZoneAccess, name: str) -> list[ZoneRecord]:
        return [record_at(name)] if name in self.records else []

    async def create_record(
        self,
        _: ZoneAccess,
        *,
        type_: str,  # noqa: ARG002
        name: str,
        content: str,  # noqa: ARG002
    ) -> ZoneRecord:
        self.records.add(name)
        return record_at(name)


def record_at(name: str) -> ZoneRecord:
    return ZoneRecord(id="r", type="A", name=name, content="192.0.2.1", proxied=True)


class Plain:
    """A cipher that hides nothing."""

    def encrypt(self, text: str) -> bytes:
        return text.encode()

    def decrypt(self, token: bytes) -> str:
        return token.decode()


@dataclass
class World:
    """What is asked, and the hands of its clock."""

    cloudflare: Cloudflare
    budgets: RateLimiter
    zones: Zones
    now: float = 0.0

    async def spent(self) -> int:
        return (await self.budgets.usage("default")).spent[Lane.INTERACTIVE]


@pytest.fixture
async def world(database: Database) -> World:
    cloudflare, budgets = Cloudflare(), RateLimiter(database, Limits())
    zones = Zones(database, cast("Any", cloudflare), Plain(), budgets, clock=lambda: given.now)
    given = World(cloudflare, budgets, zones)
    return given


async def test_a_report_is_asked_for_once_in_half_a_minute_however_many_read_it(
    world: World,
) -> None:
    await asyncio.gather(*(world.zones.get("default") for _ in range(5)))
    assert (world.cloudflare.reports, await world.spent()) == (1, REPORT_CALLS)
    world.now += KEPT_SECONDS
    await world.zones.get("default")
    assert (world.cloudflare.reports, await world.spent()) == (2, 2 * REPORT_CALLS)


async def test_what_a_set_up_made_is_there_in_the_next_report(world: World) -> None:
    missing = await world.zones.get("default")
    assert missing.cname_target.state is PartState.MISSING
    made = await world.zones.set_up("default", origin=None)
    assert made.cname_target.state is PartState.CREATED
    assert await world.spent() == REPORT_CALLS + SET_UP_CALLS
    found = await world.zones.get("default")
    assert (found.cname_target.state, found.zone.name) == (PartState.PRESENT, "provider.net")
    assert world.cloudflare.reports == 2
