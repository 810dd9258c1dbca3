"""Identifiers: a prefix for the kind of thing, and a ULID, so that they sort by age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from ulid import ULID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Prefix(StrEnum):
    """The kind of thing that an identifier names."""

    CUSTOM_HOSTNAME = "ch"
    ZONE = "zone"
    EVENT = "evt"
    ENDPOINT = "we"
    DELIVERY = "dlv"
    API_KEY = "key"


def least_id(instant: datetime, *, later: timedelta) -> str:
    """Return the least id of a custom hostname that could have been made so long after an instant.

    A ULID begins with the milliseconds since 1970, so none is older.
    """
    milliseconds = (instant - _EPOCH + later) // timedelta(milliseconds=1)
    ulid = ULID.from_timestamp(max(0, milliseconds))
    return f"{Prefix.CUSTOM_HOSTNAME}_{str(ulid)[:10]}".lower()


def new_id(prefix: Prefix) -> str:
    """Make a new identifier."""
    return f"{prefix}_{ULID()}".lower()
