"""What concerns the whole zone stops work on it, and no tenant hears of a loss that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.domain.custom_hostname import Schedule, State
from app.domain.reason import Reason
from app.persistence.ids import Prefix, new_id
from tests.support import Service
from tests.support.rows import now_of, present_zone, put_hostname

from .seeded import seeded_zone

COUNT = 25
LOSSES = ("cname_lost", "failed")
TARGET = "customers.nameplate-demo.net"


async def resume(service: Service, **how: Any) -> None:
    response = await service.http.post("/v1/zones/default/resume", json=how or None)
    assert response.status_code == 200, response.text
    assert response.json()["paused"] is None


async def test_cloudflare_that_finds_nothing_pauses_the_zone_and_no_tenant_hears_of_it(
    service: Service,
) -> None:
    await service.live_fleet(COUNT)
    await service.world.control("PUT", "/cloudflare/faults", rate=1, kinds=["not_found"], seed=1)
    zone = await service.until_paused("hostnames_missing")
    assert str(COUNT) in zone["paused"]["detail"]
    await service.advance(hours=2)
    assert await service.emitted(*LOSSES) == []
    await service.world.control("PUT", "/cloudflare/faults", rate=0, kinds=[], seed=1)
    await resume(service)
    await service.scan_lists()
    assert (await service.zone())["paused"] is None
    assert await service.emitted(*LOSSES) == []


async def test_a_cname_target_that_is_gone_pauses_the_zone_and_no_tenant_hears_of_it(
    service: Service,
) -> None:
    await service.world.add_webhook()
    (hostname, *_) = await service.live_fleet(3)
    # So soon after a person's refresh Cloudflare would be believed at once.
    await service.let_pass(minutes=2)
    await service.remove_provider_record(TARGET)
    await service.until_paused("cname_target_missing")
    await service.advance(hours=3)
    assert await service.emitted(*LOSSES) == []
    shown = await service.get(hostname["id"])
    assert (shown["state"], shown["serving"]) == ("cname_verified", True)
    await service.eventually(lambda: service.received("zone.paused"))


async def test_the_pause_of_a_missing_target_ends_once_it_is_back(service: Service) -> None:
    (hostname,) = await service.live_fleet(1)
    # So soon after a person's refresh Cloudflare would be believed at once.
    await service.let_pass(minutes=2)
    await service.remove_provider_record(TARGET)
    await service.until_paused("cname_target_missing")
    answer = await service.http.post("/v1/zones/default/setup", json={})
    assert answer.status_code == 200, answer.text
    await service.set_statuses(hostname, status="active")

    async def is_open() -> bool:
        await service.let_pass(seconds=31)
        return (await service.zone())["paused"] is None

    await service.eventually(is_open)
    assert (await service.get(hostname["id"]))["state"] == "cname_verified"
    assert await service.emitted(*LOSSES) == []


async def test_a_target_that_is_missing_for_a_minute_pauses_nothing(service: Service) -> None:
    (hostname,) = await service.live_fleet(1)
    # So soon after a person's refresh Cloudflare would be believed at once.
    await service.let_pass(minutes=2)
    await service.remove_provider_record(TARGET)
    for _ in range(4):
        await service.let_pass(seconds=31)
    await service.http.post("/v1/zones/default/setup", json={})
    await service.set_statuses(hostname, status="active")
    for _ in range(8):
        await service.let_pass(seconds=31)
    assert (await service.zone())["paused"] is None
    assert await service.emitted(*LOSSES) == []


@pytest.mark.parametrize(
    ("broken", "reason"),
    [({"token": "revoked"}, "token_refused"), ({"zone": "gone"}, "zone_unknown")],
)
async def test_a_token_that_is_refused_pauses_the_zone_and_lifts_itself(
    service: Service, broken: dict[str, str], reason: str
) -> None:
    (hostname,) = await service.live_fleet(1)
    # A list's page could pause the zone before the creation hears why.
    await service.hold_list_scans()
    await service.world.control("PUT", "/cloudflare/account", **broken)
    pending = await service.create("shop.early-bird.com")
    assert (pending["state"], pending["waiting_on"]) == ("pending", "operator")
    zone = await service.until_paused(reason)
    assert zone["paused"]["retry_at"] is not None
    calls = await service.calls_once_settled()
    await service.advance(minutes=4)
    assert (await service.calls())["total"] == calls
    await service.world.control("PUT", "/cloudflare/account", token="active", zone="present")

    async def is_open() -> bool:
        await service.let_pass(minutes=2)
        return (await service.zone())["paused"] is None

    await service.eventually(is_open)
    await service.advance(hours=1)
    await service.follow(pending["id"], "validating")
    assert (await service.get(hostname["id"]))["state"] == "cname_verified"
    assert await service.emitted(*LOSSES) == []


async def moved_fleet(service: Service) -> list[dict[str, Any]]:
    """Have so many live names that Cloudflare calls moved that their zone is paused."""
    fleet = await service.live_fleet(COUNT)
    # Checked one by one, the first is looked at again before the zone's pause.
    await service.until_lists_alone_look()
    for hostname in fleet:
        await service.set_statuses(hostname, status="moved")
    # In one step: a minute later the first of them would be looked at again, and told.
    await service.scan_lists()
    await service.until_paused("cloudflare_mismatch")
    return fleet


async def test_many_names_that_move_at_once_pause_the_zone_until_an_operator_accepts_it(
    service: Service,
) -> None:
    await moved_fleet(service)
    assert await service.emitted(*LOSSES) == []
    again = await service.http.post("/v1/zones/default/pause", json={"detail": "again"})
    assert (again.status_code, again.json()["code"]) == (409, "zone_paused")
    await resume(service, accept_regressions=True)

    async def all_told() -> bool:
        await service.let_pass(minutes=5)
        return len(await service.emitted("cname_lost")) == COUNT

    await service.eventually(all_told)


async def test_names_that_moved_and_are_well_again_when_their_zone_goes_on_are_not_told_lost(
    service: Service,
) -> None:
    fleet = await moved_fleet(service)
    for hostname in fleet:
        await service.set_statuses(hostname, status="active")
    await resume(service)
    # DNS is heard first of most.
    await service.sql.execute("UPDATE schedules SET dns_due_at = nameplate_now()")
    for _ in range(8):
        await service.let_pass(minutes=1)
    assert (await service.zone())["paused"] is None
    assert await service.emitted(*LOSSES) == []


async def test_many_names_that_lead_elsewhere_at_once_pause_the_zone(service: Service) -> None:
    fleet = await service.live_fleet(COUNT)
    # Cloudflare sees the same, and would speak first: it is not to be heard.
    await service.world.control("PUT", "/cloudflare/faults", rate=1, kinds=[500], seed=1)
    for hostname in fleet:
        await service.world.control(
            "PUT",
            "/dns/records",
            name=hostname["hostname"],
            type="CNAME",
            values=["elsewhere.other-host.com"],
            ttl=60,
        )
        await service.remove_dns(hostname["hostname"])
    await service.sql.execute("UPDATE schedules SET dns_due_at = nameplate_now()")
    await service.until_paused("dns_mismatch")
    await service.advance(hours=1)
    assert await service.emitted(*LOSSES) == []


async def test_an_operator_pauses_a_zone_and_creations_wait_until_it_goes_on(
    service: Service,
) -> None:
    paused = await service.http.post("/v1/zones/default/pause", json={"detail": "an incident"})
    assert paused.json()["paused"]["reason"] == "operator"
    calls = await service.calls_once_settled()
    hostname = await service.create("shop.slow-snail.com")
    assert (hostname["state"], hostname["reason"]) == ("pending", "zone_paused")
    await service.advance(hours=1)
    assert (await service.calls())["total"] == calls
    await resume(service)
    # Somebody waits: it is not spread over a while with all that fell due.
    await service.until_state(hostname["id"], "validating")


async def test_a_creation_that_a_pause_overtakes_waits_for_the_zone_and_says_so(
    database_url: str, tmp_path: Path
) -> None:
    async with seeded_zone(database_url, tmp_path) as zone, zone.worker() as worker:
        services = worker.services
        record = await put_hostname(
            services.database,
            await present_zone(services.database),
            new_id(Prefix.CUSTOM_HOSTNAME),
            "shop.overtaken.com",
            Schedule(cloudflare_due_at=await now_of(services.database)),
        )
        (claim,) = await services.dispatcher.due(10)
        await services.pauses.pause_by_operator("default", detail=None)
        await services.reconciler.reconcile(claim)
        shown = await services.custom_hostnames.get(record.id)
        assert (shown.state, shown.reason) == (State.PENDING, Reason.ZONE_PAUSED)
        await services.pauses.resume("default")
        await worker.look()
        shown = await services.custom_hostnames.get(record.id)
        assert shown.state is State.VALIDATING


async def test_a_name_wished_gone_in_a_paused_zone_leaves_at_once_and_is_removed_when_it_goes_on(
    service: Service,
) -> None:
    (hostname,) = await service.live_fleet(1)
    await service.http.post("/v1/zones/default/pause")
    calls = await service.calls_once_settled()
    removed = await service.http.delete(f"/v1/custom-hostnames/{hostname['id']}")
    assert removed.status_code == 202
    assert (removed.json()["state"], removed.json()["reason"]) == ("deleting", "removal_requested")
    assert len(await service.emitted("deleting")) == 1
    assert (await service.calls())["total"] == calls
    await resume(service)

    async def is_gone() -> bool:
        await service.let_pass(seconds=5)
        return bool((await service.get(hostname["id"]))["state"] == "deleted")

    await service.eventually(is_gone)


async def test_a_name_that_never_was_at_cloudflare_is_deleted_though_its_zone_is_paused(
    service: Service,
) -> None:
    await service.http.post("/v1/zones/default/pause")
    hostname = await service.create("shop.second-thoughts.com")
    removed = await service.http.delete(f"/v1/custom-hostnames/{hostname['id']}")
    assert (removed.status_code, removed.json()["state"]) == (202, "deleted")
