"""What is wanted of a hostname, and what Cloudflare last said: the other half of the input."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.custom_hostname import DnsRecord
from app.domain.diagnosis.provider import Provider
from app.domain.hostname import Hostname


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One hostname that is to be diagnosed, stored or only considered."""

    hostname: Hostname
    is_apex: bool
    targets: tuple[str, ...]
    """The names that the routing record may point at. The first is the one shown."""
    apex_prefixes: tuple[str, ...] = ()
    """Addresses and prefixes that an apex may point at. Empty: the zone has no apex proxying."""
    fallback_origin: str | None = None
    """The zone's fallback origin, which tenants sometimes point at instead of the target."""
    provider_zone: str | None = None
    """The name of the provider's own zone at Cloudflare."""
    records: tuple[DnsRecord, ...] = ()
    """The records the tenant is asked to add, in order, each with its last status."""
    is_real_time: bool = True
    """Whether the routing record itself proves the hostname."""
    certificate_authority: str | None = None
    """``google``, ``lets_encrypt`` or ``ssl_com`` if one was chosen. None: Cloudflare chooses."""
    wildcard_certificate: bool = False
    """Whether the certificate covers a wildcard."""
    hostname_status: str | None = None
    """Cloudflare's status of the hostname. None before it was created there."""
    ssl_status: str | None = None
    cloudflare_errors: tuple[str, ...] = ()
    """The validation errors that Cloudflare shows, in its own words."""
    is_live: bool = False
    provider: Provider | None = None
    """The tenant's DNS provider, if it was recognised."""
    proxy_prefixes: tuple[str, ...] = ()
    """Cloudflare's published address ranges, in which every proxied name lies."""
