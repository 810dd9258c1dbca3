"""What the API changed while a worker looked or acted, and what is written of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.domain.custom_hostname import CloudflareObject, CustomHostname, Desired, Plan, State
from app.domain.observation import Action, Refused
from app.domain.options import Options, Tls
from app.domain.reconcile.decide import Transition
from app.domain.reconcile.merge import merge_concurrent_changes

from .builders import (
    HERE,
    NOW,
    at,
    cloudflare_view,
    decided,
    deleting_record,
    failed_record,
    live_record,
    pending_record,
    validating_record,
)


def written(
    transition: Transition,
    read: CustomHostname,
    *,
    performed: Action | None = None,
    **changes: Any,
) -> Transition:
    """Write over the row as it was read, but for what the API changed meanwhile."""
    current = replace(read, **changes)
    return merge_concurrent_changes(
        transition, read=read, current=current, performed=performed, now=at(5)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"options": Options(tls=Tls(min_tls_version="1.2")), "revision": 7},
        {"metadata": {"shop": "7"}, "revision": 7},
        {"redirect_to": "www.shop.com", "revision": 7},
        {"plan": Plan.ZERO_DOWNTIME, "revision": 7},
        {"refresh_requested_at": at(3), "acted_at": at(3)},
        {"desired": Desired.ABSENT, "wanted_at": at(3)},
        {"sequence": 9},
        {"name_released_at": at(3), "desired": Desired.ABSENT, "revision": 7},
    ],
    ids="+".join,
)
def test_what_is_wished_is_the_rows_and_what_was_seen_is_the_looks(changes: dict[str, Any]) -> None:
    read = validating_record()
    checked = decided(read, cloudflare=cloudflare_view(), dns=HERE)
    assert checked.record.state is State.CNAME_VERIFIED
    record = written(checked, read, **changes).record
    assert {name: getattr(record, name) for name in changes} == changes
    assert record.cloudflare.seen == checked.record.cloudflare.seen
    assert (record.state, record.dns) == (checked.record.state, checked.record.dns)


def test_a_zone_that_was_set_up_anew_keeps_what_the_look_learned_of_it() -> None:
    read = live_record()
    learned = replace(read.zone, takes_custom_metadata=False, dcv_uuid="abcd0123")
    checked = Transition(replace(read, zone=learned))
    record = written(
        checked, read, zone=replace(read.zone, cname_target="clients.provider.net")
    ).record
    assert record.zone == replace(learned, cname_target="clients.provider.net")


ACTS = [
    pytest.param(Action.CREATE, pending_record(), False, id="create"),
    pytest.param(Action.REFRESH, validating_record(), False, id="refresh"),
    pytest.param(Action.EDIT, live_record(), False, id="edit"),
    pytest.param(Action.DELETE, deleting_record(), True, id="delete"),
    pytest.param(Action.EDIT, deleting_record(), True, id="edit that lets the sibling have it"),
]


@pytest.mark.parametrize(("action", "read", "remains"), ACTS)
def test_of_a_name_wished_gone_nothing_is_done_but_what_removes_it(
    action: Action, read: CustomHostname, *, remains: bool
) -> None:
    decision = Transition(read, action=action)
    assert written(decision, read, desired=Desired.ABSENT).action is (action if remains else None)
    assert written(decision, replace(read, desired=Desired.PRESENT)).action is action


def test_a_creation_that_is_called_off_leaves_no_note_of_its_beginning() -> None:
    read = pending_record()
    begun = CloudflareObject(create_started_at=NOW, create_tried_at=NOW)
    begins = Transition(replace(read, cloudflare=begun), action=Action.CREATE)
    assert written(begins, read).record.cloudflare == begun
    called_off = written(begins, read, desired=Desired.ABSENT)
    assert called_off.record.cloudflare == read.cloudflare
    earlier = CloudflareObject(create_started_at=at(-60), create_tried_at=at(-60))
    tried = replace(read, cloudflare=earlier)
    again = Transition(replace(tried, cloudflare=begun), action=Action.CREATE)
    assert written(again, tried, desired=Desired.ABSENT).record.cloudflare == earlier


@pytest.mark.parametrize(
    ("revision", "performed", "asks_again"),
    [(1, Action.CREATE, False), (2, Action.CREATE, True), (2, None, False)],
    ids=["nothing changed", "changed while the act ran", "only looked"],
)
def test_a_refusal_of_what_was_changed_meanwhile_is_tried_once_more(
    revision: int, performed: Action | None, *, asks_again: bool
) -> None:
    read = pending_record()
    refused = decided(read, cloudflare=Refused(1414, "No such origin."), performed=Action.CREATE)
    assert refused.record.state is State.FAILED
    record = written(refused, read, performed=performed, revision=revision).record
    assert record.refresh_requested_at == (at(5) if asks_again else None)


def test_what_had_failed_before_is_not_tried_again_for_a_change() -> None:
    read = failed_record()
    record = written(Transition(read), read, performed=Action.CREATE, revision=3).record
    assert record.refresh_requested_at is None
