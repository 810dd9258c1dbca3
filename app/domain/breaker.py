"""When so many live names go bad at once that the zone is to be paused. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

BREAKER_WITHIN = timedelta(minutes=10)
BREAKER_AT_LEAST = 20
BREAKER_SHARE = 0.05
BREAKER_ENOUGH = 200
"""So many contradict by themselves within ten minutes in no zone, however large."""
BREAKER_ALL = 3
"""Where a zone has at least so many live names, all of them never go at once by themselves."""
BREAKER_OTHERS = 5
"""Names of other tenants that have to be well before what one tenant does is its own affair."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Live names looked at within ten minutes, and those that contradicted for the first time."""

    checked: int
    mismatched: int


def may_trip(mismatched: int) -> bool:
    """Whether it is worth counting anything else."""
    return mismatched >= BREAKER_ALL


def trips(seen: Counts, others: Counts, *, of_all: bool) -> bool:
    """Whether so many first contradictions mean something else than what they say.

    `others` is without the tenant that contradicts most: whoever takes all of its own names away
    stops nobody else's. `of_all` says that the names looked at are all that the zone has.
    """
    if not _is_too_much(seen, of_all=of_all):
        return False
    well = others.mismatched < others.checked * BREAKER_SHARE
    return not (well and others.checked >= BREAKER_OTHERS)


def _is_too_much(seen: Counts, *, of_all: bool) -> bool:
    if of_all and seen.mismatched >= max(seen.checked, BREAKER_ALL):
        return True
    if seen.mismatched >= BREAKER_ENOUGH:
        return True
    return seen.mismatched >= BREAKER_AT_LEAST and seen.mismatched >= seen.checked * BREAKER_SHARE
