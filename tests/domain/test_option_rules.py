"""Which choices of plan and options can work, and what is said of those that cannot."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from app.adapters.public_suffixes import public_suffix
from app.domain.custom_hostname import Plan
from app.domain.errors import InvalidInput, OptionNotAvailable, PlanNotAvailable
from app.domain.hostname import Hostname
from app.domain.option_rules import (
    ChosenOptions,
    is_at_cloudflare,
    patched_options,
    refuse_fixed,
    validate_options,
)
from app.domain.options import DcvMethod, Options, OwnershipMethod, Tls, merge_options

PLAIN, WILDCARD = Hostname("shop.tenant.com"), Hostname("*.shop.tenant.com")
LONG = Hostname(".".join(["a" * 59] * 4))


def chosen(plan: str = "simple", *, hostname: Hostname = PLAIN, **said: Any) -> ChosenOptions:
    return ChosenOptions(Plan(plan), hostname, merge_options(Options(), said))


def checked(choice: ChosenOptions, zone_name: str | None = None) -> ChosenOptions:
    return validate_options(choice, zone_name=zone_name, public_suffix=public_suffix)


ILLEGAL = [
    ("a method with a plan that has its own", chosen(dcv_method="txt"), "/dcv_method", "`custom`"),
    (
        "a proof with a plan that has its own",
        chosen("zero_downtime", ownership_method="realtime"),
        "/ownership_method",
        "`custom`",
    ),
    (
        "HTTP for the certificate of a wildcard",
        chosen("custom", hostname=WILDCARD, dcv_method="http"),
        "/dcv_method",
        "`txt`",
    ),
    (
        "HTTP for the ownership of a wildcard",
        chosen("custom", hostname=WILDCARD, ownership_method="http"),
        "/ownership_method",
        "`txt`",
    ),
    (
        "the switch as the ownership of a wildcard",
        chosen("custom", hostname=WILDCARD, dcv_method="email", ownership_method="realtime"),
        "/ownership_method",
        "`txt`",
    ),
    (
        "TXT below a name that is too long",
        chosen("custom", hostname=LONG, ownership_method="txt"),
        "/ownership_method",
        "too long",
    ),
    (
        "TXT for the certificate of a name that is too long",
        chosen("custom", hostname=LONG, dcv_method="txt"),
        "/dcv_method",
        "too long",
    ),
    (
        "an SNI without an origin",
        chosen(custom_origin_sni="o.provider.com"),
        "/custom_origin_sni",
        "`custom_origin_server`",
    ),
    (
        "an SNI for a wildcard",
        chosen(
            "delegated",
            hostname=WILDCARD,
            custom_origin_server="o.provider.com",
            custom_origin_sni=":request_host_header:",
        ),
        "/custom_origin_sni",
        "leave it out",
    ),
    (
        "ciphers beside TLS 1.3 alone",
        chosen(tls={"min_tls_version": "1.3", "ciphers": ["AES128-SHA"]}),
        "/tls/ciphers",
        "allow 1.2",
    ),
    (
        "more custom metadata than Cloudflare takes",
        chosen(custom_metadata={"a": "\u00e9" * 2048}),
        "/custom_metadata",
        "`metadata`",
    ),
    *(
        (
            f"the origin {origin}",
            chosen(custom_origin_server=origin),
            "/custom_origin_server",
            "name",
        )
        for origin in (
            "192.0.2.1",
            "*.provider.com",
            "provider",
            "o_o.provider.com",
            "a.test",
            "a b",
        )
    ),
]


@pytest.mark.parametrize(
    ("choice", "field", "way_out"), [row[1:] for row in ILLEGAL], ids=[row[0] for row in ILLEGAL]
)
def test_what_cannot_work_is_refused_with_its_field_and_the_way_out(
    choice: ChosenOptions, field: str, way_out: str
) -> None:
    with pytest.raises(OptionNotAvailable, match=re.escape(way_out)) as refused:
        checked(choice)
    assert (refused.value.code, refused.value.field) == ("option_not_available", field)


@pytest.mark.parametrize("dcv", [None, *DcvMethod])
@pytest.mark.parametrize("ownership", [None, *OwnershipMethod])
def test_every_pair_of_methods_is_legal_for_a_plain_name(
    dcv: DcvMethod | None, ownership: OwnershipMethod | None
) -> None:
    choice = chosen("custom", dcv_method=dcv, ownership_method=ownership)
    assert checked(choice) == choice


@pytest.mark.parametrize("plan", [plan for plan in Plan if plan is not Plan.SIMPLE])
def test_every_plan_but_simple_is_legal_for_a_wildcard(plan: Plan) -> None:
    checked(chosen(plan, hostname=WILDCARD))


def test_what_a_plan_does_anyway_may_be_said_and_is_kept_once() -> None:
    said = chosen(dcv_method="http", ownership_method="realtime")
    assert checked(said) == chosen()


@pytest.mark.parametrize(
    ("zone_name", "legal"), [(None, True), ("provider.com", True), ("other.com", False)]
)
def test_an_origin_outside_the_zone_is_refused_where_its_name_is_known(
    *, zone_name: str | None, legal: bool
) -> None:
    choice = chosen(custom_origin_server="eu.provider.com")
    if legal:
        assert checked(choice, zone_name) == choice
        return
    with pytest.raises(OptionNotAvailable, match=r"below other\.com"):
        checked(choice, zone_name)


def test_an_origin_that_only_ends_alike_is_outside_the_zone() -> None:
    with pytest.raises(OptionNotAvailable):
        checked(chosen(custom_origin_server="notprovider.com"), "provider.com")


@pytest.mark.parametrize("length", [4096, 4097])
def test_custom_metadata_is_measured_in_bytes_of_json(length: int) -> None:
    choice = chosen(custom_metadata={"a": "x" * (length - len('{"a":""}'))})
    if length <= 4096:
        checked(choice)
        return
    with pytest.raises(OptionNotAvailable, match="this has 4097"):
        checked(choice)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, chosen("custom", dcv_method="txt")),
        ({"plan": "delegated"}, chosen("delegated")),
        ({"plan": None}, chosen("simple")),
        ({"dcv_method": None}, chosen("custom")),
        ({"ownership_method": "txt"}, chosen("custom", dcv_method="txt", ownership_method="txt")),
        ({"metadata": {"x": 1}}, chosen("custom", dcv_method="txt")),
    ],
)
def test_a_change_leaves_what_it_does_not_name(
    said: dict[str, Any], expected: ChosenOptions
) -> None:
    assert patched_options(chosen("custom", dcv_method="txt"), said) == expected


def test_a_change_to_no_plan_there_is_is_refused() -> None:
    with pytest.raises(PlanNotAvailable):
        patched_options(chosen(), {"plan": "magic"})


def test_tls_is_merged_setting_by_setting() -> None:
    before = Options(tls=Tls(min_tls_version="1.2", http2="on"))
    changed = merge_options(before, {"tls": {"http2": None, "ciphers": ["A", "B"]}})
    assert changed.tls == Tls(min_tls_version="1.2", ciphers=("A", "B"))
    assert merge_options(changed, {"tls": None}).tls == Tls()


def test_the_rest_is_replaced_as_a_whole() -> None:
    before = Options(custom_metadata={"a": 1}, custom_origin_server="o.provider.com")
    after = merge_options(before, {"custom_metadata": {"b": 2}, "custom_origin_server": None})
    assert after == replace(before, custom_metadata={"b": 2}, custom_origin_server=None)
    assert merge_options(before, {"custom_metadata": None}).custom_metadata == {}


@pytest.mark.parametrize("field", ["hostname", "tenant", "zone"])
def test_what_never_changes_is_refused_with_the_way_out(field: str) -> None:
    with pytest.raises(InvalidInput, match="remove") as refused:
        refuse_fixed({field: None})
    assert (refused.value.code, refused.value.field) == ("field_fixed", f"/{field}")


@pytest.mark.parametrize(
    ("servers", "flattens"),
    [
        (("ada.ns.cloudflare.com", "bob.ns.cloudflare.com"), True),
        (("ada.ns.cloudflare.com", "ns1.other.net"), False),
        (("ns.cloudflare.com.evil.net",), False),
        ((), False),
    ],
)
def test_a_domain_is_at_cloudflare_when_all_its_servers_are(
    *, servers: tuple[str, ...], flattens: bool
) -> None:
    assert is_at_cloudflare(servers) is flattens


@pytest.mark.parametrize(
    ("options", "field"),
    [
        pytest.param({"custom_origin_sni": "not a name!"}, "/custom_origin_sni", id="no name"),
        pytest.param({"custom_origin_sni": "10.0.0.1"}, "/custom_origin_sni", id="an address"),
        pytest.param({"custom_origin_sni": "*.provider.com"}, "/custom_origin_sni", id="wildcard"),
        pytest.param(
            {"tls": {"min_tls_version": "1.3", "tls_1_3": "off"}},
            "/tls/tls_1_3",
            id="no TLS at all",
        ),
    ],
)
def test_an_sni_that_is_none_and_tls_that_leaves_nothing_are_refused(
    options: dict[str, Any], field: str
) -> None:
    with pytest.raises(OptionNotAvailable) as refused:
        checked(chosen(custom_origin_server="eu.provider.com", **options))
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("EU.Provider.com", "eu.provider.com"),
        ("eu.provider.com.", "eu.provider.com"),
        (" \ufeffeu.provider.com\r\n", "eu.provider.com"),
        ("b\xfccher.provider.com", "xn--bcher-kva.provider.com"),
    ],
)
def test_an_origin_and_its_sni_are_spelled_as_hostnames_are(typed: str, kept: str) -> None:
    said = chosen(custom_origin_server=typed, custom_origin_sni=typed)
    options = checked(said, "provider.com").options
    assert (options.custom_origin_server, options.custom_origin_sni) == (kept, kept)


def test_a_refused_character_of_an_origin_is_named_with_its_place() -> None:
    with pytest.raises(OptionNotAvailable, match="Character 3, '_', "):
        checked(chosen(custom_origin_server="eu_1.provider.com"))


@pytest.mark.parametrize("sni", [":request_host_header:", "sni.other-host.com"])
def test_an_sni_is_the_host_header_or_a_name(sni: str) -> None:
    choice = chosen(custom_origin_server="eu.provider.com", custom_origin_sni=sni)
    assert checked(choice).options.custom_origin_sni == sni
