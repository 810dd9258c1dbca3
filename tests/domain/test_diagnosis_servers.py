from dataclasses import replace

import pytest

from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import Dnssec, DnsSurvey, Lookup, Outcome
from tests.domain.builders_diagnosis import (
    CERTIFICATE,
    CLOUDFLARE_RANGE,
    CLOUDFLARE_SERVERS,
    NAME,
    OLD,
    OURS,
    PROXIED,
    PROXIED_ELSEWHERE,
    ROUTING,
    TARGET,
    TWO_SERVERS,
    ZONE,
    absent,
    at_name,
    codes,
    diagnosed,
    found,
    right,
    seen,
    subject,
    survey,
    unknown,
    view,
    with_records,
)

RESOLVER = "192.0.2.53"
GONE = Lookup(name=ZONE, type="NS", outcome=Outcome.NO_NAME)
BY_TXT = subject(is_real_time=False, hostname_status="pending")
OLD_VIEW = found("A", OLD, ttl=7200)


def unanswered(*whys: str, resolver: str = "servfail", **changes: object) -> DnsSurvey:
    """Give a survey in which the zone's servers, one for each why, and the resolver fail."""
    views = tuple(view(unknown("A", why), server=f"ns{n}.dns.net") for n, why in enumerate(whys))
    parts: dict[str, object] = {
        "cname": unknown("CNAME", resolver),
        "a": unknown("A", resolver),
        "aaaa": unknown("AAAA", resolver),
        "servers": (*views, view(unknown("A", resolver), server=RESOLVER, own=False)),
        "caa": (),
    }
    return survey(**{**parts, **changes})


def views(*answers: Lookup, resolver: Lookup | None = None, **changes: object) -> DnsSurvey:
    """Give a survey in which each of the zone's servers, and the resolver, gives an answer."""
    own = [view(each, server=f"ns{n}.dns.net") for n, each in enumerate(answers)]
    seen_by = view(resolver, server=RESOLVER, own=False) if resolver else right(RESOLVER, own=False)
    return survey(**{"servers": (*own, seen_by), **changes})


RIGHT = found("A", *OURS, chain=(TARGET,))
NOTHING = absent("A")

