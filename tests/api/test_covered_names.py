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


@pytest.mark.parametrize(
    "name", ["a.b.beside-shop.com", "a.b.c.beside-shop.com", "*.d.beside-shop.com"]
)
async def test_a_wildcard_of_dns_covers_names_at_any_depth(
    shared_service: Service, name: str
) -> None:
    holder = f"*.{name[0].replace('*', 'w')}{name.count('.')}.beside-shop.com"
    below = holder.removeprefix("*.")
    await shared_service.put_still(holder, "owner")
    asked = name.replace("beside-shop.com", below)
    assert await add(shared_service, asked, "other") == (409, "hostname_taken")


async def test_a_wildcard_covers_no_name_of_another_domain(shared_service: Service) -> None:
    await shared_service.put_still("*.one-shop.com", "owner")
    assert await add(shared_service, "a.other-shop.com", "other") == (201, None)


async def test_a_wildcard_that_was_removed_but_still_points_here_asks_for_proof(
    shared_service: Service,
) -> None:
    gone = await shared_service.put_still("*.left-shop.com", "owner")
    # Or the worker would end the tombstone.
    await shared_service.world.control(
        "PUT",
        "/dns/records",
        name="*.left-shop.com",
        type="CNAME",
        values=["customers.nameplate-demo.net."],
        ttl=60,
    )
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
