"""Whether the tenant's CAA records let a certificate authority issue (RFC 8659). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from app.domain.diagnosis import pointing
from app.domain.diagnosis.catalogue import Code, finding
from app.domain.diagnosis.finding import Change, Finding, RecordChange, Severity
from app.domain.diagnosis.needed_records import is_certified
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import DnsSurvey, Lookup, Outcome

AUTHORITIES = {
    "google": ("Google", "pki.goog"),
    "lets_encrypt": ("Let's Encrypt", "letsencrypt.org"),
    "ssl_com": ("SSL.com", "ssl.com"),
}
"""The name of each authority, and its domain in CAA records."""
CRITICAL = 128
# RFC 8659, RFC 9495 and the CA/Browser Forum's registered tags.
KNOWN_TAGS = frozenset(
    {"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"}
)
# RFC 8657: they bind the permission to one account, or to some methods.
BINDING = ("accounturi", "validationmethods")


@dataclass(frozen=True, slots=True)
class Property:
    """One CAA record."""

    text: str
    flags: int
    tag: str
    value: str

    @property
    def issuer(self) -> str:
        """The domain of the authority. Empty: nobody may issue."""
        return self.value.partition(";")[0].strip().lower().rstrip(".")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters after the domain."""
        parts = self.value.split(";")[1:]
        return tuple(part.partition("=")[0].strip().lower() for part in parts)

    @property
    def is_unknown_and_critical(self) -> bool:
        """Whether an authority must refuse because of it (RFC 8659, section 4.1)."""
        return bool(self.flags & CRITICAL) and self.tag not in KNOWN_TAGS


@dataclass(frozen=True, slots=True)
class _RecordSet:
    """The CAA records that decide, and where they stand."""

    place: str
    is_at_cname: bool
    """They stand where the CNAME of the name leads, so they are not the tenant's."""
    properties: tuple[Property, ...]

    def issuers(self, tag: str) -> tuple[Property, ...] | None:
        """Return the records that decide about a tag. None: everybody may issue.

        For a wildcard ``issuewild`` goes before ``issue`` (RFC 8659, section 4.3).
        """
        own = tuple(each for each in self.properties if each.tag == tag)
        if tag == "issuewild" and not own:
            return self.issuers("issue")
        return own or None


def parse(text: str) -> Property | None:
    """Parse a record in zone-file form, such as ``0 issue "pki.goog"``. None: it is malformed."""
    parts = text.split(None, 2)
    if len(parts) < 2 or not parts[0].isdecimal():  # noqa: PLR2004 - flags and tag
        return None
    value = parts[2].strip() if len(parts) > 2 else ""  # noqa: PLR2004 - the value may be empty
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return Property(text, int(parts[0]), parts[1].lower(), value)


def caa(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Find CAA records that keep the certificate from being issued.

    Once it is issued, only its renewal is at risk: an error is a warning then.
    """
    for found in _check(subject, survey):
        eased = is_certified(subject) and found.severity is Severity.ERROR
        yield replace(found, severity=Severity.WARNING) if eased else found


def _check(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    for step in survey.caa:
        lookup = step.lookup
        if _will_go(subject, survey, lookup):
            return
        if lookup.outcome is Outcome.UNKNOWN:
            yield finding(Code.CAA_NOT_ANSWERED, place=lookup.name, why=lookup.why or "no answer")
        if pointing.is_open(lookup):
            return
        if lookup.values:
            yield from _judge(subject, lookup)
            return


def _will_go(subject: Subject, survey: DnsSurvey, lookup: Lookup) -> bool:
    """Whether the answer lies behind the routing record, which the tenant is about to change.

    The CNAME record of a parent stays.
    """
    is_behind = lookup.name == survey.owner and pointing.cname(survey) is not None
    if not is_behind or lookup.is_absent or set(lookup.chain) & set(subject.targets):
        return False
    is_to_change = pointing.points_here(subject, survey) is not True
    return is_to_change and subject.is_real_time and not is_certified(subject)


def _judge(subject: Subject, lookup: Lookup) -> Iterator[Finding]:
    records = _RecordSet(
        lookup.end,
        bool(lookup.chain),
        tuple(each for each in map(parse, lookup.values) if each is not None),
    )
    critical = next((each for each in records.properties if each.is_unknown_and_critical), None)
    if critical is not None:
        yield finding(
            Code.CAA_CRITICAL,
            None,
            RecordChange(change=Change.REMOVE, type="CAA", name=records.place, value=critical.text),
            place=records.place,
            found=critical.text,
        )
        return
    yield from _forbidden(subject, records, lookup.name)
    yield from _bound(subject, records)


def _forbidden(subject: Subject, records: _RecordSet, name: str) -> Iterator[Finding]:
    chosen = subject.certificate_authority
    usable = [chosen] if chosen in AUTHORITIES else [*AUTHORITIES]
    refused = {each: tags for each in usable if (tags := _refusing(subject, records, each))}
    if not refused:
        return
    lines = [
        f'0 {tag} "{AUTHORITIES[authority][1]}"'
        for authority, tags in refused.items()
        for tag in tags
    ]
    params = {
        "place": records.place,
        "authorities": ", ".join(AUTHORITIES[each][0] for each in refused),
        "line": " and ".join(f"{records.place}. CAA {line}" for line in lines),
    }
    # At a name that is not the tenant's there is nothing for the tenant to add.
    change = (
        None
        if records.is_at_cname
        else RecordChange(change=Change.ADD, type="CAA", name=records.place, value=lines[0])
    )
    if len(refused) < len(usable):
        yield finding(Code.CAA_LIMITS, None, change, **params)
    elif records.is_at_cname:
        yield finding(Code.CAA_AT_CNAME_FORBIDS, name=name, **params)
    else:
        yield finding(Code.CAA_FORBIDS, None, change, **params)


def _refusing(subject: Subject, records: _RecordSet, authority: str) -> list[str]:
    """Return the tags for which the authority may not issue, as they stand in the records."""
    tags = []
    for tag in _tags(subject):
        allowed = records.issuers(tag)
        if allowed is None or _allowing(allowed, authority):
            continue
        tags.append(allowed[0].tag)
    return list(dict.fromkeys(tags))


def _bound(subject: Subject, records: _RecordSet) -> Iterator[Finding]:
    """Find a permission that holds only for an account or a method that may not be Cloudflare's."""
    chosen = subject.certificate_authority
    for authority in [chosen] if chosen in AUTHORITIES else AUTHORITIES:
        for tag in _tags(subject):
            allowing = _allowing(records.issuers(tag) or (), authority)
            bound = [each for each in allowing if set(BINDING) & set(each.parameters)]
            if bound and len(bound) == len(allowing):
                found = bound[0].text
                yield finding(Code.CAA_BOUND, place=records.place, found=found)
                return


def _allowing(properties: Sequence[Property], authority: str) -> list[Property]:
    return [each for each in properties if each.issuer == AUTHORITIES[authority][1]]


def _tags(subject: Subject) -> tuple[str, ...]:
    """Return what is to be issued: a certificate for a wildcard also covers the base name."""
    covers_wildcard = subject.wildcard_certificate or subject.hostname.is_wildcard
    return ("issue", "issuewild") if covers_wildcard else ("issue",)
