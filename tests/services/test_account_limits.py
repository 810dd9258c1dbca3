"""What the Cloudflare plan does not have: said with the way out, and nothing half done."""

from __future__ import annotations

from typing import Any

from tests.support import Service


async def account(service: Service, **settings: Any) -> None:
    await service.world.control("PUT", "/cloudflare/account", **settings)


async def test_custom_metadata_that_the_plan_refuses_is_kept_back_and_said_so(
    service: Service,
) -> None:
    await account(service, custom_metadata=False)
    first = await service.create("shop.meta-one.com", custom_metadata={"tier": "gold"})
    created = await service.follow(first["id"], "validating")
    assert created["cloudflare"]["custom_metadata"] == "withheld"
    posts = "POST /zones/{zone_id}/custom_hostnames"
    before = (await service.calls())["by_route"][posts]
    second = await service.create("shop.meta-two.com", custom_metadata={"tier": "gold"})
    assert (second["state"], second["cloudflare"]["custom_metadata"]) == ("validating", "withheld")
    assert (await service.calls())["by_route"][posts] == before + 1


async def test_a_custom_origin_that_the_plan_refuses_fails_and_a_patch_revives_it(
    service: Service,
) -> None:
    await account(service, custom_origin=False)
    refused = await service.create(
        "shop.own-origin.com", custom_origin_server="proxy-fallback.nameplate-demo.net"
    )
    assert (refused["state"], refused["reason"]) == ("failed", "custom_origin_unavailable")
    assert refused["cloudflare"]["id"] is None
    patched = await service.http.patch(
        f"/v1/custom-hostnames/{refused['id']}", json={"custom_origin_server": None}
    )
    assert patched.status_code == 200
    await service.until_state(refused["id"], "validating")


async def test_an_authority_that_the_plan_does_not_have_is_said_so(service: Service) -> None:
    await account(service, certificate_authority=False)
    refused = await service.create("shop.own-authority.com", certificate_authority="lets_encrypt")
    assert (refused["state"], refused["reason"]) == ("failed", "certificate_authority_unavailable")
    assert refused["waiting_on"] == "operator"


async def test_past_the_hard_cap_a_creation_fails_until_there_is_room(service: Service) -> None:
    await service.create("shop.last-place.com")
    await account(service, hard_cap=1)
    refused = await service.create("shop.no-place.com")
    assert (refused["state"], refused["reason"]) == ("failed", "quota_exceeded")
    await account(service, hard_cap=10)
    await service.refresh(refused["id"])
    await service.until_state(refused["id"], "validating")


async def test_a_zone_hold_is_the_owners_to_release_and_a_refresh_goes_on(
    service: Service,
) -> None:
    await service.world.control("PUT", "/cloudflare/holds", domain="held-lake.com", held=True)
    held = await service.create("shop.held-lake.com")
    failed = await service.follow(held["id"], "failed")
    assert (failed["reason"], failed["waiting_on"]) == ("zone_held", "tenant")
    await service.world.control("PUT", "/cloudflare/holds", domain="held-lake.com", held=False)
    await service.refresh(held["id"])
    await service.follow(held["id"], "validating")


async def test_a_certificate_is_proved_by_e_mail(service: Service) -> None:
    hostname = await service.create(
        "shop.by-letter.com", plan="custom", dcv_method="email", ownership_method="realtime"
    )
    complete = await service.until(hostname["id"], lambda shown: bool(shown["records_complete"]))
    (letter,) = [r for r in complete["records"] if r["type"] == "EMAIL"]
    assert letter["purpose"] == "certificate"
    await service.point_here(complete)
    cloudflare_id = complete["cloudflare"]["id"]
    await service.world.control("POST", f"/cloudflare/custom_hostnames/{cloudflare_id}/approve")
    await service.follow(hostname["id"], "cname_verified")
