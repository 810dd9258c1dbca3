"""A removed name that still points here: it is told, and another tenant has to prove it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support import Service

NAME = "shop.left-behind.com"
CHALLENGE = f"_nameplate-challenge.{NAME}"
CREATE = "POST /zones/{zone_id}/custom_hostnames"
DANGLING = "custom_hostname.dangling"


async def remove(service: Service, hostname: dict[str, Any]) -> dict[str, Any]:
    response = await service.http.delete(f"/v1/custom-hostnames/{hostname['id']}")
    assert response.status_code == 202, response.text
    return await service.follow(hostname["id"], "deleted")


async def left_behind(service: Service, name: str = NAME) -> dict[str, Any]:
    """Have the former tenant's name go live and be removed, while its CNAME stays."""
    return await remove(service, await service.go_live(name, "former"))


async def listed(service: Service, **query: Any) -> list[dict[str, Any]]:
    response = await service.http.get("/v1/dangling", params=query)
    assert response.status_code == 200, response.text
    return list(response.json()["data"])


async def told(service: Service, hostname: dict[str, Any]) -> list[str]:
    events = await service.events(hostname["id"])
    return [event["type"] for event in events if event["type"] == DANGLING]


async def creations(service: Service) -> int:
    return int((await service.calls())["by_route"].get(CREATE, 0))


async def put_txt(service: Service, name: str, value: str) -> None:
    await service.world.control(
        "PUT", "/dns/records", name=name, type="TXT", values=[f'"{value}"'], ttl=60
    )


async def is_awaited(service: Service, hostname: dict[str, Any]) -> bool:
    """Whether the hostname still waits for its proof, after it was checked again."""
    shown = await service.refresh(hostname["id"])
    return (shown["state"], shown["reason"]) == ("pending", "proof_awaited")


async def has_lost(service: Service, hostname: dict[str, Any]) -> None:
    """Let the hostname be checked until it says that another one has its name."""
    for _ in range(30):
        await service.let_pass(minutes=1)
        shown = await service.get(hostname["id"])
        if shown["reason"] == "name_held":
            break
    assert (shown["state"], shown["reason"], shown["cloudflare"]["id"]) == (
        "pending",
        "name_held",
        None,
    )
    again = await service.http.post(f"/v1/custom-hostnames/{hostname['id']}/refresh")
    assert (again.status_code, again.json()["code"]) == (409, "hostname_taken")


async def test_a_removed_name_that_still_points_here_is_told_once_and_listed(
    service: Service,
) -> None:
    await service.world.add_webhook()
    gone = await left_behind(service)
    assert (gone["reason"], await listed(service)) == ("removed", [])
    await service.advance(days=1, hours=2)
    shown = await service.until(gone["id"], lambda each: bool(each["reason"] == "dangling"))
    assert (shown["state"], shown["waiting_on"]) == ("deleted", "tenant")
    assert f"Remove the CNAME record of {NAME}" in shown["message"]
    (entry,) = await listed(service)
    assert (entry["id"], entry["hostname"], entry["tenant"]) == (gone["id"], NAME, "former")
    assert entry["dns"]["evidence"]["chain"] == ["customers.nameplate-demo.net"]
    assert entry["message"] == shown["message"]
    for _ in range(2):
        await service.let_pass(days=1)
    assert await told(service, gone) == [DANGLING]
    await service.eventually(lambda: service.received(DANGLING))
    summary = (await service.http.get("/v1/summary")).json()
    assert (summary["dangling"], summary["hostnames"]) == (1, 0)


async def test_a_removed_name_that_leads_away_is_released_and_no_longer_listed(
    service: Service,
) -> None:
    gone = await left_behind(service)
    await service.advance(days=1, hours=2)
    await service.until(gone["id"], lambda each: bool(each["reason"] == "dangling"))
    await service.remove_dns(NAME)
    await service.advance(days=1, hours=2)
    await service.until(gone["id"], lambda each: bool(each["reason"] == "removed"))
    assert (await listed(service), await told(service, gone)) == ([], [DANGLING])
    added = await service.create(NAME, "other")
    assert added["reason"] != "proof_awaited"


async def test_another_tenant_proves_the_name_by_a_txt_record_before_anything_is_created(
    service: Service,
) -> None:
    gone = await left_behind(service)
    before = await creations(service)
    added = await service.create(NAME, "other")
    assert (added["state"], added["reason"], added["waiting_on"]) == (
        "pending",
        "proof_awaited",
        "tenant",
    )
    claim = added["records"][added["next"]]
    assert (claim["type"], claim["name"], claim["purpose"], claim["when"]) == (
        "TXT",
        CHALLENGE,
        "claim",
        "before",
    )
    assert len(claim["value"]) >= 32
    assert (added["switch_safe"], added["serving"]) == (False, False)
    assert await is_awaited(service, added)
    assert (await creations(service), added["cloudflare"]["id"]) == (before, None)
    await put_txt(service, CHALLENGE, claim["value"])
    await service.follow(added["id"], "cname_verified")
    assert await creations(service) == before + 1
    shown = await service.get(gone["id"])
    assert (shown["reason"], await listed(service)) == ("removed", [])
    resolved = await service.http.get("/v1/resolve", params={"hostname": NAME})
    assert resolved.json()["tenant"] == "other"


