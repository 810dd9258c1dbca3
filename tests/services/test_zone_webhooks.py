"""`zone.paused` and `zone.resumed`: told to those who subscribed, in an order without gaps."""

from __future__ import annotations

from typing import Any

from tests.support import Service

PAUSE = {"detail": "an incident"}


async def subscribe(service: Service, path: str, *types: str, tenant: str | None = None) -> str:
    body: dict[str, Any] = {"url": f"{service.stack.receiver}/{path}", "event_types": list(types)}
    if tenant:
        body["tenant"] = tenant
    made = await service.http.post("/v1/webhook-endpoints", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["secret"])


async def pause_and_resume(service: Service, times: int) -> None:
    for _ in range(times):
        for path, body in (("pause", PAUSE), ("resume", {})):
            answer = await service.http.post(f"/v1/zones/default/{path}", json=body)
            assert answer.status_code == 200, answer.text


async def received(service: Service, path: str, count: int) -> list[dict[str, Any]]:
    """Give what came to one endpoint, in the order of its numbers, once there is so much."""

    async def there() -> bool:
        return len(await _at(service, path)) >= count

    await service.eventually(there)
    found = await _at(service, path)
    assert all(each["verified"] for each in found)
    bodies = [each["body"] for each in found]
    return sorted(bodies, key=lambda body: int(body["data"]["event"]["sequence"]))


async def _at(service: Service, path: str) -> list[dict[str, Any]]:
    """Return what came to a path, each message once: a clock that jumps ends leases."""
    came = [each for each in await service.world.deliveries() if each["path"] == f"/{path}"]
    return list({each["headers"]["webhook-id"]: each for each in came}.values())


async def test_a_pause_and_its_end_are_told_and_numbered_without_gaps(service: Service) -> None:
    secret = await subscribe(service, "zones", "zone.paused", "zone.resumed")
    await service.world.control("PUT", "/receiver", secrets=[secret])
    hostname = await service.create("shop.between.com")
    await pause_and_resume(service, times=3)
    bodies = await received(service, "zones", 6)
    assert [each["type"] for each in bodies] == ["zone.paused", "zone.resumed"] * 3
    # What befell hostnames meanwhile has numbers of its own.
    assert [each["data"]["event"]["sequence"] for each in bodies] == [1, 2, 3, 4, 5, 6]
    assert hostname["state"] == "validating"
    paused, resumed = (each["data"] for each in bodies[:2])
    assert (paused["event"]["from"], paused["event"]["to"]) == ("open", "paused")
    assert (resumed["event"]["from"], resumed["event"]["to"]) == ("paused", "open")
    for told in (paused, resumed):
        assert told["event"]["reason"] == "operator"
        assert told["zone"]["id"] == (await service.zone())["id"]
        assert told["zone"]["detail"] == "an incident"
        assert told["zone"]["message"]


async def test_a_zones_events_reach_only_those_who_subscribed_and_no_tenant(
    service: Service,
) -> None:
    secrets = [
        await subscribe(service, "ended", "zone.resumed"),
        await subscribe(service, "all"),
        await subscribe(service, "names", "custom_hostname.created"),
        await subscribe(service, "tenants", tenant="tenant"),
    ]
    await service.world.control("PUT", "/receiver", secrets=secrets)
    await pause_and_resume(service, times=1)
    assert [each["type"] for each in await received(service, "ended", 1)] == ["zone.resumed"]
    everything = await received(service, "all", 2)
    assert [each["type"] for each in everything] == ["zone.paused", "zone.resumed"]
    # What was written after them has been sent, and these were not.
    await service.create("shop.later.com")
    for path in ("names", "tenants"):
        told = await received(service, path, 1)
        assert {each["type"].partition(".")[0] for each in told} == {"custom_hostname"}
    assert len(await received(service, "ended", 1)) == 1


async def test_a_pause_that_lifts_itself_is_told_with_its_own_reason(service: Service) -> None:
    secret = await subscribe(service, "zones", "zone.paused", "zone.resumed")
    await service.world.control("PUT", "/receiver", secrets=[secret])
    await service.world.control("PUT", "/cloudflare/account", token="revoked")
    await service.create("shop.early-bird.com")
    await service.until_paused("token_refused")
    await service.world.control("PUT", "/cloudflare/account", token="active")

    async def is_open() -> bool:
        await service.let_pass(minutes=2)
        return (await service.zone())["paused"] is None

    await service.eventually(is_open)
    bodies = await received(service, "zones", 2)
    assert [each["type"] for each in bodies] == ["zone.paused", "zone.resumed"]
    assert [each["data"]["event"]["sequence"] for each in bodies] == [1, 2]
    assert {each["data"]["event"]["reason"] for each in bodies} == {"token_refused"}
