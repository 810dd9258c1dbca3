"""Until when the old answer may still be seen: caches of resolvers, and long TTLs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from app.domain.diagnosis import pointing
from app.domain.diagnosis.catalogue import Code, finding
from app.domain.diagnosis.finding import Finding, Severity
from app.domain.diagnosis.names import domain_of
from app.domain.diagnosis.needed_records import routing_key
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import DnsSurvey, Lookup, Outcome, ServerView

LONG = timedelta(hours=1)
"""A longer TTL makes a change slow."""


def outdated_resolvers(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Find resolvers that still give the old answer, although the zone's own servers are right."""
    right, wrong = pointing.authorities(subject, survey)
    if not right or wrong:
        return
    behind = [
        view
        for view in survey.servers
        if not view.is_authoritative and pointing.shows_target(subject, survey, view) is False
    ]
    if not behind:
        return
    about = routing_key(subject)
    params = {"domain": domain_of(subject, survey), "name": survey.owner}
    ttl = max((left for view in behind if (left := _ttl(view)) is not None), default=None)
    if ttl is None:
        yield finding(Code.RESOLVER_REMEMBERS_ABSENCE, about, **params)
        return
    until = _until(survey, ttl)
    yield finding(Code.RESOLVER_OUTDATED, about, until=_spelled(until), **params)


def slow_change(survey: DnsSurvey, found: Iterable[Finding]) -> Iterator[Finding]:
    """Say until when a change is seen everywhere, if what stands at its name is cached for long.

    What a wildcard answers for the name, or the values beside a new one, is cached just as well.
    """
    slow: dict[str, int] = {}
    for each in found:
        change = each.change
        if each.severity is Severity.INFO or change is None:
            continue
        ttl = max(_ttls(survey, change.name), default=0)
        if ttl > LONG.total_seconds():
            slow[change.name] = ttl
    for name, ttl in slow.items():
        yield finding(Code.CHANGE_TAKES_LONG, name=name, until=_spelled(_until(survey, ttl)))


def _ttls(survey: DnsSurvey, name: str) -> Iterator[int]:
    at_name: list[Lookup] = []
    if name == survey.owner:
        at_name += (survey.cname, survey.a, survey.aaaa)
    for key, seen in survey.records.items():
        if key[1] == name:
            at_name += (seen.wanted, seen.other)
    for lookup in at_name:
        if lookup.outcome is Outcome.FOUND and lookup.ttl is not None:
            yield lookup.ttl


def _ttl(view: ServerView) -> int | None:
    found = [each.ttl for each in (view.a, view.aaaa) if each.outcome is Outcome.FOUND]
    return max((ttl for ttl in found if ttl is not None), default=None)


def _until(survey: DnsSurvey, seconds: int) -> datetime:
    return survey.looked_at + timedelta(seconds=seconds)


def _spelled(at: datetime) -> str:
    """Spell the instant as RFC 3339 does, to the second."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
