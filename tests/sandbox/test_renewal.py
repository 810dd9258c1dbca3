from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from .driver import DV_HTTP, DV_TXT, TARGET, Driver, driven

HOUR, DAY = 3600, 86_400
ISSUED = 2000
WILDCARD = {**DV_TXT, "wildcard": True}


async def live(sandbox: Driver, name: str, ssl: dict[str, Any] | None = None) -> str:
    await sandbox.put(name, "CNAME", TARGET)
    hostname_id = str((await sandbox.create(name, ssl))["id"])
    await sandbox.advance(ISSUED)
    seen = await sandbox.get(hostname_id)
    assert (seen["status"], seen["ssl"]["status"]) == ("active", "active")
    return hostname_id


async def wildcard(sandbox: Driver, name: str) -> str:
    """A wildcard that is live by tokens which its tenant then takes away."""
    await sandbox.put(name, "CNAME", TARGET)
    hostname_id = str((await sandbox.create(name, WILDCARD))["id"])
    await sandbox.advance(10)
    await publish(sandbox, name, await sandbox.get(hostname_id))
    await sandbox.patch(hostname_id, ssl=WILDCARD)
    await sandbox.advance(ISSUED)
    assert (await sandbox.get(hostname_id))["ssl"]["status"] == "active"
    await sandbox.drop(f"_acme-challenge.{name}", "TXT")
    return hostname_id


def tokens(hostname: dict[str, Any]) -> list[str]:
    return [f'"{record["txt_value"]}"' for record in hostname["ssl"]["validation_records"]]


async def publish(sandbox: Driver, name: str, hostname: dict[str, Any]) -> None:
    await sandbox.put(f"_acme-challenge.{name}", "TXT", *tokens(hostname))


async def order(sandbox: Driver, hostname_id: str, what: str) -> dict[str, Any]:
    path = f"/control/cloudflare/custom_hostnames/{hostname_id}/{what}"
    return dict(await sandbox.order("POST", path))


