"""Cloudflare's rate limits: a token bucket for all calls, a log of creations, and lanes. Pure.

Cloudflare lets one user make 1,200 calls in five minutes. One call more, and it refuses **every**
call for the next five minutes. It accepts 15 successful creations a minute. A `Bucket` never lets
more out, whatever the number of replicas: it is one row in Postgres, changed under its lock. An
acquired call is not given back. Instants are seconds since the epoch, of `nameplate_now()`.

`services/rate_limiter` acquires the calls; `persistence/rate_limits` stores the row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Lane(StrEnum):
    """What a call is for. A lane cannot use up the calls of another lane."""

    INTERACTIVE = "interactive"
    """A caller waits for the answer."""
    CREATION = "creation"
    VALIDATION = "validation"
    RESYNC = "resync"


SHARES: Mapping[Lane, float] = {Lane.CREATION: 0.2, Lane.VALIDATION: 0.45, Lane.RESYNC: 0.35}
"""How the other lanes divide the rate while more than one of them wants it."""
INTERACTIVE_MOST = 0.75
"""The part of the rate that interactive calls may take while other lanes are refused."""
BURST_PART = 1 / 16
"""The part of a window's calls that may be made at once: sixty, with Cloudflare's default."""
BURST_AT_LEAST = 60
INTERACTIVE_PART = 2 / 3
CONTENDED_SECONDS = 5.0
"""A lane that was refused within this time still wants its share."""
MINUTE = 60.0
TENANT_PART = 0.1
"""One tenant's share of a minute's calls in the interactive lane."""
CREATION_MARGIN = 5.0
"""Seconds by which a creation may reach Cloudflare later than the one acquired before it."""
SLOTS = 30
DEFAULT_RETRY_SECONDS = 30.0
"""How long to wait after a 429 that does not say how long."""
BEYOND_SHARE_EVERY = 5
"""One slot in five goes to a queue position beyond its tenant's share."""


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
    def ours(self) -> float:
        """How many calls of one window the service may make."""
        return self.calls * self.spend

    @property
    def burst(self) -> float:
        """How many calls may be made at once after a quiet time."""
        return max(self.ours * BURST_PART, min(self.ours / 4, BURST_AT_LEAST))

    @property
    def reserve(self) -> float:
        """The part of the burst that only interactive calls may use."""
        return self.burst * INTERACTIVE_PART

    @property
    def rate(self) -> float:
        """Calls per second. Together with the burst, a window never sees more than `ours`."""
        return (self.ours - self.burst) / self.window

    @property
    def a_tenants(self) -> int:
        """How many interactive calls one tenant may cause within a minute. More have to wait."""
        return max(4, math.ceil(self.ours / self.window * MINUTE * TENANT_PART))

    @property
    def our_creations(self) -> int:
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
    """The state of one budget. `at` is when `tokens` and `credits` were last counted."""

    at: float
    tokens: float
    credits: Mapping[Lane, float] = field(default_factory=dict)
    refused_at: Mapping[Lane, float] = field(default_factory=dict)
    blocked_until: float = 0.0
    creations: tuple[float, ...] = ()
    """When each creation of the last window was acquired, oldest first."""
    creations_blocked_until: float = 0.0
    slow_until: float = 0.0
    slow_rate: float = 0.0
    """The rate until `slow_until`, because others spend from the same limit."""
    spent: Mapping[Lane, Mapping[int, int]] = field(default_factory=dict)
    """Calls by lane and by thirtieth of a window."""
    others: int = 0
    """Calls of others within the window, as the last headers showed."""
    ranks_served: Mapping[Lane, int] = field(default_factory=dict)
    """The call queue's rank served last, by lane."""
    served: int = 0
    """How many queue positions were served. Every fifth is one beyond its tenant's share."""
    people_since: float = 0.0
    people: Mapping[str, int] = field(default_factory=dict)
    """Interactive calls by tenant, in the minute that began at `people_since`."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What was granted, and the seconds to wait for more if that was not all."""

    bucket: Bucket
    granted: int
    wait: float = 0.0


