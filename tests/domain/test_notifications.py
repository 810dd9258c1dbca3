"""What is told besides the steps, in which order, and with which reasons."""

from dataclasses import replace

import pytest

from app.domain.custom_hostname import (
    CloudflareObject,
    CustomHostname,
    Desired,
    Plan,
    Purpose,
    RecordStatus,
    Schedule,
    State,
    ZoneTargets,
)
from app.domain.events import EventType
from app.domain.hostname import Hostname
from app.domain.observation import (
    Absent,
    Action,
    CloudflareHostname,
    Routing,
    Unknown,
    ValidationRecord,
)
from app.domain.plan import wanted_records
from app.domain.reason import Reason

from .builders import (
    ACME,
    ACME_RRSET,
    ELSEWHERE,
    HERE,
    NOWHERE,
    OWNERSHIP,
    OWNERSHIP_RRSET,
    SECOND_TOKEN,
    TARGET,
    TOKEN,
    active_record,
    at,
    checking_view,
    cloudflare_object,
    cloudflare_view,
    confirmed,
    decided,
    dns_view,
    emitted,
    hostname_record,
    live_record,
    path,
    validating_record,
)

RECORDS, ACTION = EventType.RECORDS_CHANGED, EventType.ACTION_REQUIRED
NEW_TOKEN = ValidationRecord(txt_name=ACME, txt_value="next-token")


def tokens_view(*tokens: ValidationRecord) -> CloudflareHostname:
    return cloudflare_view(
        status="pending", ssl_status="pending_validation", ownership=OWNERSHIP, tokens=tokens
    )


def begun(plan: Plan) -> CustomHostname:
    tried = CloudflareObject(create_started_at=at(0), create_tried_at=at(0))
    return hostname_record(plan=plan, cloudflare=tried)


def bare() -> CustomHostname:
    record = validating_record(plan=Plan.ZERO_DOWNTIME, tokens=())
    return replace(record, reason=Reason.PREPARING_RECORDS)


def test_the_list_that_became_complete_is_told_and_then_the_tenants_turn() -> None:
    complete = decided(bare(), cloudflare=tokens_view(TOKEN))
    assert (complete.steps, complete.notifications) == ((), (RECORDS, ACTION))
    assert complete.record.reason is Reason.OWNERSHIP_TXT_MISSING


def test_a_creation_that_brings_the_whole_list_tells_of_it_after_its_step() -> None:
    created = decided(
        begun(Plan.ZERO_DOWNTIME), cloudflare=tokens_view(TOKEN), performed=Action.CREATE, after=1
    )
    assert (emitted(created), created.notifications) == (["validating"], (RECORDS,))


def test_a_list_that_is_not_complete_yet_is_not_told() -> None:
    created = decided(begun(Plan.ZERO_DOWNTIME), cloudflare=tokens_view(), performed=Action.CREATE)
    assert created.notifications == ()


def test_a_list_of_the_cname_alone_is_told_with_its_creation() -> None:
    created = decided(begun(Plan.SIMPLE), cloudflare=checking_view(), performed=Action.CREATE)
    assert (emitted(created), created.notifications) == (["validating"], ())


@pytest.mark.parametrize(
    ("shown", "news"),
    [
        pytest.param((), False, id="tokens that served are shown no more"),
        pytest.param((TOKEN,), False, id="the same"),
        pytest.param((NEW_TOKEN,), True, id="another in its place"),
        pytest.param((TOKEN, NEW_TOKEN), True, id="one more"),
    ],
)
def test_new_tokens_are_told(*, shown: tuple[ValidationRecord, ...], news: bool) -> None:
    record = validating_record(plan=Plan.ZERO_DOWNTIME)
    seen = decided(record, cloudflare=tokens_view(*shown), dns=NOWHERE)
    assert (RECORDS in seen.notifications) is news
    again = decided(seen.record, cloudflare=tokens_view(*shown), dns=NOWHERE, after=60)
    assert again.notifications == ()


def test_a_name_on_its_way_out_tells_of_no_records() -> None:
    leaving = replace(bare(), desired=Desired.ABSENT)
    assert decided(leaving, cloudflare=tokens_view(TOKEN)).notifications == ()


@pytest.mark.parametrize(
    ("view", "routing", "notifications"),
    [
        pytest.param(checking_view(), NOWHERE, (), id="the reason it had"),
        pytest.param(checking_view(), HERE, (), id="Cloudflare's turn"),
        pytest.param(checking_view(), ELSEWHERE, (ACTION,), id="a CNAME that leads elsewhere"),
        pytest.param(
            checking_view(validation_errors=("caa_error: shop.tenant.com",)),
            HERE,
            (ACTION,),
            id="a CAA record",
        ),
        pytest.param(
            checking_view(verification_errors=("Zone does not have a fallback origin set.",)),
            HERE,
            (),
            id="the operator's turn",
        ),
        pytest.param(cloudflare_view(status="moved"), NOWHERE, (ACTION,), id="a lapse"),
    ],
)
def test_the_tenants_turn_is_told_where_no_step_tells_it(
    view: CloudflareHostname, routing: Routing, notifications: tuple[EventType, ...]
) -> None:
    seen = decided(validating_record(), cloudflare=view, dns=routing)
    assert (seen.steps, seen.notifications) == ((), notifications)


