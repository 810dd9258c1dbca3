from dataclasses import replace

import pytest

from app.domain.custom_hostname import DnsRecord, Purpose, When
from app.domain.diagnosis.finding import Change, RecordChange
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import DnsSurvey
from app.domain.diagnosis.wrong_cname import SERVICES, is_misspelt, service_of
from tests.domain.builders_diagnosis import (
    DELEGATION,
    EXACT,
    GODADDY,
    NAME,
    OLD,
    OURS,
    OWNERSHIP,
    PORKBUN,
    PROXIED_ELSEWHERE,
    ROUTING,
    TARGET,
    ZONE,
    at_name,
    codes,
    diagnosed,
    found,
    seen,
    subject,
    survey,
    unknown,
    view,
)

PREFIX = "192.0.2.128/25"
APEX = "192.0.2.129"
APEX_A = DnsRecord("A", ZONE, APEX, Purpose.ROUTING, When.WITH)
PROXYING = subject(ZONE, apex_prefixes=(PREFIX,), records=(APEX_A,))
BY_TXT = subject(is_real_time=False, records=(OWNERSHIP, ROUTING), hostname_status="pending")
DOUBLED = found("CNAME", TARGET, name=f"{NAME}.{ZONE}")
COVERED = found("CNAME", "old.host.net", name=f"{NAME}.{ZONE}")

