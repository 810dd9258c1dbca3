"""Which URLs and addresses may be called that others choose, against server-side request forgery.

A policy knows what is allowed. `guarded_connections` applies it to each connection before it opens.
"""

from __future__ import annotations

import ipaddress
import itertools
import socket
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.nameserver
import httpx

from app.domain.errors import ErrorCode, WebhookRefused

RESOLVE_SECONDS = 5.0
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MOST_PORT = 65535


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
# Where clouds give a machine its own credentials: AWS, Google, Azure and others; ECS; Alibaba;
# Oracle; Azure's platform, which is a public address; AWS and Google over IPv6.
_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
_NAT64, _COMPATIBLE = ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96")
_LOOPBACK: tuple[Network, ...] = (
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv6Network("::1/128"),
)


# RFC 6761, RFC 6762, RFC 8375 and ICANN's `internal`: never names of the public internet.
_LOCAL_NAMES = frozenset({"localhost", "local", "internal", "arpa"})
_DEFAULT_PORTS = {"https": 443, "http": 80}
_EXAMPLE = "Give a URL such as `https://hooks.provider.com/nameplate`."


def is_public(address: Address) -> bool:
    """Whether the address is on the public internet."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _METADATA or any(address in network for network in _NEVER):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressPolicy:
    """What may be called. By default https to the public internet, at any port."""

    ports: frozenset[int] | None = None
    """The ports that may be called, beside 80 for http; None: any."""
    allow_http: bool = False
    allow_loopback: bool = False
    """Allow this machine itself, at any port and over http. For the demo and the tests only."""
    allowed_networks: tuple[Network, ...] = ()
    """Inner networks that may be called. Metadata services stay refused. An address that leads to
    an IPv4 address, as NAT64's do, may be called if that one may."""

    def check_url(self, url: str) -> httpx.URL:
        """Refuse what can be refused before the name is resolved; return the URL as it was read.

        Raises:
            WebhookRefused: not a URL, not https, with credentials, a port that may not be called,
                or an inner address or name.
        """
        target = _read(url)
        host = _host(target)
        here = self.allow_loopback and _is_loopback(host)
        if target.scheme != "https" and not (target.scheme == "http" and (here or self.allow_http)):
            raise WebhookRefused(
                f"Webhooks are sent over https only. {_EXAMPLE}", code=ErrorCode.URL_NOT_HTTPS
            )
        if not here:
            self._check_port(target)
        literal = _literal(host)
        if literal is not None:
            self.check_addresses([literal])
        elif not here and not self.allowed_networks and _is_local_name(host):
            raise WebhookRefused(
                f"{host} is a name of internal networks, which are never called; give a public "
                "name."
            )
        return target

    def check_addresses(self, addresses: Iterable[Address]) -> None:
        """See that all addresses of a name may be called.

        Raises:
            WebhookRefused: one may not.
        """
        for address in addresses:
            if not self._allows(address):
                raise WebhookRefused(
                    "The address is in a private or internal network, which is never called; give "
                    "a public address."
                )

    def _allows(self, address: Address) -> bool:
        if is_public(address):
            return True
        allowed = (*self.allowed_networks, *(_LOOPBACK if self.allow_loopback else ()))
        if address in _METADATA or not any(address in network for network in allowed):
            return False
        behind = _behind(address)
        return behind is None or self._allows(behind)

    def _check_port(self, target: httpx.URL) -> None:
        default = _DEFAULT_PORTS[target.scheme]
        port = target.port or default
        if self.ports is None or port in self.ports or port == default == _DEFAULT_PORTS["http"]:
            return
        listed = ", ".join(map(str, sorted(self.ports)))
        raise WebhookRefused(
            f"Port {port} is never called; use one of {listed}.", code=ErrorCode.PORT_NOT_ALLOWED
        )


def _behind(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, if it is one of these."""
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback:
        return None
    if address in _NAT64 or address in _COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo


def _read(url: str) -> httpx.URL:
    # The very parser whose reading is connected to: two parsers may differ about the host.
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        target = httpx.URL("")
    if not _host(target) or (target.port or 0) > MOST_PORT:
        raise _invalid("The URL must be well-formed, and have a scheme and a host.")
    if target.userinfo:
        raise _invalid(
            "The URL must not have a user name or password, because it is stored unencrypted."
        )
    if target.port == 0:
        raise _invalid("Port 0 cannot be reached; give another port, or none for 443.")
    return target


def _host(target: httpx.URL) -> str:
    return target.raw_host.decode().removesuffix(".")


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
    host: str, resolver: dns.asyncresolver.Resolver, policy: EgressPolicy
) -> list[str]:
    """Return the addresses of `host` to connect to, in order, alternating between both families.

    Raises:
        WebhookRefused: one of its addresses may not be called, or it has none.
    """
    addresses = await _addresses(host, resolver)
    policy.check_addresses(addresses)
    first = addresses[0].version
    own = [address for address in addresses if address.version == first]
    other = [address for address in addresses if address.version != first]
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(own, other))
    return [str(address) for address in in_turn if address is not None]


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


def _is_local_name(host: str) -> bool:
    return host.rsplit(".", 1)[-1].lower() in _LOCAL_NAMES


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
