"""A name that nobody set up, or that an operator frees, is there for its true owner."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support import Service

from .test_shared_objects import add_records, live

NAME = "shop.true-owner.com"


async def never_set_up(service: Service) -> dict[str, Any]:
    """Add a name for a tenant who never adds its records, until its time is over."""
    added = await service.create(NAME, "squatter")
    for _ in range(6):
        await service.let_pass(days=6)
    return await service.follow(added["id"], "failed")


async def add_by_hand(service: Service, hostname: str) -> str:
    """Have the zone hold a custom hostname that was not made here; give its id."""
    made = await service.world.control("POST", "/cloudflare/custom_hostnames", hostname=hostname)
    await service.let_pass(minutes=5)
    return str(made["id"])


async def remove_by_hand(service: Service, cloudflare_id: str) -> None:
    await service.world.control("DELETE", f"/cloudflare/custom_hostnames/{cloudflare_id}")


async def until_added(service: Service, tenant: str) -> dict[str, Any]:
    """Add the name, again once its DNS was looked at: it may still have pointed here."""
    answer = await add(service, tenant)
    for _ in range(10):
        assert answer.is_success, answer.text
        if not needs_proof(answer):
            break
        await service.let_pass(minutes=1)
        answer = await add(service, tenant)
    assert not needs_proof(answer), answer.text
    return dict(answer.json())


def needs_proof(answer: httpx.Response) -> bool:
    """Whether the name was accepted, but is to be proved first."""
    return answer.is_success and bool(answer.json()["reason"] == "proof_awaited")


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
    await add_by_hand(service, NAME)
    added = await service.create(NAME, "squatter")
    failed = await service.follow(added["id"], "failed")
    assert failed["reason"] == "already_in_zone"
    assert (await add(service)).json()["code"] == "hostname_taken"
    await service.let_pass(days=31)
    await until_added(service, "owner")
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
    assert needs_proof(await add(service))
    await service.http.post(f"/v1/custom-hostnames/{live['id']}/release")
    again = await add(service)
    assert (again.status_code, needs_proof(again)) == (200, False)


async def test_a_name_whose_dns_points_here_is_given_to_nobody_without_proof(
    service: Service,
) -> None:
    foreign = await add_by_hand(service, NAME)
    added = await service.create(NAME, "true-owner")
    await service.follow(added["id"], "failed")
    await service.point_here(added)
    await service.let_pass(days=31)
    await remove_by_hand(service, foreign)
    assert needs_proof(await add(service, "attacker"))
    await service.let_pass(minutes=2)
    assert needs_proof(await add(service, "attacker"))
    await service.remove_dns(NAME)
    await until_added(service, "attacker")


async def test_an_edit_that_was_refused_keeps_no_name_for_ever(service: Service) -> None:
    added = await service.create(NAME, "squatter")
    path = f"/v1/custom-hostnames/{added['id']}"
    await service.http.patch(path, json={"certificate_authority": "google"})
    failed = await service.follow(added["id"], "failed")
    assert failed["cloudflare"]["id"] is not None

    async def is_free() -> bool:
        await service.let_pass(days=3)
        return (await service.get(added["id"]))["name_released_at"] is not None

    await service.eventually(is_free)
    assert (await service.get(added["id"]))["cloudflare"]["id"] is None
    assert (await add(service)).status_code == 201


async def test_a_name_that_is_anothers_by_now_adopts_nothing(service: Service) -> None:
    foreign = await add_by_hand(service, NAME)
    added = await service.create(NAME, "squatter")
    await service.follow(added["id"], "failed")
    await service.let_pass(days=31)
    await remove_by_hand(service, foreign)
    owned = await until_added(service, "owner")
    await service.point_here(owned)
    await service.follow(owned["id"], "cname_verified")
    adopted = await service.http.post(f"/v1/custom-hostnames/{added['id']}/adopt")
    assert (adopted.status_code, adopted.json()["code"]) == (409, "hostname_taken")
    assert (await service.get(owned["id"]))["state"] == "cname_verified"


@pytest.mark.parametrize("freed", ["blue-heron.com", "*.blue-heron.com"])
async def test_the_other_name_of_a_freed_one_keeps_the_object_that_both_shared(
    service: Service, freed: str
) -> None:
    wildcard = await live(service, "*.blue-heron.com")
    plain = await service.create("blue-heron.com")
    await add_records(service, plain)
    plain = await service.follow(plain["id"], "cname_verified")
    gone, kept = (plain, wildcard) if freed == plain["hostname"] else (wildcard, plain)
    await service.http.post(f"/v1/custom-hostnames/{gone['id']}/release")
    await service.follow(gone["id"], "deleted")
    for _ in range(4):
        await service.let_pass(minutes=2)
    shown = await service.get(kept["id"])
    assert (shown["state"], shown["cloudflare"]["id"]) == (
        "cname_verified",
        kept["cloudflare"]["id"],
    )


async def test_who_gave_a_name_free_cannot_take_it_back_where_its_owner_left_it_behind(
    service: Service,
) -> None:
    failed = await never_set_up(service)
    owned = (await add(service)).json()
    await service.point_here(owned)
    await service.follow(owned["id"], "cname_verified")
    await service.http.delete(f"/v1/custom-hostnames/{owned['id']}")
    await service.follow(owned["id"], "deleted")
    path = f"/v1/custom-hostnames/{failed['id']}"
    for again in (
        await service.http.post(f"{path}/refresh"),
        await service.http.patch(path, json={"metadata": {"again": True}}),
    ):
        assert (again.status_code, again.json()["code"]) == (409, "proof_required")
    assert needs_proof(await add(service, "squatter"))
    # The owner comes back all the same.
    assert not needs_proof(await add(service))
