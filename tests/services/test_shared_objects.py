"""`x.com` and `*.x.com` of one tenant: two records, one object at Cloudflare."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support import Service

PATH = "/v1/custom-hostnames"
POST = "POST /zones/{zone_id}/custom_hostnames"
PATCH = "PATCH /zones/{zone_id}/custom_hostnames/{custom_hostname_id}"
DELETE = "DELETE /zones/{zone_id}/custom_hostnames/{custom_hostname_id}"


async def add_records(service: Service, hostname: dict[str, Any]) -> None:
    """Add all records of a hostname, as the tenant would."""
    complete = await service.until(hostname["id"], lambda s: bool(s["records_complete"]))
    for record in complete["records"]:
        await service.world.put_record(record)
    await service.refresh(hostname["id"])


async def live(service: Service, name: str) -> dict[str, Any]:
    hostname = await service.create(name, plan="delegated")
    await add_records(service, hostname)
    return await service.follow(hostname["id"], "cname_verified")


async def calls(service: Service) -> dict[str, int]:
    return dict((await service.calls())["by_route"])


async def there(service: Service) -> list[dict[str, Any]]:
    """Give all custom hostnames that Cloudflare has."""
    stack = service.stack
    response = await service.http.get(
        f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}/custom_hostnames",
        headers={"Authorization": f"Bearer {stack.cloudflare_token}"},
    )
    return list(response.json()["result"])


async def test_a_name_joins_its_live_wildcard_without_an_edit(service: Service) -> None:
    wildcard = await live(service, "*.blue-heron.com")
    before = await calls(service)
    plain = await service.create("blue-heron.com")
    assert plain["plan"] == "delegated"
    assert plain["cloudflare"]["id"] == wildcard["cloudflare"]["id"]
    await add_records(service, plain)
    await service.follow(plain["id"], "cname_verified")
    after = await calls(service)
    assert (after[POST], after.get(PATCH, 0) - before.get(PATCH, 0)) == (before[POST], 0)
    assert len(await there(service)) == 1
    events = await service.events(plain["id"])
    states = [event["to"] for event in events if event["from"] != event["to"]]
    assert states == ["pending", "validating", "active", "cname_verified"]


async def test_a_wildcard_joins_its_live_name_by_one_edit_and_takes_nothing_down(
    service: Service,
) -> None:
    plain = await live(service, "shop.grey-heron.com")
    before = await calls(service)
    wildcard = await service.create("*.shop.grey-heron.com")
    assert wildcard["cloudflare"]["id"] == plain["cloudflare"]["id"]
    assert wildcard["state"] == "validating"
    await add_records(service, wildcard)
    await service.follow(wildcard["id"], "cname_verified")
    after = await calls(service)
    assert after[POST] == before[POST]
    (shared,) = await there(service)
    assert shared["ssl"]["wildcard"] is True
    assert (await service.get(plain["id"]))["serving"] is True
    assert "cname_lost" not in str(await service.events(plain["id"]))


async def test_removing_the_wildcard_edits_and_the_name_stays_live(service: Service) -> None:
    wildcard = await live(service, "*.tall-heron.com")
    plain = await service.create("tall-heron.com")
    await add_records(service, plain)
    await service.follow(plain["id"], "cname_verified")
    await service.http.delete(f"{PATH}/{wildcard['id']}")
    gone = await service.until_state(wildcard["id"], "deleted")
    assert gone["cloudflare"]["id"] is None
    (shared,) = await there(service)
    assert shared["ssl"]["wildcard"] is False
    assert (await service.refresh(plain["id"]))["serving"] is True
    assert DELETE not in await calls(service)


async def test_removing_the_name_leaves_the_wildcard_without_a_call(service: Service) -> None:
    wildcard = await live(service, "*.slim-heron.com")
    plain = await service.create("slim-heron.com")
    before = await calls(service)
    await service.http.delete(f"{PATH}/{plain['id']}")
    await service.until_state(plain["id"], "deleted")
    after = await calls(service)
    assert after.get(PATCH, 0) == before.get(PATCH, 0)
    assert DELETE not in after
    assert (await service.refresh(wildcard["id"]))["serving"] is True
    again = await service.create("slim-heron.com")
    assert again["cloudflare"]["id"] == wildcard["cloudflare"]["id"]


async def test_removing_both_removes_the_object(service: Service) -> None:
    wildcard = await service.create("*.last-heron.com")
    plain = await service.create("last-heron.com")
    for each in (wildcard, plain):
        await service.http.delete(f"{PATH}/{each['id']}")
    for each in (wildcard, plain):
        await service.until_state(each["id"], "deleted")
    assert await there(service) == []
    body = {"hostname": "last-heron.com", "tenant": "another", "plan": "delegated"}
    assert (await service.http.post(PATH, json=body)).status_code == 201


async def test_both_at_once_make_one_object(service: Service) -> None:
    body = {"tenant": "tenant", "plan": "delegated"}
    names = ("*.twin-heron.com", "twin-heron.com")
    posts = [service.http.post(PATH, json={**body, "hostname": name}) for name in names]
    answers = await asyncio.gather(*posts)
    assert [answer.status_code for answer in answers] == [201, 201]
    for answer in answers:
        await service.until(answer.json()["id"], lambda s: s["cloudflare"]["id"] is not None)
    first, second = [await service.get(answer.json()["id"]) for answer in answers]
    assert first["cloudflare"]["id"] == second["cloudflare"]["id"]
    assert (await calls(service))[POST] == 1
    (shared,) = await there(service)
    assert shared["ssl"]["wildcard"] is True


async def test_the_second_waits_while_the_first_cannot_be_created(service: Service) -> None:
    await service.world.control("PUT", "/cloudflare/faults", rate=1, kinds=[503], seed=1)
    first = await service.create("rainy-heron.com", plan="delegated")
    second = await service.create("*.rainy-heron.com")
    assert (second["state"], second["reason"]) == ("pending", "creating")
    await service.world.control("PUT", "/cloudflare/faults", rate=0, kinds=[], seed=1)
    await service.advance(minutes=6)
    for each in (first, second):
        await service.until_state(each["id"], "validating")
    assert len(await there(service)) == 1


async def test_a_second_that_differs_is_refused_with_the_field(service: Service) -> None:
    await service.create("proud-heron.com", plan="zero_downtime", tls={"http2": "on"})
    wildcard = {"hostname": "*.proud-heron.com", "tenant": "tenant"}
    for said, pointer in (
        ({"plan": "delegated"}, "/plan"),
        ({"tls": {"http2": "off"}}, "/tls"),
        ({"certificate_authority": "google"}, "/certificate_authority"),
    ):
        refused = await service.http.post(PATH, json={**wildcard, **said})
        assert (refused.status_code, refused.json()["code"]) == (409, "shared_object_differs")
        assert refused.json()["errors"][0]["pointer"] == pointer
    accepted = (await service.http.post(PATH, json=wildcard)).json()
    assert (accepted["plan"], accepted["tls"]["http2"]) == ("zero_downtime", "on")


async def test_a_wildcard_beside_a_simple_name_is_refused_with_the_way_out(
    service: Service,
) -> None:
    plain = await service.go_live("shop.wild-heron.com")
    body = {"hostname": "*.shop.wild-heron.com", "tenant": "tenant"}
    refused = await service.http.post(PATH, json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "shared_object_differs")
    assert "PATCH it to `delegated`" in refused.json()["detail"]
    await service.http.patch(f"{PATH}/{plain['id']}", json={"plan": "delegated"})
    assert (await service.http.post(PATH, json=body)).status_code == 201


async def test_another_tenants_wildcard_is_a_conflict(service: Service) -> None:
    await service.create("*.shy-heron.com", "first")
    body = {"hostname": "shy-heron.com", "tenant": "second", "plan": "delegated"}
    refused = await service.http.post(PATH, json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "hostname_taken")


async def test_a_change_of_one_is_a_change_of_both(service: Service) -> None:
    wildcard = await service.create("*.even-heron.com")
    plain = await service.create("even-heron.com")
    before = await calls(service)
    said = {"tls": {"min_tls_version": "1.2"}, "metadata": {"only": "mine"}}
    await service.http.patch(f"{PATH}/{plain['id']}", json=said)
    other = await service.until(
        wildcard["id"], lambda s: bool(s["tls"]["min_tls_version"] == "1.2")
    )
    assert (other["metadata"], other["revision"]) == ({}, wildcard["revision"] + 1)
    await service.refresh(wildcard["id"])
    (shared,) = await there(service)
    assert shared["ssl"]["settings"] == {"min_tls_version": "1.2"}
    patches = (await calls(service))[PATCH] - before.get(PATCH, 0)
    # The edit, once more where both names were at it at the same moment, and the refresh.
    assert patches <= 3
    refused = await service.http.patch(f"{PATH}/{plain['id']}", json={"plan": "simple"})
    assert (refused.status_code, refused.json()["code"]) == (422, "plan_not_available")


async def test_metadata_of_one_leaves_the_other_alone(service: Service) -> None:
    wildcard = await service.create("*.calm-heron.com")
    plain = await service.create("calm-heron.com")
    etag = (await service.http.get(f"{PATH}/{wildcard['id']}")).headers["etag"]
    held = await service.sql.fetchrow(
        "UPDATE custom_hostnames SET state = 'failed', reason = 'edit_refused' WHERE id = $1 "
        "RETURNING revision, wanted_at, acted_at, refresh_requested_at",
        wildcard["id"],
    )
    path = f"{PATH}/{plain['id']}"
    for said in ({"metadata": {"only": "mine"}}, {"plan": "delegated", "metadata": {"a": 1}}):
        changed = await service.http.patch(path, json=said)
        assert changed.json()["metadata"] == said["metadata"]
    left = await service.sql.fetchrow(
        "SELECT revision, wanted_at, acted_at, refresh_requested_at FROM custom_hostnames "
        "WHERE id = $1",
        wildcard["id"],
    )
    assert left == held
    same = await service.http.patch(
        f"{PATH}/{wildcard['id']}", json={"metadata": {"b": 2}}, headers={"If-Match": etag}
    )
    assert same.status_code == 200, same.text


async def test_one_that_leaves_is_in_nobodys_way_but_its_own(service: Service) -> None:
    wildcard = await service.create("*.late-heron.com")
    plain = await service.create("late-heron.com")
    await service.world.control("PUT", "/cloudflare/faults", rate=1, kinds=[503], seed=1)
    await service.http.delete(f"{PATH}/{wildcard['id']}")
    for name, code in (("*.late-heron.com", 409), ("late-heron.com", 200)):
        body = {"hostname": name, "tenant": "tenant"}
        assert (await service.http.post(PATH, json=body)).status_code == code
    await service.http.delete(f"{PATH}/{plain['id']}")
    for name in ("*.late-heron.com", "late-heron.com"):
        refused = await service.http.post(PATH, json={"hostname": name, "tenant": "tenant"})
        assert (refused.status_code, refused.json()["code"]) == (409, "still_deleting")


async def test_an_object_removed_behind_our_back_is_made_again_once(service: Service) -> None:
    wildcard = await service.create("*.lost-heron.com")
    plain = await service.create("lost-heron.com")
    cloudflare_id = wildcard["cloudflare"]["id"]
    await service.world.control("DELETE", f"/cloudflare/custom_hostnames/{cloudflare_id}")
    await service.scan_lists(rounds=3)
    await service.advance(seconds=61)
    for each in (wildcard, plain):
        failed = await service.until_state(each["id"], "failed")
        assert failed["reason"] == "missing_at_cloudflare"
    for each in (wildcard, plain):
        await service.refresh(each["id"])
        await service.until_state(each["id"], "validating")
    assert len(await there(service)) == 1


async def test_a_name_added_while_the_other_leaves_never_loses_its_object(
    service: Service,
) -> None:
    for number in range(8):
        name = f"race-{number}.quick-heron.com"
        plain = await service.create(name, plan="delegated")
        body = {"hostname": f"*.{name}", "tenant": "tenant"}
        _, answer = await asyncio.gather(
            service.http.delete(f"{PATH}/{plain['id']}"), service.http.post(PATH, json=body)
        )
        assert answer.status_code in {201, 409}
        await service.until_state(plain["id"], "deleted")
        if answer.status_code == 409:
            assert answer.json()["code"] == "still_deleting"
            continue
        await service.refresh(answer.json()["id"])
        kept = await service.until_state(answer.json()["id"], "validating")
        assert kept["cloudflare"]["id"] in {each["id"] for each in await there(service)}
