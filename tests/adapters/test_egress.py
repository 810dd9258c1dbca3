"""Which addresses and URLs a webhook may go to."""

from __future__ import annotations

import ipaddress

import pytest

from app.adapters.egress import EgressPolicy, is_public, resolve, resolver_of
from app.domain.errors import WebhookRefused

from .scripted_dns import scripted_dns

# The special-purpose registries of IANA, version 4 and 6, and what lies beside them.
INNER = {
    "this network": ["0.0.0.0", "0.1.2.3"],  # noqa: S104 - nothing is bound
    "private use": ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    "shared, carrier-grade NAT": ["100.64.0.1", "100.127.255.254"],
    "loopback": ["127.0.0.1", "127.1.2.3", "127.255.255.254"],
    "link-local": ["169.254.0.1", "169.254.169.254"],
    "Azure's platform": ["168.63.129.16"],
    "protocol assignments": ["192.0.0.1", "192.0.0.7", "192.0.0.170", "192.0.0.171"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1"],
    "benchmarking": ["198.18.0.1", "198.19.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.250", "233.252.0.1"],
    "reserved": ["240.0.0.1", "255.255.255.254"],
    "broadcast": ["255.255.255.255"],
    "unspecified v6": ["::"],
    "loopback v6": ["::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::ffff:0.0.0.0"],
    "compatible": ["::127.0.0.1", "::10.0.0.1", "::8.8.8.8"],
    "translated": ["::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"],
    "NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b::8.8.8.8"],
    "local NAT64": ["64:ff9b:1::1", "64:ff9b:1:ffff::a00:1"],
    "discard": ["100::1", "100:0:0:1::1"],
    "Teredo": ["2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "benchmarking v6": ["2001:2::1"],
    "ORCHID": ["2001:10::1", "2001:20::1"],
    "documentation v6": ["2001:db8::1"],
    "6to4": ["2002::1", "2002:7f00:1::1", "2002:a00:1::1", "2002:808:808::1"],
    "segment routing": ["5f00::1"],
    "unique local": ["fc00::1", "fd00::1", "fdff:ffff::1"],
    "link-local v6": ["fe80::1", "febf::1"],
    "multicast v6": ["ff02::1", "ff0e::1"],
    "not allotted": ["4000::1", "8000::1", "e000::1", "fe00::1"],
}
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "128.0.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "169.253.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.254",
    "2606:4700:4700::1111",
    "2620:fe::fe",
    "2001:4860:4860::8888",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
]
ALL_INNER = [address for addresses in INNER.values() for address in addresses]

LOOPBACK_LITERALS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7F.0x0.0x0.0x1",
    "017700000001",
    "0177.1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
]
INNER_LITERALS = [
    "0",
    "0x0",
    "10.1",
    "0xa000001",
    "2852039166",
    "0xa9fea9fe",
    "169.254.43518",
    "192.168.257",
    "4294967295",
    "[::ffff:169.254.169.254]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[fe80::1%25eth0]",
    "[fd00:ec2::254]",
]


PUBLIC_ONLY = EgressPolicy()
LOOPBACK = EgressPolicy(allow_loopback=True)
USUAL = EgressPolicy(ports=frozenset({443, 8443}))


def host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@pytest.mark.parametrize("address", ALL_INNER)
def test_an_inner_address_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("literal", [*map(host, ALL_INNER), *LOOPBACK_LITERALS, *INNER_LITERALS])
def test_an_inner_literal_is_refused_before_anything_is_resolved(literal: str) -> None:
    with pytest.raises(WebhookRefused) as caught:
        PUBLIC_ONLY.check_url(f"https://{literal}/hook")
    assert caught.value.code == "address_not_allowed"


@pytest.mark.parametrize(
    "literal", [*INNER_LITERALS, *(host(a) for a in ALL_INNER if not a.startswith("127."))]
)
def test_only_loopback_passes_where_loopback_is_allowed(literal: str) -> None:
    if literal == "[::1]":
        return
    with pytest.raises(WebhookRefused):
        LOOPBACK.check_url(f"https://{literal}/hook")


