"""Identifiers: a prefix for the kind of thing, and a ULID, so that they sort by age."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from ulid import ULID


class Prefix(StrEnum):
    """The kind of thing that an identifier names."""

    CUSTOM_HOSTNAME = "ch"
    ZONE = "zone"
    EVENT = "evt"
    ENDPOINT = "we"
    DELIVERY = "dlv"
    API_KEY = "key"


def least_id(instant: datetime) -> str:
    """Return the least id of a custom hostname that could have been made at this instant."""
    return f"{Prefix.CUSTOM_HOSTNAME}_{str(ULID.from_datetime(instant))[:10]}".lower()


def new_id(prefix: Prefix) -> str:
    """Make a new identifier."""
    return f"{prefix}_{ULID()}".lower()
