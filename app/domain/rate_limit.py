"""Cloudflare's rate limits: a token bucket for each lane, and a log of creations. Pure.

Cloudflare lets one user make 1,200 calls in five minutes. One call more, and it refuses **every**
call for the next five minutes. It accepts 15 successful creations a minute. A `Bucket` grants no
more, whatever the number of replicas: it is one row in Postgres, changed under its lock.

An acquired call is not given back. An action that has begun may need further calls. They are
debited, and nothing is granted while the lanes together owe. Instants are seconds since the epoch,
of `nameplate_now()`.

`services/rate_limiter` acquires the calls; `persistence/rate_limits` stores the row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Lane(StrEnum):
    """What a call is for. A lane cannot use up the calls of another lane."""

    INTERACTIVE = "interactive"
    """A caller waits for the answer."""
    CREATION = "creation"
    VALIDATION = "validation"
    RESYNC = "resync"


SHARES: Mapping[Lane, float] = {
    Lane.INTERACTIVE: 0.45,
    Lane.CREATION: 0.25,
    Lane.VALIDATION: 0.17,
    Lane.RESYNC: 0.13,
}
"""Each lane's share of the rate and of the burst. What a full lane cannot hold, the others get.

The share of creations is enough for all that a minute allows, with Cloudflare's default limits.
"""
BURST_PART = 1 / 16
"""The part of a window's calls that may be made at once: sixty, with Cloudflare's default."""
BURST_AT_LEAST = 60
MINUTE = 60.0
TENANT_PART = 0.1
"""One tenant's share of a minute's calls in the interactive lane."""
CREATION_MARGIN = 5.0
"""Seconds by which a creation may reach Cloudflare later than the one acquired before it."""
SLOTS = 30
DEFAULT_RETRY_SECONDS = 30.0
"""How long to wait after a 429 that does not say how long."""
_NOTHING = 1e-9
"""Less than this is a rounding error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Cloudflare's limits, and how much of the limit of all calls the service may spend.

    The rest is left to the dashboard's users and to other programs of the same account.
    """

    calls: int = 1200
    window: float = 300.0
    spend: float = 0.8
    creations: int = 15
    creation_window: float = 60.0

    @property
    def spendable(self) -> float:
        """How many calls of one window the service may make."""
        return self.calls * self.spend

    def capacity(self, lane: Lane) -> float:
        """How many calls a lane saves up at most."""
        burst = max(self.spendable * BURST_PART, min(self.spendable / 4, BURST_AT_LEAST))
        return max(1.0, burst * SHARES[lane])

    @property
    def rate(self) -> float:
        """Calls per second. Together with the burst, a window sees no more than `spendable`."""
        return (self.spendable - sum(map(self.capacity, Lane))) / self.window

    @property
    def per_tenant(self) -> int:
        """How many interactive calls one tenant may cause within a minute. More have to wait."""
        return max(4, math.ceil(self.spendable / self.window * MINUTE * TENANT_PART))

    @property
    def spendable_creations(self) -> int:
        """How many creations to make in a window: one in fifteen fewer than Cloudflare allows.

        Latency may move one more creation into a minute.
        """
        return max(1, self.creations * 14 // 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateHeaders:
    """An answer's rate limit headers: calls in all, calls left, seconds until the reset."""

    limit: int
    remaining: int
    reset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The state of one budget. `at` is when the levels were last counted."""

    at: float
    levels: Mapping[Lane, float] = field(default_factory=dict)
    """How many calls each lane has; below zero, how many it owes."""
    blocked_until: float = 0.0
    creations: tuple[float, ...] = ()
    """When each creation of the last window was acquired, oldest first."""
    creations_blocked_until: float = 0.0
    slow_until: float = 0.0
    slow_rate: float = 0.0
    """The rate until `slow_until`, because others spend from the same limit."""
    spent: Mapping[Lane, Mapping[int, int]] = field(default_factory=dict)
    """Calls by lane and by thirtieth of a window."""
    spent_elsewhere: int = 0
    """Calls of others within the window, as the last headers showed."""
    minute_began: float = 0.0
    by_tenant: Mapping[str, int] = field(default_factory=dict)
    """Interactive calls by tenant, in the minute that began at `minute_began`."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What was granted, and the seconds to wait for more if that was not all."""

    bucket: Bucket
    granted: int
    wait: float = 0.0


def full(limits: Limits, now: float) -> Bucket:
    """A budget from which no call was ever acquired."""
    return Bucket(at=now, levels={lane: limits.capacity(lane) for lane in Lane})


