from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.custom_hostname import CloudflareObject, CustomHostname, Schedule, State
from app.domain.observation import Absent, Action, CloudflareView, Found, Refused, Unknown
from app.domain.reason import Reason, WaitingOn

from .builders import (
    CLOUDFLARE_ID,
    HERE,
    active_record,
    at,
    checking_view,
    cloudflare_view,
    confirmed,
    decided,
    emitted,
    failed_record,
    hostname_record,
    path,
    pending_record,
    validating_record,
)


def begun_record(*, tried_at: float = 0) -> CustomHostname:
    """Give a pending record whose creation began at NOW."""
    return hostname_record(
        cloudflare=CloudflareObject(create_started_at=at(0), create_tried_at=at(tried_at))
    )


def test_a_new_record_asks_for_its_creation() -> None:
    first = decided(pending_record(), after=5)
    assert (first.action, first.steps) == (Action.CREATE, ())


def test_the_beginning_is_in_the_record_that_is_committed_before_the_post() -> None:
    known = decided(pending_record(), after=5).record.cloudflare
    assert (known.create_started_at, known.create_tried_at) == (at(5), at(5))


def test_a_second_post_keeps_the_first_beginning() -> None:
    known = decided(begun_record(), after=40).record.cloudflare
    assert (known.create_started_at, known.create_tried_at) == (at(0), at(40))


def test_a_record_about_to_be_created_is_looked_at_again_without_an_answer() -> None:
    assert decided(pending_record()).record.schedule.cloudflare_due_at == at(5)


def test_a_record_without_a_creation_to_come_begins_none() -> None:
    assert decided(active_record()).record.cloudflare == active_record().cloudflare


@pytest.mark.parametrize(
    ("answer", "steps", "reason", "waiting_on"),
    [
        pytest.param(
            Found(checking_view()),
            ["validating"],
            Reason.AWAITING_CNAME,
            WaitingOn.TENANT,
            id="a new hostname is validating",
        ),
        pytest.param(
            Found(cloudflare_view()),
            ["validating", "active"],
            Reason.AWAITING_CNAME,
            WaitingOn.TENANT,
            id="a hostname active at once passes through validating",
        ),
        pytest.param(
            Found(cloudflare_view(status="blocked")),
            ["validating", "failed"],
            Reason.HOSTNAME_BLOCKED,
            WaitingOn.OPERATOR,
            id="a hostname blocked at once was created first",
        ),
        pytest.param(
            Found(checking_view(verification_errors=("The zone is held.",))),
            ["validating"],
            Reason.ZONE_HELD,
            WaitingOn.TENANT,
            id="a held zone fails nothing while the status is pending",
        ),
        pytest.param(
            Unknown("timeout"),
            [],
            Reason.CLOUDFLARE_UNREACHABLE,
            WaitingOn.CLOUDFLARE,
            id="no answer leaves it pending",
        ),
        pytest.param(
            Absent(),
            [],
            Reason.CREATING,
            WaitingOn.CLOUDFLARE,
            id="a duplicate that cannot be found is asked for again",
        ),
        pytest.param(
            Refused(1404, "no quota"),
            ["failed"],
            Reason.QUOTA_EXCEEDED,
            WaitingOn.OPERATOR,
            id="no quota fails it",
        ),
        pytest.param(
            Refused(1405, "quota exceeded"),
            ["failed"],
            Reason.QUOTA_EXCEEDED,
            WaitingOn.OPERATOR,
            id="an exceeded quota fails it",
        ),
        pytest.param(
            Refused(1407, "invalid hostname"),
            ["failed"],
            Reason.HOSTNAME_REFUSED,
            WaitingOn.OPERATOR,
            id="a name that Cloudflare does not take fails it",
        ),
        pytest.param(
            Refused(1499, "something new"),
            ["failed"],
            Reason.REFUSED_BY_CLOUDFLARE,
            WaitingOn.OPERATOR,
            id="any other refusal fails it",
        ),
    ],
)
def test_the_answer_to_a_creation(
    answer: CloudflareView, steps: list[str], reason: Reason, waiting_on: WaitingOn
) -> None:
    asked = decided(pending_record()).record
    answered = decided(asked, cloudflare=answer, performed=Action.CREATE, after=1)
    assert path(answered) == steps
    assert answered.record.reason is reason
    assert answered.record.reason.waiting_on is waiting_on
    assert answered.action is None
    assert not answered.record.tombstone


