"""A name that nobody set up, or that an operator frees, is there for its true owner."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support import Service

NAME = "shop.true-owner.com"


async def never_set_up(service: Service) -> dict[str, Any]:
    """Add a name for a tenant who never adds its records, until its time is over."""
    added = await service.create(NAME, "squatter")
    for _ in range(6):
        await service.let_pass(days=6)
    return await service.follow(added["id"], "failed")


async def add(service: Service, tenant: str = "owner") -> httpx.Response:
    return await service.http.post(
        "/v1/custom-hostnames", json={"hostname": NAME, "tenant": tenant}
    )


async def test_a_name_whose_time_is_over_is_free_for_its_true_owner(service: Service) -> None:
    failed = await never_set_up(service)
    assert (failed["reason"], failed["name_released_at"] is not None) == ("never_set_up", True)
    added = await add(service)
    assert added.status_code == 201, added.text
    await service.point_here(added.json())
    await service.follow(added.json()["id"], "cname_verified")
    shown = await service.get(failed["id"])
    assert (shown["state"], shown["tenant"]) == ("failed", "squatter")


async def test_who_gave_a_name_free_cannot_take_it_back_from_its_owner(service: Service) -> None:
    failed = await never_set_up(service)
    assert (await add(service)).status_code == 201
    path = f"/v1/custom-hostnames/{failed['id']}"
    for again in (
        await service.http.post(f"{path}/refresh"),
        await service.http.patch(path, json={"metadata": {"again": True}}),
        await add(service, "squatter"),
    ):
        assert (again.status_code, again.json()["code"]) == (409, "hostname_taken")
    gone = await service.http.delete(path)
    assert (gone.status_code, gone.json()["state"]) == (202, "deleted")


async def test_a_free_name_can_be_set_up_after_all(service: Service) -> None:
    failed = await never_set_up(service)
    revived = await service.refresh(failed["id"])
    assert revived["name_released_at"] is None
    assert (await add(service)).json()["code"] == "hostname_taken"
    revived = await service.follow(failed["id"], "validating")
    await service.point_here(revived)
    await service.follow(failed["id"], "cname_verified")


async def test_a_name_that_failed_long_ago_for_another_reason_is_free_as_well(
    service: Service,
) -> None:
    stack = service.stack
    await service.http.post(
        f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}/custom_hostnames",
        json={"hostname": NAME, "ssl": {"method": "http", "type": "dv"}},
        headers={"Authorization": f"Bearer {stack.cloudflare_token}"},
    )
    await service.let_pass(minutes=5)
    added = await service.create(NAME, "squatter")
    failed = await service.follow(added["id"], "failed")
    assert failed["reason"] == "already_in_zone"
    assert (await add(service)).json()["code"] == "hostname_taken"
    await service.let_pass(days=31)
    assert (await add(service)).status_code == 201
    assert (await service.get(added["id"]))["name_released_at"] is not None


async def test_an_operator_frees_a_live_name_wherever_its_dns_points(service: Service) -> None:
    live = await service.go_live(NAME, "squatter")
    freed = await service.http.post(f"/v1/custom-hostnames/{live['id']}/release")
    assert freed.status_code == 202, freed.text
    await service.follow(live["id"], "deleted")
    added = await add(service)
    assert added.status_code == 201, added.text
    await service.follow(added.json()["id"], "cname_verified")


async def test_a_freed_name_waits_for_cloudflare_to_let_it_go(service: Service) -> None:
    live = await service.go_live(NAME, "squatter")
    await service.world.control("PUT", "/cloudflare/faults", rate=1, kinds=[500], seed=1)
    await service.http.post(f"/v1/custom-hostnames/{live['id']}/release")
    early = await add(service)
    assert (early.status_code, early.json()["code"]) == (409, "still_deleting")
    await service.world.control("PUT", "/cloudflare/faults", rate=0, kinds=[], seed=1)
    await service.follow(live["id"], "deleted")
    assert (await add(service)).status_code == 201


async def test_a_removed_name_whose_dns_points_here_is_freed_by_an_operator(
    service: Service,
) -> None:
    live = await service.go_live(NAME, "squatter")
    await service.http.delete(f"/v1/custom-hostnames/{live['id']}")
    await service.follow(live["id"], "deleted")
    assert (await add(service)).json()["code"] == "proof_required"
    await service.http.post(f"/v1/custom-hostnames/{live['id']}/release")
    assert (await add(service)).status_code == 201
