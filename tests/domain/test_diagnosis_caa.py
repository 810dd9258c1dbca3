from dataclasses import replace

import pytest

from app.domain.diagnosis.caa import parse
from app.domain.diagnosis.finding import Change, RecordChange
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import CaaStep, Dnssec, DnsSurvey
from tests.domain.builders_diagnosis import (
    NAME,
    TARGET,
    ZONE,
    at_name,
    caa_step,
    codes,
    diagnosed,
    subject,
    survey,
    unknown,
)

ANY = subject()
GOOGLE = subject(certificate_authority="google")
WILDCARD = subject(certificate_authority="google", wildcard_certificate=True)
BY_TXT = subject(is_real_time=False, hostname_status="pending")
OTHER = '0 issue "digicert.com"'
PKI = '0 issue "pki.goog"'
ALL = (PKI, '0 issue "letsencrypt.org"', '0 issue "ssl.com"')
NONE = caa_step(NAME)
OLD_HOST = "old.host.net"


def at_domain(*values: str) -> DnsSurvey:
    """Give a survey in which the records stand at the domain, above the hostname."""
    return survey(caa=(NONE, caa_step(ZONE, *values)))


ROWS: dict[str, tuple[Subject, DnsSurvey, list[str]]] = {
    "without CAA records everybody may issue": (GOOGLE, survey(), []),
    "the chosen authority may issue": (GOOGLE, at_domain(PKI), []),
    "the chosen authority may not issue": (GOOGLE, at_domain(OTHER), ["caa_forbids"]),
    "the domain of the authority is compared whole": (
        GOOGLE,
        at_domain('0 issue "notpki.goog"'),
        ["caa_forbids"],
    ),
    "case and space make no difference": (GOOGLE, at_domain('0 ISSUE " PKI.goog "'), []),
    "parameters follow the authority": (
        GOOGLE,
        at_domain('0 issue "pki.goog; cansignhttpexchanges=yes"'),
        [],
    ),
    "nobody may issue": (GOOGLE, at_domain('0 issue ";"'), ["caa_forbids"]),
    "an empty value forbids as well": (GOOGLE, at_domain('0 issue ""'), ["caa_forbids"]),
    "one record that allows is enough": (GOOGLE, at_domain('0 issue ";"', PKI), []),
    "a set without issue forbids nothing": (
        GOOGLE,
        at_domain('0 iodef "mailto:security@shop.com"'),
        [],
    ),
    "issuewild says nothing about a plain name": (GOOGLE, at_domain('0 issuewild ";"'), []),
    "issuewild goes before issue for a wildcard": (
        WILDCARD,
        at_domain(PKI, '0 issuewild ";"'),
        ["caa_forbids"],
    ),
    "issue counts for a wildcard without issuewild": (WILDCARD, at_domain(PKI), []),
    "a wildcard's certificate also covers the base": (
        WILDCARD,
        at_domain(OTHER, '0 issuewild "pki.goog"'),
        ["caa_forbids"],
    ),
    "a wildcard allowed by both": (WILDCARD, at_domain(PKI, '0 issuewild "pki.goog"'), []),
    "all authorities that Cloudflare chooses from may issue": (ANY, at_domain(*ALL), []),
    "only some of them may issue": (ANY, at_domain(PKI), ["caa_limits"]),
    "none of them may issue": (ANY, at_domain(OTHER), ["caa_forbids"]),
    "an unknown choice counts as no choice": (
        subject(certificate_authority="digicert"),
        at_domain(OTHER),
        ["caa_forbids"],
    ),
    "an unknown critical tag forbids": (
        GOOGLE,
        at_domain('128 policy "x"', PKI),
        ["caa_critical"],
    ),
    "an unknown tag that is not critical is ignored": (
        GOOGLE,
        at_domain('0 policy "x"', PKI),
        [],
    ),
    "a known tag may be critical": (GOOGLE, at_domain('128 issue "pki.goog"'), []),
    "a malformed record is passed over": (GOOGLE, at_domain("issue", PKI), []),
    "the first set that is not empty decides": (
        GOOGLE,
        survey(caa=(caa_step(NAME, PKI), caa_step(ZONE, OTHER))),
        [],
    ),
    "a set at the target forbids, and is not the tenant's": (
        GOOGLE,
        survey(caa=(caa_step(NAME, OTHER, chain=(TARGET,)),)),
        ["caa_at_cname_forbids"],
    ),
    "a set at the target allows": (
        GOOGLE,
        survey(caa=(caa_step(NAME, PKI, chain=(TARGET,)),)),
        [],
    ),
    "a set where the old CNAME leads goes with the CNAME": (
        GOOGLE,
        at_name(cname=OLD_HOST, caa=(caa_step(NAME, OTHER, chain=(OLD_HOST,)),)),
        ["cname_elsewhere"],
    ),
    "a set where a parent's CNAME leads stays": (
        GOOGLE,
        survey(caa=(NONE, caa_step(ZONE, OTHER, chain=(OLD_HOST,)))),
        ["caa_at_cname_forbids"],
    ),
    "before a later switch it stays": (
        BY_TXT,
        survey(caa=(caa_step(NAME, OTHER, chain=(OLD_HOST,)),)),
        ["caa_at_cname_forbids"],
    ),
    "an account at the authority is named": (
        subject(certificate_authority="lets_encrypt"),
        at_domain('0 issue "letsencrypt.org; accounturi=https://le.example/acct/1"'),
        ["caa_bound"],
    ),
    "another record allows without an account": (
        subject(certificate_authority="lets_encrypt"),
        at_domain(
            '0 issue "letsencrypt.org; accounturi=https://le.example/acct/1"',
            '0 issue "letsencrypt.org"',
        ),
        [],
    ),
    "the question failed": (
        GOOGLE,
        survey(caa=(CaaStep(lookup=unknown("CAA", "servfail")),)),
        ["caa_not_answered"],
    ),
    "the question failed above the hostname": (
        GOOGLE,
        survey(caa=(NONE, CaaStep(lookup=unknown("CAA", name=ZONE)))),
        ["caa_not_answered"],
    ),
    "the question failed because of broken signatures": (
        GOOGLE,
        survey(
            caa=(CaaStep(lookup=unknown("CAA", "servfail")),),
            dnssec=Dnssec.BOGUS,
        ),
        ["dnssec_bogus"],
    ),
}


