"""The walk from the root to a name's servers, over real packets."""

from __future__ import annotations

import asyncio
import ipaddress
import tracemalloc
from dataclasses import replace

import dns.name
import pytest
from dns.rdatatype import RdataType

from app.adapters.dns.answer import Server
from app.adapters.dns.authoritative import AuthoritativeServers, Zone, choose
from app.adapters.dns.checker import DnsChecker
from app.adapters.dns.limits import SERVER_RATE, TENANT_WAITING, ServerLimits
from app.adapters.dns.query import Questions
from app.adapters.dns.referrals import Referrals
from app.adapters.dns.root_servers import ROOT_SERVERS
from app.adapters.egress import is_public
from app.domain.observation import Found, Routing, RoutingKind, Unknown
from tests.adapters.delegated_dns import LOOPBACK, Clock, addresses_of, delegated, walker
from tests.adapters.hostnames import TARGET, a_record
from tests.adapters.scripted_dns import scripted_dns

POINTING = f"www.shop.com CNAME {TARGET}"
CNAME = Found(Routing(RoutingKind.CNAME, (TARGET,)))


def test_the_published_roots_are_thirteen_public_addresses_of_each_family() -> None:
    addresses = [ipaddress.ip_address(address) for address in ROOT_SERVERS]
    assert [address.version for address in addresses] == [4] * 13 + [6] * 13
    assert len(set(addresses)) == 26
    assert all(is_public(address) for address in addresses)


async def test_each_delegation_is_followed_down_to_the_name() -> None:
    tld = "shop.com NS ns.shop.com\nns.shop.com A 127.0.0.3"
    async with (
        scripted_dns("com NS a.gtld.net\na.gtld.net A 127.0.0.2", zones=("",)) as root,
        scripted_dns(tld, zones=("com",), address="127.0.0.2", port=root.port) as com,
        scripted_dns(POINTING, zones=("shop.com",), address="127.0.0.3", port=root.port) as shop,
    ):
        found = walker(root)
        servers = await found.of(Questions(wait=5.0), "www.shop.com")
        assert servers == (Server("127.0.0.3", root.port, dns.name.from_text("shop.com")),)
        assert servers[0].host == "ns.shop.com"
        assert await addresses_of(found, "mail.shop.com") == ["127.0.0.3"]
        assert await addresses_of(found, "other.com") == ["127.0.0.2"]
    assert root.names_asked("A") == ["www.shop.com"]
    assert com.names_asked("A") == ["www.shop.com", "other.com"]
    assert shop.names_asked("A") == ["www.shop.com", "mail.shop.com"]


async def test_no_question_on_the_way_down_asks_for_recursion() -> None:
    async with delegated(POINTING) as net:
        await addresses_of(net.authoritative)
    assert not any(asked.recursion_desired for asked in net.root.asked + net.servers[0].asked)


async def test_an_authoritative_answer_on_the_way_down_ends_the_walk() -> None:
    async with scripted_dns(POINTING, zones=("",)) as root:
        assert await addresses_of(walker(root)) == [root.address]
        view = await DnsChecker([], authoritative=walker(root)).check(a_record(), thorough=True)
    assert view.routing == CNAME


async def test_a_top_level_domain_that_does_not_exist_is_the_roots_word() -> None:
    async with scripted_dns("com NS a.gtld.net", zones=("",)) as root:
        (server,) = await walker(root).of(Questions(wait=5.0), "www.shop.nosuch")
        answer = await Questions(wait=5.0).ask(server, "www.shop.nosuch", RdataType.A)
    assert not answer.exists


@pytest.mark.parametrize("glue", ["ns.other.net A 127.0.0.8", ""])
async def test_a_host_outside_the_delegating_zone_is_resolved(glue: str) -> None:
    tld = f"shop.com NS ns.other.net\n{glue}"
    async with (
        scripted_dns("com NS a.gtld.net\na.gtld.net A 127.0.0.2", zones=("",)) as root,
        scripted_dns(tld, zones=("com",), address="127.0.0.2", port=root.port),
        scripted_dns(POINTING, zones=("shop.com",), address="127.0.0.3", port=root.port),
        scripted_dns("ns.other.net A 127.0.0.3") as resolver,
    ):
        assert await addresses_of(walker(root, resolver.server)) == ["127.0.0.3"]


