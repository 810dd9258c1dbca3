"""Every setting, with its reason; read once, in the entry points. `.env.example` lists them all."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "NAMEPLATE_"
LEAST_SPENDABLE = 20
"""Calls per window with which each lane of the budget gets some (`app/domain/rate_limit.py`)."""
# Kubernetes puts these into every pod beside a Service whose name begins with `nameplate`:
# "Environment variables" of its Services.
_SERVICE_LINK = re.compile(
    PREFIX + r"(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
# A host, a port and a path (RFC 3986) that can stand in a header between angle brackets.
_PUBLIC_URL = re.compile(
    r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d+)?(/[a-z0-9_.~!$&'()*+,;=:@%-]+)*", re.IGNORECASE
)
_ZONE_ID = re.compile(r"[0-9a-f]{32}")
_PREFIXES = (
    "apex_prefixes",
    "trusted_proxies",
    "dns_allowed_networks",
    "webhooks_allowed_networks",
)
_LISTS = (
    *_PREFIXES,
    "secret_keys",
    "dns_resolvers",
    "dns_root_servers",
    "domain_connect_providers",
)


def _seconds(value: object) -> object:
    """Read a plain number as seconds, which is what people write."""
    try:
        return timedelta(seconds=float(str(value)))
    except (ValueError, OverflowError):
        return value


def _parts(value: object) -> object:
    """Read a list that is written with commas."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _is_prefix(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _is_address(text: str) -> bool:
    return _is_prefix(text) and not set(text) & set("/%")


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_public_url(text: str) -> bool:
    return bool(_PUBLIC_URL.fullmatch(text)) and _is_http_url(text)


def _with_lists(values: dict[str, object]) -> dict[str, object]:
    """Split the lists that a variable of the environment holds."""
    return values | {name: _parts(values[name]) for name in _LISTS if name in values}


def _refuse_non_addresses(settings: BaseSettings) -> None:
    for address in getattr(settings, "dns_root_servers", ()):
        if not _is_address(address):
            raise ValueError(f"DNS_ROOT_SERVERS must hold addresses, unlike {address!r}")
    for name in _PREFIXES:
        for prefix in getattr(settings, name, ()):
            if not _is_prefix(prefix):
                raise ValueError(
                    f"{name.upper()} must hold addresses or prefixes, unlike {prefix!r}"
                )


