from dataclasses import replace

import pytest

from app.domain.custom_hostname import DnsRecord
from app.domain.diagnosis.finding import Change
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import DnsSurvey, RecordSurvey
from tests.domain.builders_diagnosis import (
    CERTIFICATE,
    CLOUDFLARE_SERVERS,
    DELEGATION,
    EXACT,
    GODADDY,
    NAME,
    OWNERSHIP,
    PROXIED,
    ROUTING,
    SECOND,
    TOKEN,
    ZONE,
    absent,
    at_name,
    codes,
    diagnosed,
    found,
    seen,
    subject,
    unknown,
    with_records,
)

BY_TXT = subject(
    is_real_time=False,
    records=(OWNERSHIP, CERTIFICATE, ROUTING),
    hostname_status="pending",
    ssl_status="pending_validation",
)
ACME = CERTIFICATE.name
UUID = "0123456789abcdef"


def token(*values: str) -> RecordSurvey:
    return seen(CERTIFICATE, found("TXT", *values, name=ACME))


NO_TOKEN = absent("TXT", name=ACME)

TXT: dict[str, tuple[RecordSurvey, list[str]]] = {
    "the value is there": (token(TOKEN), []),
    "nothing is there": (seen(CERTIFICATE, NO_TOKEN), ["txt_missing"]),
    "it could not be asked": (
        seen(CERTIFICATE, unknown("TXT", "servfail", name=ACME)),
        ["record_not_checked"],
    ),
    "an old token is there": (token("ca3-old"), ["txt_wrong"]),
    "several old tokens are there": (token("ca3-old", "ca3-older"), ["txt_wrong"]),
    "the token and others are there": (token(TOKEN, "ca3-old"), ["txt_other_values"]),
    "the value has quotes": (token(f'"{TOKEN}"'), ["txt_quoted"]),
    "the value has typographic quotes": (token(f"\u201c{TOKEN}\u201d"), ["txt_quoted"]),
    "the value ends in a line's end": (token(f"{TOKEN}\n"), ["txt_spaced"]),
    "the value has a space in its middle": (token(f"{TOKEN[:5]} {TOKEN[5:]}"), ["txt_spaced"]),
    "the name was pasted into the value": (token(f"{ACME} TXT {TOKEN}"), ["txt_surrounded"]),
    "the value is spread over two records": (token(TOKEN[8:], TOKEN[:8]), ["txt_split"]),
    "a part alone is only a wrong value": (token(TOKEN[:8]), ["txt_wrong"]),
    "the domain is in the name twice": (
        seen(CERTIFICATE, NO_TOKEN, doubled=found("TXT", TOKEN, name=f"{ACME}.{ZONE}")),
        ["record_misplaced"],
    ),
    "a doubled name with another value is not the record": (
        seen(CERTIFICATE, NO_TOKEN, doubled=found("TXT", "v=spf1", name=f"{ACME}.{ZONE}")),
        ["txt_missing"],
    ),
    "a doubled name beside an old token": (
        seen(
            CERTIFICATE,
            found("TXT", "ca3-old", name=ACME),
            doubled=found("TXT", TOKEN, name=f"{ACME}.{ZONE}"),
        ),
        ["record_misplaced"],
    ),
    "a doubled name that could not be asked": (
        seen(CERTIFICATE, NO_TOKEN, doubled=unknown("TXT", name=f"{ACME}.{ZONE}")),
        ["txt_missing"],
    ),
    "the value stands at the hostname itself": (
        seen(CERTIFICATE, NO_TOKEN, bare=found("TXT", TOKEN, "v=spf1 -all")),
        ["record_at_hostname"],
    ),
    "other values stand at the hostname itself": (
        seen(CERTIFICATE, NO_TOKEN, bare=found("TXT", "v=spf1 -all")),
        ["txt_missing"],
    ),
    "a CNAME is in the way": (
        seen(CERTIFICATE, NO_TOKEN, other=found("CNAME", "acme.other.org", name=ACME)),
        ["txt_behind_cname"],
    ),
    "the token stands behind a CNAME": (
        seen(
            CERTIFICATE,
            found("TXT", TOKEN, name=ACME, chain=("acme.other.org",)),
            other=found("CNAME", "acme.other.org", name=ACME),
        ),
        [],
    ),
    "a wildcard's CNAME is in no way": (
        seen(
            CERTIFICATE,
            absent("TXT", name=ACME, chain=("old.host.net",)),
            other=found("CNAME", "old.host.net", name=ACME, of_wildcard=True),
        ),
        ["txt_missing"],
    ),
    "a wildcard's TXT is not the tenant's mistake": (
        seen(
            CERTIFICATE,
            found("TXT", "v=spf1 -all", name=ACME, of_wildcard=True),
        ),
        ["txt_missing"],
    ),
}


