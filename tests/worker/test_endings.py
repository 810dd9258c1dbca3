"""G12: SIGTERM drains within ten seconds, whatever hangs; and a cut database is no end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from app.persistence.database import open_database
from app.services.api_keys import ApiKeys
from tests.support import Service
from tests.worker.processes import running_processes


@pytest.mark.parametrize("kind", ["api", "worker"])
async def test_a_sigterm_ends_a_process_within_ten_seconds_while_cloudflare_hangs(
    kind: str, database_url: str, tmp_path: Path
) -> None:
    async with running_processes(tmp_path, database_url) as (processes, service):
        api = await processes.start("api")
        await service.world.control("PUT", "/cloudflare/faults", rate=1, kinds=["timeout"], seed=1)
        created = await service.create("shop.long-hold.com")
        assert created["state"] == "pending"
        victim = api
        if kind == "worker":
            await processes.end(api)
            victim = await processes.start("worker")
            await service.advance(seconds=61)
            await _until_taken_up(service)
        began = time.monotonic()
        assert await processes.end(victim) == 0
        assert time.monotonic() - began < 10


async def test_a_request_that_waits_for_a_change_is_told_that_the_process_ends(
    database_url: str, tmp_path: Path
) -> None:
    async with running_processes(tmp_path, database_url) as (processes, service):
        api = await processes.start("api")
        created = await service.create("shop.long-hold.com")
        path = f"/v1/custom-hostnames/{created['id']}?wait=60"
        waiting = asyncio.create_task(service.http.get(path, timeout=60))
        await asyncio.sleep(1)
        began = time.monotonic()
        assert await processes.end(api) == 0
        assert time.monotonic() - began < 10
        response = await waiting
        assert (response.status_code, response.json()["code"]) == (503, "shutting_down")


async def test_fifty_streams_end_with_their_process_within_ten_seconds(
    database_url: str, tmp_path: Path
) -> None:
    async with running_processes(tmp_path, database_url) as (processes, service):
        api = await processes.start("api")
        began = asyncio.Semaphore(0)
        # One key may hold twenty of them.
        async with open_database(database_url) as database:
            keys = [await ApiKeys(database).create(name=str(n), scope="read") for n in range(5)]

        async def read(secret: str) -> str:
            text = ""
            headers = {"Authorization": f"Bearer {secret}"}
            async with service.http.stream(
                "GET", "/v1/events/stream", headers=headers, timeout=60
            ) as response:
                assert response.status_code == 200
                async for chunk in response.aiter_text():
                    began.release()
                    text += chunk
            return text

        streams = [asyncio.create_task(read(secret)) for _, secret in keys * 10]
        async with asyncio.timeout(30):
            for _ in streams:
                await began.acquire()
        stopped = time.monotonic()
        assert await processes.end(api) == 0
        assert time.monotonic() - stopped < 10
        # Each got one `retry` at its beginning, and one as it ended.
        assert [text.count("retry: ") for text in await asyncio.gather(*streams)] == [2] * 50


async def test_a_service_whose_database_sessions_were_all_cut_goes_on(service: Service) -> None:
    first = await service.create("before.cut-cord.com")
    await service.sql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with asyncio.timeout(15):
        while True:
            body = {"hostname": "after.cut-cord.com", "tenant": "tenant"}
            response = await service.http.post("/v1/custom-hostnames", json=body)
            if response.status_code in {200, 201}:
                break
            assert response.status_code == 503
            await asyncio.sleep(0.2)
    # The worker is awake again too: it hears of what is due.
    await asyncio.sleep(2)
    await service.point_here(first)
    await service.follow(first["id"], "cname_verified")


async def _until_taken_up(service: Service) -> None:
    async with asyncio.timeout(20):
        while await service.sql.fetchval("SELECT lease_token FROM schedules") < 2:
            await asyncio.sleep(0.05)