@pytest.mark.parametrize("literal", LOOPBACK_LITERALS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_loopback_passes_in_every_notation_where_it_is_allowed(literal: str, scheme: str) -> None:
    LOOPBACK.check_url(f"{scheme}://{literal}:8002/hook")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.shop.com/nameplate",
        "https://hooks.shop.com:8443/nameplate?tenant=1",
        "HTTPS://Hooks.Shop.com",
        "https://1.1.1.1/hook",
        "https://[2606:4700:4700::1111]/hook",
    ],
)
@pytest.mark.parametrize("policy", [PUBLIC_ONLY, LOOPBACK, USUAL])
def test_a_public_url_passes(url: str, policy: EgressPolicy) -> None:
    policy.check_url(url)


@pytest.mark.parametrize(
    "host", ["localhost", "db.localhost", "printer.local", "vault.internal", "router.home.arpa"]
)
def test_a_name_of_inner_networks_is_refused_unresolved(host: str) -> None:
    with pytest.raises(WebhookRefused) as caught:
        PUBLIC_ONLY.check_url(f"https://{host}/hook")
    assert caught.value.code == "address_not_allowed"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://hooks.shop.com/", "url_not_https"),
        ("ftp://hooks.shop.com/", "url_not_https"),
        ("file:///etc/passwd", "url_invalid"),
        ("gopher://127.0.0.1:6379/_", "url_not_https"),
        ("hooks.shop.com/nameplate", "url_invalid"),
        ("//hooks.shop.com/", "url_not_https"),
        ("", "url_invalid"),
        ("https://", "url_invalid"),
        ("https:///hook", "url_invalid"),
        ("https://user@hooks.shop.com/", "url_invalid"),
        ("https://user:password@hooks.shop.com/", "url_invalid"),
        ("https://:password@hooks.shop.com/", "url_invalid"),
        ("https://hooks.shop.com:0/", "url_invalid"),
        ("https://hooks.shop.com:65536/", "url_invalid"),
        ("https://hooks.shop.com:port/", "url_invalid"),
        ("https://[::1/", "url_invalid"),
        ("https://[nonsense]/", "url_invalid"),
        ("https://0177.0.0.1/", "url_invalid"),
        ("https://012.0.0.1/", "url_invalid"),
        ("https://0251.0376.0251.0376/", "url_invalid"),
        ("https://hooks.shop.com\\@127.0.0.1/", "url_invalid"),
        ("https://hooks.shop.com\t.provider.com/", "url_invalid"),
        ("https://\uff11\uff12\uff17.0.0.1/", "url_invalid"),
    ],
)
def test_a_url_that_cannot_be_called_is_refused(url: str, code: str) -> None:
    with pytest.raises(WebhookRefused) as caught:
        PUBLIC_ONLY.check_url(url)
    assert caught.value.code == code
    assert "password@" not in str(caught.value)


def test_plain_http_needs_loopback_to_be_allowed() -> None:
    LOOPBACK.check_url("http://localhost:8002/")
    with pytest.raises(WebhookRefused):
        PUBLIC_ONLY.check_url("http://127.0.0.1:8002/")


@pytest.mark.parametrize("name", ["x.internal", "x.internal.", "LOCAL", "x.localhost", "1.arpa"])
def test_a_name_of_inner_networks_is_refused_where_loopback_is_allowed(name: str) -> None:
    with pytest.raises(WebhookRefused) as caught:
        LOOPBACK.check_url(f"https://{name}/hook")
    assert caught.value.code == "address_not_allowed"


# All of these are numbers or the one local name: none is looked up in any DNS.
@pytest.mark.parametrize(
    "name", ["localhost", "127.0.0.1", "127.1", "2130706433", "\uff11\uff12\uff17.0.0.1"]
)
async def test_a_name_that_leads_to_loopback_is_refused_when_it_is_resolved(name: str) -> None:
    with pytest.raises(WebhookRefused) as caught:
        await resolve(name, resolver_of(()), PUBLIC_ONLY)
    assert caught.value.code == "address_not_allowed"


