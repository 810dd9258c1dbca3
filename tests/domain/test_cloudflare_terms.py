"""Cloudflare's words, each as it stands in its documentation or was seen."""

import pytest

from app.domain.cloudflare_terms import (
    BEHIND,
    EXPECTED,
    IN_THE_WAY,
    REFUSALS,
    KnownText,
    unknown_texts,
)
from app.domain.custom_hostname import State
from app.domain.observation import CloudflareHostname, Routing
from app.domain.reason import Reason, WaitingOn

from .builders import (
    ELSEWHERE,
    HERE,
    NOWHERE,
    checking_view,
    cloudflare_view,
    decided,
    live_record,
    validating_record,
)

O2O = (
    "The hostname is using Cloudflare and cannot be activated with an TXT or HTTP validation "
    "token. To activate the custom hostname, the DNS target needs to point to the SaaS zone."
)
NO_ADDRESS = (
    "None of the A or AAAA records are owned by this account and the pre-generated ownership "
    "verification token was not found."
)
RATE_LIMITED = (
    "The authority has rate limited these domains. Please wait for the rate limit to expire or "
    "try another authority."
)
BOGUS = (
    "the Certificate Authority had trouble performing a DNS lookup: dns problem: looking up caa "
    "for shop.tenant.com: dnssec: bogus"
)
SERVFAIL = (
    "Certificate authority encountered a SERVFAIL during DNS lookup, please check your DNS "
    "reachability."
)
PERSPECTIVES = (
    "Certificate authority encountered a multiple perspective CAA check error, please ensure your "
    "DNS is configured to allow CAA queries from all geographic perspectives."
)
NOT_FOR_THIS = (
    "The certificate authority will not issue for this domain. Please check your input or try "
    "another authority."
)

TENANT, OPERATOR, CLOUDFLARE = WaitingOn.TENANT, WaitingOn.OPERATOR, WaitingOn.CLOUDFLARE

VERIFICATION: dict[str, tuple[Reason, WaitingOn]] = {
    "Zone does not have a fallback origin set.": (Reason.FALLBACK_ORIGIN_NOT_READY, OPERATOR),
    "Fallback origin is in a status of initializing.": (
        Reason.FALLBACK_ORIGIN_NOT_READY,
        OPERATOR,
    ),
    "Fallback origin is in a status of pending_deletion.": (
        Reason.FALLBACK_ORIGIN_NOT_READY,
        OPERATOR,
    ),
    "The zone of this hostname is on hold.": (Reason.ZONE_HELD, TENANT),
    O2O: (Reason.PROXIED_ELSEWHERE, TENANT),
    "custom hostname does not CNAME to this zone.": (Reason.AWAITING_CNAME, TENANT),
    NO_ADDRESS: (Reason.AWAITING_CNAME, TENANT),
    "quantum flux": (Reason.AWAITING_CNAME, TENANT),
}
VALIDATION: dict[str, tuple[Reason, WaitingOn]] = {
    "caa_error: shop.tenant.com": (Reason.CAA_FORBIDS_ISSUANCE, TENANT),
    "CAA records block issuance. Remove them.": (Reason.CAA_FORBIDS_ISSUANCE, TENANT),
    "shop.tenant.com reported as potential risk: google_safe_browsing": (
        Reason.CERTIFICATE_RISK_BLOCKED,
        OPERATOR,
    ),
    NOT_FOR_THIS: (Reason.CERTIFICATE_RISK_BLOCKED, OPERATOR),
    BOGUS: (Reason.DNSSEC_BROKEN, TENANT),
    RATE_LIMITED: (Reason.AUTHORITY_RATE_LIMITED, CLOUDFLARE),
    SERVFAIL: (Reason.AUTHORITY_DNS_FAILED, TENANT),
    PERSPECTIVES: (Reason.AUTHORITY_DNS_FAILED, TENANT),
    "DNS problem: NXDOMAIN looking up A for shop.tenant.com": (
        Reason.AUTHORITY_DNS_FAILED,
        TENANT,
    ),
    "DNS problem: query timed out looking up CAA for tenant.com": (
        Reason.AUTHORITY_DNS_FAILED,
        TENANT,
    ),
    "MPIC failure": (Reason.AUTHORITY_DNS_FAILED, TENANT),
    "Internal error with Certificate Authority. Please check later.": (
        Reason.CERTIFICATE_CHECK_PENDING,
        CLOUDFLARE,
    ),
    "quantum flux": (Reason.CERTIFICATE_CHECK_PENDING, CLOUDFLARE),
}
HOSTNAME_ACTIVE = cloudflare_view(ssl_status="pending_validation")


