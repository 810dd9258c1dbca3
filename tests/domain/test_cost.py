"""What a hostname costs of the budget of calls to Cloudflare."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from app.domain.custom_hostname import CustomHostname, State
from app.domain.observation import (
    Action,
    CloudflareHostname,
    DnsView,
    Found,
    NotAsked,
    Observation,
    Routing,
)
from app.domain.reconcile.decide import decide
from app.domain.reconcile.schedule import cloudflare_next_try

from .builders import (
    HERE,
    NOW,
    NOWHERE,
    POLICY,
    checking_view,
    cloudflare_view,
    dns_view,
    pending_record,
)

SCAN = timedelta(minutes=5)


@dataclass
class Course:
    """A name at Cloudflare, whose tenant points it here so late, and how long Cloudflare takes."""

    points_after: timedelta
    takes: timedelta
    calls: int = 0
    asked: timedelta = timedelta()
    own_look: datetime | None = NOW
    """When Cloudflare looks by itself the next time."""
    validated: timedelta | None = None

    def routing(self, age: timedelta) -> Routing:
        return HERE if age >= self.points_after else NOWHERE

    def view(self, age: timedelta) -> CloudflareHostname:
        self._look(age)
        if self.validated is None:
            return checking_view()
        issued = age - self.validated >= self.takes
        return cloudflare_view(ssl_status="active" if issued else "pending_issuance")

    def action(self, action: Action, age: timedelta) -> CloudflareHostname:
        assert action is not Action.DELETE
        self._look(age)
        self.calls += 1
        self.asked, self.own_look = age, NOW + age
        if self.validated is None and age >= self.points_after:
            self.validated = age
        return self.view(age)

    def _look(self, age: timedelta) -> None:
        """Do what Cloudflare did by itself until now: look on its back-off schedule."""
        while self.validated is None and (at := self.own_look) is not None and at <= NOW + age:
            if at - NOW >= self.points_after:
                self.validated = at - NOW
            self.own_look = cloudflare_next_try(NOW + self.asked, at)


def live_through(course: Course) -> CustomHostname:
    """Look whenever one is due, and scan the lists every five minutes, until the name is live."""
    record, now, scanned = pending_record(), NOW, NOW
    while record.state is not State.CNAME_VERIFIED:
        age = now - NOW
        schedule = record.schedule
        single = record.cloudflare.id is not None and (
            schedule.cloudflare_due_at is not None and schedule.cloudflare_due_at <= now
        )
        course.calls += single
        scan = record.cloudflare.id is not None and now - scanned >= SCAN
        scanned = now if scan else scanned
        asks_dns = schedule.dns_due_at is not None and schedule.dns_due_at <= now
        look = Observation(
            cloudflare=Found(course.view(age)) if single or scan else NotAsked(),
            dns=dns_view(routing=course.routing(age)) if asks_dns else DnsView(),
        )
        checked = decide(record, look, now=now, policy=POLICY)
        record = checked.record
        if checked.action is not None:
            answer = Observation(
                cloudflare=Found(course.action(checked.action, age)), performed=checked.action
            )
            record = decide(record, answer, now=now, policy=POLICY).record
        due = record.schedule.next_check_at
        now = max(now + timedelta(seconds=1), min(due or scanned + SCAN, scanned + SCAN))
    return record


@pytest.mark.parametrize(
    ("points_after", "most"),
    [
        pytest.param(timedelta(hours=2), 8, id="two hours after the POST"),
        pytest.param(timedelta(days=20), 8, id="twenty days after"),
    ],
)
def test_from_post_to_active_a_simple_name_costs_few_calls(
    points_after: timedelta, most: int
) -> None:
    # The median of issuance and deployment.
    course = Course(points_after, takes=timedelta(seconds=45))
    live_through(course)
    assert course.calls <= most


@pytest.mark.parametrize(
    "points_after", [5, 61, 150, 400, 700, 760, 900, 1200, 1500, 3000, 7000, 20_000, 90_000]
)
def test_no_tenant_waits_longer_than_two_minutes_for_cloudflare_to_look(points_after: int) -> None:
    course = Course(timedelta(seconds=points_after), takes=timedelta(seconds=45))
    live_through(course)
    assert course.validated is not None
    dns_interval = timedelta(minutes=2)
    assert course.validated - course.points_after <= dns_interval + timedelta(minutes=2)


@pytest.mark.parametrize("points_after", [5, 61, 150, 400, 580])
def test_a_quick_tenant_waits_seconds_for_cloudflare_to_look(points_after: int) -> None:
    course = Course(timedelta(seconds=points_after), takes=timedelta(seconds=45))
    live_through(course)
    assert course.validated is not None
    dns_interval, next_try_soon = timedelta(seconds=10), POLICY.next_try_soon
    assert course.validated - course.points_after <= dns_interval + next_try_soon


@pytest.mark.parametrize("takes", [10, 30, 45, 90, 180, 400, 580])
def test_a_certificate_is_seen_soon_after_it_is_there(takes: int) -> None:
    course = Course(timedelta(hours=2), takes=timedelta(seconds=takes))
    live = live_through(course)
    assert course.validated is not None
    there = NOW + course.validated + course.takes
    late = live.arrived_at[State.ACTIVE] - there
    assert late <= max(timedelta(seconds=20), 0.5 * course.takes)