class SettingsError(Exception):
    """Settings are missing or wrong; each line names a variable and what it must be."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Settings(BaseSettings):
    """What the API and the worker need to know."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    database_url: str
    """postgresql://user:password@host:port/database"""
    cloudflare_base_url: str = "https://api.cloudflare.com/client/v4"
    cloudflare_zone_id: str
    """The SaaS zone's id, 32 hexadecimal digits."""
    cloudflare_api_token: SecretStr
    """Needs SSL and Certificates: Edit, DNS: Edit, Zone: Read."""
    cloudflare_budget: str = Field(default="default", pattern="^[a-z0-9_.-]{1,64}$")
    """Give zones whose tokens belong to one Cloudflare user, and one rate limit, the same name."""
    cloudflare_calls: int = Field(default=1200, ge=60)
    """Calls that Cloudflare allows this user within a window."""
    cloudflare_calls_window: Annotated[timedelta, BeforeValidator(_seconds)] = timedelta(
        seconds=300
    )
    """The length of that window, in seconds."""
    cloudflare_spend: float = Field(default=0.8, gt=0, le=1)
    """The share of these calls that Nameplate may make; the rest is left to other programs."""
    cloudflare_creations: int = Field(default=15, ge=1)
    """Custom hostnames that Cloudflare allows to be created within a minute."""
    cname_target: str
    """The proxied name tenants point at, e.g. customers.provider.com."""
    fallback_origin: str
    """The proxied name Cloudflare sends traffic to, e.g. proxy-fallback.provider.com."""
    apex_prefixes: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses and prefixes (CIDR) that tenants may point an apex at; empty: no apex proxying."""
    require_proof: Literal["off", "tenant_keys", "on"] = "tenant_keys"
    """The new hostnames whose control is proved first, beside names that another tenant had: none,
    those that a tenant's own key adds while they may point here, or all."""
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode]
    """Fernet keys, newest first, separated by commas."""
    bootstrap_api_key: SecretStr | None = None
    """An admin key that works from the first start on."""
    dns_resolvers: Annotated[tuple[str, ...], NoDecode] = ()
    """host:port, separated by commas; empty means the machine's own resolvers."""
    dns_authoritative: bool = True
    """Query the authoritative servers: a resolver may cache a negative answer for hours."""
    dns_root_servers: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses where the walk to the authoritative servers begins; empty: the published ones."""
    dns_port: int = Field(default=53, ge=1, le=65535)
    """The port at which root servers and authoritative servers are asked."""
    dns_allowed_networks: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses and prefixes (CIDR) whose name servers may be asked beside the public ones."""
    dns_providers_file: Path | None = None
    """A list of DNS providers of one's own, in place of the one that is shipped."""
    domain_connect_provider_id: str | None = Field(default=None, pattern="^[A-Za-z0-9._-]{1,63}$")
    """Your provider id in the Domain Connect templates that DNS providers list."""
    domain_connect_providers: Annotated[tuple[str, ...], NoDecode] = ()
    """The ids of the DNS providers that list these templates; empty: never offered."""
    domain_connect_private_key: SecretStr | None = None
    """An RSA key in PEM form that signs Domain Connect links; without it they are not signed."""
    domain_connect_key_host: str | None = Field(
        default=None, pattern="^_?[A-Za-z0-9]([A-Za-z0-9-]{0,60}[A-Za-z0-9])?$"
    )
    """The label below the templates' `syncPubKeyDomain` at which the public key is published."""
    inline_deadline: Annotated[timedelta, BeforeValidator(_seconds)] = timedelta(seconds=2)
    """Seconds that a request waits for its own reconcile before it returns the committed state."""
    public_url: str | None = None
    """Where callers reach the API, for the URLs in its answers; without it they begin with `/`."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses and prefixes (CIDR) of proxies whose X-Forwarded-For names the caller."""
    rate_limit: float = Field(default=200, ge=0)
    """Requests a second that one process takes of each API key; 0: any number."""
    rate_burst: int = Field(default=400, ge=1)
    """Requests that a key may send at once after a pause."""
    resolve_rate_limit: float = Field(default=2000, ge=0)
    """Requests a second to `/v1/resolve`, and twice as many at once; 0: any number."""
    requests_at_once: int = Field(default=500, ge=1)
    """Requests that one process has in progress; further ones are refused at once."""
    request_timeout: Annotated[timedelta, BeforeValidator(_seconds), Field(gt=timedelta(0))] = (
        timedelta(seconds=30)
    )
    """Seconds that a request may take; one that waits for a change may take so much longer."""
    body_timeout: Annotated[timedelta, BeforeValidator(_seconds), Field(gt=timedelta(0))] = (
        timedelta(seconds=10)
    )
    """Seconds within which a request's body must have arrived."""
    worker_concurrency: int = Field(default=32, ge=1, le=500)
    """Hostnames, and deliveries, that one worker process works on at a time."""
    database_connections: int = Field(default=10, ge=2, le=200)
    """Connections that one process uses; at peaks it opens as many again, and keeps them."""
    database_tries: int = Field(default=15, ge=1, le=1000)
    """How often to try to reach Postgres at start, two seconds apart, before giving up."""
    pruning: bool = True
    """Remove old events, deliveries and deleted hostnames."""
    keep_events_days: int = Field(default=90, ge=2, le=36500)
    """How long events and their deliveries are kept; a delivery is tried for more than a day."""
    keep_deleted_days: int = Field(default=90, ge=1, le=36500)
    """How long deleted hostnames and the secrets of removed webhook endpoints are kept."""
    webhooks_ports: Annotated[
        tuple[Annotated[int, Field(ge=1, le=65535)], ...],
        NoDecode,
        BeforeValidator(_parts),
        Field(min_length=1),
    ] = (443, 8443)
    """The ports that webhooks may go to, beside 80 where http is allowed."""
    webhooks_allow_http: bool = False
    """Allow webhooks over http. Bodies and signatures can then be read on the way."""
    webhooks_allowed_networks: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses and prefixes (CIDR) that webhooks may go to beside the public ones."""
    webhooks_allow_loopback: bool = False
    """For the demo and the tests only: allow webhooks to 127.0.0.1 over http."""
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level to log; debug has a line for each call to Cloudflare."""

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: dict[str, object]) -> dict[str, object]:
        return _with_lists(values)

    @field_validator("public_url")
    @classmethod
    def _read_public_url(cls, value: str | None) -> str | None:
        url = value.strip().rstrip("/") if value else None
        if url and not _is_public_url(url):
            raise ValueError(
                "PUBLIC_URL must be https:// or http://, a host, and a path if there is one: "
                "without a user, a query or a fragment"
            )
        return url

    @model_validator(mode="after")
    def _hold_addresses(self) -> Self:
        _refuse_non_addresses(self)
        return self

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not _is_http_url(self.cloudflare_base_url):
            raise ValueError("CLOUDFLARE_BASE_URL must begin with https:// or http:// and a host")
        if not _ZONE_ID.fullmatch(self.cloudflare_zone_id):
            raise ValueError("CLOUDFLARE_ZONE_ID must be 32 hexadecimal digits")
        if self.request_timeout <= self.inline_deadline:
            raise ValueError("REQUEST_TIMEOUT must be longer than INLINE_DEADLINE")
        if not self.secret_keys:
            raise ValueError("SECRET_KEYS must hold at least one key")
        if self.cloudflare_calls * self.cloudflare_spend < LEAST_SPENDABLE:
            raise ValueError(
                f"CLOUDFLARE_SPEND must leave at least {LEAST_SPENDABLE} calls per window"
            )
        key = self.bootstrap_api_key
        if key is not None and len(key.get_secret_value()) < 24:  # noqa: PLR2004
            raise ValueError("BOOTSTRAP_API_KEY must have at least 24 characters")
        return self

    @model_validator(mode="after")
    def _domain_connect_is_whole(self) -> Self:
        if self.domain_connect_providers and self.domain_connect_provider_id is None:
            raise ValueError("DOMAIN_CONNECT_PROVIDERS needs DOMAIN_CONNECT_PROVIDER_ID")
        if (self.domain_connect_private_key is None) != (self.domain_connect_key_host is None):
            raise ValueError(
                "DOMAIN_CONNECT_PRIVATE_KEY and DOMAIN_CONNECT_KEY_HOST must be set together"
            )
        return self

    @cached_property
    def secret_key_texts(self) -> tuple[str, ...]:
        """The keys themselves."""
        return tuple(key.get_secret_value() for key in self.secret_keys)