def shown(view: CloudflareHostname, routing: Routing) -> Reason:
    seen = decided(validating_record(), cloudflare=view, dns=routing).record
    assert seen.state is State.VALIDATING
    return seen.reason


@pytest.mark.parametrize(("text", "row"), VERIFICATION.items())
def test_a_verification_error_has_its_reason(text: str, row: tuple[Reason, WaitingOn]) -> None:
    reason = shown(checking_view(verification_errors=(text,)), NOWHERE)
    assert (reason, reason.waiting_on) == row


@pytest.mark.parametrize(("text", "row"), VALIDATION.items())
def test_a_validation_error_has_its_reason_once_the_name_points_here(
    text: str, row: tuple[Reason, WaitingOn]
) -> None:
    view = cloudflare_view(ssl_status="pending_validation", validation_errors=(text,))
    reason = shown(view, HERE)
    assert (reason, reason.waiting_on) == row


@pytest.mark.parametrize("text", [RATE_LIMITED, SERVFAIL, PERSPECTIVES])
def test_what_the_authority_stumbles_over_is_the_missing_record_first(text: str) -> None:
    view = cloudflare_view(ssl_status="pending_validation", validation_errors=(text,))
    assert shown(view, NOWHERE) is Reason.AWAITING_CNAME


def test_the_gravest_of_several_errors_is_told() -> None:
    view = checking_view(
        verification_errors=(NO_ADDRESS, O2O), validation_errors=("caa_error: shop.tenant.com",)
    )
    assert shown(view, ELSEWHERE) is Reason.PROXIED_ELSEWHERE


def test_a_name_that_points_here_by_now_is_no_longer_proxied_elsewhere() -> None:
    view = checking_view(verification_errors=(O2O,))
    assert shown(view, HERE) is Reason.HOSTNAME_CHECK_PENDING


def test_the_errors_of_a_part_that_is_validated_are_old() -> None:
    hostname_done = cloudflare_view(ssl_status="pending_validation", verification_errors=(O2O,))
    assert shown(hostname_done, NOWHERE) is Reason.AWAITING_CNAME
    certificate_done = cloudflare_view(
        status="pending", ssl_status="pending_issuance", validation_errors=(BOGUS,)
    )
    assert shown(certificate_done, HERE) is Reason.HOSTNAME_CHECK_PENDING


@pytest.mark.parametrize("text", [*VERIFICATION, *VALIDATION])
def test_no_error_takes_a_live_name_down(text: str) -> None:
    view = cloudflare_view(verification_errors=(text,), validation_errors=(text,))
    seen = decided(live_record(), cloudflare=view, dns=HERE)
    assert (seen.steps, seen.record.reason) == ((), Reason.LIVE)


@pytest.mark.parametrize("text", [*VERIFICATION, *VALIDATION])
def test_only_what_matches_nothing_is_unknown(text: str) -> None:
    unknown = list(unknown_texts(checking_view(verification_errors=(text,))))
    assert unknown == ([text] if text == "quantum flux" else [])


@pytest.mark.parametrize("known", [*IN_THE_WAY, *BEHIND, *EXPECTED])
def test_each_known_text_names_its_source(known: KnownText) -> None:
    assert known.source


@pytest.mark.parametrize(
    ("codes", "reason", "waiting_on"),
    [
        ((1404, 1405), Reason.QUOTA_EXCEEDED, OPERATOR),
        ((1407, 1408, 1409, 1410, 1411), Reason.HOSTNAME_REFUSED, OPERATOR),
        (range(1415, 1422), Reason.CUSTOM_ORIGIN_REFUSED, OPERATOR),
        ((1448,), Reason.WILDCARD_UNSUPPORTED, OPERATOR),
        ((1469,), Reason.HOSTNAME_TOO_LONG, OPERATOR),
        ((1400, 1439, 1412, 1422, 9999), Reason.REFUSED_BY_CLOUDFLARE, OPERATOR),
    ],
)
def test_each_code_of_a_refusal_has_its_reason(
    codes: range | tuple[int, ...], reason: Reason, waiting_on: WaitingOn
) -> None:
    assert {REFUSALS.get(code, Reason.REFUSED_BY_CLOUDFLARE) for code in codes} == {reason}
    assert reason.waiting_on is waiting_on
