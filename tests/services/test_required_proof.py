"""New hostnames that are proved whoever had them: all, or those that point here already."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from app.domain.custom_hostname import CustomHostname, ProofOfControl, State, ZoneTargets
from app.domain.hostname import Hostname
from app.domain.observation import (
    DnsView,
    Found,
    Routing,
    RoutingKind,
    Unknown,
    Values,
)
from app.domain.proof import ProofRule
from app.domain.zone import Zone
from app.persistence.database import Database
from app.services.required_proof import RequiredProof
from tests.domain.builders import ELSEWHERE, HERE, NOWHERE, hostname_record
from tests.support import Service
from tests.support.rows import present_zone
from tests.worker.processes import running_processes

NAME = "shop.careful.com"
CHALLENGE = f"_nameplate-challenge.{NAME}"
PATH = "/v1/custom-hostnames"
REQUIRED = {"NAMEPLATE_REQUIRE_PROOF": "on"}
HIDDEN = Routing(RoutingKind.PROXIED, (), ("192.0.2.4",))
UNANSWERED = Unknown("timeout")
OFF, TENANT_KEYS, ON = ProofRule.OFF, ProofRule.TENANT_KEYS, ProofRule.ON


@dataclass
class OneRouting:
    """A DNS that knows where one name points, and counts the questions."""

    seen: Routing | Unknown
    hangs: bool = False
    asked: int = 0

    async def routing(
        self,
        hostname: Hostname,  # noqa: ARG002
        zone: ZoneTargets,  # noqa: ARG002
        *,
        tenant: str,  # noqa: ARG002
        proxy_prefixes: object,  # noqa: ARG002
    ) -> Found[Routing] | Unknown:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(3600)
        return self.seen if isinstance(self.seen, Unknown) else Found(self.seen)

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


@pytest.mark.parametrize(
    ("rule", "by_tenant", "seen", "expected", "asked"),
    [
        (OFF, True, HERE, False, 0),
        (ON, True, ELSEWHERE, True, 0),
        (ON, False, ELSEWHERE, True, 0),
        (TENANT_KEYS, False, HERE, False, 0),
        (TENANT_KEYS, True, HERE, True, 1),
        (TENANT_KEYS, True, HIDDEN, True, 1),
        (TENANT_KEYS, True, UNANSWERED, True, 1),
        (TENANT_KEYS, True, ELSEWHERE, False, 1),
        (TENANT_KEYS, True, NOWHERE, False, 1),
    ],
)
async def test_whether_a_new_name_is_proved_depends_on_the_rule_the_key_and_dns(
    rule: ProofRule,
    by_tenant: bool,  # noqa: FBT001
    seen: Routing | Unknown,
    expected: bool,  # noqa: FBT001
    asked: int,
    database: Database,
) -> None:
    dns, zone = OneRouting(seen), await present_zone(database)
    rules = RequiredProof(dns, no_prefixes, rule)
    assert await rules.of_new(Hostname(NAME), zone, "one", by_tenant=by_tenant) is expected
    assert dns.asked == asked


async def test_a_dns_that_hangs_keeps_no_request_waiting(database: Database) -> None:
    rules = RequiredProof(OneRouting(NOWHERE, hangs=True), no_prefixes, TENANT_KEYS, patience=0.05)
    zone = await present_zone(database)
    assert await rules.of_new(Hostname(NAME), zone, "one", by_tenant=True)


async def test_without_the_cname_target_no_answer_about_a_name_counts(database: Database) -> None:
    rules = RequiredProof(OneRouting(ELSEWHERE), no_prefixes, TENANT_KEYS)
    zone = replace(await present_zone(database), target_dns_status="missing")
    assert await rules.of_new(Hostname(NAME), zone, "one", by_tenant=True)


@pytest.mark.parametrize(
    ("rule", "by_tenant", "state", "routing", "expected"),
    [
        (OFF, True, State.PENDING, HERE, False),
        (ON, False, State.PENDING, ELSEWHERE, True),
        (TENANT_KEYS, False, State.PENDING, HERE, False),
        (TENANT_KEYS, True, State.PENDING, HERE, True),
        (TENANT_KEYS, True, State.PENDING, None, True),
        (TENANT_KEYS, True, State.PENDING, ELSEWHERE, False),
        # Its DNS is not checked any more, so what was seen last tells nothing.
        (TENANT_KEYS, True, State.FAILED, ELSEWHERE, True),
    ],
)
def test_whether_a_name_goes_on_waiting_depends_on_what_its_last_check_found(
    rule: ProofRule,
    by_tenant: bool,  # noqa: FBT001
    state: State,
    routing: Routing | None,
    expected: bool,  # noqa: FBT001
) -> None:
    record = hostname_record()
    record = replace(
        record,
        state=state,
        proof=ProofOfControl(token="a token"),
        dns=replace(record.dns, routing=routing),
    )
    rules = RequiredProof(OneRouting(NOWHERE), no_prefixes, rule)
    assert rules.of_waiting(record, by_tenant=by_tenant) is expected


async def own_key(service: Service, tenant: str = "one") -> dict[str, str]:
    """Give the header with a key that is bound to the tenant."""
    wanted = {"name": "the tenant's", "scope": "write", "tenant": tenant}
    made = await service.http.post("/v1/api-keys", json=wanted)
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['secret']}"}


async def add(service: Service, key: dict[str, str], status: int = 201) -> dict[str, Any]:
    response = await service.http.post(PATH, json={"hostname": NAME}, headers=key)
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
    added = await service.create(NAME, "one")
    assert added["reason"] != "proof_awaited"


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
