"""Why work on a whole zone stops, and the breaker that decides it. Pure.

While a zone is paused nothing is recorded of its hostnames: what is seen then says more of the
zone, its token or its target than of any tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from app.domain.errors import (
    CloudflareForbidden,
    CloudflareNotEnabled,
    CloudflarePermissionMissing,
    CloudflareTokenMalformed,
    CloudflareTokenRestricted,
    CloudflareUnauthorized,
    CloudflareZoneUnknown,
)


class PauseReason(StrEnum):
    """A stable code for why a zone is paused."""

    message: str
    lifts_itself: bool
    """Whether it ends once what stopped the zone is mended; else it waits for an operator."""

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
        "Cloudflare does not accept the zone's API token.",
        True,
    )
    TOKEN_MALFORMED = (
        "token_malformed",
        "The zone's API token is not one: a global API key, or cut off when it was pasted.",
        True,
    )
    TOKEN_RESTRICTED = (
        "token_restricted",
        (
            "The zone's API token expired, was revoked, or is not allowed from this service's "
            "address."
        ),
        True,
    )
    PERMISSION_MISSING = (
        "permission_missing",
        "The zone's API token lacks a permission; the zone names it.",
        True,
    )
    ZONE_UNKNOWN = (
        "zone_unknown",
        "Cloudflare has no zone of this id, or not for this token.",
        True,
    )
    SAAS_NOT_ENABLED = (
        "saas_not_enabled",
        "Cloudflare for SaaS is not enabled on the zone.",
        True,
    )
    CALLS_FORBIDDEN = (
        "calls_forbidden",
        "Cloudflare answers 403 to every call, and does not say why.",
        True,
    )
    CNAME_TARGET_MISSING = (
        "cname_target_missing",
        "The CNAME target has no addresses; every tenant's DNS would look wrong.",
        True,
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
TARGET_MISSING_FOR = timedelta(minutes=3)
"""How long looks find no target, and none finds it, before the zone is paused."""
TARGET_STEADY_FOR = timedelta(minutes=2)
"""How long looks find the target again, and none misses it, before that pause ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A zone's pause."""

    reason: PauseReason
    since: datetime
    detail: str | None = None
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TargetHistory:
    """What DNS says of a zone's CNAME target: `found`, `absent`, `unknown`; None before a look.

    The instants are those of the first of looks that agree. A look without an answer ends neither.
    """

    status: str | None = None
    absent_since: datetime | None = None
    found_since: datetime | None = None

    def then(self, status: str, now: datetime) -> TargetHistory:
        """Give the history after one more look."""
        match status:
            case "found":
                return TargetHistory(status, None, self.found_since or now)
            case "absent":
                return TargetHistory(status, self.absent_since or now, None)
            case _:
                return TargetHistory(status, self.absent_since, self.found_since)

    def is_missing(self, now: datetime) -> bool:
        """Whether the last look found no target, as those for some minutes before it."""
        since = self.absent_since
        return self.status == "absent" and since is not None and now - since >= TARGET_MISSING_FOR

    def is_steady(self, now: datetime) -> bool:
        """Whether the last look found the target, as those for some minutes before it."""
        since = self.found_since
        return self.status == "found" and since is not None and now - since >= TARGET_STEADY_FOR


PAUSE_REASONS = {
    CloudflareUnauthorized.code: PauseReason.TOKEN_REFUSED,
    CloudflareTokenMalformed.code: PauseReason.TOKEN_MALFORMED,
    CloudflareTokenRestricted.code: PauseReason.TOKEN_RESTRICTED,
    CloudflarePermissionMissing.code: PauseReason.PERMISSION_MISSING,
    CloudflareZoneUnknown.code: PauseReason.ZONE_UNKNOWN,
    CloudflareNotEnabled.code: PauseReason.SAAS_NOT_ENABLED,
    CloudflareForbidden.code: PauseReason.CALLS_FORBIDDEN,
}
"""Why a zone is paused, by the code of the error that a call to Cloudflare ends with."""


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
