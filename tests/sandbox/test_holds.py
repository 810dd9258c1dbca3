from pathlib import Path

import pytest

from .driver import DV_HTTP, TARGET, Driver, driven

HOLDS, BLOCKS = "/control/cloudflare/holds", "/control/cloudflare/blocks"
HOUR = 3600


async def hold(sandbox: Driver, *, held: bool, domain: str = "acme.com") -> None:
    body = {"domain": domain, "held": held}
    assert await sandbox.order("PUT", HOLDS, body) == body


async def test_names_at_and_below_a_held_zone_are_blocked_at_creation(sandbox: Driver) -> None:
    await sandbox.put("*.acme.com", "CNAME", TARGET)
    await hold(sandbox, held=True)
    created = await sandbox.create("shop.acme.com")
    assert created["status"] == "blocked"
    assert "held zone" in created["verification_errors"][0]
    assert (await sandbox.create("acme.com"))["status"] == "blocked"
    assert (await sandbox.create("not-acme.com"))["status"] == "pending"
    await sandbox.advance(1000)
    seen = await sandbox.get(created["id"])
    assert (seen["status"], seen["ssl"]["status"]) == ("blocked", "active")


async def test_a_hold_is_met_at_the_next_check(sandbox: Driver) -> None:
    await sandbox.put("live.acme.com", "CNAME", TARGET)
    live = await sandbox.create("live.acme.com")
    pending = await sandbox.create("pending.acme.com")
    await sandbox.advance(1000)
    await hold(sandbox, held=True)
    assert (await sandbox.get(live["id"]))["status"] == "active"
    await sandbox.advance(2 * HOUR)
    for hostname in (live, pending):
        assert (await sandbox.get(hostname["id"]))["status"] == "blocked"


async def test_after_the_release_nothing_happens_until_a_refresh(sandbox: Driver) -> None:
    await hold(sandbox, held=True)
    created = await sandbox.create("shop.acme.com")
    still = await sandbox.patch(created["id"], ssl=DV_HTTP)
    assert still["status"] == "blocked"
    await hold(sandbox, held=False)
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    await sandbox.advance(24 * HOUR)
    assert (await sandbox.get(created["id"]))["status"] == "blocked"
    revived = await sandbox.patch(created["id"], ssl=DV_HTTP)
    assert revived["status"] == "pending"
    assert (await sandbox.get(created["id"]))["status"] == "active"


async def test_a_flagged_name_stays_blocked_through_refreshes_until_it_is_cleared(
    tmp_path: Path,
) -> None:
    body = {"hostname": "shop.acme.com", "blocked": True}
    async with driven(tmp_path) as sandbox:
        await sandbox.put("*.acme.com", "CNAME", TARGET)
        created = await sandbox.create("shop.acme.com")
        await sandbox.advance(1000)
        assert await sandbox.order("PUT", BLOCKS, body) == body
        await sandbox.advance(2 * HOUR)
        assert (await sandbox.get(created["id"]))["status"] == "blocked"
        assert (await sandbox.create("a.shop.acme.com"))["status"] == "pending"
    async with driven(tmp_path) as sandbox:
        refreshed = await sandbox.patch(created["id"], ssl=DV_HTTP)
        assert refreshed["status"] == "blocked"
        assert "abuse" in refreshed["verification_errors"][0]
        await sandbox.order("PUT", BLOCKS, {**body, "blocked": False})
        assert (await sandbox.patch(created["id"], ssl=DV_HTTP))["status"] == "pending"
        assert (await sandbox.get(created["id"]))["status"] == "active"


@pytest.mark.parametrize(
    ("path", "body"), [(HOLDS, {"domain": "acme.com"}), (BLOCKS, {"hostname": "", "blocked": True})]
)
async def test_impossible_holds_are_refused(sandbox: Driver, path: str, body: object) -> None:
    assert (await sandbox.control.put(path, json=body)).status_code == 422
