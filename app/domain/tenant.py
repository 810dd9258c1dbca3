"""Tenants are the provider's: Nameplate knows a name for each, and takes it as it is."""

from __future__ import annotations

LONGEST_TENANT = 128


def is_tenant(text: str) -> bool:
    """Whether the text may name a tenant: printable, so that it fits a column and a log line."""
    return 1 <= len(text) <= LONGEST_TENANT and text.isprintable()
