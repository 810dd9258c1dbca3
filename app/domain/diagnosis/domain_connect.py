"""Domain Connect, version 2: a DNS provider adds our records after one click of its customer. Pure.

From the specification (https://github.com/Domain-Connect/spec, draft-ietf-dconn-domainconnect-05):
what a zone's TXT record and the provider's settings must look like, and the link that asks the
provider to apply a template. `adapters/domain_connect` asks and signs.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlsplit

MOST_RECORDS = 3
"""How many TXT records of one zone are tried: the specification asks for a limit."""
MOST_CHARACTERS = 8000
"""The longest link that a DNS provider must take."""
MOST_NAME_CHARACTERS = 255

_ID = re.compile(r"[A-Za-z0-9._-]{1,63}")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_AUTHORITY = re.compile(r"([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(:[0-9]{1,5})?")
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?")
_SIZE = range(100, 5001)
_UNDERSTOOD = frozenset(
    {
        "providerId",
        "providerName",
        "providerDisplayName",
        "urlSyncUX",
        "urlAPI",
        "width",
        "height",
        "nameServers",
        "crit",
    }
)


class Service(StrEnum):
    """Our templates, by the service id that a DNS provider knows them by."""

    ROUTING = "nameplate-routing"
    """The CNAME that carries the traffic."""
    VALIDATION = "nameplate-validation"
    """What is added before the switch: the ownership TXT and the delegated certificate proof."""

    @property
    def variables(self) -> frozenset[str]:
        """The template's variables, each for one record, in a group of the same name.

        `deploy/domain-connect` has the templates.
        """
        return _VARIABLES[self]


_VARIABLES = {
    Service.ROUTING: frozenset({"target"}),
    Service.VALIDATION: frozenset({"ownership", "delegation"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """What a DNS provider says about itself for one domain."""

    provider_id: str
    name: str
    """As its customers know it."""
    url_sync_ux: str | None
    """Where links that apply a template begin. None: it takes no links for this domain."""
    url_api: str
    """Where it answers which templates it supports."""
    size: tuple[int, int] | None = None
    """Width and height that its window asks for, in pixels. A hint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainConnectOffer:
    """One domain at a DNS provider that applies some of our templates."""

    domain: str
    """The zone's apex."""
    settings: ProviderSettings
    services: frozenset[Service]
    """The templates that the provider supports; at least one."""

    @property
    def host(self) -> str:
        """The host that the link leads to. Show it: the zone's owner chooses it by a TXT record."""
        return urlsplit(self.settings.url_sync_ux or "").hostname or ""


def settings_urls(records: Sequence[str], domain: str) -> tuple[str, ...]:
    """Return where to ask for the settings, from the TXT values at ``_domainconnect``.

    A value is a host, perhaps a port and a path, and nothing else. Others are passed over.
    """
    prefixes = [text.removesuffix("/") for text in records if _is_prefix(text)]
    return tuple(
        f"https://{prefix}/v2/{quote(domain, safe='')}/settings"
        for prefix in prefixes[:MOST_RECORDS]
    )


def _is_prefix(text: str) -> bool:
    authority, slash, path = text.partition("/")
    return bool(_AUTHORITY.fullmatch(authority) and _PATH.fullmatch(slash + path))


def parse_settings(document: object) -> ProviderSettings | None:
    """Read the provider's settings. None: a field is missing, or not of the form."""
    if not isinstance(document, Mapping) or not _understands(document):
        return None
    provider_id, name = document.get("providerId"), document.get("providerName")
    shown = document.get("providerDisplayName")
    url_api, url_sync_ux = document.get("urlAPI"), document.get("urlSyncUX")
    if not isinstance(provider_id, str) or not _ID.fullmatch(provider_id):
        return None
    if not _is_display_name(name) or not (shown is None or _is_display_name(shown)):
        return None
    if not _is_url_prefix(url_api) or not (url_sync_ux is None or _is_url_prefix(url_sync_ux)):
        return None
    return ProviderSettings(
        provider_id=provider_id,
        name=str(shown or name).strip(),
        url_sync_ux=None if url_sync_ux is None else str(url_sync_ux).rstrip("/"),
        url_api=str(url_api).rstrip("/"),
        size=_size(document.get("width"), document.get("height")),
    )


