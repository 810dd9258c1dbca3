"""The fleet's baselines are reckoned, not run: here the emulator itself confirms them."""

from __future__ import annotations

import httpx
import pytest

from benchmarks.fleet.baselines import Need, active_alone_at, naive_calls
from benchmarks.fleet.population import DAY, LATEST, Trouble, draw
from sandbox import constants
from sandbox.account import AccountSettings
from sandbox.dns_zone import RRset
from sandbox.front import front
from sandbox.identifiers import Waits
from sandbox.simulation import BASE_URL, simulated

BEGINS_AT = 1_800_000_000.0
SEED = 3
STEP = 5.0
HTTP = {"method": "http", "type": "dv"}


@pytest.mark.parametrize("late", [0.0, 33.0, 600.0, 5000.0, 40_000.0])
async def test_cloudflare_alone_is_as_late_as_is_reckoned(late: float) -> None:
    name = f"late-{late:.0f}.acme.com"
    with simulated(begins_at=BEGINS_AT, seed=SEED) as sandbox:
        sandbox.account.set(AccountSettings(authorities=["google"]))
        transport = httpx.ASGITransport(app=front(sandbox))
        headers = {"authorization": f"Bearer {constants.TOKEN}"}
        async with httpx.AsyncClient(
            transport=transport, base_url=BASE_URL, headers=headers
        ) as api:
            path = f"/zones/{constants.ZONE_ID}/custom_hostnames"
            await api.post(path, json={"hostname": name, "ssl": HTTP})
        await sandbox.advance(0)
        while sandbox.clock.wall() < BEGINS_AT + late:
            await sandbox.advance(min(STEP, BEGINS_AT + late - sandbox.clock.wall()))
        target = f"{constants.CNAME_TARGET}."
        sandbox.tenant_records.put(RRset(name, "CNAME", (target,)))
        hostname = sandbox.hostnames.named(name)
        assert hostname is not None
        assert hostname.ssl is not None
        while hostname.status != "active" or hostname.ssl.issued is None:
            await sandbox.advance(STEP)
        seen_at = sandbox.clock.wall()
    # At the very moment of the POST the first look has not seen the record yet.
    ready_at = BEGINS_AT + max(late, 0.001)
    reckoned = active_alone_at(Need(name, BEGINS_AT, ready_at, ready_at), Waits(SEED))
    assert reckoned is not None
    assert seen_at - STEP <= reckoned <= seen_at + 0.01


def test_a_name_nobody_proves_is_given_up() -> None:
    never = Need("never.acme.com", 0.0, 30 * DAY, 30 * DAY)
    assert active_alone_at(never, Waits(SEED)) is None


def test_the_naive_way_asks_each_minute_until_it_sees_active() -> None:
    assert naive_calls(0.0, 0.0) == 1
    assert naive_calls(0.0, 59.0) == 2
    assert naive_calls(0.0, 3601.0) == 62


def test_a_fleet_is_the_same_in_every_run_of_a_seed() -> None:
    fleet = draw(names=300, days=4, seed=1)
    assert draw(names=300, days=4, seed=1) == fleet
    assert draw(names=300, days=4, seed=2) != fleet
    assert {member.trouble for member in fleet} == set(Trouble)
    assert all(0 <= member.added_at < 4 * DAY for member in fleet)
    assert all(member.acts_after <= LATEST for member in fleet)
