"""A tenant's own zone at Cloudflare proxies the CNAME: what the service makes of it, end to end."""

from __future__ import annotations

from typing import Any

from tests.support import Service

IPS = "GET /ips"


async def put_proxied(service: Service, name: str, type_: str, value: str) -> None:
    await service.world.control(
        "PUT", "/dns/records", name=name, type=type_, values=[value], ttl=60, proxied=True
    )


def evidence(shown: dict[str, Any]) -> tuple[bool | None, str]:
    return shown["dns"]["points_at_target"], shown["dns"]["evidence"]["kind"]


async def events(service: Service, hostname: dict[str, Any]) -> list[str]:
    told = [str(event["type"]) for event in await service.events(hostname["id"])]
    changes = [type_.removeprefix("custom_hostname.") for type_ in told]
    return [type_ for type_ in changes if type_ != "action_required"]


async def test_a_proxied_cname_goes_live_and_stays_so(service: Service) -> None:
    hostname = await service.create("shop.amber-wolf.com")
    (routing,) = hostname["records"]
    await put_proxied(service, routing["name"], "CNAME", routing["value"])
    await service.refresh(hostname["id"])
    live = await service.follow(hostname["id"], "cname_verified")
    assert evidence(live) == (True, "proxied")
    assert live["records"][0]["status"] == "found"
    assert (await events(service, hostname))[-2:] == ["active", "cname_verified"]
    await service.let_pass(days=1, hours=1)
    shown = await service.get(hostname["id"])
    assert (shown["state"], shown["reason"]) == ("cname_verified", "live")


async def test_a_proxied_name_that_leads_elsewhere_is_not_sent_to_the_target_again(
    service: Service,
) -> None:
    hostname = await service.create("shop.pale-heron.com")
    await put_proxied(service, "shop.pale-heron.com", "A", "198.51.100.7")
    await service.refresh(hostname["id"])
    shown = await service.until(hostname["id"], lambda s: bool(s["reason"] == "proxied_unproven"))
    assert evidence(shown) == (None, "proxied")
    assert (shown["state"], shown["waiting_on"]) == ("validating", "tenant")
    assert "may be right" in shown["message"]
    # The tenant corrects its record, of which DNS shows nothing.
    await put_proxied(service, "shop.pale-heron.com", "CNAME", hostname["records"][0]["value"])
    await service.refresh(hostname["id"])
    live = await service.follow(hostname["id"], "cname_verified")
    assert evidence(live) == (True, "proxied")


async def test_a_live_name_that_becomes_proxied_stays_live_until_cloudflare_says_otherwise(
    service: Service,
) -> None:
    hostname = await service.go_live("shop.clear-brook.com")
    assert evidence(hostname) == (True, "cname")
    await put_proxied(service, "shop.clear-brook.com", "CNAME", hostname["records"][0]["value"])
    await service.refresh(hostname["id"])
    shown = await service.until(hostname["id"], lambda s: evidence(s)[1] == "proxied")
    assert shown["state"] == "cname_verified"
    await service.let_pass(minutes=61)
    confirmed = await service.until(hostname["id"], lambda s: evidence(s)[0] is True)
    assert (confirmed["state"], confirmed["reason"]) == ("cname_verified", "live")
    await put_proxied(service, "shop.clear-brook.com", "CNAME", "old-site.example.net")
    lost = await service.follow(hostname["id"], "validating")
    assert evidence(lost) == (None, "proxied")
    assert (await events(service, hostname))[-1] == "cname_lost"


async def test_the_ranges_are_asked_for_once_by_each_process(service: Service) -> None:
    for name in ("shop.first-fox.com", "shop.second-fox.com"):
        hostname = await service.create(name)
        await put_proxied(service, name, "A", "198.51.100.7")
        await service.refresh(hostname["id"])
        await service.until(hostname["id"], lambda s: bool(s["reason"] == "proxied_unproven"))
    await service.let_pass(minutes=10)
    # The API reconciles inline, and the worker does the rest.
    assert (await service.calls())["by_route"][IPS] <= 2