@pytest.mark.parametrize("case", TXT)
def test_the_certificate_token(case: str) -> None:
    asked, expected = TXT[case]
    survey = with_records((OWNERSHIP, seen(OWNERSHIP)), (CERTIFICATE, asked))
    assert codes(BY_TXT, survey) == expected


def missing(record: DnsRecord) -> DnsSurvey:
    return with_records((record, seen(record, absent(record.type, name=record.name))))


NEEDED: dict[str, tuple[Subject, DnsSurvey, list[str]]] = {
    "the ownership token is missing": (BY_TXT, missing(OWNERSHIP), ["txt_missing"]),
    "the hostname is active": (replace(BY_TXT, hostname_status="active"), missing(OWNERSHIP), []),
    "the hostname is active, the certificate is not": (
        replace(BY_TXT, hostname_status="active"),
        missing(CERTIFICATE),
        ["txt_missing"],
    ),
    "the certificate is being issued": (
        replace(BY_TXT, ssl_status="pending_issuance"),
        missing(CERTIFICATE),
        [],
    ),
    "a live name renews over HTTP": (
        replace(BY_TXT, is_live=True, ssl_status="pending_validation"),
        missing(CERTIFICATE),
        [],
    ),
    "a live wildcard does not": (
        replace(BY_TXT, is_live=True, ssl_status="pending_validation", wildcard_certificate=True),
        missing(CERTIFICATE),
        ["txt_missing"],
    ),
    "a token does not activate a name that is proxied elsewhere": (
        BY_TXT,
        replace(
            at_name(a=(PROXIED,), name_servers=CLOUDFLARE_SERVERS),
            records=missing(OWNERSHIP).records,
        ),
        ["proxied_blocks"],
    ),
    "a record that is not a DNS record is not asked": (
        subject(records=(replace(CERTIFICATE, type="HTTP"), ROUTING)),
        with_records(),
        [],
    ),
}


@pytest.mark.parametrize("case", NEEDED)
def test_only_needed_records_are_missed(case: str) -> None:
    about, survey, expected = NEEDED[case]
    assert codes(about, survey) == expected


def both(*values: str) -> DnsSurvey:
    answer = found("TXT", *values, name=ACME)
    return with_records((CERTIFICATE, seen(CERTIFICATE, answer)), (SECOND, seen(SECOND, answer)))


TWO_TOKENS: dict[str, tuple[DnsSurvey, list[str]]] = {
    "both tokens of a wildcard are there": (both(TOKEN, SECOND.value), []),
    "the second is missing": (both(TOKEN), ["txt_value_missing"]),
    "the second is an old one": (both(TOKEN, "ca3-old"), ["txt_wrong"]),
    "both, and an old one": (both(TOKEN, SECOND.value, "ca3-old"), ["txt_other_values"]),
}


@pytest.mark.parametrize("case", TWO_TOKENS)
def test_a_wildcard_has_two_tokens_at_one_name(case: str) -> None:
    survey, expected = TWO_TOKENS[case]
    assert codes(replace(BY_TXT, records=(CERTIFICATE, SECOND, ROUTING)), survey) == expected


DELEGATED = subject(records=(DELEGATION, ROUTING))
BARE_UUID = f"{UUID}.dcv.cloudflare.com"


def delegated(value: str) -> RecordSurvey:
    return seen(DELEGATION, found("CNAME", value, name=ACME))


NO_CNAME = absent("CNAME", name=ACME)
TXT_THERE = found("TXT", "ca3-old", name=ACME)