def expires_on(hostname: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(hostname["ssl"]["certificates"][0]["expires_on"])


@pytest.mark.parametrize("ssl", [DV_HTTP, DV_TXT])
async def test_a_live_name_is_renewed_by_itself_thirty_days_before_the_end(
    sandbox: Driver, ssl: dict[str, Any]
) -> None:
    hostname_id = await live(sandbox, "shop.acme.com", ssl)
    first = await sandbox.get(hostname_id)
    await sandbox.advance(59 * DAY)
    assert (await sandbox.get(hostname_id))["ssl"] == first["ssl"]
    await sandbox.advance(1.01 * DAY)
    renewed = await sandbox.get(hostname_id)
    assert (renewed["status"], renewed["ssl"]["status"]) == ("active", "active")
    assert 60 <= (expires_on(renewed) - expires_on(first)).days < 61
    serials = {row["serial_number"] for row in renewed["ssl"]["certificates"]}
    assert len(serials | {row["serial_number"] for row in first["ssl"]["certificates"]}) == 4


async def test_a_renewal_goes_through_all_statuses_while_the_old_certificate_serves(
    sandbox: Driver,
) -> None:
    await sandbox.account(authorities=["google"])
    hostname_id = await live(sandbox, "shop.acme.com")
    before = await sandbox.get(hostname_id)
    begun = await order(sandbox, hostname_id, "renew")
    assert begun["ssl"]["status"] == "pending_validation"
    assert begun["ssl"]["validation_records"]
    statuses = list[str]()
    for _ in range(300):
        await sandbox.advance(1)
        seen = await sandbox.get(hostname_id)
        if not statuses or statuses[-1] != seen["ssl"]["status"]:
            statuses.append(seen["ssl"]["status"])
        if seen["ssl"]["status"] == "active":
            break
        assert expires_on(seen) == expires_on(before)
        assert seen["status"] == "active"
    validation, *others = statuses
    assert validation == "pending_validation"
    assert others == ["pending_issuance", "pending_deployment", "active"]
    assert expires_on(seen) > expires_on(before)


async def test_a_delegation_renews_a_wildcard_for_ever(sandbox: Driver) -> None:
    created = await sandbox.create("acme.org", WILDCARD)
    (delegation,) = created["ssl"]["dcv_delegation_records"]
    await sandbox.put("acme.org", "CNAME", TARGET)
    await sandbox.put(delegation["cname"], "CNAME", delegation["cname_target"])
    await sandbox.advance(HOUR)
    first = await sandbox.get(created["id"])
    await sandbox.advance(400 * DAY)
    seen = await sandbox.get(created["id"])
    assert seen["ssl"]["status"] == "active"
    assert 355 < (expires_on(seen) - expires_on(first)).days < 365


async def test_a_wildcard_by_txt_shows_new_tokens_and_expires_without_them(
    sandbox: Driver,
) -> None:
    hostname_id = await wildcard(sandbox, "acme.org")
    await sandbox.advance(60.1 * DAY)
    waiting = await sandbox.get(hostname_id)
    assert (waiting["status"], waiting["ssl"]["status"]) == ("active", "pending_validation")
    assert len(tokens(waiting)) == 2
    assert waiting["ssl"]["certificates"][0]["expires_on"]
    await sandbox.advance(15 * DAY)
    again = await sandbox.get(hostname_id)
    assert again["ssl"]["status"] == "pending_validation"
    assert not set(tokens(again)) & set(tokens(waiting))
    await sandbox.advance(14.7 * DAY)
    assert (await sandbox.get(hostname_id))["ssl"]["status"] == "pending_validation"
    await sandbox.advance(DAY)
    expired = await sandbox.get(hostname_id)
    assert (expired["status"], expired["ssl"]["status"]) == ("active", "expired")
    assert "validation_records" not in expired["ssl"]
    revived = await sandbox.patch(hostname_id, ssl=WILDCARD)
    assert revived["ssl"]["status"] == "initializing"
    await sandbox.advance(10)
    await publish(sandbox, "acme.org", await sandbox.get(hostname_id))
    await sandbox.advance(HOUR)
    assert (await sandbox.get(hostname_id))["ssl"]["status"] == "active"


async def test_new_tokens_that_appear_late_still_renew(sandbox: Driver) -> None:
    hostname_id = await wildcard(sandbox, "acme.org")
    await order(sandbox, hostname_id, "renew")
    await sandbox.advance(10 * DAY)
    await publish(sandbox, "acme.org", await sandbox.get(hostname_id))
    await sandbox.advance(5 * HOUR)
    assert (await sandbox.get(hostname_id))["ssl"]["status"] == "active"


async def test_a_name_that_no_longer_points_here_is_not_renewed_over_http(
    sandbox: Driver,
) -> None:
    hostname_id = await live(sandbox, "shop.acme.com")
    await sandbox.drop("shop.acme.com", "CNAME")
    await sandbox.advance(61 * DAY)
    assert (await sandbox.get(hostname_id))["ssl"]["status"] == "pending_validation"
    await sandbox.advance(30 * DAY)
    seen = await sandbox.get(hostname_id)
    assert (seen["status"], seen["ssl"]["status"]) == ("deleted", "expired")


async def test_tokens_expire_while_they_wait_after_a_week_at_lets_encrypt(
    sandbox: Driver,
) -> None:
    await sandbox.account(certificate_authority=True, authorities=["google"])
    hostname_id = await wildcard(sandbox, "acme.org")
    ssl = {**WILDCARD, "certificate_authority": "lets_encrypt"}
    await sandbox.patch(hostname_id, ssl=ssl)
    await sandbox.advance(10)
    await publish(sandbox, "acme.org", await sandbox.get(hostname_id))
    await sandbox.patch(hostname_id, ssl=ssl)
    await sandbox.advance(ISSUED)
    await sandbox.drop("_acme-challenge.acme.org", "TXT")
    begun = await order(sandbox, hostname_id, "renew")
    await sandbox.advance(6.5 * DAY)
    assert tokens(await sandbox.get(hostname_id)) == tokens(begun)
    await sandbox.advance(DAY)
    assert not set(tokens(await sandbox.get(hostname_id))) & set(tokens(begun))
    await publish(sandbox, "acme.org", begun)
    await sandbox.advance(DAY)
    assert (await sandbox.get(hostname_id))["ssl"]["status"] == "pending_validation"


async def test_only_a_certificate_that_serves_can_be_renewed(sandbox: Driver) -> None:
    created = await sandbox.create("shop.acme.com")
    path = f"/control/cloudflare/custom_hostnames/{created['id']}/renew"
    assert (await sandbox.control.post(path)).status_code == 422
    missing = path.replace(created["id"], "00000000-0000-4000-8000-000000000000")
    assert (await sandbox.control.post(missing)).status_code == 404


async def test_a_restart_forgets_no_renewal_and_a_frozen_clock_stands_meanwhile(
    tmp_path: Path,
) -> None:
    async with driven(tmp_path) as sandbox:
        hostname_id = await live(sandbox, "shop.acme.com")
        first = await sandbox.get(hostname_id)
        frozen = await sandbox.order("PUT", "/control/clock", {"frozen": True})
    async with driven(tmp_path) as sandbox:
        assert await sandbox.order("GET", "/control/clock") == frozen
        await sandbox.advance(60.5 * DAY)
        renewed = await sandbox.get(hostname_id)
        assert renewed["ssl"]["status"] == "active"
        assert expires_on(renewed) > expires_on(first)
