"""Each trouble of a token, or of the product, has a reason, a message and a way out of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import Service


async def token(service: Service, **settings: Any) -> None:
    await service.world.control("PUT", "/cloudflare/token", **settings)


async def report(service: Service) -> dict[str, Any]:
    """Give the zone as Cloudflare reports it now: what was asked lately is given again."""
    await service.http.post("/v1/zones/default/setup", json={})
    answer = await service.http.get("/v1/zones/default")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize(
    ("trouble", "reason", "pause"),
    [
        ({"trouble": "malformed"}, "cloudflare_token_malformed", "token_malformed"),
        ({"trouble": "disabled"}, "cloudflare_unauthorized", "token_refused"),
        ({"trouble": "expired"}, "cloudflare_token_restricted", "token_restricted"),
        ({"trouble": "location"}, "cloudflare_token_restricted", "token_restricted"),
        ({"lacks": ["ssl"]}, "cloudflare_permission_missing", "permission_missing"),
    ],
    ids=str,
)
async def test_each_trouble_of_the_token_is_told_apart_and_ends_by_itself(
    service: Service, trouble: dict[str, Any], reason: str, pause: str
) -> None:
    # A list's page could pause the zone before the creation hears why.
    await service.hold_list_scans()
    await token(service, **trouble)
    # The answer may come at its deadline, before Cloudflare's.
    accepted = await service.create("shop.no-entry.com")
    pending = await service.until(accepted["id"], lambda shown: bool(shown["reason"] == reason))
    assert pending["state"] == "pending"
    assert pending["waiting_on"] == "operator"
    assert pending["cloudflare"]["errors"] == []
    await service.until_paused(pause)
    await token(service, trouble=None, lacks=[])

    async def is_open() -> bool:
        await service.let_pass(minutes=2)
        return (await service.zone())["paused"] is None

    await service.eventually(is_open)
    await service.follow(pending["id"], "validating")


async def test_a_product_that_is_not_enabled_is_no_quota_that_is_used_up(
    service: Service,
) -> None:
    await service.hold_list_scans()
    await service.world.control("PUT", "/cloudflare/account", saas_enabled=False)
    accepted = await service.create("shop.no-product.com")
    reason = "cloudflare_saas_not_enabled"
    pending = await service.until(accepted["id"], lambda shown: bool(shown["reason"] == reason))
    assert pending["state"] == "pending"
    assert pending["waiting_on"] == "operator"
    await service.until_paused("saas_not_enabled")
    shown = await report(service)
    assert (shown["saas_enabled"], shown["is_ready"]) == (False, False)
    await service.world.control("PUT", "/cloudflare/account", saas_enabled=True)

    async def is_open() -> bool:
        await service.let_pass(minutes=2)
        return (await service.zone())["paused"] is None

    await service.eventually(is_open)
    await service.follow(pending["id"], "validating")


@pytest.mark.parametrize(
    ("lacks", "missing"),
    [
        ("ssl", "SSL and Certificates: Edit"),
        ("dns", "DNS: Edit"),
        ("zone", "Zone: Read"),
    ],
)
async def test_a_zone_names_the_permission_that_its_token_lacks(
    service: Service, lacks: str, missing: str
) -> None:
    await token(service, lacks=[lacks])
    shown = await report(service)
    assert (shown["token"], shown["missing_permissions"]) == ("active", [missing])
    assert shown["is_ready"] is False


async def test_an_account_owned_token_is_active_and_its_zone_ready(service: Service) -> None:
    await token(service, kind="account")
    shown = await report(service)
    assert (shown["token"], shown["missing_permissions"]) == ("active", [])
    assert (shown["saas_enabled"], shown["is_ready"]) == (True, True)


@pytest.mark.parametrize("kind", ["user", "account"])
async def test_a_single_401_pauses_nothing(service: Service, kind: str) -> None:
    await token(service, kind=kind)
    live = await service.go_live("shop.stray-answer.com")
    await token(service, next=1)
    await service.refresh(live["id"])
    await service.let_pass(minutes=2)
    await service.scan_lists()
    assert (await service.zone())["paused"] is None
    assert (await service.get(live["id"]))["state"] == "cname_verified"


@pytest.mark.parametrize("odd", [{"ssl": "active"}, {"status": 7}, {"verification_errors": {}}])
async def test_one_odd_object_stops_no_list(service: Service, odd: dict[str, Any]) -> None:
    fleet = await service.live_fleet(3)
    cloudflare_id = fleet[1]["cloudflare"]["id"]
    path = f"/cloudflare/custom_hostnames/{cloudflare_id}/answer"
    await service.world.control("PUT", path, **odd)
    await service.set_statuses(fleet[2], status="blocked")
    await service.scan_lists(2)
    await service.follow(fleet[2]["id"], "failed")
    assert [(await service.get(each["id"]))["state"] for each in fleet[:2]] == [
        "cname_verified"
    ] * 2
    assert (await service.zone())["paused"] is None
