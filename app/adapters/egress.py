"""Which addresses a webhook may go to: public ones only, against request forgery.

The name is resolved here, and the connection goes to the very address that was checked. A name that
answers differently the second time (rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import itertools
import socket
import unicodedata
from collections.abc import Sequence
from urllib.parse import urlsplit

import dns.asyncresolver
import dns.exception
import dns.nameserver

from app.domain.errors import ErrorCode, WebhookRefused

RESOLVE_SECONDS = 5.0
MOST_ADDRESSES = 6
"""How many addresses of one name are tried."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


# Written out, because what `ipaddress` calls global differs between versions of Python. Translation
# prefixes lead to an IPv4 address of any kind (RFC 6052, RFC 8215, RFC 3056, RFC 4380). The rest is
# site-local (RFC 3879), documentation (RFC 9637), and protocol assignments (RFC 6890, RFC 7526).
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "::/96",
        "fec0::/10",
        "3fff::/20",
        "192.0.0.0/24",
        "192.88.99.0/24",
    )
)


# RFC 6761, RFC 6762, RFC 8375 and ICANN's `internal`: never names of the public internet.
_LOCAL_NAMES = frozenset({"localhost", "local", "internal", "arpa"})
_NOT_ENCRYPTED = "Webhooks are sent over https only."
_EXAMPLE = "Give a URL such as `https://hooks.provider.com/nameplate`."


def is_public(address: Address) -> bool:
    """Whether the address is on the public internet."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if any(address.version == network.version and address in network for network in _NEVER):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def check_url(url: str, *, allow_loopback: bool) -> None:
    """Refuse what can be refused before the name is resolved.

    Raises:
        WebhookRefused: not a URL, not https, with credentials or port 0, or an inner address
            or name.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        host, port = "", None
    if not host:
        raise _invalid("The URL must have a scheme and a host.")
    if parts.username or parts.password:
        raise _invalid(
            "The URL must not have a user name or password, because it is stored unencrypted."
        )
    if port == 0:
        raise _invalid("Port 0 cannot be reached; give another port, or none for 443.")
    here = allow_loopback and _is_loopback(host)
    if parts.scheme != "https" and not (here and parts.scheme == "http"):
        raise WebhookRefused(f"{_NOT_ENCRYPTED} {_EXAMPLE}", code=ErrorCode.URL_NOT_HTTPS)
    literal = _literal(host)
    if literal is not None:
        _refuse_inner([literal], allow_loopback=allow_loopback)
    elif host.rsplit(".", 1)[-1].lower() in _LOCAL_NAMES and not here:
        raise WebhookRefused(
            f"{host} is a name of internal networks, which are never called; give a public name."
        )


def _invalid(detail: str) -> WebhookRefused:
    return WebhookRefused(f"{detail} {_EXAMPLE}", code=ErrorCode.URL_INVALID)


def resolver_of(servers: Sequence[tuple[str, int]]) -> dns.asyncresolver.Resolver:
    """Return a resolver that asks these addresses and ports. Without any, the machine's own."""
    if not servers:
        return dns.asyncresolver.Resolver()
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [
        dns.nameserver.Do53Nameserver(address, port) for address, port in servers
    ]
    return resolver


async def resolve(
    host: str, resolver: dns.asyncresolver.Resolver, *, allow_loopback: bool
) -> list[str]:
    """Return the addresses of `host` to connect to, in order, alternating between both families.

    Raises:
        WebhookRefused: one of its addresses is an inner one, or it has none.
    """
    addresses = await _addresses(host, resolver)
    _refuse_inner(addresses, allow_loopback=allow_loopback)
    first = addresses[0].version
    own = [address for address in addresses if address.version == first]
    other = [address for address in addresses if address.version != first]
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(own, other))
    return [str(address) for address in in_turn if address is not None][:MOST_ADDRESSES]


async def _addresses(host: str, resolver: dns.asyncresolver.Resolver) -> list[Address]:
    literal = _literal(host)
    if literal is not None:
        return [literal]
    if host.lower() == "localhost":
        return [ipaddress.IPv4Address("127.0.0.1")]
    try:
        # `getaddrinfo` has few threads, and one that waits cannot be cancelled.
        found = await resolver.resolve_name(host, lifetime=RESOLVE_SECONDS)
    except (OSError, dns.exception.DNSException):
        raise WebhookRefused(
            f"{host} does not resolve; check the name.", code=ErrorCode.HOST_UNRESOLVED
        ) from None
    return [ipaddress.ip_address(address) for address in found.addresses()]


def _refuse_inner(addresses: list[Address], *, allow_loopback: bool) -> None:
    for address in addresses:
        if not is_public(address) and not (allow_loopback and address.is_loopback):
            raise WebhookRefused(
                "The address is in a private or internal network, which is never called; give a "
                "public address."
            )


def _is_loopback(host: str) -> bool:
    literal = _literal(host)
    return host == "localhost" if literal is None else literal.is_loopback


def _literal(host: str) -> Address | None:
    # Resolvers read full-width digits as digits.
    host = unicodedata.normalize("NFKC", host)
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        # inet_aton takes notations that ipaddress refuses: 0x7f.1, 2130706433, 017700000001.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
