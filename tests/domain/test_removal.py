"""When a hostname that is wanted is removed at Cloudflare all the same."""

from dataclasses import replace

import pytest

from app.domain.cloudflare_terms import ENTITLEMENTS
from app.domain.custom_hostname import (
    CloudflareObject,
    CustomHostname,
    Desired,
    DnsSeen,
    Removal,
    Schedule,
    State,
)
from app.domain.document import represent
from app.domain.observation import (
    Absent,
    Action,
    CloudflareHostname,
    CloudflareView,
    DnsView,
    Found,
    NotAsked,
    Observation,
    Refused,
    Routing,
    Unknown,
)
from app.domain.reason import Reason, WaitingOn
from app.domain.reconcile.actions import frees_its_name, release_name
from app.domain.reconcile.decide import Transition, decide

from .builders import (
    ELSEWHERE,
    HERE,
    NOWHERE,
    POLICY,
    active_record,
    at,
    blocked_record,
    checking_view,
    cloudflare_view,
    decided,
    failed_record,
    live_record,
    path,
    pending_record,
    validating_record,
)

DAY = 86400
TIMED_OUT = cloudflare_view(ssl_status="validation_timed_out")
NOT_MODIFIABLE = Refused(1439, "not modifiable")


def refused(record: CustomHostname, *, after: float = 0) -> CustomHostname:
    return decided(record, cloudflare=NOT_MODIFIABLE, performed=Action.REFRESH, after=after).record


def timed_out() -> CustomHostname:
    return validating_record(view=TIMED_OUT, routing=HERE)


@pytest.mark.parametrize(
    "ssl_status",
    [
        "initializing_timed_out",
        "validation_timed_out",
        "issuance_timed_out",
        "deployment_timed_out",
        "deletion_timed_out",
    ],
)
def test_a_certificate_that_timed_out_and_cannot_be_refreshed_is_made_anew(
    ssl_status: str,
) -> None:
    record = validating_record(view=cloudflare_view(ssl_status=ssl_status))
    asked = decided(record, dns=HERE)
    assert asked.action is Action.REFRESH
    kept = refused(asked.record, after=1)
    assert kept.schedule.cloudflare_due_at == at(11)
    removing = decided(kept, after=11)
    assert (removing.action, path(removing)) == (Action.DELETE, [])
    gone = decided(removing.record, cloudflare=Absent(), performed=Action.DELETE, after=12)
    assert (path(gone), gone.record.reason) == ([], Reason.CERTIFICATE_TIMED_OUT)
    making = decided(gone.record, after=17)
    assert (making.action, path(making)) == (Action.CREATE, [])
    view = cloudflare_view(status="pending", ssl_status="initializing", created_at=at(18))
    made = decided(making.record, cloudflare=view, performed=Action.CREATE, after=18)
    assert (path(made), made.record.state) == ([], State.VALIDATING)
    assert made.record.schedule.removal is None
    assert made.record.cloudflare.id is not None


@pytest.mark.parametrize(
    ("answer", "action"),
    [
        pytest.param(Unknown("timeout"), Action.DELETE, id="no answer"),
        pytest.param(Found(TIMED_OUT), Action.DELETE, id="still there"),
        pytest.param(Refused(1439, "no"), Action.DELETE, id="refused"),
    ],
)
def test_a_removal_that_did_not_end_goes_on(answer: CloudflareView, action: Action) -> None:
    removing = decided(refused(timed_out())).record
    kept = decided(removing, cloudflare=answer, performed=Action.DELETE, after=1)
    assert (path(kept), kept.record.reason) == ([], removing.reason)
    assert decided(kept.record, after=20).action is action


@pytest.mark.parametrize("status", ["pending_deletion", "deleted"])
def test_what_is_removed_and_can_still_be_read_is_made_anew(status: str) -> None:
    removing = decided(refused(timed_out())).record
    left = Found(cloudflare_view(status=status, ssl_status="pending_deletion"))
    gone = decided(removing, cloudflare=left, performed=Action.DELETE, after=1)
    assert gone.record.cloudflare.id is None
    assert decided(gone.record, after=20).action is Action.CREATE