def full(limits: Limits, now: float) -> Bucket:
    """A budget from which no call was ever acquired."""
    return Bucket(at=now, tokens=limits.burst)


def acquire(bucket: Bucket, limits: Limits, lane: Lane, want: int, now: float) -> Grant:
    """Acquire up to `want` calls for `lane`."""
    bucket = _refilled(bucket, limits, now)
    granted = min(want, _affordable(bucket, limits, lane, now))
    if granted < want:
        bucket = replace(bucket, refused_at={**bucket.refused_at, lane: now})
    if granted <= 0:
        return Grant(bucket, 0, _wait(bucket, limits, lane, now))
    had = bucket.credits.get(lane, limits.burst if lane is Lane.INTERACTIVE else 0.0)
    saved = {**bucket.credits, lane: max(had - granted, 0.0)}
    taken = replace(bucket, tokens=bucket.tokens - granted, credits=saved)
    wait = _wait(taken, limits, lane, now) if granted < want else 0.0
    return Grant(_count(taken, limits, lane, granted, now), granted, wait)


def acquire_all(bucket: Bucket, limits: Limits, lane: Lane, calls: int, now: float) -> Grant:
    """Acquire all of `calls` or none, because some of them would be of no use."""
    grant = acquire(bucket, limits, lane, calls, now)
    if grant.granted == calls:
        return grant
    lacking = max(calls - grant.bucket.tokens - grant.granted, 0.0)
    return Grant(_refilled(bucket, limits, now), 0, max(grant.wait, lacking / limits.rate))


def acquire_interactive(bucket: Bucket, limits: Limits, tenant: str, now: float) -> Grant:
    """Acquire one interactive call that `tenant` waits for.

    A tenant that keeps asking cannot take the lane from the other tenants.
    """
    left = bucket.people_since + MINUTE - now
    people = bucket.people if left > 0 else {}
    if people.get(tenant, 0) >= limits.a_tenants:
        return Grant(bucket, 0, left)
    grant = acquire(bucket, limits, Lane.INTERACTIVE, 1, now)
    if not grant.granted:
        return grant
    counted = {**people, tenant: people.get(tenant, 0) + 1}
    since = bucket.people_since if left > 0 else now
    return replace(grant, bucket=replace(grant.bucket, people=counted, people_since=since))


def acquire_creation(bucket: Bucket, limits: Limits, lane: Lane, now: float) -> Grant:
    """Acquire one creation: an entry in the minute's log, and a call of `lane`."""
    bucket = _forget_creations(bucket, limits, now)
    wait = creation_wait(bucket, limits, now)
    if wait > 0:
        return Grant(bucket, 0, wait)
    grant = acquire(bucket, limits, lane, 1, now)
    if not grant.granted:
        return grant
    return replace(grant, bucket=replace(grant.bucket, creations=(*grant.bucket.creations, now)))


def creation_wait(bucket: Bucket, limits: Limits, now: float) -> float:
    """Seconds until the next creation may be acquired, calls aside."""
    bucket = _forget_creations(bucket, limits, now)
    wait = max(bucket.creations_blocked_until, bucket.blocked_until) - now
    if len(bucket.creations) >= limits.our_creations:
        oldest = bucket.creations[-limits.our_creations]
        wait = max(wait, oldest + limits.creation_window + CREATION_MARGIN - now)
    return max(wait, 0.0)


def expected_wait(bucket: Bucket, limits: Limits, position: int, now: float) -> float:
    """Estimate the seconds until the creation at the given position of the queue begins."""
    spacing = (limits.creation_window + CREATION_MARGIN) / limits.our_creations
    rounds = (position - 1) // limits.our_creations
    return creation_wait(bucket, limits, now) + (position - 1 - rounds) * spacing


