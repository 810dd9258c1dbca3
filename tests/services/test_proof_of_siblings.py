"""Proof of control of a name and of its wildcard, which are one object at Cloudflare."""

from __future__ import annotations

from typing import Any

from tests.support import Service

BASE = "copper-kettle.com"
WILDCARD = f"*.{BASE}"
CHALLENGE = f"_nameplate-challenge.{BASE}"
CREATE = "POST /zones/{zone_id}/custom_hostnames"


async def leave_behind(service: Service) -> None:
    """Have another tenant's wildcard removed, while its DNS still points here."""
    await service.world.control(
        "PUT",
        "/dns/records",
        name=WILDCARD,
        type="CNAME",
        values=["customers.nameplate-demo.net"],
        ttl=60,
    )
    former = await service.put_still(WILDCARD, "former")
    await service.sql.execute(
        "UPDATE custom_hostnames SET state = 'deleted', desired = 'absent', tombstone = true, "
        "reason = 'removed', deleted_at = nameplate_now() WHERE id = $1",
        former["id"],
    )


async def put_txt(service: Service, *values: str) -> None:
    texts = [f'"{value}"' for value in values]
    await service.world.control(
        "PUT", "/dns/records", name=CHALLENGE, type="TXT", values=texts, ttl=60
    )


def claim_of(hostname: dict[str, Any]) -> str:
    (claim,) = [each for each in hostname["records"] if each["purpose"] == "claim"]
    assert claim["name"] == CHALLENGE
    return str(claim["value"])


async def creations(service: Service) -> int:
    return int((await service.calls())["by_route"].get(CREATE, 0))


async def test_both_names_wait_with_the_same_options_and_then_share_one_object(
    service: Service,
) -> None:
    await leave_behind(service)
    plain = await service.create(BASE, "other", plan="zero_downtime")
    wildcard = await service.create(WILDCARD, "other")
    assert (plain["reason"], wildcard["reason"]) == ("proof_awaited", "proof_awaited")
    assert wildcard["plan"] == "zero_downtime"
    edited = await service.http.patch(
        f"/v1/custom-hostnames/{plain['id']}", json={"tls": {"min_tls_version": "1.2"}}
    )
    assert edited.status_code == 200, edited.text
    assert (await service.get(wildcard["id"]))["tls"]["min_tls_version"] == "1.2"
    assert await creations(service) == 0
    await put_txt(service, claim_of(plain), claim_of(wildcard))
    plain = await service.follow(plain["id"], "validating")
    wildcard = await service.follow(wildcard["id"], "validating")
    assert plain["cloudflare"]["id"] == wildcard["cloudflare"]["id"]
    assert await creations(service) == 1


async def test_the_object_does_not_cover_a_wildcard_that_is_not_proved(service: Service) -> None:
    await leave_behind(service)
    plain = await service.create(BASE, "other", plan="zero_downtime")
    wildcard = await service.create(WILDCARD, "other")
    await put_txt(service, claim_of(plain))
    plain = await service.follow(plain["id"], "validating")
    for _ in range(3):
        await service.let_pass(minutes=1)
    assert (await service.get(wildcard["id"]))["reason"] == "proof_awaited"
    stack = service.stack
    shown = await service.http.get(
        f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}/custom_hostnames/"
        f"{plain['cloudflare']['id']}",
        headers={"Authorization": f"Bearer {stack.cloudflare_token}"},
    )
    assert shown.json()["result"]["ssl"]["wildcard"] is False
    # It was added before the other one was proved. Now that it is, no second proof is needed.
    refreshed = await service.refresh(wildcard["id"])
    assert refreshed["reason"] != "proof_awaited"
    joined = await service.follow(wildcard["id"], "validating")
    assert joined["cloudflare"]["id"] == plain["cloudflare"]["id"]


async def test_who_proved_the_name_adds_its_wildcard_without_another_proof(
    service: Service,
) -> None:
    await leave_behind(service)
    plain = await service.create(BASE, "other", plan="zero_downtime")
    await put_txt(service, claim_of(plain))
    await service.follow(plain["id"], "validating")
    wildcard = await service.create(WILDCARD, "other")
    assert wildcard["reason"] != "proof_awaited"
