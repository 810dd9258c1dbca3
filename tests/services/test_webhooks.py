"""Deliveries: signed, tried again on a schedule, numbered, and told at least once."""

from __future__ import annotations

import asyncio
from typing import Any

from app.domain.deliveries import WEBHOOK_RETRIES
from tests.support import Service


async def _subscribe(service: Service, **more: Any) -> dict[str, Any]:
    body = {"url": f"{service.stack.receiver}/hooks", **more}
    made = (await service.http.post("/v1/webhook-endpoints", json=body)).json()
    await service.world.control("PUT", "/receiver", secrets=[made["secret"]])
    return dict(made)


async def _received(service: Service, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while True:
            received = await service.world.deliveries()
            if len(received) >= count:
                return received
            await asyncio.sleep(0.05)


async def test_a_failing_endpoint_is_tried_eight_times_on_the_schedule_and_then_no_more(
    service: Service,
) -> None:
    await _subscribe(service, event_types=["custom_hostname.created"])
    await service.world.control("PUT", "/receiver", status=500)
    await service.create("shop.deaf-ears.com")
    for number, wait in enumerate(WEBHOOK_RETRIES, start=1):
        # Recorded, not only received: the wait counts from there.
        await _recorded(service, number)
        # Half of it: a busy machine lets more than a second pass besides.
        await service.advance(seconds=wait * 0.5)
        await asyncio.sleep(0.2)
        assert len(await service.world.deliveries()) == number
        await service.advance(seconds=wait * 0.65)
    received = await _received(service, len(WEBHOOK_RETRIES) + 1)
    assert len({d["headers"]["webhook-id"] for d in received}) == 1
    assert all(d["verified"] for d in received)
    await _until_status(service, "exhausted")
    rows = await service.sql.fetch("SELECT number, status_code FROM attempts ORDER BY number")
    assert [tuple(row) for row in rows] == [(n, 500) for n in range(1, 9)]
    await service.advance(hours=24)
    await asyncio.sleep(0.3)
    assert len(await service.world.deliveries()) == len(WEBHOOK_RETRIES) + 1


async def test_an_endpoint_that_was_down_gets_everything_when_it_is_back(
    service: Service,
) -> None:
    await _subscribe(service)
    await service.world.control("PUT", "/receiver", drop=True)
    hostname = await service.create("shop.power-cut.com")
    await service.point_here(hostname)
    await service.follow(hostname["id"], "cname_verified")
    await service.world.control("PUT", "/receiver", drop=False, status=200)
    await service.advance(minutes=6)
    async with asyncio.timeout(20):
        while await _owed(service):
            await service.advance(minutes=6)
            await asyncio.sleep(0.2)
    good = [d for d in await service.world.deliveries() if d["verified"]]
    sequences = {d["body"]["data"]["event"]["sequence"] for d in good}
    assert sequences == {1, 2, 3, 4}


async def test_a_redirect_is_a_failure_and_is_not_followed(service: Service) -> None:
    await _subscribe(service, event_types=["custom_hostname.created"])
    await service.world.control("PUT", "/receiver", status=302)
    await service.create("shop.round-about.com")
    await _received(service, 1)
    async with asyncio.timeout(20):
        while not await service.sql.fetchval("SELECT count(*) FROM attempts"):
            await asyncio.sleep(0.05)
    row = await service.sql.fetchrow("SELECT status_code, error FROM attempts")
    assert row is not None
    assert row["status_code"] == 302
    assert await _owed(service) == 1


async def test_the_body_is_the_hostname_as_the_api_shows_it_with_its_event(
    service: Service,
) -> None:
    await _subscribe(service, event_types=["custom_hostname.validating"])
    hostname = await service.create("shop.clear-glass.com")
    (received,) = await _received(service, 1)
    body = received["body"]
    assert body["type"] == "custom_hostname.validating"
    assert body["data"]["event"]["from"] == "pending"
    assert body["data"]["event"]["to"] == "validating"
    shown = body["data"]["custom_hostname"]
    assert {**hostname, **shown} == hostname


async def test_a_signature_by_another_secret_is_told_apart(service: Service) -> None:
    await service.world.control("PUT", "/receiver", secrets=["whsec_" + "A" * 32])
    await service.http.post("/v1/webhook-endpoints", json={"url": f"{service.stack.receiver}/x"})
    await service.create("shop.masked-ball.com")
    received = await _received(service, 1)
    assert not any(d["verified"] for d in received)


async def _recorded(service: Service, attempts: int) -> None:
    async with asyncio.timeout(20):
        while await service.sql.fetchval("SELECT count(*) FROM attempts") < attempts:
            await asyncio.sleep(0.05)


async def _owed(service: Service) -> int:
    return int(
        await service.sql.fetchval("SELECT count(*) FROM deliveries WHERE status = 'pending'")
    )


async def _until_status(service: Service, status: str) -> None:
    async with asyncio.timeout(20):
        while await service.sql.fetchval("SELECT status FROM deliveries") != status:
            await asyncio.sleep(0.05)
