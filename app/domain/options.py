"""The options besides the plan: validation methods, certificate authority, origin, TLS, metadata.

Names and values are Cloudflare's own (custom hostnames API). None always means Cloudflare's
default. `option_rules` decides which of them work together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any


class DcvMethod(StrEnum):
    """How the tenant proves control of the domain to the certificate authority."""

    HTTP = "http"
    TXT = "txt"
    EMAIL = "email"


class OwnershipMethod(StrEnum):
    """How the tenant proves control of the hostname to Cloudflare."""

    REALTIME = "realtime"
    """The routing record itself is the proof."""
    TXT = "txt"
    HTTP = "http"


class CertificateAuthority(StrEnum):
    """Who issues the certificate. An Enterprise zone may choose."""

    GOOGLE = "google"
    LETS_ENCRYPT = "lets_encrypt"
    SSL_COM = "ssl_com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The part of `ssl.settings` that Nameplate sets. None leaves a setting as it is."""

    min_tls_version: str | None = None
    tls_1_3: str | None = None
    http2: str | None = None
    early_hints: str | None = None
    ciphers: tuple[str, ...] | None = None

    def settings(self) -> dict[str, Any]:
        """Return the settings that are not None, in Cloudflare's form."""
        fields_set = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in fields_set.items()
            if value is not None
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything that a caller may choose for one hostname."""

    dcv_method: DcvMethod | None = None
    """Only plan `custom` takes it; every other plan has its own."""
    ownership_method: OwnershipMethod | None = None
    """Only plan `custom` takes it; every other plan has its own."""
    certificate_authority: CertificateAuthority | None = None
    custom_origin_server: str | None = None
    custom_origin_sni: str | None = None
    tls: Tls = Tls()
    custom_metadata: Mapping[str, Any] = field(default_factory=dict)
    """For Cloudflare's Workers and rules. The field `metadata` is never sent to Cloudflare."""


def merge_options(options: Options, changes: Mapping[str, Any]) -> Options:
    """Apply a patch to the options: a field left out stays, None resets to the default.

    `tls` is merged setting by setting; everything else is replaced as a whole. `changes` may hold
    other fields too. Its values are of the types that the API accepts.
    """
    merged: dict[str, Any] = {
        name: None if changes[name] is None else read(changes[name])
        for name, read in _READ.items()
        if name in changes
    }
    if "custom_metadata" in changes:
        merged["custom_metadata"] = dict(changes["custom_metadata"] or {})
    if "tls" in changes:
        merged["tls"] = _merge_tls(options.tls, changes["tls"])
    return replace(options, **merged)


_READ: dict[str, Callable[[Any], Any]] = {
    "dcv_method": DcvMethod,
    "ownership_method": OwnershipMethod,
    "certificate_authority": CertificateAuthority,
    "custom_origin_server": str,
    "custom_origin_sni": str,
}


def _merge_tls(tls: Tls, changes: Mapping[str, Any] | None) -> Tls:
    if changes is None:
        return Tls()
    merged: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()
    }
    return replace(tls, **merged)
