"""Which authoritative servers are found and asked, and whose word counts, over real packets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.adapters.dns.checker import DnsChecker
from app.adapters.dns.name_servers import KEPT_NAMES, AuthoritativeServers, ServerCache
from app.adapters.dns.query import MAX_PACKETS, Questions, Server
from app.domain.observation import Absent, Found, Routing, RoutingKind, Unknown
from tests.adapters.hostnames import TARGET, a_record
from tests.adapters.scripted_dns import Asked, ScriptedDns, scripted_dns

OWNERSHIP = "_cf-custom-hostname.www.shop.com"
POINTING = f"www.shop.com CNAME {TARGET}"
DELEGATION = "shop.com NS ns1.host.net\nns1.host.net A 127.0.0.1\n"
CNAME = Found(Routing(RoutingKind.CNAME, (TARGET,)))
HERE = ("shop.com",)


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def a_look(
    resolver: ScriptedDns, *, port: int, clock: Clock | None = None, wait: float = 5.0
) -> DnsChecker:
    return DnsChecker(
        [resolver.server],
        wait=wait,
        authoritative=True,
        authoritative_port=port,
        allow_loopback=True,
        clock=clock or Clock(),
    )


@asynccontextmanager
async def a_zone(
    *,
    authoritative: str = "",
    resolver: str = "",
    fault: str = "",
    follows: bool = True,
) -> AsyncIterator[tuple[ScriptedDns, ScriptedDns]]:
    """Give a resolver and the server that is authoritative for shop.com."""
    async with (
        scripted_dns(
            authoritative, zones=HERE, faults={"*": fault} if fault else {}, follows=follows
        ) as theirs,
        scripted_dns(DELEGATION + resolver, follows=follows) as ours,
    ):
        yield ours, theirs


def kept(look: DnsChecker, *servers: Server) -> None:
    """Let the look know the servers of shop.com already: all tests share one address."""
    assert look._authoritative is not None
    cache = look._authoritative.cache
    cache.put(["shop.com", "www.shop.com"], cache.fresh(servers))


async def servers_of(
    resolver: ScriptedDns, name: str = "www.shop.com", *, allow_loopback: bool = False
) -> list[str]:
    found = AuthoritativeServers(
        (resolver.server,), port=53, allow_loopback=allow_loopback, clock=Clock()
    )
    servers = await found.of(Questions(wait=5.0), name)
    return [server.address for server in servers]


async def test_the_authoritative_server_is_preferred_over_a_stale_no() -> None:
    async with a_zone(authoritative=POINTING) as (resolver, theirs):
        view = await a_look(resolver, port=theirs.port).check(a_record(), thorough=False)
    assert view.routing == CNAME
    assert theirs.asked == [Asked("www.shop.com", "A", recursion_desired=False, tcp=False)]
    assert not resolver.names_asked("A") or resolver.names_asked("A") == ["ns1.host.net"]


async def test_a_resolver_that_still_says_yes_is_not_asked_either() -> None:
    async with a_zone(authoritative="shop.com A 198.51.100.7", resolver=POINTING) as (ours, theirs):
        view = await a_look(ours, port=theirs.port).check(a_record(), thorough=False)
    assert view.routing == Found(Routing(RoutingKind.ABSENT))


async def test_txt_is_asked_of_the_authoritative_server_first() -> None:
    async with a_zone(authoritative=f"{OWNERSHIP} TXT wanted") as (resolver, theirs):
        look = a_look(resolver, port=theirs.port)
        view = await look.check(a_record(ownership=OWNERSHIP), thorough=False)
    assert view.records == {("TXT", OWNERSHIP): Found(("wanted",))}
    assert theirs.names_asked("TXT") == [OWNERSHIP]
    assert not resolver.names_asked("TXT")


@pytest.mark.parametrize("zone_file", ["www.shop.com MX 5 mail.shop.com.", "shop.com TXT beside"])
async def test_an_authoritative_no_is_absent(zone_file: str) -> None:
    async with a_zone(authoritative=zone_file, resolver=f"{OWNERSHIP} TXT old") as (ours, theirs):
        look = a_look(ours, port=theirs.port)
        view = await look.check(a_record(ownership=OWNERSHIP), thorough=False)
    assert view.routing == Found(Routing(RoutingKind.ABSENT))
    assert view.records == {("TXT", OWNERSHIP): Absent()}


@pytest.mark.parametrize("fault", ["lame", "refused", "servfail", "silence", "cut_tcp"])
async def test_the_resolver_is_asked_last_where_no_authoritative_server_answers(fault: str) -> None:
    known = f"{POINTING}\n{OWNERSHIP} TXT wanted"
    async with a_zone(fault=fault, resolver=known) as (resolver, theirs):
        look = a_look(resolver, port=theirs.port, wait=0.5 if fault == "silence" else 5.0)
        view = await look.check(a_record(ownership=OWNERSHIP), thorough=False)
    assert view.routing == CNAME
    assert view.records == {("TXT", OWNERSHIP): Found(("wanted",))}
    assert theirs.asked


@pytest.mark.parametrize("fault", ["lame", "refused", "servfail", "silence"])
async def test_the_next_authoritative_server_is_asked_before_the_resolver(fault: str) -> None:
    async with (
        a_zone(authoritative=POINTING) as (resolver, good),
        scripted_dns(zones=HERE, faults={"*": fault}) as bad,
    ):
        look = a_look(resolver, port=1, wait=0.5 if fault == "silence" else 5.0)
        kept(look, bad.authoritative_for("shop.com"), good.authoritative_for("shop.com"))
        view = await look.check(a_record(), thorough=False)
    assert view.routing == CNAME
    assert (len(bad.asked), len(good.asked), len(resolver.asked)) == (1, 1, 0)


async def test_a_routine_look_asks_one_authoritative_server() -> None:
    async with (
        a_zone(authoritative=POINTING) as (resolver, first),
        scripted_dns("www.shop.com A 198.51.100.7", zones=HERE) as second,
    ):
        look = a_look(resolver, port=1)
        kept(look, first.authoritative_for("shop.com"), second.authoritative_for("shop.com"))
        view = await look.check(a_record(), thorough=False)
    assert view.routing == CNAME
    assert (len(first.asked), len(second.asked)) == (1, 0)


async def test_a_thorough_look_asks_all_and_a_resolver() -> None:
    async with (
        a_zone(authoritative=POINTING, resolver=POINTING) as (resolver, first),
        scripted_dns(POINTING, zones=HERE) as second,
        scripted_dns(POINTING, zones=HERE) as third,
    ):
        look = a_look(resolver, port=1)
        kept(look, *(each.authoritative_for("shop.com") for each in (first, second, third)))
        view = await look.check(a_record(), thorough=True)
    assert view.routing == CNAME
    assert [len(each.asked) for each in (first, second, third)] == [1, 1, 1]
    assert resolver.names_asked("A") == ["www.shop.com"]


@pytest.mark.parametrize("other", ["www.shop.com A 198.51.100.7", "shop.com A 198.51.100.7"])
async def test_authoritative_servers_that_disagree_move_nothing(other: str) -> None:
    async with (
        a_zone(authoritative=POINTING, resolver=POINTING) as (resolver, first),
        scripted_dns(other, zones=HERE) as second,
    ):
        look = a_look(resolver, port=1)
        kept(look, first.authoritative_for("shop.com"), second.authoritative_for("shop.com"))
        view = await look.check(a_record(), thorough=True)
    assert view.routing == Unknown("servers_disagree")


@pytest.mark.parametrize(
    ("theirs_say", "resolver_says"),
    [(POINTING, ""), ("shop.com A 198.51.100.7", POINTING)],
    ids=["stale_no", "stale_yes"],
)
async def test_a_resolver_that_disagrees_moves_nothing(theirs_say: str, resolver_says: str) -> None:
    async with a_zone(authoritative=theirs_say, resolver=resolver_says) as (resolver, theirs):
        view = await a_look(resolver, port=theirs.port).check(a_record(), thorough=True)
    assert view.routing == Unknown("servers_disagree")


@pytest.mark.parametrize("fault", ["lame", "refused", "servfail", "silence"])
async def test_a_server_that_cannot_be_asked_does_not_disagree(fault: str) -> None:
    async with (
        a_zone(authoritative=POINTING, resolver=POINTING) as (resolver, good),
        scripted_dns(zones=HERE, faults={"*": fault}) as bad,
    ):
        look = a_look(resolver, port=1, wait=0.5 if fault == "silence" else 5.0)
        kept(look, bad.authoritative_for("shop.com"), good.authoritative_for("shop.com"))
        view = await look.check(a_record(), thorough=True)
    assert view.routing == CNAME


@pytest.mark.parametrize("thorough", [False, True])
async def test_nobody_who_answers_is_unknown(*, thorough: bool) -> None:
    async with (
        scripted_dns(zones=HERE, faults={"*": "refused"}) as theirs,
        scripted_dns(DELEGATION, faults={"www.shop.com": "servfail"}) as resolver,
    ):
        look = a_look(resolver, port=theirs.port)
        kept(look, theirs.authoritative_for("shop.com"))
        view = await look.check(a_record(), thorough=thorough)
    assert isinstance(view.routing, Unknown)


async def test_hops_that_leave_the_zone_are_followed_through_the_resolver() -> None:
    theirs_say = "www.shop.com CNAME alias.shop.com\nalias.shop.com CNAME shop.cdn.net"
    known = f"shop.cdn.net CNAME {TARGET}"
    async with a_zone(authoritative=theirs_say, resolver=known) as (resolver, theirs):
        view = await a_look(resolver, port=theirs.port).check(a_record(), thorough=False)
    assert view.routing == Found(
        Routing(RoutingKind.CNAME, ("alias.shop.com", "shop.cdn.net", TARGET))
    )
    assert theirs.names_asked("A") == ["www.shop.com"]
    assert "shop.cdn.net" in resolver.names_asked("A")


async def test_what_several_servers_lead_to_is_asked_once() -> None:
    theirs_say = "www.shop.com CNAME shop.cdn.net"
    async with (
        a_zone(authoritative=theirs_say, resolver=f"shop.cdn.net CNAME {TARGET}") as (ours, first),
        scripted_dns(theirs_say, zones=HERE) as second,
    ):
        look = a_look(ours, port=1)
        kept(look, first.authoritative_for("shop.com"), second.authoritative_for("shop.com"))
        ours.records["www.shop.com", "CNAME"] = ["shop.cdn.net."]
        view = await look.check(a_record(), thorough=True)
    assert view.routing == Found(Routing(RoutingKind.CNAME, ("shop.cdn.net", TARGET)))
    assert sorted(ours.names_asked("A")) == ["shop.cdn.net", "www.shop.com"]


async def test_a_server_has_no_word_on_names_outside_its_zone() -> None:
    claims = f"www.shop.com CNAME shop.cdn.net\nshop.cdn.net CNAME {TARGET}\n"
    async with (
        scripted_dns(claims, zones=("shop.com", "shop.cdn.net")) as theirs,
        scripted_dns(DELEGATION + "shop.cdn.net A 198.51.100.7") as resolver,
    ):
        view = await a_look(resolver, port=theirs.port).check(a_record(), thorough=False)
    assert view.routing == Found(
        Routing(RoutingKind.ELSEWHERE, ("shop.cdn.net",), ("198.51.100.7",))
    )


async def test_the_addresses_of_the_target_are_the_resolvers_word() -> None:
    claims = f"www.shop.com A 198.51.100.7\n{TARGET} A 198.51.100.7"
    async with (
        scripted_dns(claims, zones=("shop.com", "provider.net")) as theirs,
        scripted_dns(DELEGATION + f"{TARGET} A 203.0.113.81") as resolver,
    ):
        view = await a_look(resolver, port=theirs.port).check(a_record(), thorough=False)
        assert view.routing == Found(Routing(RoutingKind.ELSEWHERE, (), ("198.51.100.7",)))
        theirs.records["www.shop.com", "A"] = ["203.0.113.81"]
        view = await a_look(resolver, port=theirs.port).check(a_record(), thorough=False)
    assert view.routing == Found(Routing(RoutingKind.FLATTENED, (), ("203.0.113.81",)))


async def test_hops_below_a_zone_cut_are_followed_through_the_resolver() -> None:
    async with (
        scripted_dns(
            "www.shop.com CNAME web.eu.shop.com",
            zones=HERE,
            faults={"web.eu.shop.com": "lame"},
            follows=False,
        ) as theirs,
        scripted_dns(DELEGATION + f"web.eu.shop.com CNAME {TARGET}") as resolver,
    ):
        view = await a_look(resolver, port=theirs.port).check(a_record(), thorough=False)
    assert view.routing == Found(Routing(RoutingKind.CNAME, ("web.eu.shop.com", TARGET)))


async def test_a_wildcard_is_asked_at_a_random_label_of_the_authoritative_server() -> None:
    async with a_zone(authoritative=f"*.shop.com CNAME {TARGET}") as (resolver, theirs):
        look = a_look(resolver, port=theirs.port)
        view = await look.check(a_record("*.shop.com"), thorough=False)
    assert view.routing == CNAME
    (asked,) = theirs.names_asked("A")
    assert asked.startswith("nameplate-")
    assert resolver.names_asked("NS") == ["shop.com"]


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
async def test_a_name_server_at_an_inner_address_is_refused(inner: str) -> None:
    async with scripted_dns(f"shop.com NS ns1.host.net\nns1.host.net {inner}") as resolver:
        assert await servers_of(resolver) == []


async def test_loopback_alone_is_let_through_where_it_is_allowed() -> None:
    addresses = ["127.0.0.1", "10.0.0.53", "169.254.169.254", "9.9.9.9"]
    hosts = "\n".join(f"ns.host.net A {address}" for address in addresses)
    async with scripted_dns(f"shop.com NS ns.host.net\n{hosts}") as resolver:
        assert await servers_of(resolver, allow_loopback=True) == ["127.0.0.1", "9.9.9.9"]
        assert await servers_of(resolver) == ["9.9.9.9"]


@pytest.mark.parametrize("thorough", [False, True])
async def test_no_packet_goes_to_a_name_server_at_an_inner_address(*, thorough: bool) -> None:
    async with a_zone(authoritative=POINTING, resolver=POINTING) as (resolver, theirs):
        look = DnsChecker(
            [resolver.server], wait=5.0, authoritative=True, authoritative_port=theirs.port
        )
        view = await look.check(a_record(ownership=OWNERSHIP), thorough=thorough)
    assert theirs.asked == []
    # The resolver alone is asked instead, which goes to no inner address for us.
    assert view.routing == CNAME


async def test_four_servers_at_most_and_of_as_many_hosts_as_there_are() -> None:
    zone_file = """
        shop.com NS a.host.net
        shop.com NS b.host.net
        a.host.net A 9.9.9.1
        a.host.net A 9.9.9.2
        a.host.net A 9.9.9.3
        a.host.net A 9.9.9.4
        b.host.net A 9.9.8.1
    """
    async with scripted_dns(zone_file) as resolver:
        found = await servers_of(resolver)
    assert found == ["9.9.9.1", "9.9.8.1", "9.9.9.2", "9.9.9.3"]


async def test_a_host_without_an_ipv4_address_is_asked_over_ipv6() -> None:
    zone_file = "shop.com NS a.host.net\na.host.net AAAA 2620:fe::fe"
    async with scripted_dns(zone_file) as resolver:
        assert await servers_of(resolver) == ["2620:fe::fe"]


async def test_no_more_than_four_hosts_are_looked_up() -> None:
    zone_file = "\n".join(f"shop.com NS ns{number:02}.host.net" for number in range(50))
    async with scripted_dns(zone_file) as resolver:
        assert await servers_of(resolver) == []
    assert len(resolver.asked) == 2 + 4 * 2


async def test_the_climb_ends_below_the_top_level_domain() -> None:
    async with scripted_dns("com NS a.gtld.net\na.gtld.net A 9.9.9.1") as resolver:
        assert await servers_of(resolver, "a.www.shop.com") == []
    assert resolver.names_asked("NS") == ["a.www.shop.com", "www.shop.com", "shop.com"]


async def test_the_climb_tries_eight_names_at_most() -> None:
    async with scripted_dns("shop.com NS a.host.net\na.host.net A 9.9.9.1") as resolver:
        assert await servers_of(resolver, "i.h.g.f.e.d.c.b.shop.com") == []
        assert len(resolver.names_asked("NS")) == 8
        assert await servers_of(resolver, "g.f.e.d.c.b.shop.com") == ["9.9.9.1"]


async def test_the_servers_of_what_a_cname_leads_to_are_not_the_names_own() -> None:
    zone_file = """
        www.shop.com CNAME other.net
        other.net NS ns.other.net
        ns.other.net A 9.9.9.9
        shop.com NS ns.shop.com
        ns.shop.com A 9.9.9.1
    """
    async with scripted_dns(zone_file) as resolver:
        assert await servers_of(resolver) == ["9.9.9.1"]


async def test_a_found_server_set_is_kept_for_five_minutes() -> None:
    clock = Clock()
    async with a_zone(authoritative=POINTING, resolver=POINTING) as (resolver, theirs):
        look = a_look(resolver, port=theirs.port, clock=clock)
        for now, questions in ((0.0, 4), (299.0, 4), (301.0, 8)):
            clock.now = now
            view = await look.check(a_record(), thorough=False)
            assert view.routing == CNAME
            assert len(resolver.asked) == questions


async def test_a_name_found_by_way_of_a_kept_zone_is_kept_no_longer_than_that() -> None:
    clock = Clock()
    async with scripted_dns(DELEGATION) as resolver:
        found = AuthoritativeServers((resolver.server,), port=53, allow_loopback=True, clock=clock)
        for now, name, questions in (
            (0.0, "shop.com", 1),
            (299.0, "www.shop.com", 2),
            (301.0, "www.shop.com", 4),
        ):
            clock.now = now
            assert len(await found.of(Questions(wait=5.0), name)) == 1
            assert len(resolver.names_asked("NS")) == questions


async def test_servers_that_could_not_be_found_are_looked_for_again() -> None:
    async with scripted_dns(DELEGATION, faults={"*": "servfail"}) as resolver:
        found = AuthoritativeServers(
            (resolver.server,), port=53, allow_loopback=True, clock=Clock()
        )
        assert await found.of(Questions(wait=5.0), "www.shop.com") == ()
        resolver.faults = {"ns1.host.net": "servfail"}
        assert await found.of(Questions(wait=5.0), "www.shop.com") == ()
        resolver.faults = {}
        assert len(await found.of(Questions(wait=5.0), "www.shop.com")) == 1


def test_the_cache_is_bounded_and_lets_go_of_what_it_kept_first() -> None:
    cache = ServerCache(Clock())
    for number in range(KEPT_NAMES + 10):
        cache.put([f"{number}.com"], cache.fresh(()))
    assert len(cache._kept) == KEPT_NAMES
    assert cache.get("9.com") is None
    assert cache.get("10.com") is not None


@pytest.mark.parametrize("fault", ["", "servfail", "truncated", "silence"])
async def test_one_look_sends_forty_packets_at_most(fault: str) -> None:
    deep = "a.b.c.d.e.f.shop.com"
    hops = "\n".join(f"hop{at}.shop.com CNAME hop{at + 1}.shop.com" for at in range(16))
    zone_file = f"{deep} CNAME hop0.shop.com\n{hops}\nhop16.shop.com A 198.51.100.7\n"
    tokens = [f"_acme-challenge.{at}.{deep}" for at in range(4)]
    zone_file += "\n".join(f"{token} CNAME hop0.shop.com" for token in tokens)
    faults = {"*": fault}
    async with (
        a_zone(authoritative=zone_file, fault=fault, resolver=zone_file, follows=False) as zone,
        scripted_dns(zone_file, zones=HERE, faults=faults, follows=False) as second,
        scripted_dns(zone_file, zones=HERE, faults=faults, follows=False) as third,
    ):
        resolver, first = zone
        resolver.faults = faults
        look = a_look(resolver, port=1, wait=0.1)
        kept(look, *(each.authoritative_for("shop.com") for each in (first, second, third)))
        record = a_record(deep, tokens=tuple(tokens))
        view = await look.check(record, thorough=True)
    packets = sum(len(each.asked) for each in (resolver, first, second, third))
    assert packets <= MAX_PACKETS == 40
    assert isinstance(view.routing, Unknown)


async def test_a_look_asks_nothing_more_after_its_time() -> None:
    clock = Clock()
    async with scripted_dns(POINTING) as resolver:
        questions = Questions(wait=5.0, clock=clock)
        clock.now = 21.0
        found = AuthoritativeServers((resolver.server,), port=53, allow_loopback=True, clock=clock)
        assert await found.of(questions, "www.shop.com") == ()
    assert resolver.asked == []


async def test_servers_of_both_families_are_asked() -> None:
    zone_file = """
        shop.com NS ns1.host.net
        shop.com NS ns2.host.net
        shop.com NS ns3.host.net
        shop.com NS ns4.host.net
        *.host.net A 9.9.9.9
        *.host.net AAAA 2620:fe::9
    """
    async with scripted_dns(zone_file) as resolver:
        found = await servers_of(resolver)
    assert {":" in address for address in found} == {True, False}
