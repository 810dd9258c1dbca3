"""What a check observed: Found, Absent, Unknown or NotAsked, and never a guess between them.

"Could not ask" is not "no". Only a success is `Found`. Only Cloudflare's own "not found" and an
NXDOMAIN or no-data answer are `Absent`. Everything else is `Unknown` and changes no state.
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
    """Asked, and answered with `value`."""

    value: T


@dataclass(frozen=True, slots=True)
class Absent:
    """Asked, and certainly not there."""

    namesake: CloudflareHostname | None = None
    """Another custom hostname of the same name in the zone, under an id of its own."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Asked without a usable answer. `retry_after` is in seconds, if the other side named it."""

    why: str
    retry_after: float | None = None
    detail: str | None = field(default=None, compare=False)
    """A description for people."""


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Not asked this time."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An action was refused permanently. `code` is Cloudflare's number."""

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
    """A custom hostname as Cloudflare shows it. The statuses are Cloudflare's raw texts."""

    id: str
    hostname: str
    status: str
    """Empty if Cloudflare did not say."""
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
    """URL and body of the ownership token that the tenant serves over HTTP."""
    delegation: tuple[str, str] | None = None
    """For delegated DCV: the name at `_acme-challenge`, and the target of its CNAME."""
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
    """The ids of entries whose fields could not be read; an empty text for an entry without an
    id."""


CloudflareView = Found[CloudflareHostname] | Absent | Unknown | NotAsked | Refused
"""Cloudflare's view of one hostname. `Refused` is only ever the answer to an action."""


class Side(StrEnum):
    """The system that a check asks."""

    DNS = "dns"
    CLOUDFLARE = "cloudflare"


class RoutingKind(StrEnum):
    """The evidence that the tenant's DNS does, or does not, point at us."""

    CNAME = "cname"
    APEX = "apex"
    """All its addresses belong to our apex proxying."""
    PROXIED = "proxied"
    """The tenant's own zone at Cloudflare proxies it, which hides the record behind it."""
    FLATTENED = "flattened"
    ELSEWHERE = "points_elsewhere"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Routing:
    """Where the name's DNS points: the CNAME chain after the name, and the last addresses."""

    kind: RoutingKind
    chain: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    active_since: datetime | None = None
    """Since when Cloudflare has shown a proxied hostname as active, counted from the first check
    that found it proxied. None while it is not."""
    is_confirmed: bool = False
    """Whether Cloudflare has confirmed that the traffic of a proxied name arrives here."""

    @property
    def points_at_target(self) -> bool | None:
        """Whether traffic for the name arrives at the CNAME target. None: a proxy hides it."""
        if self.kind is RoutingKind.PROXIED:
            return True if self.is_confirmed else None
        return self.kind in {RoutingKind.CNAME, RoutingKind.APEX, RoutingKind.FLATTENED}

    @property
    def is_hidden(self) -> bool:
        """Whether a proxy hides where the name points, and Cloudflare has not confirmed it yet."""
        return self.points_at_target is None


RRsetKey = tuple[str, str]
"""An RRset's type and owner name, for example ``("TXT", "_acme-challenge.shop.com")``."""

Values = Found[tuple[str, ...]] | Absent | Unknown
"""The values of one RRset."""


@dataclass(frozen=True, slots=True)
class DnsView:
    """What DNS says of one hostname: where it points, and each record that was asked for."""

    routing: Found[Routing] | Unknown | NotAsked = NotAsked()
    records: Mapping[RRsetKey, Values] = field(default_factory=dict)
    is_thorough: bool = False
    """All servers were asked, and what they agree on is given. Only such a check proves control."""
    misplaced: Mapping[RRsetKey, str] = field(default_factory=dict)
    """For RRsets that are absent, the routing record's included: the name with the zone's name
    appended once more, if one of this type stands there."""


class Action(StrEnum):
    """What the service may do at Cloudflare for one hostname."""

    CREATE = "create"
    REFRESH = "refresh"
    EDIT = "edit"
    """Send the wanted spec, which differs from the one last sent."""
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything observed in one check.

    After an action, `performed` names it and `cloudflare` is its answer.
    """

    cloudflare: CloudflareView = NotAsked()
    dns: DnsView = DnsView()
    performed: Action | None = None
    sent_at: datetime | None = None
    """When the request to Cloudflare was sent. None means now."""
    held_back: datetime | None = None
    """Until then the budget has no call to spare, so no action may be taken at Cloudflare."""

    @property
    def saw_nothing(self) -> bool:
        """Whether the check asked neither side."""
        dns = self.dns
        asked = (self.cloudflare, dns.routing, *dns.records.values())
        return all(isinstance(each, NotAsked) for each in asked)
