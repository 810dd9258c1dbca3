"""Edges of `decide`, each once a way to lose or to repeat something."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.domain.custom_hostname import CloudflareObject, CustomHostname, Desired, Plan, Schedule
from app.domain.observation import Absent, Action, DnsView, Refused, Unknown, ValidationRecord
from app.domain.plan import records_complete
from app.domain.reason import Reason

from .builders import (
    CNAME_KEY,
    ELSEWHERE,
    HERE,
    SECOND_TOKEN,
    TOKEN,
    at,
    blocked_record,
    checking_view,
    cloudflare_view,
    confirmed,
    decided,
    deleting_record,
    dns_view,
    failed_record,
    hostname_record,
    live_record,
    path,
    pending_record,
    validating_record,
)

LIMITED = Unknown("cloudflare_rate_limited", 300)


@pytest.mark.parametrize(
    "record",
    [pending_record(), validating_record(), deleting_record()],
    ids=["pending", "validating", "deleting"],
)
def test_a_look_that_does_not_ask_cloudflare_keeps_the_wait_it_named(
    record: CustomHostname,
) -> None:
    limited = decided(record, cloudflare=LIMITED).record
    for after in (10, 20, 290):
        checked = decided(limited, dns=HERE, after=after)
        limited = checked.record
        assert checked.action is None
        assert limited.schedule.cloudflare_due_at == at(300)


def test_a_person_gets_no_earlier_past_the_wait_cloudflare_named() -> None:
    limited = decided(validating_record(), cloudflare=LIMITED).record
    woken = replace(
        limited,
        refresh_requested_at=at(20),
        schedule=replace(limited.schedule, cloudflare_due_at=at(20)),
    )
    checked = decided(woken, dns=HERE, after=20)
    assert checked.action is None
    assert checked.record.schedule.cloudflare_due_at == at(300)
    assert decided(checked.record, dns=HERE, after=301).action is Action.REFRESH


def test_a_lost_name_made_again_keeps_the_wait_cloudflare_named() -> None:
    view = cloudflare_view(status="moved")
    moved = confirmed(live_record(), cloudflare=view, dns=ELSEWHERE).record
    lost = confirmed(moved, cloudflare=Absent(), after=100).record
    begun = decided(lost, dns=HERE, after=170).record
    limited = decided(begun, cloudflare=LIMITED, performed=Action.CREATE, after=171).record
    first = decided(limited, dns=HERE, after=180)
    second = decided(first.record, dns=HERE, after=190)
    assert (first.action, second.action) == (None, None)


def refused_after_an_unanswered_post() -> CustomHostname:
    asked = decided(pending_record()).record
    unanswered = decided(asked, cloudflare=Unknown("timeout"), performed=Action.CREATE).record
    again = decided(unanswered, after=5).record
    quota = Refused(1405, "quota exceeded")
    return decided(again, cloudflare=quota, performed=Action.CREATE, after=6).record


def test_a_refused_second_post_keeps_the_beginning_of_the_first() -> None:
    assert refused_after_an_unanswered_post().cloudflare.create_started_at == at(0)


def test_a_name_whose_first_post_had_no_answer_is_looked_up_before_it_is_gone() -> None:
    record = replace(refused_after_an_unanswered_post(), desired=Desired.ABSENT)
    assert path(decided(record, after=10)) == ["deleting"]


@pytest.mark.parametrize(
    "last",
    [
        {"dns": dns_view(routing=Unknown("servfail"))},
        {"dns": DnsView()},
        {"cloudflare": Unknown("timeout")},
    ],
    ids=["DNS unknown", "nothing asked", "Cloudflare unknown"],
)
def test_time_alone_loses_no_contradicted_name(last: dict[str, Any]) -> None:
    record = live_record()
    for after in (0, 300, 540):
        record = decided(record, dns=ELSEWHERE, after=after).record
    assert decided(record, **last, after=605).steps == ()


def test_a_refresh_of_a_failed_name_keeps_its_next_look_until_it_is_answered() -> None:
    asked = decided(replace(failed_record(), refresh_requested_at=at(60)), after=60)
    assert asked.action is Action.CREATE
    assert asked.record.schedule.cloudflare_due_at is not None
    unanswered = decided(
        asked.record, cloudflare=Unknown("timeout"), performed=Action.CREATE, after=60
    ).record
    assert decided(unanswered, after=62).record.schedule.cloudflare_due_at == at(65)


def test_a_refresh_of_a_failed_name_whose_duplicate_is_not_found_goes_on() -> None:
    asked = decided(replace(failed_record(), refresh_requested_at=at(60)), after=60).record
    answered = decided(asked, cloudflare=Absent(), performed=Action.CREATE, after=61).record
    assert answered.schedule.cloudflare_due_at is not None


@pytest.mark.parametrize(
    "ssl_status", ["validation_timed_out", "issuance_timed_out", "deployment_timed_out"]
)
def test_a_person_can_refresh_a_live_name_whose_renewal_timed_out(ssl_status: str) -> None:
    record = replace(live_record(), refresh_requested_at=at(60))
    view = cloudflare_view(ssl_status=ssl_status)
    assert decided(record, cloudflare=view, after=61).action is Action.REFRESH


def test_a_name_that_comes_back_is_refreshed_on_sight_however_often_it_was_before() -> None:
    worn = Schedule(refreshed_at=at(0), refreshed_records=frozenset({CNAME_KEY}), refreshes=4)
    moved = confirmed(
        live_record(schedule=worn),
        cloudflare=cloudflare_view(status="moved"),
        dns=ELSEWHERE,
        after=300 * 86400,
    ).record
    assert decided(moved, dns=HERE, after=301 * 86400).action is Action.REFRESH


def test_a_record_that_went_and_came_back_is_newly_found() -> None:
    asked = decided(validating_record(), dns=HERE).record
    done = decided(asked, cloudflare=checking_view(), performed=Action.REFRESH).record
    gone = decided(done, dns=ELSEWHERE, after=60).record
    assert decided(gone, dns=HERE, after=800).action is Action.REFRESH


def test_a_wildcard_does_not_adopt_an_object_without_its_wildcard() -> None:
    begun = CloudflareObject(create_started_at=at(10), create_tried_at=at(10))
    record = hostname_record(name="*.shop.tenant.com", plan=Plan.ZERO_DOWNTIME, cloudflare=begun)
    view = cloudflare_view(wildcard=False)
    answered = decided(record, cloudflare=view, performed=Action.CREATE, after=11)
    assert answered.record.reason is Reason.ALREADY_IN_ZONE


@pytest.mark.parametrize(
    ("name", "known", "shown"),
    [
        pytest.param(
            "shop.tenant.com",
            (TOKEN,),
            (ValidationRecord(http_url="http://x/", http_body="b"),),
            id="HTTP",
        ),
        pytest.param(
            "*.shop.tenant.com", (TOKEN, SECOND_TOKEN), (SECOND_TOKEN,), id="one of two served"
        ),
    ],
)
def test_tokens_once_seen_stay_when_cloudflare_shows_fewer(
    name: str, known: tuple[ValidationRecord, ...], shown: tuple[ValidationRecord, ...]
) -> None:
    record = validating_record(name=name, plan=Plan.ZERO_DOWNTIME, tokens=known)
    view = cloudflare_view(status="pending", ssl_status="pending_validation", tokens=shown)
    assert records_complete(decided(record, cloudflare=view).record)


def test_a_blocked_name_that_vanished_says_so() -> None:
    gone = confirmed(blocked_record(), cloudflare=Absent()).record
    assert gone.reason is Reason.MISSING_AT_CLOUDFLARE


def test_an_endless_wait_is_survived() -> None:
    endless = Unknown("cloudflare_rate_limited", float("inf"))
    waiting = decided(pending_record(), cloudflare=endless, performed=Action.CREATE).record
    assert waiting.schedule.cloudflare_due_at is not None
