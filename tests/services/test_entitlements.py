"""What the Cloudflare plan does not include is not sent unless somebody chose it here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import Service

ENTITLEMENTS = (
    "certificate_authority",
    "custom_metadata",
    "custom_origin",
    "custom_origin_sni",
    "wildcard",
)
FORMS = ("bare", "envelope", "empty", "no_content")


async def account(service: Service, **settings: Any) -> None:
    await service.world.control("PUT", "/cloudflare/account", **settings)


async def without(service: Service, entitlement: str) -> None:
    """Give the account everything but this."""
    await account(service, **{name: name != entitlement for name in ENTITLEMENTS})


async def put_before_records(service: Service, hostname: dict[str, Any]) -> None:
    shown = await service.until(hostname["id"], lambda seen: bool(seen["records_complete"]))
    for record in shown["records"]:
        if record["when"] == "before":
            await service.world.put_record(record)


def proofs(hostname: dict[str, Any]) -> list[tuple[str, str]]:
    """Give what proves the hostname: another object would have another token."""
    records = hostname["records"]
    return [(r["name"], r["value"]) for r in records if r["purpose"] == "ownership"]


@pytest.mark.parametrize("entitlement", ENTITLEMENTS)
async def test_a_name_goes_live_and_is_edited_without_each_of_them(
    service: Service, entitlement: str
) -> None:
    await without(service, entitlement)
    live = await service.go_live("shop.plain-plan.com")
    edited = await service.http.patch(
        f"/v1/custom-hostnames/{live['id']}",
        json={"tls": {"ciphers": ["ECDHE-RSA-AES128-GCM-SHA256"]}},
    )
    assert edited.status_code == 200, edited.text
    shown = await service.until(
        live["id"], lambda seen: seen["reason"] == "live" and not seen["cloudflare"]["errors"]
    )
    assert shown["state"] == "cname_verified"


@pytest.mark.parametrize("entitlement", ENTITLEMENTS)
async def test_records_that_come_late_are_right_though_the_certificate_timed_out(
    service: Service, entitlement: str
) -> None:
    await without(service, entitlement)
    late = await service.create("shop.late-records.com", plan="zero_downtime")
    before = await service.until(late["id"], lambda seen: bool(seen["records_complete"]))
    await service.set_statuses(late, ssl_status="validation_timed_out")
    await service.let_pass(hours=20)
    shown = await service.get(late["id"])
    assert proofs(shown) == proofs(before)
    await put_before_records(service, shown)
    await service.refresh(late["id"])

    async def is_active() -> bool:
        # A tenant who keeps up: a certificate that is tried again has other tokens.
        seen = await service.get(late["id"])
        await put_before_records(service, seen)
        await service.let_pass(minutes=2)
        return bool(seen["state"] == "active")

    await service.eventually(is_active)
    active = await service.get(late["id"])
    assert active["cloudflare"]["id"] == late["cloudflare"]["id"]
    assert proofs(active) == proofs(before)


@pytest.mark.parametrize(
    ("entitlement", "choice"),
    [
        ("certificate_authority", {"certificate_authority": "google"}),
        ("custom_metadata", {"custom_metadata": {"tier": "gold"}}),
        ("custom_origin", {"custom_origin_server": "proxy-fallback.nameplate-demo.net"}),
    ],
)
async def test_a_choice_that_the_plan_lost_stops_no_live_name_and_makes_nothing_anew(
    service: Service, entitlement: str, choice: dict[str, Any]
) -> None:
    await service.entitle()
    hostname = await service.create("shop.former-plan.com", **choice)
    await service.point_here(hostname)
    live = await service.follow(hostname["id"], "cname_verified")
    await without(service, entitlement)
    await service.http.patch(
        f"/v1/custom-hostnames/{live['id']}", json={"tls": {"min_tls_version": "1.2"}}
    )
    await service.let_pass(minutes=1)
    shown = await service.get(live["id"])
    assert (shown["state"], shown["cloudflare"]["id"]) == (
        "cname_verified",
        live["cloudflare"]["id"],
    )


async def test_a_refresh_that_the_plan_no_longer_allows_waits_for_the_operator(
    service: Service,
) -> None:
    await service.entitle()
    hostname = await service.create(
        "shop.former-plan.com", plan="zero_downtime", certificate_authority="google"
    )
    await put_before_records(service, hostname)
    await service.set_statuses(hostname, ssl_status="validation_timed_out")
    await without(service, "certificate_authority")
    await service.refresh(hostname["id"])
    shown = await service.until(hostname["id"], lambda seen: seen["waiting_on"] == "operator")
    assert shown["reason"] == "certificate_authority_unavailable"
    assert any("Enterprise" in error for error in shown["cloudflare"]["errors"])
    await service.let_pass(hours=30)
    later = await service.get(hostname["id"])
    assert later["cloudflare"]["id"] == hostname["cloudflare"]["id"]
    assert proofs(later) == proofs(shown)


@pytest.mark.parametrize("form", FORMS)
async def test_a_removal_is_one_delete_in_every_documented_form(
    service: Service, form: str
) -> None:
    await service.world.control("PUT", "/cloudflare/answers", delete=form)
    live = await service.go_live("shop.once-removed.com")
    await service.http.delete(f"/v1/custom-hostnames/{live['id']}")
    gone = await service.follow(live["id"], "deleted")
    assert gone["reason"] == "removed"
    by_route = (await service.calls())["by_route"]
    assert [n for route, n in by_route.items() if route.startswith("DELETE ")] == [1]


@pytest.mark.parametrize("status", ["deleted", "pending_deletion"])
async def test_a_removed_name_that_can_still_be_read_is_gone(service: Service, status: str) -> None:
    await service.world.control("PUT", "/cloudflare/answers", readable_after_delete=status)
    live = await service.go_live("shop.slow-goodbye.com")
    await service.http.delete(f"/v1/custom-hostnames/{live['id']}")
    await service.follow(live["id"], "deleted")


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(
            {
                "patch_status": 200,
                "ownership_after_activation": "emptied",
                "result_info": "without_total_pages",
                "envelope": "extras",
            },
            id="with more than is needed",
        ),
        pytest.param(
            {
                "patch_status": 201,
                "write": "without_status",
                "result_info": "absent",
                "envelope": "short",
            },
            id="with as little as may be",
        ),
    ],
)
@pytest.mark.parametrize("plan", ["simple", "zero_downtime"])
async def test_a_name_goes_live_in_every_documented_form_of_answers(
    service: Service, answers: dict[str, Any], plan: str
) -> None:
    await service.world.control("PUT", "/cloudflare/answers", **answers)
    hostname = await service.create("shop.many-forms.com", plan=plan)
    if plan == "zero_downtime":
        await put_before_records(service, hostname)
        hostname = await service.follow(hostname["id"], "active")
    await service.point_here(hostname)
    live = await service.follow(hostname["id"], "cname_verified")
    assert all(record["name"] for record in live["records"])
