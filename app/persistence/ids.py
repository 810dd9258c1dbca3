"""Identifiers: a prefix for the kind of thing, and a ULID, so that they sort by age."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from ulid import ULID

ID = re.compile(r"[a-z0-9_]{1,64}")
"""What any identifier looks like."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TIME_BYTES, _RANDOM_BYTES = 6, 10


class Prefix(StrEnum):
    """The kind of thing that an identifier names."""

    CUSTOM_HOSTNAME = "ch"
    ZONE = "zone"
    EVENT = "evt"
    ENDPOINT = "we"
    DELIVERY = "dlv"
    API_KEY = "key"


def least_id(instant: datetime, *, later: timedelta = timedelta()) -> str:
    """Return the least id of a custom hostname that could have been made so long after an instant.

    Any instant has one: ids count milliseconds from 1970 on, and further than the year 9999.
    """
    milliseconds = max((instant - _EPOCH + later) // _MILLISECOND, 0)
    least = ULID(milliseconds.to_bytes(_TIME_BYTES, "big") + bytes(_RANDOM_BYTES))
    return f"{Prefix.CUSTOM_HOSTNAME}_{str(least)[:10]}".lower()


def new_id(prefix: Prefix) -> str:
    """Make a new identifier."""
    return f"{prefix}_{ULID()}".lower()
