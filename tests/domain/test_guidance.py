"""What the tenant reads fits together: the reason, the next record, the switch, the warning."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.custom_hostname import (
    CustomHostname,
    Desired,
    DnsSeen,
    Plan,
    Purpose,
    RecordStatus,
    State,
    When,
)
from app.domain.document import represent, represent_records
from app.domain.events import EventType
from app.domain.guidance import NOTHING_TO_ADD, PRE_VALIDATION_WARNING, Guidance, guide
from app.domain.hostname import Hostname
from app.domain.observation import ValidationRecord
from app.domain.options import DcvMethod, Options, OwnershipMethod
from app.domain.plan import wanted_records
from app.domain.reason import Reason, WaitingOn

from .builders import (
    ACME_RRSET,
    HERE,
    NAME,
    NOWHERE,
    OWNERSHIP,
    OWNERSHIP_KEY,
    OWNERSHIP_RRSET,
    SECOND_TOKEN,
    TOKEN,
    TOKEN_KEY,
    active_record,
    blocked_record,
    checking_view,
    cloudflare_view,
    decided,
    deleting_record,
    dns_view,
    hostname_record,
    live_record,
    validating_record,
)
from .test_decide_sequences import Turn, World, answers, dns_views, found, turns

FOUND, MISSING = RecordStatus.FOUND, RecordStatus.MISSING
PROXIED = (
    "The hostname is using Cloudflare and cannot be activated with an TXT or HTTP validation token."
)
BY_DNS = frozenset(
    {
        *(Reason.OWNERSHIP_TXT_MISSING, Reason.OWNERSHIP_TXT_WRONG),
        *(Reason.CERTIFICATE_TXT_MISSING, Reason.CERTIFICATE_TXT_WRONG),
        *(Reason.OWNERSHIP_HTTP_AWAITED, Reason.CERTIFICATE_HTTP_AWAITED),
        *(Reason.CERTIFICATE_EMAIL_AWAITED, Reason.RENEWAL_TOKENS_MISSING),
        *(Reason.DELEGATION_MISSING, Reason.DELEGATION_WRONG),
        *(Reason.AWAITING_CNAME, Reason.CNAME_ELSEWHERE, Reason.CNAME_MISMATCH),
        *(Reason.PROXIED_ELSEWHERE, Reason.PROXIED_UNPROVEN),
        *(Reason.VALIDATION_LAPSED, Reason.MOVED_AWAY),
        Reason.PROOF_AWAITED,
    }
)


def with_statuses(record: CustomHostname, *statuses: RecordStatus) -> CustomHostname:
    keys = [wanted.key for wanted in wanted_records(record)]
    seen = dict(zip(keys, statuses, strict=True))
    return replace(record, dns=replace(record.dns, statuses=seen))


def next_purpose(record: CustomHostname) -> Purpose | None:
    number = guide(record).next
    return None if number is None else wanted_records(record)[number].purpose


def proxied(*statuses: RecordStatus, plan: Plan = Plan.ZERO_DOWNTIME) -> CustomHostname:
    """Give a name that a Cloudflare zone of the tenant's own proxies."""
    view = checking_view(verification_errors=(PROXIED,))
    record = replace(validating_record(plan=plan, view=view), reason=Reason.PROXIED_ELSEWHERE)
    return with_statuses(record, *statuses)


def test_a_name_that_another_cloudflare_zone_proxies_may_switch_once_its_tokens_are_there() -> None:
    record = proxied(FOUND, FOUND, MISSING)
    assert guide(record) == Guidance(
        next=2,
        switch_safe=True,
        warning=None,
        waiting_on=WaitingOn.TENANT,
        message=Reason.PROXIED_ELSEWHERE.message,
    )
    seen = decided(
        record,
        cloudflare=checking_view(verification_errors=(PROXIED,)),
        dns=dns_view(
            routing=NOWHERE,
            txt={OWNERSHIP_RRSET: (OWNERSHIP[1],), ACME_RRSET: ("certificate-token",)},
        ),
    ).record
    shown = represent(seen)
    assert (shown["reason"], shown["waiting_on"]) == ("proxied_elsewhere", "tenant")
    assert (shown["next"], shown["switch_safe"], shown["warning"]) == (2, True, None)


@pytest.mark.parametrize("ownership", [FOUND, MISSING])
def test_a_proxied_name_is_asked_for_the_certificates_proof_alone(ownership: RecordStatus) -> None:
    before = proxied(ownership, MISSING, MISSING)
    assert next_purpose(before) is Purpose.CERTIFICATE
    assert (guide(before).switch_safe, guide(before).warning) == (False, PRE_VALIDATION_WARNING)
    assert next_purpose(proxied(ownership, FOUND, MISSING)) is Purpose.ROUTING


def test_only_a_plan_that_validates_first_warns() -> None:
    for plan in Plan:
        said = PRE_VALIDATION_WARNING if plan is Plan.ZERO_DOWNTIME else None
        assert guide(validating_record(plan=plan)).warning == said
        assert guide(replace(active_record(), plan=plan)).warning is None


