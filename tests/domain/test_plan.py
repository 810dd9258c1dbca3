from dataclasses import replace

import pytest

from app.domain.custom_hostname import (
    CloudflareObject,
    CustomHostname,
    DnsRecord,
    DnsSeen,
    Plan,
    Purpose,
    RecordStatus,
    When,
    ZoneTargets,
)
from app.domain.errors import PlanNotAvailable
from app.domain.hostname import Hostname
from app.domain.object_spec import ObjectSpec
from app.domain.observation import ValidationRecord
from app.domain.option_rules import parse_plan
from app.domain.options import DcvMethod, Options, OwnershipMethod
from app.domain.plan import (
    APEX_NOTE,
    KEEP_FOR_EVER,
    REMOVABLE,
    RENEWED,
    needs_dcv_uuid,
    records_complete,
    wanted_records,
    wanted_spec,
)

from .builders import (
    ACME,
    NAME,
    OWNERSHIP,
    OWNERSHIP_KEY,
    SECOND_TOKEN,
    TARGET,
    TOKEN,
    hostname_record,
    validating_record,
)

PLAIN, WILDCARD = Hostname(NAME), Hostname(f"*.{NAME}")
CNAME = DnsRecord("CNAME", NAME, TARGET, Purpose.ROUTING, When.WITH)
PROOF = DnsRecord("TXT", *OWNERSHIP, Purpose.OWNERSHIP, When.BEFORE, note=REMOVABLE)
DCV = DnsRecord("TXT", ACME, "certificate-token", Purpose.CERTIFICATE, When.BEFORE, note=RENEWED)
DCV_TOO = replace(DCV, value="wildcard-token")


@pytest.mark.parametrize(
    ("text", "hostname", "plan"),
    [
        ("simple", PLAIN, Plan.SIMPLE),
        ("zero_downtime", PLAIN, Plan.ZERO_DOWNTIME),
        ("zero_downtime", WILDCARD, Plan.ZERO_DOWNTIME),
        ("delegated", PLAIN, Plan.DELEGATED),
        ("delegated", WILDCARD, Plan.DELEGATED),
        ("custom", WILDCARD, Plan.CUSTOM),
        (None, PLAIN, Plan.SIMPLE),
        (None, WILDCARD, Plan.DELEGATED),
    ],
)
def test_a_plan_is_read(text: str | None, hostname: Hostname, plan: Plan) -> None:
    assert parse_plan(text, hostname) is plan


@pytest.mark.parametrize("text", ["", "SIMPLE", "simple ", "magic", "x" * 10_000])
def test_an_unknown_plan_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(PlanNotAvailable, match="`simple`, `zero_downtime`") as refused:
        parse_plan(text, PLAIN)
    assert (refused.value.code, refused.value.field) == ("plan_not_available", "/plan")
    assert len(refused.value.detail) < 200


def test_a_wildcard_is_refused_the_plan_that_validates_over_http() -> None:
    with pytest.raises(PlanNotAvailable, match="choose `delegated`"):
        parse_plan("simple", WILDCARD)


@pytest.mark.parametrize(
    ("plan", "hostname", "expected"),
    [
        (Plan.SIMPLE, PLAIN, ObjectSpec(method="http")),
        (Plan.ZERO_DOWNTIME, PLAIN, ObjectSpec(method="txt")),
        (Plan.ZERO_DOWNTIME, WILDCARD, ObjectSpec(method="txt", wildcard=True)),
        (Plan.DELEGATED, PLAIN, ObjectSpec(method="txt")),
        (Plan.DELEGATED, WILDCARD, ObjectSpec(method="txt", wildcard=True)),
        (Plan.CUSTOM, PLAIN, ObjectSpec(method="http")),
        (Plan.CUSTOM, WILDCARD, ObjectSpec(method="txt", wildcard=True)),
    ],
)
def test_what_a_plan_asks_cloudflare_for(
    plan: Plan, hostname: Hostname, expected: ObjectSpec
) -> None:
    assert wanted_spec(hostname_record(name=hostname.name, plan=plan)) == expected