@pytest.mark.parametrize("code", sorted(ENTITLEMENTS))
def test_a_refresh_that_the_plan_does_not_allow_never_leads_to_a_removal(code: int) -> None:
    asked = decided(validating_record(view=TIMED_OUT, routing=HERE)).record
    answer = Refused(code, "Not on this plan.")
    kept = decided(asked, cloudflare=answer, performed=Action.REFRESH, after=1).record
    for day in range(1, 60):
        step = decided(kept, cloudflare=TIMED_OUT, dns=HERE, after=day * DAY)
        assert step.action is None
        kept = step.record
    assert (kept.state, kept.schedule.removal) == (State.VALIDATING, None)
    assert kept.reason.waiting_on is WaitingOn.OPERATOR
    assert "Not on this plan." in represent(kept)["cloudflare"]["errors"]


def test_a_refresh_that_is_allowed_again_is_heard_of_no_more() -> None:
    asked = decided(validating_record(view=TIMED_OUT, routing=HERE)).record
    kept = decided(asked, cloudflare=Refused(1459, "No."), performed=Action.REFRESH, after=1).record
    again = decided(replace(kept, refresh_requested_at=at(100)), after=100)
    assert again.action is Action.REFRESH
    done = decided(
        again.record, cloudflare=checking_view(), performed=Action.REFRESH, after=101
    ).record
    assert done.cloudflare.refused_refresh is None
    assert done.reason.waiting_on is not WaitingOn.OPERATOR


def test_what_is_gone_after_an_unanswered_removal_is_believed_at_once() -> None:
    removing = decided(refused(timed_out())).record
    lost = decided(removing, cloudflare=Unknown("timeout"), performed=Action.DELETE, after=1).record
    gone = decided(lost, cloudflare=Absent(), after=10)
    assert (gone.action, path(gone)) == (Action.CREATE, [])


def test_it_is_made_anew_once_a_day_at_most() -> None:
    worn = Schedule(refreshed_at=at(-7200), remade_at=at(-DAY + 1))
    record = validating_record(view=TIMED_OUT, routing=HERE, schedule=worn)
    assert refused(record).schedule.removal is None
    assert refused(record, after=1).schedule.removal is Removal.REMAKE


@pytest.mark.parametrize("ssl_status", ["pending_validation", "pending_issuance", "active"])
def test_a_certificate_that_went_on_by_itself_is_left_alone(ssl_status: str) -> None:
    removing = refused(timed_out())
    seen = decided(removing, cloudflare=cloudflare_view(ssl_status=ssl_status), after=10)
    assert seen.record.schedule.removal is None
    assert seen.action is not Action.DELETE


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(replace(live_record(view=TIMED_OUT)), id="a live name"),
        pytest.param(validating_record(routing=HERE), id="one that did not time out"),
    ],
)
def test_nothing_else_is_made_anew(record: CustomHostname) -> None:
    kept = refused(record)
    assert kept.schedule.removal is None
    assert decided(kept, after=60).action is not Action.DELETE


def test_a_creation_anew_that_is_refused_has_failed() -> None:
    removing = decided(refused(timed_out())).record
    gone = decided(removing, cloudflare=Absent(), performed=Action.DELETE, after=1).record
    making = decided(gone, after=10).record
    failed = decided(making, cloudflare=Refused(1405, "quota"), performed=Action.CREATE, after=11)
    assert (path(failed), failed.record.schedule.removal) == (["failed"], None)


def test_a_wish_to_have_it_gone_ends_all_that() -> None:
    leaving = decided(replace(refused(timed_out()), desired=Desired.ABSENT), after=1)
    assert (leaving.action, path(leaving)) == (Action.DELETE, ["deleting"])
    assert leaving.record.schedule.removal is None


MONTH = 30 * DAY
PENDING, LAPSED = checking_view(), cloudflare_view(status="moved")


STILL = Found(PENDING)


def checked(
    record: CustomHostname, view: CloudflareView = STILL, *, after: float = MONTH
) -> Transition:
    return decided(record, cloudflare=view, after=after)


