"""Where a hostname points, as its own servers and the resolvers show it. Pure.

A question without an answer leaves the result open: None, never False.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence

from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import DnsSurvey, Lookup, Outcome, ServerView
from app.domain.option_rules import is_at_cloudflare

_OPEN = frozenset({Outcome.UNKNOWN, Outcome.NOT_ASKED})


def is_open(*lookups: Lookup) -> bool:
    """Whether a question was not answered."""
    return any(lookup.outcome in _OPEN for lookup in lookups)


def lies_in(address: str, prefixes: Collection[str]) -> bool:
    """Whether the address belongs to one of the prefixes."""
    parsed = ipaddress.ip_address(address)
    return any(parsed in ipaddress.ip_network(prefix, strict=False) for prefix in prefixes)


def addresses(survey: DnsSurvey) -> tuple[tuple[str, str], ...]:
    """Return type and address of each address record at the name itself."""
    return (
        *(("A", value) for value in _found(survey.a)),
        *(("AAAA", value) for value in _found(survey.aaaa)),
    )


def cname(survey: DnsSurvey) -> str | None:
    """Return the value of the CNAME record at the name."""
    return next(iter(_found(survey.cname)), None)


def at_apex(subject: Subject, survey: DnsSurvey) -> bool:
    """Whether the routing record stands at a zone's apex, where a CNAME record is not possible.

    Source: RFC 1034, section 3.6.2.
    """
    return subject.is_apex or survey.zone == survey.owner


def belongs_here(subject: Subject, survey: DnsSurvey, address: str) -> bool:
    """Whether the address is one that the hostname may point at."""
    return address in survey.target_addresses or lies_in(address, subject.apex_prefixes)


def is_cloudflare_hosted(survey: DnsSurvey) -> bool:
    """Whether Cloudflare serves the tenant's zone."""
    return is_at_cloudflare(survey.name_servers)


def is_proxied(subject: Subject, survey: DnsSurvey) -> bool:
    """Whether the tenant's own zone at Cloudflare proxies the name, which hides its record.

    An apex whose CNAME is flattened there without the proxy shows the target's own addresses.
    """
    shown = [address for _, address in addresses(survey)]
    hidden = (
        is_cloudflare_hosted(survey)
        and survey.cname.is_absent
        and bool(shown)
        and all(lies_in(each, subject.proxy_prefixes) for each in shown)
    )
    if not hidden or all(lies_in(each, subject.apex_prefixes) for each in shown):
        return False
    flattened = at_apex(subject, survey) and set(shown) <= set(survey.target_addresses)
    return not flattened


def shows_target(subject: Subject, survey: DnsSurvey, view: ServerView) -> bool | None:
    """Whether a server shows the hostname pointing at the target. None: this is not known."""
    if {*view.a.chain, *view.aaaa.chain} & set(subject.targets):
        return True
    if is_open(view.a, view.aaaa):
        return None
    return _belong_here(subject, survey, (*_found(view.a), *_found(view.aaaa)))


def authorities(
    subject: Subject, survey: DnsSurvey
) -> tuple[tuple[ServerView, ...], tuple[ServerView, ...]]:
    """Return the zone's own servers that show the right record, and those that do not."""
    views = [view for view in survey.servers if view.is_authoritative]
    judged = [(view, shows_target(subject, survey, view)) for view in views]
    return (
        tuple(view for view, right in judged if right is True),
        tuple(view for view, right in judged if right is False),
    )


def points_here(subject: Subject, survey: DnsSurvey) -> bool | None:
    """Whether the hostname points at the target. None: this is not known, or servers disagree."""
    right, wrong = authorities(subject, survey)
    if right:
        return None if wrong else True
    value = cname(survey)
    if value is not None:
        return _chain_leads_here(subject, survey, value)
    if is_open(survey.cname, survey.a, survey.aaaa):
        return None
    return _belong_here(subject, survey, [address for _, address in addresses(survey)])


def is_doubled(subject: Subject, survey: DnsSurvey) -> bool:
    """Whether the routing record stands at the name with the zone's name appended once more.

    Only a record that is right but for its name: a wildcard in the zone may answer as well.
    """
    if survey.doubled.of_wildcard:
        return False
    values = _found(survey.doubled)
    if {*values, *survey.doubled.chain} & set(subject.targets):
        return True
    are_addresses = bool(values) and survey.doubled.type in {"A", "AAAA"}
    return are_addresses and all(belongs_here(subject, survey, each) for each in values)


def _belong_here(subject: Subject, survey: DnsSurvey, shown: Sequence[str]) -> bool | None:
    """Whether there are addresses, and all may be pointed at.

    This is not known without the target's own addresses, which a flattened CNAME shows, or without
    the addresses of Cloudflare's proxies, behind which a CNAME may be hidden.
    """
    if shown and all(belongs_here(subject, survey, each) for each in shown):
        return True
    may_be_hidden = is_cloudflare_hosted(survey) and not subject.proxy_prefixes
    if shown and (may_be_hidden or not survey.target_addresses):
        return None
    return False


def _chain_leads_here(subject: Subject, survey: DnsSurvey, value: str) -> bool | None:
    lookups = [each for view in survey.servers for each in (view.a, view.aaaa)]
    if value in subject.targets:
        return True
    if any(set(each.chain) & set(subject.targets) for each in lookups if value in each.chain):
        return True
    # The rest of the chain may still lead to the target if nobody could follow it.
    followed = not lookups or any(not is_open(each) for each in lookups)
    ends_nowhere = loops(survey) or any(each.why == "cname_chain_too_long" for each in lookups)
    return False if followed or ends_nowhere else None


def loops(survey: DnsSurvey) -> bool:
    """Whether the CNAME record leads back to itself."""
    lookups: Sequence[Lookup] = [each for view in survey.servers for each in (view.a, view.aaaa)]
    return cname(survey) == survey.name or any(each.why == "cname_loop" for each in lookups)


def _found(lookup: Lookup) -> tuple[str, ...]:
    return lookup.values if lookup.outcome is Outcome.FOUND else ()
