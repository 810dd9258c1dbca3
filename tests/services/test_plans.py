"""Each plan's way to live, and changes on the way, against the running stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typing_extensions import override

from app.domain.plan import wanted_records
from app.services.registration import Registration
from tests.services.test_leases import alone
from tests.support import Service

PATH = "/v1/custom-hostnames"
POST = "POST /zones/{zone_id}/custom_hostnames"
PATCH = "PATCH /zones/{zone_id}/custom_hostnames/{custom_hostname_id}"


async def test_a_delegated_hostname_goes_live_with_two_cnames(service: Service) -> None:
    hostname = await service.create("shop.calm-otter.com", plan="delegated")
    complete = await service.until(hostname["id"], lambda s: bool(s["records_complete"]))
    delegation, routing = complete["records"]
    assert (delegation["type"], delegation["name"]) == (
        "CNAME",
        "_acme-challenge.shop.calm-otter.com",
    )
    assert delegation["value"].startswith("shop.calm-otter.com.")
    assert delegation["value"].endswith(".dcv.cloudflare.com")
    assert (delegation["purpose"], delegation["when"]) == ("delegation", "before")
    assert complete["reason"] == "delegation_missing"
    await service.world.put_record(delegation)
    await service.world.put_record(routing)
    await service.refresh(hostname["id"])
    live = await service.follow(hostname["id"], "cname_verified")
    assert [r["status"] for r in live["records"]] == ["found", "found"]


class WithoutDelegation(httpx.AsyncHTTPTransport):
    """Reaches Cloudflare, whose answers about hostnames then lack their delegation."""

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        body = json.loads(await response.aread())
        if isinstance(body["result"], dict) and "ssl" in body["result"]:
            body["result"]["ssl"].pop("dcv_delegation_records", None)
        return httpx.Response(response.status_code, json=body)


async def test_the_zones_delegation_label_is_asked_for_once_where_no_answer_brings_it(
    database_url: str, tmp_path: Path
) -> None:
    transport = WithoutDelegation()
    async with alone(database_url, tmp_path, transport=transport) as (services, calls):
        made = []
        for name in ("one.quick-otter.com", "two.quick-otter.com"):
            wanted = Registration(hostname=name, tenant="otter", plan="delegated", metadata={})
            (record,), _ = await services.registrations.register(wanted)
            made.append(await services.custom_hostnames.refresh(record.id))
        for record in made:
            delegation = wanted_records(record)[0]
            assert delegation.value == f"{record.hostname.name}.f2b9e6a47c3d4185.dcv.cloudflare.com"
        async with httpx.AsyncClient(trust_env=False) as http:
            by_route = (await http.get(calls)).json()["by_route"]
        assert by_route["GET /zones/{zone_id}/dcv_delegation/uuid"] == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"plan": "simple"}, {"plan": "zero_downtime"}),
        ({"plan": "simple"}, {"plan": "delegated"}),
        ({"plan": "simple"}, {"tls": {"min_tls_version": "1.2"}}),
        ({"plan": "simple"}, {"certificate_authority": "lets_encrypt"}),
    ],
)
async def test_a_change_of_a_live_name_is_one_call_and_takes_nothing_down(
    service: Service, before: dict[str, Any], after: dict[str, Any]
) -> None:
    await service.entitle()
    hostname = await service.create("shop.steady-otter.com", **before)
    await service.point_here(hostname)
    await service.follow(hostname["id"], "cname_verified")
    patches = (await service.calls())["by_route"].get(PATCH, 0)
    response = await service.http.patch(f"{PATH}/{hostname['id']}", json=after)
    assert response.status_code == 200
    shown = response.json()
    assert (shown["state"], shown["serving"]) == ("cname_verified", True)
    assert shown["revision"] == hostname["revision"] + 2

    async def is_sent() -> bool:
        return bool((await service.calls())["by_route"].get(PATCH, 0) > patches)

    # A worker may have had the hostname when the request came.
    await service.eventually(is_sent)
    await service.until(hostname["id"], lambda s: bool(s["cloudflare"]["ssl_status"] == "active"))
    assert (await service.calls())["by_route"][PATCH] == patches + 1
    events = [event["to"] for event in await service.events(hostname["id"])]
    assert events == ["pending", "validating", "active", "cname_verified"]


async def test_all_options_reach_cloudflare_and_come_back_as_sent(service: Service) -> None:
    await service.entitle()
    origin = "eu.nameplate-demo.net"
    await _zone_record(service, origin)
    hostname = await service.create(
        "shop.rich-otter.com",
        plan="custom",
        dcv_method="txt",
        ownership_method="realtime",
        certificate_authority="ssl_com",
        custom_origin_server=origin,
        custom_origin_sni=":request_host_header:",
        tls={"min_tls_version": "1.2", "http2": "on", "ciphers": ["AES128-GCM-SHA256"]},
        custom_metadata={"tier": "gold"},
    )
    assert hostname["cloudflare"]["custom_metadata"] == "sent"
    there = await _at_cloudflare(service, hostname)
    assert there["custom_origin_server"] == origin
    assert there["custom_origin_sni"] == ":request_host_header:"
    assert there["custom_metadata"] == {"tier": "gold"}
    assert there["ssl"]["method"] == "txt"
    assert there["ssl"]["certificate_authority"] == "ssl_com"
    assert there["ssl"]["settings"] == {
        "min_tls_version": "1.2",
        "http2": "on",
        "ciphers": ["AES128-GCM-SHA256"],
    }


async def test_a_refresh_and_an_edit_leave_every_other_setting_as_it_is(service: Service) -> None:
    await service.entitle()
    tls = {"min_tls_version": "1.2", "http2": "on"}
    hostname = await service.create("shop.neat-otter.com", tls=tls, custom_metadata={"a": 1})
    await service.refresh(hostname["id"])
    said = {"tls": {"http2": None, "early_hints": "on"}}
    await service.http.patch(f"{PATH}/{hostname['id']}", json=said)

    async def is_edited() -> bool:
        there = await _at_cloudflare(service, hostname)
        return "early_hints" in there["ssl"]["settings"]

    # The answer may come at its deadline, before the edit is at Cloudflare.
    await service.eventually(is_edited)
    there = await _at_cloudflare(service, hostname)
    assert there["ssl"]["settings"] == {"min_tls_version": "1.2", "early_hints": "on"}
    assert there["custom_metadata"] == {"a": 1}


async def test_an_origin_that_is_no_record_fails_and_a_patch_revives_it(service: Service) -> None:
    await service.entitle()
    origin = "nowhere.nameplate-demo.net"
    failed = await service.create("shop.lost-otter.com", custom_origin_server=origin)
    assert (failed["state"], failed["reason"]) == ("failed", "custom_origin_refused")
    assert "does not exist" in failed["cloudflare"]["errors"][0]
    said = {"custom_origin_server": None}
    mended = await service.http.patch(f"{PATH}/{failed['id']}", json=said)
    assert mended.json()["state"] == "validating"


async def test_a_live_name_whose_new_origin_is_refused_stays_live(service: Service) -> None:
    await service.entitle()
    live = await service.go_live("shop.firm-otter.com")
    said = {"custom_origin_server": "nowhere.nameplate-demo.net"}
    refused = (await service.http.patch(f"{PATH}/{live['id']}", json=said)).json()
    assert (refused["state"], refused["reason"]) == ("cname_verified", "custom_origin_refused")
    assert refused["cloudflare"]["errors"]
    patches = (await service.calls())["by_route"][PATCH]
    await service.advance(hours=2)
    await service.until(live["id"], lambda s: bool(s["serving"]))
    assert (await service.calls())["by_route"][PATCH] == patches


async def test_an_edit_while_cloudflare_is_down_is_done_when_it_is_back(service: Service) -> None:
    live = await service.go_live("shop.late-otter.com")
    await service.world.control("PUT", "/cloudflare/faults", rate=1, kinds=[503, 500], seed=1)
    said = {"tls": {"min_tls_version": "1.3"}}
    answer = await service.http.patch(f"{PATH}/{live['id']}", json=said)
    assert (answer.status_code, answer.json()["serving"]) == (200, True)
    await service.world.control("PUT", "/cloudflare/faults", rate=0, kinds=[], seed=1)
    await service.advance(minutes=6)
    settings: dict[str, Any] = {}
    for _ in range(100):
        settings = (await _at_cloudflare(service, live))["ssl"].get("settings", {})
        if settings:
            break
        await service.refresh(live["id"])
    assert settings == {"min_tls_version": "1.3"}


async def test_an_apex_is_simple_only_where_its_provider_flattens(service: Service) -> None:
    body = {"hostname": "proud-otter.com", "tenant": "otter", "plan": "simple"}
    refused = await service.http.post(PATH, json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "plan_not_available")
    assert "`zero_downtime`" in refused.json()["detail"]
    accepted = await service.create("proud-otter.com", "otter")
    assert accepted["plan"] == "zero_downtime"
    routing = next(r for r in accepted["records"] if r["purpose"] == "routing")
    assert "ALIAS or ANAME" in routing["note"]
    reset = await service.http.patch(f"{PATH}/{accepted['id']}", json={"plan": None})
    assert (reset.status_code, reset.json()["plan"]) == (200, "zero_downtime")
    simple = await service.http.patch(f"{PATH}/{accepted['id']}", json={"plan": "simple"})
    assert (simple.status_code, simple.json()["code"]) == (422, "plan_not_available")
    await service.world.control(
        "PUT",
        "/dns/records",
        name="blog.proud-otter.com",
        type="A",
        values=["192.0.2.1"],
        ttl=60,
        proxied=True,
    )
    simple = await service.http.patch(f"{PATH}/{accepted['id']}", json={"plan": "simple"})
    assert simple.status_code == 200, simple.text
    # Its metadata may change whoever serves its DNS by now.
    await service.remove_dns("blog.proud-otter.com", "A")
    noted = await service.http.patch(f"{PATH}/{accepted['id']}", json={"metadata": {"a": 1}})
    assert (noted.status_code, noted.json()["plan"]) == (200, "simple")


async def test_an_apex_without_a_plan_goes_live(service: Service) -> None:
    hostname = await service.create("glad-otter.com", "otter")
    complete = await service.until(hostname["id"], lambda s: bool(s["records_complete"]))
    await service.world.put_records([r for r in complete["records"] if r["when"] == "before"])
    await service.refresh(hostname["id"])
    ready = await service.follow(hostname["id"], "active")
    assert ready["switch_safe"] is True


async def test_an_apex_goes_live_by_apex_proxying(service: Service) -> None:
    await service.sql.execute("UPDATE zones SET apex_prefixes = '{127.0.0.81,127.0.0.82}'")
    hostname = await service.create("tall-otter.com", "otter")
    assert [(r["type"], r["value"]) for r in hostname["records"]] == [
        ("A", "127.0.0.81"),
        ("A", "127.0.0.82"),
    ]
    await service.world.control(
        "PUT",
        "/dns/records",
        name="tall-otter.com",
        type="A",
        values=["127.0.0.81", "127.0.0.82"],
        ttl=60,
    )
    await service.refresh(hostname["id"])
    live = await service.follow(hostname["id"], "cname_verified")
    assert live["dns"]["evidence"]["kind"] == "apex"
    assert {r["status"] for r in live["records"]} == {"found"}


async def _at_cloudflare(service: Service, hostname: dict[str, Any]) -> dict[str, Any]:
    stack = service.stack
    zone = f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}"
    response = await service.http.get(
        f"{zone}/custom_hostnames/{hostname['cloudflare']['id']}",
        headers={"Authorization": f"Bearer {stack.cloudflare_token}"},
    )
    return dict(response.json()["result"])


async def _zone_record(service: Service, name: str) -> None:
    stack = service.stack
    response = await service.http.post(
        f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}/dns_records",
        json={"type": "A", "name": name, "content": "192.0.2.9", "proxied": True, "ttl": 1},
        headers={"Authorization": f"Bearer {stack.cloudflare_token}"},
    )
    assert response.is_success, response.text


@pytest.mark.parametrize(
    ("dcv", "ownership"), [("txt", "realtime"), ("http", "txt"), ("txt", "txt")]
)
async def test_a_custom_pair_goes_live(service: Service, dcv: str, ownership: str) -> None:
    hostname = await service.create(
        "shop.odd-otter.com", plan="custom", dcv_method=dcv, ownership_method=ownership
    )
    complete = await service.until(hostname["id"], lambda s: bool(s["records_complete"]))
    await service.world.put_records(complete["records"])
    await service.refresh(hostname["id"])
    live = await service.follow(hostname["id"], "cname_verified")
    assert (live["dcv_method"], live["ownership_method"]) == (dcv, ownership)


async def test_every_way_to_prove_a_name_says_what_is_next(service: Service) -> None:
    hostname = await service.create("shop.next-otter.com", plan="zero_downtime")
    path = f"{PATH}/{hostname['id']}/records"
    complete = await service.until(hostname["id"], lambda s: bool(s["records_complete"]))
    seen = []
    for record in complete["records"]:
        shown = (await service.http.get(path)).json()
        seen.append((shown["next"], shown["switch_safe"]))
        await service.world.put_record(record)
        await service.refresh(hostname["id"])
        if record["purpose"] == "certificate":
            await service.follow(hostname["id"], "active")
    assert seen == [(0, False), (1, False), (2, True)]
    await service.follow(hostname["id"], "cname_verified")
    assert (await service.http.get(path)).json()["next"] is None
