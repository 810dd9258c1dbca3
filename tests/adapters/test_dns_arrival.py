"""Whether it is certain that a new name's traffic arrives elsewhere, over real packets."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from app.adapters.dns.checker import DnsChecker
from app.domain.hostname import Hostname
from app.domain.zone import Destinations
from tests.adapters.delegated_dns import Script, delegated
from tests.adapters.hostnames import TARGET
from tests.adapters.scripted_dns import scripted_dns

NAME = "www.shop.com"
PROVIDER = f"""
    {TARGET} A 203.0.113.81
    {TARGET} AAAA 2001:db8::81
    other.provider.net A 203.0.113.91
"""
OURS = Destinations(
    names=(TARGET, "other.provider.net", "fallback.provider.net"),
    targets=(TARGET,),
    prefixes=("198.51.100.0/24",),
)
AWAY = f"{NAME} A 192.0.2.7"
HERE = f"{NAME} CNAME {TARGET}"
PROXIES = "192.0.2.128/25"


async def leads_elsewhere(
    checker: DnsChecker, *, name: str = NAME, within: float = 5.0, proxies: tuple[str, ...] = ()
) -> bool:
    async def prefixes() -> tuple[str, ...]:
        return proxies

    return await checker.leads_elsewhere(
        Hostname(name), ours=OURS, tenant="acme", proxy_prefixes=prefixes, within=within
    )


async def by_resolvers(
    *zone_files: str, name: str = NAME, proxies: tuple[str, ...] = (PROXIES,)
) -> bool:
    async with AsyncExitStack() as stack:
        servers = [
            (await stack.enter_async_context(scripted_dns(text + "\n" + PROVIDER))).server
            for text in zone_files
        ]
        return await leads_elsewhere(DnsChecker(servers), name=name, proxies=proxies)


@pytest.mark.parametrize(
    ("zone_file", "expected"),
    [
        pytest.param("", True, id="there is no such name"),
        pytest.param(AWAY, True, id="an address of others"),
        pytest.param(f"{NAME} CNAME cdn.net\ncdn.net A 192.0.2.8", True, id="a CNAME to others"),
        pytest.param(f"{NAME} CNAME nowhere.net", True, id="a CNAME to nothing"),
        pytest.param(HERE, False, id="our target"),
        pytest.param(f"{NAME} CNAME cdn.net\ncdn.net CNAME {TARGET}", False, id="by a chain"),
        pytest.param(f"{NAME} CNAME other.provider.net", False, id="another zone's target"),
        pytest.param(f"{NAME} CNAME fallback.provider.net", False, id="a fallback origin"),
        pytest.param(f"{NAME} A 203.0.113.81", False, id="the target's address"),
        pytest.param(f"{NAME} AAAA 2001:db8::81", False, id="the target's address of IPv6"),
        pytest.param(f"{AWAY}\n{NAME} A 203.0.113.81", False, id="one address of two"),
        pytest.param(f"{AWAY}\n{NAME} AAAA 2001:db8::81", False, id="one family of two"),
        pytest.param(f"{NAME} A 198.51.100.9", False, id="an apex address"),
        pytest.param(f"{AWAY}\n{NAME} A 198.51.100.9", False, id="an apex address of two"),
        pytest.param(
            f"{NAME} A 192.0.2.200\nshop.com NS zoe.ns.cloudflare.com", False, id="behind a proxy"
        ),
        pytest.param(
            f"{NAME} A 192.0.2.200\nshop.com NS ns1.registrar.net", True, id="others' own proxy"
        ),
    ],
)
async def test_one_way_to_here_is_enough_to_doubt_that_a_name_leads_elsewhere(
    zone_file: str, *, expected: bool
) -> None:
    assert await by_resolvers(zone_file) is expected


async def test_a_name_at_cloudflare_may_lead_anywhere_while_its_proxies_are_not_known() -> None:
    at_cloudflare = f"{AWAY}\nshop.com NS zoe.ns.cloudflare.com"
    assert not await by_resolvers(at_cloudflare, proxies=())
    assert await by_resolvers(at_cloudflare)


async def test_a_wildcard_is_asked_at_a_random_label_and_not_at_its_base() -> None:
    assert await by_resolvers(HERE, name="*.www.shop.com")
    assert not await by_resolvers(f"*.{NAME} CNAME {TARGET}", name="*.www.shop.com")


@pytest.mark.parametrize(
    ("zone_files", "expected"),
    [([AWAY, AWAY], True), ([HERE, AWAY], False), ([AWAY, HERE], False), ([], False)],
)
async def test_all_resolvers_that_are_asked_must_say_so(
    zone_files: list[str], *, expected: bool
) -> None:
    assert await by_resolvers(*zone_files) is expected


SILENT = Script(AWAY, fault="silence")


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        pytest.param([Script(AWAY)], True, id="the only one"),
        pytest.param([Script(AWAY), Script(AWAY)], True, id="both"),
        pytest.param([Script(AWAY), Script(HERE)], False, id="they disagree"),
        pytest.param([Script(AWAY), SILENT], False, id="one of two"),
        pytest.param([Script(AWAY), Script(AWAY), SILENT], True, id="two of three, in time"),
        pytest.param([SILENT, SILENT], False, id="none"),
        pytest.param([Script(fault="servfail")], False, id="SERVFAIL"),
    ],
)
async def test_the_domains_own_servers_must_say_so(
    servers: list[Script], *, expected: bool
) -> None:
    async with delegated(*servers, resolver=AWAY) as net:
        assert await leads_elsewhere(net.checker(wait=5.0), within=1.0) is expected


async def test_what_resolvers_remember_does_not_count_beside_the_domains_own_servers() -> None:
    async with delegated(HERE, resolver=AWAY) as net:
        assert not await leads_elsewhere(net.checker())
    async with delegated("", resolver=HERE) as net:
        assert await leads_elsewhere(net.checker())


async def test_servers_that_are_remembered_do_not_stand_in_for_a_root_that_is_silent() -> None:
    async with delegated(AWAY) as net:
        checker = net.checker(wait=0.3)
        assert await leads_elsewhere(checker)
        net.root.faults = {"*": "silence"}
        assert not await leads_elsewhere(checker)
