"""`GET /metrics`: requests by template, and what a hostname's way through the service leaves."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONE = "/v1/custom-hostnames/{id}"


async def scrape(service: Service) -> str:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(service.stack.metrics_api)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.text


def value(text: str, name: str, **labels: str) -> float:
    """Add up the samples of a metric that have these labels."""
    wanted = [f'{key}="{said}"' for key, said in labels.items()]
    found = 0.0
    for line in text.splitlines():
        sample = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if sample and sample[1] == name and all(each in (sample[2] or "") for each in wanted):
            found += float(sample[3])
    return found


async def test_requests_are_counted_by_template_and_status(shared_service: Service) -> None:
    hostname = await shared_service.create("counted.example-shop.com")
    before = await scrape(shared_service)
    await shared_service.get(hostname["id"])
    await shared_service.http.head(f"/v1/custom-hostnames/{hostname['id']}")
    await shared_service.http.get("/v1/custom-hostnames/ch_none")
    await shared_service.http.get(f"/v1/custom-hostnames/{hostname['id']}/events")
    await shared_service.http.get("/v1/nowhere/at/all")
    after = await scrape(shared_service)

    def gained(**labels: str) -> float:
        name = "nameplate_http_requests_total"
        return value(after, name, **labels) - value(before, name, **labels)

    assert gained(method="GET", route=ONE, status="200") == 1
    assert gained(method="HEAD", route=ONE, status="200") == 1
    assert gained(method="GET", route=ONE, status="404") == 1
    assert gained(route=f"{ONE}/events", status="200") == 1
    assert gained(route="none", status="404") == 1
    count = "nameplate_http_request_duration_seconds_count"
    assert value(after, count, method="GET", route=ONE) >= 2
    assert hostname["id"] not in after
    assert "nowhere" not in after


async def test_a_hostnames_way_is_counted(shared_service: Service) -> None:
    before = await scrape(shared_service)
    await shared_service.go_live("live.example-shop.com")
    after = await scrape(shared_service)

    def gained(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    transitions = "nameplate_transitions_total"
    assert gained(transitions, **{"from": "none", "to": "pending"}) == 1
    assert gained(transitions, **{"from": "validating", "to": "active"}) == 1
    assert gained("nameplate_time_to_active_seconds_count") == 1
    created = {"method": "POST", "route": "/zones/{zone_id}/custom_hostnames", "status": "201"}
    assert gained("nameplate_cloudflare_calls_total", **created) == 1
    checked = "/zones/{zone_id}/custom_hostnames/{id}"
    assert gained("nameplate_cloudflare_call_duration_seconds_count", route=checked) >= 1
    assert gained("nameplate_checks_total", side="dns", outcome="found") >= 1
    assert gained("nameplate_checks_total", side="cloudflare", outcome="found") >= 1
    assert gained("nameplate_list_pages_total", outcome="read") >= 0
    assert value(after, "nameplate_database_pool_limit_connections", pool="stores") >= 20
    assert value(after, "nameplate_database_pool_wait_seconds_count", pool="fast_path") > 0
    assert value(after, "nameplate_database_pool_wait_seconds_count", pool="stores") > 0
    assert "example-shop" not in after
    assert shared_service.stack.cloudflare_zone_id not in after


async def test_the_worker_serves_the_same_on_its_own_port(shared_service: Service) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(shared_service.stack.metrics_worker)
        health = await http.get(shared_service.stack.metrics_worker.replace("metrics", "healthz"))
        nothing = await http.get(shared_service.stack.metrics_worker + "/none")
    loops = set(re.findall(r'heartbeat_age_seconds\{loop="(\w+)"\}', answer.text))
    assert loops >= {"reconcile", "resync", "zone", "deliver", "measure"}
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert (nothing.status_code, nothing.json()["code"]) == (404, "not_found")
