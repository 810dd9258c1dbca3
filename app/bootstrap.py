"""The composition root: the only place that names adapters and puts them behind the ports."""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import dns.resolver
import httpx

from app import __version__
from app.adapters.cipher import Cipher
from app.adapters.cloudflare.client import CloudflareClient
from app.adapters.dns.answer import Server
from app.adapters.dns.authoritative import AuthoritativeServers
from app.adapters.dns.checker import DnsChecker
from app.adapters.dns.limits import ServerLimits
from app.adapters.dns.providers import load_providers
from app.adapters.dns.surveyor import Surveyor
from app.adapters.domain_connect import DomainConnect, SigningKey
from app.adapters.egress import EgressPolicy
from app.adapters.public_suffixes import any_suffix, public_suffix
from app.adapters.webhook_sender import WebhookSender
from app.adapters.webhook_signing import new_key
from app.domain.custom_hostname import CustomHostname, Plan, ZoneTargets
from app.domain.diagnosis.diagnose import diagnose
from app.domain.diagnosis.provider import provider_of
from app.domain.diagnosis.subject import subject_of
from app.domain.errors import InvalidHostname, NotReady
from app.domain.hostname import parse_hostname, registrable_domain, spell_hostname
from app.domain.plan import wanted_records
from app.domain.proof import ProofRule
from app.domain.rate_limit import Limits
from app.domain.reconcile.schedule import Policy
from app.persistence.api_keys import put_bootstrap_key
from app.persistence.database import Database, open_database, require_schema
from app.persistence.database_url import APPLICATION_NAME
from app.persistence.zones import put_default_zone
from app.services.api_key_rates import RequestRate
from app.services.api_keys import ApiKeys, digest
from app.services.call_queue import CallQueue
from app.services.cloudflare_ranges import AddressRanges
from app.services.custom_hostnames import CustomHostnames
from app.services.dangling import DanglingHostnames
from app.services.database_metrics import Measuring
from app.services.deliveries import Deliveries
from app.services.delivery_history import DeliveryHistory
from app.services.diagnosis import Diagnoses, Diagnosis
from app.services.dispatcher import Dispatcher
from app.services.feed import Feed, Sequencer
from app.services.hostname_lists import HostnameLists
from app.services.idempotency import Idempotency
from app.services.inline_reconcile import InlineReconciles
from app.services.operator_actions import OperatorActions
from app.services.option_validation import OptionValidator
from app.services.pruning import Pruning
from app.services.rate_limiter import RateLimiter
from app.services.reconciler.act import ActionExecutor
from app.services.reconciler.corroborate import Corroborator
from app.services.reconciler.observe import Observer
from app.services.reconciler.tick import Checkpoint, Reconciler
from app.services.registration import Registrations
from app.services.required_proof import RequiredProof
from app.services.resync import Resync
from app.services.stored_secrets import StoredSecrets
from app.services.summary import Summaries
from app.services.webhook_endpoints import WebhookEndpoints
from app.services.zone_monitor import ZoneMonitor
from app.services.zone_pauses import Pauses
from app.services.zones import Zones
from app.settings import DnsSettings, Settings, SettingsError
from app.tracing.spans import trace_http

if TYPE_CHECKING:
    from app.services import ports

DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class Services:
    """All use cases of one process, over one database."""

    database: Database
    inline: InlineReconciles
    registrations: Registrations
    custom_hostnames: CustomHostnames
    hostname_lists: HostnameLists
    diagnoses: Diagnoses
    dangling: DanglingHostnames
    operator_actions: OperatorActions
    webhook_endpoints: WebhookEndpoints
    zones: Zones
    api_keys: ApiKeys
    idempotency: Idempotency
    request_rate: RequestRate | None
    resolve_rate: RequestRate | None
    """None where it is turned off."""
    deliveries: Deliveries
    delivery_history: DeliveryHistory
    reconciler: Reconciler
    rate_limiter: RateLimiter
    pauses: Pauses
    dispatcher: Dispatcher
    resync: Resync
    zone_monitor: ZoneMonitor
    measuring: Measuring
    feed: Feed
    sequencer: Sequencer
    summaries: Summaries
    pruning: Pruning | None
    """None where it is turned off."""


def no_checkpoint(_: str) -> None:
    """Pass on: only the kill tests stop at checkpoints."""


