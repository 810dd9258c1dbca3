import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from sandbox import constants
from sandbox.clock import Clock
from sandbox.dns_zone import Fault, RRset
from sandbox.faults import Faults
from sandbox.front import front
from sandbox.lookup import Lookup, LookupFailedError, in_process, over_sockets
from sandbox.simulation import BASE_URL, simulated
from sandbox.state import Sandbox

from .driver import DV_HTTP, DV_TXT, TARGET, Driver

BEGINS_AT = 1_800_000_000.0
Moment = tuple[float, float, list[dict[str, Any]]]
HOSTNAMES = f"/zones/{constants.ZONE_ID}/custom_hostnames"


@asynccontextmanager
async def simulation(seed: int = 0) -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient]]:
    with simulated(begins_at=BEGINS_AT, seed=seed) as sandbox:
        transport = httpx.ASGITransport(app=front(sandbox))
        headers = {"authorization": f"Bearer {constants.TOKEN}"}
        async with httpx.AsyncClient(
            transport=transport, base_url=BASE_URL, headers=headers
        ) as api:
            yield sandbox, api


async def history(seed: int) -> list[Moment]:
    """Live through a day; return what was seen, and when."""
    seen = list[Moment]()
    async with simulation(seed) as (sandbox, api):
        for number in range(10):
            body = {"hostname": f"n{number}.acme.com", "ssl": DV_TXT if number % 2 else DV_HTTP}
            await api.post(HOSTNAMES, json=body)
        for step in range(200):
            if step == 40:
                sandbox.tenant_records.put(RRset("*.acme.com", "CNAME", (f"{TARGET}.",)))
            await sandbox.advance(15)
            answer = (await api.get(HOSTNAMES)).json()
            seen.append((sandbox.clock.wall(), sandbox.clock.schedule(), answer["result"]))
    return seen


async def test_a_simulation_is_the_same_in_every_run_of_a_seed() -> None:
    first = await history(seed=7)
    assert await history(seed=7) == first
    assert await history(seed=8) != first
    wall, schedule, rows = first[-1]
    assert (wall, schedule) == (BEGINS_AT + 3000, 3000)
    statuses = [(row["status"], row["ssl"]["status"]) for row in rows]
    assert statuses == [("active", "active")] * 10


async def test_an_advance_in_which_nothing_is_due_costs_next_to_nothing() -> None:
    async with simulation() as (sandbox, api):
        for number in range(15):
            await api.post(HOSTNAMES, json={"hostname": f"n{number}.acme.com", "ssl": DV_HTTP})
        await sandbox.advance(30 * 86_400)
        began = time.process_time()
        for _ in range(1000):
            await sandbox.advance(0.01)
        assert (time.process_time() - began) / 1000 < 0.0003


async def test_the_public_view_of_names_is_read_without_sockets() -> None:
    async with simulation() as (sandbox, _):
        sandbox.tenant_records.put(RRset("shop.acme.com", "CNAME", (f"{TARGET}.",)))
        alias = sandbox.world.rrset("shop.acme.com", "CNAME")
        assert alias is not None
        assert alias.values == (f"{TARGET}.",)
        addresses = sandbox.world.rrset(TARGET, "A")
        assert addresses is not None
        assert addresses.values == constants.PROVIDER_ADDRESSES


@pytest.mark.parametrize(
    ("kind", "error"), [("timeout", httpx.ReadTimeout), ("reset", httpx.ReadError)]
)
async def test_faults_of_connections_are_the_clients_own_errors(
    kind: Any, error: type[httpx.TransportError]
) -> None:
    async with simulation() as (sandbox, api):
        sandbox.faults.set(Faults(rate=1, kinds=[kind]))
        with pytest.raises(error):
            await api.get("/zones")


async def test_a_reset_returns_to_the_first_moment() -> None:
    async with simulation() as (sandbox, api):
        await api.post(HOSTNAMES, json={"hostname": "shop.acme.com", "ssl": DV_HTTP})
        await sandbox.advance(5000)
        await sandbox.reset()
        assert (sandbox.clock.wall(), sandbox.clock.schedule()) == (BEGINS_AT, 0)
        assert (await api.get(HOSTNAMES)).json()["result"] == []


async def look(lookup: Lookup, name: str, rrtype: str) -> object:
    try:
        found = await lookup.ask(name, rrtype)
    except LookupFailedError:
        return "failed"
    return found.names, sorted(found.texts)  # servers shuffle


async def test_looks_without_sockets_see_what_looks_over_sockets_see(sandbox: Driver) -> None:
    address, port = sandbox.running.dns.split(":")
    faults: dict[str, Fault] = {"bad.acme.com": "servfail", "no.acme.com": "refused"}
    records = {
        ("shop.acme.com", "CNAME"): ("www.acme.com.",),
        ("www.acme.com", "CNAME"): (f"{TARGET}.",),
        ("*.wild.acme.com", "TXT"): ('"one"', '"two"'),
        ("long.acme.com", "TXT"): tuple(f'"{number:0200}"' for number in range(20)),
        ("acme.com", "CAA"): ('0 issue "pki.goog"',),
        ("loop.acme.com", "CNAME"): ("loop.acme.com.",),
    }
    for (name, rrtype), values in records.items():
        await sandbox.put(name, rrtype, *values)
    for name, fault in faults.items():
        await sandbox.order("PUT", "/control/dns/faults", {"name": name, "fault": fault})
    with simulated(begins_at=BEGINS_AT) as other:
        for (name, rrtype), values in records.items():
            other.tenant_records.put(RRset(name, rrtype, values, 60))
        for name, fault in faults.items():
            other.tenant_records.set_fault(name, fault)
        sockets = Lookup(over_sockets(address, int(port)), other.world)
        without = Lookup(in_process(other.world), other.world)
        names = {name.replace("*", "any") for name, _ in records} | set(faults)
        for name in (*names, "nothing.acme.com", "acme.org"):
            for rrtype in ("A", "TXT", "CAA", "CNAME"):
                seen = await look(without, name, rrtype)
                assert seen == await look(sockets, name, rrtype), (name, rrtype)


async def test_real_time_does_not_get_into_a_frozen_clock(sandbox: Driver) -> None:
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    frozen = await sandbox.order("PUT", "/control/clock", {"frozen": True, "speed": 1000})
    assert frozen["frozen"] is True
    hostname_id = (await sandbox.create("shop.acme.com"))["id"]
    await asyncio.sleep(0.05)
    later = await sandbox.order("GET", "/control/clock")
    assert later == frozen
    assert (await sandbox.get(hostname_id))["ssl"]["status"] == "initializing"
    await sandbox.advance(2)
    moved = await sandbox.order("GET", "/control/clock")
    assert moved["schedule_seconds"] == frozen["schedule_seconds"] + 2000
    assert (await sandbox.get(hostname_id))["ssl"]["status"] == "active"
    thawed = await sandbox.order("PUT", "/control/clock", {"frozen": False})
    assert thawed["frozen"] is False
    assert 0 <= thawed["schedule_seconds"] - moved["schedule_seconds"] < 1000
    await asyncio.sleep(0.01)
    assert (await sandbox.order("GET", "/control/clock"))["wall"] > thawed["wall"]


def test_freezing_twice_and_thawing_twice_is_once() -> None:
    clock = Clock.started_now(1)
    clock.freeze()
    stands = clock.wall()
    clock.freeze()
    assert clock.wall() == stands
    clock.thaw()
    clock.thaw()
    assert 0 <= clock.wall() - stands < 1
