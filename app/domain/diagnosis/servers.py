"""Checks of the domain and its name servers: whether DNS can answer at all. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.domain.diagnosis import pointing
from app.domain.diagnosis.catalogue import Code, finding
from app.domain.diagnosis.finding import Finding
from app.domain.diagnosis.names import domain_of
from app.domain.diagnosis.needed_records import is_switch_due, routing_key
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import Dnssec, DnsSurvey, Lookup, Outcome, ServerView

NOT_SERVED = frozenset({"refused", "lame", "notauth"})
"""A server that does not hold the zone answers like this."""
THEIR_FAULT = NOT_SERVED | {"timeout", "servfail", "formerr", "notimp", "unusable_answer"}
"""Every other failure to ask is ours."""
FOLLOWED = frozenset({"cname_loop", "cname_chain_too_long"})
"""These come after an answer."""


def our_trouble(_subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Say so if the resolvers do not answer us: then nothing is known about the domain."""
    if not survey.resolvers_answer:
        yield finding(Code.COULD_NOT_CHECK, name=survey.owner, why="no resolver answers")


def registration(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Find a domain that does not exist. A name with records proves that it does."""
    shown = (survey.cname, survey.a, survey.aaaa)
    if survey.registration.outcome is not Outcome.NO_NAME:
        return
    if not any(each.outcome is Outcome.FOUND for each in shown):
        domain = survey.registrable or domain_of(subject, survey)
        yield finding(Code.DOMAIN_NOT_REGISTERED, domain=domain, name=survey.owner)


def unanswering_zone(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Find a zone about which nobody gets an answer. Broken signatures are another check's."""
    direct = (survey.cname, survey.a, survey.aaaa)
    others = [seen.wanted for seen in survey.records.values()]
    answered = any(not pointing.is_open(each) for each in (*direct, *others))
    if survey.dnssec is Dnssec.BOGUS or answered or not all(map(_is_silent, survey.servers)):
        return
    own = [view for view in survey.servers if view.is_authoritative]
    domain = domain_of(subject, survey)
    whys = _whys(*direct).union(*(_whys(view.a, view.aaaa) for view in survey.servers))
    code = _silence({why for view in own for why in _whys(view.a, view.aaaa)})
    if code is not None:
        yield finding(code, domain=domain, servers=_names(own))
    elif not own and whys == {"servfail"}:
        yield finding(Code.DOMAIN_UNRESOLVABLE, domain=domain)
    else:
        why = ", ".join(sorted(whys)) or "not asked"
        yield finding(Code.COULD_NOT_CHECK, routing_key(subject), name=survey.owner, why=why)


def dnssec(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Find signatures that validating resolvers refuse."""
    if survey.dnssec is Dnssec.BOGUS:
        yield finding(Code.DNSSEC_BOGUS, domain=domain_of(subject, survey))


def disagreement(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Find servers of the zone that do not answer, or that do not show the right record yet."""
    own = [view for view in survey.servers if view.is_authoritative]
    silent = [v for v in own if _is_silent(v) and _whys(v.a, v.aaaa) <= THEIR_FAULT]
    if silent and len(silent) < len(own):
        yield finding(Code.SERVER_SILENT, domain=domain_of(subject, survey), servers=_names(silent))
    right, wrong = pointing.authorities(subject, survey)
    if right and wrong and is_switch_due(subject, survey):
        yield finding(
            Code.SERVERS_DISAGREE,
            routing_key(subject),
            domain=domain_of(subject, survey),
            name=survey.owner,
            wrong=_names(wrong),
            right=_names(right),
        )


def _is_silent(view: ServerView) -> bool:
    """Whether the server gave no answer itself. A chain shows that it did."""
    whys = _whys(view.a, view.aaaa)
    return (
        all(map(pointing.is_open, (view.a, view.aaaa)))
        and bool(whys)
        and not whys & FOLLOWED
        and not (view.a.chain or view.aaaa.chain)
    )


def _silence(whys: set[str]) -> Code | None:
    """Return how the zone's servers fail. None: none was asked, or we failed to ask."""
    if not whys or not whys <= THEIR_FAULT:
        return None
    if whys <= NOT_SERVED:
        return Code.ZONE_NOT_SERVED
    return Code.SERVERS_FAIL if whys == {"servfail"} else Code.SERVERS_SILENT


def _whys(*lookups: Lookup) -> set[str]:
    return {each.why or "no answer" for each in lookups if each.outcome is Outcome.UNKNOWN}


def _names(views: Sequence[ServerView]) -> str:
    return ", ".join(view.server for view in views)