def debit(bucket: Bucket, limits: Limits, lane: Lane, calls: int, now: float) -> Bucket:
    """Count the calls that an action already begun needs, even below zero."""
    bucket = _refilled(bucket, limits, now)
    owing = replace(bucket, tokens=bucket.tokens - calls)
    return _count(owing, limits, lane, calls, now)


def block(bucket: Bucket, limits: Limits, seconds: float, now: float) -> Bucket:
    """Stop every lane after Cloudflare refused a call for the limit of all calls.

    The bucket is empty when the block ends.
    """
    bucket = _refilled(bucket, limits, now)
    return replace(
        bucket, tokens=0.0, credits={}, blocked_until=max(bucket.blocked_until, now + seconds)
    )


def block_creations(bucket: Bucket, seconds: float, now: float) -> Bucket:
    """Stop only creations."""
    until = max(bucket.creations_blocked_until, now + seconds)
    return replace(bucket, creations_blocked_until=until)


def record_headers(bucket: Bucket, limits: Limits, heard: RateHeaders, now: float) -> Bucket:
    """Apply an answer's headers. They lower the number of calls left and never raise it."""
    bucket = _refilled(bucket, limits, now)
    ours = sum(spent(bucket, limits, now).values())
    bucket = replace(bucket, others=max(0, heard.limit - heard.remaining - ours))
    spare = heard.limit * (1 - limits.spend)
    if heard.remaining >= min(spare, limits.calls - limits.ours):
        return bucket
    # Others used more than was left to them. Share what remains until the reset.
    left = max(0.0, heard.remaining - limits.burst / 4)
    reset = max(heard.reset, 1.0)
    tokens = min(bucket.tokens, left)
    slow = min((left - tokens) / reset, limits.rate)
    return replace(bucket, tokens=tokens, slow_rate=max(slow, 0.0), slow_until=now + reset)


def spent(bucket: Bucket, limits: Limits, now: float) -> dict[Lane, int]:
    """Return the calls of the last window by lane."""
    oldest = _slot(limits, now) - SLOTS
    return {
        lane: sum(n for slot, n in bucket.spent.get(lane, {}).items() if slot > oldest)
        for lane in Lane
    }


def left(bucket: Bucket, limits: Limits, now: float) -> dict[Lane, int]:
    """Return the calls each lane could acquire at once. One lane's calls may reduce another's."""
    refilled = _refilled(bucket, limits, now)
    return {lane: _affordable(refilled, limits, lane, now) for lane in Lane}


def is_slot_beyond_share(served: int) -> bool:
    """Whether the next slot goes to a queue position beyond its tenant's share."""
    return served % BEYOND_SHARE_EVERY == BEYOND_SHARE_EVERY - 1


def may_serve(bucket: Bucket, limits: Limits, lane: Lane, now: float) -> bool:
    """Whether to lock the budget for those who wait in `lane`."""
    bucket = _refilled(bucket, limits, now)
    if lane is not Lane.CREATION:
        return _affordable(bucket, limits, lane, now) > 0
    pays = (Lane.INTERACTIVE, Lane.CREATION)
    creates = creation_wait(bucket, limits, now) == 0
    return creates and any(_affordable(bucket, limits, each, now) for each in pays)


def is_to_be_noted(bucket: Bucket, limits: Limits, lane: Lane, now: float) -> bool:
    """Whether to note that `lane` wants calls, which limits the other lanes to their shares."""
    if lane is Lane.CREATION and creation_wait(bucket, limits, now) > 0:
        return False
    return now - bucket.refused_at.get(lane, 0.0) > CONTENDED_SECONDS / 2


def note_wanted(bucket: Bucket, lanes: Iterable[Lane], now: float) -> Bucket:
    """Note that these lanes want calls that they cannot have yet."""
    return replace(bucket, refused_at={**bucket.refused_at, **dict.fromkeys(lanes, now)})


def is_surely_refused(bucket: Bucket, limits: Limits, lane: Lane, now: float) -> bool:
    """Whether `lane` would be refused, and was noted lately as wanting more."""
    wanted = now - bucket.refused_at.get(lane, 0.0) < CONTENDED_SECONDS / 2
    return wanted and not _affordable(_refilled(bucket, limits, now), limits, lane, now)


