"""When to check a hostname again or retry a delivery. Pure: time and chance are passed in."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.cloudflare_terms import CertificateMeaning, certificate_meaning, waits_for_renewal
from app.domain.custom_hostname import (
    AWAITED_FOR,
    LIVE,
    CustomHostname,
    Purpose,
    RecordStatus,
    Schedule,
    State,
)
from app.domain.observation import Observation, Unknown
from app.domain.plan import records_complete, wanted_records
from app.domain.reason import Reason, WaitingOn

DAY = timedelta(days=1)
ALL_FOUND = timedelta(minutes=2)
"""While all the records asked of the tenant are present, the checks are at least this far apart."""
DNS_FAILURE_MOST = timedelta(minutes=5)
FOLLOW = (10, 40, 55, 70, 90, 115, 150, 200, 280, 420, 600)
"""Seconds after a creation, a refresh or news of progress at which Cloudflare is checked, if what
it waited for is present. A certificate is issued and deployed within these minutes."""
TOKENS = (3, 6, 12, 20, 30, 45, *range(60, 601, 60))
"""The same while Cloudflare still prepares tokens, which takes it a few seconds."""
TRIES = 75
"""How often Cloudflare checks for a proof before it gives up, over about seven days."""
SLOW_FROM = 10
LONGEST_WAIT = 4 * 3600
ONCE = (10,)
"""The same while the tenant has to act. What blocks the name shows at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The waits that are choices of ours, not facts."""

    proxied_for: timedelta = timedelta(hours=1)
    """How long a hostname has to stay active, after it was first seen proxied, to count as pointing
    here. A token that made it active proves ownership, not traffic."""
    adoption_skew: timedelta = timedelta(seconds=60)
    """How far Cloudflare's clock may lag behind ours."""
    post_settles: timedelta = timedelta(seconds=30)
    """For how long after a POST a hostname that is absent may still appear."""
    mismatches: int = 3
    mismatched_for: timedelta = timedelta(minutes=10)
    mismatch_checks: tuple[timedelta, ...] = (
        timedelta(minutes=5),
        timedelta(minutes=10, seconds=5),
    )
    refresh_again: tuple[timedelta, ...] = (
        timedelta(minutes=10),
        timedelta(hours=1),
        timedelta(hours=4),
        timedelta(hours=24),
    )
    """Waits before the no-change PATCH is sent again for the same records."""
    refreshes_a_day: int = 5
    next_try_soon: timedelta = timedelta(seconds=15)
    """If Cloudflare checks sooner than this by itself, no refresh is sent."""
    remade_again: timedelta = DAY
    """How long a hostname that was recreated for its certificate is not recreated again."""
    gives_up_after: timedelta = timedelta(days=30)
    proof_within: timedelta = timedelta(days=14)
    """How long a proof of control is awaited. Who is asked for one has the DNS at hand, or never
    will."""
    fast_for: timedelta = timedelta(minutes=10)
    """How long DNS is checked every few seconds after a caller's act: a fast period. Who has just
    entered a record at the DNS provider watches for it that long."""
    fast_interval: timedelta = timedelta(seconds=10)
    fast_periods_a_day: int = 6
    """An hour of fast checks a day, however often somebody presses "check now"."""
    confirm_after: timedelta = timedelta(seconds=60)
    """When a report of Cloudflare's against a hostname is checked again, and then believed."""
    confirm_for_person: timedelta = timedelta(seconds=15)
    """The same within a minute of a caller's refresh."""
    deleting_again: timedelta = timedelta(seconds=10)
    failure_wait: timedelta = timedelta(seconds=5)
    failure_wait_most: timedelta = timedelta(minutes=5)
    action_wait_most: timedelta = timedelta(minutes=15)
    """The same for a PATCH without an answer. Checks go on in the meantime."""
    deleting_wait_most: timedelta = timedelta(minutes=10)


def dns_due_at(record: CustomHostname, *, now: datetime, policy: Policy) -> datetime | None:
    """When to check the name's DNS next. None while a check could change nothing."""
    match record.state:
        case State.VALIDATING | State.ACTIVE:
            interval = _dns_interval(record, now, policy)
            return now + _stretched(interval, record.schedule.dns_failures)
        case State.CNAME_VERIFIED:
            return _live_dns(record, now, policy)
        case State.DELETED:
            return _own_hour(record.id, now) if record.tombstone else None
        case State.FAILED:
            if record.tombstone:
                return _own_hour(record.id, now)
            # Check once more when the time to add the records is over.
            return last_check_at(record, now, policy) if record.cloudflare.id is not None else None
        case State.PENDING if proof_is_late(record, now=now, policy=policy):
            # Only an answer ends the wait, and its name servers give none.
            return _own_hour(record.id, now)
        case State.PENDING if record.awaits_proof:
            interval = _tenants_interval(record, now, policy)
            return now + _stretched(interval, record.schedule.dns_failures)
        case State.PENDING | State.DELETING:
            return None