async def test_without_a_resolver_such_a_host_is_found_by_walking() -> None:
    delegations = """
        shop.com NS ns.other.net
        other.net NS ns.third.org
        third.org NS ns.third.org
        ns.third.org A 127.0.0.2
    """
    hosts = "ns.other.net A 127.0.0.3\nns.third.org A 127.0.0.2"
    zones = ("other.net", "third.org")
    async with (
        scripted_dns(delegations, zones=("",)) as root,
        scripted_dns(hosts, zones=zones, address="127.0.0.2", port=root.port),
        scripted_dns(POINTING, zones=("shop.com",), address="127.0.0.3", port=root.port),
    ):
        assert await addresses_of(walker(root)) == ["127.0.0.3"]


@pytest.mark.parametrize(
    "delegations",
    [
        "shop.com NS ns.shop.com",
        "shop.com NS ns.other.net\nother.net NS ns.shop.com",
        "shop.com NS a.b.net\nb.net NS a.c.net\nc.net NS a.d.net\nd.net NS a.e.net",
    ],
    ids=["own", "circle", "deep"],
)
async def test_delegations_that_lead_nowhere_end(delegations: str) -> None:
    async with scripted_dns(delegations, zones=("",)) as root:
        assert await addresses_of(walker(root)) == []
    assert len(root.asked) < 10


async def test_a_referral_upwards_or_sideways_is_lame() -> None:
    async with delegated("") as net:
        for owner in ("shop.com", "com", "other.shop.com"):
            script = net.servers[0]
            script.zones, script.records = ("nowhere",), {(owner, "NS"): ["ns.evil.net."]}
            script.zones = ("",)
            found = net.authoritative
            servers = await found.of(Questions(wait=5.0), "www.shop.com")
            assert {server.zone for server in servers} == {dns.name.from_text("shop.com")}


@pytest.mark.parametrize(
    "inner",
    [
        "A 127.0.0.1",
        "A 10.0.0.53",
        "A 172.16.0.1",
        "A 192.168.1.1",
        "A 169.254.169.254",
        "A 100.64.0.1",
        "A 0.0.0.0",
        "A 224.0.0.251",
        "A 255.255.255.255",
        "A 192.0.2.53",
        "AAAA ::1",
        "AAAA ::ffff:127.0.0.1",
        "AAAA ::ffff:10.0.0.53",
        "AAAA fe80::1",
        "AAAA fd00::53",
        "AAAA 64:ff9b::a00:35",
        "AAAA 2002:a00:35::1",
    ],
)
@pytest.mark.parametrize("glue", [True, False], ids=["glue", "resolved"])
async def test_a_name_server_at_an_inner_address_is_refused(inner: str, *, glue: bool) -> None:
    address = f"ns1.host.net {inner}"
    async with (
        scripted_dns(address) as resolver,
        scripted_dns(f"shop.com NS ns1.host.net\n{address if glue else ''}", zones=("",)) as root,
    ):
        found = AuthoritativeServers([resolver.server], roots=[root.address], port=root.port)
        assert await addresses_of(found) == []


async def test_an_allowed_network_lets_its_own_addresses_through_alone() -> None:
    hosts = "\n".join(f"ns.host.net A {at}" for at in ("127.0.0.2", "10.0.0.53", "192.168.0.1"))
    async with scripted_dns(f"shop.com NS ns.host.net\n{hosts}", zones=("",)) as root:
        assert await addresses_of(walker(root)) == ["127.0.0.2"]


@pytest.mark.parametrize("thorough", [False, True])
async def test_no_packet_goes_to_a_name_server_at_an_inner_address(*, thorough: bool) -> None:
    async with delegated(POINTING, resolver=POINTING) as net:
        found = AuthoritativeServers(
            [net.resolver.server], roots=[net.root.address], port=net.root.port
        )
        checker = DnsChecker([net.resolver.server], wait=5.0, authoritative=found)
        view = await checker.check(a_record(), thorough=thorough)
    assert net.counts() == [0]
    # The resolver alone is asked instead, which goes to no inner address for us.
    assert view.routing == CNAME


V4 = ["9.9.9.1", "9.9.9.2", "9.9.9.3", "9.9.9.4", "9.9.9.5"]
V6 = ["2620:fe::1", "2620:fe::2"]