def note_served(bucket: Bucket, ranks: Mapping[Lane, int]) -> Bucket:
    """Count one served queue position. `ranks` says how far each lane has come."""
    return replace(bucket, ranks_served=ranks, served=bucket.served + 1)


def tokens_left(bucket: Bucket, limits: Limits, now: float) -> float:
    """Return how many calls could be made at once."""
    return 0.0 if bucket.blocked_until > now else _refilled(bucket, limits, now).tokens


def _refilled(bucket: Bucket, limits: Limits, now: float) -> Bucket:
    began = max(bucket.at, min(bucket.blocked_until, now))
    if now <= began:
        return bucket
    slow = max(0.0, min(now, bucket.slow_until) - began)
    gained = slow * bucket.slow_rate + (now - began - slow) * limits.rate
    # A lane saves up at most the part of the burst that all lanes share.
    most = max(limits.burst - limits.reserve, 1.0)
    saved = {
        lane: min(bucket.credits.get(lane, 0.0) + gained * share, most)
        for lane, share in SHARES.items()
    }
    peoples = bucket.credits.get(Lane.INTERACTIVE, limits.burst) + gained * INTERACTIVE_MOST
    saved[Lane.INTERACTIVE] = min(peoples, limits.burst)
    tokens = min(bucket.tokens + gained, limits.burst)
    return replace(bucket, at=now, tokens=tokens, credits=saved)


def _affordable(bucket: Bucket, limits: Limits, lane: Lane, now: float) -> int:
    if bucket.blocked_until > now:
        return 0
    if lane is Lane.INTERACTIVE:
        free = bucket.tokens
        if _is_contended(bucket, lane, now):
            free = min(free, bucket.credits.get(lane, limits.burst))
        return max(math.floor(free), 0)
    free = bucket.tokens - limits.reserve
    if _is_contended(bucket, lane, now):
        free = min(free, bucket.credits.get(lane, 0.0))
    return max(math.floor(free), 0)


def _is_contended(bucket: Bucket, lane: Lane, now: float) -> bool:
    return any(
        now - at < CONTENDED_SECONDS
        for other, at in bucket.refused_at.items()
        if other is not lane and other in SHARES
    )


def _wait(bucket: Bucket, limits: Limits, lane: Lane, now: float) -> float:
    if bucket.blocked_until > now:
        return bucket.blocked_until - now + 1.0
    slow = bucket.slow_until > now
    rate = max(bucket.slow_rate, 0.01) if slow else limits.rate
    floor = 0.0 if lane is Lane.INTERACTIVE else limits.reserve
    wait = max(floor + 1.0 - bucket.tokens, 0.0) / rate
    if _is_contended(bucket, lane, now):
        share = SHARES.get(lane, INTERACTIVE_MOST)
        had = bucket.credits.get(lane, 0.0 if lane in SHARES else limits.burst)
        wait = max(wait, max(1.0 - had, 0.0) / (rate * share))
    if slow:
        wait = min(wait, bucket.slow_until - now + 1.0)
    return max(wait, 0.05)


def _forget_creations(bucket: Bucket, limits: Limits, now: float) -> Bucket:
    since = now - limits.creation_window - CREATION_MARGIN
    if not bucket.creations or bucket.creations[0] > since:
        return bucket
    return replace(bucket, creations=tuple(at for at in bucket.creations if at > since))


def _slot(limits: Limits, now: float) -> int:
    return math.floor(now / (limits.window / SLOTS))


def _count(bucket: Bucket, limits: Limits, lane: Lane, calls: int, now: float) -> Bucket:
    slot = _slot(limits, now)
    mine = {at: n for at, n in bucket.spent.get(lane, {}).items() if at > slot - SLOTS}
    mine[slot] = mine.get(slot, 0) + calls
    return replace(bucket, spent={**bucket.spent, lane: mine})
