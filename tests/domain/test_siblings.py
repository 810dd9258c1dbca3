"""Two records, one object: who creates, who waits, who edits, and who removes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.custom_hostname import (
    CloudflareObject,
    CustomHostname,
    Desired,
    Plan,
    Sibling,
    State,
)
from app.domain.document import represent
from app.domain.hostname import Hostname
from app.domain.object_spec import ObjectSpec
from app.domain.observation import Absent, Action, Found, Refused
from app.domain.plan import wanted_spec
from app.domain.siblings import covers_wildcard, join, serves, waits_for_sibling

from .builders import (
    CLOUDFLARE_ID,
    HERE,
    NAME,
    at,
    checking_view,
    cloudflare_object,
    cloudflare_view,
    confirmed,
    decided,
    failed_record,
    hostname_record,
    path,
)

WILD = f"*.{NAME}"
PLAIN_SHAPE = ObjectSpec(method="txt")
WILD_SHAPE = ObjectSpec(method="txt", wildcard=True)


def sibling(
    name: str = WILD,
    *,
    id: str = "record-2",  # noqa: A002 - the field's name
    desired: Desired = Desired.PRESENT,
    state: State = State.CNAME_VERIFIED,
    cloudflare_id: str | None = CLOUDFLARE_ID,
    applied: ObjectSpec | None = WILD_SHAPE,
    in_flight: ObjectSpec | None = None,
    has_begun: bool = True,
) -> Sibling:
    return Sibling(
        id=id,
        hostname=Hostname(name),
        desired=desired,
        state=state,
        has_begun=has_begun,
        cloudflare_id=cloudflare_id,
        applied=applied,
        in_flight=in_flight,
    )


def beside(record: CustomHostname, other: Sibling | None) -> CustomHostname:
    return replace(record, sibling=other)


def pending(name: str = NAME, other: Sibling | None = None) -> CustomHostname:
    return beside(hostname_record(name=name, plan=Plan.DELEGATED), other)


def there(
    name: str = NAME,
    other: Sibling | None = None,
    *,
    state: State = State.CNAME_VERIFIED,
    applied: ObjectSpec = WILD_SHAPE,
    desired: Desired = Desired.PRESENT,
) -> CustomHostname:
    """Give a record with an object that is live and covers what `applied` says."""
    view = cloudflare_view(wildcard=applied.wildcard)
    known = replace(cloudflare_object(view), applied=applied)
    record = hostname_record(
        name=name,
        plan=Plan.DELEGATED,
        state=state,
        desired=desired,
        cloudflare=known,
        routing=HERE,
        arrived=tuple(State),
    )
    return beside(record, other)


@pytest.mark.parametrize(
    ("record", "wild"),
    [
        (pending(), False),
        (pending(WILD), True),
        (pending(NAME, sibling(WILD)), True),
        (pending(WILD, sibling(NAME)), True),
        (pending(NAME, sibling(WILD, desired=Desired.ABSENT)), False),
        (there(WILD, sibling(NAME), desired=Desired.ABSENT), False),
        (there(NAME, sibling(WILD), desired=Desired.ABSENT), True),
    ],
)
def test_the_object_covers_what_is_wanted_of_its_names(
    *, record: CustomHostname, wild: bool
) -> None:
    assert covers_wildcard(record) is wild
    assert wanted_spec(record).wildcard is wild


GETS = sibling(NAME, state=State.PENDING, cloudflare_id=None, applied=None, has_begun=False)


@pytest.mark.parametrize(
    ("other", "waits"),
    [
        pytest.param(None, False, id="nobody is there"),
        pytest.param(replace(GETS, id="record-0"), True, id="an older one has not begun either"),
        pytest.param(replace(GETS, id="record-9"), False, id="a younger one has not begun"),
        pytest.param(replace(GETS, id="record-9", has_begun=True), True, id="a younger one began"),
        pytest.param(
            replace(GETS, id="record-0", state=State.FAILED), False, id="an older one failed"
        ),
        pytest.param(
            replace(GETS, id="record-9", state=State.DELETING, desired=Desired.ABSENT),
            True,
            id="one that leaves looks for what it began",
        ),
        pytest.param(
            replace(GETS, id="record-0", desired=Desired.ABSENT), False, id="an older one leaves"
        ),
    ],
)
def test_one_creates_and_the_other_waits(*, other: Sibling | None, waits: bool) -> None:
    record = pending(WILD, other)
    assert waits_for_sibling(record) is waits
    assert decided(record).action is (None if waits else Action.CREATE)


def test_of_two_that_began_the_older_one_goes_on() -> None:
    begun = CloudflareObject(create_started_at=at(0), create_tried_at=at(0))
    record = replace(pending(WILD), cloudflare=begun)
    younger = replace(GETS, id="record-9", has_begun=True)
    older = replace(GETS, id="record-0", has_begun=True)
    assert not waits_for_sibling(beside(record, younger))
    assert waits_for_sibling(beside(record, older))


def test_the_second_joins_the_object_of_the_first() -> None:
    joined = join(pending(WILD, sibling(NAME, applied=PLAIN_SHAPE)))
    assert (joined.cloudflare.id, joined.cloudflare.applied) == (CLOUDFLARE_ID, PLAIN_SHAPE)


@pytest.mark.parametrize(
    "record",
    [
        beside(failed_record(), sibling()),
        beside(replace(pending(), desired=Desired.ABSENT), sibling()),
        pending(NAME, sibling(cloudflare_id=None)),
        there(NAME, sibling(cloudflare_id="another")),
    ],
)
def test_what_does_not_wait_for_an_object_joins_none(record: CustomHostname) -> None:
    assert join(record) == record


def test_a_failed_one_joins_when_it_is_refreshed() -> None:
    asked = replace(beside(failed_record(), sibling()), refresh_requested_at=at(60))
    assert join(asked).cloudflare.id == CLOUDFLARE_ID


def test_a_wildcard_that_joins_is_edited_in_and_not_live_before_it_is_covered() -> None:
    joined = join(pending(WILD, sibling(NAME, applied=PLAIN_SHAPE)))
    seen = decided(joined, cloudflare=cloudflare_view())
    assert (seen.action, path(seen)) == (Action.EDIT, ["validating"])
    ordered = cloudflare_view(wildcard=True, ssl_status="initializing")
    edited = decided(seen.record, cloudflare=ordered, performed=Action.EDIT, after=1)
    assert path(edited) == []
    issued = decided(edited.record, cloudflare=cloudflare_view(wildcard=True), after=60)
    assert path(issued) == ["active"]


def test_a_name_that_joins_its_live_wildcard_is_active_at_once() -> None:
    joined = join(pending(NAME, sibling(WILD)))
    seen = decided(joined, cloudflare=cloudflare_view(wildcard=True))
    assert (seen.action, path(seen)) == (None, ["validating", "active"])


def test_a_live_name_stays_live_while_its_wildcard_is_edited_in() -> None:
    record = there(NAME, sibling(WILD, applied=WILD_SHAPE))
    ordered = cloudflare_view(wildcard=True, ssl_status="initializing")
    assert decided(record, cloudflare=ordered).record.state is State.CNAME_VERIFIED


def test_an_edit_that_the_sibling_is_at_is_not_sent_twice() -> None:
    record = there(NAME, sibling(WILD, in_flight=WILD_SHAPE), applied=PLAIN_SHAPE)
    assert decided(record).action is None
    assert decided(beside(record, sibling(WILD))).action is Action.EDIT


LEAVING = [
    pytest.param(WILD, sibling(NAME), WILD_SHAPE, Action.EDIT, id="its wildcard is edited out"),
    pytest.param(WILD, sibling(NAME), PLAIN_SHAPE, None, id="the object fits what is left"),
    pytest.param(NAME, sibling(WILD), WILD_SHAPE, None, id="a wildcard covers the name anyway"),
    pytest.param(
        NAME,
        sibling(WILD, cloudflare_id=None, state=State.PENDING),
        WILD_SHAPE,
        None,
        id="the other has yet to join",
    ),
    pytest.param(
        NAME,
        sibling(WILD, cloudflare_id=None, state=State.FAILED),
        WILD_SHAPE,
        Action.DELETE,
        id="the other failed without it",
    ),
    pytest.param(
        NAME,
        sibling(WILD, desired=Desired.ABSENT, state=State.DELETING),
        WILD_SHAPE,
        Action.DELETE,
        id="both leave",
    ),
    pytest.param(NAME, None, PLAIN_SHAPE, Action.DELETE, id="it is alone"),
]


@pytest.mark.parametrize(("name", "other", "applied", "action"), LEAVING)
def test_what_leaving_takes(
    name: str, other: Sibling | None, applied: ObjectSpec, action: Action | None
) -> None:
    record = there(name, other, desired=Desired.ABSENT, applied=applied)
    assert decided(record).action is action


def test_one_that_leaves_is_deleted_once_the_object_fits_without_it() -> None:
    begun = decided(there(WILD, sibling(NAME), desired=Desired.ABSENT))
    gone = decided(begun.record, cloudflare=cloudflare_view(), performed=Action.EDIT, after=1)
    assert path(gone) == ["deleted"]
    assert gone.record.cloudflare.id is None
    assert represent(gone.record)["cloudflare"]["hostname_status"] is None


def test_one_whose_object_fits_already_is_deleted_at_once() -> None:
    gone = decided(there(NAME, sibling(WILD), desired=Desired.ABSENT))
    assert (path(gone), gone.action) == (["deleting", "deleted"], None)


def test_one_waits_until_the_other_has_joined() -> None:
    other = sibling(WILD, cloudflare_id=None, state=State.PENDING)
    waiting = decided(there(NAME, other, desired=Desired.ABSENT)).record
    assert waiting.state is State.DELETING
    assert decided(beside(waiting, sibling(WILD)), after=10).record.state is State.DELETED


def test_one_that_leaves_before_its_creation_was_answered_is_not_taken_for_let_go() -> None:
    other = sibling(WILD, cloudflare_id=None, state=State.PENDING)
    begun = CloudflareObject(create_started_at=at(0), create_tried_at=at(0))
    record = replace(pending(NAME, other), cloudflare=begun, desired=Desired.ABSENT)
    assert decided(record).record.state is State.DELETING


def test_letting_go_that_is_refused_is_tried_again_later() -> None:
    begun = decided(there(WILD, sibling(NAME), desired=Desired.ABSENT)).record
    refused = decided(begun, cloudflare=Refused(1439, "No."), performed=Action.EDIT, after=1).record
    assert refused.state is State.DELETING
    assert decided(refused, after=2).action is None
    assert decided(refused, after=60).action is Action.EDIT


def test_an_object_found_absent_after_joining_is_created_anew() -> None:
    joined = join(pending(NAME, sibling(WILD)))
    absent = confirmed(joined, cloudflare=Absent())
    assert (absent.action, absent.record.cloudflare.id) == (Action.CREATE, None)
    assert absent.record.state is State.PENDING


@pytest.mark.parametrize("wildcard", [True, False])
def test_an_object_begun_with_either_shape_is_adopted(*, wildcard: bool) -> None:
    first = decided(pending(NAME)).record
    second = decided(beside(first, replace(GETS, hostname=Hostname(WILD))), after=10).record
    assert second.cloudflare.applied == PLAIN_SHAPE
    assert second.cloudflare.in_flight == WILD_SHAPE
    view = replace(checking_view(), wildcard=wildcard)
    adopted = decided(second, cloudflare=Found(view), performed=Action.CREATE, after=11).record
    assert adopted.cloudflare.id == CLOUDFLARE_ID


def test_a_wildcard_is_served_when_the_certificate_covers_it() -> None:
    record = there(WILD, state=State.VALIDATING, applied=PLAIN_SHAPE)
    assert not serves(record)
    assert serves(there(WILD, state=State.VALIDATING))