async def test_a_name_that_leads_to_loopback_resolves_where_it_is_allowed() -> None:
    for name in ("localhost", "127.1"):
        assert await resolve(name, resolver_of(()), LOOPBACK) == ["127.0.0.1"]


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "0.0.0.0"])  # noqa: S104 - refused
async def test_another_inner_address_is_refused_when_it_is_resolved(address: str) -> None:
    for policy in (PUBLIC_ONLY, LOOPBACK):
        with pytest.raises(WebhookRefused):
            await resolve(address, resolver_of(()), policy)


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".com"])
async def test_a_text_that_is_no_name_does_not_resolve(name: str) -> None:
    with pytest.raises(WebhookRefused):
        await resolve(name, resolver_of(()), PUBLIC_ONLY)


async def test_the_addresses_of_both_families_take_turns() -> None:
    zone_file = """
        hooks.shop.com AAAA 2606:4700::1
        hooks.shop.com AAAA 2606:4700::2
        hooks.shop.com A 9.1.1.1
        hooks.shop.com A 9.1.1.2
        hooks.shop.com A 9.1.1.3
    """
    async with scripted_dns(zone_file) as dns:
        resolver = resolver_of([("127.0.0.1", dns.port)])
        found = await resolve("hooks.shop.com", resolver, PUBLIC_ONLY)
    # A server gives the addresses of one family in any order.
    assert [":" in address for address in found] == [True, False, True, False, False]
    assert set(found) == {"2606:4700::1", "9.1.1.1", "2606:4700::2", "9.1.1.2", "9.1.1.3"}


@pytest.mark.parametrize("port", ["", ":443", ":8443"])
def test_a_port_of_the_list_passes(port: str) -> None:
    USUAL.check_url(f"https://hooks.shop.com{port}/hook")


@pytest.mark.parametrize("port", [22, 25, 80, 444, 2375, 6379, 8080, 65535])
@pytest.mark.parametrize("name", ["hooks.shop.com", "1.1.1.1", "[2606:4700:4700::1111]"])
def test_another_port_is_refused_with_those_of_the_list(port: int, name: str) -> None:
    with pytest.raises(WebhookRefused, match="use one of 443, 8443") as caught:
        USUAL.check_url(f"https://{name}:{port}/hook")
    assert caught.value.code == "port_not_allowed"


def test_loopback_may_have_any_port_where_it_is_allowed() -> None:
    policy = EgressPolicy(ports=frozenset({443}), allow_loopback=True)
    policy.check_url("http://127.0.0.1:8002/")
    with pytest.raises(WebhookRefused):
        policy.check_url("https://hooks.shop.com:8002/")


def test_http_needs_to_be_allowed_and_brings_its_own_port() -> None:
    policy = EgressPolicy(ports=frozenset({443, 8080}), allow_http=True)
    for url in ("http://hooks.shop.com/", "http://hooks.shop.com:80/", "http://1.1.1.1:8080/"):
        policy.check_url(url)
        with pytest.raises(WebhookRefused) as caught:
            USUAL.check_url(url)
        assert caught.value.code == "url_not_https"
    for url in ("http://hooks.shop.com:8000/", "https://hooks.shop.com:80/"):
        with pytest.raises(WebhookRefused) as caught:
            policy.check_url(url)
        assert caught.value.code == "port_not_allowed"
    with pytest.raises(WebhookRefused):
        policy.check_url("ftp://hooks.shop.com/")


INNER_RECEIVERS = EgressPolicy(
    ports=frozenset({443}),
    allowed_networks=tuple(map(ipaddress.ip_network, ("10.1.0.0/16", "fd00:1::/32", "127.0.0.1"))),
)