@pytest.mark.parametrize("lacking", ["no record", "another value", "an older token", "servfail"])
async def test_what_is_no_proof_creates_nothing(service: Service, lacking: str) -> None:
    await left_behind(service)
    first = await service.create(NAME, "other")
    older = first["records"][0]["value"]
    await service.http.delete(f"/v1/custom-hostnames/{first['id']}")
    await service.follow(first["id"], "deleted")
    before = await creations(service)
    added = await service.create(NAME, "other")
    token = added["records"][0]["value"]
    assert token != older
    if lacking != "no record":
        values = {"another value": "x" * 43, "an older token": older, "servfail": token}
        await put_txt(service, CHALLENGE, values[lacking])
    if lacking == "servfail":
        await service.world.control("PUT", "/dns/faults", name=CHALLENGE, fault="servfail")
    for _ in range(3):
        assert await is_awaited(service, added)
        await service.let_pass(seconds=20)
    assert await creations(service) == before
    # What could not be asked leaves the status of the check before.
    status = "missing" if lacking in {"no record", "servfail"} else "wrong"
    assert (await service.get(added["id"]))["records"][0]["status"] == status
    if lacking == "servfail":
        await service.world.control("PUT", "/dns/faults", name=CHALLENGE, fault="none")
    await put_txt(service, CHALLENGE, token)
    await service.follow(added["id"], "cname_verified")


async def test_the_former_tenant_comes_back_without_proof_and_before_others(
    service: Service,
) -> None:
    gone = await left_behind(service)
    await service.advance(days=1, hours=2)
    await service.until(gone["id"], lambda each: bool(each["reason"] == "dangling"))
    rival = await service.create(NAME, "other")
    back = await service.create(NAME, "former")
    assert back["reason"] != "proof_awaited"
    await service.follow(back["id"], "cname_verified")
    await put_txt(service, CHALLENGE, rival["records"][0]["value"])
    await has_lost(service, rival)
    assert await listed(service) == []
    assert (await service.get(gone["id"]))["reason"] == "removed"
    assert (await service.get(back["id"]))["state"] == "cname_verified"
    again = await service.http.post(
        "/v1/custom-hostnames", json={"hostname": NAME, "tenant": "third"}
    )
    assert (again.status_code, again.json()["code"]) == (409, "hostname_taken")


async def test_of_two_who_ask_the_one_who_proves_the_name_gets_it(service: Service) -> None:
    await left_behind(service)
    one, two = await asyncio.gather(service.create(NAME, "one"), service.create(NAME, "two"))
    assert [each["reason"] for each in (one, two)] == ["proof_awaited"] * 2
    assert one["records"][0]["value"] != two["records"][0]["value"]
    resolved = await service.http.get("/v1/resolve", params={"hostname": NAME})
    assert resolved.status_code == 404
    await put_txt(service, CHALLENGE, two["records"][0]["value"])
    await service.follow(two["id"], "cname_verified")
    await has_lost(service, one)
    removed = await remove(service, one)
    assert removed["reason"] == "removed"


async def test_the_same_request_twice_at_once_adds_one_record_with_one_token(
    service: Service,
) -> None:
    await left_behind(service)
    body = {"hostname": NAME, "tenant": "other"}
    answers = await asyncio.gather(
        *(service.http.post("/v1/custom-hostnames", json=body) for _ in range(3))
    )
    assert sorted(each.status_code for each in answers) == [200, 200, 201]
    assert len({each.json()["records"][0]["value"] for each in answers}) == 1


async def test_a_name_below_a_removed_wildcard_has_to_be_proved_at_its_own_name(
    service: Service,
) -> None:
    wildcard = await service.create("*.left-shop.com", "former", plan="zero_downtime")
    complete = await service.until(wildcard["id"], lambda shown: bool(shown["records_complete"]))
    values: dict[str, list[str]] = {}
    for record in complete["records"]:
        if record["type"] == "TXT":
            values.setdefault(record["name"], []).append(f'"{record["value"]}"')
    for name, texts in values.items():
        await service.world.control(
            "PUT", "/dns/records", name=name, type="TXT", values=texts, ttl=60
        )
    await service.point_here(complete)
    live = await service.follow(wildcard["id"], "cname_verified")
    gone = await remove(service, live)
    await service.advance(days=1, hours=2)
    await service.until(gone["id"], lambda each: bool(each["reason"] == "dangling"))
    (entry,) = await listed(service)
    assert (entry["hostname"], entry["covers_names_below"]) == ("*.left-shop.com", True)
    added = await service.create("a.left-shop.com", "other")
    claim = added["records"][0]
    assert (added["reason"], claim["name"]) == (
        "proof_awaited",
        "_nameplate-challenge.a.left-shop.com",
    )
    await put_txt(service, claim["name"], claim["value"])
    proved = await service.follow(added["id"], "validating")
    # The TXT record below the name makes it exist, so that the wildcard leads it nowhere (RFC 4592,
    # section 2.2.2).
    await service.point_here(proved)
    await service.follow(added["id"], "cname_verified")
    # The wildcard leads other names here as before.
    assert [each["hostname"] for each in await listed(service)] == ["*.left-shop.com"]