def _understands(document: Mapping[str, object]) -> bool:
    """Whether what the provider calls critical, and gives, is all known here."""
    critical = document.get("crit", [])
    if not isinstance(critical, list):
        return False
    return all(name in _UNDERSTOOD or name not in document for name in map(str, critical))


def _is_display_name(value: object) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value.strip()) <= len(value) <= MOST_NAME_CHARACTERS
        and value.isprintable()
    )


def _is_url_prefix(value: object) -> bool:
    if not isinstance(value, str) or not value.startswith("https://"):
        return False
    return _is_prefix(value.removeprefix("https://"))


def _size(width: object, height: object) -> tuple[int, int] | None:
    try:
        size = int(str(width)), int(str(height))
    except ValueError:
        return None
    return size if all(each in _SIZE for each in size) else None


def template_url(settings: ProviderSettings, provider_id: str, service: Service) -> str:
    """Return where the provider answers 2xx if it supports our template, and 404 if not."""
    return f"{settings.url_api}{_template_path(provider_id, service)}"


def _template_path(provider_id: str, service: Service) -> str:
    return f"/v2/domainTemplates/providers/{quote(provider_id, safe='')}/services/{service}"


def host_within(name: str, domain: str) -> str | None:
    """Return the part of a full name before the zone's apex; empty for the apex itself.

    None: the name is not in the zone, or is a wildcard, which the protocol has no host for.
    """
    if name == domain:
        return ""
    host = name.removesuffix("." + domain)
    if host == name or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        return None
    return host


def apply_query(
    service: Service,
    *,
    domain: str,
    host: str,
    variables: Mapping[str, str],
    redirect_uri: str | None = None,
    state: str | None = None,
) -> str:
    """Return the query of the link in its canonical form, which is also what is signed.

    Args:
        service: the template.
        domain: the zone's apex.
        host: as `host_within` returns it. The routing template cannot stand at the apex.
        variables: values of the template's variables. With some of them, only their records are
            applied.
        redirect_uri: where the provider sends its customer afterwards; its domain must be one that
            the template names.
        state: comes back with the customer.

    Raises:
        ValueError: the variables are not the template's, or the host is missing.
    """
    if not variables or not variables.keys() <= service.variables:
        raise ValueError(f"{service} takes the variables {', '.join(sorted(service.variables))}")
    if service is Service.ROUTING and not host:
        raise ValueError("a CNAME record cannot stand at the apex of a zone")
    fields = {"domain": domain, **variables}
    groups = None if variables.keys() == service.variables else ",".join(sorted(variables))
    optional = {"host": host, "groupId": groups, "redirect_uri": redirect_uri, "state": state}
    fields |= {name: value for name, value in optional.items() if value}
    # By the encoded name, with RFC 3986's unreserved characters alone left as they are.
    encoded = {quote(name, safe=""): quote(value, safe="") for name, value in fields.items()}
    return "&".join(f"{name}={encoded[name]}" for name in sorted(encoded))


def signed_query(query: str, signature: bytes, key_label: str) -> str:
    """Return the canonical query with its signature (RS256) and where the public key is found."""
    sig = quote(base64.b64encode(signature).decode(), safe="")
    return f"{query}&sig={sig}&key={quote(key_label, safe='')}"


def apply_url(offer: DomainConnectOffer, provider_id: str, service: Service, query: str) -> str:
    """Return the link on which the tenant lets the DNS provider apply our template.

    Raises:
        ValueError: the provider does not support the template, or the link is too long.
    """
    if service not in offer.services:
        raise ValueError(f"{offer.settings.name} does not support {service}")
    path = f"{_template_path(provider_id, service)}/apply"
    url = f"{offer.settings.url_sync_ux}{path}?{query}"
    if len(url) > MOST_CHARACTERS:
        raise ValueError(f"the link must have at most {MOST_CHARACTERS} characters")
    return url
