"""Why work on a whole zone stops, and the breaker that decides it. Pure.

While a zone is paused nothing is recorded of its hostnames: what is seen then says more of the
zone, its token or its target than of any tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self


class PauseReason(StrEnum):
    """A stable code for why a zone is paused."""

    message: str
    lifts_itself: bool
    """Whether it is tried again every five minutes; else it waits for an operator."""

    def __new__(cls, code: str, message: str, lifts_itself: bool) -> Self:  # noqa: FBT001
        """Make a member whose value is `code`."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.message = message
        member.lifts_itself = lifts_itself
        return member

    @classmethod
    def of(cls, code: str) -> PauseReason:
        """Give the reason with this code."""
        return cls.__members__[code.upper()]

    TOKEN_REFUSED = (
        "token_refused",
        "Cloudflare does not accept the zone's API token, or not for this zone.",
        True,
    )
    CNAME_TARGET_MISSING = (
        "cname_target_missing",
        "The CNAME target has no addresses; every tenant's DNS would look wrong.",
        False,
    )
    DNS_CONTRADICTS = (
        "dns_contradicts",
        "Too many live hostnames were seen leading elsewhere at the same time.",
        False,
    )
    CLOUDFLARE_CONTRADICTS = (
        "cloudflare_contradicts",
        "Cloudflare spoke against too many live hostnames at the same time.",
        False,
    )
    HOSTNAMES_MISSING = (
        "hostnames_missing",
        "Cloudflare no longer lists too many of the zone's hostnames.",
        False,
    )
    OPERATOR = (
        "operator",
        "An operator paused the zone.",
        False,
    )


RETRY = timedelta(minutes=5)
BREAKER_WITHIN = timedelta(minutes=10)
BREAKER_AT_LEAST = 20
BREAKER_SHARE = 0.05
BREAKER_ENOUGH = 200
"""So many contradict by themselves within ten minutes in no zone, however large."""
BREAKER_ALL = 3
"""Where a zone has at least so many live names, all of them never go at once by themselves."""
BREAKER_OTHERS = 5
"""Names of other tenants that have to be well before what one tenant does is its own affair."""
RESUME_OVER = timedelta(hours=1)
"""After a pause what fell due is spread over this time at most."""
RESUME_EACH = timedelta(seconds=1)
"""And over no more than this for each of it: a few names need not wait an hour for nobody."""
TARGET_EVERY = timedelta(seconds=30)
"""Twice while a doubt is open: a target that is gone is known before a loss is believed."""
TARGET_ABSENCES = 2
"""Looks in a row that find no target before the zone is paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A zone's pause."""

    reason: PauseReason
    since: datetime
    detail: str | None = None
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Live names looked at within ten minutes, and those that contradicted for the first time."""

    looked: int
    contradicted: int


def resume_over(overdue: int) -> timedelta:
    """Over what time to spread so many names that fell due during a pause."""
    return min(RESUME_OVER, RESUME_EACH * overdue)


def may_trip(contradicted: int) -> bool:
    """Whether it is worth counting anything else."""
    return contradicted >= BREAKER_ALL


def trips(seen: Counts, others: Counts, *, of_all: bool) -> bool:
    """Whether so many first contradictions mean something else than what they say.

    `others` is without the tenant that contradicts most: whoever takes all of its own names away
    stops nobody else's. `of_all` says that the names looked at are all that the zone has.
    """
    if not _is_too_much(seen, of_all=of_all):
        return False
    well = others.contradicted < others.looked * BREAKER_SHARE
    return not (well and others.looked >= BREAKER_OTHERS)


def _is_too_much(seen: Counts, *, of_all: bool) -> bool:
    if of_all and seen.contradicted >= max(seen.looked, BREAKER_ALL):
        return True
    if seen.contradicted >= BREAKER_ENOUGH:
        return True
    return (
        seen.contradicted >= BREAKER_AT_LEAST and seen.contradicted >= seen.looked * BREAKER_SHARE
    )