def never_set_up(*, routing: Routing | None = NOWHERE) -> CustomHostname:
    return validating_record(routing=routing)


@pytest.mark.parametrize("view", [PENDING, LAPSED, cloudflare_view(status="deleted")])
@pytest.mark.parametrize("routing", [NOWHERE, ELSEWHERE])
def test_a_name_nobody_set_up_for_thirty_days_is_removed_and_failed(
    view: CloudflareHostname, routing: Routing
) -> None:
    removing = checked(never_set_up(routing=routing), Found(view))
    assert (removing.action, path(removing)) == (Action.DELETE, [])
    gone = decided(removing.record, cloudflare=Absent(), performed=Action.DELETE, after=MONTH + 1)
    assert (path(gone), gone.action) == (["failed"], None)
    assert gone.record.reason is Reason.NEVER_SET_UP
    assert (gone.record.cloudflare.id, gone.record.schedule.removal) == (None, None)
    assert gone.record.schedule.next_check_at is None
    later = decided(gone.record, after=2 * MONTH)
    assert (later.action, later.record.reason) == (None, Reason.NEVER_SET_UP)


@pytest.mark.parametrize(
    ("record", "after", "free"),
    [
        pytest.param(failed_record(), MONTH, True, id="failed for thirty days"),
        pytest.param(failed_record(), MONTH - 1, False, id="a second too early"),
        pytest.param(pending_record(), MONTH, False, id="still to be created"),
        pytest.param(validating_record(), MONTH, False, id="at Cloudflare"),
        pytest.param(blocked_record(), MONTH, False, id="failed, and at Cloudflare"),
        pytest.param(
            replace(failed_record(), arrived_at=live_record().arrived_at),
            MONTH,
            False,
            id="was live once",
        ),
        pytest.param(
            replace(failed_record(), refresh_requested_at=at(1)), MONTH, False, id="tried again"
        ),
        pytest.param(
            replace(failed_record(), cloudflare=CloudflareObject(create_tried_at=at(1))),
            MONTH,
            False,
            id="a POST may have made it",
        ),
        pytest.param(
            replace(failed_record(), schedule=Schedule(waiting_since=at(DAY))),
            MONTH,
            False,
            id="a person acted since",
        ),
        pytest.param(
            replace(failed_record(), desired=Desired.ABSENT), MONTH, False, id="being removed"
        ),
    ],
)
def test_which_names_are_free_for_others(
    record: CustomHostname, after: float, *, free: bool
) -> None:
    assert frees_its_name(record, now=at(after), policy=POLICY) is free


def test_a_name_that_was_given_up_is_free_from_then_on() -> None:
    removing = checked(never_set_up()).record
    gone = decided(removing, cloudflare=Absent(), performed=Action.DELETE, after=MONTH + 1).record
    assert gone.name_released_at == at(MONTH + 1)
    assert decided(gone, after=2 * MONTH).record.name_released_at == at(MONTH + 1)


@pytest.mark.parametrize("routing", [HERE, ELSEWHERE, NOWHERE, None])
def test_a_freed_name_whose_dns_may_point_here_needs_proof(routing: Routing | None) -> None:
    record = replace(failed_record(), dns=DnsSeen(routing=routing))
    freed = release_name(record, at(MONTH))
    assert freed.tombstone is (routing in {HERE, None})
    looked_at_dns = decided(freed, dns=ELSEWHERE, after=MONTH + 60).record
    assert (looked_at_dns.tombstone, looked_at_dns.name_released_at) == (False, at(MONTH))
    unheard = decided(freed, dns=DnsView(routing=Unknown("timeout")), after=MONTH + 60).record
    assert unheard.tombstone is freed.tombstone


def test_a_failed_name_at_cloudflare_that_nobody_set_up_is_given_up() -> None:
    stuck = replace(never_set_up(), state=State.FAILED, reason=Reason.EDIT_REFUSED)
    assert stuck.cloudflare.id is not None
    removing = checked(stuck)
    assert removing.action is Action.DELETE
    gone = decided(
        removing.record, cloudflare=Absent(), performed=Action.DELETE, after=MONTH + 1
    ).record
    assert (gone.state, gone.name_released_at) == (State.FAILED, at(MONTH + 1))


