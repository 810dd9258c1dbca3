"""What DNS shows of one wanted record, for its status in the API. Pure."""

from __future__ import annotations

from app.domain.custom_hostname import DnsRecord, Purpose
from app.domain.diagnosis import pointing
from app.domain.diagnosis.survey import DnsSurvey, Outcome
from app.domain.diagnosis.validation_records import has_value


def found_values(record: DnsRecord, survey: DnsSurvey) -> tuple[str, ...]:
    """Return the values at the record's name: of its type or, for routing, of any that routes."""
    if record.purpose is Purpose.ROUTING:
        value = pointing.cname(survey)
        if value is not None:
            return (value,)
        return tuple(address for _, address in pointing.addresses(survey))
    seen = survey.records.get(record.key)
    if seen is None or seen.wanted.outcome is not Outcome.FOUND:
        return ()
    return seen.wanted.values


def misplaced_at(record: DnsRecord, survey: DnsSurvey) -> str | None:
    """Return the wrong name at which the record stands with its right value, if it is elsewhere."""
    if record.value in found_values(record, survey):
        return None
    if record.purpose is Purpose.ROUTING:
        lookup = survey.doubled
        if lookup.of_wildcard:
            return None
        same = record.value in lookup.chain or has_value(lookup, record)
        flattened = bool(lookup.values) and set(lookup.values) <= set(survey.target_addresses)
        return lookup.name if lookup.outcome is Outcome.FOUND and (same or flattened) else None
    seen = survey.records.get(record.key)
    if seen is None:
        return None
    at = (lookup for lookup in (seen.doubled, seen.bare) if has_value(lookup, record))
    return next((lookup.name for lookup in at), None)
