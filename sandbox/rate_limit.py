"""Cloudflare's limits: calls per user with a block, and creations per minute.

Counts on the wall clock over a sliding window; what the answer looks like is the gateway's.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

from pydantic import BaseModel, Field, TypeAdapter

from sandbox.clock import Clock
from sandbox.store import Store

_BUCKETS = 300
_LIMITS_KIND, _BUCKET_KIND, _GATE_KIND = "limits", "bucket", "gate"


class Limits(BaseModel):
    """What is allowed; load proofs raise it, as Enterprise does."""

    calls: int = Field(default=1200, ge=1)
    window_seconds: float = Field(default=300, gt=0)
    block_seconds: float = Field(default=300, ge=0)
    creations: int = Field(default=15, ge=1)
    creation_window_seconds: float = Field(default=60, gt=0)
    creation_block_seconds: float = Field(default=30, ge=0)


@dataclass(slots=True)
class _Gate:
    """One limit over one sliding window, kept in buckets so that it stays small.

    `most` is the largest number that ever stood in the window since limits were set.
    """

    name: str
    blocked_until: float = 0.0
    refused: int = 0
    most: int = 0
    buckets: dict[int, int] = field(default_factory=dict)


_GATE = TypeAdapter(_Gate)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a limit stands at this moment."""

    limit: int
    remaining: int
    reset_seconds: int
    window_seconds: int


class RateLimits:
    """Both limits, and the count of calls by route."""

    def __init__(self, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store
        self.limits = _stored_limits(store)
        self._calls = self._restored("calls")
        self._creations = self._restored("creations")
        rows = store.rows("route")
        self.by_route: Counter[str] = Counter({key: int(value) for key, value in rows})

    @property
    def breaches(self) -> int:
        """How many calls were made past the limit of calls."""
        return self._calls.refused

    @property
    def creations_refused(self) -> int:
        """How many creations were refused for the limit of creations."""
        return self._creations.refused

    @property
    def most_in_window(self) -> int:
        """The largest number of calls in one window since the limits were set."""
        return self._calls.most

    @property
    def most_creations_in_window(self) -> int:
        """The largest number of creations in one window since the limits were set."""
        return self._creations.most

    def set_limits(self, limits: Limits) -> None:
        """Allow more or less from now on; windows and blocks start anew."""
        self.limits = limits
        self._store.put(_LIMITS_KIND, "", limits.model_dump_json().encode())
        for gate in (self._calls, self._creations):
            gate.blocked_until, gate.most = 0.0, 0
            self._empty(gate)

    def count_route(self, route: str) -> None:
        """Count a call, whatever becomes of it."""
        self.by_route[route] += 1
        self._store.put("route", route, str(self.by_route[route]).encode())

    def admit_call(self) -> float | None:
        """Count a call of the user; return the seconds to wait if it is refused."""
        limits = self.limits
        wait = self._wait(self._calls, limits.calls, limits.window_seconds, limits.block_seconds)
        if wait is None:
            self._count(self._calls, limits.window_seconds)
        return wait

    def admit_creation(self) -> float | None:
        """Return the seconds to wait if no creation is allowed now; counts none."""
        limits = self.limits
        window, block = limits.creation_window_seconds, limits.creation_block_seconds
        return self._wait(self._creations, limits.creations, window, block)

    def count_creation(self) -> None:
        """Count a successful creation."""
        self._count(self._creations, self.limits.creation_window_seconds)

    def standing(self) -> Standing:
        """Return how the limit of calls stands."""
        limits, gate = self.limits, self._calls
        now = self._clock.wall()
        used = self._used(gate, limits.window_seconds)
        width = limits.window_seconds / _BUCKETS
        oldest = min(gate.buckets, default=0) * width if used else now
        reset = max(gate.blocked_until, oldest + limits.window_seconds) - now
        blocked = gate.blocked_until > now
        return Standing(
            limit=limits.calls,
            remaining=0 if blocked else max(0, limits.calls - used),
            reset_seconds=max(0, math.ceil(reset)),
            window_seconds=math.ceil(limits.window_seconds),
        )

    def _wait(self, gate: _Gate, limit: int, window: float, block: float) -> float | None:
        now = self._clock.wall()
        if gate.blocked_until <= now:
            if self._used(gate, window) < limit:
                return None
            gate.blocked_until = now + block
            self._empty(gate)
        gate.refused += 1
        self._save(gate)
        return max(gate.blocked_until - now, 0.0)

    def _used(self, gate: _Gate, window: float) -> int:
        gone = math.floor((self._clock.wall() - window) / (window / _BUCKETS))
        for bucket in [bucket for bucket in gate.buckets if bucket < gone]:
            del gate.buckets[bucket]
            self._store.delete(_BUCKET_KIND, f"{gate.name}/{bucket}")
        return sum(gate.buckets.values())

    def _count(self, gate: _Gate, window: float) -> None:
        bucket = math.floor(self._clock.wall() / (window / _BUCKETS))
        gate.buckets[bucket] = gate.buckets.get(bucket, 0) + 1
        count = str(gate.buckets[bucket]).encode()
        self._store.put(_BUCKET_KIND, f"{gate.name}/{bucket}", count)
        used = self._used(gate, window)
        if used > gate.most:
            gate.most = used
            self._save(gate)

    def _empty(self, gate: _Gate) -> None:
        for bucket in gate.buckets:
            self._store.delete(_BUCKET_KIND, f"{gate.name}/{bucket}")
        gate.buckets.clear()
        self._save(gate)

    def _save(self, gate: _Gate) -> None:
        row = _Gate(gate.name, gate.blocked_until, gate.refused, gate.most)
        self._store.put(_GATE_KIND, gate.name, _GATE.dump_json(row))

    def _restored(self, name: str) -> _Gate:
        row = self._store.get(_GATE_KIND, name)
        gate = _GATE.validate_json(row) if row else _Gate(name)
        for key, value in self._store.rows(_BUCKET_KIND):
            owner, _, bucket = key.partition("/")
            if owner == name:
                gate.buckets[int(bucket)] = int(value)
        return gate


def _stored_limits(store: Store) -> Limits:
    row = store.get(_LIMITS_KIND, "")
    return Limits.model_validate_json(row) if row else Limits()
