"""G6 and the feed with many at once: duplicates make one hostname, readers miss nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.proofs.conftest import Say
from tests.support import Service
from tests.worker.processes import running_processes

DUPLICATES = 200
WRITERS = 16
EACH = 40
SECONDS = 300
LIMITS = {
    # Three times as many as usual.
    "NAMEPLATE_DATABASE_CONNECTIONS": "30",
}


@pytest.mark.proof
@pytest.mark.timeout(120)
async def test_two_hundred_duplicates_at_once_make_one_hostname(
    database_url: str, tmp_path: Path, say: Say
) -> None:
    async with running_processes(tmp_path, database_url) as (processes, service):
        await processes.start("api", **LIMITS)
        began = time.monotonic()
        answers = await _post_at_once(service, DUPLICATES)
        seconds = time.monotonic() - began
        retried = await _post_at_once(service, DUPLICATES)
        stored = await service.sql.fetchval("SELECT count(*) FROM custom_hostnames")
        made = (await service.calls())["by_route"]
    counts = Counter(answer.status_code for answer in answers)
    say(f"{DUPLICATES} duplicates in {seconds:.1f} s: {dict(counts)}; calls {made}")
    assert stored == 1
    assert set(counts) <= {201, 409}
    assert counts[201] >= 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "idempotency_key_in_use"
    assert {answer.status_code for answer in retried} == {201}
    assert len({answer.json()["id"] for answer in [*answers, *retried] if answer.is_success}) == 1


async def _post_at_once(service: Service, count: int) -> list[httpx.Response]:
    body = {"hostname": "shop.only-once.com", "tenant": "once"}
    headers = {"Idempotency-Key": "the-same", **service.http.headers}
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(
        base_url=service.stack.api, headers=headers, limits=limits, timeout=60, trust_env=False
    ) as http:
        return await asyncio.gather(
            *(http.post("/v1/custom-hostnames", json=body) for _ in range(count))
        )


@pytest.mark.proof
@pytest.mark.timeout(SECONDS + 60)
async def test_readers_of_the_feed_miss_nothing_of_sixteen_writers(
    database_url: str, tmp_path: Path, say: Say
) -> None:
    """Every event arrives once, in order and without a gap, while two workers number them."""
    async with running_processes(tmp_path, database_url) as (processes, service):
        await processes.start("api", **LIMITS)
        for _ in range(2):
            await processes.start("worker")
        reading = [asyncio.create_task(_read_stream(service, "end")) for _ in range(3)]
        await asyncio.sleep(1)
        began = time.monotonic()
        await asyncio.gather(*(_write(service, number) for number in range(WRITERS)))
        last = await service.create("shop.the-end.com", "end")
        async with asyncio.timeout(SECONDS):
            streams = await asyncio.gather(*reading)
        seconds = time.monotonic() - began
        rows = await service.sql.fetch(
            "SELECT number, custom_hostname_id AS subject, sequence "
            "FROM feed JOIN events ON id = event_id ORDER BY number"
        )
    expected = [(row["number"], row["subject"], row["sequence"]) for row in rows]
    say(
        f"{WRITERS} writers, {len(expected):,} events in {seconds:.0f} s; "
        f"{len(streams)} readers: 0 gaps, 0 order breaks"
    )
    assert len(expected) >= WRITERS * EACH
    assert [number for number, *_ in expected if number] == list(range(1, len(expected) + 1))
    following: Counter[str] = Counter()
    for _, subject, sequence in expected:
        following[subject] += 1
        assert sequence == following[subject]
    for stream in streams:
        assert stream == expected[: len(stream)]
        assert any(subject == last["id"] for _, subject, _ in stream)


async def _write(service: Service, number: int) -> None:
    """Make events: each hostname is added and removed again."""
    made = 0
    while made < EACH:
        name = f"shop-{made}.writer-{number}.com"
        body = {"hostname": name, "tenant": f"tenant-{number}"}
        response = await service.http.post("/v1/custom-hostnames", json=body)
        if response.status_code == 201:
            made += 1
            await service.http.delete(f"/v1/custom-hostnames/{response.json()['id']}")


async def _read_stream(service: Service, last_tenant: str) -> list[tuple[int, str, int]]:
    """Read a stream until the last tenant's event, and connect again whenever it ends."""
    seen: list[tuple[int, str, int]] = []
    while True:
        query = f"?after={seen[-1][0] if seen else 0}"
        async with service.http.stream("GET", f"/v1/events/stream{query}", timeout=60) as response:
            response.raise_for_status()
            fields: dict[str, str] = {}
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                    continue
                if "data" in fields:
                    event, tenant = _event(fields)
                    seen.append(event)
                    if tenant == last_tenant:
                        return seen
                fields = {}


def _event(fields: dict[str, str]) -> tuple[tuple[int, str, int], Any]:
    data = json.loads(fields["data"])["data"]
    event = data["event"]
    return (
        (int(fields["id"]), event["subject"], event["sequence"]),
        data["custom_hostname"]["tenant"],
    )
