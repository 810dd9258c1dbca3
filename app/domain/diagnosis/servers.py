"""Checks of the domain and its name servers: whether DNS can answer at all. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.domain.diagnosis import pointing
from app.domain.diagnosis.catalogue import Code, finding
from app.domain.diagnosis.finding import Finding
from app.domain.diagnosis.names import domain_of
from app.domain.diagnosis.needs import is_switch_due, routing_key
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import Dnssec, DnsSurvey, Lookup, Outcome, ServerView

NOT_SERVED = frozenset({"refused", "lame"})


def our_trouble(_subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Say so if the resolvers do not answer us: then nothing is known about the domain."""
    if not survey.resolvers_answer:
        yield finding(Code.COULD_NOT_CHECK, name=survey.owner, why="no resolver answers")


def registration(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Find a domain that does not exist."""
    if survey.registration.outcome is Outcome.NO_NAME:
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
    if own:
        yield finding(_silence(own), domain=domain, servers=_names(own))
    elif whys == {"servfail"}:
        yield finding(Code.DOMAIN_UNRESOLVABLE, domain=domain)
    else:
        why = ", ".join(sorted(whys)) or "not asked"
        yield finding(Code.COULD_NOT_CHECK, about=routing_key(subject), name=survey.owner, why=why)


def dnssec(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Find signatures that validating resolvers refuse."""
    if survey.dnssec is Dnssec.BOGUS:
        yield finding(Code.DNSSEC_BOGUS, domain=domain_of(subject, survey))


def disagreement(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Find servers of the zone that do not answer, or that do not show the right record yet."""
    own = [view for view in survey.servers if view.is_authoritative]
    silent = [view for view in own if _is_silent(view)]
    if silent and len(silent) < len(own):
        yield finding(Code.SERVER_SILENT, domain=domain_of(subject, survey), servers=_names(silent))
    right, wrong = pointing.authorities(subject, survey)
    if right and wrong and is_switch_due(subject, survey):
        yield finding(
            Code.SERVERS_DISAGREE,
            about=routing_key(subject),
            domain=domain_of(subject, survey),
            name=survey.owner,
            wrong=_names(wrong),
            right=_names(right),
        )


def _is_silent(view: ServerView) -> bool:
    """Whether the server gave no answer itself. A chain shows that it did."""
    answered = view.a.chain or view.aaaa.chain
    unknown = {view.a.outcome, view.aaaa.outcome} <= {Outcome.UNKNOWN, Outcome.NOT_ASKED}
    return unknown and bool(_whys(view.a, view.aaaa)) and not answered


def _silence(views: Sequence[ServerView]) -> Code:
    whys = {why for view in views for why in _whys(view.a, view.aaaa)}
    if whys <= NOT_SERVED:
        return Code.ZONE_NOT_SERVED
    return Code.SERVERS_FAIL if whys == {"servfail"} else Code.SERVERS_SILENT


def _whys(*lookups: Lookup) -> set[str]:
    return {each.why or "no answer" for each in lookups if each.outcome is Outcome.UNKNOWN}


def _names(views: Sequence[ServerView]) -> str:
    return ", ".join(view.server for view in views)
