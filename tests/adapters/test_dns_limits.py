"""What a process sends to name servers at most, and how it leaves dead ones alone."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import AsyncExitStack, suppress

import dns.name
import pytest
from dns.rdatatype import RdataType
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.dns.answer import CouldNotAsk, Server
from app.adapters.dns.limits import (
    DEAD_SECONDS,
    LONGEST_WAIT,
    MOST_DEAD,
    NETWORK_RATE,
    SERVER_AT_ONCE,
    SERVER_RATE,
    STRIKES,
    TENANT_WAITING,
    Pace,
    ServerLimits,
)
from app.adapters.dns.query import CHECK, DIAGNOSIS, Budget, Questions
from tests.adapters.delegated_dns import LOOPBACK, Clock
from tests.adapters.scripted_dns import scripted_dns

ZONE = dns.name.from_text("shop.com")


def theirs(address: str, *, zone: str = "shop.com") -> Server:
    return Server(address, 53, dns.name.from_text(zone))


@given(
    st.sampled_from([SERVER_RATE, NETWORK_RATE]),
    st.lists(st.floats(0, 0.1, allow_nan=False), min_size=1, max_size=400),
)
def test_no_second_has_more_events_than_the_rate(rate: int, pauses: list[float]) -> None:
    clock = Clock()
    pace = Pace(rate, clock)
    events = []
    for pause in pauses:
        clock.now += pause
        wait = pace.delay("192.0.2.1")
        pace.take("192.0.2.1", wait)
        events.append(clock.now + wait)
    # A hair less than a second: sums of floating point numbers end a hair early.
    for first, later in zip(events, events[rate:], strict=False):
        assert later - first > 0.999


def test_some_questions_go_out_at_once_and_the_rest_in_step() -> None:
    pace = Pace(SERVER_RATE, Clock())
    waits = []
    for _ in range(20):
        waits.append(pace.delay("192.0.2.1"))
        pace.take("192.0.2.1", waits[-1])
    assert [round(wait, 3) for wait in waits[:12]] == [0.0] * 10 + [0.025, 0.05]
    assert pace.delay("192.0.2.2") == 0


def test_what_is_counted_is_forgotten_once_it_no_longer_matters() -> None:
    clock = Clock()
    pace = Pace(SERVER_RATE, clock)
    for number in range(100_000):
        clock.now += 0.001
        pace.take(str(number), 0.0)
    assert len(pace) <= 1025


@pytest.mark.parametrize(
    ("addresses", "taken"),
    [
        (["192.0.2.1"], 50),
        (["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"], 100),
        (["192.0.2.1", "198.51.100.1", "203.0.113.1"], 150),
        (["2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:2::1"], 100),
        (["2001:db8::1", "2001:db8:1::1"], 100),
    ],
    ids=["server", "24", "apart", "48", "48_apart"],
)
def test_servers_and_networks_have_a_rate(addresses: list[str], taken: int) -> None:
    limits = ServerLimits(clock=Clock())
    waits = []
    for _ in range(200):
        for address in addresses:
            with suppress(CouldNotAsk):
                waits.append(limits.reserve(address))
    assert max(waits) <= LONGEST_WAIT
    within_a_second = sum(wait < 1 for wait in waits)
    assert taken * 0.9 <= within_a_second <= taken


async def test_the_operators_own_servers_have_no_rate() -> None:
    limits = ServerLimits([ipaddress.ip_network("192.0.2.0/24")], clock=Clock())
    for server in (Server("203.0.113.53"), theirs("192.0.2.1")):
        for _ in range(300):
            async with limits.turn(server):
                pass


async def test_one_server_holds_few_places_and_leaves_the_rest_to_others() -> None:
    limits = ServerLimits()
    async with AsyncExitStack() as stack:
        for _ in range(SERVER_AT_ONCE):
            await stack.enter_async_context(limits.turn(theirs("192.0.2.1")))
        with pytest.raises(CouldNotAsk, match="busy"):
            await stack.enter_async_context(limits.turn(theirs("192.0.2.1")))
        async with limits.turn(theirs("192.0.2.2")):
            pass
    async with limits.turn(theirs("192.0.2.1")):
        pass
    assert not limits._under_way


async def test_a_tenant_of_very_many_names_leaves_the_rate_of_a_server_to_others() -> None:
    # The clock stands still: nothing but the number of questions makes anybody wait.
    limits, server, gone_out = ServerLimits(clock=Clock()), theirs("192.0.2.1"), list[str]()

    async def ask(tenant: str | None) -> None:
        async with limits.turn(server, tenant):
            gone_out.append(tenant or "nobody's")

    at_once = round(SERVER_RATE * 0.2)
    many = [asyncio.create_task(ask("big")) for _ in range(60)]
    await asyncio.sleep(0)
    refused = [task for task in many if task.done() and task.exception() is not None]
    assert len(refused) == 60 - at_once - TENANT_WAITING
    assert {str(task.exception()) for task in refused} == {"busy"}
    await asyncio.gather(*(ask(tenant) for tenant in ("small", "other", None)))
    await asyncio.gather(*(task for task in many if task not in refused))
    assert sorted(set(gone_out)) == ["big", "nobody's", "other", "small"]
    assert gone_out.count("big") == at_once + TENANT_WAITING
    assert not limits._waiting


async def test_places_are_bounded_and_one_that_does_not_come_free_is_given_up() -> None:
    limits = ServerLimits(LOOPBACK, at_once=2)
    async with limits.turn(theirs("127.0.0.2")), limits.turn(theirs("127.0.0.3")):
        with pytest.raises(CouldNotAsk, match="busy"):
            async with limits.turn(theirs("127.0.0.4")):
                pass
    assert LONGEST_WAIT <= 1
    async with limits.turn(theirs("127.0.0.4")):
        pass


def test_three_time_outs_in_a_row_make_a_server_dead_for_a_minute() -> None:
    clock = Clock()
    limits, server = ServerLimits(clock=clock), theirs("192.0.2.1")
    for _ in range(STRIKES):
        limits.refuse_dead(server)
        limits.timed_out(server, "www.shop.com")
    with pytest.raises(CouldNotAsk, match="timeout"):
        limits.refuse_dead(server)
    clock.now = DEAD_SECONDS
    # One probe, and no second one beside it.
    limits.refuse_dead(server)
    with pytest.raises(CouldNotAsk, match="timeout"):
        limits.refuse_dead(server)
    limits.timed_out(server, "www.shop.com")
    clock.now = 2 * DEAD_SECONDS - 1
    with pytest.raises(CouldNotAsk, match="timeout"):
        limits.refuse_dead(server)
    clock.now = 2 * DEAD_SECONDS
    limits.refuse_dead(server)
    limits.answered(server)
    limits.refuse_dead(server)
    limits.refuse_dead(server)


def test_an_answer_between_time_outs_clears_them() -> None:
    limits, server = ServerLimits(), theirs("192.0.2.1")
    for _ in range(3):
        limits.timed_out(server, "www.shop.com")
        limits.timed_out(server, "www.shop.com")
        limits.answered(server)
    limits.refuse_dead(server)


def test_a_server_is_dead_for_one_zone_alone() -> None:
    limits = ServerLimits()
    for _ in range(STRIKES):
        limits.timed_out(theirs("192.0.2.1"), "www.shop.com")
    limits.refuse_dead(theirs("192.0.2.1", zone="other.com"))


def test_a_resolver_is_dead_only_if_it_is_silent_about_several_names() -> None:
    limits, resolver = ServerLimits(), Server("192.0.2.1")
    for _ in range(10):
        limits.timed_out(resolver, "www.shop.com")
    limits.refuse_dead(resolver)
    for name in ("a.com", "b.com"):
        limits.timed_out(resolver, name)
    with pytest.raises(CouldNotAsk, match="timeout"):
        limits.refuse_dead(resolver)


def test_the_memory_of_silent_servers_is_bounded() -> None:
    limits = ServerLimits()
    for number in range(MOST_DEAD + 10):
        limits.timed_out(theirs(str(ipaddress.ip_address(number))), "www.shop.com")
    assert len(limits._silent) == MOST_DEAD


async def test_no_packet_goes_to_a_dead_server() -> None:
    async with scripted_dns(zones=("shop.com",), faults={"*": "silence"}) as dead:
        limits, server = ServerLimits(LOOPBACK), dead.authoritative_for("shop.com")
        for _ in range(5):
            with pytest.raises(CouldNotAsk, match="timeout"):
                await Questions(wait=0.1, limits=limits).ask(server, "www.shop.com", RdataType.A)
    assert len(dead.asked) == STRIKES


async def test_a_silent_server_does_not_hold_up_the_others() -> None:
    async with (
        scripted_dns(zones=("shop.com",), faults={"*": "silence"}) as silent,
        scripted_dns("www.fine.com A 192.0.2.1", zones=("fine.com",)) as fine,
    ):
        limits = ServerLimits(LOOPBACK)
        waiting = [
            asyncio.create_task(
                Questions(wait=60.0, limits=limits).ask(
                    silent.authoritative_for("shop.com"), f"{number}.shop.com", RdataType.A
                )
            )
            for number in range(100)
        ]
        await asyncio.sleep(0)
        for _ in range(20):
            answer = await Questions(wait=60.0, limits=limits).ask(
                fine.authoritative_for("fine.com"), "www.fine.com", RdataType.A
            )
            assert answer.values == ("192.0.2.1",)
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("budget", [CHECK, DIAGNOSIS, Budget(packets=3, seconds=60.0)])
async def test_a_budget_bounds_packets(budget: Budget) -> None:
    async with scripted_dns() as resolver:
        questions = Questions(wait=5.0, budget=budget)
        for number in range(budget.packets):
            await questions.ask(resolver.server, f"{number}.com", RdataType.A)
        assert questions.exhausted
        with pytest.raises(CouldNotAsk, match="too_many_questions"):
            await questions.ask(resolver.server, "one-more.com", RdataType.A)
    assert len(resolver.asked) == budget.packets


async def test_a_budget_bounds_time() -> None:
    clock = Clock()
    async with scripted_dns() as resolver:
        questions = Questions(clock=clock, budget=DIAGNOSIS)
        clock.now = DIAGNOSIS.seconds + 1
        with pytest.raises(CouldNotAsk, match="timeout"):
            await questions.ask(resolver.server, "www.shop.com", RdataType.A)
    assert questions.exhausted
    assert resolver.asked == []


def test_budgets_are_those_of_a_check_and_of_a_diagnosis() -> None:
    assert Budget(packets=40, seconds=10.0) == CHECK
    assert Budget(packets=120, seconds=20.0) == DIAGNOSIS
