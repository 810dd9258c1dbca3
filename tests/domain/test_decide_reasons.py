from collections.abc import Mapping
from dataclasses import replace

import pytest

from app.domain.custom_hostname import CustomHostname, Plan, State
from app.domain.document import represent
from app.domain.observation import CloudflareHostname, Found, Routing, RRsetKey, ValidationRecord
from app.domain.plan import records_complete
from app.domain.reason import Reason, WaitingOn

from .builders import (
    ACME_RRSET,
    ELSEWHERE,
    HERE,
    NOWHERE,
    OWNERSHIP,
    OWNERSHIP_RRSET,
    SECOND_TOKEN,
    TOKEN,
    checking_view,
    cloudflare_view,
    decided,
    dns_view,
    validating_record,
)

Txt = Mapping[RRsetKey, tuple[str, ...] | None]

PROOF = {OWNERSHIP_RRSET: ("ownership-token",)}
BOTH_CHECKING = checking_view()
HOSTNAME_ACTIVE = cloudflare_view(ssl_status="pending_validation")


def prepared(*, wildcard: bool = False) -> CustomHostname:
    """Give a validating record of plan zero_downtime with all its tokens."""
    return validating_record(
        name="*.shop.tenant.com" if wildcard else "shop.tenant.com",
        plan=Plan.ZERO_DOWNTIME,
        tokens=(TOKEN, SECOND_TOKEN) if wildcard else (TOKEN,),
    )


@pytest.mark.parametrize(
    ("view", "routing", "reason"),
    [
        pytest.param(
            BOTH_CHECKING, NOWHERE, Reason.AWAITING_CNAME, id="without its CNAME it waits for it"
        ),
        pytest.param(
            BOTH_CHECKING, ELSEWHERE, Reason.CNAME_ELSEWHERE, id="a CNAME elsewhere is named"
        ),
        pytest.param(
            BOTH_CHECKING,
            HERE,
            Reason.HOSTNAME_CHECK_PENDING,
            id="with its CNAME it waits for Cloudflare",
        ),
        pytest.param(
            HOSTNAME_ACTIVE,
            HERE,
            Reason.CERTIFICATE_CHECK_PENDING,
            id="with the hostname active it waits for the certificate",
        ),
        pytest.param(
            HOSTNAME_ACTIVE,
            NOWHERE,
            Reason.AWAITING_CNAME,
            id="without its CNAME the certificate waits for it too",
        ),
        pytest.param(
            cloudflare_view(status="pending"),
            HERE,
            Reason.HOSTNAME_CHECK_PENDING,
            id="with the certificate active it waits for the hostname",
        ),
        pytest.param(
            cloudflare_view(status="pending"),
            NOWHERE,
            Reason.AWAITING_CNAME,
            id="which waits for its CNAME",
        ),
        pytest.param(
            cloudflare_view(ssl_status="expired"),
            HERE,
            Reason.CERTIFICATE_EXPIRED,
            id="a certificate that ended is named",
        ),
        pytest.param(
            cloudflare_view(ssl_status="validation_timed_out"),
            NOWHERE,
            Reason.AWAITING_CNAME,
            id="a certificate that timed out without its CNAME waits for it",
        ),
    ],
)
def test_why_a_simple_name_is_not_active(
    view: CloudflareHostname, routing: Routing, reason: Reason
) -> None:
    seen = decided(validating_record(), cloudflare=view, dns=routing)
    assert (seen.record.state, seen.record.reason) == (State.VALIDATING, reason)


