"""One finding of a diagnosis: a stable code with its facts, and the record to change. Pure.

The sentence is made from the code and `params` by `catalogue`, so that a page can speak another
language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "info"
    """Good to know; nothing to do."""
    WARNING = "warning"
    """May cause trouble, or could not be found out."""
    ERROR = "error"
    """Keeps the hostname from working."""


class Change(StrEnum):
    """What to do with a record."""

    ADD = "add"
    REPLACE = "replace"
    """Give the record at this name the shown value."""
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordChange:
    """One change in the tenant's DNS."""

    change: Change
    type: str
    name: str
    """The full owner name."""
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a diagnosis found."""

    code: str
    """A key of the catalogue."""
    severity: Severity
    params: Mapping[str, str] = field(default_factory=dict)
    """The facts that the sentence names, as text."""
    change: RecordChange | None = None
    about: tuple[str, str, str] | None = None
    """The key of the wanted record that the finding is about."""