def test_what_was_created_is_kept_with_its_beginning() -> None:
    asked = decided(pending_record()).record
    known = decided(asked, cloudflare=checking_view(), performed=Action.CREATE).record.cloudflare
    assert (known.id, known.create_started_at) == (CLOUDFLARE_ID, at(0))
    assert known.seen == checking_view()


def test_cloudflares_own_words_of_a_refusal_are_kept() -> None:
    answer = Refused(1407, "Custom hostname is invalid.")
    refused = decided(begun_record(), cloudflare=answer, performed=Action.CREATE)
    assert refused.record.cloudflare.refusal == "Custom hostname is invalid."


def test_a_success_forgets_the_refusal_before_it() -> None:
    refused = replace(begun_record().cloudflare, refusal="quota exceeded")
    record = replace(begun_record(), cloudflare=refused)
    created = decided(record, cloudflare=checking_view(), performed=Action.CREATE)
    assert created.record.cloudflare.refusal is None


def test_states_are_told_as_they_are_reached() -> None:
    created = decided(begun_record(), cloudflare=cloudflare_view(), performed=Action.CREATE)
    assert emitted(created) == ["validating", "active"]


@pytest.mark.parametrize(
    ("retry_after", "failures", "wait"),
    [
        pytest.param(None, 0, 5, id="the first failure waits five seconds"),
        pytest.param(None, 1, 10, id="the second waits ten"),
        pytest.param(None, 4, 80, id="the fifth waits eighty"),
        pytest.param(None, 60, 300, id="no wait is longer than five minutes"),
        pytest.param(30.0, 0, 30, id="a longer wait that Cloudflare names is honoured"),
        pytest.param(900.0, 9, 900, id="even one longer than our longest"),
        pytest.param(1.0, 4, 80, id="a shorter one does not shorten the back-off"),
    ],
)
def test_a_creation_without_an_answer_waits(
    retry_after: float | None, failures: int, wait: int
) -> None:
    record = replace(begun_record(), schedule=Schedule(cloudflare_failures=failures))
    answer = Unknown("cloudflare_rate_limited", retry_after)
    kept = decided(record, cloudflare=answer, performed=Action.CREATE).record
    assert kept.state is State.PENDING
    assert kept.schedule.cloudflare_due_at == at(wait)
    assert kept.schedule.cloudflare_failures == failures + 1


def test_the_creation_is_tried_again_when_the_back_off_is_over() -> None:
    unanswered = decided(
        begun_record(), cloudflare=Unknown("timeout"), performed=Action.CREATE
    ).record
    assert decided(unanswered, after=4).action is None
    assert decided(unanswered, after=5).action is Action.CREATE


def test_an_answer_ends_the_back_off() -> None:
    record = replace(begun_record(), schedule=Schedule(cloudflare_failures=4))
    created = decided(record, cloudflare=checking_view(), performed=Action.CREATE)
    assert created.record.schedule.cloudflare_failures == 0


@pytest.mark.parametrize(
    ("created_after", "adopted"),
    [
        pytest.param(0, True, id="made as we began"),
        pytest.param(30, True, id="made after we began"),
        pytest.param(-60, True, id="made a minute earlier by Cloudflare's clock"),
        pytest.param(-61, False, id="made more than a minute earlier"),
        pytest.param(-86400, False, id="made the day before"),
    ],
)
def test_a_duplicate_is_adopted_only_if_it_is_not_older_than_our_beginning(
    *, created_after: float, adopted: bool
) -> None:
    found = replace(checking_view(), created_at=at(created_after))
    answered = decided(
        begun_record(tried_at=40), cloudflare=found, performed=Action.CREATE, after=41
    )
    assert path(answered) == (["validating"] if adopted else ["failed"])
    assert (answered.record.cloudflare.id == CLOUDFLARE_ID) is adopted
    if not adopted:
        assert answered.record.reason is Reason.ALREADY_IN_ZONE
        assert answered.record.reason.waiting_on is WaitingOn.OPERATOR