async def test_a_wildcard_that_leads_elsewhere_proves_nothing_by_its_cname(
    service: Service,
) -> None:
    await left_behind(service)
    added = await service.create(NAME, "other")
    token = added["records"][0]["value"]
    await put_txt(service, "anybody.registered-this.com", token)
    await service.world.control(
        "PUT",
        "/dns/records",
        name=CHALLENGE,
        type="CNAME",
        values=["anybody.registered-this.com"],
        ttl=60,
    )
    for _ in range(2):
        assert await is_awaited(service, added)
        await service.let_pass(seconds=20)
    assert (await service.get(added["id"]))["cloudflare"]["id"] is None


async def test_an_edit_or_refresh_does_not_stand_in_for_the_proof(service: Service) -> None:
    await left_behind(service)
    added = await service.create(NAME, "other")
    path = f"/v1/custom-hostnames/{added['id']}"
    edited = await service.http.patch(path, json={"labels": {"shop": "7"}})
    assert (edited.status_code, edited.json()["reason"]) == (200, "proof_awaited")
    assert edited.json()["records"][0]["value"] == added["records"][0]["value"]
    assert await is_awaited(service, added)
    listed_by_label = await service.http.get("/v1/custom-hostnames", params={"label": "shop:7"})
    (shown,) = listed_by_label.json()["data"]
    assert (shown["state"], shown["serving"]) == ("pending", False)


async def test_once_dns_leads_away_the_same_request_needs_no_proof(service: Service) -> None:
    gone = await left_behind(service)
    added = await service.create(NAME, "other")
    await service.remove_dns(NAME)
    await service.advance(days=1, hours=2)

    async def is_released() -> bool:
        found = await service.sql.fetchval(
            "SELECT tombstone FROM custom_hostnames WHERE id = $1", gone["id"]
        )
        return not found

    await service.eventually(is_released)
    assert await is_awaited(service, await service.get(added["id"])) is False
    shown = await service.follow(added["id"], "validating")
    assert (shown["id"], shown["name_released_at"]) == (added["id"], None)


async def test_a_proof_that_never_comes_ends_the_wait_and_a_refresh_begins_it_again(
    service: Service,
) -> None:
    await left_behind(service)
    added = await service.create(NAME, "other")
    await service.let_pass(days=15)
    ended = await service.until_state(added["id"], "failed")
    assert (ended["reason"], ended["waiting_on"], ended["next"]) == ("never_proved", "tenant", None)
    again = await service.http.post(
        "/v1/custom-hostnames", json={"hostname": NAME, "tenant": "other"}
    )
    assert (again.status_code, again.json()["id"]) == (200, added["id"])
    await service.refresh(added["id"])
    waiting = await service.until_state(added["id"], "pending")
    assert (waiting["reason"], waiting["records"][0]["value"]) == (
        "proof_awaited",
        added["records"][0]["value"],
    )
    await put_txt(service, CHALLENGE, added["records"][0]["value"])
    await service.follow(added["id"], "cname_verified")


async def test_a_wait_that_ended_needs_no_proof_once_dns_leads_away(service: Service) -> None:
    await left_behind(service)
    added = await service.create(NAME, "other")
    await service.let_pass(days=15)
    await service.until_state(added["id"], "failed")
    await service.remove_dns(NAME)

    async def is_released() -> bool:
        await service.advance(days=1, hours=2)
        return not await service.sql.fetchval("SELECT bool_or(tombstone) FROM custom_hostnames")

    await service.eventually(is_released)
    again = await service.http.post(
        "/v1/custom-hostnames", json={"hostname": NAME, "tenant": "other"}
    )
    assert (again.status_code, again.json()["id"]) == (200, added["id"])
    await service.follow(added["id"], "validating")


async def test_a_request_that_is_repeated_has_the_former_dns_checked_once_a_minute(
    service: Service,
) -> None:
    gone = await left_behind(service)

    async def wakes() -> int:
        return int(
            await service.sql.fetchval(
                "SELECT wakes FROM schedules WHERE custom_hostname_id = $1", gone["id"]
            )
        )

    before = await wakes()
    for tenant in ("other", "other", "third", "other"):
        body = {"hostname": NAME, "tenant": tenant}
        response = await service.http.post("/v1/custom-hostnames", json=body)
        assert response.is_success
    assert await wakes() == before + 1
    await service.advance(minutes=2)
    await service.http.post("/v1/custom-hostnames", json={"hostname": NAME, "tenant": "other"})
    assert await wakes() == before + 2
