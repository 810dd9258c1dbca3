"""The `ssl` object of a POST or PATCH, read and checked.

Nothing is changed here; what follows from it is `custom_hostnames_api`.
"""

from dataclasses import dataclass
from typing import Any, cast

from sandbox import errors
from sandbox.model import Certificate, Method

_BUNDLE_METHODS = frozenset({"ubiquitous", "optimal", "force"})
_AUTHORITIES = frozenset({"google", "lets_encrypt", "ssl_com"})
_ON_OFF = frozenset({"on", "off"})
_SETTINGS = {
    "http2": (1422, _ON_OFF),
    "tls_1_3": (1424, _ON_OFF),
    "early_hints": (1434, _ON_OFF),
    "min_tls_version": (1425, frozenset({"1.0", "1.1", "1.2", "1.3"})),
}


@dataclass(frozen=True, slots=True)
class SslRequest:
    """What was asked; None where nothing was said."""

    method: Method | None
    wildcard: bool | None
    certificate_authority: str | None
    bundle_method: str | None
    cloudflare_branding: bool | None
    settings: dict[str, Any]

    def apply(self, certificate: Certificate) -> bool:
        """Change a certificate as asked; say whether that needs a new order.

        Settings left out are reset: an edit replaces them all.
        """
        before = _ordered(certificate)
        certificate.method = self.method or certificate.method
        if self.wildcard is not None:
            certificate.wildcard = self.wildcard
        certificate.certificate_authority = (
            self.certificate_authority or certificate.certificate_authority
        )
        certificate.bundle_method = self.bundle_method or certificate.bundle_method
        if self.cloudflare_branding is not None:
            certificate.cloudflare_branding = self.cloudflare_branding
        certificate.settings = self.settings
        return before != _ordered(certificate)


def read(ssl: object, *, method_needed: bool) -> SslRequest:
    """Read an `ssl` object or raise what Cloudflare would answer."""
    if not isinstance(ssl, dict):
        raise errors.bad_ssl()
    return SslRequest(
        method=_method(ssl, needed=method_needed),
        wildcard=_flag(ssl, "wildcard"),
        certificate_authority=_authority(ssl.get("certificate_authority")),
        bundle_method=_bundle_method(ssl.get("bundle_method")),
        cloudflare_branding=_flag(ssl, "cloudflare_branding"),
        settings=_settings(ssl.get("settings")),
    )


def _ordered(certificate: Certificate) -> tuple[str, bool, str]:
    return certificate.method, certificate.wildcard, certificate.certificate_authority


def _method(ssl: dict[str, Any], *, needed: bool) -> Method | None:
    method, kind = ssl.get("method"), ssl.get("type")
    if method is None and kind is None and not needed:
        return None
    if method is None or kind is None:
        raise errors.method_and_type()
    if method not in ("http", "txt", "email"):
        raise errors.bad_method()
    if kind != "dv":
        raise errors.bad_type()
    return cast("Method", method)


def _flag(ssl: dict[str, Any], name: str) -> bool | None:
    value = ssl.get(name)
    if value is not None and not isinstance(value, bool):
        raise errors.bad_ssl()
    return value


def _authority(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or value not in _AUTHORITIES:
        raise errors.bad_ssl()
    return value


def _bundle_method(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in _BUNDLE_METHODS:
        raise errors.bad_bundle_method()
    return value


def _settings(settings: object) -> dict[str, Any]:
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise errors.bad_json()
    for name, (code, allowed) in _SETTINGS.items():
        if name in settings and settings[name] not in allowed:
            raise errors.bad_setting(code, name, ", ".join(sorted(allowed)))
    known = {name: settings[name] for name in (*_SETTINGS, "ciphers") if name in settings}
    ciphers = known.get("ciphers", [])
    if not isinstance(ciphers, list) or not all(isinstance(item, str) for item in ciphers):
        raise errors.bad_setting(1442, "ciphers", "a list of BoringSSL names")
    return known