def test_the_simple_plan_wants_the_cname_alone() -> None:
    assert wanted_records(validating_record()) == (CNAME,)


def test_the_cname_is_known_before_anything_is_created() -> None:
    assert wanted_records(hostname_record()) == (CNAME,)
    assert wanted_records(hostname_record(plan=Plan.ZERO_DOWNTIME)) == (CNAME,)


def test_zero_downtime_wants_proof_then_certificate_then_the_cname() -> None:
    assert wanted_records(validating_record(plan=Plan.ZERO_DOWNTIME)) == (PROOF, DCV, CNAME)


def test_a_wildcard_wants_both_tokens_and_a_cname_of_its_own_name() -> None:
    record = validating_record(
        name=f"*.{NAME}", plan=Plan.ZERO_DOWNTIME, tokens=(TOKEN, SECOND_TOKEN)
    )
    assert wanted_records(record) == (PROOF, DCV, DCV_TOO, replace(CNAME, name=f"*.{NAME}"))


@pytest.mark.parametrize(
    "token",
    [
        ValidationRecord(http_url="http://x", http_body="b"),
        ValidationRecord(txt_name=ACME),
        ValidationRecord(txt_value="v"),
        ValidationRecord(emails=("admin@tenant.com",)),
    ],
)
def test_a_token_that_is_no_whole_txt_is_not_asked_for(token: ValidationRecord) -> None:
    record = validating_record(plan=Plan.ZERO_DOWNTIME, tokens=(token,))
    assert wanted_records(record) == (PROOF, CNAME)


def test_each_record_carries_what_dns_last_said_of_it() -> None:
    record = replace(
        validating_record(plan=Plan.ZERO_DOWNTIME),
        dns=DnsSeen(statuses={OWNERSHIP_KEY: RecordStatus.FOUND}),
    )
    statuses = [r.status for r in wanted_records(record)]
    assert statuses == [RecordStatus.FOUND, RecordStatus.UNKNOWN, RecordStatus.UNKNOWN]


def test_two_values_at_one_name_are_two_records() -> None:
    assert DCV.key != DCV_TOO.key


DELEGATION = (ACME, f"{NAME}.0123.dcv.cloudflare.com")
BY_HAND = ("http://shop.tenant.com/.well-known/cf-custom-hostname-challenge/1", "body")
TOKENS = {
    "http": ValidationRecord(http_url="http://shop.tenant.com/x", http_body="b"),
    "txt": TOKEN,
    "email": ValidationRecord(emails=("admin@tenant.com", "webmaster@tenant.com")),
}


def custom_record(dcv: str, ownership: str) -> CustomHostname:
    """Give a record of which Cloudflare showed every token there is."""
    record = validating_record(plan=Plan.ZERO_DOWNTIME, tokens=(TOKENS[dcv],))
    known = replace(record.cloudflare, ownership_http=BY_HAND, delegation=DELEGATION)
    options = Options(dcv_method=DcvMethod(dcv), ownership_method=OwnershipMethod(ownership))
    return replace(record, plan=Plan.CUSTOM, options=options, cloudflare=known)


@pytest.mark.parametrize(
    ("dcv", "ownership", "expected"),
    [
        ("http", "realtime", []),
        ("http", "txt", ["TXT ownership", "HTTP certificate"]),
        ("http", "http", ["HTTP ownership", "HTTP certificate"]),
        ("txt", "realtime", ["TXT certificate"]),
        ("txt", "txt", ["TXT ownership", "TXT certificate"]),
        ("txt", "http", ["HTTP ownership", "TXT certificate"]),
        ("email", "realtime", ["EMAIL certificate"]),
        ("email", "txt", ["TXT ownership", "EMAIL certificate"]),
        ("email", "http", ["HTTP ownership", "EMAIL certificate"]),
    ],
)
def test_each_pair_of_methods_has_its_records(
    dcv: str, ownership: str, expected: list[str]
) -> None:
    record = custom_record(dcv, ownership)
    shown = [f"{r.type} {r.purpose}" for r in wanted_records(record)]
    assert shown == [*expected, "CNAME routing"]
    assert records_complete(record)
    assert [r.when for r in wanted_records(record)] == [*[When.BEFORE] * len(expected), When.WITH]
    bare = replace(record, cloudflare=CloudflareObject(id="cf-1"))
    assert records_complete(bare) is not bool(expected)