def test_a_refresh_makes_what_was_given_up_anew() -> None:
    removing = checked(never_set_up()).record
    gone = decided(removing, cloudflare=Absent(), performed=Action.DELETE, after=MONTH).record
    asked = replace(gone, refresh_requested_at=at(MONTH + 60))
    making = decided(asked, after=MONTH + 60)
    assert making.action is Action.CREATE
    view = checking_view()
    made = decided(
        making.record,
        cloudflare=replace(view, created_at=at(MONTH + 61)),
        performed=Action.CREATE,
        after=MONTH + 61,
    )
    assert path(made) == ["validating"]
    assert checked(made.record, after=MONTH + DAY).action is None
    assert checked(made.record, after=2 * MONTH + 60).action is Action.DELETE


NEVER_HEARD = never_set_up(routing=None)
FOUND = validating_record(routing=HERE, schedule=Schedule(refreshed_at=at(MONTH - 60)))


@pytest.mark.parametrize(
    ("record", "view", "after"),
    [
        pytest.param(never_set_up(), Found(PENDING), MONTH - 1, id="a second too early"),
        pytest.param(never_set_up(), NotAsked(), MONTH, id="by time alone"),
        pytest.param(never_set_up(), Unknown("timeout"), MONTH, id="without an answer"),
        pytest.param(never_set_up(), Absent(), MONTH, id="what may be gone already"),
        pytest.param(NEVER_HEARD, Found(PENDING), MONTH, id="while DNS was never heard"),
        pytest.param(
            replace(never_set_up(), schedule=Schedule(refreshed_at=at(0), dns_failures=1)),
            Found(PENDING),
            MONTH,
            id="while DNS cannot be heard",
        ),
        pytest.param(FOUND, Found(PENDING), MONTH, id="with its record in place"),
        pytest.param(
            never_set_up(),
            Found(cloudflare_view(ssl_status="pending_validation")),
            MONTH,
            id="a hostname that Cloudflare has seen",
        ),
        pytest.param(active_record(), Found(cloudflare_view()), MONTH, id="an active name"),
        pytest.param(
            replace(never_set_up(), arrived_at=live_record().arrived_at),
            Found(LAPSED),
            MONTH,
            id="a name that was live",
        ),
        pytest.param(
            blocked_record(), Found(cloudflare_view(status="blocked")), MONTH, id="a blocked name"
        ),
        pytest.param(
            replace(never_set_up(), wanted_at=at(60)), Found(PENDING), MONTH, id="edited since"
        ),
        pytest.param(
            validating_record(
                routing=NOWHERE, schedule=Schedule(refreshed_at=at(0), waiting_since=at(60))
            ),
            Found(PENDING),
            MONTH,
            id="while its zone was paused",
        ),
        pytest.param(
            replace(
                validating_record(routing=NOWHERE, schedule=Schedule(refreshed_at=at(61))),
                refresh_requested_at=at(60),
            ),
            Found(PENDING),
            MONTH,
            id="refreshed by a person since",
        ),
    ],
)
def test_nothing_else_is_given_up(
    record: CustomHostname, view: CloudflareView, after: float
) -> None:
    seen = checked(record, view, after=after)
    assert seen.action is not Action.DELETE
    assert (seen.steps, seen.record.schedule.removal) == ((), None)


def test_a_removal_without_an_answer_is_not_taken_for_another_hands() -> None:
    removing = checked(never_set_up()).record
    lost = decided(
        removing, cloudflare=Unknown("timeout"), performed=Action.DELETE, after=MONTH
    ).record
    gone = decided(lost, cloudflare=Absent(), after=MONTH + 10)
    assert (path(gone), gone.record.reason) == (["failed"], Reason.NEVER_SET_UP)


def test_nothing_is_given_up_without_budget() -> None:
    look = Observation(cloudflare=Found(PENDING), held_back=at(MONTH + 60))
    waiting = decide(never_set_up(), look, now=at(MONTH), policy=POLICY)
    assert (waiting.action, waiting.record.schedule.removal) == (None, None)