@pytest.mark.parametrize(
    ("statuses", "active", "expected"),
    [
        ([MISSING, MISSING, MISSING], False, 0),
        ([FOUND, MISSING, MISSING], False, 1),
        ([FOUND, FOUND, MISSING], False, None),
        ([FOUND, FOUND, MISSING], True, 2),
        ([FOUND, FOUND, FOUND], True, None),
        # What Cloudflare confirmed is not asked for again.
        ([MISSING, MISSING, MISSING], True, 2),
    ],
)
def test_the_next_record_is_the_first_that_may_be_added_now(
    *, statuses: list[RecordStatus], active: bool, expected: int | None
) -> None:
    view = cloudflare_view() if active else checking_view()
    record = with_statuses(validating_record(plan=Plan.ZERO_DOWNTIME, view=view), *statuses)
    assert guide(record).next == expected


@pytest.mark.parametrize(
    "record",
    [
        hostname_record(),
        blocked_record(),
        deleting_record(),
        pytest.param(replace(active_record(), desired=Desired.ABSENT), id="wished gone"),
    ],
)
def test_nothing_is_next_while_it_is_not_the_tenants_turn(record: CustomHostname) -> None:
    said = guide(record)
    assert (said.next, said.switch_safe, said.warning) == (None, False, None)


def test_a_name_that_lapsed_waits_on_cloudflare_once_its_records_are_there() -> None:
    moved = decided(
        validating_record(routing=HERE), cloudflare=cloudflare_view(status="moved"), dns=HERE
    ).record
    shown = represent(moved)
    assert shown["reason"] == "validation_lapsed"
    assert (shown["waiting_on"], shown["message"]) == ("cloudflare", NOTHING_TO_ADD)


def test_a_name_that_cloudflare_is_about_to_take_away_asks_nothing_of_the_tenant() -> None:
    record = active_record()
    leaving = cloudflare_view(status="pending_deletion", ssl_status="pending_deletion")
    shown = represent(replace(record, cloudflare=replace(record.cloudflare, seen=leaving)))
    assert (shown["next"], shown["switch_safe"], shown["waiting_on"]) == (None, False, "cloudflare")


def test_a_certificate_that_does_not_cover_the_wildcard_still_needs_its_records() -> None:
    record = validating_record(
        name=f"*.{NAME}",
        plan=Plan.ZERO_DOWNTIME,
        view=cloudflare_view(),
        tokens=(TOKEN, SECOND_TOKEN),
    )
    asked = replace(record, reason=Reason.CERTIFICATE_TXT_MISSING)
    assert next_purpose(with_statuses(asked, FOUND, FOUND, MISSING, MISSING)) is Purpose.CERTIFICATE


def test_a_wildcards_renewal_names_its_token_whatever_else_is_lacking() -> None:
    view = cloudflare_view(status="pending_blocked", ssl_status="pending_validation", wildcard=True)
    record = validating_record(
        name=f"*.{NAME}", plan=Plan.ZERO_DOWNTIME, view=view, tokens=(TOKEN, SECOND_TOKEN)
    )
    live = replace(record, state=State.CNAME_VERIFIED, reason=Reason.RENEWAL_TOKENS_MISSING)
    assert next_purpose(with_statuses(live, MISSING, FOUND, MISSING, FOUND)) is Purpose.CERTIFICATE


def test_the_tenant_is_told_to_act_when_it_can() -> None:
    blocked = proxied(FOUND, FOUND, MISSING)
    unknown = replace(blocked, cloudflare=replace(blocked.cloudflare, validation_records=()))
    assert guide(unknown).waiting_on is WaitingOn.CLOUDFLARE
    view = cloudflare_view(
        status="pending",
        ssl_status="pending_validation",
        verification_errors=(PROXIED,),
        tokens=(TOKEN,),
        ownership=OWNERSHIP,
    )
    dns = dns_view(
        routing=NOWHERE, txt={OWNERSHIP_RRSET: (OWNERSHIP[1],), ACME_RRSET: ("certificate-token",)}
    )
    told = decided(unknown, cloudflare=view, dns=dns)
    assert EventType.ACTION_REQUIRED in told.notifications
    again = decided(told.record, cloudflare=view, dns=dns, after=60)
    assert again.notifications == ()


def test_a_target_that_is_not_there_stands_against_a_switch_alone() -> None:
    record = with_statuses(validating_record(plan=Plan.ZERO_DOWNTIME), MISSING, FOUND, MISSING)
    gone = replace(record, zone=replace(record.zone, target_is_missing=True))
    shown = represent_records(gone)
    assert (shown["next"], shown["switch_safe"]) == (0, False)
    assert "no address" in shown["warning"]
    assert represent(gone) == represent(record)