def test_a_duplicate_of_unknown_age_is_not_ours() -> None:
    found = replace(checking_view(), created_at=None)
    answered = decided(begun_record(), cloudflare=found, performed=Action.CREATE)
    assert answered.record.reason is Reason.ALREADY_IN_ZONE


def test_a_foreign_object_ends_our_beginning() -> None:
    found = replace(checking_view(), created_at=at(-3600))
    answered = decided(begun_record(), cloudflare=found, performed=Action.CREATE)
    assert answered.record.cloudflare == CloudflareObject()


@pytest.mark.parametrize(
    ("reason"),
    [
        Reason.QUOTA_EXCEEDED,
        Reason.REFUSED_BY_CLOUDFLARE,
        Reason.ALREADY_IN_ZONE,
        Reason.MISSING_AT_CLOUDFLARE,
    ],
)
def test_a_failed_creation_is_tried_again_only_by_a_refresh(reason: Reason) -> None:
    failed = failed_record(reason=reason)
    later = decided(failed, after=90 * 86400)
    assert (later.action, later.steps, later.record.reason) == (None, (), reason)
    asked = replace(failed, refresh_requested_at=at(60))
    assert decided(asked, after=61).action is Action.CREATE


def test_a_failed_creation_is_not_looked_at() -> None:
    assert decided(failed_record(), after=60).record.schedule.next_check_at is None


def test_a_revived_hostname_begins_with_its_validation() -> None:
    asked = replace(failed_record(), refresh_requested_at=at(60))
    begun = decided(asked, after=60).record
    created = decided(
        begun, cloudflare=cloudflare_view(created_at=at(60)), performed=Action.CREATE, after=61
    )
    assert path(created) == ["validating", "active"]


def test_a_refresh_that_is_refused_again_is_done() -> None:
    asked = replace(failed_record(), refresh_requested_at=at(60))
    begun = decided(asked, after=60).record
    refused = decided(
        begun, cloudflare=Refused(1405, "no"), performed=Action.CREATE, after=61
    ).record
    assert (refused.state, refused.reason) == (State.FAILED, Reason.QUOTA_EXCEEDED)
    assert decided(refused, after=62).action is None


def test_one_look_crosses_several_states_in_order() -> None:
    crossed = decided(validating_record(), cloudflare=cloudflare_view(), dns=HERE)
    assert path(crossed) == ["active", "cname_verified"]
    assert [step.before for step in crossed.steps] == [State.VALIDATING, State.ACTIVE]
    assert crossed.record.reason is Reason.LIVE
    assert crossed.record.reason.waiting_on is WaitingOn.NOBODY


def test_a_creation_found_active_with_its_cname_seen_crosses_all_states() -> None:
    begun = replace(begun_record(), dns=replace(begun_record().dns, routing=HERE))
    crossed = decided(begun, cloudflare=cloudflare_view(), performed=Action.CREATE)
    assert path(crossed) == ["validating", "active", "cname_verified"]


def test_first_arrivals_are_noted_and_stay() -> None:
    crossed = decided(validating_record(), cloudflare=cloudflare_view(), dns=HERE, after=90).record
    assert crossed.arrived_at[State.ACTIVE] == at(90)
    assert crossed.arrived_at[State.CNAME_VERIFIED] == at(90)
    assert crossed.arrived_at[State.VALIDATING] == at(0)
    back = confirmed(crossed, cloudflare=checking_view(), after=3600).record
    again = decided(back, cloudflare=cloudflare_view(), after=7200)
    assert path(again) == ["active", "cname_verified"]
    assert again.record.arrived_at[State.ACTIVE] == at(90)


def test_the_cname_verifies_an_active_hostname() -> None:
    seen = decided(active_record(), dns=HERE)
    assert (path(seen), emitted(seen)) == (["cname_verified"], ["cname_verified"])


def test_an_absent_answer_soon_after_a_post_proves_nothing() -> None:
    settles = timedelta(seconds=30).total_seconds()
    early = decided(begun_record(), cloudflare=Absent(), performed=Action.CREATE, after=settles - 1)
    late = decided(begun_record(), cloudflare=Absent(), performed=Action.CREATE, after=settles)
    assert early.record.cloudflare.create_started_at == at(0)
    assert late.record.cloudflare.create_started_at is None