@pytest.mark.parametrize("literal", ["10.1.2.3", "[fd00:1::2]", "127.0.0.1", "1.1.1.1"])
def test_an_address_of_an_allowed_network_passes(literal: str) -> None:
    INNER_RECEIVERS.check_url(f"https://{literal}/hook")


@pytest.mark.parametrize(
    "literal", ["10.2.0.1", "[fd00:2::1]", "127.0.0.2", "[::1]", "[::ffff:10.2.0.1]", "0"]
)
def test_addresses_beside_the_allowed_networks_stay_refused(literal: str) -> None:
    with pytest.raises(WebhookRefused) as caught:
        INNER_RECEIVERS.check_url(f"https://{literal}/hook")
    assert caught.value.code == "address_not_allowed"


@pytest.mark.parametrize(
    ("url", "code"),
    [("http://10.1.2.3/", "url_not_https"), ("https://10.1.2.3:6379/", "port_not_allowed")],
)
def test_allowed_networks_are_called_over_https_at_ports_of_the_list(url: str, code: str) -> None:
    with pytest.raises(WebhookRefused) as caught:
        INNER_RECEIVERS.check_url(url)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "literal",
    [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "[fd00:ec2::254]",
        "[fd20:ce::254]",
        "2852039166",
        "[::ffff:169.254.169.254]",
    ],
)
def test_metadata_services_are_refused_whatever_is_allowed(literal: str) -> None:
    networks = ("0.0.0.0/0", "fd00::/8")
    policy = EgressPolicy(
        allow_loopback=True, allowed_networks=tuple(map(ipaddress.ip_network, networks))
    )
    with pytest.raises(WebhookRefused) as caught:
        policy.check_url(f"https://{literal}/latest/meta-data")
    assert caught.value.code == "address_not_allowed"


TRANSLATED = {
    "NAT64": ("64:ff9b::/96", "64:ff9b::808:808", "64:ff9b::a02:1", "64:ff9b::a9fe:a9fe"),
    "mapped": ("::ffff:0:0/96", "::ffff:8.8.8.8", "::ffff:10.2.0.1", "::ffff:169.254.169.254"),
    "compatible": ("::/96", "::8.8.8.8", "::10.2.0.1", "::169.254.169.254"),
    "6to4": ("2002::/16", "2002:808:808::1", "2002:a02:1::1", "2002:a9fe:a9fe::1"),
    "Teredo": (
        "2001::/32",
        "2001:0:4136:e378:8000:63bf:f7f7:f7f7",
        "2001:0:4136:e378:8000:63bf:f5fd:fffe",
        "2001:0:4136:e378:8000:63bf:5601:5601",
    ),
}


@pytest.mark.parametrize(
    ("network", "public", "inner", "metadata"), TRANSLATED.values(), ids=TRANSLATED
)
def test_an_allowed_translation_opens_what_may_be_called_behind_it(
    network: str, public: str, inner: str, metadata: str
) -> None:
    translation = ipaddress.ip_network(network)
    policy = EgressPolicy(allowed_networks=(translation,))
    policy.check_url(f"https://[{public}]/")
    for address in (inner, metadata):
        with pytest.raises(WebhookRefused):
            policy.check_url(f"https://[{address}]/")
    wider = EgressPolicy(allowed_networks=(translation, ipaddress.ip_network("10.2.0.0/16")))
    wider.check_url(f"https://[{inner}]/")


async def test_a_name_of_inner_networks_is_resolved_where_some_are_allowed() -> None:
    zone_file = "hooks.shop.internal A 10.1.2.3\ndb.shop.internal A 10.2.3.4"
    INNER_RECEIVERS.check_url("https://db.shop.internal/hook")
    async with scripted_dns(zone_file) as dns:
        resolver = resolver_of([("127.0.0.1", dns.port)])
        assert await resolve("hooks.shop.internal", resolver, INNER_RECEIVERS) == ["10.1.2.3"]
        with pytest.raises(WebhookRefused) as caught:
            await resolve("db.shop.internal", resolver, INNER_RECEIVERS)
    assert caught.value.code == "address_not_allowed"
