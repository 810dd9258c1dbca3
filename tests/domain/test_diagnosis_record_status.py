import pytest

from app.domain.custom_hostname import DnsRecord, Purpose, When
from app.domain.diagnosis.record_status import found_values, misplaced_at
from app.domain.diagnosis.survey import DnsSurvey
from tests.domain.builders_diagnosis import (
    CERTIFICATE,
    NAME,
    OLD,
    OURS,
    ROUTING,
    TARGET,
    TOKEN,
    ZONE,
    absent,
    at_name,
    found,
    seen,
    survey,
    unknown,
    with_records,
)

ACME = CERTIFICATE.name
APEX_A = DnsRecord("A", ZONE, "192.0.2.129", Purpose.ROUTING, When.WITH)
NO_TOKEN = absent("TXT", name=ACME)

ROWS: dict[str, tuple[DnsRecord, DnsSurvey, tuple[str, ...], str | None]] = {
    "the CNAME is there": (ROUTING, survey(), (TARGET,), None),
    "the CNAME points elsewhere": (ROUTING, at_name(cname="old.host.net"), ("old.host.net",), None),
    "addresses stand in its place": (
        ROUTING,
        at_name(a=(OLD,), aaaa=("2001:db8::9",)),
        (OLD, "2001:db8::9"),
        None,
    ),
    "nothing is there": (ROUTING, at_name(), (), None),
    "the CNAME is one level too deep": (
        ROUTING,
        at_name(doubled=found("CNAME", TARGET, name=f"{NAME}.{ZONE}")),
        (),
        "www.shop.com.shop.com",
    ),
    "the flattened CNAME is one level too deep": (
        ROUTING,
        at_name(a=(OLD,), doubled=found("A", *OURS, name=f"{NAME}.{ZONE}")),
        (OLD,),
        "www.shop.com.shop.com",
    ),
    "another record is one level too deep": (
        ROUTING,
        at_name(doubled=found("CNAME", "old.host.net", name=f"{NAME}.{ZONE}")),
        (),
        None,
    ),
    "the address of an apex": (
        APEX_A,
        at_name(name=ZONE, a=("192.0.2.129",)),
        ("192.0.2.129",),
        None,
    ),
    "the token is there": (
        CERTIFICATE,
        with_records((CERTIFICATE, seen(CERTIFICATE))),
        (TOKEN,),
        None,
    ),
    "an old token is there": (
        CERTIFICATE,
        with_records((CERTIFICATE, seen(CERTIFICATE, found("TXT", "old", name=ACME)))),
        ("old",),
        None,
    ),
    "the token is one level too deep": (
        CERTIFICATE,
        with_records(
            (
                CERTIFICATE,
                seen(CERTIFICATE, NO_TOKEN, doubled=found("TXT", TOKEN, name=f"{ACME}.{ZONE}")),
            )
        ),
        (),
        f"{ACME}.{ZONE}",
    ),
    "the token is at the hostname itself": (
        CERTIFICATE,
        with_records((CERTIFICATE, seen(CERTIFICATE, NO_TOKEN, bare=found("TXT", TOKEN)))),
        (),
        NAME,
    ),
    "the token could not be asked": (
        CERTIFICATE,
        with_records((CERTIFICATE, seen(CERTIFICATE, unknown("TXT", name=ACME)))),
        (),
        None,
    ),
    "the token was not looked for": (CERTIFICATE, survey(), (), None),
}


@pytest.mark.parametrize("case", ROWS)
def test_what_stands_there_instead(case: str) -> None:
    record, asked, values, elsewhere = ROWS[case]
    assert found_values(record, asked) == values
    assert misplaced_at(record, asked) == elsewhere