@pytest.mark.parametrize(
    ("by_host", "chosen"),
    [
        ([], []),
        ([[], []], []),
        ([V4], V4[:4]),
        ([V4[:4], ["9.9.8.1"]], ["9.9.9.1", "9.9.8.1", "9.9.9.2", "9.9.9.3"]),
        ([V6], V6),
        ([V4 + V6], [*V4[:3], V6[0]]),
        ([[v4, *V6] for v4 in V4], [*V4[:3], V6[0]]),
        ([["9.9.9.1"], ["9.9.9.1"], ["9.9.9.2"]], ["9.9.9.1", "9.9.9.2"]),
        ([["10.0.0.1", "9.9.9.1"], ["127.0.0.1"]], ["9.9.9.1"]),
    ],
)
def test_four_servers_of_many_hosts_and_both_families_are_chosen(
    by_host: list[list[str]], chosen: list[str]
) -> None:
    servers = [[Server(address) for address in addresses] for addresses in by_host]
    found = choose(servers, lambda address: is_public(ipaddress.ip_address(address)))
    assert [server.address for server in found] == chosen


async def test_no_more_than_four_hosts_are_looked_up() -> None:
    zone_file = "\n".join(f"shop.com NS ns{number:02}.host.net" for number in range(50))
    async with scripted_dns(zone_file, zones=("",)) as root, scripted_dns() as resolver:
        assert await addresses_of(walker(root, resolver.server)) == []
    assert len(resolver.asked) == 4 * 2


@pytest.mark.parametrize(("ttl", "kept"), [(60, 60), (86_400, 3600), (0, 0)])
async def test_a_delegation_is_kept_for_its_ttl_and_an_hour_at_most(ttl: int, kept: int) -> None:
    clock = Clock()
    async with delegated(POINTING, clock=clock) as net:
        net.root.ttl = ttl
        found = net.authoritative
        await addresses_of(found)
        for now, walks in ((kept - 1, 1), (kept, 2)):
            clock.now = float(now)
            if now >= 0:
                assert await addresses_of(found) == ["127.0.0.2"]
                assert len(net.root.asked) == walks


async def test_walking_anew_passes_over_what_is_kept() -> None:
    async with delegated(POINTING, POINTING) as net:
        found = net.authoritative
        assert await addresses_of(found) == ["127.0.0.2", "127.0.0.3"]
        net.root.records["shop.com", "NS"] = ["ns3.shop.com."]
        assert await addresses_of(found) == ["127.0.0.2", "127.0.0.3"]
        assert await addresses_of(found, anew=True) == ["127.0.0.3"]
        assert await addresses_of(found) == ["127.0.0.3"]


async def test_kept_servers_that_no_longer_hold_the_zone_are_looked_for_anew() -> None:
    clock = Clock()
    async with delegated(POINTING, POINTING, clock=clock) as net:
        net.root.ttl = 3600
        net.root.records["shop.com", "NS"] = ["ns2.shop.com."]
        found = net.authoritative
        assert await addresses_of(found) == ["127.0.0.2"]
        net.root.records["shop.com", "NS"] = ["ns3.shop.com."]
        net.servers[0].faults = {"*": "refused"}
        # At once, they are more likely out of order.
        assert await addresses_of(found) == ["127.0.0.2"]
        clock.now = 61.0
        assert await addresses_of(found) == ["127.0.0.3"]


async def test_servers_that_could_not_be_found_are_looked_for_again() -> None:
    async with (
        delegated(beside="shop.com NS ns.host.net") as net,
        scripted_dns(
            POINTING, zones=("shop.com",), address="127.0.0.2", port=net.root.port
        ) as theirs,
    ):
        found = net.authoritative
        net.resolver.faults = {"*": "servfail"}
        assert await addresses_of(found) == []
        net.resolver.faults = {}
        net.resolver.records["ns.host.net", "A"] = [theirs.address]
        assert await addresses_of(found) == [theirs.address]


@pytest.mark.parametrize("fault", ["silence", "refused", "servfail", "lame"])
async def test_a_root_that_gives_nothing_usable_is_left_alone_for_a_minute(fault: str) -> None:
    clock = Clock()
    async with delegated(POINTING, resolver=POINTING, clock=clock) as net:
        net.root.faults = {"*": fault}
        checker = net.checker(wait=0.2 if fault == "silence" else 5.0)
        for now, asked in ((0.0, 1), (1.0, 1), (59.0, 1), (61.0, 2)):
            clock.now = now
            view = await checker.check(a_record(), thorough=False)
            assert view.routing == CNAME
            assert len(net.root.asked) == asked
        net.root.faults = {}
        clock.now = 200.0
        await checker.check(a_record(), thorough=False)
    assert net.counts() == [1]


