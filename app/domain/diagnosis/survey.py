"""Everything that one diagnosis asked of DNS about a hostname, and the answers. Pure data.

`adapters/dns/surveyor` gathers it with real queries; the checks of this package read it. Names are
lower case and have no final dot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.domain.custom_hostname import RecordKey


class Outcome(StrEnum):
    """How a question was answered."""

    FOUND = "found"
    NO_DATA = "no_data"
    """The name exists, without records of this type."""
    NO_NAME = "no_name"
    """NXDOMAIN: neither this name nor any name below it exists."""
    UNKNOWN = "unknown"
    """No usable answer. `why` says what came instead."""
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """One question and its answer."""

    name: str
    type: str
    outcome: Outcome
    chain: tuple[str, ...] = ()
    """The CNAME targets that were followed, in order. Empty where the question was not to
    follow."""
    values: tuple[str, ...] = ()
    """The values at the end of the chain, sorted. A TXT value is its strings joined, without the
    quotes of zone files. A CAA value is in zone-file form, as in ``0 issue "pki.goog"``."""
    ttl: int | None = None
    """In seconds: how long the first RRset of the answer may be cached. Only an authoritative
    server gives the whole TTL; a resolver gives what is left of it."""
    of_wildcard: bool = False
    """Whether a wildcard record gives what was found, so that nothing stands at the name itself.
    Only asked of what is not right."""
    why: str | None = None
    """For `UNKNOWN`: ``timeout``, ``servfail``, ``refused``, ``lame``, ``cname_loop`` and so on."""

    @property
    def is_absent(self) -> bool:
        """Whether there certainly is no such record."""
        return self.outcome in {Outcome.NO_DATA, Outcome.NO_NAME}

    @property
    def end(self) -> str:
        """The name at the end of the chain."""
        return self.chain[-1] if self.chain else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerView:
    """What one server says about where the hostname points."""

    server: str
    """The name server's host name, or a resolver's address."""
    is_authoritative: bool
    """Whether it is one of the zone's own servers, not a resolver."""
    a: Lookup
    aaaa: Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class CaaStep:
    """One name at which a certificate authority looks for CAA records (RFC 8659, section 3)."""

    lookup: Lookup
    """Type CAA. With a chain: the records stand at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSurvey:
    """What stands where a wanted ownership, certificate or delegation record belongs."""

    wanted: Lookup
    """The wanted type at the wanted name, not followed if a CNAME is wanted."""
    other: Lookup
    """The type that is often there instead: TXT where a CNAME is wanted, CNAME where a TXT is."""
    doubled: Lookup
    """The wanted type at the wanted name with the zone's name appended once more."""
    bare: Lookup
    """The wanted type at the hostname itself, without the label in front."""


class Dnssec(StrEnum):
    """Whether validating resolvers accept the zone's signatures."""

    NOT_CHECKED = "not_checked"
    ACCEPTED = "accepted"
    """Nothing speaks against them; the zone may also be unsigned."""
    BOGUS = "bogus"
    """A resolver answers SERVFAIL, and answers properly once told not to check signatures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSurvey:
    """The DNS of one hostname at one moment."""

    looked_at: datetime
    name: str
    """The name asked: the hostname, or for a wildcard a random name that it covers."""
    owner: str
    """Where the tenant's routing record belongs: the hostname; ``*.shop.com`` for a wildcard."""
    registrable: str | None
    """The registrable domain by the public suffix list."""
    registration: Lookup
    """NS at the registrable domain. `NO_NAME`: the domain is not registered."""
    zone: str | None
    """The DNS zone that holds the name, as its parents delegate it. None if it was not found."""
    name_servers: tuple[str, ...] = ()
    """The host names of the zone's servers."""
    servers: tuple[ServerView, ...] = ()
    """Each server that was asked where the name points. Resolvers come last."""
    cname: Lookup
    """CNAME at the name itself, not followed."""
    a: Lookup
    """A at the name itself, not followed: with a CNAME beside it, both stand there."""
    aaaa: Lookup
    """AAAA at the name itself, not followed."""
    doubled: Lookup
    """CNAME (else A) at the owner with the zone's name appended once more."""
    target_addresses: tuple[str, ...] = ()
    """All addresses of the accepted CNAME targets at this moment."""
    caa: tuple[CaaStep, ...] = ()
    """In the order in which a certificate authority climbs, up to and including the first that
    has records or could not be asked: the base name, then its parents short of the top-level
    domain."""
    records: Mapping[RecordKey, RecordSurvey] = field(default_factory=dict)
    """By the key of each wanted record other than the routing record, DNS types only."""
    dnssec: Dnssec = Dnssec.NOT_CHECKED
    resolvers_answer: bool = True
    """Whether the configured resolvers answer for names that surely exist, the CNAME targets. If
    not, what could not be asked is our trouble, not the tenant's."""
