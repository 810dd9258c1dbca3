"""Which lists of a zone's custom hostnames are read, how often, and what missing names mean. Pure.

A page shows fifty names for the price of one call. A small zone is read whole. In a large one
every status that a served name should not have is a list of its own, so that names that went bad
are found without paging through those that are well; the whole is then read only to find absence.
"""

from __future__ import annotations

import math
from datetime import timedelta

from app.domain.cloudflare_terms import CERTIFICATE_STATUSES, HOSTNAME_STATUSES

PER_PAGE = 50
WHOLE = "all"
EVERY = timedelta(minutes=5)
FOLLOWED_EVERY = timedelta(seconds=20)
FOLLOWED_AT_MOST = 20
"""Beyond so many names waiting for issuance or deployment, lists are cheaper than single looks."""


_SERVING = {"active", "active_redeploying"}
FOLLOWED_STATUSES = ("pending_issuance", "pending_deployment")
FOLLOWED = tuple(f"hostname_status=active&ssl_status={status}" for status in FOLLOWED_STATUSES)

EXCEPTIONS = (
    *(f"hostname_status={status}" for status in HOSTNAME_STATUSES if status not in _SERVING),
    *(
        f"hostname_status=active&ssl_status={status}"
        for status in CERTIFICATE_STATUSES
        if status != "active"
    ),
)

LISTS = (WHOLE, *EXCEPTIONS)
MISSING_SHARE = 0.01
MISSING_AT_LEAST = 20
"""Fewer missing names than this are looked at one by one, whatever their share."""
ALL_OF_AT_LEAST = 3
FEW_MISSING = 100
"""So many are looked at after one round; more could be pages that shifted, and wait for another."""


def filters(name: str) -> dict[str, str]:
    """Give a list's query parameters."""
    if name == WHOLE:
        return {}
    return dict(part.split("=", 1) for part in name.split("&"))


def is_large(total: int | None) -> bool:
    """Whether the lists of exceptions cost fewer calls than the whole."""
    return total is not None and math.ceil(total / PER_PAGE) > len(EXCEPTIONS)


def is_read(name: str, total: int | None, *, followed: bool) -> bool:
    """Whether a list is worth its calls in a zone of `total` names."""
    if name == WHOLE or is_large(total):
        return True
    return followed and name in FOLLOWED


def next_round_in(name: str, took: timedelta, *, followed: bool) -> timedelta:
    """How long after a round its next one begins, by what the round took."""
    if followed and name in FOLLOWED:
        return FOLLOWED_EVERY
    return max(EVERY - took, timedelta(seconds=1))


def next_page(page: int, pages: int, *, first: bool) -> int | None:
    """Give the page to read after `page`; None at the end.

    Pages are read last first: a name that leaves a list moves those behind it to earlier pages,
    which are still to be read. A first page that turns out not to be the last begins there.
    """
    if first and pages > page:
        return pages
    following = min(page - 1, pages)
    return following if following >= 1 else None


def rounds_missed(missing: int) -> int:
    """How many whole rounds a name has to be missing from before it is looked at by itself."""
    return 1 if missing <= FEW_MISSING else 2


def too_many_missing(missing: int, held: int) -> bool:
    """Whether what a full round did not list is Cloudflare's fault rather than the names'."""
    if missing == held and held >= ALL_OF_AT_LEAST:
        return True
    return missing >= MISSING_AT_LEAST and missing > held * MISSING_SHARE