PAIRS = [
    None,
    *((dcv, own) for dcv in DcvMethod for own in OwnershipMethod),
]
errors = st.sampled_from([(), (), (PROXIED,), ("caa_error: x",), ("fallback origin",)])
many_views = st.builds(
    lambda status, ssl_status, tokens, wildcard, said: cloudflare_view(
        status=status,
        ssl_status=ssl_status,
        wildcard=wildcard,
        ownership=OWNERSHIP if tokens else None,
        tokens=tokens,
        verification_errors=said,
    ),
    st.sampled_from(
        [
            *("pending", "pending", "pending", "active", "active", "active", "moved", "deleted"),
            *("blocked", "pending_deletion", "pending_blocked", "active_redeploying", "invented"),
        ]
    ),
    st.sampled_from(
        [
            *("active", "active", "pending_validation", "pending_validation", "pending_issuance"),
            *("pending_deployment", "validation_timed_out", "expired", "pending_expiration", None),
        ]
    ),
    st.sampled_from(
        [
            (),
            (TOKEN,),
            (TOKEN, SECOND_TOKEN),
            (
                replace(
                    TOKEN,
                    http_url="http://shop.tenant.com/.well-known/acme-challenge/a",
                    http_body="b",
                    emails=("admin@tenant.com",),
                ),
            ),
            (ValidationRecord(emails=("admin@tenant.com",)),),
        ]
    ),
    st.booleans(),
    errors,
)
some_views = many_views.map(found)
many_turns = st.builds(
    lambda turn, cloudflare, dns, answer: replace(
        turn, cloudflare=cloudflare, dns=dns, answer=answer, older=False
    ),
    turns,
    st.one_of(some_views, some_views, some_views, answers),
    dns_views,
    st.one_of(some_views, some_views, some_views, answers),
)
beginnings = st.sampled_from(
    [
        lambda record: record,
        lambda record: replace(validating_record(plan=record.plan), options=record.options),
        lambda record: replace(active_record(), plan=record.plan, options=record.options),
        lambda record: replace(live_record(), plan=record.plan, options=record.options),
    ]
)


def check_guidance(record: CustomHostname) -> None:
    """Hold what a record says against everything that is promised of it."""
    for said in (guide(record), guide(record, heed_target=True)):
        asks_for_a_record = record.reason in BY_DNS and said.waiting_on is WaitingOn.TENANT
        if asks_for_a_record:
            assert said.next is not None, f"{record.reason} asks for nothing"
        if said.next is not None:
            wanted = wanted_records(record)[said.next]
            assert wanted.when is not When.AFTER
            assert said.switch_safe or wanted.when is not When.WITH, "the switch comes too early"
            assert wanted.status is not RecordStatus.FOUND
        if said.switch_safe:
            assert said.warning is None
    shown, listed = represent(record), represent_records(record)
    if not record.zone.target_is_missing:
        assert {name: shown[name] for name in listed} == listed


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(list(Plan)),
    st.sampled_from([NAME, NAME, f"*.{NAME}"]),
    st.sampled_from(PAIRS),
    st.booleans(),
    beginnings,
    st.lists(many_turns, min_size=1, max_size=15),
)
def test_whatever_happens_what_the_tenant_reads_fits_together(
    plan: Plan,
    name: str,
    pair: tuple[DcvMethod, OwnershipMethod] | None,
    missing: bool,  # noqa: FBT001 - drawn by hypothesis
    begin: Callable[[CustomHostname], CustomHostname],
    history: list[Turn],
) -> None:
    options = Options(dcv_method=pair[0], ownership_method=pair[1]) if pair else Options()
    world = World(plan)
    record = begin(hostname_record(name=name, plan=plan, options=options))
    record = replace(record, hostname=Hostname(name))
    world.record = replace(record, zone=replace(record.zone, target_is_missing=missing))
    for turn in history:
        world.wait(turn.late)
        world.person(turn.person)
        check_guidance(world.record)
        checked = world.look(turn.cloudflare, turn.dns)
        check_guidance(world.record)
        if checked.action is not None:
            world.answer(checked.action, turn.answer, older=turn.older)
            check_guidance(world.record)


def test_every_reason_that_asks_for_a_record_is_known_here() -> None:
    tenants = {reason for reason in Reason if reason.waiting_on is WaitingOn.TENANT}
    others = {
        *(Reason.CAA_FORBIDS_ISSUANCE, Reason.DNSSEC_BROKEN, Reason.AUTHORITY_DNS_FAILED),
        *(Reason.ZONE_HELD, Reason.NEVER_SET_UP, Reason.DANGLING),
        Reason.NEVER_PROVED,
    }
    assert tenants - others == BY_DNS


def test_a_live_name_asks_for_nothing() -> None:
    record = replace(live_record(), dns=DnsSeen(routing=HERE, statuses=live_record().dns.statuses))
    assert guide(record).next is None
    assert {OWNERSHIP_KEY, TOKEN_KEY}.isdisjoint(record.dns.statuses)