ROWS: dict[str, tuple[Subject, DnsSurvey, list[str]]] = {
    "a CNAME at the target is right": (subject(), survey(), []),
    "a chain that reaches the target is right": (
        subject(),
        survey(
            cname=found("CNAME", "edge.shop.com"),
            servers=(view(found("A", *OURS, chain=("edge.shop.com", TARGET))),),
        ),
        [],
    ),
    "an accepted target is right": (
        subject(targets=("new.provider.net", TARGET)),
        survey(),
        [],
    ),
    "the target's own addresses are right": (subject(), at_name(a=OURS), []),
    "a target that nobody resolves is still the target": (
        subject(),
        survey(servers=(view(unknown("A", chain=(TARGET,))),)),
        [],
    ),
    "a wildcard at the target is right": (
        subject("*.shop.com"),
        survey("*.shop.com", name="np-1.shop.com", owner="*.shop.com"),
        [],
    ),
    "nothing stands at the name": (subject(), at_name(), ["cname_missing"]),
    "nothing stands at the wildcard": (
        subject("*.shop.com"),
        at_name(name="*.shop.com"),
        ["cname_missing"],
    ),
    "nothing, but the record one level too deep": (
        subject(),
        at_name(doubled=DOUBLED),
        ["record_misplaced"],
    ),
    "nothing, and the provider is known to append the domain": (
        subject(provider=GODADDY),
        at_name(doubled=DOUBLED),
        ["record_doubled"],
    ),
    "nothing, and the provider does not append the domain": (
        subject(provider=EXACT),
        at_name(doubled=DOUBLED),
        ["record_misplaced"],
    ),
    "the right record is at a doubled name, and the old one is still there": (
        subject(),
        at_name(a=(OLD,), doubled=DOUBLED),
        ["record_misplaced", "address_instead_of_cname"],
    ),
    "a doubled name with another value is not the record": (
        subject(),
        at_name(doubled=COVERED),
        ["cname_missing"],
    ),
    "a wildcard's right answer at the doubled name is not the record": (
        subject(),
        at_name(doubled=replace(DOUBLED, of_wildcard=True)),
        ["cname_missing"],
    ),
    "a doubled name of the target's addresses is the flattened record": (
        subject(),
        at_name(doubled=found("A", *OURS, name=f"{NAME}.{ZONE}")),
        ["record_misplaced"],
    ),
    "addresses stand instead of the CNAME": (
        subject(),
        at_name(a=(OLD,), aaaa=("2001:db8::9",)),
        ["address_instead_of_cname"],
    ),
    "one address of the target and one other": (
        subject(),
        at_name(a=(OURS[0], OLD)),
        ["stray_address"],
    ),
    "an IPv6 address is left over beside the target's": (
        subject(),
        at_name(a=OURS, aaaa=("2001:db8::9",)),
        ["stray_address"],
    ),
    "an address beside the right CNAME": (
        subject(),
        survey(a=found("A", OLD)),
        ["address_beside_cname"],
    ),
    "an address beside a CNAME that points elsewhere": (
        subject(),
        at_name(cname="old.host.net", a=(OLD,)),
        ["cname_elsewhere", "address_beside_cname"],
    ),
    "a wildcard record of the domain answers with a CNAME": (
        subject(),
        at_name(cname="old.host.net", of_wildcard=True),
        ["wildcard_elsewhere"],
    ),
    "a wildcard record of the domain answers with an address": (
        subject(),
        at_name(a=(OLD,), of_wildcard=True),
        ["wildcard_elsewhere"],
    ),
    "a wildcard hostname's own record answers for every name": (
        subject("*.shop.com"),
        at_name(name="*.shop.com", cname="old.host.net", of_wildcard=True),
        ["cname_elsewhere"],
    ),
    "the provider appended the domain to the value": (
        subject(),
        at_name(cname=f"{TARGET}.{ZONE}"),
        ["cname_target_doubled"],
    ),
    "the provider appended the hostname to the value": (
        subject(),
        at_name(cname=f"{TARGET}.{NAME}"),
        ["cname_target_doubled"],
    ),
    "a name below the target that is not the tenant's": (
        subject(),
        at_name(cname=f"{TARGET}.other.org"),
        ["cname_elsewhere"],
    ),
    "the CNAME is the name itself": (subject(), at_name(cname=NAME), ["cname_to_itself"]),
    "the CNAME leads back to itself over another name": (
        subject(),
        survey(
            cname=found("CNAME", "b.shop.com"),
            servers=(view(unknown("A", "cname_loop", chain=("b.shop.com", NAME))),),
        ),
        ["cname_to_itself"],
    ),
    "the CNAME is the fallback origin": (
        subject(),
        at_name(cname="proxy-fallback.provider.net"),
        ["cname_to_fallback_origin"],
    ),
    "the CNAME is the provider's zone": (
        subject(),
        at_name(cname="provider.net"),
        ["cname_to_provider_zone"],
    ),
    "the target's provider is not known, and a label is missing": (
        subject(provider_zone=None),
        at_name(cname="provider.net"),
        ["cname_misspelt"],
    ),
    "a letter is missing": (subject(), at_name(cname="customers.providr.net"), ["cname_misspelt"]),
    "another top-level domain": (
        subject(),
        at_name(cname="customers.provider.com"),
        ["cname_misspelt"],
    ),
    "the shop is still at Shopify": (
        subject(),
        at_name(cname="shops.myshopify.com"),
        ["cname_at_other_service"],
    ),
    "a service's name inside another name is not the service": (
        subject(),
        at_name(cname="notmyshopify.com"),
        ["cname_elsewhere"],
    ),
    "the product itself runs at the service": (
        subject(targets=("acme.herokudns.com",)),
        at_name(cname="zebra-7.herokudns.com"),
        ["cname_elsewhere"],
    ),
    "a resolver remembers that the name once pointed here": (
        subject(),
        survey(
            cname=found("CNAME", "old.host.net"),
            servers=(
                view(found("A", OLD, chain=("old.host.net",))),
                view(found("A", *OURS, chain=(TARGET,)), server="192.0.2.53", own=False),
            ),
        ),
        ["cname_elsewhere"],
    ),
    "a CNAME that nobody could follow may lead to the target": (
        subject(),
        survey(cname=found("CNAME", "edge.cdn.org"), servers=(view(unknown("A")),)),
        ["routing_unclear"],
    ),
    "a misspelling is one, though nobody could follow it": (
        subject(),
        survey(cname=found("CNAME", "customers.providr.net"), servers=(view(unknown("A")),)),
        ["cname_misspelt"],
    ),
    "an address was seen, and the CNAME not asked": (
        subject(),
        replace(at_name(a=(OLD,)), cname=unknown("CNAME"), servers=()),
        ["routing_unclear"],
    ),
    "no address was seen, and IPv6 not asked": (
        subject(),
        replace(at_name(), aaaa=unknown("AAAA"), servers=()),
        ["could_not_check"],
    ),
    "the zone's servers are right, and the name itself was not asked": (
        subject(),
        survey(cname=unknown("CNAME"), a=unknown("A"), aaaa=unknown("AAAA")),
        [],
    ),
    "the target has no address to compare with": (
        subject(),
        at_name(a=(OLD,), target_addresses=()),
        ["routing_unclear"],
    ),
    "before both statuses are active the name stays where it is": (
        BY_TXT,
        at_name(a=(OLD,)),
        ["not_switched_yet"],
    ),
    "a record that comes before the switch is missing": (
        subject(records=(DELEGATION, ROUTING)),
        replace(at_name(a=(OLD,)), records={DELEGATION.key: seen(DELEGATION, unknown("CNAME"))}),
        ["record_not_checked", "other_records_first"],
    ),
    "a record that comes before the switch is there": (
        subject(records=(DELEGATION, ROUTING)),
        replace(at_name(a=(OLD,)), records={DELEGATION.key: seen(DELEGATION)}),
        ["address_instead_of_cname"],
    ),
    "Cloudflare refuses the proof of a name that another zone proxies": (
        replace(BY_TXT, cloudflare_errors=(PROXIED_ELSEWHERE,)),
        at_name(a=(OLD,)),
        ["address_instead_of_cname"],
    ),
    "once both statuses are active the name has to be switched": (
        replace(BY_TXT, hostname_status="active", ssl_status="active"),
        at_name(a=(OLD,)),
        ["address_instead_of_cname"],
    ),
    "a live name of the same plan has to stay": (
        replace(BY_TXT, is_live=True, hostname_status="moved"),
        at_name(a=(OLD,)),
        ["address_instead_of_cname"],
    ),
    # The apex of a zone.
    "the apex has nothing": (subject(ZONE), at_name(name=ZONE), ["apex_missing"]),
    "the apex has an address": (subject(ZONE), at_name(name=ZONE, a=(OLD,)), ["apex_wrong"]),
    "the apex shows the target's addresses": (subject(ZONE), at_name(name=ZONE, a=OURS), []),
    "a name below the registrable domain may be an apex too": (
        subject(),
        at_name(zone=NAME),
        ["apex_missing"],
    ),
    "the provider has an ALIAS": (
        subject(ZONE, provider=PORKBUN),
        at_name(name=ZONE),
        ["apex_alias_missing"],
    ),
    "the provider has an ALIAS, and an address is in its place": (
        subject(ZONE, provider=PORKBUN),
        at_name(name=ZONE, a=(OLD,)),
        ["apex_alias_wrong"],
    ),
    "the provider has nothing for an apex": (
        subject(ZONE, provider=GODADDY),
        at_name(name=ZONE, a=(OLD,)),
        ["apex_impossible"],
    ),
    "the same provider is fine below the apex": (
        subject(provider=GODADDY),
        at_name(),
        ["cname_missing"],
    ),
    "a CNAME stands at the apex": (
        subject(ZONE),
        at_name(name=ZONE, cname=TARGET),
        ["cname_at_apex"],
    ),
    "a CNAME stands at the apex, and the provider has an ALIAS": (
        subject(ZONE, provider=PORKBUN),
        at_name(name=ZONE, cname=TARGET),
        ["cname_at_apex_alias"],
    ),
    "with apex proxying, the apex has nothing": (
        PROXYING,
        at_name(name=ZONE),
        ["apex_address_missing"],
    ),
    "with apex proxying, the apex is elsewhere": (
        PROXYING,
        at_name(name=ZONE, a=(OLD,)),
        ["apex_address_wrong"],
    ),
    "with apex proxying, the apex is right": (PROXYING, at_name(name=ZONE, a=(APEX,)), []),
    "with apex proxying, an old address is left": (
        PROXYING,
        at_name(name=ZONE, a=(APEX, OLD)),
        ["stray_address"],
    ),
}