def acquire(bucket: Bucket, limits: Limits, lane: Lane, want: int, now: float) -> Grant:
    """Acquire up to `want` calls of `lane`; a call to create is an entry in the log as well."""
    refilled = _refilled(bucket, limits, now)
    granted = min(want, _free(refilled, limits, lane, now))
    if not granted:
        return Grant(bucket, 0, _wait(refilled, limits, lane, now))
    bucket = _spend(refilled, limits, lane, granted, now)
    if lane is Lane.CREATION:
        log = (*_creations(bucket, limits, now), *[now] * granted)
        bucket = replace(bucket, creations=log)
    return Grant(bucket, granted, _wait(bucket, limits, lane, now) if granted < want else 0.0)


def acquire_all(bucket: Bucket, limits: Limits, lane: Lane, calls: int, now: float) -> Grant:
    """Acquire all of `calls` or none, because some of them would be of no use.

    A full lane that holds fewer owes the rest.
    """
    refilled = _refilled(bucket, limits, now)
    needed = min(calls, math.floor(limits.capacity(lane)))
    if _free(refilled, limits, lane, now) >= needed:
        return Grant(_spend(refilled, limits, lane, calls, now), calls)
    return Grant(bucket, 0, _wait(refilled, limits, lane, now, needed))


def acquire_interactive(bucket: Bucket, limits: Limits, tenant: str, now: float) -> Grant:
    """Acquire one interactive call that `tenant` waits for.

    A tenant that keeps asking cannot take the lane from the other tenants.
    """
    left = bucket.minute_began + MINUTE - now
    counts = bucket.by_tenant if left > 0 else {}
    if counts.get(tenant, 0) >= limits.per_tenant:
        return Grant(bucket, 0, left)
    grant = acquire(bucket, limits, Lane.INTERACTIVE, 1, now)
    if not grant.granted:
        return grant
    counted = {**counts, tenant: counts.get(tenant, 0) + 1}
    began = bucket.minute_began if left > 0 else now
    return replace(grant, bucket=replace(grant.bucket, by_tenant=counted, minute_began=began))


def creation_wait(bucket: Bucket, limits: Limits, now: float) -> float:
    """Seconds until the next creation may be acquired, calls aside."""
    log = _creations(bucket, limits, now)
    wait = max(bucket.creations_blocked_until, bucket.blocked_until) - now
    if len(log) >= limits.spendable_creations:
        oldest = log[-limits.spendable_creations]
        wait = max(wait, oldest + limits.creation_window + CREATION_MARGIN - now)
    return max(wait, 0.0)


def expected_wait(bucket: Bucket, limits: Limits, position: int, now: float) -> float:
    """Estimate the seconds until the creation at the given position of the queue begins."""
    spacing = (limits.creation_window + CREATION_MARGIN) / limits.spendable_creations
    rounds = (position - 1) // limits.spendable_creations
    return creation_wait(bucket, limits, now) + (position - 1 - rounds) * spacing


def debit(bucket: Bucket, limits: Limits, lane: Lane, calls: int, now: float) -> Bucket:
    """Count the calls that an action already begun needs, even below zero."""
    return _spend(_refilled(bucket, limits, now), limits, lane, calls, now)


def block(bucket: Bucket, limits: Limits, seconds: float, now: float) -> Bucket:
    """Stop every lane after Cloudflare refused a call for the limit of all calls.

    The bucket is empty when the block ends.
    """
    bucket = _refilled(bucket, limits, now)
    return replace(bucket, levels={}, blocked_until=max(bucket.blocked_until, now + seconds))


def block_creations(bucket: Bucket, seconds: float, now: float) -> Bucket:
    """Stop only creations."""
    until = max(bucket.creations_blocked_until, now + seconds)
    return replace(bucket, creations_blocked_until=until)


def record_headers(bucket: Bucket, limits: Limits, headers: RateHeaders, now: float) -> Bucket:
    """Apply an answer's headers. They lower the number of calls left and never raise it."""
    bucket = _refilled(bucket, limits, now)
    mine = sum(spent(bucket, limits, now).values())
    elsewhere = max(0, headers.limit - headers.remaining - mine)
    bucket = replace(bucket, spent_elsewhere=elsewhere)
    spare = headers.limit * (1 - limits.spend)
    if headers.remaining >= min(spare, limits.calls - limits.spendable):
        return bucket
    # Others used more than was left to them. Share what remains until the reset.
    held = sum(max(level, 0.0) for level in bucket.levels.values())
    left = max(0.0, headers.remaining - sum(map(limits.capacity, Lane)) / 4)
    kept = min(held, left)
    reset = max(headers.reset, 1.0)
    slow = max(0.0, min((left - kept) / reset, limits.rate))
    levels = {
        lane: level * kept / held if level > 0 else level for lane, level in bucket.levels.items()
    }
    return replace(bucket, levels=levels, slow_rate=slow, slow_until=now + reset)


