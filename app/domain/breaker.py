"""When so many live names show mismatches at once that the zone has to be paused. Pure.

`services/breaker` applies the rule; `persistence/breaker_counts` stores the counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

BREAKER_WITHIN = timedelta(minutes=10)
BREAKER_AT_LEAST = 20
BREAKER_SHARE = 0.05
BREAKER_ENOUGH = 200
"""However large a zone is, so many names do not show a mismatch within ten minutes by
themselves."""
BREAKER_ALL = 3
"""In a zone with at least so many live names, all of them never go at once by themselves."""
BREAKER_OTHERS = 5
"""How many names of other tenants have to be well before one tenant's mismatches count as its
own."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Live names checked within ten minutes, and those with a first mismatch."""

    checked: int
    mismatched: int


def may_trip(mismatched: int) -> bool:
    """Whether there are enough mismatches to make the other counts worthwhile."""
    return mismatched >= BREAKER_ALL


def trips(seen: Counts, others: Counts, *, of_all: bool) -> bool:
    """Whether so many first mismatches point to another cause than the names themselves.

    `others` leaves out the tenant with the most mismatches: a tenant that takes away all of its own
    names must not stop the others. `of_all` says that the checked names are all that the zone has.
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