def proof_is_late(record: CustomHostname, *, now: datetime, policy: Policy) -> bool:
    """Whether the time is over in which a proof of control is awaited."""
    since = record.schedule.waiting_since or record.wanted_at
    return record.awaits_proof and now - since >= policy.proof_within


def begin_fast_period(record: CustomHostname, *, now: datetime, policy: Policy) -> Schedule:
    """Return the schedule, with the fast period that the caller's last act begins, if it does.

    An act within a fast period belongs to it: it neither counts nor makes the period longer. Once
    the day's periods are used up, an act changes nothing but that DNS is checked at once. Names
    whose DNS is not watched for the tenant's records use up none.
    """
    schedule, acted_at = record.schedule, record.acted_at
    is_watched = record.state in {State.VALIDATING, State.ACTIVE} or record.awaits_proof
    began = schedule.fast_from
    is_within = began is not None and acted_at < began + policy.fast_for
    if not is_watched or is_within or now - acted_at >= policy.fast_for:
        return schedule
    day = schedule.fast_periods_on
    if day is None or now - day >= DAY:
        return replace(schedule, fast_from=acted_at, fast_periods_on=now, fast_periods_today=1)
    if schedule.fast_periods_today >= policy.fast_periods_a_day:
        return schedule
    today = schedule.fast_periods_today + 1
    return replace(schedule, fast_from=acted_at, fast_periods_today=today)


def cloudflare_due_at(
    record: CustomHostname, observation: Observation, *, now: datetime, policy: Policy
) -> datetime | None:
    """When to check this one name at Cloudflare. None while the list scans are enough."""
    if record.state is State.DELETED or record.awaits_proof:
        return None
    if isinstance(observation.cloudflare, Unknown):
        return now + failure_wait(record, observation.cloudflare, policy)
    leaving = record.schedule.removal is not None and record.cloudflare.id is not None
    if record.state is State.DELETING or leaving:
        failed = record.schedule.cloudflare_failures > 0
        return now + (_backed_off(record, policy) if failed else _removal_wait(record, now, policy))
    if record.cloudflare.id is None:
        remade = record.schedule.removal is not None
        to_create = record.state is State.PENDING or record.refresh_is_requested or remade
        return now + _backed_off(record, policy) if to_create else None
    suspected = record.schedule.suspected_at
    if suspected is not None:
        confirmed = suspected + confirm_after(record, now, policy)
        return max(confirmed, now + policy.failure_wait)
    looks = (next_follow_up(record, now), _proxied_due_at(record, now, policy))
    return min((at for at in looks if at is not None), default=None)


def _proxied_due_at(record: CustomHostname, now: datetime, policy: Policy) -> datetime | None:
    """When to ask whether a proxied name is still active, which confirms its traffic."""
    routing = record.dns.routing
    if routing is None or not routing.is_hidden or routing.active_since is None:
        return None
    return max(routing.active_since + policy.proxied_for, now + policy.failure_wait)


def confirm_after(record: CustomHostname, now: datetime, policy: Policy) -> timedelta:
    """How long after a first check a second one is believed. Shorter after a caller's refresh."""
    asked = record.refresh_requested_at
    waits = asked is not None and now - asked < AWAITED_FOR
    return policy.confirm_for_person if waits else policy.confirm_after


def last_check_at(record: CustomHostname, now: datetime, policy: Policy) -> datetime | None:
    """When to check whether to give up a name that was never set up; list scans do not do that."""
    is_there = record.cloudflare.id is not None
    waits = record.state in {State.FAILED, State.VALIDATING}
    if not (is_there and waits) or LIVE & record.arrived_at.keys():
        return None
    since = record.schedule.waiting_since or record.wanted_at
    return max(since + policy.gives_up_after, now + DAY)


def next_follow_up(record: CustomHostname, now: datetime) -> datetime | None:
    """The next of the close checks that follow a creation, a refresh or news of progress."""
    began = record.schedule.followed_from
    if began is None:
        return None
    steps = (began + timedelta(seconds=seconds) for seconds in _ladder(record))
    return next((at for at in steps if at > now), None)


