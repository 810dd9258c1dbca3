"""Checks of the routing record: where the hostname points, and what stands in its way. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.custom_hostname import DnsRecord, Purpose
from app.domain.diagnosis import pointing
from app.domain.diagnosis.catalogue import Code, finding
from app.domain.diagnosis.finding import Change, Finding, RecordChange
from app.domain.diagnosis.names import domain_of, host_of
from app.domain.diagnosis.needed_records import is_switch_due, routing_key
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import DnsSurvey
from app.domain.diagnosis.wrong_cname import likely_mistake

ALIAS = "ALIAS"


def routing(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Find what keeps the hostname from pointing at the target."""
    right, wrong = pointing.authorities(subject, survey)
    # More exact findings speak of these two.
    if pointing.is_proxied(subject, survey) or (right and wrong):
        return
    here = pointing.points_here(subject, survey)
    if here is False and not is_switch_due(subject, survey):
        yield finding(
            Code.OTHER_RECORDS_FIRST if subject.is_real_time else Code.NOT_SWITCHED_YET,
            routing_key(subject),
            name=survey.owner,
            target=subject.targets[0],
        )
        return
    if here is False:
        yield from _wrong(subject, survey)
    elif here is None:
        yield from _open(subject, survey)
    if pointing.cname(survey) is not None:
        yield from _beside(subject, survey)
        yield from _cname_at_apex(subject, survey)


