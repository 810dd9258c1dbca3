"""The same name under another id: seen, told, adopted, and left alone by a removal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import Service


async def add_by_hand(service: Service, hostname: str) -> str:
    """Add a custom hostname past the service, as somebody would in the dashboard."""
    stack = service.stack
    answer = await service.http.post(
        f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}/custom_hostnames",
        json={"hostname": hostname, "ssl": {"method": "http", "type": "dv"}},
        headers={"Authorization": f"Bearer {stack.cloudflare_token}"},
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["result"]["id"])


async def remove_by_hand(service: Service, hostname: dict[str, Any]) -> None:
    cloudflare_id = hostname["cloudflare"]["id"]
    await service.world.control("DELETE", f"/cloudflare/custom_hostnames/{cloudflare_id}")


async def made_again_by_hand(service: Service) -> tuple[dict[str, Any], str]:
    """Have a live name removed and made again in the dashboard, and noticed here."""
    live = await service.go_live("shop.twice-made.com")
    await service.let_pass(minutes=2)
    await remove_by_hand(service, live)
    other = await add_by_hand(service, live["hostname"])
    await service.refresh(live["id"])
    seen = await service.follow(live["id"], "failed")
    return seen, other


async def test_a_name_made_again_by_hand_is_told_as_in_the_zone_and_not_as_missing(
    service: Service,
) -> None:
    seen, _ = await made_again_by_hand(service)
    assert (seen["reason"], seen["waiting_on"]) == ("already_in_zone", "operator")


async def test_what_the_zone_has_of_the_name_can_be_adopted(service: Service) -> None:
    seen, other = await made_again_by_hand(service)
    answer = await service.http.post(f"/v1/custom-hostnames/{seen['id']}/adopt")
    assert answer.status_code == 200, answer.text
    adopted = await service.follow(seen["id"], "cname_verified")
    assert adopted["cloudflare"]["id"] == other


async def test_nothing_is_adopted_where_nothing_is_in_the_way(service: Service) -> None:
    live = await service.go_live("shop.well-made.com")
    answer = await service.http.post(f"/v1/custom-hostnames/{live['id']}/adopt")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_adopt")


@pytest.mark.parametrize("noticed", [True, False])
async def test_a_removal_says_that_the_zone_has_another_of_the_name(
    service: Service, *, noticed: bool
) -> None:
    if noticed:
        seen, other = await made_again_by_hand(service)
    else:
        seen = await service.go_live("shop.twice-made.com")
        await remove_by_hand(service, seen)
        other = await add_by_hand(service, seen["hostname"])
    await service.http.delete(f"/v1/custom-hostnames/{seen['id']}")
    gone = await service.follow(seen["id"], "deleted")
    assert (gone["reason"], gone["waiting_on"]) == ("removed_but_still_in_zone", "operator")
    stack = service.stack
    left = await service.http.get(
        f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}/custom_hostnames/{other}",
        headers={"Authorization": f"Bearer {stack.cloudflare_token}"},
    )
    assert left.status_code == 200


async def test_a_removal_that_leaves_nothing_says_so(service: Service) -> None:
    live = await service.go_live("shop.once-made.com")
    await service.http.delete(f"/v1/custom-hostnames/{live['id']}")
    gone = await service.follow(live["id"], "deleted")
    assert (gone["reason"], gone["waiting_on"]) == ("removed", "nobody")