@pytest.mark.parametrize("case", ROWS)
def test_the_routing_record(case: str) -> None:
    about, asked, expected = ROWS[case]
    assert codes(about, asked) == expected


# The first change of the diagnosis: what to do, the type, the name and the value.
CHANGES: dict[str, tuple[Subject, DnsSurvey, tuple[Change, str, str, str] | None]] = {
    "a missing CNAME is added": (subject(), at_name(), (Change.ADD, "CNAME", NAME, TARGET)),
    "a wildcard's CNAME is added at the wildcard": (
        subject("*.shop.com"),
        at_name(name="*.shop.com"),
        (Change.ADD, "CNAME", "*.shop.com", TARGET),
    ),
    "an old CNAME is replaced": (
        subject(),
        at_name(cname="shops.myshopify.com"),
        (Change.REPLACE, "CNAME", NAME, TARGET),
    ),
    "beside a wildcard's record one is added": (
        subject(),
        at_name(cname="old.host.net", of_wildcard=True),
        (Change.ADD, "CNAME", NAME, TARGET),
    ),
    "exactly the stray address is removed": (
        subject(),
        at_name(a=(OURS[0], OLD)),
        (Change.REMOVE, "A", NAME, OLD),
    ),
    "exactly the address beside the CNAME is removed": (
        subject(),
        survey(aaaa=found("AAAA", "2001:db8::9")),
        (Change.REMOVE, "AAAA", NAME, "2001:db8::9"),
    ),
    "at an apex an ALIAS is added": (
        subject(ZONE),
        at_name(name=ZONE),
        (Change.ADD, "ALIAS", ZONE, TARGET),
    ),
    "the provider's own name of it is used": (
        subject(ZONE, provider=replace(PORKBUN, apex_record="ANAME")),
        at_name(name=ZONE, a=(OLD,)),
        (Change.REPLACE, "ANAME", ZONE, TARGET),
    ),
    "with apex proxying the address is added": (
        PROXYING,
        at_name(name=ZONE),
        (Change.ADD, "A", ZONE, APEX),
    ),
    "where nothing can be entered there is no change": (
        subject(ZONE, provider=GODADDY),
        at_name(name=ZONE),
        None,
    ),
    "the CNAME at an apex makes way for an address": (
        PROXYING,
        at_name(name=ZONE, cname=TARGET),
        (Change.REPLACE, "A", ZONE, APEX),
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_the_change_of_the_routing_record(case: str) -> None:
    about, asked, expected = CHANGES[case]
    change = diagnosed(about, asked)[0].change
    assert change == (
        expected
        and RecordChange(change=expected[0], type=expected[1], name=expected[2], value=expected[3])
    )


def test_the_finding_names_its_wanted_record() -> None:
    assert [each.about for each in diagnosed(subject(), at_name())] == [ROUTING.key]


def test_a_doubled_name_says_where_it_stands_and_what_to_enter() -> None:
    (finding,) = diagnosed(subject(provider=GODADDY), at_name(doubled=DOUBLED))
    assert finding.params == {
        "type": "CNAME",
        "found_at": "www.shop.com.shop.com",
        "host": "www",
        "provider": "GoDaddy",
    }


def test_a_host_field_to_be_left_empty_is_called_so() -> None:
    (finding,) = diagnosed(subject(ZONE, provider=PORKBUN), at_name(name=ZONE))
    assert finding.params["host"] == "(empty)"


def test_the_doubled_value_is_corrected_by_a_dot() -> None:
    (finding,) = diagnosed(subject(), at_name(cname=f"{TARGET}.{ZONE}"))
    assert finding.params["target"] == f"{TARGET}."


@pytest.mark.parametrize(
    "name",
    [
        "customer.provider.net",
        "custmoers.provider.net",
        "customers.provider.co",
        "customers.provider",
        "customers.provider.net.net",
        "acme.customers.provider.net",
        "customers-provider.net",
    ],
)
def test_a_misspelling_is_close_to_the_target(name: str) -> None:
    assert is_misspelt(name, TARGET)


@pytest.mark.parametrize("name", ["customers", "clients.provider.net", "shops.myshopify.com"])
def test_another_name_is_no_misspelling(name: str) -> None:
    assert not is_misspelt(name, TARGET)


def test_a_short_name_is_never_close_to_another() -> None:
    assert not is_misspelt("b.xy", "a.io")


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("shops.myshopify.com", "Shopify"),
        ("acme.github.io", "GitHub Pages"),
        ("acme.netlify.app", "Netlify"),
        ("cname.vercel-dns.com", "Vercel"),
        ("www.shop.com.cdn.cloudflare.net", "another Cloudflare zone"),
        ("acme.pages.dev", "Cloudflare Pages"),
        ("notgithub.io", None),
        ("provider.net", None),
    ],
)
def test_services_are_known_by_their_suffix(name: str, service: str | None) -> None:
    assert service_of(name) == service


def test_services_are_spelled_like_names() -> None:
    assert [suffix for suffix in SERVICES if suffix != suffix.lower().strip(".")] == []
