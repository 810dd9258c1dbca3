"""What holds for every survey, whatever was answered."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.custom_hostname import DnsRecord
from app.domain.diagnosis.catalogue import Code
from app.domain.diagnosis.diagnose import diagnose
from app.domain.diagnosis.finding import Severity
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import (
    CaaStep,
    Dnssec,
    DnsSurvey,
    Lookup,
    Outcome,
    RecordSurvey,
    ServerView,
)
from tests.domain.builders import NOW
from tests.domain.builders_diagnosis import (
    CERTIFICATE,
    CLOUDFLARE_RANGE,
    CLOUDFLARE_SERVERS,
    DELEGATION,
    GODADDY,
    NAME,
    OLD,
    OURS,
    OWNERSHIP,
    PORKBUN,
    PROXIED,
    PROXIED_ELSEWHERE,
    ROUTING,
    SECOND,
    TARGET,
    TOKEN,
    TWO_SERVERS,
    ZONE,
    diagnosed,
    subject,
)

NOT_ANSWERING = {
    Code.DOMAIN_NOT_REGISTERED,
    Code.SERVERS_SILENT,
    Code.ZONE_NOT_SERVED,
    Code.SERVERS_FAIL,
    Code.DOMAIN_UNRESOLVABLE,
    Code.DNSSEC_BOGUS,
}
"""The only errors for which no record has to have been seen or seen missing."""
RECORDS = (OWNERSHIP, CERTIFICATE, SECOND, DELEGATION)
NAMES = (TARGET, f"{TARGET}.{ZONE}", "old.host.net", "customers.providr.net", NAME)
VALUES = {
    "CNAME": st.sampled_from((*NAMES, DELEGATION.value)).map(lambda name: (name,)),
    "A": st.sets(st.sampled_from((*OURS, OLD, PROXIED)), min_size=1).map(tuple),
    "AAAA": st.just(("2001:db8::9",)),
    "TXT": st.sets(
        st.sampled_from((TOKEN, OWNERSHIP.value, SECOND.value, f'"{TOKEN}"', "x" * 300, "")),
        min_size=1,
    ).map(tuple),
    "NS": st.just(TWO_SERVERS),
    "CAA": st.sets(
        st.sampled_from(('0 issue "pki.goog"', "0 issue ;", '128 x "y"', "", '0 issuewild "a.b"')),
        min_size=1,
    ).map(tuple),
}
WHYS = st.sampled_from((None, "timeout", "servfail", "refused", "lame", "cname_loop"))


@st.composite
def lookups(draw: st.DrawFn, kind: str, name: str = NAME, *, follows: bool = False) -> Lookup:
    outcome = draw(st.sampled_from(Outcome))
    chain = tuple(draw(st.lists(st.sampled_from(NAMES), max_size=2))) if follows else ()
    return Lookup(
        name=name,
        type=kind,
        outcome=outcome,
        chain=chain,
        values=draw(VALUES[kind]) if outcome is Outcome.FOUND else (),
        ttl=draw(st.sampled_from((None, 60, 86_400))) if outcome is Outcome.FOUND else None,
        why=draw(WHYS) if outcome is Outcome.UNKNOWN else None,
    )


@st.composite
def record_surveys(draw: st.DrawFn, record: DnsRecord) -> RecordSurvey:
    kind = record.type
    return RecordSurvey(
        wanted=draw(lookups(kind, record.name, follows=kind == "TXT")),
        other=draw(lookups("CNAME" if kind == "TXT" else "TXT", record.name)),
        doubled=draw(lookups(kind, f"{record.name}.{ZONE}")),
        bare=draw(lookups(kind)),
    )


@st.composite
def views(draw: st.DrawFn) -> ServerView:
    return ServerView(
        server=draw(st.sampled_from(TWO_SERVERS)),
        is_authoritative=draw(st.booleans()),
        a=draw(lookups("A", follows=True)),
        aaaa=draw(lookups("AAAA", follows=True)),
    )


@st.composite
def surveys(draw: st.DrawFn, name: str = NAME) -> DnsSurvey:
    return DnsSurvey(
        looked_at=NOW,
        name=name,
        owner=name,
        registrable=draw(st.sampled_from((ZONE, None))),
        registration=draw(lookups("NS", ZONE)),
        zone=draw(st.sampled_from((ZONE, NAME, None))),
        name_servers=draw(st.sampled_from(((), TWO_SERVERS, CLOUDFLARE_SERVERS))),
        servers=tuple(draw(st.lists(views(), max_size=3))),
        cname=draw(lookups("CNAME", name)),
        a=draw(lookups("A", name)),
        aaaa=draw(lookups("AAAA", name)),
        doubled=draw(st.one_of(lookups("CNAME"), lookups("A"))),
        target_addresses=draw(st.sampled_from(((), OURS))),
        caa=tuple(
            CaaStep(lookup=each)
            for each in draw(st.lists(lookups("CAA", name, follows=True), max_size=2))
        ),
        records={
            record.key: draw(record_surveys(record))
            for record in draw(st.sets(st.sampled_from(RECORDS)))
        },
        dnssec=draw(st.sampled_from(Dnssec)),
        resolvers_answer=draw(st.sampled_from((True, True, True, False))),
    )


@st.composite
def subjects(draw: st.DrawFn) -> Subject:
    return subject(
        draw(st.sampled_from((NAME, ZONE, "*.shop.com"))),
        apex_prefixes=draw(st.sampled_from(((), ("192.0.2.0/24",)))),
        records=(*draw(st.sampled_from(((), RECORDS))), ROUTING),
        is_real_time=draw(st.booleans()),
        certificate_authority=draw(st.sampled_from((None, "google", "lets_encrypt", "other"))),
        wildcard_certificate=draw(st.booleans()),
        hostname_status=draw(st.sampled_from((None, "pending", "active"))),
        ssl_status=draw(st.sampled_from((None, "pending_validation", "active"))),
        cloudflare_errors=draw(st.sampled_from(((), (PROXIED_ELSEWHERE,)))),
        is_live=draw(st.booleans()),
        provider=draw(st.sampled_from((None, GODADDY, PORKBUN))),
        proxy_prefixes=draw(st.sampled_from(((), (CLOUDFLARE_RANGE,)))),
    )


def unasked(lookup: Lookup) -> Lookup:
    """Give the same question without an answer."""
    return Lookup(name=lookup.name, type=lookup.type, outcome=Outcome.UNKNOWN, why="timeout")


def without_answers(asked: DnsSurvey) -> DnsSurvey:
    return replace(
        asked,
        registration=unasked(asked.registration),
        servers=tuple(
            replace(each, a=unasked(each.a), aaaa=unasked(each.aaaa)) for each in asked.servers
        ),
        cname=unasked(asked.cname),
        a=unasked(asked.a),
        aaaa=unasked(asked.aaaa),
        doubled=unasked(asked.doubled),
        caa=tuple(CaaStep(lookup=unasked(each.lookup)) for each in asked.caa),
        records={key: _unasked_record(each) for key, each in asked.records.items()},
    )


def _unasked_record(each: RecordSurvey) -> RecordSurvey:
    return RecordSurvey(
        wanted=unasked(each.wanted),
        other=unasked(each.other),
        doubled=unasked(each.doubled),
        bare=unasked(each.bare),
    )


@settings(max_examples=200, deadline=None)
@given(about=subjects(), asked=surveys())
def test_every_survey_has_a_diagnosis_in_order(about: Subject, asked: DnsSurvey) -> None:
    ranks = [[*Severity][::-1].index(each.severity) for each in diagnosed(about, asked)]
    assert ranks == sorted(ranks)


@settings(max_examples=100, deadline=None)
@given(about=subjects(), asked=surveys())
def test_without_answers_no_record_is_at_fault(about: Subject, asked: DnsSurvey) -> None:
    errors = [
        each for each in diagnose(about, without_answers(asked)) if each.severity is Severity.ERROR
    ]
    assert {each.code for each in errors} <= NOT_ANSWERING
    assert all(each.change is None for each in errors)


@settings(max_examples=100, deadline=None)
@given(about=subjects(), asked=surveys(), record=st.sampled_from(RECORDS))
def test_a_record_that_was_not_asked_is_not_at_fault(
    about: Subject, asked: DnsSurvey, record: DnsRecord
) -> None:
    records = dict(asked.records)
    if record.key in records:
        records[record.key] = _unasked_record(records[record.key])
    errors = [
        each
        for each in diagnose(about, replace(asked, records=records))
        if each.severity is Severity.ERROR
    ]
    assert record.key not in {each.about for each in errors}


@settings(max_examples=100, deadline=None)
@given(about=subjects(), asked=surveys())
def test_if_no_resolver_answers_nothing_else_is_said(about: Subject, asked: DnsSurvey) -> None:
    findings = diagnose(about, replace(asked, resolvers_answer=False))
    assert [each.code for each in findings] == [Code.COULD_NOT_CHECK]


@settings(max_examples=100, deadline=None)
@given(about=subjects(), asked=surveys())
def test_a_finding_is_not_repeated(about: Subject, asked: DnsSurvey) -> None:
    found = [(each.code, each.about, tuple(each.params.items())) for each in diagnose(about, asked)]
    assert len(found) == len(set(found))
