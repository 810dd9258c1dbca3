"""A zone at Cloudflare as the service sees it: how to reach it, and what its set-up reports."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from app.domain.errors import InvalidHostname, InvalidInput
from app.domain.hostname import parse_hostname, trim


@dataclass(frozen=True, slots=True)
class ZoneAccess:
    """What a call needs: Cloudflare's id of the zone, the token, and whose budget it draws on."""

    cloudflare_zone_id: str
    api_token: str = field(repr=False)
    budget: str = "default"
    account_id: str | None = None
    """Cloudflare's id of the account that the zone is in; None until it was asked for."""


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


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a provider's application answers, as the record that leads there."""

    type: str
    content: str

    def is_that_of(self, record: ZoneRecord) -> bool:
        """Whether the record leads there."""
        return (record.type, record.content.removesuffix(".").lower()) == (self.type, self.content)


def parse_origin(text: str) -> Origin:
    """Read an address or one hostname.

    Raises:
        InvalidInput: it is neither.
    """
    text = trim(text)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return Origin("CNAME", _origin_name(text))
    # A scope says which network card of one machine is meant; no record can.
    if "%" in text:
        raise _no_origin("An address with a scope is one machine's own.")
    return Origin("A" if isinstance(address, ipaddress.IPv4Address) else "AAAA", str(address))


def _origin_name(text: str) -> str:
    try:
        # Only Cloudflare has to reach it, so that any name of two labels may be one.
        hostname = parse_hostname(text, lambda name: name.rsplit(".", 1)[-1])
    except InvalidHostname as error:
        raise _no_origin(error.detail) from error
    if hostname.is_wildcard:
        raise _no_origin("A wildcard is no one hostname.")
    return hostname.name


def _no_origin(fault: str) -> InvalidInput:
    return InvalidInput(
        f"{fault} `origin` is an IPv4 or IPv6 address or one hostname, without wildcard, port, "
        "brackets or scheme. Give where your application answers, such as `192.0.2.10` or "
        "`app.provider.com`.",
        code="origin_invalid",
        field="/origin",
    )