def cloudflare_next_try(began: datetime, now: datetime) -> datetime | None:
    """When Cloudflare itself checks the proofs next. None once it gave up.

    Source: the back-off schedule of hostname validation, which certificates share. It begins with
    the creation and with each refresh, both of which also make Cloudflare check.
    """
    at = began
    for number in range(TRIES):
        growth = 1.05 if number < SLOW_FROM else 1.15
        at += timedelta(seconds=min(int(60 * growth**number), LONGEST_WAIT))
        if at > now:
            return at
    return None


def _stretched(interval: timedelta, failures: int) -> timedelta:
    """Ask dead name servers less often, so that their names do not hold up the others."""
    return max(interval, min(interval * (1 << min(failures, 10)), DNS_FAILURE_MOST))


def _dns_interval(record: CustomHostname, now: datetime, policy: Policy) -> timedelta:
    wanted = _tenants_interval(record, now, policy)
    all_there = all(each.status is RecordStatus.FOUND for each in wanted_records(record))
    if record.state is State.VALIDATING and all_there:
        # Cloudflare has to act next. DNS could only show that a record disappeared again.
        return max(wanted, ALL_FOUND)
    return wanted


def _tenants_interval(record: CustomHostname, now: datetime, policy: Policy) -> timedelta:
    began = record.schedule.fast_from
    if began is not None and now - began < policy.fast_for:
        return policy.fast_interval
    # `waiting_since` is moved past a pause of the zone, which must not count; `wanted_at` is not.
    since = now - (record.schedule.waiting_since or record.wanted_at)
    if since < timedelta(hours=1):
        return timedelta(minutes=1)
    if since < timedelta(days=3):
        return timedelta(minutes=2)
    if since < timedelta(days=7):
        return timedelta(minutes=10)
    return timedelta(hours=1)


def _live_dns(record: CustomHostname, now: datetime, policy: Policy) -> datetime:
    began = record.schedule.mismatched_at
    if began is None:
        return min(_own_hour(record.id, now), now + _renewal_interval(record))
    looks = (began + wait for wait in policy.mismatch_checks)
    return next((at for at in looks if at > now), now + policy.mismatch_checks[0])


def _renewal_interval(record: CustomHostname) -> timedelta:
    """Check for the new tokens of a wildcard's renewal. Other live names are checked daily."""
    view = record.cloudflare.seen
    if view is None or not record.hostname.is_wildcard or not waits_for_renewal(view):
        return 2 * DAY
    if record.reason is Reason.RENEWAL_TOKENS_MISSING:
        return timedelta(hours=1)
    tokens = (r for r in wanted_records(record) if r.purpose is Purpose.CERTIFICATE)
    unheard = any(r.status is RecordStatus.UNKNOWN for r in tokens)
    return _stretched(timedelta(minutes=1), record.schedule.dns_failures) if unheard else 2 * DAY


def _own_hour(record_id: str, now: datetime) -> datetime:
    """Give each record its own instant of the day, so that daily checks are spread evenly."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + timedelta(seconds=zlib.crc32(record_id.encode()) % 86400)
    while at <= now + timedelta(hours=1):
        at += DAY
    return at


def failure_wait(record: CustomHostname, unknown: Unknown, policy: Policy) -> timedelta:
    """How long to wait after an `Unknown`: the back-off, or what Cloudflare asked if longer."""
    asked = min(unknown.retry_after or 0.0, DAY.total_seconds())
    return max(_backed_off(record, policy), timedelta(seconds=asked))


def _backed_off(record: CustomHostname, policy: Policy) -> timedelta:
    doublings = min(max(record.schedule.cloudflare_failures - 1, 0), 10)
    return min(policy.failure_wait * (1 << doublings), policy.failure_wait_most)


def action_wait(failures: int, policy: Policy) -> timedelta:
    """How long to wait before repeating a PATCH that got no answer `failures` times in a row."""
    return min(policy.failure_wait * (1 << min(failures - 1, 10)), policy.action_wait_most)


def _removal_wait(record: CustomHostname, now: datetime, policy: Policy) -> timedelta:
    """Check less and less often while Cloudflare takes long to remove the hostname."""
    since = record.arrived_at.get(State.DELETING, now)
    return min(max(policy.deleting_again, (now - since) / 4), policy.deleting_wait_most)


def _ladder(record: CustomHostname) -> tuple[int, ...]:
    view = record.cloudflare.seen
    if view is None:
        return ()
    if record.state in LIVE:
        if certificate_meaning(view) is CertificateMeaning.ACTIVE:
            return ()
        return FOLLOW if records_complete(record) else TOKENS
    if record.state is not State.VALIDATING:
        return ()
    if not records_complete(record):
        return TOKENS
    # A record that is present but wrong, or a CAA record in the way, is not worth following.
    return ONCE if record.reason.waiting_on is WaitingOn.TENANT else FOLLOW