def _wrong(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    doubled = pointing.is_doubled(subject, survey)
    if doubled:
        yield _doubled(subject, survey)
    if not doubled and _is_covered_elsewhere(survey):
        yield finding(
            Code.WILDCARD_ELSEWHERE,
            routing_key(subject),
            _wanted(subject, survey, Change.ADD),
            name=survey.owner,
            found=", ".join(_shown(survey)),
            host=host_of(subject, survey, survey.owner),
            target=subject.targets[0],
        )
    elif pointing.cname(survey) is not None:
        yield _cname_elsewhere(subject, survey)
    elif not pointing.addresses(survey):
        if not doubled:
            yield from _missing(subject, survey)
    elif strays := [*_strays(subject, survey)]:
        yield from strays
    else:
        yield from _addresses_elsewhere(subject, survey)


def _is_covered_elsewhere(survey: DnsSurvey) -> bool:
    """Whether the answer comes of a wildcard record that covers the name."""
    has_own = survey.owner.startswith("*.") or survey.owner == survey.zone
    shown = (each for each in (survey.cname, survey.a, survey.aaaa) if each.values)
    return not has_own and any(each.of_wildcard for each in shown)


def _shown(survey: DnsSurvey) -> list[str]:
    """Return the CNAME value at the name, else its IPv4 addresses, else its IPv6 addresses."""
    value = pointing.cname(survey)
    if value is not None:
        return [value]
    shown = pointing.addresses(survey)
    return [a for kind, a in shown if kind == "A"] or [a for _, a in shown]


def _open(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    asked = (survey.cname, survey.a, survey.aaaa)
    value = pointing.cname(survey)
    if value is not None:
        mistake, _ = likely_mistake(subject, domain_of(subject, survey), value)
        if mistake is not Code.CNAME_ELSEWHERE:
            yield _cname_elsewhere(subject, survey)
            return
    seen = [f"{each.type} {value}" for each in asked for value in each.values]
    if seen:
        yield finding(
            Code.ROUTING_UNCLEAR,
            routing_key(subject),
            name=survey.owner,
            seen=", ".join(seen),
        )
        return
    why = next((each.why for each in asked if pointing.is_open(each) and each.why), "not asked")
    yield finding(Code.COULD_NOT_CHECK, routing_key(subject), name=survey.owner, why=why)


def _doubled(subject: Subject, survey: DnsSurvey) -> Finding:
    provider = subject.provider
    params = {
        "type": survey.doubled.type,
        "found_at": survey.doubled.name,
        "host": host_of(subject, survey, survey.owner),
    }
    about, change = routing_key(subject), _wanted(subject, survey, Change.ADD)
    if provider is not None and provider.appends_domain:
        return finding(Code.RECORD_DOUBLED, about, change, provider=provider.name, **params)
    return finding(Code.RECORD_MISPLACED, about, change, name=survey.owner, **params)


def _cname_elsewhere(subject: Subject, survey: DnsSurvey) -> Finding:
    found, target = pointing.cname(survey) or "", subject.targets[0]
    params = {"name": survey.owner, "target": target}
    about, change = routing_key(subject), _wanted(subject, survey, Change.REPLACE)
    if pointing.loops(survey):
        return finding(Code.CNAME_TO_ITSELF, about, change, **params)
    code, further = likely_mistake(subject, domain_of(subject, survey), found)
    if code is Code.CNAME_TARGET_DOUBLED:
        further = {**further, "target": target + "."}
    return finding(code, about, change, **{**params, "found": found, **further})


def _beside(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    for kind, address in pointing.addresses(survey):
        yield finding(
            Code.ADDRESS_BESIDE_CNAME,
            routing_key(subject),
            _removal(kind, survey.owner, address),
            name=survey.owner,
            type=kind,
            address=address,
        )


def _strays(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    shown = pointing.addresses(survey)
    strays = [each for each in shown if not pointing.belongs_here(subject, survey, each[1])]
    if len(strays) == len(shown):
        return
    for kind, address in strays:
        yield finding(
            Code.STRAY_ADDRESS,
            routing_key(subject),
            _removal(kind, survey.owner, address),
            name=survey.owner,
            type=kind,
            address=address,
        )


def _missing(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    host = host_of(subject, survey, survey.owner)
    if not pointing.at_apex(subject, survey):
        yield finding(
            Code.CNAME_MISSING,
            routing_key(subject),
            _wanted(subject, survey, Change.ADD),
            name=survey.owner,
            host=host,
            target=subject.targets[0],
        )
    elif wanted := _apex_addresses(subject):
        for record in wanted:
            yield finding(
                Code.APEX_ADDRESS_MISSING,
                record.key,
                _of(record, Change.ADD),
                name=survey.owner,
                type=record.type,
                host=host,
                value=record.value,
            )
    else:
        yield _alias(subject, survey)


def _addresses_elsewhere(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    found = ", ".join(address for _, address in pointing.addresses(survey))
    if not pointing.at_apex(subject, survey):
        yield finding(
            Code.ADDRESS_INSTEAD_OF_CNAME,
            routing_key(subject),
            _wanted(subject, survey, Change.REPLACE),
            name=survey.owner,
            found=found,
            host=host_of(subject, survey, survey.owner),
            target=subject.targets[0],
        )
    elif wanted := _apex_addresses(subject):
        for record in wanted:
            yield finding(
                Code.APEX_ADDRESS_WRONG,
                record.key,
                _of(record, Change.REPLACE),
                name=survey.owner,
                found=found,
                type=record.type,
                value=record.value,
            )
    else:
        yield _alias(subject, survey, found=found)


def _alias(subject: Subject, survey: DnsSurvey, *, found: str | None = None) -> Finding:
    """Say how an apex is pointed at a host name at this DNS provider, if it can be."""
    provider, about = subject.provider, routing_key(subject)
    params = {"name": survey.owner, "target": subject.targets[0]}
    if provider is not None and not provider.flattens_apex:
        return finding(Code.APEX_IMPOSSIBLE, about, provider=provider.name, **params)
    change = _wanted(subject, survey, Change.ADD if found is None else Change.REPLACE)
    if found is not None:
        params["found"] = found
    if provider is None:
        code = Code.APEX_MISSING if found is None else Code.APEX_WRONG
        return finding(code, about, change, **params)
    return finding(
        Code.APEX_ALIAS_MISSING if found is None else Code.APEX_ALIAS_WRONG,
        about,
        change,
        provider=provider.name,
        type=change.type,
        host=host_of(subject, survey, survey.owner),
        **params,
    )


def _cname_at_apex(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    if not pointing.at_apex(subject, survey):
        return
    provider, about = subject.provider, routing_key(subject)
    change = _wanted(subject, survey, Change.REPLACE)
    if provider is None or not provider.flattens_apex:
        # Without a record to put in its place there is nothing to show as the change.
        change_to = change if provider is None else None
        yield finding(Code.CNAME_AT_APEX, about, change_to, name=survey.owner)
        return
    yield finding(
        Code.CNAME_AT_APEX_ALIAS,
        about,
        change,
        name=survey.owner,
        provider=provider.name,
        type=change.type,
    )


def _apex_addresses(subject: Subject) -> list[DnsRecord]:
    return [
        record
        for record in subject.records
        if record.purpose is Purpose.ROUTING and record.type in {"A", "AAAA"}
    ]


def _wanted(subject: Subject, survey: DnsSurvey, change: Change) -> RecordChange:
    """Return the change that makes the name point at the target shown."""
    kind = "CNAME"
    if pointing.at_apex(subject, survey):
        wanted = _apex_addresses(subject)
        if wanted:
            return _of(wanted[0], change)
        kind = (subject.provider.apex_record if subject.provider else None) or ALIAS
    return RecordChange(change=change, type=kind, name=survey.owner, value=subject.targets[0])


def _of(record: DnsRecord, change: Change) -> RecordChange:
    return RecordChange(change=change, type=record.type, name=record.name, value=record.value)


def _removal(kind: str, name: str, value: str) -> RecordChange:
    return RecordChange(change=Change.REMOVE, type=kind, name=name, value=value)
