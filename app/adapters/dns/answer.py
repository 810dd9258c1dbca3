"""What a DNS message says: an answer, a referral, or nothing that can be used. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.nsbase
import dns.rdtypes.txtbase
import dns.rrset
from dns.rdatatype import RdataType

MAX_HOPS = 16
"""RFC 1034 names no number; resolvers give up at about this many."""

_LAME = "lame"
_IN = dns.rdataclass.IN
_YES_OR_NO = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


class CouldNotAsk(Exception):
    """No usable answer. `why` is a stable word."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    @property
    def is_lame(self) -> bool:
        """Whether the server answered, but does not hold the name."""
        return self.why == _LAME


@dataclass(frozen=True, slots=True)
class Server:
    """A name server: authoritative for `zone`, or a recursive resolver if `zone` is None."""

    address: str
    port: int = 53
    zone: dns.name.Name | None = None
    host: str = field(default="", compare=False)
    """The host name by which the zone is delegated to it. Empty for a resolver."""

    def holds(self, name: str) -> bool:
        """Whether the server's answer about the name counts.

        Raises:
            CouldNotAsk: the text is not a name.
        """
        return self.zone is None or parse_name(name).is_subdomain(self.zone)


@dataclass(frozen=True, slots=True)
class Answer:
    """The CNAMEs that were followed, and the values. Empty values: the name surely has none."""

    chain: tuple[str, ...]
    values: tuple[str, ...]
    exists: bool = True
    """Whether the name at the end of the chain exists. False is NXDOMAIN: nothing is at this name
    or below it (RFC 8020). True without values is NODATA (RFC 2308)."""
    ttl: int | None = None
    """Seconds for which the first RRset of the answer may be cached. None if there is none."""


@dataclass(frozen=True, slots=True)
class Referral:
    """A delegation: the zone that a parent's server refers to, and who serves it."""

    zone: dns.name.Name
    hosts: tuple[str, ...]
    """Host names of the servers, sorted."""
    glue: Mapping[str, tuple[str, ...]]
    """Addresses of those hosts that lie within the delegating zone."""
    ttl: int
    """Seconds for which all of it may be cached."""


@lru_cache(maxsize=1024)
def parse_name(text: str) -> dns.name.Name:
    """Parse a name.

    Raises:
        CouldNotAsk: the text is not a name.
    """
    try:
        return dns.name.from_text(text)
    except (dns.exception.DNSException, UnicodeError):
        raise CouldNotAsk("unusable_name") from None


def name_text(name: dns.name.Name) -> str:
    """Give a name in lower case without its final dot."""
    return name.to_text(omit_final_dot=True).lower()


def read_answer(
    response: dns.message.Message,
    server: Server,
    name: dns.name.Name,
    rdtype: RdataType,
    *,
    follow: bool = True,
) -> Answer:
    """Read a response to a question, along the CNAMEs that the server itself followed.

    Without `follow`, only what stands at the name itself is read.

    Raises:
        CouldNotAsk: an error code, or a server that does not hold the name.
    """
    _refuse_unusable(response, server)
    chain: list[str] = []
    ttl: int | None = None
    while follow and rdtype != RdataType.CNAME and len(chain) <= MAX_HOPS:
        alias = _alias(response, server, name)
        if alias is None:
            break
        name = alias[0]
        ttl = alias[1] if ttl is None else ttl
        chain.append(name_text(name))
        if server.zone is not None and not name.is_subdomain(server.zone):
            return Answer(tuple(chain), (), ttl=ttl)
    rrset = _rrset(response.answer, name, rdtype)
    values = tuple(sorted(_value(rdata) for rdata in rrset or ()))
    if rrset is not None and ttl is None:
        ttl = rrset.ttl
    at_name = any(other.name == name for other in response.answer)
    return Answer(tuple(chain), values, at_name or response.rcode() != dns.rcode.NXDOMAIN, ttl)


def read_referral(
    response: dns.message.Message, server: Server, name: dns.name.Name
) -> Referral | None:
    """Read where an authoritative server sends us for a name. None: it answers by itself.

    Raises:
        CouldNotAsk: an error code, or the server neither holds the name nor knows who does.
    """
    zone = server.zone or dns.name.root
    for rrset in _delegations(response):
        if rrset.name != zone and rrset.name.is_subdomain(zone) and name.is_subdomain(rrset.name):
            return _referral(response, zone, rrset)
    _refuse_unusable(response, server)
    return None


