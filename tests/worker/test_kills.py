"""G1: kill -9 at every step between accept and record; the hostname arrives, and exists once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import Service
from tests.worker.processes import Processes, running_processes

NAME = "shop.hard-knocks.com"

CREATING = [
    ("api", "accepted"),
    ("api", "observed"),
    ("api", "recorded"),
    ("api", "create_started"),
    ("api", "create_answered"),
    ("api", "recorded#2"),
    ("worker", "observed"),
    ("worker", "recorded"),
    ("worker", "create_started"),
    ("worker", "create_answered"),
    ("worker", "recorded#2"),
]
REFRESHING = ["observed", "recorded", "refresh_started", "refresh_answered", "recorded#2"]
REMOVING = [
    ("api", "recorded"),
    ("api", "delete_started"),
    ("api", "delete_answered"),
    ("api", "recorded#2"),
    ("worker", "delete_started"),
    ("worker", "delete_answered"),
    ("worker", "recorded#2"),
]
EDITING = [
    pytest.param("recorded", marks=pytest.mark.proof),
    pytest.param("edit_started", marks=pytest.mark.proof),
    "edit_answered",
    pytest.param("recorded#2", marks=pytest.mark.proof),
]
SHORT = {("api", "accepted"), ("api", "create_answered"), ("worker", "create_started")}
PAST_LEASE = 61


def points(rows: list[Any]) -> list[Any]:
    """Mark as long proofs all but three."""
    return [
        pytest.param(*row, id=" ".join(row))
        if row in SHORT
        else pytest.param(*row, id=" ".join(row), marks=pytest.mark.proof)
        for row in rows
    ]


@pytest.mark.parametrize(("kind", "point"), points(CREATING))
async def test_a_hostname_accepted_before_a_kill_arrives_and_exists_once(
    kind: str, point: str, database_url: str, tmp_path: Path
) -> None:
    async with running_processes(tmp_path, database_url) as (processes, service):
        await (_create_by_api if kind == "api" else _create_by_worker)(processes, service, point)
        await processes.start("worker")
        if kind == "api":
            await processes.start("api")
        await service.advance(seconds=PAST_LEASE)
        hostname = await _only_hostname(service)
        await service.follow(hostname["id"], "validating")
        await service.point_here(hostname)
        await service.follow(hostname["id"], "cname_verified")
        assert len(await _at_cloudflare(service)) == 1
        events = await service.events(hostname["id"])
        assert [e["sequence"] for e in events] == list(range(1, len(events) + 1))
        assert [e["to"] for e in events] == ["pending", "validating", "active", "cname_verified"]


@pytest.mark.proof
@pytest.mark.parametrize("point", REFRESHING)
async def test_a_worker_killed_around_a_refresh_loses_no_transition(
    point: str, database_url: str, tmp_path: Path
) -> None:
    async with running_processes(tmp_path, database_url) as (processes, service):
        await processes.start("api")
        hostname = await service.create(NAME)
        # At life's own speed nothing but our refresh makes Cloudflare look again: its own next look
        # is minutes off a quarter of an hour after the creation.
        await service.world.control("PUT", "/clock", speed=1)
        await service.advance(minutes=13)
        await service.world.put_record(hostname["records"][0])
        victim = await processes.start("worker", dies_at=point)
        await asyncio.sleep(1)
        await service.advance(seconds=11)
        assert await asyncio.wait_for(victim.wait(), 30) == -9
        await processes.start("worker")
        await service.world.control("PUT", "/clock", speed=1000)
        await service.advance(seconds=PAST_LEASE)
        await service.follow(hostname["id"], "cname_verified")
        events = await service.events(hostname["id"])
        assert [e["to"] for e in events] == ["pending", "validating", "active", "cname_verified"]


@pytest.mark.proof
@pytest.mark.parametrize(("kind", "point"), REMOVING)
async def test_a_removal_wished_before_a_kill_ends_with_nothing_left_at_cloudflare(
    kind: str, point: str, database_url: str, tmp_path: Path
) -> None:
    async with running_processes(tmp_path, database_url) as (processes, service):
        api = await processes.start("api")
        hostname = await service.create(NAME)
        path = f"/v1/custom-hostnames/{hostname['id']}"
        if kind == "api":
            await processes.end(api)
            victim = await processes.start("api", dies_at=point)
            await _expect_cut(service, "DELETE", path)
        else:
            await _fail_cloudflare(service, rate=1)
            await service.http.delete(path)
            await _fail_cloudflare(service, rate=0)
            victim = await processes.start("worker", dies_at=point)
            await service.advance(seconds=6)
        assert await asyncio.wait_for(victim.wait(), 30) == -9
        await processes.start("worker")
        if kind == "api":
            await processes.start("api")
        await service.advance(seconds=PAST_LEASE)
        await service.follow(hostname["id"], "deleted")
        assert await _at_cloudflare(service) == []
        assert [e["to"] for e in await service.events(hostname["id"])][-2:] == [
            "deleting",
            "deleted",
        ]


@pytest.mark.parametrize("point", EDITING)
async def test_a_change_wished_before_a_kill_reaches_cloudflare(
    point: str, database_url: str, tmp_path: Path
) -> None:
    async with running_processes(tmp_path, database_url) as (processes, service):
        api = await processes.start("api")
        hostname = await service.create(NAME)
        await processes.end(api)
        victim = await processes.start("api", dies_at=point)
        path = f"/v1/custom-hostnames/{hostname['id']}"
        await _expect_cut(service, "PATCH", path, json={"tls": {"min_tls_version": "1.2"}})
        assert await asyncio.wait_for(victim.wait(), 30) == -9
        await processes.start("worker")
        await processes.start("api")
        await service.advance(seconds=PAST_LEASE)
        async with asyncio.timeout(30):
            while await service.sql.fetchval("SELECT in_flight FROM cloudflare_objects"):
                await asyncio.sleep(0.1)
        (there,) = await _at_cloudflare(service)
        assert there["ssl"]["settings"] == {"min_tls_version": "1.2"}
        assert (await service.get(hostname["id"]))["tls"]["min_tls_version"] == "1.2"


async def _create_by_api(processes: Processes, service: Service, point: str) -> None:
    victim = await processes.start("api", dies_at=point)
    await _expect_cut(
        service, "POST", "/v1/custom-hostnames", json={"hostname": NAME, "tenant": "tenant"}
    )
    assert await asyncio.wait_for(victim.wait(), 30) == -9


async def _create_by_worker(processes: Processes, service: Service, point: str) -> None:
    await processes.start("api")
    await _fail_cloudflare(service, rate=1)
    created = await service.create(NAME)
    assert created["state"] == "pending"
    await _fail_cloudflare(service, rate=0)
    victim = await processes.start("worker", dies_at=point)
    await service.advance(seconds=6)
    assert await asyncio.wait_for(victim.wait(), 30) == -9


async def _expect_cut(service: Service, method: str, path: str, **more: Any) -> None:
    with pytest.raises(httpx.TransportError):
        await service.http.request(method, path, **more)


async def _fail_cloudflare(service: Service, *, rate: int) -> None:
    kinds = [503] if rate else []
    await service.world.control("PUT", "/cloudflare/faults", rate=rate, kinds=kinds, seed=1)


async def _only_hostname(service: Service) -> dict[str, Any]:
    page = (await service.http.get("/v1/custom-hostnames")).json()
    (hostname,) = page["data"]
    return dict(hostname)


async def _at_cloudflare(service: Service) -> list[dict[str, Any]]:
    stack = service.stack
    answer = await service.http.get(
        f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}/custom_hostnames",
        headers={"Authorization": f"Bearer {stack.cloudflare_token}"},
    )
    return list(answer.json()["result"])
