"""Walks and checks against real name servers: Knot DNS, and Unbound as a validating resolver."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

import pytest
from dns.rdatatype import RdataType

from app.adapters.dns.answer import Answer, CouldNotAsk, Server
from app.adapters.dns.authoritative import AuthoritativeServers
from app.adapters.dns.checker import DnsChecker
from app.adapters.dns.cname_chain import Upstream, follow
from app.adapters.dns.limits import ServerLimits
from app.adapters.dns.query import Questions
from app.domain.observation import Found, Routing, RoutingKind, Unknown
from tests.adapters.delegated_dns import LOOPBACK
from tests.adapters.hostnames import TARGET, a_record
from tests.support.dns_servers import DnsServers, dns_servers, has_ipv6

ROOT, TLD, SHOP, LAGGING, LAME, EU, RESOLVER = (f"127.0.1.{at}" for at in range(1, 8))
OWNERSHIP = "_cf-custom-hostname.www.shop.com"
LONG = " ".join(f'"{"x" * 200}{at}"' for at in range(8))


def zone(*records: str, serial: int = 2, ns: Sequence[str] = ("ns1",)) -> str:
    soa = f"@ SOA ns1 hostmaster {serial} 3600 600 86400 60"
    return "\n".join([soa, *(f"@ NS {host}" for host in ns), *records])


def delegated(name: str, *addresses: str) -> str:
    """Delegate to ns1, ns2 ... of the zone itself, with glue."""
    hosts = {f"ns{at}.{name}": address for at, address in enumerate(addresses, 1)}
    return "\n".join(f"{name} NS {host}\n{host} A {at}" for host, at in hosts.items())


SHOP_RECORDS = (
    f"ns1 A {SHOP}",
    f"ns2 A {LAGGING}",
    f"www 77 CNAME {TARGET}.",
    "alias CNAME www",
    "outside CNAME www.eu",
    "a A 192.0.2.7",
    "a AAAA 2001:db8::7",
    "deep.empty TXT beside",
    "*.wild A 192.0.2.8",
    "blocked.wild TXT beside",
    "old DNAME new",
    "x.new A 192.0.2.9",
    "moved DNAME gone.net.",
    f"long TXT {LONG}",
    "loop1 CNAME loop2",
    "loop2 CNAME loop1",
    f"{OWNERSHIP}. TXT wanted",
    delegated("eu", EU),
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsServers]:
    with dns_servers(tmp_path_factory.mktemp("dns")) as started:
        _start(started)
        yield started


def _start(net: DnsServers) -> None:
    net.knot(ROOT, {".": zone(f"ns1 A {ROOT}", delegated("com", TLD))})
    net.knot(
        TLD,
        {
            "com.": zone(
                f"ns1 A {TLD}",
                delegated("shop", SHOP, LAGGING),
                delegated("lame", LAME),
                delegated("half", LAME, SHOP),
                delegated("signed", SHOP),
                delegated("bogus", SHOP),
                # Held by this very server, which therefore does not refer to it.
                delegated("hidden", TLD),
                "glueless NS ns1.shop",
                "six NS ns1.six",
                "ns1.six AAAA ::1",
            ),
            "hidden.com.": zone(f"ns1 A {TLD}", f"www CNAME {TARGET}."),
        },
    )
    small = {
        name: zone(f"ns1 A {SHOP}", f"www CNAME {TARGET}.")
        for name in ("half.com.", "signed.com.", "bogus.com.", "glueless.com.")
    }
    shop = zone(*SHOP_RECORDS, ns=("ns1", "ns2"))
    net.knot(SHOP, {"shop.com.": shop, **small}, signed=("signed.com.", "bogus.com."))
    behind = zone(*SHOP_RECORDS, "late A 192.0.2.1", serial=1, ns=("ns1", "ns2"))
    net.knot(LAGGING, {"shop.com.": behind.replace(f"www 77 CNAME {TARGET}.", "www A 192.0.2.66")})
    net.knot(LAME, {"elsewhere.net.": zone(f"ns1 A {LAME}")})
    eu = zone(f"ns1 A {EU}", f"www CNAME {TARGET}.")
    six = zone("ns1 AAAA ::1", f"www CNAME {TARGET}.")
    net.knot(EU, {"eu.shop.com.": eu, "six.com.": six}, also=("::1",) if has_ipv6() else ())
    wrong = [_with_other_digest(ds) for ds in net.ds(SHOP, "bogus.com.")]
    held = ("shop.com.", "signed.com.", "bogus.com.", "half.com.", "glueless.com.")
    net.unbound(
        RESOLVER,
        # What else there is, only our own root knows.
        {**dict.fromkeys(held, (SHOP,)), ".": (ROOT,)},
        anchors=[*net.ds(SHOP, "signed.com."), *wrong],
    )


def _with_other_digest(ds: str) -> str:
    front, _, digest = ds.rpartition(" ")
    return f"{front} {digest[::-1]}"


@pytest.fixture
def questions() -> Questions:
    return Questions(wait=5.0, limits=ServerLimits(LOOPBACK))


def walk(net: DnsServers, *, resolver: bool = True) -> AuthoritativeServers:
    return AuthoritativeServers(
        [Server(RESOLVER, net.port)] if resolver else [],
        roots=[ROOT],
        port=net.port,
        allowed=LOOPBACK,
    )


def checker(net: DnsServers) -> DnsChecker:
    return DnsChecker(
        [Server(RESOLVER, net.port)],
        wait=5.0,
        authoritative=walk(net),
        limits=ServerLimits(LOOPBACK),
    )


@pytest.mark.parametrize(
    ("name", "addresses", "zone_name"),
    [
        ("www.shop.com", [SHOP, LAGGING], "shop.com"),
        ("www.eu.shop.com", [EU], "eu.shop.com"),
        ("eu.shop.com", [EU], "eu.shop.com"),
        ("www.glueless.com", [SHOP], "glueless.com"),
        ("www.lame.com", [LAME], "lame.com"),
        ("www.half.com", [LAME, SHOP], "half.com"),
        ("www.hidden.com", [TLD], "hidden.com"),
        ("www.nosuch.com", [TLD], "com"),
        ("www.nosuch", [ROOT], "."),
    ],
)
@pytest.mark.parametrize("resolver", [True, False], ids=["resolver", "walk_alone"])
async def test_the_walk_ends_at_the_servers_of_the_zone(
    servers: DnsServers,
    questions: Questions,
    name: str,
    addresses: list[str],
    zone_name: str,
    *,
    resolver: bool,
) -> None:
    held = await walk(servers, resolver=resolver).zone(questions, name)
    assert held is not None
    assert [server.address for server in held.servers] == addresses
    assert held.name == zone_name


ABSENT = Answer((), ())
GONE = Answer((), (), exists=False)


@pytest.mark.parametrize(
    ("name", "rdtype", "answer"),
    [
        ("a", "A", Answer((), ("192.0.2.7",), ttl=300)),
        ("a", "AAAA", Answer((), ("2001:db8::7",), ttl=300)),
        ("a", "TXT", ABSENT),
        ("nothing", "A", GONE),
        ("empty", "A", ABSENT),
        ("deep.empty", "A", ABSENT),
        ("any.wild", "A", Answer((), ("192.0.2.8",), ttl=300)),
        ("any.wild", "TXT", ABSENT),
        ("blocked.wild", "A", ABSENT),
        ("below.blocked.wild", "A", GONE),
        ("www", "A", Answer((TARGET,), (), exists=True, ttl=77)),
        ("www", "CNAME", Answer((), (TARGET,), ttl=77)),
        ("alias", "CNAME", Answer((), ("www.shop.com",), ttl=300)),
        ("x.old", "A", Answer(("x.new.shop.com",), ("192.0.2.9",), ttl=300)),
        ("y.old", "A", Answer(("y.new.shop.com",), (), exists=False, ttl=300)),
        ("x.moved", "A", Answer(("x.gone.net",), (), ttl=300)),
        ("long", "TXT", Answer((), (LONG.replace('" "', "").strip('"'),), ttl=300)),
    ],
)
async def test_what_an_authoritative_server_says(
    servers: DnsServers, questions: Questions, name: str, rdtype: str, answer: Answer
) -> None:
    server = (await walk(servers).of(questions, "www.shop.com"))[0]
    seen = await questions.ask(server, f"{name}.shop.com", RdataType.from_text(rdtype))
    assert seen == answer


async def test_a_server_with_an_ipv6_address_alone_is_asked_there(
    servers: DnsServers, questions: Questions
) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback address")
    found = AuthoritativeServers(
        [], roots=[ROOT], port=servers.port, allowed=[*LOOPBACK, ipaddress.ip_network("::1")]
    )
    (server,) = await found.of(questions, "www.six.com")
    assert server.address == "::1"
    assert (await questions.ask(server, "www.six.com", RdataType.A)).chain == (TARGET,)


async def test_a_loop_ends(servers: DnsServers, questions: Questions) -> None:
    server = (await walk(servers).of(questions, "loop1.shop.com"))[0]
    with pytest.raises(CouldNotAsk, match="cname_loop"):
        await follow(questions, Upstream(server, ()), "loop1.shop.com", RdataType.A)


async def test_a_routine_check_and_a_thorough_one_of_a_zone_that_agrees(
    servers: DnsServers,
) -> None:
    look = checker(servers)
    record = a_record("www.half.com")
    for thorough in (False, True):
        view = await look.check(record, thorough=thorough)
        assert view.routing == Found(Routing(RoutingKind.CNAME, (TARGET,)))


async def test_a_secondary_that_lags_moves_nothing(servers: DnsServers) -> None:
    look = checker(servers)
    view = await look.check(a_record(ownership=OWNERSHIP), thorough=False)
    assert view.routing == Found(Routing(RoutingKind.CNAME, (TARGET,)))
    assert view.records == {("TXT", OWNERSHIP): Found(("wanted",))}
    view = await look.check(a_record(), thorough=True)
    assert view.routing == Unknown("servers_disagree")


async def test_a_zone_whose_only_server_is_lame_is_unknown(servers: DnsServers) -> None:
    look = DnsChecker([], wait=5.0, authoritative=walk(servers, resolver=False))
    view = await look.check(a_record("www.lame.com"), thorough=False)
    assert view.routing == Unknown("refused")


async def test_a_bogus_signature_is_servfail_until_it_is_not_checked(
    servers: DnsServers, questions: Questions
) -> None:
    resolver = Server(RESOLVER, servers.port)
    with pytest.raises(CouldNotAsk, match="servfail"):
        await questions.ask(resolver, "www.bogus.com", RdataType.CNAME)
    for name, unchecked in (("www.bogus.com", True), ("www.signed.com", False)):
        answer = await questions.ask(resolver, name, RdataType.CNAME, check_disabled=unchecked)
        assert answer.values == (TARGET,)