def read_apex(response: dns.message.Message, server: Server) -> dns.name.Name | None:
    """Read the zone's name from an answer about SOA. None: the name is an alias.

    Raises:
        CouldNotAsk: an error code, or a server that does not hold the name.
    """
    _refuse_unusable(response, server)
    found = (*response.answer, *response.authority)
    return next((rrset.name for rrset in found if rrset.rdtype == RdataType.SOA), None)


def _referral(
    response: dns.message.Message, zone: dns.name.Name, delegation: dns.rrset.RRset
) -> Referral:
    hosts = {r.target for r in delegation if isinstance(r, dns.rdtypes.nsbase.NSBase)}
    ttl = delegation.ttl
    glue: dict[str, tuple[str, ...]] = {}
    for host in hosts:
        # What a server says of names outside its own zone is hearsay (RFC 2181, 5.4.1).
        if not host.is_subdomain(zone):
            continue
        for rdtype in (RdataType.A, RdataType.AAAA):
            rrset = _rrset(response.additional, host, rdtype)
            if rrset is not None:
                text = name_text(host)
                glue[text] = (*glue.get(text, ()), *(rdata.to_text() for rdata in rrset))
                ttl = min(ttl, rrset.ttl)
    names = sorted(name_text(host) for host in hosts if host != dns.name.root)
    return Referral(delegation.name, tuple(names), glue, ttl)


def _delegations(response: dns.message.Message) -> Iterable[dns.rrset.RRset]:
    """Give the NS RRsets of a referral. Beside an SOA they belong to a "no" (RFC 2308, 2.2)."""
    if response.rcode() != dns.rcode.NOERROR or response.answer:
        return ()
    if any(rrset.rdtype == RdataType.SOA for rrset in response.authority):
        return ()
    return (rrset for rrset in response.authority if rrset.rdtype == RdataType.NS)


def _refuse_unusable(response: dns.message.Message, server: Server) -> None:
    code = response.rcode()
    if code not in _YES_OR_NO:
        raise CouldNotAsk(dns.rcode.to_text(code).lower())
    # Only a server that holds the name, or resolves it for us, can say that there is nothing.
    enough = dns.flags.AA if server.zone is not None else dns.flags.AA | dns.flags.RA
    if not response.flags & enough:
        raise CouldNotAsk(_LAME)


def _alias(
    response: dns.message.Message, server: Server, name: dns.name.Name
) -> tuple[dns.name.Name, int] | None:
    """Give the name's alias and its TTL: its CNAME, or what a DNAME above it makes of it."""
    rrset = _rrset(response.answer, name, RdataType.CNAME)
    if rrset is not None:
        return _target(rrset), rrset.ttl
    for above in response.answer:
        if above.rdtype != RdataType.DNAME or above.name == name:
            continue
        if name.is_subdomain(above.name) and above.name.is_subdomain(server.zone or dns.name.root):
            return _substituted(name, above.name, _target(above)), above.ttl
    return None


def _substituted(name: dns.name.Name, owner: dns.name.Name, target: dns.name.Name) -> dns.name.Name:
    """Make the name that a DNAME leads to (RFC 6672, section 2.2).

    Raises:
        CouldNotAsk: it would be longer than a name can be.
    """
    try:
        return name.relativize(owner).concatenate(target)
    except dns.name.NameTooLong:
        raise CouldNotAsk("yxdomain") from None


def _target(rrset: dns.rrset.RRset) -> dns.name.Name:
    for rdata in rrset:
        if isinstance(rdata, dns.rdtypes.nsbase.NSBase):
            return rdata.target
    raise CouldNotAsk("unusable_answer")


def _rrset(
    section: Sequence[dns.rrset.RRset], name: dns.name.Name, rdtype: RdataType
) -> dns.rrset.RRset | None:
    for rrset in section:
        if rrset.rdtype == rdtype and rrset.name == name and rrset.rdclass == _IN:
            return rrset
    return None


def _value(rdata: dns.rdata.Rdata) -> str:
    if isinstance(rdata, dns.rdtypes.txtbase.TXTBase):
        # Postgres stores no NUL in a text.
        return b"".join(rdata.strings).decode("utf-8", "replace").replace("\0", "\ufffd")
    if isinstance(rdata, dns.rdtypes.nsbase.NSBase):
        return name_text(rdata.target)
    return rdata.to_text()