@pytest.mark.parametrize(
    ("view", "txt", "reason"),
    [
        pytest.param(
            BOTH_CHECKING,
            {OWNERSHIP_RRSET: None},
            Reason.OWNERSHIP_TXT_MISSING,
            id="the ownership TXT is missing",
        ),
        pytest.param(
            BOTH_CHECKING,
            {OWNERSHIP_RRSET: ("old-token",)},
            Reason.OWNERSHIP_TXT_WRONG,
            id="the ownership TXT is wrong",
        ),
        pytest.param(
            BOTH_CHECKING,
            {OWNERSHIP_RRSET: ("old-token", "ownership-token"), ACME_RRSET: None},
            Reason.CERTIFICATE_TXT_MISSING,
            id="the ownership TXT is among others, and the certificate's is missing",
        ),
        pytest.param(
            BOTH_CHECKING,
            {OWNERSHIP_RRSET: ("ownership-token",), ACME_RRSET: ("certificate-token",)},
            Reason.HOSTNAME_CHECK_PENDING,
            id="both are there",
        ),
        pytest.param(
            HOSTNAME_ACTIVE,
            PROOF | {ACME_RRSET: None},
            Reason.CERTIFICATE_TXT_MISSING,
            id="the certificate TXT is missing",
        ),
        pytest.param(
            HOSTNAME_ACTIVE,
            PROOF | {ACME_RRSET: ("old",)},
            Reason.CERTIFICATE_TXT_WRONG,
            id="the certificate TXT is wrong",
        ),
        pytest.param(
            HOSTNAME_ACTIVE,
            PROOF | {ACME_RRSET: ("certificate-token",)},
            Reason.CERTIFICATE_CHECK_PENDING,
            id="the certificate TXT is there",
        ),
        pytest.param(
            cloudflare_view(ssl_status="validation_timed_out"),
            {ACME_RRSET: None},
            Reason.CERTIFICATE_TXT_MISSING,
            id="the certificate timed out for lack of its TXT",
        ),
        pytest.param(
            cloudflare_view(ssl_status="pending_issuance"),
            {ACME_RRSET: None},
            Reason.CERTIFICATE_ISSUING,
            id="a certificate being issued needs no TXT any more",
        ),
    ],
)
def test_why_a_zero_downtime_name_is_not_active(
    view: CloudflareHostname, txt: Txt, reason: Reason
) -> None:
    seen = decided(prepared(), cloudflare=view, dns=dns_view(routing=NOWHERE, txt=txt))
    assert (seen.record.state, seen.record.reason) == (State.VALIDATING, reason)


def test_once_traffic_arrives_no_token_is_asked_for() -> None:
    early = decided(prepared(), cloudflare=BOTH_CHECKING, dns=HERE).record
    later = decided(early, cloudflare=HOSTNAME_ACTIVE).record
    assert early.reason is Reason.HOSTNAME_CHECK_PENDING
    assert later.reason is Reason.CERTIFICATE_CHECK_PENDING


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        pytest.param(None, Reason.CERTIFICATE_TXT_MISSING, id="neither token"),
        pytest.param(("certificate-token",), Reason.CERTIFICATE_TXT_WRONG, id="the first alone"),
        pytest.param(("wildcard-token",), Reason.CERTIFICATE_TXT_WRONG, id="the second alone"),
        pytest.param(
            ("wildcard-token", "certificate-token"), Reason.CERTIFICATE_CHECK_PENDING, id="both"
        ),
    ],
)
def test_a_wildcard_needs_both_tokens_even_when_traffic_arrives(
    values: tuple[str, ...] | None, reason: Reason
) -> None:
    dns = dns_view(routing=HERE, txt={ACME_RRSET: values})
    seen = decided(prepared(wildcard=True), cloudflare=HOSTNAME_ACTIVE, dns=dns)
    assert seen.record.reason is reason


@pytest.mark.parametrize("plan", list(Plan))
@pytest.mark.parametrize(
    ("errors", "reason", "waiting_on"),
    [
        pytest.param(
            {"verification_errors": ("Zone does not have a fallback origin set.",)},
            Reason.FALLBACK_ORIGIN_NOT_READY,
            WaitingOn.OPERATOR,
            id="no fallback origin",
        ),
        pytest.param(
            {"verification_errors": ("Fallback origin is not active.",)},
            Reason.FALLBACK_ORIGIN_NOT_READY,
            WaitingOn.OPERATOR,
            id="fallback origin not active",
        ),
        pytest.param(
            {"validation_errors": ("caa_error: shop.tenant.com",)},
            Reason.CAA_FORBIDS_ISSUANCE,
            WaitingOn.TENANT,
            id="CAA forbids",
        ),
    ],
)
def test_what_cloudflare_says_stands_in_the_way_is_told_first(
    plan: Plan, errors: dict[str, tuple[str, ...]], reason: Reason, waiting_on: WaitingOn
) -> None:
    seen = decided(validating_record(plan=plan), cloudflare=checking_view(**errors), dns=NOWHERE)
    assert (seen.record.state, seen.record.reason) == (State.VALIDATING, reason)
    assert seen.record.reason.waiting_on is waiting_on