def spent(bucket: Bucket, limits: Limits, now: float) -> dict[Lane, int]:
    """Return the calls of the last window by lane."""
    oldest = _slot(limits, now) - SLOTS
    return {
        lane: sum(n for slot, n in bucket.spent.get(lane, {}).items() if slot > oldest)
        for lane in Lane
    }


def left(bucket: Bucket, limits: Limits, now: float) -> dict[Lane, int]:
    """Return the calls each lane could acquire at once."""
    refilled = _refilled(bucket, limits, now)
    return {lane: _free(refilled, limits, lane, now) for lane in Lane}


def _refilled(bucket: Bucket, limits: Limits, now: float) -> Bucket:
    began = max(bucket.at, min(bucket.blocked_until, now))
    if now <= began:
        return bucket
    slow = max(0.0, min(now, bucket.slow_until) - began)
    gained = slow * bucket.slow_rate + (now - began - slow) * limits.rate
    return replace(bucket, at=now, levels=_poured(bucket.levels, limits, gained))


def _poured(levels: Mapping[Lane, float], limits: Limits, gained: float) -> dict[Lane, float]:
    """Add what was gained, by shares. What a full lane cannot hold goes to the others."""
    filled = {lane: levels.get(lane, 0.0) for lane in Lane}
    while gained > _NOTHING and (room := _room(filled, limits)):
        shares = sum(SHARES[lane] for lane in room)
        # As much as fills the first of them.
        poured = min(gained, *(free * shares / SHARES[lane] for lane, free in room.items()))
        for lane in room:
            filled[lane] += poured * SHARES[lane] / shares
        gained -= poured
    return filled


def _room(levels: Mapping[Lane, float], limits: Limits) -> dict[Lane, float]:
    """Return how much more each lane can hold that is not full."""
    room = {lane: limits.capacity(lane) - levels.get(lane, 0.0) for lane in Lane}
    return {lane: free for lane, free in room.items() if free > _NOTHING}


def _free(bucket: Bucket, limits: Limits, lane: Lane, now: float) -> int:
    if bucket.blocked_until > now:
        return 0
    # What any lane owes lowers what all of them may spend.
    held = min(bucket.levels.get(lane, 0.0), sum(bucket.levels.values()))
    free = max(math.floor(held + _NOTHING), 0)
    if lane is not Lane.CREATION:
        return free
    if creation_wait(bucket, limits, now) > 0:
        return 0
    return min(free, limits.spendable_creations - len(_creations(bucket, limits, now)))


def _wait(bucket: Bucket, limits: Limits, lane: Lane, now: float, calls: int = 1) -> float:
    """Return the seconds until the lane holds so many calls, if the lanes with room share alike."""
    if bucket.blocked_until > now:
        return bucket.blocked_until - now + 1.0
    slow = bucket.slow_until > now
    rate = max(bucket.slow_rate, 0.01) if slow else limits.rate
    share = SHARES[lane] / sum(SHARES[each] for each in {*_room(bucket.levels, limits), lane})
    wait = max(calls - bucket.levels.get(lane, 0.0), 0.0) / (rate * share)
    wait = max(wait, (calls - sum(bucket.levels.values())) / rate)
    if slow:
        wait = min(wait, bucket.slow_until - now + 1.0)
    if lane is Lane.CREATION:
        wait = max(wait, creation_wait(bucket, limits, now))
    return max(wait, 0.05)


def _spend(bucket: Bucket, limits: Limits, lane: Lane, calls: int, now: float) -> Bucket:
    slot = _slot(limits, now)
    counts = {at: n for at, n in bucket.spent.get(lane, {}).items() if at > slot - SLOTS}
    counts[slot] = counts.get(slot, 0) + calls
    levels = {**bucket.levels, lane: bucket.levels.get(lane, 0.0) - calls}
    return replace(bucket, levels=levels, spent={**bucket.spent, lane: counts})


def _creations(bucket: Bucket, limits: Limits, now: float) -> tuple[float, ...]:
    since = now - limits.creation_window - CREATION_MARGIN
    return tuple(at for at in bucket.creations if at > since)


def _slot(limits: Limits, now: float) -> int:
    return math.floor(now / (limits.window / SLOTS))
