"""Which webhook deliveries may begin, and what an attempt said. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SOON_SECONDS = 1.0
AFTER_SOON = 10
"""Deliveries to an endpoint that answered within that time."""
AFTER_LATE = 4
"""Deliveries to an endpoint that answered later."""
AT_FIRST = 1
"""Deliveries to any other endpoint."""
HANGING_TIMES = 8
"""So many deliveries may hang for each place; beyond that only sure endpoints are begun."""


def allowance(duration_seconds: float, *, answered: bool) -> int:
    """Give how many deliveries an endpoint may have under way after such an attempt."""
    if not answered:
        return AT_FIRST
    return AFTER_SOON if duration_seconds <= SOON_SECONDS else AFTER_LATE


def pick(
    due: Iterable[tuple[str, str]],
    *,
    fresh: Mapping[str, int],
    hanging: Mapping[str, int],
    allowed: Mapping[str, int],
    places: int,
) -> list[str]:
    """Give the deliveries to begin, of those `due`: pairs of delivery and endpoint, in order.

    `fresh` and `hanging` count the deliveries under way by endpoint, those that hold one of all
    `places` and those that no longer do. An endpoint that is not in `allowed` may have `AT_FIRST`.
    At most half of the places go to endpoints that did not answer soon.
    """
    under_way = Counter(fresh) + Counter(hanging)
    free = places - sum(fresh.values())
    unsure = sum(count for endpoint, count in fresh.items() if not _is_sure(endpoint, allowed))
    is_full = sum(hanging.values()) >= places * HANGING_TIMES
    picked: list[str] = []
    for delivery, endpoint in due:
        if len(picked) >= free:
            break
        if under_way[endpoint] >= allowed.get(endpoint, AT_FIRST):
            continue
        is_sure = _is_sure(endpoint, allowed)
        if not is_sure and (is_full or unsure >= max(1, places // 2)):
            continue
        picked.append(delivery)
        under_way[endpoint] += 1
        unsure += not is_sure
    return picked


def _is_sure(endpoint: str, allowed: Mapping[str, int]) -> bool:
    return allowed.get(endpoint) == AFTER_SOON


@dataclass(frozen=True, slots=True)
class Attempt:
    """A status, or one line that says why there is none."""

    duration_ms: int
    status_code: int | None = None
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """2xx alone is success; a redirect is not followed and is none (Standard Webhooks)."""
        return self.status_code is not None and self.status_code // 100 == 2  # noqa: PLR2004
