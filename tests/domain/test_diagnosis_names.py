from dataclasses import replace

import pytest

from app.domain.diagnosis.names import distance, host_field, is_within, relative
from app.domain.diagnosis.provider import Provider
from tests.domain.builders_diagnosis import EXACT, GODADDY, PORKBUN


@pytest.mark.parametrize(
    ("name", "zone", "expected"),
    [
        ("shop.com", "shop.com", ""),
        ("www.shop.com", "shop.com", "www"),
        ("_acme-challenge.www.shop.com", "shop.com", "_acme-challenge.www"),
        ("*.shop.com", "shop.com", "*"),
        ("www.shop.com", "www.shop.com", ""),
        ("www.myshop.com", "shop.com", "www.myshop.com"),
        ("com.com.com", "com.com", "com"),
    ],
)
def test_a_name_is_relative_to_its_zone(name: str, zone: str, expected: str) -> None:
    assert relative(name, zone) == expected


@pytest.mark.parametrize(
    ("name", "provider", "expected"),
    [
        ("www.shop.com", None, "www"),
        ("www.shop.com", GODADDY, "www"),
        ("www.shop.com", EXACT, "www"),
        ("*.shop.com", GODADDY, "*"),
        ("*.eu.shop.com", GODADDY, "*.eu"),
        ("shop.com", None, "@"),
        ("shop.com", GODADDY, "@"),
        ("shop.com", PORKBUN, ""),
        ("shop.com", replace(PORKBUN, apex_host="shop.com"), "shop.com"),
    ],
)
def test_the_host_is_what_the_form_wants(
    name: str, provider: Provider | None, expected: str
) -> None:
    assert host_field(name, "shop.com", provider) == expected


@pytest.mark.parametrize(
    ("name", "within"),
    [("shop.com", "yes"), ("a.b.shop.com", "yes"), ("myshop.com", ""), ("com", "")],
)
def test_a_name_lies_within_its_zone(name: str, within: str) -> None:
    assert is_within(name, "shop.com") is bool(within)


@pytest.mark.parametrize(
    ("one", "other", "mistakes"),
    [
        ("", "", 0),
        ("abc", "abc", 0),
        ("abc", "abd", 1),
        ("abc", "acb", 1),
        ("abc", "ab", 1),
        ("abc", "abcd", 1),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
    ],
)
def test_mistakes_are_counted(one: str, other: str, mistakes: int) -> None:
    assert distance(one, other) == distance(other, one) == mistakes
