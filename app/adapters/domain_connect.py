"""Asks a tenant's DNS provider for Domain Connect, and signs the links that apply our templates.

The zone's owner chooses whom we ask, so every request goes through the egress policy of webhooks:
public addresses only, https only, no redirects, and little time and text.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dns.exception
import dns.rdtypes.txtbase
import httpcore
import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from app.adapters.egress import RESOLVE_SECONDS, EgressPolicy, resolver_of
from app.adapters.guarded_connections import FAILURES, GuardedBackend, GuardedPool, as_httpcore
from app.domain.diagnosis.domain_connect import (
    DomainConnectOffer,
    ProviderSettings,
    Service,
    apply_query,
    apply_url,
    parse_settings,
    settings_urls,
    signed_query,
    template_url,
)
from app.domain.errors import NotReady, WebhookRefused

DISCOVERY_SECONDS = 10.0
"""For all questions about one domain together."""
ANSWER_SECONDS = 4.0
CONNECT_SECONDS = 4.0
"""For all addresses of one host together."""
MOST_ADDRESSES = 2
"""How many addresses of one host are tried."""
MOST_BYTES = 64 * 1024
LEAST_KEY_BITS = 2048
"""RFC 7518, section 3.3."""


class _NoAnswer(Exception):
    """The provider gave no usable answer."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs links, and the label at which DNS has its public half."""

    private_key: RSAPrivateKey
    label: str

    @classmethod
    def read(cls, pem: str, label: str) -> SigningKey:
        r"""Read a private key in PEM form, in which line ends may be written as ``\n``.

        Raises:
            NotReady: it is not an RSA key of at least 2048 bits, or has a password.
        """
        try:
            key = load_pem_private_key(pem.replace("\\n", "\n").encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, RSAPrivateKey) or key.key_size < LEAST_KEY_BITS:
            raise NotReady(
                "NAMEPLATE_DOMAIN_CONNECT_PRIVATE_KEY must be an RSA key of at least "
                f"{LEAST_KEY_BITS} bits in PEM form, without a password."
            )
        return cls(key, label)

    def sign(self, query: str) -> str:
        """Sign a canonical query (RS256)."""
        signature = self.private_key.sign(query.encode(), PKCS1v15(), SHA256())
        return signed_query(query, signature, self.label)


class DomainConnect:
    """Finds out whether a domain's DNS provider applies our templates, and makes the links."""

    def __init__(
        self,
        *,
        provider_id: str,
        listed_at: Sequence[str],
        key: SigningKey | None = None,
        resolvers: Sequence[tuple[str, int]] = (),
        tls: ssl.SSLContext | None = None,
        allow_loopback: bool = False,
    ) -> None:
        """Take what the settings say.

        Args:
            provider_id: our id in the templates.
            listed_at: the ids of the DNS providers that list our templates. Empty: never offered.
            key: for providers that take signed links only.
            resolvers: addresses and ports; without any, the machine's own.
            tls: which authorities to trust; by default the usual ones.
            allow_loopback: for the tests only.
        """
        self._provider_id = provider_id
        self._listed_at = frozenset(listed_at)
        self._key = key
        self._resolver = resolver_of(resolvers)
        self._policy = EgressPolicy(allow_loopback=allow_loopback)
        self._http = GuardedPool(
            GuardedBackend(self._policy, self._resolver, most_addresses=MOST_ADDRESSES),
            tls or httpx.create_ssl_context(trust_env=False),
            # Each host is asked two or three times, and then not for a long while.
            idle_seconds=0,
        )

    async def discover(self, domain: str) -> DomainConnectOffer | None:
        """Ask about the apex of a zone. Never raises: without a usable answer there is no offer."""
        if not self._listed_at:
            return None
        try:
            async with asyncio.timeout(DISCOVERY_SECONDS):
                settings = await self._settings(domain)
                if settings is None:
                    return None
                services = [each for each in Service if await self._supports(settings, each)]
        except TimeoutError:
            return None
        if not services:
            return None
        return DomainConnectOffer(domain=domain, settings=settings, services=frozenset(services))

    def link(
        self,
        offer: DomainConnectOffer,
        service: Service,
        *,
        host: str,
        variables: Mapping[str, str],
        redirect_uri: str | None = None,
        state: str | None = None,
    ) -> str:
        """Return the link for the tenant, signed if there is a key.

        Raises:
            ValueError: see `apply_query` and `apply_url`.
        """
        query = apply_query(
            service,
            domain=offer.domain,
            host=host,
            variables=variables,
            redirect_uri=redirect_uri,
            state=state,
        )
        if self._key is not None:
            query = self._key.sign(query)
        return apply_url(offer, self._provider_id, service, query)

    async def _settings(self, domain: str) -> ProviderSettings | None:
        for url in settings_urls(await self._records(domain), domain):
            try:
                settings = parse_settings(json.loads(await self._get(url)))
            except (_NoAnswer, ValueError, RecursionError):
                continue
            if settings is not None:
                is_usable = settings.url_sync_ux and settings.provider_id in self._listed_at
                return settings if is_usable else None
        return None

    async def _records(self, domain: str) -> list[str]:
        try:
            answer = await self._resolver.resolve(
                f"_domainconnect.{domain}.", "TXT", lifetime=RESOLVE_SECONDS
            )
        except (OSError, ValueError, dns.exception.DNSException):
            return []
        return sorted(
            b"".join(record.strings).decode("ascii", "replace")
            for record in answer
            if isinstance(record, dns.rdtypes.txtbase.TXTBase)
        )

    async def _supports(self, settings: ProviderSettings, service: Service) -> bool:
        try:
            await self._get(template_url(settings, self._provider_id, service))
        except _NoAnswer:
            return False
        return True

    async def _get(self, url: str) -> bytes:
        """GET a URL once.

        Raises:
            _NoAnswer: refused, not reached, another status than 2xx, or too long.
        """
        try:
            target = self._policy.check_url(url)
            async with self._http.stream(
                "GET",
                as_httpcore(target),
                headers=[
                    (b"host", target.netloc),
                    (b"accept", b"application/json"),
                    (b"accept-encoding", b"identity"),
                    (b"user-agent", b"Nameplate/1"),
                    (b"connection", b"close"),
                ],
                extensions={"timeout": {"connect": CONNECT_SECONDS, "read": ANSWER_SECONDS}},
            ) as response:
                return await _body(response)
        except (WebhookRefused, *FAILURES):
            raise _NoAnswer from None


async def _body(response: httpcore.Response) -> bytes:
    if response.status // 100 != 2:  # noqa: PLR2004
        raise _NoAnswer
    body = b""
    async for part in response.aiter_stream():
        body += part
        if len(body) > MOST_BYTES:
            raise _NoAnswer
    return body