class DnsSettings(BaseSettings):
    """What `nameplate dig` needs to know, and no more: the same variables as in `Settings`."""

    model_config = Settings.model_config

    cname_target: str
    fallback_origin: str | None = None
    apex_prefixes: Annotated[tuple[str, ...], NoDecode] = ()
    dns_resolvers: Annotated[tuple[str, ...], NoDecode] = ()
    dns_authoritative: bool = True
    dns_root_servers: Annotated[tuple[str, ...], NoDecode] = ()
    dns_port: int = Field(default=53, ge=1, le=65535)
    dns_allowed_networks: Annotated[tuple[str, ...], NoDecode] = ()
    dns_providers_file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _split(cls, values: dict[str, object]) -> dict[str, object]:
        return _with_lists(values)

    @model_validator(mode="after")
    def _hold_addresses(self) -> Self:
        _refuse_non_addresses(self)
        return self


class DatabaseSettings(BaseSettings):
    """What `nameplate migrate` and `nameplate keys` need to know, and no more."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    database_url: str
    database_tries: int = Field(default=15, ge=1, le=1000)


class SecretsSettings(DatabaseSettings):
    """What the commands need that read and write stored secrets."""

    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode]

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _parts(value)

    @cached_property
    def secret_key_texts(self) -> tuple[str, ...]:
        """The keys themselves."""
        return tuple(key.get_secret_value() for key in self.secret_keys)


class _NamedDatabase(BaseSettings):
    model_config = DatabaseSettings.model_config

    database_url: str | None = None


def load_settings(database_url: str | None = None) -> Settings:
    """Read the environment; `database_url` goes before what it says.

    Raises:
        SettingsError: with one line a fault.
    """
    try:
        given = {} if database_url is None else {"database_url": database_url}
        return Settings(**given)  # type: ignore[arg-type] # the environment fills the rest
    except ValidationError as error:
        raise SettingsError(_lines(error)) from None


def load_dns_settings(
    *, cname_target: str | None = None, dns_resolvers: Sequence[str] | None = None
) -> DnsSettings:
    """Read the part of the environment that concerns DNS; what is given goes before it.

    Raises:
        SettingsError: with one line a fault.
    """
    given: dict[str, object] = {}
    if cname_target is not None:
        given["cname_target"] = cname_target
    if dns_resolvers:
        given["dns_resolvers"] = ",".join(dns_resolvers)
    try:
        return DnsSettings(**given)  # type: ignore[arg-type] # the environment fills the rest
    except ValidationError as error:
        raise SettingsError(_lines(error)) from None


def load_secrets_settings() -> SecretsSettings:
    """Read the part of the environment that concerns stored secrets.

    Raises:
        SettingsError: with one line a fault.
    """
    try:
        return SecretsSettings()  # type: ignore[call-arg] # the environment fills it
    except ValidationError as error:
        raise SettingsError(_lines(error)) from None


def refuse_unknown_settings() -> None:
    """See that every NAMEPLATE_ variable is a setting: one misspelt would be passed over.

    Raises:
        SettingsError: naming each that is none, with the nearest that is.
    """
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    names = {*os.environ, *dotenv_values(".env")}
    unknown = sorted(
        name
        for name in names
        if name.upper().startswith(PREFIX) and not _SERVICE_LINK.fullmatch(name.upper())
    )
    lines = [_unknown(name, known) for name in unknown if name.upper() not in known]
    if lines:
        raise SettingsError(lines)


def _unknown(name: str, known: set[str]) -> str:
    own = [each.removeprefix(PREFIX) for each in sorted(known)]
    nearest = difflib.get_close_matches(name.upper().removeprefix(PREFIX), own, n=1)
    hint = f"did you mean {PREFIX}{nearest[0]}?" if nearest else ".env.example lists all of them."
    return f"{name} is not a setting; {hint}"


def named_database_url() -> str | None:
    """Give the database that the environment or `.env` names, if any."""
    return _NamedDatabase().database_url


def load_database_settings() -> DatabaseSettings:
    """Read the part of the environment that concerns the database.

    Raises:
        SettingsError: with one line a fault.
    """
    try:
        return DatabaseSettings()  # type: ignore[call-arg] # the environment fills it
    except ValidationError as error:
        raise SettingsError(_lines(error)) from None


_MUST = {
    "missing": "is not set",
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "time_delta_parsing": "must be a number of seconds",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must hold at least {min_length}",
}
"""By pydantic's error type; filled in with what its context says."""


def _lines(error: ValidationError) -> list[str]:
    lines = []
    for fault in error.errors(include_input=False, include_url=False):
        text = fault["msg"].removeprefix("Value error, ").replace("Input should", "must")
        where = str(fault["loc"][0]).upper() if fault["loc"] else ""
        if fault["type"] in _MUST:
            text = _MUST[fault["type"]].format(**fault.get("ctx", {}))
        lines.append(f"{PREFIX}{where} {text}" if where else f"{PREFIX}{text}")
    return lines