@asynccontextmanager
async def open_services(
    settings: Settings,
    *,
    application_name: str = APPLICATION_NAME,
    checkpoint: Checkpoint = no_checkpoint,
    cloudflare_transport: httpx.AsyncBaseTransport | None = None,
    dns_checker: ports.Dns | None = None,
) -> AsyncIterator[Services]:
    """Build everything, write what the settings say into the database, and close it on leaving.

    `application_name` tells Postgres which process this is, unless the URL names one.
    A simulation hands in how Cloudflare and DNS are reached within its own process.

    Raises:
        NotReady: the schema is older than this code needs, or a stored secret cannot be decrypted.
        SettingsError: see `check_settings`.
    """
    cipher = read_secret_keys(settings.secret_key_texts)
    target, fallback = own_names(settings)
    servers = resolver_addresses(settings.dns_resolvers)
    dns_ = _Dns.of(settings, servers)
    await require_schema(settings.database_url)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            open_database(
                settings.database_url,
                connections=settings.database_connections,
                application_name=application_name,
            )
        )
        # Before anything is written: a process with a wrong key must leave the others theirs.
        await StoredSecrets(database, cipher).require_readable()
        await _write_settings(database, settings, cipher, target, fallback)
        rate_limiter = RateLimiter(database, limits_of(settings))
        http = await stack.enter_async_context(_http_client(cloudflare_transport))
        sender = await stack.enter_async_context(_webhook_sender(settings, servers))
        checker = dns_checker or dns_.checker
        yield _assemble(
            settings,
            database,
            cipher,
            rate_limiter,
            CloudflareClient(http, settings.cloudflare_base_url, rate_limiter.record_answer),
            replace(dns_, checker=checker, domain_connect=_domain_connect(settings, servers)),
            sender,
            checkpoint,
        )


def _assemble(
    settings: Settings,
    database: Database,
    cipher: ports.Cipher,
    rate_limiter: RateLimiter,
    cloudflare: CloudflareClient,
    dns_: _Dns,
    webhooks: ports.WebhookTransport,
    checkpoint: Checkpoint,
) -> Services:
    pauses, queue = Pauses(database), CallQueue(database, rate_limiter)
    policy, executor = Policy(), ActionExecutor(cloudflare, rate_limiter)
    ranges = AddressRanges(cloudflare, cipher, rate_limiter)
    corroborator = Corroborator(database, cloudflare, cloudflare, rate_limiter, pauses)
    reconciler = Reconciler(
        database,
        Observer(database, cloudflare, dns_.checker, rate_limiter, executor, ranges, policy=policy),
        executor,
        cipher,
        queue,
        rate_limiter,
        corroborator,
        policy=policy,
        checkpoint=checkpoint,
    )
    inline = InlineReconciles(
        database,
        reconciler,
        deadline=settings.inline_deadline,
        # Half the connections: the other half answers.
        at_once=settings.database_connections // 2,
    )
    validator = OptionValidator(dns_.checker, public_suffix, any_suffix)
    required_proof = RequiredProof(
        database, dns_.checker, ranges.of, ProofRule(settings.require_proof)
    )
    registrations = Registrations(
        database,
        inline,
        validator,
        public_suffix,
        required_proof,
        policy=policy,
        checkpoint=checkpoint,
    )
    return Services(
        database=database,
        inline=inline,
        registrations=registrations,
        custom_hostnames=CustomHostnames(
            database, inline, queue, validator, public_suffix, required_proof
        ),
        hostname_lists=HostnameLists(database, public_suffix),
        diagnoses=Diagnoses(
            database,
            dns_.surveyor,
            registrations,
            ranges,
            load_providers(settings.dns_providers_file),
            public_suffix,
            domain_connect=dns_.domain_connect,
        ),
        dangling=DanglingHostnames(database),
        operator_actions=OperatorActions(database),
        webhook_endpoints=WebhookEndpoints(database, webhooks, cipher, new_key=new_key),
        delivery_history=DeliveryHistory(database),
        zones=Zones(database, cloudflare, cipher, rate_limiter),
        api_keys=ApiKeys(database),
        idempotency=Idempotency(database, cipher),
        request_rate=_request_rate(settings),
        resolve_rate=_resolve_rate(settings),
        deliveries=Deliveries(database, webhooks, cipher, places=settings.worker_concurrency),
        reconciler=reconciler,
        rate_limiter=rate_limiter,
        pauses=pauses,
        dispatcher=Dispatcher(database, rate_limiter, queue),
        resync=Resync(database, cloudflare, cipher, rate_limiter, corroborator, reconciler),
        zone_monitor=ZoneMonitor(database, cloudflare, dns_.checker, cipher, rate_limiter, pauses),
        measuring=Measuring(database, rate_limiter),
        feed=Feed(database),
        sequencer=Sequencer(database),
        summaries=Summaries(database, rate_limiter),
        pruning=_pruning(settings, database),
    )