SERVERS: dict[str, tuple[Subject, DnsSurvey, list[str]]] = {
    "no resolver answers us": (
        subject(),
        replace(at_name(), resolvers_answer=False, registration=GONE),
        ["could_not_check"],
    ),
    "the domain does not exist": (
        subject(),
        at_name(registration=GONE),
        ["domain_not_registered"],
    ),
    "the domain has no name servers of its own": (
        subject(),
        survey(registration=absent("NS", name=ZONE)),
        [],
    ),
    "the registry says that the domain does not exist, though its name has records": (
        subject(),
        survey(registration=GONE),
        [],
    ),
    "the name servers were not asked often enough": (
        subject(),
        unanswered("timeout", "too_many_questions"),
        ["could_not_check"],
    ),
    "no address of the name servers may be asked": (
        subject(),
        unanswered("no_server"),
        ["could_not_check"],
    ),
    "the registration could not be asked": (
        subject(),
        survey(registration=unknown("NS", name=ZONE)),
        [],
    ),
    "no name server answers": (
        subject(),
        unanswered("timeout", "servfail"),
        ["servers_silent"],
    ),
    "all name servers refuse": (subject(), unanswered("refused", "lame"), ["zone_not_served"]),
    "all name servers fail": (subject(), unanswered("servfail", "servfail"), ["servers_fail"]),
    "resolvers fail, and no name server is known": (
        subject(),
        unanswered(),
        ["domain_unresolvable"],
    ),
    "resolvers time out, and no name server is known": (
        subject(),
        unanswered(resolver="timeout"),
        ["could_not_check"],
    ),
    "nothing was asked at all": (
        subject(),
        survey(
            servers=(),
            cname=replace(NOTHING, type="CNAME", outcome=Outcome.NOT_ASKED),
            a=replace(NOTHING, outcome=Outcome.NOT_ASKED),
            aaaa=replace(NOTHING, outcome=Outcome.NOT_ASKED),
        ),
        ["could_not_check"],
    ),
    "an unanswering zone says nothing of its records": (
        subject(records=(CERTIFICATE, ROUTING), is_real_time=False),
        unanswered(
            "timeout", records={CERTIFICATE.key: seen(CERTIFICATE, unknown("TXT", "timeout"))}
        ),
        ["servers_silent"],
    ),
    "a zone that answers for another name does answer": (
        subject(records=(CERTIFICATE, ROUTING), is_real_time=False),
        unanswered("timeout", records={CERTIFICATE.key: seen(CERTIFICATE)}),
        ["could_not_check"],
    ),
    "its own servers do not answer us, but resolvers do": (
        subject(),
        survey(servers=(view(unknown("A")), right(RESOLVER, own=False))),
        [],
    ),
    "one of two servers does not answer": (
        subject(),
        views(RIGHT, unknown("A")),
        ["server_silent"],
    ),
    "one of two servers was not asked by us": (
        subject(),
        views(RIGHT, unknown("A", "too_many_questions")),
        [],
    ),
    "a server that could not resolve the target did answer": (
        subject(),
        views(RIGHT, unknown("A", chain=(TARGET,))),
        [],
    ),
    "signatures are broken": (
        subject(),
        survey(dnssec=Dnssec.BOGUS),
        ["dnssec_bogus"],
    ),
    "signatures are accepted": (subject(), survey(dnssec=Dnssec.ACCEPTED), []),
    "broken signatures are why resolvers fail": (
        subject(),
        unanswered(dnssec=Dnssec.BOGUS),
        ["dnssec_bogus"],
    ),
    "one server lags behind": (
        subject(),
        views(RIGHT, NOTHING, cname=absent("CNAME")),
        ["servers_disagree"],
    ),
    "both servers are behind": (
        subject(),
        views(NOTHING, NOTHING, cname=absent("CNAME"), resolver=NOTHING),
        ["cname_missing"],
    ),
    "before the switch servers may disagree": (BY_TXT, views(RIGHT, NOTHING), []),
    "a resolver still has the old address": (
        subject(),
        views(RIGHT, RIGHT, resolver=OLD_VIEW),
        ["resolver_outdated"],
    ),
    "a resolver still remembers that there was nothing": (
        subject(),
        views(RIGHT, resolver=NOTHING),
        ["resolver_remembers_absence"],
    ),
    "a resolver that does not answer is not behind": (
        subject(),
        views(RIGHT, resolver=unknown("A")),
        [],
    ),
}


@pytest.mark.parametrize("case", SERVERS)
def test_the_servers(case: str) -> None:
    about, asked, expected = SERVERS[case]
    assert codes(about, asked) == expected


def test_the_servers_that_lag_behind_are_named() -> None:
    (finding,) = diagnosed(subject(), views(RIGHT, NOTHING))
    assert finding.params["right"] == "ns0.dns.net"
    assert finding.params["wrong"] == "ns1.dns.net"


def test_a_resolver_is_behind_until_its_ttl_ends() -> None:
    (finding,) = diagnosed(subject(), views(RIGHT, resolver=OLD_VIEW))
    assert finding.params["until"] == "2026-03-02T14:00:00Z"


SLOW: dict[str, tuple[Subject, DnsSurvey, list[str]]] = {
    "the old record is cached for a day": (
        subject(),
        at_name(cname="old.host.net", ttl=86_400),
        ["cname_elsewhere", "change_takes_long"],
    ),
    "the old record is cached for an hour": (
        subject(),
        at_name(cname="old.host.net", ttl=3600),
        ["cname_elsewhere"],
    ),
    "what a wildcard answers is cached for a day": (
        subject(),
        at_name(
            cname="old.host.net",
            ttl=86_400,
            of_wildcard=True,
        ),
        ["wildcard_elsewhere", "change_takes_long"],
    ),
    "the right record may be cached for long": (subject(), at_name(cname=TARGET, ttl=86_400), []),
    "an old token is cached for a day": (
        subject(records=(CERTIFICATE, ROUTING), is_real_time=False, hostname_status="pending"),
        with_records(
            (
                CERTIFICATE,
                seen(CERTIFICATE, found("TXT", "ca3-old", name=CERTIFICATE.name, ttl=86_400)),
            )
        ),
        ["txt_wrong", "change_takes_long"],
    ),
}