def test_the_same_turn_is_told_once() -> None:
    record, notifications = validating_record(), []
    for number, routing in enumerate([ELSEWHERE, NOWHERE, ELSEWHERE, HERE, ELSEWHERE, NOWHERE]):
        seen = decided(record, dns=routing, after=number * 60)
        notifications.append(seen.notifications)
        record = seen.record
    assert notifications == [(ACTION,), (ACTION,), (), (), (), ()]


def test_a_step_tells_its_reason_itself() -> None:
    lost = confirmed(active_record(), cloudflare=checking_view(), dns=NOWHERE)
    assert (emitted(lost), lost.notifications) == (["validating"], ())
    assert lost.record.schedule.emitted_reasons == {Reason.AWAITING_CNAME}
    later = decided(lost.record, dns=ELSEWHERE, after=120)
    assert later.notifications == (ACTION,)
    assert decided(later.record, dns=NOWHERE, after=180).notifications == ()


def test_a_first_contradiction_asks_for_no_action_yet() -> None:
    first = decided(live_record(), dns=ELSEWHERE)
    assert first.record.reason is Reason.CNAME_MISMATCH
    assert first.notifications == ()


def test_what_cannot_be_asked_tells_nothing() -> None:
    record = decided(validating_record(plan=Plan.ZERO_DOWNTIME), dns=NOWHERE).record
    seen = decided(record, cloudflare=Unknown("timeout"), dns=dns_view(routing=Unknown("x")))
    assert seen.notifications == ()


WILDCARD_TOKENS = (TOKEN, SECOND_TOKEN)


def live_wildcard() -> CustomHostname:
    view = cloudflare_view(wildcard=True)
    served = {OWNERSHIP_RRSET: ("ownership-token",), ACME_RRSET: _values(WILDCARD_TOKENS)}
    record = replace(
        live_record(view=view),
        hostname=Hostname("*.shop.tenant.com"),
        plan=Plan.ZERO_DOWNTIME,
        cloudflare=cloudflare_object(view, ownership=OWNERSHIP, tokens=WILDCARD_TOKENS),
    )
    return decided(record, dns=dns_view(routing=HERE, txt=served)).record


def _values(tokens: tuple[ValidationRecord, ...]) -> tuple[str, ...]:
    return tuple(token.txt_value or "" for token in tokens)


NEXT_TOKENS = (NEW_TOKEN, ValidationRecord(txt_name=ACME, txt_value="next-wildcard-token"))
RENEWING = cloudflare_view(wildcard=True, ssl_status="pending_validation", tokens=NEXT_TOKENS)


def test_the_renewal_of_a_live_wildcard_asks_for_its_new_tokens_and_stays_live() -> None:
    renewing = decided(live_wildcard(), cloudflare=RENEWING, after=60)
    assert (path(renewing), renewing.notifications) == ([], (RECORDS,))
    assert renewing.record.reason is Reason.LIVE
    assert renewing.record.schedule.dns_due_at == at(120)
    old = dns_view(routing=HERE, txt={ACME_RRSET: _values(WILDCARD_TOKENS)})
    missing = decided(renewing.record, dns=old, after=120)
    assert (path(missing), missing.notifications) == ([], (ACTION,))
    assert missing.record.state is State.CNAME_VERIFIED
    assert missing.record.reason is Reason.RENEWAL_TOKENS_MISSING
    added = dns_view(routing=HERE, txt={ACME_RRSET: _values(NEXT_TOKENS)})
    there = decided(missing.record, dns=added, after=3720)
    assert (there.record.reason, there.notifications) == (Reason.LIVE, ())


def test_the_next_renewal_is_told_again() -> None:
    record = decided(live_wildcard(), cloudflare=RENEWING, after=60).record
    old = dns_view(routing=HERE, txt={ACME_RRSET: _values(WILDCARD_TOKENS)})
    new = dns_view(routing=HERE, txt={ACME_RRSET: _values(NEXT_TOKENS)})
    first = decided(record, dns=old, after=120)
    done = decided(first.record, dns=new, after=180).record
    second = decided(done, dns=old, after=240)
    assert (first.notifications, second.notifications) == ((ACTION,), (ACTION,))


@pytest.mark.parametrize(
    "ssl_status", ["pending_expiration", "validation_timed_out", "initializing"]
)
def test_a_renewal_that_waits_for_tokens_says_so_in_whatever_words(ssl_status: str) -> None:
    view = replace(RENEWING, ssl_status=ssl_status)
    old = dns_view(routing=HERE, txt={ACME_RRSET: _values(WILDCARD_TOKENS)})
    seen = decided(live_wildcard(), cloudflare=view, dns=old, after=60)
    assert seen.record.reason is Reason.RENEWAL_TOKENS_MISSING