DELEGATIONS: dict[str, tuple[RecordSurvey, list[str]]] = {
    "it is there": (seen(DELEGATION), []),
    "nothing is there": (seen(DELEGATION, NO_CNAME), ["delegation_missing"]),
    "it could not be asked": (
        seen(DELEGATION, unknown("CNAME", name=ACME)),
        ["record_not_checked"],
    ),
    "it names another zone": (
        delegated(f"{NAME}.ffffffffffffffff.dcv.cloudflare.com"),
        ["delegation_other_zone"],
    ),
    "the hostname is missing in its value": (delegated(BARE_UUID), ["delegation_wrong"]),
    "it names another hostname": (delegated(f"other.com.{BARE_UUID}"), ["delegation_wrong"]),
    "it points to another service": (delegated("acme.other.org"), ["delegation_wrong"]),
    "the domain was appended to its value": (
        delegated(f"{DELEGATION.value}.{ZONE}"),
        ["cname_target_doubled"],
    ),
    "the domain is in its name twice": (
        seen(DELEGATION, NO_CNAME, doubled=found("CNAME", DELEGATION.value, name=f"{ACME}.{ZONE}")),
        ["record_misplaced"],
    ),
    "it stands at the hostname itself": (
        seen(DELEGATION, NO_CNAME, bare=found("CNAME", DELEGATION.value)),
        ["record_at_hostname"],
    ),
    "a TXT record stands in its place": (
        seen(DELEGATION, NO_CNAME, other=TXT_THERE),
        ["delegation_blocked"],
    ),
    "a TXT record stands beside it": (
        seen(DELEGATION, other=TXT_THERE),
        ["delegation_beside_txt"],
    ),
    "the TXT record stands where it leads": (
        seen(DELEGATION, other=replace(TXT_THERE, chain=(DELEGATION.value,))),
        [],
    ),
    "a wildcard's CNAME is not the tenant's mistake": (
        seen(DELEGATION, found("CNAME", "old.host.net", name=ACME, of_wildcard=True)),
        ["delegation_missing"],
    ),
}


@pytest.mark.parametrize("case", DELEGATIONS)
def test_the_delegation(case: str) -> None:
    asked, expected = DELEGATIONS[case]
    assert codes(DELEGATED, with_records((DELEGATION, asked))) == expected


@pytest.mark.parametrize(
    ("ssl_status", "severity"), [("pending_validation", "error"), ("active", "warning")]
)
def test_a_missing_delegation_endangers_the_renewal(ssl_status: str, severity: str) -> None:
    about = replace(DELEGATED, ssl_status=ssl_status)
    (finding,) = diagnosed(about, missing(DELEGATION))
    assert (finding.code, finding.severity) == ("delegation_missing", severity)


CHANGES: dict[str, tuple[Subject, DnsSurvey, tuple[str, str, str, str]]] = {
    "a missing token is added": (
        BY_TXT,
        missing(CERTIFICATE),
        (Change.ADD, "TXT", ACME, TOKEN),
    ),
    "an old token is replaced": (
        BY_TXT,
        with_records((CERTIFICATE, token("ca3-old"))),
        (Change.REPLACE, "TXT", ACME, TOKEN),
    ),
    "a second token is added": (
        replace(BY_TXT, records=(CERTIFICATE, SECOND, ROUTING)),
        both(TOKEN),
        (Change.ADD, "TXT", ACME, SECOND.value),
    ),
    "a CNAME in the way is removed": (
        BY_TXT,
        with_records((CERTIFICATE, TXT["a CNAME is in the way"][0])),
        (Change.REMOVE, "CNAME", ACME, "acme.other.org"),
    ),
    "a TXT record beside the delegation is removed": (
        DELEGATED,
        with_records((DELEGATION, seen(DELEGATION, other=TXT_THERE))),
        (Change.REMOVE, "TXT", ACME, "ca3-old"),
    ),
    "a TXT record in its place is replaced": (
        DELEGATED,
        with_records((DELEGATION, seen(DELEGATION, NO_CNAME, other=TXT_THERE))),
        (Change.REPLACE, "CNAME", ACME, DELEGATION.value),
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_the_change_of_a_validation_record(case: str) -> None:
    about, survey, expected = CHANGES[case]
    change = diagnosed(about, survey)[0].change
    assert change is not None
    assert (change.change, change.type, change.name, change.value) == expected


def test_the_provider_that_appends_the_domain_is_named() -> None:
    asked = seen(CERTIFICATE, NO_TOKEN, doubled=found("TXT", TOKEN, name=f"{ACME}.{ZONE}"))
    survey = with_records((CERTIFICATE, asked))
    for provider, code in ((GODADDY, "record_doubled"), (EXACT, "record_misplaced")):
        (finding,) = diagnosed(replace(BY_TXT, provider=provider), survey)
        assert finding.code == code
        assert finding.params["found_at"] == f"{ACME}.{ZONE}"
        assert finding.params["host"] == "_acme-challenge.www"


def test_a_long_value_is_cut_in_the_sentence() -> None:
    (finding,) = diagnosed(BY_TXT, with_records((CERTIFICATE, token("x" * 500))))
    assert len(finding.params["found"]) == 120


def test_the_records_come_in_the_tenants_order() -> None:
    survey = with_records(
        (CERTIFICATE, seen(CERTIFICATE, NO_TOKEN)),
        (OWNERSHIP, seen(OWNERSHIP, absent("TXT", name=OWNERSHIP.name))),
    )
    assert [each.about for each in diagnosed(BY_TXT, survey)] == [OWNERSHIP.key, CERTIFICATE.key]
