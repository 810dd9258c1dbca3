"""The diagnosis: every check in its order, over one survey. Pure.

A finding names one cause once. A check that finds the whole domain unusable ends the diagnosis:
what could not be asked below it says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from app.domain.diagnosis.caa import caa
from app.domain.diagnosis.caching import outdated_resolvers, slow_change
from app.domain.diagnosis.catalogue import Code
from app.domain.diagnosis.delegation import delegation
from app.domain.diagnosis.finding import Finding, Severity
from app.domain.diagnosis.proxying import proxying
from app.domain.diagnosis.routing import routing
from app.domain.diagnosis.servers import (
    disagreement,
    dnssec,
    our_trouble,
    registration,
    unanswering_zone,
)
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import DnsSurvey
from app.domain.diagnosis.validation_records import validation_records

Check = Callable[[Subject, DnsSurvey], Iterator[Finding]]

DECISIVE: tuple[Check, ...] = (our_trouble, registration, unanswering_zone)
"""The first of these that finds something is the whole diagnosis."""
CHECKS: tuple[Check, ...] = (
    dnssec,
    validation_records,
    delegation,
    proxying,
    routing,
    disagreement,
    caa,
    outdated_resolvers,
)
"""In the order of the tenant's work, which is the order of findings of one severity."""

EXPLAINED = {
    Code.DNSSEC_BOGUS: {Code.COULD_NOT_CHECK, Code.RECORD_NOT_CHECKED, Code.CAA_NOT_ANSWERED}
}
"""The findings of which a more exact one is the cause."""

_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def diagnose(subject: Subject, survey: DnsSurvey) -> tuple[Finding, ...]:
    """Return what is wrong, errors first. Empty: everything that was asked for is right."""
    for check in DECISIVE:
        found = tuple(check(subject, survey))
        if found:
            return found
    found = tuple(finding for check in CHECKS for finding in check(subject, survey))
    explained = {vague for each in found for vague in EXPLAINED.get(Code.of(each.code), ())}
    found = tuple(each for each in found if each.code not in explained)
    found += tuple(slow_change(survey, found))
    return tuple(sorted(found, key=lambda finding: _RANK[finding.severity]))
