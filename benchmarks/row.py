"""One line of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure and its baseline. `ratio` is our figure over the baseline's."""

    id: str
    figure: str
    value: float
    unit: str
    beside: str
    ratio: float
    aim: str
    met: bool
