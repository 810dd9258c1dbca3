"""The DNS world: all records of all zones, and what a name holds.

Every registrable domain exists here. Not a server: `dns_answer` builds messages from it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from publicsuffixlist import PublicSuffixList

from sandbox import constants

Fault = Literal["servfail", "timeout", "refused", "none"]
DEFAULT_TTL = 300
_ADDRESS_TYPES = frozenset({"A", "AAAA", "CNAME"})
_PROXIABLE_TYPES = _ADDRESS_TYPES
_BESIDE_PROXIED_CNAME = frozenset({"TXT", "CAA", "MX", "NS"})


class BadRecordError(ValueError):
    """A record whose name, type or data cannot be served."""


@dataclass(frozen=True, slots=True)
class RRset:
    """All data of one type at one name, in zone-file form."""

    name: str
    type: str
    values: tuple[str, ...]
    ttl: int = DEFAULT_TTL
    proxied: bool = False


Node = dict[str, RRset]


@lru_cache(maxsize=65_536)
def parse(rrtype: str, value: str) -> dns.rdata.Rdata:
    """Parse zone-file data."""
    return dns.rdata.from_text(
        dns.rdataclass.IN, rrtype, value, origin=dns.name.root, relativize=False
    )


def normal(name: str) -> str:
    """Return a name as the world keeps it: lower case, no final dot."""
    return name.strip().rstrip(".").lower()


def checked(rrset: RRset) -> RRset:
    """Return the set with its name in normal form, or say what is wrong with it."""
    name = normal(rrset.name)
    try:
        dns.name.from_text(name)
        for value in rrset.values:
            parse(rrset.type, value)
    except (dns.exception.DNSException, ValueError) as error:
        raise BadRecordError(f"{rrset.type} at {name or '.'}: {error}") from error
    if not rrset.values:
        raise BadRecordError("a record needs at least one value")
    if rrset.type == "CNAME" and len(rrset.values) > 1:
        raise BadRecordError("a CNAME has one value only")
    if rrset.proxied and rrset.type not in _PROXIABLE_TYPES:
        raise BadRecordError(f"a {rrset.type} record cannot be proxied")
    return RRset(name, rrset.type, rrset.values, rrset.ttl, rrset.proxied)


def ancestors(name: str) -> Iterator[str]:
    """Yield the parents of a name, nearest first, without the root."""
    while "." in name:
        name = name.split(".", 1)[1]
        yield name


@lru_cache(maxsize=65_536)
def zone_of(name: str) -> str:
    """Return the zone of a name: its registrable domain, or the public suffix that it is."""
    suffixes = _suffixes()
    return suffixes.privatesuffix(name) or suffixes.publicsuffix(name) or ""


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


class World:
    """Names, their records and their faults. `revision` rises with every change."""

    def __init__(self, delegated_tokens: Callable[[str], Sequence[str] | None]) -> None:
        self._delegated_tokens = delegated_tokens
        self.revision = 0
        self._changes: Counter[str] = Counter()
        self.clear()

    def clear(self) -> None:
        """Leave only the name servers' own names."""
        self._nodes: dict[str, Node] = {}
        self._below: Counter[str] = Counter()
        self._proxied_in: Counter[str] = Counter()
        self._faults: dict[str, Fault] = {}
        for zone in list(self._changes):
            self._changed(zone)
        address = (constants.NAME_SERVER_ADDRESS,)
        for host in (*constants.OTHER_NAME_SERVERS, "*.ns.cloudflare.com"):
            self.put(RRset(host, "A", address))

    def put(self, rrset: RRset) -> list[RRset]:
        """Set all data of a type at a name; return what it displaced.

        A CNAME stands alone: it displaces what cannot be beside it, and is displaced by it.
        """
        node = self._nodes.get(rrset.name, {})
        displaced = [other for other in node.values() if _excludes(rrset, other)]
        for other in displaced:
            self.remove(other.name, other.type)
        if not self._nodes.get(rrset.name):
            self._nodes[rrset.name] = {}
            self._below.update(ancestors(rrset.name))
        self._nodes[rrset.name][rrset.type] = rrset
        if rrset.proxied:
            self._proxied_in[zone_of(rrset.name)] += 1
        self._changed(rrset.name)
        return displaced

    def remove(self, name: str, rrtype: str) -> bool:
        """Remove all data of a type at a name; False if there was none."""
        node = self._nodes.get(name)
        if node is None or rrtype not in node:
            return False
        if node.pop(rrtype).proxied:
            self._proxied_in[zone_of(name)] -= 1
        if not node:
            del self._nodes[name]
            self._below.subtract(ancestors(name))
        self._changed(name)
        return True

    def set_fault(self, name: str, fault: Fault) -> None:
        """Let questions for a name fail, or answer again."""
        self._faults[name] = fault
        self._changed(name)

    def fault_of(self, name: str) -> Fault:
        """Return how questions for a name fail."""
        return self._faults.get(name, "none")

    def changes(self, name: str) -> int | None:
        """Return a number that rises when answers for a name's zone may change.

        None for names whose answers change by themselves.
        """
        if name.endswith(f".{constants.DCV_SUFFIX}"):
            return None
        return self._changes[zone_of(name)]

    def node(self, name: str) -> Node | None:
        """Return what a name holds, wildcards included; None where it does not exist."""
        if name.endswith(f".{constants.DCV_SUFFIX}"):
            return self._delegated(name)
        if name in self._nodes:
            return self._nodes[name]
        if self._exists(name):
            return {}
        for encloser in ancestors(name):
            if self._exists(encloser):
                return self._nodes.get(f"*.{encloser}")
        return None

    def rrset(self, name: str, rrtype: str) -> RRset | None:
        """Return what the public sees of a type at a name: proxied records show as addresses."""
        node = self.node(name)
        if node is None:
            return None
        if rrtype in _ADDRESS_TYPES and is_proxied(node):
            return self._proxied(name, rrtype)
        if rrtype == "NS" and rrtype not in node and name == zone_of(name):
            values = tuple(f"{host}." for host in self.name_servers(name))
            return RRset(name, "NS", values)
        return node.get(rrtype)

    def name_servers(self, zone: str) -> tuple[str, str]:
        """Return the names of the servers a zone is delegated to."""
        on_cloudflare = zone == constants.ZONE_NAME or self._proxied_in[zone] > 0
        return constants.CLOUDFLARE_NAME_SERVERS if on_cloudflare else constants.OTHER_NAME_SERVERS

    def _changed(self, name: str) -> None:
        self._changes[zone_of(name)] += 1
        self.revision += 1

    def _proxied(self, name: str, rrtype: str) -> RRset | None:
        if rrtype != "A":
            return None
        own = zone_of(name) == constants.ZONE_NAME
        addresses = constants.PROVIDER_ADDRESSES if own else constants.ELSEWHERE_ADDRESSES
        return RRset(name, "A", addresses)

    def _delegated(self, name: str) -> Node | None:
        tokens = self._delegated_tokens(name.removesuffix(f".{constants.DCV_SUFFIX}"))
        if tokens is None:
            return None
        values = tuple(f'"{token}"' for token in tokens)
        return {"TXT": RRset(name, "TXT", values, ttl=60)} if values else {}

    def _exists(self, name: str) -> bool:
        return name in self._nodes or self._below[name] > 0 or name == zone_of(name)


def is_proxied(node: Node) -> bool:
    """Say whether a name's addresses are Cloudflare's."""
    return any(rrset.proxied for rrset in node.values())


def _excludes(new: RRset, old: RRset) -> bool:
    if new.type == old.type:
        return True
    if "CNAME" not in (new.type, old.type):
        return False
    cname, other = (new, old) if new.type == "CNAME" else (old, new)
    return not (cname.proxied and other.type in _BESIDE_PROXIED_CNAME)
