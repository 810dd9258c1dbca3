"""What one look brought: Found, Absent, Unknown or NotAsked, and never a guess between them.

"Could not ask" is not "no": only a success is `Found`, only Cloudflare's own "not found" or an
NXDOMAIN or no-data answer is `Absent`; everything else is `Unknown` and moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """Asked, and this was the answer."""

    value: T


@dataclass(frozen=True, slots=True)
class Absent:
    """Asked, and surely not there."""

    namesake: CloudflareHostname | None = None
    """Another custom hostname of the same name that the zone has, under an id of its own."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Asked without a usable answer; `retry_after` in seconds where the other side named it."""

    why: str
    retry_after: float | None = None
    detail: str | None = field(default=None, compare=False)
    """In words, for people."""


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Not asked this time."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An act was answered with a permanent no; `code` is Cloudflare's number."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class ValidationRecord:
    """One token of domain control validation, as Cloudflare shows it."""

    txt_name: str | None = None
    txt_value: str | None = None
    http_url: str | None = None
    http_body: str | None = None
    emails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudflareHostname:
    """A custom hostname as Cloudflare shows it; statuses are its raw texts."""

    id: str
    hostname: str
    status: str
    """Empty where Cloudflare did not say."""
    ssl_status: str | None = None
    ssl_method: str | None = None
    ssl_type: str | None = None
    wildcard: bool = False
    cloudflare_branding: bool = False
    certificate_authority: str | None = None
    ssl_settings: Mapping[str, Any] = field(default_factory=dict)
    verification_errors: tuple[str, ...] = ()
    validation_errors: tuple[str, ...] = ()
    ownership_name: str | None = None
    ownership_value: str | None = None
    ownership_http: tuple[str, str] | None = None
    """URL and body of the ownership token that is served by hand."""
    delegation: tuple[str, str] | None = None
    """`_acme-challenge` of the name, and where its CNAME has to lead for delegated DCV."""
    custom_origin_server: str | None = None
    custom_origin_sni: str | None = None
    custom_metadata: Mapping[str, Any] | None = None
    validation_records: tuple[ValidationRecord, ...] = ()
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HostnamePage:
    """One page of a list of custom hostnames, and how long the list is."""

    hostnames: tuple[CloudflareHostname, ...]
    total: int
    unreadable: tuple[str, ...] = ()
    """The ids of entries whose fields could not be read; empty texts where there was no id."""


CloudflareView = Found[CloudflareHostname] | Absent | Unknown | NotAsked | Refused
"""Cloudflare's view of one hostname; `Refused` only ever answers an act."""


class Side(StrEnum):
    """Whom a look asks."""

    DNS = "dns"
    CLOUDFLARE = "cloudflare"


class RoutingKind(StrEnum):
    """By what evidence the tenant's DNS does, or does not, point at us."""

    CNAME = "cname"
    APEX = "apex"
    """All its addresses are those of our apex proxying."""
    FLATTENED = "flattened"
    ELSEWHERE = "points_elsewhere"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Routing:
    """Where the name's DNS leads: the CNAME chain after the name itself, and its last addresses."""

    kind: RoutingKind
    chain: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def points_at_target(self) -> bool:
        """Whether traffic for the name arrives at the CNAME target."""
        return self.kind in {RoutingKind.CNAME, RoutingKind.APEX, RoutingKind.FLATTENED}


RRsetKey = tuple[str, str]
"""An RRset's type and owner name, for example ``("TXT", "_acme-challenge.shop.com")``."""

Values = Found[tuple[str, ...]] | Absent | Unknown
"""The values of one RRset."""


@dataclass(frozen=True, slots=True)
class DnsView:
    """What DNS says of one hostname: where it leads, and each record that was asked for."""

    routing: Found[Routing] | Unknown | NotAsked = NotAsked()
    records: Mapping[RRsetKey, Values] = field(default_factory=dict)


class Action(StrEnum):
    """What may be done at Cloudflare for one hostname."""

    CREATE = "create"
    REFRESH = "refresh"
    EDIT = "edit"
    """Send the wanted shape, which differs from the one last sent."""
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Observation:
    """All that was seen in one check.

    After an action, `performed` names it and `cloudflare` is what answered it.
    """

    cloudflare: CloudflareView = NotAsked()
    dns: DnsView = DnsView()
    performed: Action | None = None
    sent_at: datetime | None = None
    """When the question to Cloudflare was sent; None means now."""
    held_back: datetime | None = None
    """The budget of calls to Cloudflare has none to spare until then: nothing may be done there."""

    @property
    def saw_nothing(self) -> bool:
        """Whether neither side was asked."""
        dns = self.dns
        asked = (self.cloudflare, dns.routing, *dns.records.values())
        return all(isinstance(each, NotAsked) for each in asked)
