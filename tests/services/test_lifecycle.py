"""One hostname's life, by HTTP against the running stack: real Postgres, DNS packets, webhooks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support import Service
from tests.worker.processes import running_processes

PATCH = "PATCH /zones/{zone_id}/custom_hostnames/{custom_hostname_id}"
UPWARDS = ["pending", "validating", "active", "cname_verified"]


async def test_a_simple_hostname_goes_live_and_its_webhooks_are_verified(service: Service) -> None:
    await service.world.add_webhook()
    hostname = await service.create("shop.blue-bicycle.com")
    assert hostname["state"] == "validating"
    assert hostname["switch_safe"] is True
    await service.point_here(hostname)
    live = await service.follow(hostname["id"], "cname_verified")
    assert live["serving"] is True
    assert live["dns"]["evidence"]["chain"] == ["customers.nameplate-demo.net"]
    events = await service.events(hostname["id"])
    assert [event["to"] for event in events] == UPWARDS
    assert [event["sequence"] for event in events] == [1, 2, 3, 4]
    received = await _received(service, len(UPWARDS))
    assert sorted(d["body"]["data"]["event"]["sequence"] for d in received) == [1, 2, 3, 4]
    assert all(d["verified"] for d in received)


async def test_a_zero_downtime_hostname_is_active_before_its_cname_is_switched(
    service: Service,
) -> None:
    hostname = await service.create("www.tin-whistle.org", plan="zero_downtime")
    assert hostname["switch_safe"] is False
    assert hostname["warning"]
    complete = await service.until(hostname["id"], lambda shown: bool(shown["records_complete"]))
    before = [r for r in complete["records"] if r["when"] == "before"]
    assert [r["purpose"] for r in before] == ["ownership", "certificate"]
    for record in before:
        await service.world.put_record(record)
    await service.refresh(hostname["id"])
    active = await service.follow(hostname["id"], "active")
    assert active["switch_safe"] is True
    assert active["reason"] == "awaiting_cname"
    assert active["serving"] is False
    await service.point_here(active)
    await service.follow(hostname["id"], "cname_verified")
    events = await service.events(hostname["id"])
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [e["to"] for e in events if e["from"] != e["to"]] == UPWARDS
    notifications = [e["type"] for e in events if e["from"] == e["to"]]
    assert notifications[0] == "custom_hostname.records_changed"
    assert "custom_hostname.action_required" in notifications


async def test_a_wildcard_is_validated_with_two_tokens(service: Service) -> None:
    hostname = await service.create("*.copper-kettle.io", plan="zero_downtime")
    complete = await service.until(hostname["id"], lambda shown: bool(shown["records_complete"]))
    tokens = [r for r in complete["records"] if r["purpose"] == "certificate"]
    assert len(tokens) == 2
    assert {r["name"] for r in tokens} == {"_acme-challenge.copper-kettle.io"}
    ownership = next(r for r in complete["records"] if r["purpose"] == "ownership")
    await service.world.put_record(ownership)
    await service.world.control(
        "PUT",
        "/dns/records",
        name=tokens[0]["name"],
        type="TXT",
        values=[f'"{token["value"]}"' for token in tokens],
        ttl=60,
    )
    await service.refresh(hostname["id"])
    await service.follow(hostname["id"], "active")
    await service.point_here(complete)
    live = await service.follow(hostname["id"], "cname_verified")
    assert live["hostname"] == "*.copper-kettle.io"


async def test_a_mistyped_cname_is_named_and_mended(service: Service) -> None:
    hostname = await service.create("app.paper-lantern.net")
    routing = hostname["records"][0]
    await service.world.put_record(routing, value="custmers.nameplate-demo.net")
    await service.refresh(hostname["id"])
    # A worker may hold the hostname just then: it checks once more.
    shown = await service.until(
        hostname["id"], lambda now: bool(now["reason"] == "cname_elsewhere")
    )
    assert shown["waiting_on"] == "tenant"
    assert shown["records"][0]["status"] == "wrong"
    assert shown["dns"]["evidence"]["chain"] == ["custmers.nameplate-demo.net"]
    await service.point_here(hostname)
    await service.follow(hostname["id"], "cname_verified")


async def test_dns_is_watched_so_the_tenant_need_not_press_anything(service: Service) -> None:
    await service.world.control("PUT", "/clock", speed=1)
    hostname = await service.create("store.quiet-harbour.com")
    await service.advance(minutes=13)
    await service.world.put_record(hostname["records"][0])
    await service.advance(seconds=61)
    # Cloudflare's own next look is some minutes off by then; it was asked to look at once.
    await service.until(
        hostname["id"], lambda s: bool(s["cloudflare"]["hostname_status"] == "active")
    )
    assert (await service.calls())["by_route"][PATCH] == 1


async def test_a_live_name_is_lost_only_after_three_contradictions_over_ten_minutes(
    service: Service,
) -> None:
    hostname = await service.go_live("shop.lost-glove.com")
    await service.remove_dns("shop.lost-glove.com")
    await service.refresh(hostname["id"])
    shown = await service.until(hostname["id"], lambda now: bool(now["reason"] == "cname_mismatch"))
    assert shown["state"] == "cname_verified"
    await service.advance(minutes=5, seconds=1)
    await asyncio.sleep(0.5)
    assert (await service.get(hostname["id"]))["state"] == "cname_verified"
    await service.advance(minutes=5, seconds=5)

    async def is_lost() -> bool:
        # A busy machine may have made its looks later than they were due.
        await service.let_pass(seconds=20)
        return bool((await service.get(hostname["id"]))["state"] != "cname_verified")

    # Cloudflare itself says `moved` by then: either way it is told as the loss, once.
    await service.eventually(is_lost)
    assert (await service.get(hostname["id"]))["serving"] is False
    types = [e["type"] for e in await service.events(hostname["id"])]
    assert types[4:] == ["custom_hostname.cname_lost"]


async def test_dns_that_cannot_be_asked_takes_no_live_name_down(service: Service) -> None:
    hostname = await service.go_live("shop.steady-lamp.com")
    await service.world.control("PUT", "/dns/faults", name="shop.steady-lamp.com", fault="servfail")
    for _ in range(4):
        await service.sql.execute('UPDATE clock_offset SET "offset" = "offset" + \'6 min\'')
        shown = await service.refresh(hostname["id"])
        assert (shown["state"], shown["reason"]) == ("cname_verified", "live")


async def test_a_removed_hostname_is_gone_at_cloudflare_and_its_name_is_free(
    service: Service,
) -> None:
    hostname = await service.create("old.paper-kite.com")
    response = await service.http.delete(f"/v1/custom-hostnames/{hostname['id']}")
    assert response.status_code == 202
    gone = await service.until_state(hostname["id"], "deleted")
    assert gone["cloudflare"]["id"] is None
    again = await service.create("old.paper-kite.com", tenant="somebody-else")
    assert again["id"] != hostname["id"]
    assert [e["to"] for e in await service.events(hostname["id"])] == [
        "pending",
        "validating",
        "deleting",
        "deleted",
    ]


async def test_a_name_whose_dns_still_points_here_is_not_handed_to_another_tenant(
    service: Service,
) -> None:
    hostname = await service.go_live("shop.left-behind.com", tenant="first")
    await service.http.delete(f"/v1/custom-hostnames/{hostname['id']}")
    await service.until_state(hostname["id"], "deleted")
    body = {"hostname": "shop.left-behind.com", "tenant": "second"}
    added = await service.http.post("/v1/custom-hostnames", json=body)
    assert (added.status_code, added.json()["reason"]) == (201, "proof_awaited")
    await service.remove_dns("shop.left-behind.com")

    async def needs_no_proof() -> bool:
        await service.advance(seconds=61)
        again = await service.http.post("/v1/custom-hostnames", json=body)
        assert (again.status_code, again.json()["id"]) == (200, added.json()["id"])
        return bool(again.json()["reason"] != "proof_awaited")

    # A request has the DNS of the former hostname checked again, once a minute at most.
    await service.eventually(needs_no_proof)


async def test_a_hostname_removed_behind_our_back_fails_and_a_refresh_makes_it_again(
    service: Service,
) -> None:
    hostname = await service.go_live("shop.gone-fishing.com")
    cloudflare_id = hostname["cloudflare"]["id"]
    await service.world.control("DELETE", f"/cloudflare/custom_hostnames/{cloudflare_id}")
    await service.scan_lists(rounds=3)
    await service.advance(seconds=61)
    failed = await service.until_state(hostname["id"], "failed")
    assert failed["reason"] == "missing_at_cloudflare"
    assert failed["cloudflare"]["id"] is None
    await service.refresh(hostname["id"])
    live = await service.follow(hostname["id"], "cname_verified")
    assert live["cloudflare"]["id"] != cloudflare_id


async def test_a_blocked_hostname_fails_and_waits_on_the_operator(service: Service) -> None:
    hostname = await service.create("shop.stone-wall.com")
    await service.set_statuses(hostname, status="blocked")
    await service.advance(minutes=16)
    blocked = await service.until_state(hostname["id"], "failed")
    assert (blocked["reason"], blocked["waiting_on"]) == ("hostname_blocked", "operator")


async def test_an_unknown_status_is_kept_as_text_and_moves_nothing(service: Service) -> None:
    hostname = await service.go_live("shop.new-words.com")
    await service.set_statuses(hostname, status="quantum_flux", ssl_status="entangled")
    await service.refresh(hostname["id"])
    shown = await service.until(
        hostname["id"],
        lambda now: bool(now["cloudflare"]["hostname_status"] == "quantum_flux"),
    )
    assert shown["state"] == "cname_verified"
    assert shown["cloudflare"]["ssl_status"] == "entangled"


async def test_cloudflare_being_down_is_no_error_and_loses_nothing(service: Service) -> None:
    await service.world.control(
        "PUT", "/cloudflare/faults", rate=1, kinds=[500, 503, "reset"], seed=1
    )
    hostname = await service.create("shop.rainy-day.com")
    assert (hostname["state"], hostname["reason"]) == ("pending", "cloudflare_unreachable")
    await service.world.control("PUT", "/cloudflare/faults", rate=0, kinds=[], seed=1)
    await service.advance(minutes=6)
    await service.until_state(hostname["id"], "validating")


@pytest.mark.parametrize("inline_seconds", [2.0])
async def test_a_cloudflare_that_never_answers_holds_no_request_past_its_deadline(
    service: Service,
) -> None:
    await service.world.control("PUT", "/cloudflare/faults", rate=1, kinds=["timeout"], seed=1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    hostname = await service.create("shop.slow-river.com")
    assert loop.time() - began < 4
    assert hostname["state"] == "pending"
    # The POST took effect though it was never answered: what it made is found and adopted.
    await service.world.control("PUT", "/cloudflare/faults", rate=0, kinds=[], seed=1)
    await service.advance(seconds=61)
    adopted = await service.until_state(hostname["id"], "validating")
    assert adopted["cloudflare"]["id"]
    made = (await service.calls())["by_route"]["POST /zones/{zone_id}/custom_hostnames"]
    assert made >= 2


async def test_a_token_that_cloudflare_does_not_accept_waits_on_the_operator(
    database_url: str, tmp_path: Path
) -> None:
    async with running_processes(tmp_path, database_url) as (processes, service):
        await processes.start("api", NAMEPLATE_CLOUDFLARE_API_TOKEN="not-the-token")
        hostname = await service.create("shop.wrong-key.com")
        assert hostname["state"] == "pending"
        assert hostname["reason"] == "cloudflare_unauthorized"
        assert hostname["waiting_on"] == "operator"
        zone = (await service.http.get("/v1/zones/default")).json()
        assert zone["token"] == "cloudflare_unauthorized"


async def test_a_zone_is_reported_soon_even_while_cloudflare_hangs(service: Service) -> None:
    await service.world.control("PUT", "/cloudflare/faults", rate=1, kinds=["timeout"], seed=1)
    began = asyncio.get_running_loop().time()
    zone = (await service.http.get("/v1/zones/default")).json()
    assert asyncio.get_running_loop().time() - began < 12
    assert zone["token"] == "cloudflare_unavailable"
    assert zone["is_ready"] is False


async def test_a_creation_past_cloudflares_limit_is_queued_and_comes_later(
    service: Service,
) -> None:
    await service.world.control(
        "PUT", "/cloudflare/limits", creations=1, creation_window_seconds=60
    )
    await service.create("first.long-line.com")
    second = await service.create("second.long-line.com")
    assert (second["state"], second["reason"]) == ("pending", "creation_queued")
    await service.advance(seconds=95)
    await service.follow(second["id"], "validating")


async def test_what_the_zone_has_from_elsewhere_is_never_adopted(service: Service) -> None:
    stack = service.stack
    url = f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}/custom_hostnames"
    made = await service.http.post(
        url,
        json={"hostname": "shop.not-ours.com", "ssl": {"method": "http", "type": "dv"}},
        headers={"Authorization": f"Bearer {stack.cloudflare_token}"},
    )
    assert made.status_code == 201
    await service.advance(minutes=2)
    hostname = await service.create("shop.not-ours.com")
    assert (hostname["state"], hostname["reason"]) == ("failed", "already_in_zone")
    await service.http.delete(f"/v1/custom-hostnames/{hostname['id']}")
    await service.until_state(hostname["id"], "deleted")
    kept = await service.http.get(
        f"{url}/{made.json()['result']['id']}",
        headers={"Authorization": f"Bearer {stack.cloudflare_token}"},
    )
    assert kept.status_code == 200


async def _received(service: Service, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while True:
            received = await service.world.deliveries()
            if len(received) >= count:
                return received
            await asyncio.sleep(0.05)
