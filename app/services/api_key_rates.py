"""How many requests each API key may send: a token bucket for each key, in this process's memory.

The fields that tell the caller are those of the IETF's draft "RateLimit header fields for HTTP"
(draft-ietf-httpapi-ratelimit-headers, from version 08 on).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

MOST_REMEMBERED = 10_000
"""How many keys' buckets to remember. A key whose bucket was forgotten has a full one."""
_DIGITS = 6
"""To these a product is rounded, so that 29 does not become 28.999999999999996."""

Fields = tuple[tuple[bytes, bytes], ...]
"""Header fields, as ASGI has them."""


class RequestRate:
    """Counts the requests of each key."""

    def __init__(
        self,
        per_second: float,
        burst: int,
        *,
        policy: str = "default",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take how many requests a second each key may send, and how many at once.

        `policy` is the name by which the fields tell this limit from others.
        """
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        """How many requests were left to a key, and when that was."""
        # A quota of `q` requests in every `w` whole seconds: an empty bucket is full after
        # that. A small one was full earlier, so the quota is what the rate gives, not the burst.
        window = max(1, math.ceil(burst / per_second))
        quota = math.floor(round(per_second * window, _DIGITS))
        self._name = policy.encode()
        self._policy = (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (self._name, quota, window))

    def spend(self, key_id: str) -> tuple[float, Fields]:
        """Count a request of the key.

        Returns how many seconds the key has to wait until it may send this request, 0 if it may
        send it now, and the fields for the answer.
        """
        now = self._clock()
        left, at = self._buckets.get(key_id) or self._full(now)
        left = min(left + (now - at) * self._per_second, self._burst)
        wait = 0.0
        if left >= 1:
            left -= 1
        else:
            wait = (1 - left) / self._per_second
        self._buckets[key_id] = (left, now)
        until_full = math.ceil((self._burst - left) / self._per_second)
        state = (b"ratelimit", b'"%b";r=%d;t=%d' % (self._name, left, until_full))
        return wait, (self._policy, state)

    def _full(self, now: float) -> tuple[float, float]:
        if len(self._buckets) >= MOST_REMEMBERED:
            del self._buckets[next(iter(self._buckets))]
        return self._burst, now
