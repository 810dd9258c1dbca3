"""One DNS situation: a tenant's zone, what is wanted of it, and what is to be found out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.custom_hostname import Plan
from app.domain.diagnosis.catalogue import Code
from app.domain.observation import RoutingKind

ROOT, TLD, CHILD, SECOND, LAME, FAILING, SILENT, LOOSE, RESOLVER, SIX, INSIDE = (
    *(f"127.0.2.{at}" for at in range(1, 10)),
    "::1",
    "10.0.0.1",
)
"""CHILD and SECOND serve zones properly. LAME refuses, FAILING answers SERVFAIL for what it should
hold, nobody listens at SILENT, LOOSE serves what no proper server would load. SIX is CHILD again.
INSIDE is an address that must not be asked."""

TARGET = "customers.provider.net"
OTHER_TARGET = "eu.provider.net"
"""Accepted as well."""
STRICT_TARGET = "strict.provider.net"
"""The same, and its CAA records forbid everybody but one authority."""
OURS = ("198.51.100.81", "198.51.100.82")
OURS_V6 = "2001:db8:81::1"
"""The addresses of TARGET and STRICT_TARGET. Both are proxied, so they are Cloudflare's."""
OURS_EU = "198.51.100.91"
"""The address of OTHER_TARGET, which another region of Cloudflare serves."""
OURS_LINES = "\n".join((*(f"@ A {address}" for address in OURS), f"@ AAAA {OURS_V6}"))
OLD = "203.0.113.9"
APEX = "192.0.2.200"
PROXIED = "198.51.100.7"
CLOUDFLARE_RANGE = "198.51.100.0/24"
UUID = "0123456789abcdef"
DCV = f"{UUID}.dcv.cloudflare.com"
OWNER = "5cc07c04-ea62-4a5a-95f0-419334a875a4"
TOKEN = "ca3-0123456789abcdef"
SECOND_TOKEN = "ca3-fedcba9876543210"

LOOSE_PORKBUN = ("loose.ns.porkbun.com",)
CLOUDFLARE = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")
GODADDY = ("ns51.domaincontrol.com", "ns52.domaincontrol.com")
PORKBUN = ("curitiba.ns.porkbun.com", "fortaleza.ns.porkbun.com")
GOOGLE, LETS_ENCRYPT, SSL_COM = "google", "lets_encrypt", "ssl_com"

ELSEWHERE, ABSENT, CNAME, FLATTENED, APEX_KIND = (
    RoutingKind.ELSEWHERE,
    RoutingKind.ABSENT,
    RoutingKind.CNAME,
    RoutingKind.FLATTENED,
    RoutingKind.APEX,
)
Seen = RoutingKind | str
"""Where the name points, or why that is not known."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Records are given as in a zone file whose origin is the zone; SOA and NS are added."""

    fact: str
    host: str

    zone: str = ""
    """The registrable domain's records."""
    served: Sequence[str] = (CHILD,)
    """Where the domain is delegated to: ns1, ns2 and so on, with glue. Empty: not registered."""
    hosts: Sequence[str] = ()
    """Name servers outside the domain, instead of ns1 and so on. CHILD's address, but for LOOSE."""
    second: str | None = None
    """What SECOND serves, if not the same."""
    remembered: str | None = None
    """The records before: the resolver has them in its cache."""
    below: Mapping[str, str] = field(default_factory=dict)
    """Zones that the domain delegates, by their label; SECOND serves them, or nobody if empty."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Zones of others, which SECOND serves, or nobody if empty."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """How LOOSE fails, by name or type."""
    has_resolver: bool = True
    has_root: bool = True
    """Whether we reach them from here."""
    signed: bool = False
    bogus: bool = False
    """The resolver trusts another key than the one that signs."""

    plan: Plan = Plan.SIMPLE
    owner: str | None = None
    tokens: Sequence[str] = ()
    apex_addresses: Sequence[str] = ()
    wildcard: bool = False
    """A sibling hostname has a wildcard on the same certificate."""
    authority: str | None = None
    hostname_status: str | None = None
    ssl_status: str | None = None
    cloudflare_error: str | None = None
    live: bool = False

    sees: Seen = RoutingKind.CNAME
    thorough: Seen | None = None
    """What the thorough check sees, if not the same."""
    statuses: Sequence[str] | None = None
    """Of the wanted records, in their order. None: all are found."""
    found: Sequence[str] = ()
    """What stands in the place of wrong ones."""
    found_at: Sequence[str] = ()
    """Where missing ones stand."""
    codes: Sequence[Code] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """Some of the parameters of the findings."""

    @property
    def domain(self) -> str:
        """The registrable domain."""
        return ".".join(self.host.split(".")[-2:])

    @property
    def base(self) -> str:
        return self.host.removeprefix("*.")
