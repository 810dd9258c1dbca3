import pytest

from .driver import DV_HTTP, Driver


async def test_the_limits_are_cloudflares_until_raised(sandbox: Driver) -> None:
    answer = await sandbox.api.get("/zones")
    assert answer.headers["x-ratelimit-limit"] == "1200"
    assert answer.headers["x-ratelimit-remaining"] == "1199"
    assert answer.headers["ratelimit-policy"] == '"default";q=1200;w=300'
    limits = await sandbox.order("PUT", "/control/cloudflare/limits", {"calls": 5})
    assert limits == {
        "calls": 5,
        "window_seconds": 300,
        "block_seconds": 300,
        "creations": 15,
        "creation_window_seconds": 60,
        "creation_block_seconds": 30,
    }


async def test_past_the_limit_every_call_is_refused_for_five_minutes_and_is_a_breach(
    sandbox: Driver,
) -> None:
    await sandbox.order("PUT", "/control/cloudflare/limits", {"calls": 3})
    statuses = [(await sandbox.api.get("/zones")).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    refused = await sandbox.api.get("/ips")
    assert refused.json()["success"] is False
    assert 298 <= int(refused.headers["retry-after"]) <= 300
    assert refused.headers["x-ratelimit-remaining"] == "0"
    await sandbox.advance(298)
    assert (await sandbox.api.get("/zones")).status_code == 429
    await sandbox.advance(3)
    assert (await sandbox.api.get("/zones")).status_code == 200
    calls = await sandbox.order("GET", "/control/cloudflare/calls")
    assert calls["breaches"] == 4
    assert calls["total"] == 8
    assert calls["by_route"] == {"GET /zones": 7, "GET /ips": 1}


async def test_the_window_slides(sandbox: Driver) -> None:
    await sandbox.order("PUT", "/control/cloudflare/limits", {"calls": 3})
    for _ in range(3):
        assert (await sandbox.api.get("/zones")).status_code == 200
        await sandbox.advance(110)
    assert (await sandbox.api.get("/zones")).status_code == 200
    assert (await sandbox.api.get("/zones")).status_code == 429


async def test_only_successful_creations_count_and_past_fifteen_they_wait_half_a_minute(
    sandbox: Driver,
) -> None:
    for number in range(15):
        await sandbox.create(f"n{number}.acme.com")
        refused = await sandbox.api.post(
            sandbox.hostnames, json={"hostname": f"n{number}.acme.com", "ssl": DV_HTTP}
        )
        assert refused.status_code == 409
    refused = await sandbox.api.post(
        sandbox.hostnames, json={"hostname": "one-more.acme.com", "ssl": DV_HTTP}
    )
    assert refused.status_code == 429
    assert 28 <= int(refused.headers["retry-after"]) <= 30
    assert (await sandbox.api.get(sandbox.hostnames)).status_code == 200
    await sandbox.advance(31)
    await sandbox.create("one-more.acme.com")
    calls = await sandbox.order("GET", "/control/cloudflare/calls")
    assert (calls["breaches"], calls["creations_refused"]) == (0, 1)


async def test_calls_with_a_wrong_token_are_not_the_users(sandbox: Driver) -> None:
    await sandbox.order("PUT", "/control/cloudflare/limits", {"calls": 1})
    for _ in range(3):
        answer = await sandbox.api.get("/zones", headers={"authorization": "Bearer wrong"})
        assert answer.status_code == 401
    assert (await sandbox.api.get("/zones")).status_code == 200


@pytest.mark.parametrize("body", [{"calls": 0}, {"calls": "many"}, {"window_seconds": -1}, []])
async def test_impossible_limits_are_refused(sandbox: Driver, body: object) -> None:
    answer = await sandbox.control.put("/control/cloudflare/limits", json=body)
    assert answer.status_code == 422


async def test_a_refused_creation_leaves_calls_a_block_leaves_none_and_only_that_is_a_breach(
    sandbox: Driver,
) -> None:
    await sandbox.order("PUT", "/control/cloudflare/limits", {"calls": 4, "creations": 1})
    await sandbox.create("a.acme.com")
    body = {"hostname": "b.acme.com", "ssl": DV_HTTP}
    refused = await sandbox.api.post(sandbox.hostnames, json=body)
    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-remaining"] == "2"
    assert refused.headers["ratelimit"].startswith('"default";r=2;')
    assert 28 <= int(refused.headers["retry-after"]) <= 30
    assert (await sandbox.order("GET", "/control/cloudflare/calls"))["breaches"] == 0
    statuses = [(await sandbox.api.get("/zones")).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    blocked = await sandbox.api.post(sandbox.hostnames, json=body)
    assert (blocked.status_code, blocked.headers["x-ratelimit-remaining"]) == (429, "0")
    assert int(blocked.headers["retry-after"]) > 290
    calls = await sandbox.order("GET", "/control/cloudflare/calls")
    assert (calls["breaches"], calls["creations_refused"]) == (2, 1)


async def test_the_fullest_window_since_the_limits_were_set_is_told(sandbox: Driver) -> None:
    await sandbox.order("PUT", "/control/cloudflare/limits", {"calls": 7})
    for waits in (3, 3, 400, 1):
        for _ in range(waits if waits < 10 else 1):
            await sandbox.api.get("/zones")
        await sandbox.advance(waits)
    await sandbox.create("a.acme.com")
    calls = await sandbox.order("GET", "/control/cloudflare/calls")
    assert (calls["most_in_window"], calls["most_creations_in_window"]) == (7, 1)
    await sandbox.order("PUT", "/control/cloudflare/limits", {"calls": 100})
    calls = await sandbox.order("GET", "/control/cloudflare/calls")
    assert (calls["most_in_window"], calls["most_creations_in_window"]) == (0, 0)
