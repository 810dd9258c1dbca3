"""Checks of the CNAME record that delegates the certificate's validation to Cloudflare. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from app.domain.custom_hostname import DnsRecord, Purpose
from app.domain.diagnosis import pointing
from app.domain.diagnosis.catalogue import Code, finding
from app.domain.diagnosis.finding import Change, Finding, RecordChange, Severity
from app.domain.diagnosis.names import domain_of, host_of
from app.domain.diagnosis.needed_records import is_certified, needed_before
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import DnsSurvey, Outcome, RecordSurvey
from app.domain.diagnosis.validation_records import misplaced, not_checked, wanted
from app.domain.diagnosis.wrong_cname import is_target_doubled
from app.domain.plan import DCV_SUFFIX


def delegation(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Find what keeps the certificate's validation from being delegated.

    Once the certificate is issued, only its renewal is at risk: an error is a warning then.
    """
    for record in needed_before(subject):
        seen = survey.records.get(record.key)
        if record.purpose is not Purpose.DELEGATION or seen is None:
            continue
        found = _check(subject, survey, record, seen)
        if found is None:
            continue
        if is_certified(subject) and found.severity is Severity.ERROR:
            found = replace(found, severity=Severity.WARNING)
        yield found


def _check(
    subject: Subject, survey: DnsSurvey, record: DnsRecord, seen: RecordSurvey
) -> Finding | None:
    text = next(iter(_own_texts(seen)), None)
    found = seen.wanted.values if seen.wanted.outcome is Outcome.FOUND else ()
    if record.value in found:
        return _beside(record, text)
    if found and not seen.wanted.of_wildcard:
        return _wrong(subject, survey, record, found[0])
    at_other_name = misplaced(subject, survey, record, seen)
    if at_other_name is not None:
        return at_other_name
    if pointing.is_open(seen.wanted):
        return not_checked(record, seen.wanted)
    params = {"name": record.name, "value": record.value}
    if text is not None:
        return finding(
            Code.DELEGATION_BLOCKED,
            record.key,
            wanted(record, Change.REPLACE),
            **params,
        )
    return finding(
        Code.DELEGATION_MISSING,
        record.key,
        wanted(record, Change.ADD),
        host=host_of(subject, survey, record.name),
        **params,
    )


def _beside(record: DnsRecord, text: str | None) -> Finding | None:
    if text is None:
        return None
    return finding(
        Code.DELEGATION_BESIDE_TXT,
        record.key,
        RecordChange(change=Change.REMOVE, type="TXT", name=record.name, value=text),
        name=record.name,
        found=text,
    )


def _wrong(subject: Subject, survey: DnsSurvey, record: DnsRecord, found: str) -> Finding:
    params = {"name": record.name, "found": found, "value": record.value}
    change = wanted(record, Change.REPLACE)
    if is_target_doubled((record.value,), domain_of(subject, survey), found):
        return finding(
            Code.CNAME_TARGET_DOUBLED,
            record.key,
            change,
            name=record.name,
            found=found,
            target=record.value + ".",
        )
    label, wanted_label = _zone_label(found), _zone_label(record.value)
    is_other_zone = label is not None and wanted_label is not None and label != wanted_label
    code = Code.DELEGATION_OTHER_ZONE if is_other_zone else Code.DELEGATION_WRONG
    return finding(code, record.key, change, **params)


def _own_texts(seen: RecordSurvey) -> tuple[str, ...]:
    """Return the TXT values at the name itself. Behind a CNAME they belong to another name."""
    other = seen.other
    is_own = other.outcome is Outcome.FOUND and not other.chain and not other.of_wildcard
    return other.values if is_own else ()


def _zone_label(target: str) -> str | None:
    """Return the label that names the zone in ``<host>.<label>.dcv.cloudflare.com``."""
    before = target.removesuffix("." + DCV_SUFFIX)
    return None if before == target else before.rsplit(".", 1)[-1]
