"""Where the provider requires it, every new hostname is proved before it is created."""

from __future__ import annotations

from pathlib import Path

from tests.support import Service
from tests.worker.processes import running_processes

NAME = "shop.careful.com"
CHALLENGE = f"_nameplate-challenge.{NAME}"
REQUIRED = {"NAMEPLATE_REQUIRE_PROOF": "on"}


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
        await processes.start("api")
        refreshed = await service.refresh(added["id"])
        assert refreshed["reason"] != "proof_awaited"
        await service.follow(added["id"], "validating")