def test_records_by_hand_name_url_and_body_or_the_addresses_written_to() -> None:
    by_hand, _, _ = wanted_records(custom_record("http", "http"))
    mail, _ = wanted_records(custom_record("email", "realtime"))
    assert (by_hand.name, by_hand.value) == BY_HAND
    assert (mail.name, mail.value) == (NAME, "admin@tenant.com, webmaster@tenant.com")


def delegated_record(*, name: str = NAME, uuid: str | None = None) -> CustomHostname:
    record = validating_record(name=name, plan=Plan.DELEGATED)
    return replace(record, zone=replace(record.zone, dcv_uuid=uuid))


def test_delegation_is_one_cname_for_ever_before_the_switch() -> None:
    shown = delegated_record()
    shown = replace(shown, cloudflare=replace(shown.cloudflare, delegation=DELEGATION))
    delegation, routing = wanted_records(shown)
    assert (delegation.type, delegation.name, delegation.value) == ("CNAME", *DELEGATION)
    assert (delegation.purpose, delegation.when) == (Purpose.DELEGATION, When.BEFORE)
    assert delegation.note == KEEP_FOR_EVER
    assert routing == CNAME


def test_delegation_is_known_from_the_zone_where_no_answer_showed_it() -> None:
    assert wanted_records(delegated_record(uuid="0123")) == wanted_records(
        replace(
            delegated_record(),
            cloudflare=replace(delegated_record().cloudflare, delegation=DELEGATION),
        )
    )
    assert not needs_dcv_uuid(delegated_record(uuid="0123"))


def test_a_delegation_that_nobody_knows_yet_leaves_the_list_incomplete() -> None:
    assert wanted_records(delegated_record()) == (CNAME,)
    assert not records_complete(delegated_record())
    assert needs_dcv_uuid(delegated_record())


def test_a_delegated_wildcard_proves_the_name_by_txt() -> None:
    record = delegated_record(name=f"*.{NAME}", uuid="0123")
    shown = [(r.type, r.name) for r in wanted_records(record)]
    assert shown == [("TXT", OWNERSHIP[0]), ("CNAME", ACME), ("CNAME", f"*.{NAME}")]


PREFIXES = ("192.0.2.7", "2001:db8::7", "198.51.100.0/24")


@pytest.mark.parametrize(
    ("prefixes", "shown"),
    [
        (PREFIXES, ["A 192.0.2.7", "AAAA 2001:db8::7"]),
        (("198.51.100.0/24", "2001:db8::/64"), ["A 198.51.100.1", "AAAA 2001:db8::1"]),
        (("192.0.2.7/32",), ["A 192.0.2.7"]),
    ],
)
def test_apex_proxying_asks_for_addresses(prefixes: tuple[str, ...], shown: list[str]) -> None:
    zone = ZoneTargets(id="zone-1", cname_target=TARGET, apex_prefixes=prefixes)
    record = hostname_record(is_apex=True, zone=zone)
    assert [f"{r.type} {r.value}" for r in wanted_records(record)] == shown
    below = hostname_record(zone=zone)
    assert wanted_records(below) == (CNAME,)


def test_an_apex_without_apex_proxying_is_told_what_its_provider_must_do() -> None:
    (routing,) = wanted_records(hostname_record(is_apex=True, plan=Plan.DELEGATED))
    assert routing == replace(CNAME, note=APEX_NOTE)