def test_an_old_error_does_not_hold_back_an_active_name() -> None:
    view = cloudflare_view(validation_errors=("caa_error: shop.tenant.com",))
    assert decided(validating_record(), cloudflare=view, dns=HERE).record.reason is Reason.LIVE


@pytest.mark.parametrize(
    ("ownership", "tokens", "wildcard", "complete"),
    [
        pytest.param(None, (), False, False, id="nothing yet"),
        pytest.param(OWNERSHIP, (), False, False, id="the ownership alone"),
        pytest.param(None, (TOKEN,), False, False, id="the certificate alone"),
        pytest.param(OWNERSHIP, (TOKEN,), False, True, id="both"),
        pytest.param(OWNERSHIP, (TOKEN,), True, False, id="one of a wildcard's two"),
        pytest.param(OWNERSHIP, (TOKEN, SECOND_TOKEN), True, True, id="all of a wildcard's"),
        pytest.param(
            OWNERSHIP, (ValidationRecord(http_url="http://x"),), False, False, id="an HTTP token"
        ),
    ],
)
def test_records_are_prepared_until_the_list_is_complete(
    *,
    ownership: tuple[str, str] | None,
    tokens: tuple[ValidationRecord, ...],
    wildcard: bool,
    complete: bool,
) -> None:
    bare = validating_record(
        name="*.shop.tenant.com" if wildcard else "shop.tenant.com",
        plan=Plan.ZERO_DOWNTIME,
        tokens=(),
    )
    empty = decided(bare, cloudflare=BOTH_CHECKING).record
    record = decided(
        _without_ownership(empty),
        cloudflare=Found(_with_tokens(ownership, tokens)),
        dns=dns_view(routing=NOWHERE),
    ).record
    assert records_complete(record) is complete
    assert represent(record)["records_complete"] is complete
    assert (record.reason is Reason.PREPARING_RECORDS) is not complete


def test_tokens_that_cloudflare_shows_no_more_are_kept() -> None:
    record = decided(prepared(), cloudflare=checking_view()).record
    assert record.cloudflare.validation_records == (TOKEN,)
    assert record.cloudflare.ownership == OWNERSHIP


def test_new_tokens_take_the_place_of_the_old() -> None:
    view = _with_tokens(("_cf-custom-hostname.shop.tenant.com", "new"), (SECOND_TOKEN,))
    record = decided(prepared(), cloudflare=view).record
    assert record.cloudflare.validation_records == (SECOND_TOKEN,)
    assert record.cloudflare.ownership == ("_cf-custom-hostname.shop.tenant.com", "new")


def test_a_new_token_is_not_found_because_the_old_one_was() -> None:
    dns = dns_view(routing=NOWHERE, txt=PROOF | {ACME_RRSET: ("certificate-token",)})
    found = decided(prepared(), cloudflare=HOSTNAME_ACTIVE, dns=dns).record
    renewed = decided(
        found, cloudflare=cloudflare_view(ssl_status="pending_validation", tokens=(SECOND_TOKEN,))
    ).record
    assert found.reason is Reason.CERTIFICATE_CHECK_PENDING
    assert renewed.reason is Reason.CERTIFICATE_TXT_MISSING


def _with_tokens(
    ownership: tuple[str, str] | None, tokens: tuple[ValidationRecord, ...]
) -> CloudflareHostname:
    return cloudflare_view(
        status="pending", ssl_status="pending_validation", ownership=ownership, tokens=tokens
    )


def _without_ownership(record: CustomHostname) -> CustomHostname:
    return replace(record, cloudflare=replace(record.cloudflare, ownership=None))
