"""What a look makes of a name that its own zone at Cloudflare may proxy, over real packets."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from app.adapters.dns.checker import DnsChecker
from app.domain.custom_hostname import ZoneTargets
from app.domain.observation import DnsView, Found, Routing, RoutingKind, Unknown
from tests.adapters.delegated_dns import Delegated, delegated
from tests.adapters.hostnames import TARGET, a_record
from tests.adapters.scripted_dns import scripted_dns

RANGES = ("198.51.100.0/24", "2001:db8:100::/48")
AT_CLOUDFLARE = "shop.com NS amy.ns.cloudflare.com\nshop.com NS bob.ns.cloudflare.com\n"
AT_BOTH = "shop.com NS amy.ns.cloudflare.com\nshop.com NS ns1.registrar.com\n"
ELSEWHERE = "shop.com NS ns1.registrar.com\n"
PROXIED = "www.shop.com A 198.51.100.83\nwww.shop.com AAAA 2001:db8:100::83\n"
BEHIND = Routing(RoutingKind.PROXIED, (), ("198.51.100.83", "2001:db8:100::83"))
TARGETS = f"{TARGET} A 198.51.100.83\n"
"""The target is proxied too, and may share addresses with any other name at Cloudflare."""


@dataclass
class Prefixes:
    """Cloudflare's published ranges, as far as they are known."""

    known: tuple[str, ...] = RANGES
    asked: int = 0

    async def __call__(self) -> tuple[str, ...]:
        self.asked += 1
        return self.known


async def look(
    net: Delegated, prefixes: Prefixes | None = None, *, thorough: bool = False
) -> DnsView:
    known = prefixes or Prefixes()
    return await net.checker().check(a_record(), thorough=thorough, proxy_prefixes=known)


@pytest.mark.parametrize("thorough", [False, True])
async def test_a_name_of_a_zone_at_cloudflare_is_proxied(*, thorough: bool) -> None:
    async with delegated(AT_CLOUDFLARE + PROXIED, resolver=TARGETS + PROXIED) as net:
        view = await look(net, thorough=thorough)
    assert view.routing == Found(BEHIND)


@pytest.mark.parametrize(
    ("zone_file", "kind"),
    [
        (AT_CLOUDFLARE + f"www.shop.com CNAME {TARGET}", RoutingKind.CNAME),
        (AT_CLOUDFLARE + "www.shop.com A 198.51.100.83", RoutingKind.PROXIED),
        (AT_CLOUDFLARE + "www.shop.com A 203.0.113.9", RoutingKind.ELSEWHERE),
        (
            AT_CLOUDFLARE + "www.shop.com A 198.51.100.9\nwww.shop.com A 203.0.113.9",
            RoutingKind.ELSEWHERE,
        ),
        (
            AT_CLOUDFLARE + "www.shop.com A 198.51.100.9\nwww.shop.com AAAA 2001:db8:999::9",
            RoutingKind.ELSEWHERE,
        ),
        (
            AT_CLOUDFLARE + "www.shop.com CNAME b.shop.com\nb.shop.com A 198.51.100.9",
            RoutingKind.ELSEWHERE,
        ),
        (AT_CLOUDFLARE + "www.shop.com TXT beside", RoutingKind.ABSENT),
        (AT_BOTH + "www.shop.com A 198.51.100.9", RoutingKind.ELSEWHERE),
        (ELSEWHERE + "www.shop.com A 198.51.100.9", RoutingKind.ELSEWHERE),
        (ELSEWHERE + "www.shop.com A 198.51.100.83", RoutingKind.FLATTENED),
    ],
    ids=[
        "cname_in_sight",
        "addresses_of_the_target",
        "other_addresses",
        "one_other_address",
        "other_aaaa",
        "cname_to_a_proxied_name",
        "absent",
        "served_by_others_too",
        "another_provider",
        "flattened_by_another_provider",
    ],
)
async def test_what_is_proxied_is_told_from_what_is_not(zone_file: str, kind: RoutingKind) -> None:
    async with delegated(zone_file, resolver=TARGETS) as net:
        view = await look(net)
    assert isinstance(view.routing, Found)
    assert view.routing.value.kind is kind


async def test_apex_proxying_comes_first() -> None:
    zone = ZoneTargets(id="zone_1", cname_target=TARGET, apex_prefixes=("198.51.100.83",))
    async with delegated(AT_CLOUDFLARE + "www.shop.com A 198.51.100.83", resolver=TARGETS) as net:
        record = a_record(zone=zone)
        view = await net.checker().check(record, thorough=False, proxy_prefixes=Prefixes())
    assert isinstance(view.routing, Found)
    assert view.routing.value.kind is RoutingKind.APEX


async def test_the_zones_servers_are_asked_for_only_if_the_addresses_are_of_proxies() -> None:
    prefixes = Prefixes()
    for zone_file, names in (
        (AT_CLOUDFLARE + "www.shop.com A 203.0.113.9", []),
        (AT_CLOUDFLARE + f"www.shop.com CNAME {TARGET}", []),
        (AT_CLOUDFLARE + PROXIED, ["shop.com"]),
    ):
        async with delegated(zone_file, resolver=TARGETS) as net:
            await look(net, prefixes)
            asked = [
                name for each in (net.servers[0], net.resolver) for name in each.names_asked("NS")
            ]
            assert asked == names
    assert prefixes.asked == 2


@pytest.mark.parametrize(
    ("zone_file", "expected"),
    [
        (AT_CLOUDFLARE + PROXIED, Unknown("address_ranges_unknown")),
        (
            ELSEWHERE + "www.shop.com A 203.0.113.9",
            Found(Routing(RoutingKind.ELSEWHERE, (), ("203.0.113.9",))),
        ),
    ],
)
async def test_without_the_ranges_no_name_at_cloudflare_points_elsewhere(
    zone_file: str, expected: Found[Routing] | Unknown
) -> None:
    async with delegated(zone_file, resolver=TARGETS + zone_file) as net:
        view = await look(net, Prefixes(known=()))
    assert view.routing == expected


async def test_servers_that_disagree_whether_a_name_is_proxied_move_nothing() -> None:
    other = AT_CLOUDFLARE + "www.shop.com A 203.0.113.9"
    async with delegated(AT_CLOUDFLARE + PROXIED, other, resolver=TARGETS + PROXIED) as net:
        view = await look(net, thorough=True)
    assert view.routing == Unknown("servers_disagree")


async def test_resolvers_alone_find_the_zones_servers_above_the_name() -> None:
    async with scripted_dns(AT_CLOUDFLARE + PROXIED + TARGETS) as resolver:
        checker = DnsChecker([resolver.server], wait=5.0)
        view = await checker.check(a_record(), thorough=False, proxy_prefixes=Prefixes())
        assert resolver.names_asked("NS") == ["www.shop.com", "shop.com"]
    assert view.routing == Found(BEHIND)


async def test_a_zone_whose_servers_nobody_names_is_unknown() -> None:
    async with scripted_dns(PROXIED + TARGETS) as resolver:
        checker = DnsChecker([resolver.server], wait=5.0)
        view = await checker.check(a_record(), thorough=False, proxy_prefixes=Prefixes())
    assert view.routing == Unknown("no_server")