@dataclass(frozen=True, slots=True)
class _Dns:
    """What asks DNS, over one set of limits and one memory of delegations."""

    checker: ports.Dns
    surveyor: ports.DnsSurveyor
    domain_connect: ports.DomainConnectLinks | None = None
    """None where no DNS provider lists our templates."""

    @classmethod
    def of(cls, settings: Settings | DnsSettings, resolvers: list[Server]) -> _Dns:
        allowed = [ipaddress.ip_network(prefix) for prefix in settings.dns_allowed_networks]
        authoritative = AuthoritativeServers(
            resolvers, roots=settings.dns_root_servers, port=settings.dns_port, allowed=allowed
        )
        asked = authoritative if settings.dns_authoritative else None
        limits = ServerLimits(allowed)
        return cls(
            DnsChecker(resolvers, authoritative=asked, limits=limits),
            Surveyor(resolvers, asked, limits=limits),
        )


def _webhook_sender(settings: Settings, resolvers: list[Server]) -> WebhookSender:
    policy = EgressPolicy(
        ports=frozenset(settings.webhooks_ports),
        allow_http=settings.webhooks_allow_http,
        allow_loopback=settings.webhooks_allow_loopback,
        allowed_networks=tuple(map(ipaddress.ip_network, settings.webhooks_allowed_networks)),
    )
    return WebhookSender(
        policy, resolvers=[(each.address, each.port) for each in resolvers], tls=_trust()
    )


def _domain_connect(settings: Settings, resolvers: list[Server]) -> DomainConnect | None:
    if not settings.domain_connect_providers:
        return None
    return DomainConnect(
        provider_id=settings.domain_connect_provider_id or "",
        listed_at=settings.domain_connect_providers,
        key=_signing_key(settings),
        resolvers=[(each.address, each.port) for each in resolvers],
        tls=_trust(),
    )


def _signing_key(settings: Settings) -> SigningKey | None:
    key, label = settings.domain_connect_private_key, settings.domain_connect_key_host
    if key is None or label is None:
        return None
    return SigningKey.read(key.get_secret_value(), label)


async def diagnose_name(settings: DnsSettings, text: str) -> Diagnosis:
    """Diagnose a name that need not be stored, as if it had the plan `simple`.

    Raises:
        InvalidHostname: the text is not a hostname that can be served.
        SettingsError: the CNAME target or a resolver is not usable.
        NotReady: the list of DNS providers cannot be read.
    """
    hostname = parse_hostname(text, public_suffix)
    target = _own_name("NAMEPLATE_CNAME_TARGET", settings.cname_target)
    registrable = registrable_domain(hostname.base, public_suffix)
    zone = ZoneTargets(id="", cname_target=target, apex_prefixes=settings.apex_prefixes)
    now = datetime.now(UTC)
    record = CustomHostname(
        id="",
        hostname=hostname,
        tenant="",
        zone=zone,
        plan=Plan.SIMPLE,
        is_apex=hostname.name == registrable,
        created_at=now,
        updated_at=now,
        wanted_at=now,
        acted_at=now,
    )
    surveyor = _Dns.of(settings, resolver_addresses(settings.dns_resolvers)).surveyor
    survey = await surveyor.survey(
        hostname, wanted_records(record), targets=zone.targets, registrable=registrable
    )
    subject = subject_of(
        record,
        fallback_origin=settings.fallback_origin,
        provider_zone=registrable_domain(target, public_suffix),
        provider=provider_of(survey.name_servers, load_providers(settings.dns_providers_file)),
        proxy_prefixes=(),
    )
    return Diagnosis(subject, survey, diagnose(subject, survey))


def _request_rate(settings: Settings) -> RequestRate | None:
    if not settings.rate_limit:
        return None
    return RequestRate(settings.rate_limit, settings.rate_burst)


def _resolve_rate(settings: Settings) -> RequestRate | None:
    per_second = settings.resolve_rate_limit
    if not per_second:
        return None
    return RequestRate(per_second, math.ceil(2 * per_second), policy="resolve")


