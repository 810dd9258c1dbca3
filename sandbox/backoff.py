"""How long Cloudflare waits before it looks again, and how often it does.

Pure arithmetic; who is looked at and what is seen is elsewhere.
"""

from sandbox.clock import HOUR

TRIES = 75
IMMEDIATE = -1
"""The look made at once on POST and PATCH, before the schedule's first wait."""

_SLOW_FROM = 10


def wait_before(attempt: int) -> float:
    """Return the seconds between try `attempt - 1` and try `attempt`, counted from 0."""
    growth = 1.05 if attempt < _SLOW_FROM else 1.15
    return float(min(int(60 * growth**attempt), int(4 * HOUR)))


def next_try(
    attempt: int, looked_at: float, now: float, *, tries: float = TRIES
) -> tuple[int, float]:
    """Return the next try and its time after a failed look at try `attempt`.

    One look stands for all tries that fell due before `now`: they would have seen the same.
    Try `tries` is never made: its time is when the last one failed.
    """
    due = looked_at
    while due <= now:
        attempt += 1
        if attempt >= tries:
            return attempt, due
        due += wait_before(attempt)
    return attempt, due
