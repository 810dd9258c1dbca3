import json

import pytest

from app.domain.custom_hostname import State
from app.domain.events import Event, EventType, event_document, event_type, webhook_body
from app.domain.reason import Reason, WaitingOn
from app.domain.reconcile.decide import Step

from .builders import NOW, live_record

EVENT = Event(
    id="event-1",
    custom_hostname_id="record-1",
    tenant="tenant-1",
    sequence=4,
    type=EventType.CNAME_VERIFIED,
    before=State.ACTIVE,
    after=State.CNAME_VERIFIED,
    reason=Reason.LIVE,
    created_at=NOW,
)
DOCUMENT = {
    "id": "event-1",
    "type": "custom_hostname.cname_verified",
    "subject": "record-1",
    "sequence": 4,
    "created_at": "2026-03-02T12:00:00+00:00",
    "from": "active",
    "to": "cname_verified",
    "reason": "live",
}


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        (None, State.PENDING, "created"),
        (State.PENDING, State.VALIDATING, "validating"),
        (State.FAILED, State.VALIDATING, "validating"),
        (State.ACTIVE, State.VALIDATING, "validating"),
        (State.VALIDATING, State.ACTIVE, "active"),
        (State.ACTIVE, State.CNAME_VERIFIED, "cname_verified"),
        (State.CNAME_VERIFIED, State.ACTIVE, "cname_lost"),
        (State.CNAME_VERIFIED, State.VALIDATING, "cname_lost"),
        (State.CNAME_VERIFIED, State.FAILED, "failed"),
        (State.CNAME_VERIFIED, State.DELETING, "deleting"),
        (State.PENDING, State.FAILED, "failed"),
        (State.DELETING, State.DELETED, "deleted"),
    ],
)
def test_each_step_has_its_event(before: State | None, after: State, name: str) -> None:
    assert event_type(before, after) == f"custom_hostname.{name}"


def test_a_step_knows_its_event() -> None:
    assert (
        Step(State.CNAME_VERIFIED, State.ACTIVE, Reason.AWAITING_CNAME).event_type
        is EventType.CNAME_LOST
    )


def test_the_document_of_an_event() -> None:
    assert event_document(EVENT) == DOCUMENT


def test_the_first_event_comes_from_nowhere() -> None:
    first = Event(
        id="event-1",
        custom_hostname_id="record-1",
        tenant="tenant-1",
        sequence=1,
        type=EventType.CREATED,
        before=None,
        after=State.PENDING,
        reason=Reason.CREATING,
        created_at=NOW,
    )
    assert event_document(first)["from"] is None


def test_the_body_of_a_webhook_is_type_timestamp_and_data() -> None:
    shown = {"id": live_record().id}
    body = webhook_body(EVENT, shown)
    assert body == {
        "type": "custom_hostname.cname_verified",
        "timestamp": "2026-03-02T12:00:00+00:00",
        "data": {"event": DOCUMENT, "custom_hostname": shown},
    }
    assert json.loads(json.dumps(body)) == body


def test_the_body_does_not_change_with_what_it_was_built_from() -> None:
    shown = {"state": "cname_verified"}
    body = webhook_body(EVENT, shown)
    shown["state"] = "failed"
    assert body["data"]["custom_hostname"] == {"state": "cname_verified"}


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_is_found_by_its_code(reason: Reason) -> None:
    assert Reason.of(str(reason)) is reason
    assert str(reason) == reason.name.lower()


@pytest.mark.parametrize("reason", list(Reason))
def test_a_message_is_a_sentence_without_ids_or_times(reason: Reason) -> None:
    assert reason.message.endswith(".")
    assert reason.message[0].isupper()
    assert not any(c.isdigit() or c in "{}%" for c in reason.message)
    assert isinstance(reason.waiting_on, WaitingOn)
