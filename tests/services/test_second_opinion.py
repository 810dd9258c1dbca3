"""One answer about one name is held against the zone, or believed of the name, at second sight."""

from __future__ import annotations

from typing import Any

from tests.support import Service

LOSSES = ("cname_lost", "failed")
GET = "GET /zones/{zone_id}/custom_hostnames/{custom_hostname_id}"
PATCH = "PATCH /zones/{zone_id}/custom_hostnames/{custom_hostname_id}"


async def faults(service: Service, *kinds: Any, routes: list[str] | None = None) -> None:
    await service.world.control(
        "PUT",
        "/cloudflare/faults",
        rate=int(bool(kinds)),
        kinds=list(kinds),
        seed=1,
        routes=routes,
    )


async def test_where_nothing_is_found_nobody_is_told_whatever_is_under_way(
    service: Service,
) -> None:
    live = await service.live_fleet(4)
    waiting = [await service.create(f"shop.waiting-{n}.com", f"waiting-{n}") for n in range(2)]
    await service.sweep()
    await faults(service, "not_found")
    # A refresh on sight, a person's refresh of either kind, and an edit of a live name.
    await service.point_here(waiting[0])
    await service.refresh(waiting[1]["id"])
    await service.refresh(live[0]["id"])
    await service.http.patch(
        f"/v1/custom-hostnames/{live[1]['id']}", json={"tls": {"min_tls_version": "1.2"}}
    )
    await service.until_paused("hostnames_missing", step_seconds=10)
    await service.advance(hours=2)
    assert await service.told(*LOSSES) == []
    await faults(service)
    await service.http.post("/v1/zones/default/resume")
    for _ in range(20):
        await service.let_pass(minutes=5)
    assert (await service.zone())["paused"] is None
    assert await service.told(*LOSSES) == []
    assert (await service.get(waiting[0]["id"]))["state"] == "cname_verified"
    assert (await service.get(live[1]["id"]))["tls"]["min_tls_version"] == "1.2"


async def test_one_name_that_is_removed_by_another_hand_is_told_and_stops_nothing(
    service: Service,
) -> None:
    fleet = await service.live_fleet(4)
    await service.sweep()
    gone = fleet[2]
    await service.world.control(
        "DELETE", f"/cloudflare/custom_hostnames/{gone['cloudflare']['id']}"
    )
    await service.sweep()

    async def is_told() -> bool:
        await service.let_pass(seconds=20)
        return bool((await service.get(gone["id"]))["reason"] == "missing_at_cloudflare")

    await service.eventually(is_told)
    assert (await service.zone())["paused"] is None
    assert len(await service.told(*LOSSES)) == 1


async def test_one_name_that_may_not_be_seen_does_not_stop_the_zone(service: Service) -> None:
    hostname = await service.go_live("shop.shy-heron.com")
    await faults(service, "unauthorized", routes=[GET, PATCH])
    await service.refresh(hostname["id"])
    await service.let_pass(seconds=5)
    assert (await service.zone())["paused"] is None
    await faults(service, "unauthorized")
    await service.refresh(hostname["id"])
    await service.until_paused("token_refused")
    assert await service.told(*LOSSES) == []
