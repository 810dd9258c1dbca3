"""What the services need from external systems, as Protocols. The adapters implement them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from app.domain.custom_hostname import CustomHostname, DnsRecord
from app.domain.deliveries import Attempt, Message
from app.domain.diagnosis.domain_connect import DomainConnectOffer, Service
from app.domain.diagnosis.survey import DnsSurvey
from app.domain.hostname import Hostname
from app.domain.object_spec import ObjectSpec
from app.domain.observation import (
    CloudflareHostname,
    DnsView,
    HostnamePage,
    Values,
)
from app.domain.zone import (
    CloudflareZone,
    Destinations,
    FallbackOrigin,
    Quota,
    ZoneAccess,
    ZoneRecord,
)


class CustomHostnameGateway(Protocol):
    """Custom hostnames at Cloudflare. Every method may raise a `CloudflareError`."""

    async def create(
        self, access: ZoneAccess, hostname: str, wanted: ObjectSpec
    ) -> CloudflareHostname:
        """Create a custom hostname. `CloudflareDuplicate` if the zone has it."""

    async def get(self, access: ZoneAccess, cloudflare_id: str) -> CloudflareHostname:
        """Get a custom hostname. `CloudflareNotFound` if it certainly does not exist."""

    async def list_page(
        self, access: ZoneAccess, *, page: int, filters: Mapping[str, str]
    ) -> HostnamePage:
        """Return one page, of at most 50, of a list."""

    async def refresh(
        self, access: ZoneAccess, view: CloudflareHostname, chosen: ObjectSpec
    ) -> CloudflareHostname:
        """Make Cloudflare check again now, without changing anything."""

    async def edit(
        self,
        access: ZoneAccess,
        view: CloudflareHostname,
        wanted: ObjectSpec,
        *,
        applied: ObjectSpec | None = None,
    ) -> CloudflareHostname:
        """Send another spec than `applied`. After `CloudflareRefused`, nothing has changed."""

    async def dcv_delegation_uuid(self, access: ZoneAccess) -> str:
        """Return the zone's label under dcv.cloudflare.com."""

    async def delete(self, access: ZoneAccess, cloudflare_id: str) -> None:
        """Delete a custom hostname. `CloudflareNotFound` if it was deleted before."""


class ZoneGateway(Protocol):
    """The provider's zone at Cloudflare. Every method may raise a `CloudflareError`."""

    async def zone(self, access: ZoneAccess) -> CloudflareZone:
        """Return the zone's name and account."""

    async def token_status(self, access: ZoneAccess) -> str:
        """Return the token's status."""

    async def quota(self, access: ZoneAccess) -> Quota:
        """Return how many custom hostnames the zone may have."""

    async def fallback_origin(self, access: ZoneAccess) -> FallbackOrigin | None:
        """Return the fallback origin, if one is set."""

    async def put_fallback_origin(self, access: ZoneAccess, origin: str) -> FallbackOrigin:
        """Set the fallback origin."""

    async def records_at(self, access: ZoneAccess, name: str) -> list[ZoneRecord]:
        """Return the zone's records at one name."""

    async def create_record(
        self, access: ZoneAccess, *, type_: str, name: str, content: str
    ) -> ZoneRecord:
        """Add a proxied record."""

    async def address_ranges(self, access: ZoneAccess) -> tuple[str, ...]:
        """Return the networks in which every proxied name's addresses lie."""

    async def proxy_record(self, access: ZoneAccess, record_id: str) -> ZoneRecord:
        """Turn on proxying for a record."""


ProxyPrefixes = Callable[[], Awaitable[tuple[str, ...]]]
"""Gives the address ranges of Cloudflare's proxies; empty while they are not known."""


class Dns(Protocol):
    """The tenants' DNS."""

    async def check(
        self, record: CustomHostname, *, thorough: bool, proxy_prefixes: ProxyPrefixes
    ) -> DnsView:
        """Check a record's DNS. Never raises.

        `proxy_prefixes` is only called for a name that shows bare addresses.
        """

    async def leads_elsewhere(
        self,
        hostname: Hostname,
        *,
        ours: Destinations,
        tenant: str,
        proxy_prefixes: ProxyPrefixes,
        within: float,
    ) -> bool:
        """Whether it is certain within so many seconds that no traffic of a name arrives here."""

    async def addresses(self, name: str) -> Values:
        """Return a name's addresses, as all servers that answer say. Never raises."""

    async def name_servers(self, domain: str) -> Values:
        """Return the domain's name servers. Never raises."""


class DnsSurveyor(Protocol):
    """Asks all that a diagnosis reads."""

    async def survey(
        self,
        hostname: Hostname,
        records: Sequence[DnsRecord],
        *,
        targets: Sequence[str],
        registrable: str | None,
    ) -> DnsSurvey:
        """Ask everything about one hostname. Never raises."""


class DomainConnectLinks(Protocol):
    """Finds DNS providers that apply our templates, and makes the links (Domain Connect)."""

    async def discover(self, domain: str) -> DomainConnectOffer | None:
        """Ask about the apex of a zone. Never raises."""

    def link(
        self,
        offer: DomainConnectOffer,
        service: Service,
        *,
        host: str,
        variables: Mapping[str, str],
    ) -> str:
        """Return the link for the tenant. `ValueError` if the template does not fit."""


class WebhookTransport(Protocol):
    """Sends webhooks."""

    def check(self, url: str, *, is_tenants_own: bool = False) -> None:
        """Raise `WebhookRefused` for a URL that may never be called."""

    async def send(self, message: Message) -> Attempt:
        """POST once. Never raises."""


class Cipher(Protocol):
    """Encryption at rest."""

    def encrypt(self, text: str) -> bytes:
        """Encrypt a text."""

    def decrypt(self, token: bytes) -> str:
        """Decrypt a token."""


class RotatingCipher(Cipher, Protocol):
    """Encryption at rest with several keys, one of them the newest."""

    def rotate(self, token: bytes) -> bytes | None:
        """Encrypt a token again with the newest key. None if that key encrypted it already."""
