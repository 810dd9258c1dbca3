"""What the services need of the outside, as Protocols; the adapters satisfy them by shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from app.domain.custom_hostname import CustomHostname
from app.domain.deliveries import Attempt
from app.domain.object_spec import ObjectSpec
from app.domain.observation import CloudflareHostname, DnsView, HostnamePage, Values
from app.domain.zone import CloudflareZone, FallbackOrigin, Quota, ZoneAccess, ZoneRecord


class CustomHostnameGateway(Protocol):
    """Custom hostnames at Cloudflare. Every method may raise a `CloudflareError`."""

    async def create(
        self, access: ZoneAccess, hostname: str, wanted: ObjectSpec
    ) -> CloudflareHostname:
        """Create one; `CloudflareDuplicate` when the zone has it."""

    async def get(self, access: ZoneAccess, cloudflare_id: str) -> CloudflareHostname:
        """Look at one; `CloudflareNotFound` when it is surely not there."""

    async def list_page(
        self, access: ZoneAccess, *, page: int, filters: Mapping[str, str]
    ) -> HostnamePage:
        """Give one page of a list of at most 50."""

    async def refresh(
        self, access: ZoneAccess, view: CloudflareHostname, chosen: ObjectSpec
    ) -> CloudflareHostname:
        """Make Cloudflare look again now, changing nothing."""

    async def edit(
        self,
        access: ZoneAccess,
        view: CloudflareHostname,
        wanted: ObjectSpec,
        *,
        applied: ObjectSpec | None = None,
    ) -> CloudflareHostname:
        """Send another shape than `applied`; `CloudflareRefused` leaves what was there."""

    async def dcv_delegation_uuid(self, access: ZoneAccess) -> str:
        """Give the zone's label under dcv.cloudflare.com."""

    async def delete(self, access: ZoneAccess, cloudflare_id: str) -> None:
        """Remove one; `CloudflareNotFound` when it is gone already."""


class ZoneGateway(Protocol):
    """The provider's zone at Cloudflare. Every method may raise a `CloudflareError`."""

    async def zone(self, access: ZoneAccess) -> CloudflareZone:
        """Name the zone and its account."""

    async def token_status(self, access: ZoneAccess) -> str:
        """Say whether the token works."""

    async def quota(self, access: ZoneAccess) -> Quota:
        """Say how many custom hostnames the zone may have."""

    async def fallback_origin(self, access: ZoneAccess) -> FallbackOrigin | None:
        """Give the fallback origin, if one is set."""

    async def put_fallback_origin(self, access: ZoneAccess, origin: str) -> FallbackOrigin:
        """Set it."""

    async def records_at(self, access: ZoneAccess, name: str) -> list[ZoneRecord]:
        """Give the zone's records at one name."""

    async def create_record(
        self, access: ZoneAccess, *, type_: str, name: str, content: str
    ) -> ZoneRecord:
        """Add a proxied record."""

    async def proxy_record(self, access: ZoneAccess, record_id: str) -> ZoneRecord:
        """Turn a record's proxying on."""


class Dns(Protocol):
    """The tenants' DNS."""

    async def check(self, record: CustomHostname, *, thorough: bool) -> DnsView:
        """See what it says; never raises."""

    async def addresses(self, name: str) -> Values:
        """Give a name's addresses, as all servers that answer say; never raises."""

    async def name_servers(self, domain: str) -> Values:
        """Give the domain's name servers; never raises."""


class WebhookTransport(Protocol):
    """How webhooks leave."""

    def check(self, url: str) -> None:
        """Raise `WebhookRefused` for an address that could never be called."""

    async def send(self, url: str, *, message_id: str, body: str, secret: str) -> Attempt:
        """POST once; never raises."""


class Cipher(Protocol):
    """Encryption at rest."""

    def encrypt(self, text: str) -> bytes:
        """Encrypt."""

    def decrypt(self, token: bytes) -> str:
        """Decrypt."""


class RotatingCipher(Cipher, Protocol):
    """Encryption at rest with several keys, one of them the newest."""

    def rotate(self, token: bytes) -> bytes | None:
        """Encrypt with the newest key what another encrypted; None where it is so already."""
