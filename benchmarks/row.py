"""One line of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure beside its baseline; `ratio` is ours over the baseline's."""

    id: str
    figure: str
    value: float
    unit: str
    beside: str
    ratio: float
    aim: str
    met: bool