@pytest.mark.parametrize("case", SLOW)
def test_a_slow_change(case: str) -> None:
    about, asked, expected = SLOW[case]
    assert codes(about, asked) == expected


def test_a_change_is_seen_everywhere_once_the_ttl_is_over() -> None:
    findings = diagnosed(subject(), at_name(cname="old.host.net", ttl=86_400))
    assert findings[-1].params == {"name": NAME, "until": "2026-03-03T12:00:00Z"}


def behind_proxy(
    *addresses: str,
    name: str = NAME,
    name_servers: tuple[str, ...] = CLOUDFLARE_SERVERS,
    target_addresses: tuple[str, ...] = OURS,
) -> DnsSurvey:
    return at_name(
        name=name,
        a=addresses or (PROXIED,),
        name_servers=name_servers,
        target_addresses=target_addresses,
    )


ACTIVE = subject(hostname_status="active", ssl_status="active")

PROXYING: dict[str, tuple[Subject, DnsSurvey, list[str]]] = {
    "a live name is proxied": (subject(is_live=True), behind_proxy(), ["proxied"]),
    "a name that became active is proxied": (ACTIVE, behind_proxy(), ["proxied"]),
    "a name is proxied, and Cloudflare has not accepted it": (
        subject(hostname_status="pending"),
        behind_proxy(),
        ["proxied_unproven"],
    ),
    "a token does not activate it": (BY_TXT, behind_proxy(), ["proxied_blocks"]),
    "Cloudflare refuses it": (
        subject(hostname_status="pending", cloudflare_errors=(PROXIED_ELSEWHERE,)),
        behind_proxy(),
        ["proxied_blocks"],
    ),
    "Cloudflare has another error": (
        subject(hostname_status="pending", cloudflare_errors=("caa_error: www.shop.com",)),
        behind_proxy(),
        ["proxied_unproven"],
    ),
    "the zone is elsewhere": (
        subject(),
        behind_proxy(name_servers=TWO_SERVERS),
        ["address_instead_of_cname"],
    ),
    "a look-alike of Cloudflare's servers": (
        subject(),
        behind_proxy(name_servers=("ada.ns.notcloudflare.com",)),
        ["address_instead_of_cname"],
    ),
    "the addresses are not Cloudflare's": (
        subject(),
        behind_proxy(OLD),
        ["address_instead_of_cname"],
    ),
    "only some addresses are Cloudflare's": (
        subject(),
        behind_proxy(PROXIED, OLD),
        ["address_instead_of_cname"],
    ),
    "Cloudflare's addresses are not known": (
        subject(proxy_prefixes=()),
        behind_proxy(),
        ["routing_unclear"],
    ),
    "the CNAME is visible": (subject(), survey(name_servers=CLOUDFLARE_SERVERS), []),
    "an apex is flattened without the proxy": (
        subject(ZONE),
        behind_proxy(PROXIED, name=ZONE, target_addresses=(PROXIED,)),
        [],
    ),
    "an apex is proxied": (
        subject(ZONE),
        behind_proxy(name=ZONE),
        ["proxied_unproven"],
    ),
    "an apex points at the allotted addresses": (
        subject(ZONE, apex_prefixes=(CLOUDFLARE_RANGE,)),
        behind_proxy(name=ZONE),
        [],
    ),
    "the CNAME could not be asked": (
        subject(),
        replace(behind_proxy(), cname=unknown("CNAME")),
        ["routing_unclear"],
    ),
}


@pytest.mark.parametrize("case", PROXYING)
def test_a_proxied_name(case: str) -> None:
    about, asked, expected = PROXYING[case]
    assert codes(about, asked) == expected


def test_a_proxied_name_is_never_told_to_point_at_the_target() -> None:
    for about, asked, _ in PROXYING.values():
        for each in diagnosed(about, asked):
            assert not (each.code.startswith("proxied") and each.change)
