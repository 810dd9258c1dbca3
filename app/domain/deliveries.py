"""Which webhook deliveries may begin, what counts as success, and when to retry. Pure.

`services/deliveries` sends them; `persistence/deliveries` stores them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import NamedTuple

SOON_SECONDS = 1.0
AFTER_SOON = 10
"""How many deliveries an endpoint may have under way after it answered within `SOON_SECONDS`."""
AFTER_LATE = 4
"""The same for an endpoint that answered later."""
AT_FIRST = 1
"""The same for any other endpoint."""
HANGING_TIMES = 8
"""How many deliveries may hang per place. Beyond that, only endpoints that answer soon get new
ones."""

WEBHOOK_RETRIES = (5, 300, 1800, 7200, 18000, 36000, 36000)
"""Seconds between the attempts of one delivery. The first attempt is made at once."""


def allowance(duration_seconds: float, *, answered: bool) -> int:
    """Return how many deliveries an endpoint may have under way after such an attempt."""
    if not answered:
        return AT_FIRST
    return AFTER_SOON if duration_seconds <= SOON_SECONDS else AFTER_LATE


class Due(NamedTuple):
    """A delivery that may begin."""

    id: str
    endpoint_id: str
    is_failing: bool = False
    """Whether its endpoint accepted nothing since its last failure."""
    is_limited: bool = False
    """Whether its endpoint has a rate limit."""


def pick(
    due: Iterable[Due],
    *,
    fresh: Mapping[str, int],
    hanging: Mapping[str, int],
    allowed: Mapping[str, int],
    places: int,
) -> list[str]:
    """Choose the deliveries to begin from what is `due`, in order.

    `fresh` and `hanging` count the deliveries under way by endpoint: `fresh` those that hold one of
    the `places`, `hanging` those that no longer do. An endpoint that is not in `allowed` may have
    `AT_FIRST`. At most half of the places go to endpoints that are slow: they did not answer soon,
    or are not in `allowed` and failing.
    """
    under_way = Counter(fresh) + Counter(hanging)
    free = places - sum(fresh.values())
    slow = sum(n for each, n in fresh.items() if allowed.get(each, AFTER_SOON) != AFTER_SOON)
    is_full = sum(hanging.values()) >= places * HANGING_TIMES
    picked: list[str] = []
    for each in due:
        if len(picked) >= free:
            break
        may_have = allowed.get(each.endpoint_id)
        if under_way[each.endpoint_id] >= (AT_FIRST if may_have is None else may_have):
            continue
        is_slow = each.is_failing if may_have is None else may_have != AFTER_SOON
        if is_slow and (is_full or slow >= max(1, places // 2)):
            continue
        picked.append(each.id)
        under_way[each.endpoint_id] += 1
        slow += is_slow
    return picked


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent to an endpoint. All attempts of a delivery send the same `id` and `body`."""

    endpoint_id: str
    """Connections are kept for each endpoint apart."""
    url: str
    is_tenants_own: bool = False
    """Whether a tenant chose the URL itself; it may then lead to no inner network."""
    id: str
    body: str
    secrets: tuple[str, ...] = field(repr=False)
    """Each signs the message, newest first: `whsec_` makes a `v1` signature, `whsk_` a `v1a` one
    (Standard Webhooks)."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of one attempt: a status code, or one line that says why there is none."""

    duration_ms: int
    status_code: int | None = None
    error: str | None = None
    answer: str | None = None
    """The beginning of the answer's body."""
    is_ours: bool = False
    """Whether it failed here, before anything was sent."""
    retry_after: float | None = None
    """How many seconds the receiver asked to wait, as its `Retry-After` says."""

    @property
    def succeeded(self) -> bool:
        """Only 2xx is success. Redirects are not followed and do not count (Standard Webhooks)."""
        return self.status_code is not None and self.status_code // 100 == 2  # noqa: PLR2004

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more messages: 410 (Standard Webhooks)."""
        return self.status_code == HTTPStatus.GONE


MOST_RETRY_AFTER = 86_400.0
"""The longest `Retry-After` that is honoured, in seconds."""


def next_attempt_in(attempt: Attempt, attempts: int, *, chance: float) -> timedelta | None:
    """How long after a failed attempt to make the next one. None: none.

    Args:
        attempt: The failed attempt.
        attempts: How many were made by this schedule, this one included.
        chance: Varies the wait by 10 %; in [0, 1).
    """
    wait = webhook_retry_after(attempts, chance=chance)
    if wait is None or attempt.is_gone:
        return None
    asked = min(attempt.retry_after or 0.0, MOST_RETRY_AFTER)
    return max(wait, timedelta(seconds=asked))


def webhook_retry_after(attempts: int, *, chance: float) -> timedelta | None:
    """The wait after failed attempt number `attempts`, varied by 10 % by `chance` in [0, 1)."""
    if attempts > len(WEBHOOK_RETRIES):
        return None
    return timedelta(seconds=WEBHOOK_RETRIES[attempts - 1] * (0.9 + 0.2 * chance))