@pytest.mark.parametrize("ssl_status", ["active", "pending_issuance", "pending_deployment"])
def test_a_renewal_that_needs_no_tokens_asks_for_none(ssl_status: str) -> None:
    view = replace(RENEWING, ssl_status=ssl_status, validation_records=())
    old = dns_view(routing=HERE, txt={ACME_RRSET: None})
    assert decided(live_wildcard(), cloudflare=view, dns=old).record.reason is Reason.LIVE


def test_any_name_but_a_wildcard_renews_without_tokens() -> None:
    view = cloudflare_view(ssl_status="pending_validation", tokens=(NEW_TOKEN,))
    record = replace(
        live_record(view=view),
        plan=Plan.ZERO_DOWNTIME,
        cloudflare=cloudflare_object(view, ownership=OWNERSHIP, tokens=(TOKEN,)),
    )
    seen = decided(record, cloudflare=view, dns=dns_view(routing=HERE, txt={ACME_RRSET: None}))
    assert (seen.record.reason, seen.notifications) == (Reason.LIVE, ())


@pytest.mark.parametrize(
    ("record", "look", "reasons"),
    [
        pytest.param(
            validating_record(),
            {"cloudflare": cloudflare_view(), "dns": HERE},
            [Reason.CNAME_CHECK_PENDING, Reason.LIVE],
            id="to verified",
        ),
        pytest.param(
            begun(Plan.SIMPLE),
            {"cloudflare": cloudflare_view(), "performed": Action.CREATE},
            [Reason.HOSTNAME_CHECK_PENDING, Reason.AWAITING_CNAME],
            id="active at once",
        ),
        pytest.param(
            begun(Plan.SIMPLE),
            {"cloudflare": cloudflare_view(status="blocked"), "performed": Action.CREATE},
            [Reason.HOSTNAME_CHECK_PENDING, Reason.HOSTNAME_BLOCKED],
            id="blocked at once",
        ),
        pytest.param(
            replace(live_record(), desired=Desired.ABSENT),
            {"cloudflare": Absent()},
            [Reason.REMOVAL_REQUESTED, Reason.REMOVED],
            id="gone",
        ),
    ],
)
def test_each_step_has_the_reason_of_the_state_it_enters(
    record: CustomHostname, look: dict[str, object], reasons: list[Reason]
) -> None:
    transition = decided(record, **look)  # type: ignore[arg-type]
    assert [step.reason for step in transition.steps] == reasons
    assert transition.steps[-1].reason is transition.record.reason


def test_a_name_that_is_made_anew_tells_of_its_new_records() -> None:
    lost = replace(
        validating_record(plan=Plan.ZERO_DOWNTIME, schedule=Schedule(refreshed_at=at(-7200))),
        cloudflare=CloudflareObject(seen=checking_view(), create_started_at=at(0)),
    )
    made = decided(lost, cloudflare=tokens_view(NEW_TOKEN), performed=Action.CREATE, after=1)
    assert made.notifications[:1] == (RECORDS,)


def test_new_values_are_asked_for_though_their_reason_was_told_before() -> None:
    told = Schedule(emitted_reasons=frozenset({Reason.CERTIFICATE_TXT_MISSING}))
    record = replace(
        validating_record(
            plan=Plan.ZERO_DOWNTIME,
            view=cloudflare_view(ssl_status="pending_validation"),
            tokens=(TOKEN,),
            schedule=told,
        ),
        reason=Reason.CERTIFICATE_TXT_MISSING,
    )
    renewed = cloudflare_view(ssl_status="pending_validation", tokens=(NEW_TOKEN,))
    seen = decided(record, cloudflare=renewed)
    assert seen.record.reason is Reason.CERTIFICATE_TXT_MISSING
    assert seen.notifications == (RECORDS, ACTION)
    assert decided(seen.record, cloudflare=renewed, after=60).notifications == ()


@pytest.mark.parametrize("status", list(RecordStatus), ids=str)
def test_a_live_wildcards_delegation_that_went_is_asked_for_before_the_certificate_ends(
    status: RecordStatus,
) -> None:
    view = cloudflare_view(ssl_status="pending_validation", wildcard=True)
    record = replace(
        live_record(view=view),
        hostname=Hostname("*.tenant.com"),
        plan=Plan.DELEGATED,
        zone=ZoneTargets(id="zone-1", cname_target=TARGET, dcv_uuid="0123456789abcdef"),
    )
    delegation = next(r for r in wanted_records(record) if r.purpose is Purpose.DELEGATION)
    statuses = {**record.dns.statuses, delegation.key: status}
    seen = decided(replace(record, dns=replace(record.dns, statuses=statuses)), cloudflare=view)
    lacking = status in {RecordStatus.MISSING, RecordStatus.MISPLACED, RecordStatus.WRONG}
    assert (seen.record.reason is Reason.RENEWAL_TOKENS_MISSING) is lacking
    assert (ACTION in seen.notifications) is lacking
