"""How many deliveries to one webhook endpoint may be under way, and which are begun next. Pure.

Deliveries hold a place until they are answered. An endpoint that answers soon gets as many places
as one endpoint may have; those that are slow, or have not answered yet, share half of all places,
so that the rest goes on whatever they do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

PER_ENDPOINT = 10
"""Places of an endpoint that answers soon."""
PER_UNPROVEN_ENDPOINT = 2
SOON_MS = 2000
"""An answer within this time shows that an endpoint keeps no place for long."""


def pick(
    due: Iterable[tuple[str, str]],
    *,
    under_way: Mapping[str, int],
    proven: Collection[str],
    places: int,
) -> list[str]:
    """Give the deliveries to begin, of those `due`: pairs of delivery and endpoint, in order.

    `under_way` counts the deliveries that hold a place, by endpoint; `places` are the free ones.
    """
    held = Counter(under_way)
    unproven = sum(count for endpoint, count in held.items() if endpoint not in proven)
    most_unproven = max(1, (places + held.total()) // 2)
    picked: list[str] = []
    for delivery, endpoint in due:
        if len(picked) == places:
            break
        is_proven = endpoint in proven
        if held[endpoint] >= most_of(endpoint, proven):
            continue
        if not is_proven and unproven >= most_unproven:
            continue
        picked.append(delivery)
        held[endpoint] += 1
        unproven += not is_proven
    return picked


def most_of(endpoint: str, proven: Collection[str]) -> int:
    """How many deliveries to this endpoint may be under way."""
    return PER_ENDPOINT if endpoint in proven else PER_UNPROVEN_ENDPOINT


def proves(duration_ms: int, *, answered: bool) -> bool:
    """Whether an attempt shows that its endpoint answers soon."""
    return answered and duration_ms <= SOON_MS
