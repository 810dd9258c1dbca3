import asyncio

import pytest

from .driver import DV_HTTP, TARGET, Driver


async def test_forced_statuses_stay_through_all_checks_until_a_refresh(sandbox: Driver) -> None:
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    forced = await sandbox.order(
        "PATCH",
        f"/control/cloudflare/custom_hostnames/{hostname_id}",
        {
            "status": "never_heard_of",
            "ssl_status": "holding_deployment",
            "verification_errors": ["the zone is held"],
            "validation_errors": ["one", {"message": "two"}],
        },
    )
    await sandbox.advance(30 * 86_400)
    seen = await sandbox.get(hostname_id)
    assert seen == forced
    assert seen["status"] == "never_heard_of"
    assert seen["ssl"]["status"] == "holding_deployment"
    assert seen["verification_errors"] == ["the zone is held"]
    assert seen["ssl"]["validation_errors"] == [{"message": "one"}, {"message": "two"}]
    await sandbox.patch(hostname_id, ssl=DV_HTTP)
    await sandbox.advance(1000)
    seen = await sandbox.get(hostname_id)
    assert (seen["status"], seen["ssl"]["status"]) == ("active", "active")
    assert "verification_errors" not in seen
    assert "validation_errors" not in seen["ssl"]


async def test_forcing_one_status_leaves_the_other_to_its_course(sandbox: Driver) -> None:
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    path = f"/control/cloudflare/custom_hostnames/{hostname_id}"
    await sandbox.order("PATCH", path, {"status": "blocked"})
    await sandbox.advance(1000)
    seen = await sandbox.get(hostname_id)
    assert (seen["status"], seen["ssl"]["status"]) == ("blocked", "active")


async def test_a_forced_list_filter_finds_the_forced_status(sandbox: Driver) -> None:
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    path = f"/control/cloudflare/custom_hostnames/{hostname_id}"
    await sandbox.order("PATCH", path, {"status": "blocked"})
    answer = await sandbox.api.get(sandbox.hostnames, params={"hostname_status": "blocked"})
    assert [row["id"] for row in answer.json()["result"]] == [hostname_id]


async def test_a_hostname_can_be_gone_behind_everybodys_back(sandbox: Driver) -> None:
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    path = f"/control/cloudflare/custom_hostnames/{hostname_id}"
    await sandbox.order("DELETE", path)
    assert (await sandbox.api.get(f"{sandbox.hostnames}/{hostname_id}")).status_code == 404
    for method in ("DELETE", "PATCH"):
        answer = await sandbox.control.request(method, path, json={})
        assert answer.status_code == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("name", [TARGET, TARGET.upper() + "."])
async def test_a_record_of_the_provider_that_is_taken_from_dns_is_listed_no_more(
    sandbox: Driver, method: str, name: str
) -> None:
    async def listed() -> list[str]:
        answer = await sandbox.api.get(f"{sandbox.zone}/dns_records", params={"name": TARGET})
        return [row["content"] for row in answer.json()["result"]]

    assert len(await listed()) == 1
    body = {"name": name, "type": "CNAME", "values": ["elsewhere.acme.com."]}
    answer = await sandbox.control.request(method, "/control/dns/records", json=body)
    assert answer.status_code == 200
    assert await listed() == []
    # A set-up makes it anew.
    made = await sandbox.api.post(
        f"{sandbox.zone}/dns_records",
        json={"type": "CNAME", "name": TARGET, "content": "fallback.nameplate-demo.net"},
    )
    assert made.status_code == 200
    assert await listed() == ["fallback.nameplate-demo.net"]


async def test_advance_moves_both_clocks_and_speed_makes_neither_jump(sandbox: Driver) -> None:
    before = await sandbox.order("GET", "/control/clock")
    await sandbox.advance(100)
    slow = await sandbox.order("GET", "/control/clock")
    assert 100 <= slow["schedule_seconds"] - before["schedule_seconds"] < 102
    fast = await sandbox.order("PUT", "/control/clock", {"speed": 50})
    assert 0 <= fast["schedule_seconds"] - slow["schedule_seconds"] < 2
    await sandbox.advance(100)
    after = await sandbox.order("GET", "/control/clock")
    assert 5000 <= after["schedule_seconds"] - fast["schedule_seconds"] < 5100
    assert after["wall"] > fast["wall"]


async def test_time_passes_by_itself_at_its_speed(sandbox: Driver) -> None:
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    await sandbox.order("PUT", "/control/clock", {"speed": 5000})
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    for _ in range(250):
        if (await sandbox.get(hostname_id))["ssl"]["status"] == "active":
            return
        await asyncio.sleep(0.02)
    pytest.fail("five seconds at speed 5000 were not enough")


async def test_reset_returns_to_the_beginning(sandbox: Driver) -> None:
    await sandbox.create("shop.acme.com")
    await sandbox.put("shop.acme.com", "A", "192.0.2.1")
    await sandbox.order("PUT", "/control/dns/faults", {"name": "acme.com", "fault": "refused"})
    await sandbox.order("PUT", "/control/cloudflare/limits", {"calls": 5})
    await sandbox.order("PUT", "/control/cloudflare/faults", {"rate": 1, "kinds": [500]})
    await sandbox.order("PUT", "/control/receiver", {"status": 500})
    await sandbox.advance(1000)
    await sandbox.order("POST", "/control/reset")
    assert (await sandbox.api.get(sandbox.hostnames)).json()["result"] == []
    assert not (await sandbox.ask("shop.acme.com", "A")).answer
    assert (await sandbox.ask(TARGET, "A")).answer
    calls = await sandbox.order("GET", "/control/cloudflare/calls")
    assert calls["total"] == 1
    clock = await sandbox.order("GET", "/control/clock")
    assert clock["schedule_seconds"] < 10
    await sandbox.create("shop.acme.com")
    answer = await sandbox.api.get(f"{sandbox.hostnames}/fallback_origin")
    assert answer.json()["result"]["status"] == "active"


async def test_bodies_that_say_nothing_sensible_are_refused(sandbox: Driver) -> None:
    cases: list[tuple[str, str, object]] = [
        ("POST", "/control/clock/advance", {"seconds": -1}),
        ("PUT", "/control/clock", {"speed": 0}),
        ("PUT", "/control/dns/faults", {"name": "a.acme.com", "fault": "broken"}),
        ("PUT", "/control/receiver", {"secrets": ["whsec_"]}),
        ("PUT", "/control/receiver", {"status": 99}),
        ("DELETE", "/control/dns/records", {"name": "a.acme.com"}),
    ]
    for method, path, body in cases:
        answer = await sandbox.control.request(method, path, json=body)
        assert answer.status_code == 422, (path, answer.text)
        assert answer.json()["error"]
