"""Where a provider's application answers: an address or one hostname."""

from __future__ import annotations

import pytest

from app.domain.errors import InvalidInput
from app.domain.zone import Origin, ZoneRecord, parse_origin


@pytest.mark.parametrize(
    ("text", "type_", "content"),
    [
        ("192.0.2.10", "A", "192.0.2.10"),
        ("2001:DB8:0::1", "AAAA", "2001:db8::1"),
        ("App.Provider.com.", "CNAME", "app.provider.com"),
        (" app.provider.com\r\n", "CNAME", "app.provider.com"),
        ("\ufeff192.0.2.10\xa0", "A", "192.0.2.10"),
        ("b\u00fccher.de", "CNAME", "xn--bcher-kva.de"),
        ("lb-1.eu-west-1.elb.amazonaws.com", "CNAME", "lb-1.eu-west-1.elb.amazonaws.com"),
    ],
)
def test_an_address_or_a_hostname_is_an_origin(text: str, type_: str, content: str) -> None:
    assert parse_origin(text) == Origin(type_, content)


@pytest.mark.parametrize(
    "text",
    [
        "not a host",
        "*.x.com",
        "*",
        "com",
        "localhost",
        "x.com:443",
        "192.0.2.10:443",
        "192.0.2",
        "192.0.2.256",
        "[2001:db8::1]",
        "fe80::1%eth0",
        "https://x.com/",
        "x.com/path",
        "user@x.com",
        "x..com",
        " ",
    ],
)
def test_what_is_neither_is_refused_with_the_field_and_the_way_out(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_origin(text)
    assert (caught.value.code, caught.value.field) == ("origin_invalid", "/origin")
    assert "`192.0.2.10`" in caught.value.detail


@pytest.mark.parametrize(
    ("type_", "content", "leads_there"),
    [
        ("CNAME", "App.provider.com.", True),
        ("CNAME", "other.provider.com", False),
        ("A", "192.0.2.10", False),
    ],
)
def test_a_record_leads_to_an_origin_by_its_type_and_content(
    type_: str, content: str, *, leads_there: bool
) -> None:
    record = ZoneRecord("r", type_, "fallback.provider.com", content, proxied=True)
    assert parse_origin("app.provider.com").is_that_of(record) is leads_there
