"""What the control API makes of the zone, read by Cloudflare's official SDK."""

import pytest
from cloudflare import AsyncCloudflare, NotFoundError, PermissionDeniedError

from .driver import TARGET, Driver
from .test_sdk import code, created, sdk, there, zone

__all__ = ["sdk", "zone"]
CONTROL = "/control/cloudflare"


async def test_seeded_custom_hostnames_parse_at_every_status(
    sdk: AsyncCloudflare, zone: str, sandbox: Driver
) -> None:
    for number, ssl_status in enumerate(("active", "pending_validation", "expired")):
        body = {"count": 30, "prefix": f"s{number}", "ssl_status": ssl_status}
        await sandbox.order("POST", f"{CONTROL}/seed", body)
    rows = [row async for row in sdk.custom_hostnames.list(zone_id=zone, per_page=50)]
    assert len(rows) == 90
    seen = there(await sdk.custom_hostnames.get(rows[45].id, zone_id=zone))
    assert (seen.hostname, seen.status) == ("s1-0000015.seeded-shops.com", "active")
    (record,) = there(there(seen.ssl).validation_records)
    assert there(record.http_url).startswith("http://s1-0000015.seeded-shops.com/.well-known/")
    for certificate in there(there(rows[0].ssl).model_extra)["certificates"]:
        assert certificate["expires_on"] > certificate["issued_on"]


async def test_a_blocked_name_and_a_renewal_parse(
    sdk: AsyncCloudflare, zone: str, sandbox: Driver
) -> None:
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    live = await created(sdk, zone, "shop.acme.com")
    await sandbox.advance(2000)
    await sandbox.order("POST", f"{CONTROL}/custom_hostnames/{live.id}/renew")
    seen = there(await sdk.custom_hostnames.get(live.id, zone_id=zone))
    assert there(seen.ssl).status == "pending_validation"
    assert there(there(seen.ssl).validation_records)[0].txt_value
    assert len(there(there(seen.ssl).model_extra)["certificates"]) == 2
    await sandbox.order("PUT", f"{CONTROL}/holds", {"domain": "acme.org", "held": True})
    held = await created(sdk, zone, "shop.acme.org")
    assert held.status == "blocked"
    assert there(held.verification_errors)


async def test_refusals_of_the_account_are_the_sdks_errors(
    sdk: AsyncCloudflare, zone: str, sandbox: Driver
) -> None:
    await sandbox.order("PUT", f"{CONTROL}/account", {"hard_cap": 0, "quota_allocated": 1})
    with pytest.raises(PermissionDeniedError) as full:
        await created(sdk, zone, "shop.acme.com")
    assert code(full.value) == 1405
    quota = there(await sdk.custom_hostnames.quota.get(zone_id=zone))
    assert (quota.allocated, quota.hard_cap) == (1, 0)
    await sandbox.order("PUT", f"{CONTROL}/account", {"zone": "gone"})
    with pytest.raises(NotFoundError) as gone:
        await sdk.custom_hostnames.list(zone_id=zone)
    assert code(gone.value) == 7003
