"""Domain Connect: what a provider says about itself, and the links that apply our templates."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.diagnosis.domain_connect import (
    MOST_RECORDS,
    DomainConnectOffer,
    ProviderSettings,
    Service,
    apply_query,
    apply_url,
    host_within,
    parse_settings,
    settings_urls,
    signed_query,
    template_url,
)

DOCUMENT: dict[str, Any] = {
    "providerId": "virtucondomains.net",
    "providerName": "Virtucon Domains",
    "providerDisplayName": "Virtucon",
    "urlSyncUX": "https://domainconnect.virtucondomains.net/sync",
    "urlAPI": "https://api.virtucondomains.net",
    "width": 750,
    "height": 600,
}
SETTINGS = ProviderSettings(
    provider_id="virtucondomains.net",
    name="Virtucon",
    url_sync_ux="https://domainconnect.virtucondomains.net/sync",
    url_api="https://api.virtucondomains.net",
    size=(750, 600),
)
OFFER = DomainConnectOffer(
    domain="shop.com", settings=SETTINGS, services=frozenset({Service.ROUTING})
)


@pytest.mark.parametrize(
    ("record", "prefix"),
    [
        ("domainconnect.virtucondomains.net", "domainconnect.virtucondomains.net"),
        ("domainconnect.virtucondomains.net/dc", "domainconnect.virtucondomains.net/dc"),
        ("domainconnect.virtucondomains.net/dc/", "domainconnect.virtucondomains.net/dc"),
        ("domainconnect.virtucondomains.net:8443", "domainconnect.virtucondomains.net:8443"),
    ],
)
def test_a_txt_record_names_where_the_settings_are(record: str, prefix: str) -> None:
    assert settings_urls([record], "shop.com") == (f"https://{prefix}/v2/shop.com/settings",)


@pytest.mark.parametrize(
    "record",
    [
        "",
        "https://domainconnect.virtucondomains.net",
        "domainconnect.virtucondomains.net?x=1",
        "domainconnect.virtucondomains.net/#x",
        "user@domainconnect.virtucondomains.net",
        "domainconnect.virtucondomains.net/a b",
        "domainconnect.virtucondomains.net\\@10.0.0.1",
        "domainconnect.virtucondomains.net/%2e%2e",
        "domainconnect.virtucondomains.net:port",
        "domainconnect.virtucondomains.net\n",
        "domainconnect.virtuc\u00f6ndomains.net",
        "localhost",
        "/dc",
    ],
)
def test_a_txt_record_of_another_form_is_passed_over(record: str) -> None:
    assert settings_urls([record], "shop.com") == ()
    assert len(settings_urls([record, "dc.virtucondomains.net"], "shop.com")) == 1


def test_few_of_many_txt_records_are_tried() -> None:
    records = [f"dc{number}.virtucondomains.net" for number in range(20)]
    assert len(settings_urls(records, "shop.com")) == MOST_RECORDS


def test_the_settings_are_read() -> None:
    assert parse_settings(DOCUMENT) == SETTINGS


@pytest.mark.parametrize(
    ("change", "attribute", "value"),
    [
        ({"providerDisplayName": None}, "name", "Virtucon Domains"),
        ({"urlSyncUX": None}, "url_sync_ux", None),
        ({"urlAPI": "https://api.virtucondomains.net/"}, "url_api", SETTINGS.url_api),
        ({"width": "750", "height": "600"}, "size", (750, 600)),
        ({"width": None}, "size", None),
        ({"width": 99}, "size", None),
        ({"height": 10**9}, "size", None),
        ({"width": {"px": 750}}, "size", None),
        ({"unknown": ["is", "ignored"]}, "name", "Virtucon"),
        ({"crit": ["urlAPI", "vnd.absent"]}, "name", "Virtucon"),
        ({"nameServers": ["ns1.virtucondomains.net"]}, "name", "Virtucon"),
    ],
)
def test_optional_settings_may_be_missing_or_odd(
    change: dict[str, Any], attribute: str, value: object
) -> None:
    assert getattr(parse_settings({**DOCUMENT, **change}), attribute) == value


@pytest.mark.parametrize(
    "change",
    [
        {"providerId": None},
        {"providerId": ""},
        {"providerId": "a/b"},
        {"providerId": "x" * 64},
        {"providerId": 7},
        {"providerName": None},
        {"providerName": " "},
        {"providerName": "x" * 256},
        {"providerName": "Virtucon\u202edomains"},
        {"providerDisplayName": ""},
        {"providerDisplayName": ["Virtucon"]},
        {"urlAPI": None},
        {"urlAPI": "http://api.virtucondomains.net"},
        {"urlAPI": "https://api.virtucondomains.net?x=1"},
        {"urlAPI": "https://user@api.virtucondomains.net"},
        {"urlSyncUX": "javascript:alert(1)"},
        {"urlSyncUX": "http://domainconnect.virtucondomains.net"},
        {"urlSyncUX": 'https://domainconnect.virtucondomains.net/"onclick'},
        {"urlSyncUX": ""},
        {"crit": ["vnd.virtucon.euSyncUX"], "vnd.virtucon.euSyncUX": "https://eu.virtucon.net"},
        {"crit": "urlAPI"},
    ],
)
def test_settings_of_another_form_are_refused(change: dict[str, Any]) -> None:
    assert parse_settings({**DOCUMENT, **change}) is None


@pytest.mark.parametrize("document", [None, [], "text", 1, [DOCUMENT], {}])
def test_what_is_no_object_is_refused(document: object) -> None:
    assert parse_settings(document) is None


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("www.shop.com", "www"),
        ("a.b.shop.com", "a.b"),
        ("shop.com", ""),
        ("_acme-challenge.www.shop.com", "_acme-challenge.www"),
        ("*.shop.com", None),
        ("notshop.com", None),
        ("shop.org", None),
        (".shop.com", None),
    ],
)
def test_a_host_is_the_name_without_the_domain(name: str, host: str | None) -> None:
    assert host_within(name, "shop.com") == host


def test_whether_a_template_is_supported_is_asked_by_both_ids() -> None:
    assert template_url(SETTINGS, "provider.com", Service.ROUTING) == (
        "https://api.virtucondomains.net/v2/domainTemplates/providers/provider.com"
        "/services/nameplate-routing"
    )


def test_the_query_is_sorted_and_percent_encoded() -> None:
    query = apply_query(
        Service.VALIDATION,
        domain="shop.com",
        host="www",
        variables={"ownership": "a+b c/d=&", "delegation": "x.dcv.cloudflare.com"},
        redirect_uri="https://provider.com/done?a=1",
        state="~\u00e4",
    )
    assert query == (
        "delegation=x.dcv.cloudflare.com&domain=shop.com&host=www"
        "&ownership=a%2Bb%20c%2Fd%3D%26"
        "&redirect_uri=https%3A%2F%2Fprovider.com%2Fdone%3Fa%3D1&state=~%C3%A4"
    )


def test_some_of_the_variables_apply_their_records_alone() -> None:
    query = apply_query(
        Service.VALIDATION, domain="shop.com", host="", variables={"delegation": "x.net"}
    )
    assert query == "delegation=x.net&domain=shop.com&groupId=delegation"


@pytest.mark.parametrize("variables", [{}, {"ownership": "x"}, {"target": "x", "extra": "y"}])
def test_other_variables_than_the_templates_are_refused(variables: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="nameplate-routing takes the variables target"):
        apply_query(Service.ROUTING, domain="shop.com", host="www", variables=variables)


def test_the_routing_record_cannot_stand_at_the_apex() -> None:
    with pytest.raises(ValueError, match="cannot stand at the apex"):
        apply_query(Service.ROUTING, domain="shop.com", host="", variables={"target": "x.net"})


def test_a_signature_is_appended_to_the_signed_text_as_it_is() -> None:
    assert signed_query("a=1&b=%2B", b"\xfb\xff\xfe", "_dcpubkeyv1") == (
        "a=1&b=%2B&sig=%2B%2F%2F%2B&key=_dcpubkeyv1"
    )


def test_the_link_leads_to_the_providers_page() -> None:
    query = apply_query(
        Service.ROUTING, domain="shop.com", host="www", variables={"target": "x.provider.com"}
    )
    assert apply_url(OFFER, "provider.com", Service.ROUTING, query) == (
        "https://domainconnect.virtucondomains.net/sync/v2/domainTemplates/providers/provider.com"
        "/services/nameplate-routing/apply?domain=shop.com&host=www&target=x.provider.com"
    )
    assert OFFER.host == "domainconnect.virtucondomains.net"


def test_a_template_that_the_provider_lacks_has_no_link() -> None:
    with pytest.raises(ValueError, match="Virtucon does not support nameplate-validation"):
        apply_url(OFFER, "provider.com", Service.VALIDATION, "domain=shop.com")


def test_a_link_is_no_longer_than_a_provider_must_take() -> None:
    with pytest.raises(ValueError, match="at most 8000 characters"):
        apply_url(OFFER, "provider.com", Service.ROUTING, "state=" + "x" * 8000)
