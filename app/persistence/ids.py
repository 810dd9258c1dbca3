"""Identifiers: a prefix that says what it names, and a ULID, so that they sort by age."""

from __future__ import annotations

from enum import StrEnum

from ulid import ULID


class Prefix(StrEnum):
    """What an identifier names."""

    CUSTOM_HOSTNAME = "ch"
    ZONE = "zone"
    EVENT = "evt"
    ENDPOINT = "we"
    DELIVERY = "dlv"
    API_KEY = "key"


def new_id(prefix: Prefix) -> str:
    """Make one."""
    return f"{prefix}_{ULID()}".lower()
