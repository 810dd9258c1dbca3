"""The budget against the running stack: nobody runs into Cloudflare's limits, and everybody's turn
comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.rate_limit import Limits
from app.local.stack import StackLimits, StackOptions, running_stack
from app.persistence.clock import advance
from app.persistence.database import open_database
from app.persistence.zones import open_zones
from app.services.call_queue import CallQueue
from app.services.rate_limiter import RateLimiter
from tests.support import INLINE_SECONDS, Service

CREATE = "POST /zones/{zone_id}/custom_hostnames"
REFRESH = "PATCH /zones/{zone_id}/custom_hostnames/{custom_hostname_id}"
LIMITS = StackLimits(calls=1200, creations=3)
"""Two creations a minute are ours then."""


@pytest.fixture
async def limited(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """Run the stack with few creations a minute; the sandbox allows just as many."""
    options = StackOptions(
        data_dir=tmp_path,
        port=0,
        sandbox_port=0,
        dns_port=0,
        receiver_port=0,
        speed=1000,
        limits=LIMITS,
        inline_seconds=INLINE_SECONDS,
    )
    async with running_stack(options, database_url) as stack, Service.over(stack) as client:
        await client.world.control("PUT", "/cloudflare/limits", creations=LIMITS.creations)
        yield client


async def budget(service: Service) -> dict[str, Any]:
    return dict((await service.http.get("/v1/zones/default/budget")).json())


async def is_created(service: Service, hostname: dict[str, Any]) -> bool:
    return bool((await service.get(hostname["id"]))["state"] == "validating")


async def test_a_creation_beyond_the_minutes_few_waits_with_its_place_and_is_made_in_its_turn(
    limited: Service,
) -> None:
    for number in range(2):
        assert (await limited.create(f"shop.first-{number}.com"))["state"] == "validating"
    waiting = [await limited.create(f"shop.later-{number}.com") for number in range(3)]
    assert [each["reason"] for each in waiting] == ["creation_queued"] * 3
    assert [each["queue"]["position"] for each in waiting] == [1, 2, 3]
    estimates = [datetime.fromisoformat(each["queue"]["estimated_at"]) for each in waiting]
    assert estimates == sorted(estimates)
    shown = await limited.get(waiting[2]["id"])
    assert shown["queue"]["position"] == 3
    said = await budget(limited)
    assert said["queues"]["creation"]["waiting"] == 3
    assert (said["creations"]["spent"], said["creations"]["spendable"]) == (2, 2)
    for hostname in waiting:
        while not await is_created(limited, hostname):
            await limited.advance(seconds=15)
            await asyncio.sleep(0.2)
        assert (await limited.get(hostname["id"]))["queue"] is None
    calls = await limited.calls()
    assert (calls["breaches"], calls["creations_refused"]) == (0, 0)


async def test_a_worker_that_dies_with_somebodys_turn_loses_nothing(limited: Service) -> None:
    for number in range(2):
        await limited.create(f"shop.first-{number}.com")
    waiting = await limited.create("shop.unlucky.com")
    # As a worker does that is killed the moment it has served the turn.
    async with open_database(limited.stack.database_url, connections=1) as database:
        queue = CallQueue(database, RateLimiter(database, Limits(creations=LIMITS.creations)))
        async with database.transaction() as tx:
            # In one transaction, so that no worker can be faster.
            await advance(tx, timedelta(seconds=66))
            (zone,) = await open_zones(tx)
            claims = await queue.serve(tx, zone.budget, zone.id, limit=1)
    assert [claim.custom_hostname_id for claim in claims] == [waiting["id"]]
    while not await is_created(limited, waiting):
        await limited.advance(seconds=15)
        await asyncio.sleep(0.2)


async def test_one_tenants_crowd_does_not_keep_another_tenant_waiting(limited: Service) -> None:
    crowd = [await limited.create(f"shop.crowd-{n}.com", "big") for n in range(12)]
    single = await limited.create("shop.single-shop.com", "small")
    assert single["reason"] == "creation_queued"
    assert single["queue"]["position"] <= 4
    while not await is_created(limited, single):
        await limited.advance(seconds=15)
        await asyncio.sleep(0.2)
    left = [each for each in crowd if not await is_created(limited, each)]
    assert len(left) >= 6


async def test_a_queued_hostname_that_is_wished_gone_gives_up_its_place(limited: Service) -> None:
    for number in range(2):
        await limited.create(f"shop.first-{number}.com")
    waiting = await limited.create("shop.given-up.com")
    await limited.http.delete(f"/v1/custom-hostnames/{waiting['id']}")
    await limited.until_state(waiting["id"], "deleted")
    assert (await budget(limited))["queues"]["creation"]["waiting"] == 0
    made = (await limited.calls())["by_route"][CREATE]
    assert made == 2


async def test_one_who_refreshes_without_end_leaves_the_lane_to_the_others(
    limited: Service,
) -> None:
    # With these limits a tenant has twenty interactive calls a minute: ten refreshes.
    eager = await limited.create("shop.eager.com", "eager")
    patient = await limited.create("shop.patient.com", "patient")
    for _ in range(30):
        await limited.refresh(eager["id"])
    assert (await budget(limited))["spent"]["interactive"] <= 24
    patches = (await limited.calls())["by_route"].get(REFRESH, 0)
    await limited.refresh(patient["id"])

    async def is_asked() -> bool:
        return bool((await limited.calls())["by_route"].get(REFRESH, 0) > patches)

    await limited.eventually(is_asked)


async def test_a_refusal_for_all_calls_stops_every_call_until_it_ends(service: Service) -> None:
    hostname = await service.create("shop.front-door.com")
    await service.world.control("PUT", "/cloudflare/limits", calls=1)
    await service.call_as_somebody_else()
    await service.refresh(hostname["id"])
    said = await budget(service)
    assert said["blocked_until"] is not None
    assert said["available"] == 0
    breaches = await _steady_breaches(service)
    assert breaches >= 1
    others = [await service.create(f"shop.side-door-{n}.com") for n in range(3)]
    assert {each["reason"] for each in others} == {"creation_queued"}
    await service.advance(seconds=120)
    await asyncio.sleep(1.5)
    assert (await service.calls())["breaches"] == breaches
    await service.raise_limits()
    for each in others:
        while not await is_created(service, each):
            await service.advance(seconds=30)
            await asyncio.sleep(0.2)


async def _steady_breaches(service: Service) -> int:
    """Wait for the calls that were on their way when the first one was refused."""
    before = -1
    while True:
        breaches = int((await service.calls())["breaches"])
        if breaches == before:
            return breaches
        before = breaches
        await asyncio.sleep(1)


async def test_a_refusal_of_creations_alone_stops_nothing_else(service: Service) -> None:
    await service.world.control("PUT", "/cloudflare/limits", creations=1)
    first = await service.create("shop.front-door.com")
    second = await service.create("shop.side-door.com")
    assert second["reason"] == "creation_queued"
    assert second["queue"]["position"] == 1
    said = await budget(service)
    assert said["blocked_until"] is None
    assert said["creations"]["blocked_until"] is not None
    before = (await service.calls())["by_route"].get(REFRESH, 0)

    async def is_refreshed() -> bool:
        # A worker that has just checked the hostname leaves a press nothing to ask.
        await service.refresh(first["id"])
        return bool((await service.calls())["by_route"].get(REFRESH, 0) > before)

    await service.eventually(is_refreshed)
    assert (await budget(service))["creations"]["blocked_until"] is not None
    while not await is_created(service, second):
        await service.advance(seconds=31)
        await asyncio.sleep(0.2)


async def test_what_is_spent_is_told_by_lane(service: Service) -> None:
    hostname = await service.create("shop.front-door.com")

    async def spent(lane: str, least: int) -> bool:
        return bool((await budget(service))["spent"][lane] >= least)

    async def is_spent_by_refreshing() -> bool:
        # A worker that has just checked the hostname leaves one of them nothing to ask.
        await service.refresh(hostname["id"])
        return await spent("interactive", 2)

    await service.eventually(is_spent_by_refreshing)
    await service.scan_lists()
    await service.eventually(lambda: spent("resync", 1))
