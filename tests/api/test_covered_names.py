"""A name below another tenant's wildcard: its DNS leads here already, so nobody else may add it."""

from __future__ import annotations

import pytest

from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/custom-hostnames"


async def add(service: Service, name: str, tenant: str) -> tuple[int, str | None]:
    response = await service.http.post(PATH, json={"hostname": name, "tenant": tenant})
    return response.status_code, response.json().get("code")


async def reason_of(service: Service, name: str, tenant: str) -> str:
    return str((await service.create(name, tenant))["reason"])


async def test_a_name_below_another_tenants_wildcard_is_taken(shared_service: Service) -> None:
    await shared_service.put_still("*.covered-shop.com", "owner")
    assert await add(shared_service, "a.covered-shop.com", "other") == (409, "hostname_taken")
    assert await add(shared_service, "a.covered-shop.com", "owner") == (201, None)


@pytest.mark.parametrize("name", ["a.b.beside-shop.com", "a.other-shop.com"])
async def test_a_wildcard_covers_one_label_of_its_own_domain(
    shared_service: Service, name: str
) -> None:
    if name == "a.b.beside-shop.com":
        await shared_service.put_still("*.beside-shop.com", "owner")
    assert await add(shared_service, name, "other") == (201, None)


async def test_a_wildcard_that_was_removed_but_still_points_here_asks_for_proof(
    shared_service: Service,
) -> None:
    gone = await shared_service.put_still("*.left-shop.com", "owner")
    await shared_service.sql.execute(
        "UPDATE custom_hostnames SET state = 'deleted', desired = 'absent', tombstone = true "
        "WHERE id = $1",
        gone["id"],
    )
    assert await reason_of(shared_service, "a.left-shop.com", "other") == "proof_awaited"
    assert await reason_of(shared_service, "left-shop.com", "other") == "proof_awaited"
    assert await reason_of(shared_service, "left-shop.com", "owner") != "proof_awaited"


async def test_a_wildcard_may_be_added_above_another_tenants_name(shared_service: Service) -> None:
    await shared_service.put_still("a.above-shop.com", "owner")
    assert await add(shared_service, "*.above-shop.com", "other") == (201, None)
