"""Which lists of custom hostnames to scan in a zone, how often, and what absence means. Pure.

A page shows fifty names for the price of one call. A small zone is scanned whole. In a large zone,
every status that a serving name should not have is a list of its own. These exception scans find
names that went bad without paging through those that are well. The full scan is then only needed to
find absent names. `services/resync` reads the lists; `persistence/resync` stores the progress.
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
"""If more names wait for issuance or deployment, lists are cheaper than single checks."""


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
"""Fewer missing names than this are checked one by one, whatever their share."""
ALL_OF_AT_LEAST = 3
FEW_MISSING = 100
"""Up to so many are checked after one round. More could come from shifted pages, and wait for
another round."""
LAGS_BY = timedelta(minutes=1)
"""How long a list may lag behind a creation or a look at one hostname. A hostname seen later than
this before a round is no sign of a fault if that round does not list it."""


def filters(name: str) -> dict[str, str]:
    """Return a list's query parameters."""
    if name == WHOLE:
        return {}
    return dict(part.split("=", 1) for part in name.split("&"))


def is_large(total: int | None) -> bool:
    """Whether the exception lists cost fewer calls than the full list."""
    return total is not None and math.ceil(total / PER_PAGE) > len(EXCEPTIONS)


def is_read(name: str, total: int | None, *, followed: bool) -> bool:
    """Whether a list is worth its calls in a zone of `total` names."""
    if name == WHOLE or is_large(total):
        return True
    return followed and name in FOLLOWED


def next_round_in(name: str, took: timedelta, *, followed: bool) -> timedelta:
    """How long after a round the next one begins, given how long the round took."""
    if followed and name in FOLLOWED:
        return FOLLOWED_EVERY
    return max(EVERY - took, timedelta(seconds=1))


def next_page(page: int, pages: int, *, first: bool) -> int | None:
    """Return the page to read after `page`; None at the end.

    Pages are read last first. A name that leaves a list moves those behind it to earlier pages,
    which are still to be read. If the first page read turns out not to be the last one, reading
    starts again from there.
    """
    if first and pages > page:
        return pages
    following = min(page - 1, pages)
    return following if following >= 1 else None


def rounds_missed(missing: int) -> int:
    """How many full rounds a name must be missing from before it is checked by itself."""
    return 1 if missing <= FEW_MISSING else 2


def too_many_missing(missing: int, held: int) -> bool:
    """Whether names missing from a full round point to a fault of Cloudflare's list."""
    if missing == held and held >= ALL_OF_AT_LEAST:
        return True
    return missing >= MISSING_AT_LEAST and missing > held * MISSING_SHARE
