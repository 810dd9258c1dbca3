"""What Cloudflare says against a hostname is believed at a second look."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from app.domain.custom_hostname import CustomHostname, Desired, State
from app.domain.document import represent
from app.domain.observation import (
    Absent,
    Action,
    CloudflareHostname,
    CloudflareView,
    Found,
    NotAsked,
    Observation,
    Routing,
    Side,
    Unknown,
)
from app.domain.reason import Reason
from app.domain.reconcile.decide import decide

from .builders import (
    CLOUDFLARE_ID,
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
    deleting_record,
    dns_view,
    live_record,
    path,
    pending_record,
    validating_record,
)

FINE = Found(cloudflare_view())
MOVED = Found(cloudflare_view(status="moved"))
UNKNOWN = Unknown("timeout")
Look = tuple[float, CloudflareView]


def checked(record: CustomHostname, *looks: Look) -> list[list[str]]:
    """Look at Cloudflare at these instants, carrying the record on, and give each path."""
    paths = []
    for after, view in looks:
        seen = decided(record, cloudflare=view, after=after)
        paths.append(path(seen))
        record = seen.record
    return paths


@pytest.mark.parametrize(
    ("looks", "lost"),
    [
        pytest.param([(0, MOVED)], False, id="one look is not believed"),
        pytest.param([(0, MOVED), (60, MOVED)], True, id="a second a minute later is"),
        pytest.param([(0, MOVED), (55, MOVED)], True, id="or five seconds earlier"),
        pytest.param([(0, MOVED), (54, MOVED)], False, id="not one too early"),
        pytest.param([(0, MOVED), (54, MOVED), (60, MOVED)], True, id="which does not begin anew"),
        pytest.param([(0, MOVED), (30, FINE), (60, MOVED)], False, id="a fine look clears"),
        pytest.param([(0, MOVED), (60, UNKNOWN)], False, id="Unknown does not count"),
        pytest.param([(0, MOVED), (60, UNKNOWN), (65, MOVED)], True, id="nor does it clear"),
        pytest.param([(0, MOVED), (60, NotAsked())], False, id="time alone believes nothing"),
        pytest.param([(0, Absent()), (60, MOVED)], True, id="both speak against the name"),
        pytest.param([(0, MOVED), (60, MOVED), (61, FINE)], True, id="what is believed is told"),
    ],
)
@pytest.mark.parametrize("record", [live_record(), active_record()], ids=["verified", "active"])
def test_a_live_name_is_taken_down_by_two_looks(
    *, record: CustomHostname, looks: list[Look], lost: bool
) -> None:
    paths = checked(record, *looks)
    assert (["validating"] in paths) is lost
    assert all(steps == [] for steps in paths[:1])


@pytest.mark.parametrize("record", [live_record(), active_record()], ids=["verified", "active"])
def test_in_doubt_the_document_shows_what_cloudflare_says_and_stands_where_it_stood(
    record: CustomHostname,
) -> None:
    seen = decided(record, cloudflare=MOVED, dns=record.dns.routing).record
    assert (seen.state, seen.reason) == (record.state, record.reason)
    assert represent(seen)["cloudflare"]["hostname_status"] == "moved"
    assert (seen.schedule.suspected_at, seen.schedule.cloudflare_due_at) == (at(0), at(60))


def test_what_is_believed_ends_the_doubt() -> None:
    first = decided(live_record(), cloudflare=MOVED).record
    assert decided(first, cloudflare=MOVED, after=60).record.schedule.suspected_at is None


@pytest.mark.parametrize(
    "record",
    [validating_record(), active_record(), live_record(), blocked_record()],
    ids=lambda r: str(r.state),
)
def test_an_absence_in_doubt_forgets_nothing_and_makes_nothing_anew(record: CustomHostname) -> None:
    first = decided(record, cloudflare=Absent(), dns=HERE)
    assert (path(first), first.action) == ([], None)
    assert first.record.cloudflare == record.cloudflare
    assert first.record.schedule.cloudflare_due_at == at(60)
    second = decided(first.record, cloudflare=Absent(), after=60)
    assert second.record.reason is Reason.MISSING_AT_CLOUDFLARE
    assert second.record.cloudflare.id is None


def test_nothing_is_done_at_cloudflare_while_in_doubt() -> None:
    suspected = decided(validating_record(), cloudflare=Absent()).record
    assert decided(suspected, dns=HERE, after=10).action is None
    clear = decided(suspected, cloudflare=checking_view(), dns=HERE, after=60)
    assert clear.action is Action.REFRESH


def test_an_absence_is_an_answer_even_in_doubt() -> None:
    failing = decided(live_record(), cloudflare=UNKNOWN).record
    assert decided(failing, cloudflare=Absent()).record.schedule.cloudflare_failures == 0


def test_a_name_in_doubt_is_not_verified_meanwhile() -> None:
    suspected = decided(active_record(), cloudflare=MOVED).record
    assert path(decided(suspected, dns=HERE, after=10)) == []
    assert path(decided(suspected, cloudflare=FINE, dns=HERE, after=60)) == ["cname_verified"]


def test_dns_may_take_a_name_down_while_cloudflare_is_in_doubt() -> None:
    record = live_record()
    for after in (0, 300):
        record = decided(record, dns=ELSEWHERE, after=after).record
    last = decided(record, cloudflare=MOVED, dns=ELSEWHERE, after=605)
    assert path(last) == ["active"]
    assert last.record.schedule.suspected_at == at(605)


def test_a_persons_refresh_is_no_look_and_brings_the_second_one_sooner() -> None:
    record = replace(live_record(), refresh_requested_at=at(0))
    first = decided(record, cloudflare=MOVED)
    assert (path(first), first.record.schedule.cloudflare_due_at) == ([], at(15))
    assert path(decided(first.record, cloudflare=MOVED, after=9)) == []
    assert path(decided(first.record, cloudflare=MOVED, after=15)) == ["validating"]


@pytest.mark.parametrize("action", [Action.REFRESH, Action.EDIT])
@pytest.mark.parametrize(
    "record", [validating_record(), live_record()], ids=["validating", "verified"]
)
def test_an_absence_that_answers_an_act_is_a_doubt_and_the_act_is_still_to_be_done(
    record: CustomHostname, action: Action
) -> None:
    asked = replace(record, refresh_requested_at=at(0), wanted_at=at(-90), acted_at=at(-90))
    seen = decided(asked, cloudflare=Absent(), performed=action, after=1)
    assert (path(seen), seen.record.cloudflare.id) == ([], CLOUDFLARE_ID)
    assert seen.record.schedule.suspected_at == at(1)
    assert seen.record.refresh_is_requested is (record.state is State.VALIDATING)


@pytest.mark.parametrize("action", [Action.REFRESH, Action.EDIT])
def test_the_answer_to_an_act_on_a_live_name_is_doubted_like_any_other(action: Action) -> None:
    answered = decided(live_record(), cloudflare=checking_view(), performed=action)
    assert path(answered) == []
    assert answered.record.schedule.suspected_at == at(0)
    again = decided(answered.record, cloudflare=checking_view(), after=60)
    assert path(again) == ["validating"]


def test_what_is_not_wanted_is_in_no_doubt() -> None:
    suspected = decided(live_record(), cloudflare=Absent()).record
    leaving = decided(replace(suspected, desired=Desired.ABSENT), after=1)
    assert leaving.action is Action.DELETE
    assert leaving.record.schedule.suspected_at is None
    assert path(decided(deleting_record(), cloudflare=Absent())) == ["deleted"]


BOTH, DNS, CLOUDFLARE = {Side.DNS, Side.CLOUDFLARE}, {Side.DNS}, {Side.CLOUDFLARE}
NEITHER: set[Side] = set()


@pytest.mark.parametrize(
    ("record", "look", "sides", "mismatched"),
    [
        pytest.param(live_record(), {"dns": HERE}, DNS, NEITHER, id="DNS confirms"),
        pytest.param(live_record(), {"dns": ELSEWHERE}, DNS, DNS, id="DNS leads elsewhere"),
        pytest.param(live_record(), {"dns": NOWHERE}, DNS, DNS, id="DNS has nothing"),
        pytest.param(
            live_record(), {"dns": dns_view(routing=UNKNOWN)}, NEITHER, NEITHER, id="DNS is mute"
        ),
        pytest.param(live_record(), {"cloudflare": FINE}, CLOUDFLARE, NEITHER, id="fine"),
        pytest.param(live_record(), {"cloudflare": MOVED}, CLOUDFLARE, CLOUDFLARE, id="moved"),
        pytest.param(
            live_record(), {"cloudflare": Absent()}, CLOUDFLARE, CLOUDFLARE, id="not there"
        ),
        pytest.param(live_record(), {"cloudflare": UNKNOWN}, NEITHER, NEITHER, id="no answer"),
        pytest.param(live_record(), {}, NEITHER, NEITHER, id="nobody asked"),
        pytest.param(
            live_record(), {"cloudflare": MOVED, "dns": ELSEWHERE}, BOTH, BOTH, id="both at once"
        ),
        pytest.param(
            active_record(), {"dns": ELSEWHERE}, NEITHER, NEITHER, id="DNS of an active name"
        ),
        pytest.param(
            active_record(), {"cloudflare": Absent()}, CLOUDFLARE, CLOUDFLARE, id="active, absent"
        ),
        pytest.param(
            validating_record(), {"cloudflare": Absent()}, NEITHER, NEITHER, id="never live"
        ),
        pytest.param(
            deleting_record(), {"cloudflare": Absent()}, NEITHER, NEITHER, id="on its way out"
        ),
        pytest.param(
            live_record(),
            {"cloudflare": Absent(), "performed": Action.REFRESH},
            CLOUDFLARE,
            CLOUDFLARE,
            id="the answer to an act",
        ),
        pytest.param(
            decided(live_record(), cloudflare=MOVED).record,
            {"cloudflare": MOVED, "after": 60},
            CLOUDFLARE,
            NEITHER,
            id="the second time it counts no more",
        ),
        pytest.param(
            decided(live_record(), dns=ELSEWHERE).record,
            {"dns": ELSEWHERE, "after": 300},
            DNS,
            NEITHER,
            id="nor does DNS",
        ),
    ],
)
def test_the_sides_that_were_asked_and_those_that_contradict_for_the_first_time(
    record: CustomHostname,
    look: Mapping[str, Any],
    sides: set[Side],
    mismatched: set[Side],
) -> None:
    seen = decided(record, **look)
    assert seen.checked == sides
    assert seen.mismatched == mismatched


def page(
    record: CustomHostname, view: CloudflareView, *, sent: float | None, after: float
) -> CustomHostname:
    look = Observation(cloudflare=view, sent_at=None if sent is None else at(sent))
    return decide(record, look, now=at(after), policy=POLICY).record


def test_the_instant_of_the_question_is_kept_with_its_answer() -> None:
    assert page(live_record(), FINE, sent=-2, after=0).schedule.viewed_at == at(-2)
    assert page(live_record(), FINE, sent=None, after=5).schedule.viewed_at == at(5)
    assert page(live_record(), UNKNOWN, sent=-2, after=0).schedule.viewed_at is None


@pytest.mark.parametrize(
    ("sent", "taken"), [(-1, False), (0, False), (1, True), (None, True)], ids=str
)
def test_an_answer_to_an_earlier_question_undoes_no_later_one(
    *, sent: float | None, taken: bool
) -> None:
    known = page(validating_record(), Found(checking_view()), sent=0, after=2)
    late = page(known, Found(cloudflare_view(ssl_status="pending_issuance")), sent=sent, after=3)
    assert late.cloudflare.seen is not None
    assert (late.cloudflare.seen.ssl_status == "pending_issuance") is taken
    assert late.schedule.viewed_at == (at(3 if sent is None else sent) if taken else at(0))


def test_an_act_makes_the_pages_asked_for_before_it_late() -> None:
    performed = decided(
        validating_record(), cloudflare=UNKNOWN, performed=Action.REFRESH, after=10
    ).record
    stale = page(performed, Found(cloudflare_view()), sent=9, after=12)
    assert stale.state is State.VALIDATING


def test_a_second_look_counts_from_when_it_was_asked_for() -> None:
    first = page(live_record(), MOVED, sent=0, after=0)
    assert page(first, MOVED, sent=50, after=60).state is State.CNAME_VERIFIED
    assert page(first, MOVED, sent=56, after=60).state is State.VALIDATING


@pytest.mark.parametrize("routing", [HERE, NOWHERE])
def test_a_view_under_another_id_is_of_something_else(routing: Routing) -> None:
    other: CloudflareHostname = replace(cloudflare_view(), id="cf-2")
    record = validating_record(routing=routing)
    seen = decided(record, cloudflare=other)
    assert (path(seen), seen.record.cloudflare.id) == ([], CLOUDFLARE_ID)
    assert seen.record.cloudflare == record.cloudflare


def test_no_page_says_anything_of_a_name_that_is_still_to_be_created() -> None:
    seen = decided(pending_record(), cloudflare=cloudflare_view())
    assert (path(seen), seen.action) == ([], Action.CREATE)
    assert seen.record.cloudflare.id is None


def held(record: CustomHostname, *, until: float, routing: Routing | None = None) -> Any:
    dns = dns_view(routing=routing) if routing else dns_view()
    look = Observation(dns=dns, held_back=at(until))
    return decide(record, look, now=at(0), policy=POLICY)


def test_a_creation_without_budget_waits_for_its_turn() -> None:
    waiting = held(pending_record(), until=90)
    assert (waiting.action, waiting.steps) == (None, ())
    assert waiting.record.reason is Reason.CREATION_QUEUED
    assert waiting.record.schedule.cloudflare_due_at == at(90)
    assert waiting.record.cloudflare.create_started_at is None
    assert decided(waiting.record, after=90).action is Action.CREATE


@pytest.mark.parametrize(
    ("record", "routing"),
    [
        pytest.param(validating_record(), HERE, id="a refresh on sight"),
        pytest.param(
            replace(blocked_record(), refresh_requested_at=at(0)), None, id="a person's refresh"
        ),
        pytest.param(deleting_record(), None, id="a removal"),
    ],
)
def test_no_act_is_lost_for_want_of_budget(record: CustomHostname, routing: Routing | None) -> None:
    record = replace(record, schedule=replace(record.schedule, refreshed_at=at(-3600)))
    waiting = held(record, until=90, routing=routing)
    assert (waiting.action, waiting.steps) == (None, ())
    assert waiting.record.schedule.cloudflare_due_at == at(90)
    assert decided(waiting.record, after=90).action is not None


def test_want_of_budget_stops_no_look_at_dns() -> None:
    waiting = held(live_record(), until=90, routing=ELSEWHERE).record
    assert (waiting.reason, waiting.schedule.dns_due_at) == (Reason.CNAME_MISMATCH, at(300))
    assert waiting.schedule.cloudflare_due_at is None


def test_a_zone_that_is_paused_no_more_creates_its_names() -> None:
    paused = replace(pending_record(), reason=Reason.ZONE_PAUSED)
    resumed = decided(paused)
    assert (resumed.action, resumed.record.reason) == (Action.CREATE, Reason.CREATING)


@pytest.mark.parametrize("status", ["moved", "blocked", "pending", "deleted"])
@pytest.mark.parametrize("record", [live_record(), active_record()], ids=["verified", "active"])
@pytest.mark.parametrize("cloudflare", [NotAsked(), UNKNOWN], ids=["not asked", "unknown"])
def test_a_doubt_that_a_pause_forgot_takes_no_name_down_before_cloudflare_is_heard_again(
    record: CustomHostname, status: str, cloudflare: CloudflareView
) -> None:
    against = cloudflare_view(status=status)
    suspected = decided(record, cloudflare=Found(against)).record
    assert suspected.schedule.suspected_at is not None
    # As the end of a pause leaves it, without `accept_regressions`.
    forgotten = replace(suspected, schedule=replace(suspected.schedule, suspected_at=None))
    checked = decided(forgotten, cloudflare=cloudflare, dns=HERE, after=90)
    assert (checked.record.state, path(checked)) == (record.state, [])
    # Heard again, it is a first contradiction, and a doubt like any other.
    again = decided(checked.record, cloudflare=Found(against), after=120)
    assert path(again) == []
    assert again.mismatched == {Side.CLOUDFLARE}
    assert again.record.schedule.suspected_at == at(120)
