"""Plan `custom`: what each pair of methods asks of the tenant, and that it goes live.

The three pairs that DNS alone proves stand in `test_plans.py`. The sandbox fetches no page of a
tenant's own server, so ownership by a page is proved when the name is switched over.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN_TXT = ("TXT", "ownership")
OWN_PAGE = ("HTTP", "ownership")
TOKEN = ("TXT", "certificate")
PAGE = ("HTTP", "certificate")
MAIL = ("EMAIL", "certificate")
SWITCH = ("CNAME", "routing")


@pytest.mark.parametrize(
    ("dcv", "ownership", "asked"),
    [
        pytest.param("http", "realtime", [SWITCH], id="one CNAME does it all"),
        pytest.param("email", "realtime", [MAIL, SWITCH], id="a mail and the CNAME"),
        pytest.param("email", "txt", [OWN_TXT, MAIL, SWITCH], id="a TXT record and a mail"),
        pytest.param("email", "http", [OWN_PAGE, MAIL, SWITCH], id="a page and a mail"),
        pytest.param("http", "http", [OWN_PAGE, PAGE, SWITCH], id="two pages"),
        pytest.param("txt", "http", [OWN_PAGE, TOKEN, SWITCH], id="a page and a TXT record"),
    ],
)
async def test_a_pair_asks_for_its_records_and_goes_live(
    shared_service: Service, dcv: str, ownership: str, asked: list[tuple[str, str]]
) -> None:
    service = shared_service
    hostname = await service.create(
        f"shop.{dcv}-{ownership}.com", plan="custom", dcv_method=dcv, ownership_method=ownership
    )
    complete = await _complete(service, hostname)
    assert [(each["type"], each["purpose"]) for each in complete["records"]] == asked
    await service.world.put_records(complete["records"])
    if dcv == "email":
        await _follow_the_link(service, complete)
    await service.refresh(hostname["id"])
    live = await service.follow(hostname["id"], "cname_verified")
    assert (live["dcv_method"], live["ownership_method"]) == (dcv, ownership)
    assert live["serving"] is True
    states = [event["to"] for event in await service.events(hostname["id"])]
    assert list(dict.fromkeys(states)) == ["pending", "validating", "active", "cname_verified"]


async def test_a_mail_that_nobody_answers_keeps_a_name_from_going_live(
    shared_service: Service,
) -> None:
    service = shared_service
    hostname = await service.create(
        "shop.silent-mail.com", plan="custom", dcv_method="email", ownership_method="txt"
    )
    complete = await _complete(service, hostname)
    await service.world.put_records(complete["records"])
    await service.refresh(hostname["id"])
    await service.let_pass(seconds=11)
    await service.until(
        hostname["id"], lambda s: bool(s["cloudflare"]["hostname_status"] == "active")
    )
    await service.scan_lists()
    shown = await service.get(hostname["id"])
    assert (shown["state"], shown["serving"]) == ("validating", False)
    assert shown["cloudflare"]["ssl_status"] == "pending_validation"
    await _follow_the_link(service, shown)
    await service.refresh(hostname["id"])
    await service.follow(hostname["id"], "cname_verified")


async def _complete(service: Service, hostname: dict[str, Any]) -> dict[str, Any]:
    """Wait until all that the tenant has to add is known."""
    shown: dict[str, Any] = {}
    for _ in range(40):
        shown = await service.get(hostname["id"])
        if shown["records_complete"]:
            return shown
        await service.let_pass(seconds=3)
    raise AssertionError(f"its records never came: {shown}")


async def _follow_the_link(service: Service, hostname: dict[str, Any]) -> None:
    path = f"/cloudflare/custom_hostnames/{hostname['cloudflare']['id']}/approve"
    await service.world.control("POST", path)


async def test_a_mail_that_nobody_answers_is_the_tenants_turn(shared_service: Service) -> None:
    service = shared_service
    hostname = await service.create(
        "shop.mute-mail.com", plan="custom", dcv_method="email", ownership_method="txt"
    )
    complete = await _complete(service, hostname)
    await service.world.put_records(complete["records"])
    await service.refresh(hostname["id"])

    async def is_asked() -> bool:
        await service.let_pass(seconds=30)
        shown = await service.get(hostname["id"])
        return bool(
            (shown["cloudflare"]["hostname_status"], shown["reason"])
            == ("active", "certificate_email_awaited")
        )

    await service.eventually(is_asked)
