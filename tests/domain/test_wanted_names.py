"""The names of one request, and where they redirect to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.adapters.public_suffixes import public_suffix
from app.domain.errors import AlreadyExists, HostnameTaken, InvalidInput
from app.domain.hostname import Hostname
from app.domain.redirect import refuse_target
from app.domain.wanted_names import WantedName, parse_names

from .builders import live_record

GOOD = {
    "one name": ("shop.com", [], None, {"shop.com": None}),
    "an apex and its www": (
        "Shop.com",
        ["WWW.shop.com."],
        "shop.com",
        {"shop.com": None, "www.shop.com": "shop.com"},
    ),
    "the www first": (
        "www.shop.com",
        ["shop.com"],
        "SHOP.com",
        {"www.shop.com": "shop.com", "shop.com": None},
    ),
    "to a third name": (
        "shop.com",
        ["www.shop.com"],
        "new-shop.org",
        {"shop.com": "new-shop.org", "www.shop.com": "new-shop.org"},
    ),
    "one name that redirects": ("www.shop.com", [], "shop.com", {"www.shop.com": "shop.com"}),
    "a wildcard beside its name": (
        "shop.com",
        ["*.shop.com"],
        "shop.com",
        {"shop.com": None, "*.shop.com": "shop.com"},
    ),
    "U-labels": (
        "b\u00fccher.de",
        ["www.b\u00fccher.de"],
        None,
        {"xn--bcher-kva.de": None, "www.xn--bcher-kva.de": None},
    ),
    "a longer public suffix": (
        "shop.co.uk",
        ["www.shop.co.uk"],
        None,
        {"shop.co.uk": None, "www.shop.co.uk": None},
    ),
}


@pytest.mark.parametrize(("hostname", "also", "redirect_to", "names"), GOOD.values(), ids=GOOD)
def test_all_names_redirect_that_are_not_the_target(
    hostname: str, also: list[str], redirect_to: str | None, names: dict[str, str | None]
) -> None:
    parsed = parse_names(hostname, also, redirect_to, public_suffix)
    assert {
        each.hostname.name: each.redirect_to.name if each.redirect_to else None for each in parsed
    } == names
    places = ["/hostname", *(f"/also/{number}" for number in range(len(also)))]
    assert [each.pointer for each in parsed] == places


BAD = {
    "another domain": ("shop.com", ["www.other.com"], None, "also_invalid", "/also/0"),
    "another domain of one suffix": ("a.co.uk", ["b.co.uk"], None, "also_invalid", "/also/0"),
    "the first again": ("shop.com", ["SHOP.com."], None, "also_invalid", "/also/0"),
    "one twice": (
        "shop.com",
        ["www.shop.com", "www.shop.com"],
        None,
        "also_invalid",
        "/also/1",
    ),
    "an address": ("shop.com", ["192.0.2.1"], None, "hostname_is_ip", "/also/0"),
    "the first is an address": ("192.0.2.1", ["shop.com"], None, "hostname_is_ip", "/hostname"),
    "to itself": ("shop.com", [], "Shop.com.", "redirect_invalid", "/redirect_to"),
    "to a wildcard": ("shop.com", [], "*.shop.com", "redirect_invalid", "/redirect_to"),
    "to a URL": ("shop.com", [], "https://shop.org/", "hostname_is_url", "/redirect_to"),
    "to a port": ("shop.com", [], "shop.org:443", "hostname_has_port", "/redirect_to"),
}


@pytest.mark.parametrize(
    ("hostname", "also", "redirect_to", "code", "place"), BAD.values(), ids=BAD
)
def test_what_is_refused_is_pointed_to(
    hostname: str, also: list[str], redirect_to: str | None, code: str, place: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_names(hostname, also, redirect_to, public_suffix)
    assert (refused.value.code, refused.value.field) == (code, place)


def test_a_conflict_about_a_name_in_also_points_there_and_about_the_first_stays_as_it_is() -> None:
    first, also = WantedName(Hostname("shop.com")), WantedName(Hostname("www.shop.com"), "/also/0")
    taken = HostnameTaken("www.shop.com", in_the_way="www.shop.com")
    with pytest.raises(HostnameTaken), also.at_fault():
        raise taken
    assert taken.field == "/also/0"
    for name, fields in ((first, ("/plan",)), (also, ("/also/0",))):
        exists = AlreadyExists(name.hostname.name, "ch_1", ["/plan"])
        with pytest.raises(AlreadyExists), name.at_fault():
            raise exists
        assert exists.fields == fields


def test_a_target_is_held_by_the_tenant_and_does_not_redirect_itself() -> None:
    held = live_record()
    refuse_target(held.hostname, held)
    for record in (None, replace(held, redirect_to="other.shop.com")):
        with pytest.raises(InvalidInput) as refused:
            refuse_target(held.hostname, record)
        assert (refused.value.code, refused.value.field) == ("redirect_invalid", "/redirect_to")
