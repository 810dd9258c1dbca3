"""New hostnames that are proved whoever had them: all, or those that point here already."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from app.domain.custom_hostname import CustomHostname, ProofOfControl
from app.domain.hostname import Hostname
from app.domain.observation import DnsView, Values
from app.domain.proof import Demand, ProofRule
from app.domain.zone import Destinations, Zone
from app.persistence.database import Database
from app.persistence.zones import list_zones
from app.services.required_proof import RequiredProof
from tests.domain.builders import hostname_record
from tests.support import Service
from tests.support.rows import present_zone, put_zone
from tests.worker.processes import running_processes

NAME = "shop.careful.com"
CHALLENGE = f"_nameplate-challenge.{NAME}"
PATH = "/v1/custom-hostnames"
REQUIRED = {"NAMEPLATE_REQUIRE_PROOF": "on"}
OFF, TENANT_KEYS, ON = ProofRule.OFF, ProofRule.TENANT_KEYS, ProofRule.ON


@dataclass
class Elsewhere:
    """A DNS that knows which names certainly lead elsewhere, and what it was asked."""

    names: frozenset[str]
    asked: list[str] = field(default_factory=list)
    ours: Destinations | None = None

    async def leads_elsewhere(
        self,
        hostname: Hostname,
        *,
        ours: Destinations,
        tenant: str,  # noqa: ARG002
        proxy_prefixes: object,  # noqa: ARG002
        within: float,  # noqa: ARG002
    ) -> bool:
        self.asked.append(hostname.name)
        self.ours = ours
        return hostname.name in self.names

    async def check(
        self, record: CustomHostname, *, thorough: bool, proxy_prefixes: object
    ) -> DnsView:
        raise NotImplementedError("a proof asks where the name points alone")

    async def addresses(self, name: str) -> Values:
        raise NotImplementedError("a proof asks where the name points alone")

    async def name_servers(self, domain: str) -> Values:
        raise NotImplementedError("a proof asks where the name points alone")


async def no_prefixes(_zone: Zone) -> tuple[str, ...]:
    return ()


NONE, UNLESS_BASE_IS_HELD, ALWAYS = Demand.NONE, Demand.UNLESS_BASE_IS_HELD, Demand.ALWAYS
WILDCARD = f"*.{NAME}"


@pytest.mark.parametrize(
    ("rule", "by_tenant", "name", "elsewhere", "expected", "asked"),
    [
        (OFF, True, NAME, (), NONE, []),
        (ON, True, NAME, (NAME,), ALWAYS, []),
        (ON, False, NAME, (NAME,), ALWAYS, []),
        (TENANT_KEYS, False, NAME, (), NONE, []),
        (TENANT_KEYS, True, NAME, (), ALWAYS, [NAME]),
        (TENANT_KEYS, True, NAME, (NAME,), NONE, [NAME]),
        (TENANT_KEYS, True, WILDCARD, (NAME, WILDCARD), NONE, [WILDCARD, NAME]),
        (TENANT_KEYS, True, WILDCARD, (NAME,), ALWAYS, [WILDCARD, NAME]),
        (TENANT_KEYS, True, WILDCARD, (WILDCARD,), UNLESS_BASE_IS_HELD, [WILDCARD, NAME]),
    ],
)
async def test_whether_a_new_name_is_proved_depends_on_the_rule_the_key_and_dns(
    rule: ProofRule,
    by_tenant: bool,  # noqa: FBT001
    name: str,
    elsewhere: tuple[str, ...],
    expected: Demand,
    asked: list[str],
    database: Database,
) -> None:
    dns, zone = Elsewhere(frozenset(elsewhere)), await present_zone(database)
    rules = RequiredProof(database, dns, no_prefixes, rule)
    found = await rules.of_new(Hostname(name), zone, "one", by_tenant=by_tenant)
    assert (found, dns.asked) == (expected, asked)


async def test_without_the_cname_target_no_answer_about_a_name_counts(database: Database) -> None:
    rules = RequiredProof(database, Elsewhere(frozenset({NAME})), no_prefixes, TENANT_KEYS)
    zone = replace(await present_zone(database), target_dns_status="missing")
    assert await rules.of_new(Hostname(NAME), zone, "one", by_tenant=True) is ALWAYS


async def test_traffic_arrives_here_by_every_zone_of_the_provider(database: Database) -> None:
    await put_zone(database, "1" * 32, "clients.provider.org")
    dns, zone = Elsewhere(frozenset({NAME})), await present_zone(database)
    rules = RequiredProof(database, dns, no_prefixes, TENANT_KEYS)
    await rules.of_new(Hostname(NAME), zone, "one", by_tenant=True)
    assert dns.ours is not None
    async with database.transaction() as tx:
        zones = await list_zones(tx)
    assert len(zones) > 1
    names = {name for each in zones for name in (each.cname_target, each.fallback_origin)}
    assert names <= set(dns.ours.names)
    assert dns.ours.targets == (zone.cname_target, *zone.accepted_targets)


@pytest.mark.parametrize(
    ("rule", "released", "waits", "by_tenant", "expected"),
    [
        (OFF, True, True, True, NONE),
        (TENANT_KEYS, True, True, True, ALWAYS),
        # Its proof is not left out because somebody else asks.
        (TENANT_KEYS, True, True, False, ALWAYS),
        (TENANT_KEYS, True, False, True, ALWAYS),
        (TENANT_KEYS, True, False, False, NONE),
        (ON, True, False, False, ALWAYS),
    ],
)
async def test_whether_a_known_name_is_proved_depends_on_what_it_waits_for_too(
    rule: ProofRule,
    released: bool,  # noqa: FBT001
    waits: bool,  # noqa: FBT001
    by_tenant: bool,  # noqa: FBT001
    expected: Demand,
    database: Database,
) -> None:
    record = hostname_record()
    record = replace(
        record,
        proof=ProofOfControl(token="a token") if waits else None,
        name_released_at=record.created_at if released else None,
    )
    rules = RequiredProof(database, Elsewhere(frozenset()), no_prefixes, rule)
    zone = await present_zone(database)
    assert await rules.of_known(record, zone, by_tenant=by_tenant) is expected


async def own_key(service: Service, tenant: str = "one") -> dict[str, str]:
    """Give the header with a key that is bound to the tenant."""
    wanted = {"name": "the tenant's", "scope": "write", "tenant": tenant}
    made = await service.http.post("/v1/api-keys", json=wanted)
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['secret']}"}


async def add(
    service: Service, key: dict[str, str], status: int = 201, **body: Any
) -> dict[str, Any]:
    response = await service.http.post(PATH, json={"hostname": NAME, **body}, headers=key)
    assert response.status_code == status, response.text
    return dict(response.json())


async def put_dns(service: Service, rdtype: str, *values: str) -> None:
    await service.world.control(
        "PUT", "/dns/records", name=NAME, type=rdtype, values=list(values), ttl=60
    )


async def point_here(service: Service) -> None:
    await put_dns(service, "CNAME", str((await service.zone())["cname_target"]))


async def is_proof_required(service: Service, **headers: str) -> bool:
    query = {"hostname": NAME, "tenant": "one"}
    response = await service.http.get("/v1/preflight", params=query, headers=headers)
    assert response.is_success, response.text
    return bool(response.json()["proof_required"])


async def test_a_tenants_own_key_proves_a_name_that_points_here_already(service: Service) -> None:
    key = await own_key(service)
    await point_here(service)
    assert (await is_proof_required(service, **key), await is_proof_required(service)) == (
        True,
        False,
    )
    added = await add(service, key)
    claim = added["records"][0]
    assert (added["state"], added["reason"], claim["name"]) == (
        "pending",
        "proof_awaited",
        CHALLENGE,
    )
    # Asking again proves nothing.
    assert (await add(service, key, 200))["reason"] == "proof_awaited"
    path = f"{PATH}/{added['id']}"
    for again in (
        await service.http.post(f"{path}/refresh", headers=key),
        await service.http.patch(path, json={"plan": "delegated"}, headers=key),
        # Nor does it where the provider's own backend looks after the hostname.
        await service.http.post(f"{path}/refresh"),
        await service.http.patch(path, json={"labels": {"team": "blue"}}),
    ):
        assert (again.status_code, again.json()["reason"]) == (200, "proof_awaited")
    assert (await service.get(added["id"]))["cloudflare"]["id"] is None
    await put_txt(service, claim["value"])
    await service.advance(minutes=2)
    # Its CNAME stands already, so it may be live at once.
    await service.until(added["id"], lambda shown: bool(shown["cloudflare"]["id"]))


async def test_the_providers_key_adds_a_name_that_points_here_without_a_proof(
    service: Service,
) -> None:
    await point_here(service)
    key = await own_key(service)
    assert (await add(service, key))["reason"] == "proof_awaited"
    added = await add(service, {}, 200, tenant="one")
    assert added["reason"] != "proof_awaited"


async def test_a_wildcard_is_proved_where_its_base_points_here(service: Service) -> None:
    await point_here(service)
    key = await own_key(service)
    wildcard = await add(service, key, hostname=f"*.{NAME}")
    assert (wildcard["reason"], wildcard["records"][0]["name"]) == ("proof_awaited", CHALLENGE)
    # The owner of the base is not held up.
    assert (await service.create(NAME, "owner"))["reason"] != "proof_awaited"


async def test_both_names_of_one_request_are_proved_where_the_base_points_here(
    service: Service,
) -> None:
    await point_here(service)
    await add(service, await own_key(service), also=[f"*.{NAME}"], plan="delegated")
    listed = await service.http.get(PATH, params={"tenant": "one"})
    assert [each["reason"] for each in listed.json()["data"]] == ["proof_awaited"] * 2


async def test_who_has_the_base_adds_its_wildcard_without_a_proof(service: Service) -> None:
    key = await own_key(service)
    await add(service, key, plan="delegated")
    await point_here(service)
    wildcard = await add(service, key, hostname=f"*.{NAME}", plan="delegated")
    assert wildcard["reason"] != "proof_awaited"


async def test_a_name_that_was_released_is_not_taken_back_once_it_points_here(
    service: Service,
) -> None:
    key = await own_key(service)
    added = await add(service, key)
    await service.follow(added["id"], "validating")
    for _ in range(6):
        await service.let_pass(days=6)
    failed = await service.follow(added["id"], "failed")
    assert failed["name_released_at"] is not None
    await point_here(service)
    path = f"{PATH}/{added['id']}"
    for again in (
        await service.http.post(f"{path}/refresh", headers=key),
        await service.http.patch(path, json={"plan": "delegated"}, headers=key),
    ):
        assert (again.status_code, again.json()["code"]) == (409, "proof_required")
    # With the provider's own key it could be added anew, and is not refused either.
    assert (await service.http.post(f"{path}/refresh")).status_code == 200


async def test_a_name_that_led_elsewhere_goes_on_waiting_once_it_points_here_again(
    service: Service,
) -> None:
    key = await own_key(service)
    await point_here(service)
    added = await add(service, key)
    await service.world.control("DELETE", "/dns/records", name=NAME, type="CNAME")
    await put_dns(service, "A", "192.0.2.7")
    await service.advance(minutes=2)
    await service.until(added["id"], lambda shown: bool(shown["dns"]["points_at_target"] is False))
    await service.world.control("DELETE", "/dns/records", name=NAME, type="A")
    await point_here(service)
    assert (await add(service, key, 200))["reason"] == "proof_awaited"


async def test_a_tenants_own_key_adds_a_name_that_leads_nowhere_without_a_proof(
    service: Service,
) -> None:
    key = await own_key(service)
    assert not await is_proof_required(service, **key)
    assert (await add(service, key))["reason"] != "proof_awaited"


async def test_a_name_whose_dns_gave_no_answer_goes_on_once_it_leads_elsewhere(
    service: Service,
) -> None:
    key = await own_key(service)
    await service.world.control("PUT", "/dns/faults", name=NAME, fault="servfail")
    added = await add(service, key)
    assert added["reason"] == "proof_awaited"
    await put_dns(service, "A", "192.0.2.7")
    await service.world.control("PUT", "/dns/faults", name=NAME, fault="none")
    await service.advance(minutes=2)
    await service.until(added["id"], lambda shown: bool(shown["dns"]["points_at_target"] is False))
    refreshed = await service.http.post(f"{PATH}/{added['id']}/refresh", headers=key)
    assert refreshed.json()["reason"] != "proof_awaited"
    await service.follow(added["id"], "validating")


async def put_txt(service: Service, value: str) -> None:
    await service.world.control(
        "PUT", "/dns/records", name=CHALLENGE, type="TXT", values=[f'"{value}"'], ttl=60
    )


async def reason_of(service: Service, hostname: str, tenant: str) -> str:
    body = {"hostname": hostname, "tenant": tenant, "plan": "delegated"}
    response = await service.http.post("/v1/custom-hostnames", json=body)
    assert response.is_success, response.text
    return str(response.json()["reason"])


async def test_a_name_that_nobody_had_is_created_once_it_is_proved(
    database_url: str, tmp_path: Path
) -> None:
    async with running_processes(tmp_path, database_url) as (processes, service):
        await processes.start("api", **REQUIRED)
        await processes.start("worker", **REQUIRED)
        found = await service.http.get("/v1/preflight", params={"hostname": NAME, "tenant": "one"})
        assert found.json()["proof_required"] is True
        added = await service.create(NAME, "one", plan="delegated")
        claim = added["records"][0]
        assert (added["state"], added["reason"], claim["name"]) == (
            "pending",
            "proof_awaited",
            CHALLENGE,
        )
        # It holds nothing before, and neither a refresh nor the same request is a proof.
        assert await reason_of(service, NAME, "two") == "proof_awaited"
        assert await reason_of(service, NAME, "one") == "proof_awaited"
        refreshed = await service.refresh(added["id"])
        assert (refreshed["reason"], refreshed["cloudflare"]["id"]) == ("proof_awaited", None)
        await put_txt(service, claim["value"])
        await service.follow(added["id"], "validating")
        # One TXT record proves the wildcard of the same object too.
        assert await reason_of(service, f"*.{NAME}", "one") != "proof_awaited"


async def test_names_that_wait_go_on_when_the_proof_is_no_longer_required(
    database_url: str, tmp_path: Path
) -> None:
    async with running_processes(tmp_path, database_url) as (processes, service):
        api = await processes.start("api", **REQUIRED)
        await processes.start("worker")
        added = await service.create(NAME, "one")
        assert added["reason"] == "proof_awaited"
        await processes.end(api)
        await processes.start("api", NAMEPLATE_REQUIRE_PROOF="off")
        refreshed = await service.refresh(added["id"])
        assert refreshed["reason"] != "proof_awaited"
        await service.follow(added["id"], "validating")