@pytest.mark.parametrize("case", ROWS)
def test_caa_records(case: str) -> None:
    about, asked, expected = ROWS[case]
    assert codes(about, asked) == expected


def test_the_line_to_add_stands_in_zone_file_form() -> None:
    (finding,) = diagnosed(GOOGLE, at_domain(OTHER))
    assert finding.params == {
        "place": "shop.com",
        "authorities": "Google",
        "line": 'shop.com. CAA 0 issue "pki.goog"',
    }
    assert finding.change == RecordChange(
        change=Change.ADD, type="CAA", name=ZONE, value='0 issue "pki.goog"'
    )


def test_the_tag_that_forbids_is_the_one_to_add() -> None:
    (finding,) = diagnosed(WILDCARD, at_domain(PKI, '0 issuewild ";"'))
    assert finding.params["line"] == 'shop.com. CAA 0 issuewild "pki.goog"'


def test_both_tags_are_added_where_both_forbid() -> None:
    (finding,) = diagnosed(WILDCARD, at_domain(OTHER, '0 issuewild ";"'))
    assert finding.params["line"] == (
        'shop.com. CAA 0 issue "pki.goog" and shop.com. CAA 0 issuewild "pki.goog"'
    )


def test_the_authorities_that_may_not_issue_are_named() -> None:
    (finding,) = diagnosed(ANY, at_domain(PKI))
    assert finding.params["authorities"] == "Let's Encrypt, SSL.com"


def test_at_the_target_the_tenant_has_nothing_to_change() -> None:
    (finding,) = diagnosed(GOOGLE, survey(caa=(caa_step(NAME, OTHER, chain=(TARGET,)),)))
    assert finding.change is None
    assert finding.params["place"] == TARGET


def test_a_critical_record_is_removed() -> None:
    (finding,) = diagnosed(GOOGLE, at_domain('128 policy "x"'))
    assert finding.change == RecordChange(
        change=Change.REMOVE, type="CAA", name=ZONE, value='128 policy "x"'
    )


def test_with_a_certificate_only_its_renewal_is_at_risk() -> None:
    (finding,) = diagnosed(replace(GOOGLE, ssl_status="active"), at_domain(OTHER))
    assert (finding.code, finding.severity) == ("caa_forbids", "warning")


@pytest.mark.parametrize(
    ("text", "flags", "tag", "issuer", "parameters"),
    [
        ('0 issue "pki.goog"', 0, "issue", "pki.goog", ()),
        ("0 issue pki.goog", 0, "issue", "pki.goog", ()),
        ('128 IssueWild "ssl.com"', 128, "issuewild", "ssl.com", ()),
        ('0 issue ";"', 0, "issue", "", ("",)),
        ("0 issue", 0, "issue", "", ()),
        ('0 issue "a.org; AccountURI=x; b=c"', 0, "issue", "a.org", ("accounturi", "b")),
    ],
)
def test_a_record_is_parsed(
    text: str, flags: int, tag: str, issuer: str, parameters: tuple[str, ...]
) -> None:
    parsed = parse(text)
    assert parsed is not None
    assert (parsed.flags, parsed.tag, parsed.issuer) == (flags, tag, issuer)
    assert parsed.parameters == parameters


@pytest.mark.parametrize("text", ["", "issue", 'issue "pki.goog"', "0", "-1 issue x"])
def test_a_malformed_record_is_no_record(text: str) -> None:
    assert parse(text) is None
