"""Which authoritative servers are asked, and whose word counts, over real packets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.adapters.dns.query import CHECK, Questions
from app.domain.custom_hostname import State
from app.domain.observation import Absent, Found, Routing, RoutingKind, Unknown
from tests.adapters.delegated_dns import Clock, Script, delegated
from tests.adapters.hostnames import TARGET, a_record
from tests.adapters.scripted_dns import Asked

OWNERSHIP = "_cf-custom-hostname.www.shop.com"
POINTING = f"www.shop.com CNAME {TARGET}"
ELSEWHERE = "www.shop.com A 198.51.100.7"
CNAME = Found(Routing(RoutingKind.CNAME, (TARGET,)))
FAULTS = ["lame", "refused", "servfail", "silence"]


def patience(fault: str) -> float:
    return 0.5 if fault == "silence" else 5.0


async def test_the_authoritative_server_is_preferred_over_a_stale_no() -> None:
    async with delegated(POINTING) as net:
        view = await net.checker().check(a_record(), thorough=False)
    assert view.routing == CNAME
    (theirs,) = net.servers
    assert theirs.asked == [Asked("www.shop.com", "A", recursion_desired=False, tcp=False)]
    assert net.root.asked == theirs.asked
    assert not net.resolver.asked


async def test_a_resolver_that_still_says_yes_is_not_asked_either() -> None:
    async with delegated("shop.com A 198.51.100.7", resolver=POINTING) as net:
        view = await net.checker().check(a_record(), thorough=False)
    assert view.routing == Found(Routing(RoutingKind.ABSENT))


async def test_txt_is_asked_of_the_authoritative_server_first() -> None:
    async with delegated(f"{OWNERSHIP} TXT wanted") as net:
        view = await net.checker().check(a_record(ownership=OWNERSHIP), thorough=False)
    assert view.records == {("TXT", OWNERSHIP): Found(("wanted",))}
    assert net.servers[0].names_asked("TXT") == [OWNERSHIP]
    assert not net.resolver.names_asked("TXT")


async def test_one_walk_serves_all_questions_of_a_check() -> None:
    async with delegated(f"{OWNERSHIP} TXT wanted") as net:
        await net.checker().check(a_record(ownership=OWNERSHIP), thorough=False)
    assert net.root.names_asked("A") == ["www.shop.com"]
    assert not net.root.names_asked("TXT")


@pytest.mark.parametrize("zone_file", ["www.shop.com MX 5 mail.shop.com.", "shop.com TXT beside"])
async def test_an_authoritative_no_is_absent(zone_file: str) -> None:
    async with delegated(zone_file, resolver=f"{OWNERSHIP} TXT old") as net:
        view = await net.checker().check(a_record(ownership=OWNERSHIP), thorough=False)
    assert view.routing == Found(Routing(RoutingKind.ABSENT))
    assert view.records == {("TXT", OWNERSHIP): Absent()}


@pytest.mark.parametrize("fault", [*FAULTS, "cut_tcp"])
async def test_the_resolver_is_asked_last_where_no_authoritative_server_answers(fault: str) -> None:
    known = f"{POINTING}\n{OWNERSHIP} TXT wanted"
    async with delegated(Script(fault=fault), resolver=known) as net:
        checker = net.checker(wait=patience(fault))
        view = await checker.check(a_record(ownership=OWNERSHIP), thorough=False)
    assert view.routing == CNAME
    assert view.records == {("TXT", OWNERSHIP): Found(("wanted",))}
    assert net.servers[0].asked


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_next_authoritative_server_is_asked_before_the_resolver(fault: str) -> None:
    async with delegated(Script(fault=fault), POINTING) as net:
        view = await net.checker(wait=patience(fault)).check(a_record(), thorough=False)
    assert view.routing == CNAME
    assert (net.counts(), len(net.resolver.asked)) == ([1, 1], 0)


async def test_a_routine_look_asks_one_authoritative_server() -> None:
    async with delegated(POINTING, ELSEWHERE) as net:
        view = await net.checker().check(a_record(), thorough=False)
    assert view.routing == CNAME
    assert net.counts() == [1, 0]


async def test_a_thorough_look_asks_all_and_a_resolver() -> None:
    async with delegated(POINTING, POINTING, POINTING, resolver=POINTING) as net:
        view = await net.checker().check(a_record(), thorough=True)
    assert view.routing == CNAME
    assert net.counts() == [1, 1, 1]
    assert net.resolver.names_asked("A") == ["www.shop.com"]


@pytest.mark.parametrize("other", [ELSEWHERE, "shop.com A 198.51.100.7"])
async def test_authoritative_servers_that_disagree_move_nothing(other: str) -> None:
    async with delegated(POINTING, other, resolver=POINTING) as net:
        view = await net.checker().check(a_record(), thorough=True)
    assert view.routing == Unknown("servers_disagree")


@pytest.mark.parametrize(
    ("theirs_say", "resolver_says"),
    [(POINTING, ""), ("shop.com A 198.51.100.7", POINTING)],
    ids=["stale_no", "stale_yes"],
)
async def test_a_resolver_that_disagrees_moves_nothing(theirs_say: str, resolver_says: str) -> None:
    async with delegated(theirs_say, resolver=resolver_says) as net:
        view = await net.checker().check(a_record(), thorough=True)
    assert view.routing == Unknown("servers_disagree")


async def test_a_disagreement_is_settled_by_walking_anew() -> None:
    async with delegated(POINTING, ELSEWHERE, resolver=ELSEWHERE, clock=Clock()) as net:
        checker = net.checker()
        # The tenant leaves the first server, which still has the zone as it was.
        for host in ("ns2", "ns3"):
            net.root.records["shop.com", "NS"] = [f"{host}.shop.com."]
            view = await checker.check(a_record(), thorough=host == "ns3")
    assert view.routing == Found(Routing(RoutingKind.ELSEWHERE, (), ("198.51.100.7",)))
    assert len(net.root.asked) == 2


async def test_a_live_name_is_looked_for_from_the_root() -> None:
    async with delegated(POINTING, POINTING, resolver=POINTING, clock=Clock()) as net:
        checker = net.checker()
        live = replace(a_record(), state=State.CNAME_VERIFIED)
        for thorough, walks in ((False, 1), (False, 1), (True, 2), (True, 3)):
            view = await checker.check(live, thorough=thorough)
            assert view.routing == CNAME
            assert len(net.root.asked) == walks


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_server_that_cannot_be_asked_does_not_disagree(fault: str) -> None:
    async with delegated(Script(fault=fault), POINTING, resolver=POINTING) as net:
        view = await net.checker(wait=patience(fault)).check(a_record(), thorough=True)
    assert view.routing == CNAME


@pytest.mark.parametrize("thorough", [False, True])
async def test_nobody_who_answers_is_unknown(*, thorough: bool) -> None:
    faults = {"www.shop.com": "servfail"}
    async with delegated(Script(fault="refused"), resolver_faults=faults) as net:
        view = await net.checker().check(a_record(), thorough=thorough)
    assert isinstance(view.routing, Unknown)


async def test_hops_that_leave_the_zone_are_followed_through_the_resolver() -> None:
    theirs_say = "www.shop.com CNAME alias.shop.com\nalias.shop.com CNAME shop.cdn.net"
    async with delegated(theirs_say, resolver=f"shop.cdn.net CNAME {TARGET}") as net:
        view = await net.checker().check(a_record(), thorough=False)
    assert view.routing == Found(
        Routing(RoutingKind.CNAME, ("alias.shop.com", "shop.cdn.net", TARGET))
    )
    assert net.servers[0].names_asked("A") == ["www.shop.com"]
    assert "shop.cdn.net" in net.resolver.names_asked("A")


async def test_what_several_servers_lead_to_is_asked_once() -> None:
    say = "www.shop.com CNAME shop.cdn.net"
    known = f"{say}\nshop.cdn.net CNAME {TARGET}"
    async with delegated(say, say, resolver=known) as net:
        view = await net.checker().check(a_record(), thorough=True)
    assert view.routing == Found(Routing(RoutingKind.CNAME, ("shop.cdn.net", TARGET)))
    assert sorted(net.resolver.names_asked("A")) == ["shop.cdn.net", "www.shop.com"]


async def test_a_server_has_no_word_on_names_outside_its_zone() -> None:
    claims = f"www.shop.com CNAME shop.cdn.net\nshop.cdn.net CNAME {TARGET}\n"
    known = "shop.cdn.net A 198.51.100.7"
    async with delegated(claims, resolver=known, zones=("shop.com", "shop.cdn.net")) as net:
        view = await net.checker().check(a_record(), thorough=False)
    assert view.routing == Found(
        Routing(RoutingKind.ELSEWHERE, ("shop.cdn.net",), ("198.51.100.7",))
    )


async def test_the_addresses_of_the_target_are_the_resolvers_word() -> None:
    claims = f"{ELSEWHERE}\n{TARGET} A 198.51.100.7"
    known = f"{TARGET} A 203.0.113.81"
    async with delegated(claims, resolver=known, zones=("shop.com", "provider.net")) as net:
        view = await net.checker().check(a_record(), thorough=False)
        assert view.routing == Found(Routing(RoutingKind.ELSEWHERE, (), ("198.51.100.7",)))
        net.servers[0].records["www.shop.com", "A"] = ["203.0.113.81"]
        view = await net.checker().check(a_record(), thorough=False)
    assert view.routing == Found(Routing(RoutingKind.FLATTENED, (), ("203.0.113.81",)))


async def test_hops_below_a_zone_cut_are_followed_through_the_resolver() -> None:
    script = Script("www.shop.com CNAME web.eu.shop.com", faults={"web.eu.shop.com": "lame"})
    known = f"web.eu.shop.com CNAME {TARGET}"
    async with delegated(script, resolver=known, follows=False) as net:
        view = await net.checker().check(a_record(), thorough=False)
    assert view.routing == Found(Routing(RoutingKind.CNAME, ("web.eu.shop.com", TARGET)))


async def test_a_wildcard_is_asked_at_a_random_label_of_the_authoritative_server() -> None:
    async with delegated(f"*.shop.com CNAME {TARGET}") as net:
        view = await net.checker().check(a_record("*.shop.com"), thorough=False)
    assert view.routing == CNAME
    (asked,) = net.servers[0].names_asked("A")
    assert asked.startswith("nameplate-")


async def test_the_resolvers_check_on_one_another_where_no_walk_is_possible() -> None:
    async with delegated(resolver=POINTING, beside="shop.com NS ns.shop.com") as net:
        net.root.faults = {"*": "refused"}
        view = await net.checker().check(a_record(), thorough=True)
    assert view.routing == CNAME


@pytest.mark.parametrize("fault", ["", "servfail", "truncated", "silence"])
async def test_one_look_sends_forty_packets_at_most(fault: str) -> None:
    deep = "a.b.c.d.e.f.shop.com"
    hops = "\n".join(f"hop{at}.shop.com CNAME hop{at + 1}.shop.com" for at in range(16))
    zone_file = f"{deep} CNAME hop0.shop.com\n{hops}\nhop16.shop.com A 198.51.100.7\n"
    tokens = [f"_acme-challenge.{at}.{deep}" for at in range(4)]
    zone_file += "\n".join(f"{token} CNAME hop0.shop.com" for token in tokens)
    scripts = [Script(zone_file, fault=fault)] * 3
    async with delegated(
        *scripts, resolver=zone_file, resolver_faults={"*": fault}, follows=False
    ) as net:
        record = a_record(deep, tokens=tuple(tokens))
        view = await net.checker(wait=0.1).check(record, thorough=True)
    packets = sum(len(each.asked) for each in (net.root, net.resolver, *net.servers))
    assert packets <= CHECK.packets == 40
    assert isinstance(view.routing, Unknown)


async def test_a_look_asks_nothing_more_after_its_time() -> None:
    clock = Clock()
    async with delegated(POINTING, clock=clock) as net:
        questions = Questions(wait=5.0, clock=clock)
        clock.now = CHECK.seconds + 1
        assert await net.authoritative.of(questions, "www.shop.com") == ()
    assert net.root.asked == []