async def test_a_silent_root_does_not_hold_up_the_next_one() -> None:
    async with delegated(POINTING) as net:
        net.root.faults = {"*": "silence"}
        async with scripted_dns(
            "shop.com NS ns2.shop.com\nns2.shop.com A 127.0.0.2",
            zones=("",),
            address="127.0.0.10",
            port=net.root.port,
        ) as second:
            roots = [net.root.address, second.address]
            found = AuthoritativeServers([], roots=roots, port=net.root.port, allowed=LOOPBACK)
            # Far less than the silent one would be waited for.
            async with asyncio.timeout(30):
                servers = await found.of(Questions(wait=60.0), "www.shop.com")
    assert [server.address for server in servers] == ["127.0.0.2"]


async def test_the_zone_is_what_its_soa_says_where_a_server_hides_the_cut() -> None:
    soa = "SOA ns.shop.com. hostmaster.shop.com. 1 3600 600 86400 60"
    records = f"""
        shop.com {soa}
        shop.com NS ns.shop.com
        eu.shop.com {soa}
        eu.shop.com NS ns.eu.shop.com
        www.eu.shop.com CNAME {TARGET}
        www.shop.com A 198.51.100.7
    """
    zones = ("", "shop.com", "eu.shop.com")
    async with scripted_dns(records, zones=zones) as server:
        found = walker(server)
        for name, zone in (("www.eu.shop.com", "eu.shop.com"), ("www.shop.com", "shop.com")):
            held = await found.zone(Questions(wait=5.0), name)
            apex = dns.name.from_text(zone)
            assert held == Zone(zone, (f"ns.{zone}",), (Server(server.address, server.port, apex),))


async def test_the_zone_is_the_delegated_one() -> None:
    async with delegated(POINTING) as net:
        zone = await net.authoritative.zone(Questions(wait=5.0), "www.shop.com")
    assert zone is not None
    assert (zone.name, zone.hosts) == ("shop.com", ("ns2.shop.com",))


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    kept = Referrals(Clock(), most=100)
    for number in range(110):
        kept.put(dns.name.from_text(f"{number}.com"), [Server("127.0.0.1", host="ns.com")], 60)
    assert len(kept) == 100
    assert kept.deepest(dns.name.from_text("9.com"), 53) is None
    assert kept.deepest(dns.name.from_text("www.10.com"), 53) is not None


def test_an_entry_costs_less_than_600_bytes() -> None:
    kept = Referrals(Clock())
    zones = [dns.name.from_text(f"customer-{number:06}.example.com") for number in range(2000)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for zone in zones:
            text = zone.to_text(omit_final_dot=True)
            servers = [
                Server(f"198.51.100.{at}", 53, zone, f"ns{at}.{text}") for at in (101, 102, 103)
            ]
            kept.put(zone, [*servers, Server("2001:db8:1:2::53", 53, zone, f"ns4.{text}")], 60)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == len(zones)
    # So 100,000 zones cost less than 60 MB.
    assert (after - before) / len(zones) < 600


async def test_checks_of_a_tenants_many_names_leave_their_server_to_other_tenants() -> None:
    names = [f"w{number}.shop.com" for number in range(60)]
    records = "\n".join(f"{name} CNAME {TARGET}" for name in names)
    async with scripted_dns(records, zones=("shop.com",)) as ours:
        zone = dns.name.from_text("shop.com")
        authoritative = AuthoritativeServers([], port=ours.port, allowed=LOOPBACK)
        server = Server("127.0.0.1", ours.port, zone, "ns.shop.com")
        authoritative.referrals.put(zone, [server], 3600)
        # It stands still, and the server is none of the operator's own: the rate holds.
        limits = ServerLimits(clock=Clock())
        checker = DnsChecker([], authoritative=authoritative, limits=limits)
        big = [checker.check(a_record(name), thorough=False) for name in names]
        small = checker.check(replace(a_record(names[0]), tenant="small"), thorough=False)
        *crowd, alone = await asyncio.gather(*big, small)
    assert alone.routing == CNAME
    found = [view for view in crowd if view.routing == CNAME]
    # More than that only where this machine was slow, and turns came while others still began.
    assert SERVER_RATE * 0.2 + TENANT_WAITING <= len(found) < len(names)
    assert {view.routing for view in crowd} == {CNAME, Unknown("busy")}
