"""Checks of the TXT records that prove the ownership and the certificate. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from app.domain.custom_hostname import DnsRecord, Purpose
from app.domain.diagnosis import pointing
from app.domain.diagnosis.catalogue import Code, finding
from app.domain.diagnosis.finding import Change, Finding, RecordChange
from app.domain.diagnosis.names import host_of
from app.domain.diagnosis.needed_records import needed_before
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import DnsSurvey, Lookup, Outcome, RecordSurvey

LONGEST_SHOWN = 120
MOST_PARTS = 4
"""A value split in more records than this is not put together again."""
_QUOTES = "\"'\u201c\u201d\u201e\u2018\u2019`"


def validation_records(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Find what keeps the needed TXT records from being seen. A TXT record is checked once."""
    proxied = pointing.is_proxied(subject, survey)
    for record in needed_before(subject):
        seen = survey.records.get(record.key)
        if record.type != "TXT" or seen is None:
            continue
        # A token does not activate a name that another Cloudflare zone proxies.
        if proxied and record.purpose is Purpose.OWNERSHIP:
            continue
        yield from _check(subject, survey, record, seen)
    yield from _other_values(subject, survey)


def not_checked(record: DnsRecord, lookup: Lookup) -> Finding:
    """Say that a record could not be asked for."""
    return finding(
        Code.RECORD_NOT_CHECKED,
        record.key,
        type=record.type,
        name=record.name,
        why=lookup.why or "not asked",
    )


def misplaced(
    subject: Subject, survey: DnsSurvey, record: DnsRecord, seen: RecordSurvey
) -> Finding | None:
    """Return where the record stands with the right value but the wrong name."""
    host = host_of(subject, survey, record.name)
    change = wanted(record, Change.ADD)
    provider = subject.provider
    if has_value(seen.doubled, record):
        params = {"type": record.type, "found_at": seen.doubled.name, "host": host}
        if provider is not None and provider.appends_domain:
            return finding(
                Code.RECORD_DOUBLED,
                record.key,
                change,
                provider=provider.name,
                **params,
            )
        return finding(Code.RECORD_MISPLACED, record.key, change, name=record.name, **params)
    if has_value(seen.bare, record):
        return finding(
            Code.RECORD_AT_HOSTNAME,
            record.key,
            change,
            type=record.type,
            found_at=seen.bare.name,
            name=record.name,
            host=host,
        )
    return None


def has_value(lookup: Lookup, record: DnsRecord) -> bool:
    """Whether the question found the wanted value, perhaps badly pasted.

    Another value proves nothing: a wildcard in the zone may answer for any name.
    """
    if lookup.outcome is not Outcome.FOUND or lookup.of_wildcard:
        return False
    return _plain(record.value) in {_plain(each) for each in lookup.values}


def wanted(record: DnsRecord, change: Change) -> RecordChange:
    """Return the change that gives the record its wanted value."""
    return RecordChange(change=change, type=record.type, name=record.name, value=record.value)


def _check(
    subject: Subject, survey: DnsSurvey, record: DnsRecord, seen: RecordSurvey
) -> Iterator[Finding]:
    values = seen.wanted.values
    if seen.wanted.outcome is Outcome.FOUND and record.value in values:
        return
    at_other_name = misplaced(subject, survey, record, seen)
    if at_other_name is not None:
        yield at_other_name
    elif seen.other.outcome is Outcome.FOUND and not seen.other.of_wildcard:
        yield finding(
            Code.TXT_BEHIND_CNAME,
            record.key,
            RecordChange(
                change=Change.REMOVE, type="CNAME", name=record.name, value=seen.other.values[0]
            ),
            name=record.name,
            found=seen.other.values[0],
            value=record.value,
        )
    elif pointing.is_open(seen.wanted):
        yield not_checked(record, seen.wanted)
    elif seen.wanted.is_absent or seen.wanted.of_wildcard or seen.other.of_wildcard:
        yield finding(
            Code.TXT_MISSING,
            record.key,
            wanted(record, Change.ADD),
            name=record.name,
            host=host_of(subject, survey, record.name),
            value=record.value,
        )
    else:
        yield _wrong_value(subject, survey, record, values)


def _wrong_value(
    subject: Subject, survey: DnsSurvey, record: DnsRecord, values: tuple[str, ...]
) -> Finding:
    params = {"name": record.name, "value": record.value}
    strange = [value for value in values if value not in _wanted_at(subject, record.name)]
    if not strange:
        return finding(
            Code.TXT_VALUE_MISSING,
            record.key,
            wanted(record, Change.ADD),
            host=host_of(subject, survey, record.name),
            **params,
        )
    code = _mistake(record, strange)
    if code in {Code.TXT_WRONG, Code.TXT_SURROUNDED}:
        params["found"] = _shown(strange)
    return finding(code, record.key, wanted(record, Change.REPLACE), **params)


def _mistake(record: DnsRecord, values: list[str]) -> Code:
    value = record.value
    if value in {each.strip(_QUOTES) for each in values}:
        return Code.TXT_QUOTED
    if value in {"".join(each.split()) for each in values}:
        return Code.TXT_SPACED
    if any(value in each for each in values):
        return Code.TXT_SURROUNDED
    parts = [each for each in values if each in value][:MOST_PARTS]
    orders = (order for size in range(2, len(parts) + 1) for order in permutations(parts, size))
    if any("".join(order) == value for order in orders):
        return Code.TXT_SPLIT
    return Code.TXT_WRONG


def _other_values(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    told = set()
    for record in needed_before(subject):
        seen = survey.records.get(record.key)
        if record.type != "TXT" or seen is None or record.name in told:
            continue
        expected = _wanted_at(subject, record.name)
        found = set(seen.wanted.values) if seen.wanted.outcome is Outcome.FOUND else set()
        # As long as a value is missing, the others are part of that finding.
        if expected <= found and found - expected:
            told.add(record.name)
            yield finding(Code.TXT_OTHER_VALUES, record.key, name=record.name)


def _wanted_at(subject: Subject, name: str) -> set[str]:
    return {each.value for each in subject.records if (each.type, each.name) == ("TXT", name)}


def _plain(value: str) -> str:
    return "".join(value.split()).strip(_QUOTES).rstrip(".")


def _shown(values: list[str]) -> str:
    text = ", ".join(values)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."
