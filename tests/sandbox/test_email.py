import pytest

from .driver import DV_HTTP, TARGET, Driver

DV_EMAIL = {"method": "email", "type": "dv"}
USERS = ("admin", "administrator", "hostmaster", "postmaster", "webmaster")


async def approve(sandbox: Driver, hostname_id: str) -> int:
    path = f"/control/cloudflare/custom_hostnames/{hostname_id}/approve"
    return (await sandbox.control.post(path)).status_code


@pytest.mark.parametrize("wildcard", [False, True])
async def test_a_certificate_by_email_waits_for_an_approval(
    sandbox: Driver, *, wildcard: bool
) -> None:
    await sandbox.put("shop.acme.co.uk", "CNAME", TARGET)
    created = await sandbox.create("shop.acme.co.uk", {**DV_EMAIL, "wildcard": wildcard})
    assert await approve(sandbox, created["id"]) == 422
    await sandbox.advance(3600)
    ssl = (await sandbox.get(created["id"]))["ssl"]
    assert (ssl["method"], ssl["status"]) == ("email", "pending_validation")
    emails = [f"{user}@acme.co.uk" for user in USERS]
    assert ssl["validation_records"] == [{"status": "pending", "emails": emails}]
    assert await approve(sandbox, created["id"]) == 200
    await sandbox.advance(0)
    assert (await sandbox.get(created["id"]))["ssl"]["status"] == "pending_issuance"
    await sandbox.advance(1000)
    seen = await sandbox.get(created["id"])
    assert (seen["status"], seen["ssl"]["status"]) == ("active", "active")
    assert "validation_records" not in seen["ssl"]
    assert await approve(sandbox, created["id"]) == 422


async def test_an_approval_does_not_overrule_caa(sandbox: Driver) -> None:
    await sandbox.put("acme.com", "CAA", '0 issue "letsencrypt.org"')
    created = await sandbox.create("shop.acme.com", DV_EMAIL)
    await sandbox.advance(10)
    assert await approve(sandbox, created["id"]) == 200
    await sandbox.advance(0)
    ssl = (await sandbox.get(created["id"]))["ssl"]
    assert ssl["validation_errors"] == [{"message": "caa_error: shop.acme.com"}]
    await sandbox.drop("acme.com", "CAA")
    await sandbox.patch(created["id"], ssl=DV_EMAIL)
    assert (await sandbox.get(created["id"]))["ssl"]["status"] == "pending_issuance"


async def test_only_email_that_waits_can_be_approved(sandbox: Driver) -> None:
    created = await sandbox.create("shop.acme.com", DV_HTTP)
    await sandbox.advance(10)
    assert await approve(sandbox, created["id"]) == 422
    bare = (await sandbox.api.post(sandbox.hostnames, json={"hostname": "a.acme.com"})).json()
    assert await approve(sandbox, bare["result"]["id"]) == 422
    assert await approve(sandbox, "00000000-0000-4000-8000-000000000000") == 404
