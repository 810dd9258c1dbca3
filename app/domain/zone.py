"""A zone at Cloudflare as the service sees it: how to reach it, and what its set-up reports."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ZoneAccess:
    """What a call needs: Cloudflare's id of the zone, the token, and whose budget it draws on."""

    cloudflare_zone_id: str
    api_token: str = field(repr=False)
    budget: str = "default"


@dataclass(frozen=True, slots=True)
class CloudflareZone:
    """The zone as Cloudflare names it."""

    name: str
    account_id: str | None


@dataclass(frozen=True, slots=True)
class FallbackOrigin:
    """The zone's default origin, and whether Cloudflare is ready to send traffic there."""

    origin: str
    status: str
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ZoneRecord:
    """A record of the provider's own zone."""

    id: str
    type: str
    name: str
    content: str
    proxied: bool


@dataclass(frozen=True, slots=True)
class Quota:
    """How many custom hostnames the zone may have; None where Cloudflare does not say."""

    allocated: int | None
    used: int | None
