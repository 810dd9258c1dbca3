"""Names as a DNS provider's form wants them, and how two names compare. Pure."""

from __future__ import annotations

from app.domain.diagnosis.provider import Provider
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import DnsSurvey

USUAL_APEX_HOST = "@"
EMPTY_HOST = "(empty)"
"""Stands in a sentence for a host field that has to be left empty."""


def is_within(name: str, zone: str) -> bool:
    """Whether the name is the zone's own, or below it."""
    return name == zone or name.endswith("." + zone)


def relative(name: str, zone: str) -> str:
    """Return the name without the zone's. Empty for the zone itself; whole if it lies outside."""
    if name == zone:
        return ""
    return name.removesuffix("." + zone)


def host_field(name: str, zone: str, provider: Provider | None) -> str:
    """Return what to enter in the host field of the provider's form, for example ``*.shop``.

    The name is relative to the domain, which works whether or not the form appends the domain.
    """
    apex = USUAL_APEX_HOST if provider is None else provider.apex_host
    return relative(name, zone) or apex


def domain_of(subject: Subject, survey: DnsSurvey) -> str:
    """Return the name of the tenant's zone or, where it is not known, the domain it belongs to."""
    return survey.zone or survey.registrable or subject.hostname.base


def host_of(subject: Subject, survey: DnsSurvey, name: str) -> str:
    """Return what a sentence says to enter in the host field for a record of this name."""
    return host_field(name, domain_of(subject, survey), subject.provider) or EMPTY_HOST


def distance(one: str, other: str) -> int:
    """Count the typing mistakes between two names.

    A mistake is a character too many, too few or another, or two that changed places (optimal
    string alignment).
    """
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        row = [i]
        for j, right in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (left != right))
            swapped = i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right
            row.append(min(cost, before[j - 2] + 1) if swapped else cost)
        before, last = last, row
    return last[-1]
