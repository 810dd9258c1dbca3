"""Which DNS provider a zone is with, by the names of its servers."""

from __future__ import annotations

import pytest

from app.domain.diagnosis.provider import Provider, provider_of


def provider(
    id_: str, *name_servers: str, pattern: str | None = None, serves_others: bool = False
) -> Provider:
    return Provider(
        id=id_,
        name=id_,
        name_servers=name_servers,
        pattern=pattern,
        serves_others=serves_others,
        dns_page="https://dns.provider.com/",
        flattens_apex=False,
    )


PROVIDERS = (
    provider("cloudflare", "ns.cloudflare.com"),
    provider("godaddy", "domaincontrol.com"),
    provider("azure", "azure-dns.com", "azure-dns.net"),
    provider("route53", pattern=r"ns-\d+\.awsdns-\d+\.(com|net|org|co\.uk)"),
    provider("ionos", pattern=r"ns\d+\.ui-dns\.(com|de|org|biz)"),
    provider("strato", "ns-strato.ui-dns.com"),
    provider("ns1", "nsone.net", serves_others=True),
    provider("squarespace", "squarespacedns.com"),
)


@pytest.mark.parametrize(
    ("name_servers", "expected"),
    [
        pytest.param(["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"], "cloudflare", id="suffix"),
        pytest.param(["NS51.DomainControl.COM"], "godaddy", id="mixed case"),
        pytest.param(["ns51.domaincontrol.com."], "godaddy", id="final dot"),
        pytest.param(["domaincontrol.com"], "godaddy", id="the suffix itself"),
        pytest.param(["ns1.notdomaincontrol.com"], None, id="no border of a label"),
        pytest.param(["domaincontrol.com.evil.net"], None, id="not at the end"),
        pytest.param(["ns1.shop.com", "ns2.shop.com"], None, id="vanity name servers"),
        pytest.param([], None, id="no servers"),
        pytest.param([""], None, id="an empty name"),
        pytest.param(["ns1-01.azure-dns.com", "ns2-01.azure-dns.net"], "azure", id="two suffixes"),
        pytest.param(["ns-123.awsdns-45.co.uk", "ns-9.awsdns-01.com"], "route53", id="pattern"),
        pytest.param(["NS-123.AWSDNS-45.ORG."], "route53", id="pattern in mixed case"),
        pytest.param(["x.ns-123.awsdns-45.com"], None, id="a pattern is for the whole name"),
        pytest.param(["ns-123.awsdns-45xcom"], None, id="a pattern's dots are dots"),
        pytest.param(["ns-strato.ui-dns.com"], "strato", id="a brand beside a pattern"),
        pytest.param(["ns1098.ui-dns.biz"], "ionos", id="a pattern beside a brand"),
        pytest.param(
            ["a.ns.cloudflare.com", "b.ns.cloudflare.com", "ns1.domaincontrol.com"],
            "cloudflare",
            id="the most servers",
        ),
        pytest.param(
            ["a.ns.cloudflare.com", "ns1.domaincontrol.com"], None, id="as many of either"
        ),
        pytest.param(
            ["a.ns.cloudflare.com", "ns1.shop.com", "ns2.shop.com"],
            "cloudflare",
            id="unknown servers have no vote",
        ),
        pytest.param(["dns1.p03.nsone.net", "dns2.p03.nsone.net"], "ns1", id="rented, alone"),
        pytest.param(
            ["dns1.p03.nsone.net", "dns2.p03.nsone.net", "ns01.squarespacedns.com"],
            "squarespace",
            id="rented, beside the tenant's provider",
        ),
    ],
)
def test_a_zone_is_with_the_provider_of_most_of_its_servers(
    name_servers: list[str], expected: str | None
) -> None:
    found = provider_of(name_servers, PROVIDERS)
    assert (found and found.id) == expected


def test_no_provider_is_found_in_an_empty_list() -> None:
    assert provider_of(["a.ns.cloudflare.com"], ()) is None
