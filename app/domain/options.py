"""What a caller may choose besides the plan: how to prove, which authority, where to, which TLS.

Names and values are Cloudflare's own (custom hostnames API); None always means its default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any


class DcvMethod(StrEnum):
    """How the certificate authority is shown that the domain is the tenant's."""

    HTTP = "http"
    TXT = "txt"
    EMAIL = "email"


class OwnershipMethod(StrEnum):
    """How Cloudflare is shown that the hostname is the tenant's."""

    REALTIME = "realtime"
    """By the routing record itself."""
    TXT = "txt"
    HTTP = "http"


class CertificateAuthority(StrEnum):
    """Who issues; an Enterprise zone may choose."""

    GOOGLE = "google"
    LETS_ENCRYPT = "lets_encrypt"
    SSL_COM = "ssl_com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The part of `ssl.settings` that is set here; None leaves a setting as it is."""

    min_tls_version: str | None = None
    tls_1_3: str | None = None
    http2: str | None = None
    early_hints: str | None = None
    ciphers: tuple[str, ...] | None = None

    def settings(self) -> dict[str, Any]:
        """Give what is set, in Cloudflare's form."""
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in said.items()
            if value is not None
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything a caller may choose for one hostname."""

    dcv_method: DcvMethod | None = None
    """Only plan `custom` chooses it; the others have their own."""
    ownership_method: OwnershipMethod | None = None
    """The same."""
    certificate_authority: CertificateAuthority | None = None
    custom_origin_server: str | None = None
    custom_origin_sni: str | None = None
    tls: Tls = Tls()
    custom_metadata: Mapping[str, Any] = field(default_factory=dict)
    """For Cloudflare's Workers and rules; our own `metadata` never leaves us."""


def merge_options(options: Options, said: Mapping[str, Any]) -> Options:
    """Give the options as they are with what was said: left out stays, None resets to default.

    `tls` is merged setting by setting, everything else is replaced as a whole. `said` may hold
    other fields too; its values are of the kinds that the API lets through.
    """
    changes: dict[str, Any] = {
        name: None if said[name] is None else read(said[name])
        for name, read in _READ.items()
        if name in said
    }
    if "custom_metadata" in said:
        changes["custom_metadata"] = dict(said["custom_metadata"] or {})
    if "tls" in said:
        changes["tls"] = _merge_tls(options.tls, said["tls"])
    return replace(options, **changes)


_READ: dict[str, Callable[[Any], Any]] = {
    "dcv_method": DcvMethod,
    "ownership_method": OwnershipMethod,
    "certificate_authority": CertificateAuthority,
    "custom_origin_server": str,
    "custom_origin_sni": str,
}


def _merge_tls(tls: Tls, said: Mapping[str, Any] | None) -> Tls:
    if said is None:
        return Tls()
    changes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in said.items()
    }
    return replace(tls, **changes)
