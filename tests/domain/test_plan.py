from dataclasses import replace

import pytest

from app.domain.custom_hostname import (
    DnsRecord,
    DnsSeen,
    Plan,
    Purpose,
    RecordStatus,
    When,
)
from app.domain.errors import PlanNotAvailable
from app.domain.hostname import Hostname
from app.domain.observation import ValidationRecord
from app.domain.plan import (
    PRE_VALIDATION_WARNING,
    Certificate,
    certificate,
    is_real_time,
    parse_plan,
    wanted_records,
    warning,
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
PROOF = DnsRecord("TXT", *OWNERSHIP, Purpose.OWNERSHIP, When.BEFORE)
DCV = DnsRecord("TXT", ACME, "certificate-token", Purpose.CERTIFICATE, When.BEFORE)
DCV_TOO = DnsRecord("TXT", ACME, "wildcard-token", Purpose.CERTIFICATE, When.BEFORE)


@pytest.mark.parametrize(
    ("text", "hostname", "plan"),
    [
        ("simple", PLAIN, Plan.SIMPLE),
        ("zero_downtime", PLAIN, Plan.ZERO_DOWNTIME),
        ("zero_downtime", WILDCARD, Plan.ZERO_DOWNTIME),
    ],
)
def test_a_plan_is_read(text: str, hostname: Hostname, plan: Plan) -> None:
    assert parse_plan(text, hostname) is plan


@pytest.mark.parametrize("text", ["", "SIMPLE", "simple ", "magic", "x" * 10_000])
def test_an_unknown_plan_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(PlanNotAvailable, match="`simple`, `zero_downtime`") as refused:
        parse_plan(text, PLAIN)
    assert (refused.value.code, refused.value.field) == ("plan_not_available", "/plan")
    assert len(refused.value.detail) < 200


def test_a_wildcard_is_refused_the_plan_that_validates_over_http() -> None:
    with pytest.raises(PlanNotAvailable, match="choose `zero_downtime`"):
        parse_plan("simple", WILDCARD)


@pytest.mark.parametrize(
    ("plan", "hostname", "expected"),
    [
        (Plan.SIMPLE, PLAIN, Certificate(method="http", wildcard=False, type="dv")),
        (Plan.ZERO_DOWNTIME, PLAIN, Certificate(method="txt", wildcard=False, type="dv")),
        (Plan.ZERO_DOWNTIME, WILDCARD, Certificate(method="txt", wildcard=True, type="dv")),
    ],
)
def test_what_a_plan_asks_cloudflare_for(
    plan: Plan, hostname: Hostname, expected: Certificate
) -> None:
    assert certificate(plan, hostname) == expected


def test_only_the_simple_plan_validates_in_real_time() -> None:
    assert [plan for plan in Plan if is_real_time(plan)] == [Plan.SIMPLE]


def test_only_a_plan_that_validates_first_warns() -> None:
    assert warning(Plan.SIMPLE) is None
    assert warning(Plan.ZERO_DOWNTIME) == PRE_VALIDATION_WARNING


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
