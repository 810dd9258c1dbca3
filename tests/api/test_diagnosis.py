"""A diagnosis of a stored hostname, and the preflight of one that is not added yet."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PREFLIGHT = "/v1/preflight"
TARGET = "customers.nameplate-demo.net"


async def diagnose(service: Service, hostname: dict[str, Any]) -> list[dict[str, Any]]:
    response = await service.http.get(f"/v1/custom-hostnames/{hostname['id']}/diagnosis")
    assert response.status_code == 200, response.text
    return list(response.json()["data"])


async def preflight(service: Service, hostname: str, **query: str) -> dict[str, Any]:
    response = await service.http.get(PREFLIGHT, params={"hostname": hostname, **query})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def put(service: Service, type_: str, name: str, value: str, **more: Any) -> None:
    await service.world.control(
        "PUT", "/dns/records", name=name, type=type_, values=[value], ttl=60, **more
    )


async def test_a_cname_to_another_place_is_told_with_the_record_to_change(
    shared_service: Service,
) -> None:
    hostname = await shared_service.create("shop.elsewhere-first.com")
    await put(shared_service, "CNAME", "shop.elsewhere-first.com", "shops.myshopify.com.")
    first = (await diagnose(shared_service, hostname))[0]
    assert first["severity"] == "error"
    assert "shops.myshopify.com" in first["message"]
    assert first["record"] == {
        "change": "replace",
        "type": "CNAME",
        "name": "shop.elsewhere-first.com",
    }
    assert (first["host"], first["value"]) == ("shop", TARGET)


async def test_a_diagnosis_is_kept_for_a_minute(shared_service: Service) -> None:
    hostname = await shared_service.create("shop.asked-twice.com")
    before = await diagnose(shared_service, hostname)
    await put(shared_service, "CNAME", "shop.asked-twice.com", f"{TARGET}.")
    after = await diagnose(shared_service, hostname)
    assert before
    assert after == before


async def test_a_live_hostname_has_no_error(shared_service: Service) -> None:
    hostname = await shared_service.go_live("shop.all-is-well.com")
    found = await diagnose(shared_service, hostname)
    assert [each for each in found if each["severity"] == "error"] == []


async def test_a_hostname_that_is_removed_has_nothing_to_diagnose(shared_service: Service) -> None:
    hostname = await shared_service.create("shop.soon-gone.com")
    path = f"/v1/custom-hostnames/{hostname['id']}"
    await shared_service.http.delete(path)
    response = await shared_service.http.get(f"{path}/diagnosis")
    assert response.status_code == 409
    assert response.json()["code"] in {"is_deleting", "is_deleted"}


async def test_preflight_says_which_plan_suits_and_what_stands_there(
    shared_service: Service,
) -> None:
    await put(shared_service, "A", "quiet-preview.com", "192.0.2.9")
    shown = await preflight(shared_service, "Quiet-Preview.com.")
    assert (shown["hostname"], shown["is_apex"]) == ("quiet-preview.com", True)
    assert (shown["id"], shown["refusal"], shown["plan"]) == (None, None, "zero_downtime")
    assert shown["dns"]["addresses"] == ["192.0.2.9"]
    assert shown["dns"]["zone"] == "quiet-preview.com"
    assert [record["purpose"] for record in shown["records"]][-1] == "routing"
    listed = await shared_service.http.get(
        "/v1/custom-hostnames", params={"hostname": "quiet-preview.com"}
    )
    assert listed.json()["data"] == []


async def test_preflight_of_a_taken_name_says_why_it_would_be_refused(
    shared_service: Service,
) -> None:
    await shared_service.create("shop.is-taken.com", "first")
    shown = await preflight(shared_service, "shop.is-taken.com", tenant="second")
    assert shown["id"] is None
    assert shown["refusal"]["code"] == "hostname_taken"


async def test_preflight_of_a_name_the_tenant_has_gives_its_id(shared_service: Service) -> None:
    hostname = await shared_service.create("shop.is-mine.com", "mine")
    shown = await preflight(shared_service, "shop.is-mine.com", tenant="mine")
    assert (shown["id"], shown["refusal"]) == (hostname["id"], None)


@pytest.mark.parametrize(
    ("query", "code", "parameter"),
    [
        ({"hostname": "http://shop.com"}, "hostname_is_url", "hostname"),
        ({"hostname": "co.uk"}, "hostname_is_public_suffix", "hostname"),
        ({"hostname": TARGET}, "hostname_is_ours", "hostname"),
        ({"hostname": "shop.some.com", "zone": "zone_none"}, "zone_unknown", "zone"),
        ({"hostname": "shop.some.com", "plan": "fastest"}, "plan_not_available", "plan"),
        ({"hostname": "shop.some.com", "plna": "simple"}, "query_unknown", "plna"),
    ],
)
async def test_preflight_refuses_what_no_request_could_add(
    shared_service: Service, query: dict[str, str], code: str, parameter: str
) -> None:
    response = await shared_service.http.get(PREFLIGHT, params=query)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, code)
    assert problem["errors"][0]["parameter"] == parameter


async def test_a_misplaced_record_is_shown_with_its_place(shared_service: Service) -> None:
    hostname = await shared_service.create("shop.one-too-deep.com")
    place = "shop.one-too-deep.com.one-too-deep.com"
    await put(shared_service, "CNAME", place, f"{TARGET}.")
    await shared_service.refresh(hostname["id"])
    shown = await shared_service.until(
        hostname["id"], lambda now: bool(now["records"][0]["status"] == "misplaced")
    )
    assert shown["records"][0]["found_at"] == place
    assert "one level too deep" in shown["message"]
