import pytest

from app.domain.custom_hostname import CustomHostname, State
from app.domain.observation import Action, DnsView, NotAsked, Refused, Unknown
from app.domain.reason import Reason

from .builders import (
    ACME_RRSET,
    HERE,
    OWNERSHIP_RRSET,
    at,
    blocked_record,
    cloudflare_view,
    decided,
    deleting_record,
    dns_view,
    every_state,
    live_record,
    pending_record,
    validating_record,
)

# The codes the adapters give, and what a resolver may say.
WHYS = (
    "cloudflare_unavailable",
    "cloudflare_rate_limited",
    "cloudflare_unauthorized",
    "cloudflare_error",
    "timeout",
    "servfail",
    "servers_disagree",
)
RECORDS = [
    pytest.param(record, id=f"{record.state}-{record.reason}-{number}")
    for number, record in enumerate(every_state())
]
LATER = [0, 601, 40 * 86400]


def moved_nothing(before: CustomHostname, after: CustomHostname) -> bool:
    return (before.state, before.arrived_at, before.tombstone, before.cloudflare, before.dns) == (
        after.state,
        after.arrived_at,
        after.tombstone,
        after.cloudflare,
        after.dns,
    )


def test_every_state_is_among_the_records() -> None:
    assert {record.state for record in every_state()} == set(State)


@pytest.mark.parametrize("after", LATER)
@pytest.mark.parametrize("why", WHYS)
@pytest.mark.parametrize("record", RECORDS)
def test_an_unknown_from_cloudflare_moves_nothing(
    record: CustomHostname, why: str, after: float
) -> None:
    seen = decided(record, cloudflare=Unknown(why), after=after)
    assert (seen.steps, seen.action) == ((), None)
    assert moved_nothing(record, seen.record)


@pytest.mark.parametrize("after", LATER)
@pytest.mark.parametrize("why", WHYS)
@pytest.mark.parametrize("record", RECORDS)
def test_an_unknown_from_both_sides_moves_nothing(
    record: CustomHostname, why: str, after: float
) -> None:
    dns = DnsView(
        routing=Unknown(why),
        records={OWNERSHIP_RRSET: Unknown(why), ACME_RRSET: Unknown(why)},
    )
    seen = decided(record, cloudflare=Unknown(why), dns=dns, after=after)
    assert (seen.steps, seen.action) == ((), None)
    assert moved_nothing(record, seen.record)


@pytest.mark.parametrize("after", LATER)
@pytest.mark.parametrize("record", RECORDS)
def test_an_unknown_from_dns_moves_nothing(record: CustomHostname, after: float) -> None:
    seen = decided(record, dns=dns_view(routing=Unknown("servfail")), after=after)
    assert seen.steps == ()
    assert (seen.record.state, seen.record.tombstone) == (record.state, record.tombstone)
    assert seen.record.dns == record.dns


@pytest.mark.parametrize("after", LATER)
@pytest.mark.parametrize("record", RECORDS)
def test_time_alone_moves_nothing(record: CustomHostname, after: float) -> None:
    seen = decided(record, after=after)
    assert (seen.steps, seen.record.state) == ((), record.state)


@pytest.mark.parametrize(
    ("record", "action"),
    [
        pytest.param(pending_record(), Action.CREATE, id="a creation"),
        pytest.param(validating_record(), Action.REFRESH, id="a refresh"),
        pytest.param(blocked_record(), Action.REFRESH, id="a refresh of a blocked name"),
        pytest.param(deleting_record(), Action.DELETE, id="a removal"),
    ],
)
@pytest.mark.parametrize("why", WHYS)
def test_an_act_without_an_answer_moves_nothing(
    record: CustomHostname, action: Action, why: str
) -> None:
    seen = decided(record, cloudflare=Unknown(why), performed=action)
    assert (seen.steps, seen.action) == ((), None)
    assert moved_nothing(record, seen.record)


@pytest.mark.parametrize("record", RECORDS)
def test_an_unknown_leaves_the_reason_but_for_a_creation_that_waits(
    record: CustomHostname,
) -> None:
    waits = record.state is State.PENDING
    expected = Reason.CLOUDFLARE_UNREACHABLE if waits else record.reason
    assert decided(record, cloudflare=Unknown("timeout")).record.reason is expected


def test_a_refusal_of_a_look_moves_no_hostname_that_is_there() -> None:
    seen = decided(live_record(), cloudflare=Refused(1435, "Invalid id."))
    assert (seen.steps, seen.record.state) == ((), State.CNAME_VERIFIED)


def test_a_refused_refresh_moves_nothing_and_keeps_cloudflares_words() -> None:
    seen = decided(validating_record(), cloudflare=Refused(1439, "No."), performed=Action.REFRESH)
    assert seen.steps == ()
    assert seen.record.cloudflare.refusal == "No."


@pytest.mark.parametrize("record", RECORDS)
def test_looking_at_nothing_counts_no_failure(record: CustomHostname) -> None:
    assert decided(record, cloudflare=NotAsked()).record.schedule.cloudflare_failures == 0


def test_unknowns_in_a_row_back_off_and_an_answer_ends_it() -> None:
    record, dues = live_record(), []
    for _ in range(8):
        record = decided(record, cloudflare=Unknown("timeout")).record
        dues.append(record.schedule.cloudflare_due_at)
    assert dues == [at(wait) for wait in (5, 10, 20, 40, 80, 160, 300, 300)]
    answered = decided(record, cloudflare=cloudflare_view(), dns=HERE).record
    assert answered.schedule.cloudflare_failures == 0
    assert answered.schedule.cloudflare_due_at is None