def _pruning(settings: Settings, database: Database) -> Pruning | None:
    if not settings.pruning:
        return None
    return Pruning(
        database,
        keep_events=timedelta(days=settings.keep_events_days),
        keep_deleted=timedelta(days=settings.keep_deleted_days),
    )


def limits_of(settings: Settings) -> Limits:
    """Cloudflare's limits, as the settings say."""
    return Limits(
        calls=settings.cloudflare_calls,
        window=settings.cloudflare_calls_window.total_seconds(),
        spend=settings.cloudflare_spend,
        creations=settings.cloudflare_creations,
    )


def resolver_addresses(resolvers: tuple[str, ...]) -> list[Server]:
    """Turn `host:port` into addresses, once: DNS must not be needed to reach DNS.

    Raises:
        SettingsError: a host does not resolve, or a port is not a number.
    """
    if not resolvers:
        return [Server(str(address)) for address in dns.resolver.Resolver().nameservers]
    return [server for text in resolvers for server in _resolver_servers(text)]


def _resolver_servers(text: str) -> list[Server]:
    """Give a server for each address of the host: of either family, one may not be reached."""
    host, _, port = text.rpartition(":") if _has_port(text) else (text, "", str(DNS_PORT))
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
    except (OSError, ValueError, UnicodeError):
        detail = f"NAMEPLATE_DNS_RESOLVERS must hold host:port pairs that resolve, unlike {text!r}"
        raise SettingsError([detail]) from None
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [Server(address, int(port)) for address in addresses]


def _has_port(text: str) -> bool:
    return (text.startswith("[") and "]:" in text) or text.count(":") == 1


def _http_client(transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    client = httpx.AsyncClient(
        transport=transport,
        verify=_trust(),
        follow_redirects=False,
        # Proxies and .netrc of the environment have no say in where tokens go.
        trust_env=False,
        headers={"user-agent": f"nameplate/{__version__}"},
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
    )
    trace_http(client)
    return client


@cache
def _trust() -> ssl.SSLContext:
    """Read the authorities once: it takes milliseconds, and every client would read them anew."""
    return httpx.create_ssl_context(trust_env=False)


def check_settings(settings: Settings) -> None:
    """Check the settings that only adapters can check, before anything is opened.

    Raises:
        SettingsError: an own name, a key, a DNS resolver or the list of providers is not usable.
    """
    own_names(settings)
    read_secret_keys(settings.secret_key_texts)
    resolver_addresses(settings.dns_resolvers)
    try:
        load_providers(settings.dns_providers_file)
        _signing_key(settings)
    except NotReady as error:
        raise SettingsError([error.detail]) from None


def read_secret_keys(keys: tuple[str, ...]) -> Cipher:
    """Build the cipher of the secret keys, newest first.

    Raises:
        SettingsError: one is not a Fernet key.
    """
    try:
        return Cipher(keys)
    except NotReady as error:
        raise SettingsError([error.detail]) from None


def own_names(settings: Settings) -> tuple[str, str]:
    """Give the CNAME target and the fallback origin in their one spelling.

    Raises:
        SettingsError: one is not a hostname, or both are the same.
    """
    target = _own_name("NAMEPLATE_CNAME_TARGET", settings.cname_target)
    fallback = _own_name("NAMEPLATE_FALLBACK_ORIGIN", settings.fallback_origin)
    if target == fallback:
        detail = "NAMEPLATE_CNAME_TARGET and NAMEPLATE_FALLBACK_ORIGIN must be two different names"
        raise SettingsError([detail])
    return target, fallback


def _own_name(setting: str, text: str) -> str:
    try:
        return spell_hostname(text)
    except InvalidHostname as error:
        raise SettingsError([f"{setting} must be a hostname: {error.detail}"]) from None


async def _write_settings(
    database: Database, settings: Settings, cipher: Cipher, cname_target: str, fallback_origin: str
) -> None:
    async with database.transaction() as tx:
        await put_default_zone(
            tx,
            cloudflare_zone_id=settings.cloudflare_zone_id,
            api_token=cipher.encrypt(settings.cloudflare_api_token.get_secret_value()),
            cname_target=cname_target,
            fallback_origin=fallback_origin,
            budget=settings.cloudflare_budget,
            apex_prefixes=settings.apex_prefixes,
        )
        if settings.bootstrap_api_key is not None:
            await put_bootstrap_key(tx, digest(settings.bootstrap_api_key.get_secret_value()))
