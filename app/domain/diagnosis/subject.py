"""What is wanted of a hostname, and what Cloudflare last said: the other half of the input."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.custom_hostname import CustomHostname, DnsRecord, State
from app.domain.diagnosis.provider import Provider
from app.domain.hostname import Hostname
from app.domain.plan import is_real_time, wanted_records, wanted_spec


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


def subject_of(
    record: CustomHostname,
    *,
    fallback_origin: str | None,
    provider_zone: str | None,
    provider: Provider | None,
    proxy_prefixes: tuple[str, ...],
) -> Subject:
    """Put together what a diagnosis has to know about a record, stored or only considered."""
    known = record.cloudflare
    seen = known.seen if known.id is not None else None
    authority = record.options.certificate_authority
    return Subject(
        hostname=record.hostname,
        is_apex=record.is_apex,
        targets=record.zone.targets,
        apex_prefixes=record.zone.apex_prefixes,
        fallback_origin=fallback_origin,
        provider_zone=provider_zone,
        records=wanted_records(record),
        is_real_time=is_real_time(record),
        certificate_authority=str(authority) if authority else None,
        wildcard_certificate=wanted_spec(record).wildcard,
        hostname_status=seen.status if seen else None,
        ssl_status=seen.ssl_status if seen else None,
        cloudflare_errors=(*seen.verification_errors, *seen.validation_errors) if seen else (),
        is_live=record.state is State.CNAME_VERIFIED,
        provider=provider,
        proxy_prefixes=proxy_prefixes,
    )
