"""Public suffixes, from the list that comes with the package."""

from __future__ import annotations

import pytest

from app.adapters.public_suffixes import any_suffix, public_suffix


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("shop.com", "com"),
        ("www.shop.com", "com"),
        ("com", "com"),
        ("shop.co.uk", "co.uk"),
        ("co.uk", "co.uk"),
        ("a.b.c.kawasaki.jp", "c.kawasaki.jp"),
        ("city.kawasaki.jp", "kawasaki.jp"),
        ("acme.github.io", "io"),
        ("acme.pages.dev", "dev"),
        ("xn--bcher-kva.de", "de"),
        ("shop.xn--p1ai", "xn--p1ai"),
        ("shop.nosuchtop", None),
        ("localhost", None),
    ],
)
def test_icann_suffixes_count_and_private_or_unknown_ones_do_not(
    name: str, suffix: str | None
) -> None:
    assert public_suffix(name) == suffix


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("acme.uk.com", "uk.com"),
        ("acme.github.io", "github.io"),
        ("shop.com", "com"),
        ("shop.nosuchtop", None),
    ],
)
def test_private_suffixes_count_where_they_are_asked_for(name: str, suffix: str | None) -> None:
    assert any_suffix(name) == suffix
