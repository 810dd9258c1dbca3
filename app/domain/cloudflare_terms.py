"""What Cloudflare's statuses and error texts mean for a hostname. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from app.domain.observation import CloudflareHostname
from app.domain.reason import Reason


class HostnameMeaning(Enum):
    """What the field `status` means."""

    ACTIVE = auto()
    GOING = auto()
    MOVED = auto()
    BLOCKED = auto()
    LEAVING = auto()
    """Being removed, by us or by another. The state before it says what that means."""


class CertificateMeaning(Enum):
    """What the field `ssl.status` means."""

    ACTIVE = auto()
    CHECKING = auto()
    """Waits for its proof. A refresh makes Cloudflare check again."""
    ISSUING = auto()
    DEPLOYING = auto()
    TIMED_OUT = auto()
    ENDED = auto()
    """No longer serves."""
    GOING = auto()


_HOSTNAME = {
    "active": HostnameMeaning.ACTIVE,
    "active_redeploying": HostnameMeaning.ACTIVE,
    "moved": HostnameMeaning.MOVED,
    "deleted": HostnameMeaning.MOVED,
    "pending_deletion": HostnameMeaning.LEAVING,
    "blocked": HostnameMeaning.BLOCKED,
    "test_blocked": HostnameMeaning.BLOCKED,
}

_CERTIFICATE = {
    "active": CertificateMeaning.ACTIVE,
    "initializing": CertificateMeaning.CHECKING,
    "pending_validation": CertificateMeaning.CHECKING,
    "pending_issuance": CertificateMeaning.ISSUING,
    "pending_deployment": CertificateMeaning.DEPLOYING,
    "holding_deployment": CertificateMeaning.DEPLOYING,
    "staging_deployment": CertificateMeaning.DEPLOYING,
    "staging_active": CertificateMeaning.DEPLOYING,
    "backup_issued": CertificateMeaning.DEPLOYING,
    "initializing_timed_out": CertificateMeaning.TIMED_OUT,
    "validation_timed_out": CertificateMeaning.TIMED_OUT,
    "issuance_timed_out": CertificateMeaning.TIMED_OUT,
    "deployment_timed_out": CertificateMeaning.TIMED_OUT,
    "deletion_timed_out": CertificateMeaning.TIMED_OUT,
    "expired": CertificateMeaning.ENDED,
    "deleted": CertificateMeaning.ENDED,
    "inactive": CertificateMeaning.ENDED,
}


# Also in Cloudflare's list: in progress, or without effect on what we make of the name.
_HOSTNAME_GOING = frozenset(
    {
        *("pending", "pending_blocked", "pending_migration", "pending_provisioned", "provisioned"),
        *("test_pending", "test_active", "test_active_apex", "test_failed"),
    }
)

_SSL_GOING = frozenset(
    {"pending_expiration", "pending_deletion", "pending_cleanup", "deactivating"}
)

HOSTNAME_STATUSES = (*_HOSTNAME, *sorted(_HOSTNAME_GOING))
"""All that Cloudflare lists under "Hostname validation status"."""
CERTIFICATE_STATUSES = (*_CERTIFICATE, *sorted(_SSL_GOING))
"""All that it lists under "Certificate statuses"."""


# For a live name these mean that validation starts again. Any other unlisted text leaves it live.
_BEGUN_ANEW = frozenset({"pending", "test_pending", "test_failed"})


def hostname_meaning(view: CloudflareHostname) -> HostnameMeaning:
    """Return what `status` means."""
    return _HOSTNAME.get(view.status, HostnameMeaning.GOING)


def certificate_meaning(view: CloudflareHostname) -> CertificateMeaning:
    """Return what `ssl.status` means."""
    return _CERTIFICATE.get(view.ssl_status or "", CertificateMeaning.GOING)


def both_active(view: CloudflareHostname | None, *, live: bool) -> bool:
    """Whether the hostname serves.

    A `live` name keeps serving while its certificate is renewed: the old certificate is valid until
    it ends.
    """
    if view is None:
        return False
    hostname, ssl = hostname_meaning(view), certificate_meaning(view)
    if not live:
        return hostname is HostnameMeaning.ACTIVE and ssl is CertificateMeaning.ACTIVE
    if hostname in {HostnameMeaning.GOING, HostnameMeaning.LEAVING}:
        return view.status not in _BEGUN_ANEW and ssl is not CertificateMeaning.ENDED
    return hostname is HostnameMeaning.ACTIVE and ssl is not CertificateMeaning.ENDED


def is_being_removed(view: CloudflareHostname) -> bool:
    """Whether Cloudflare is removing it, and the removal is not stuck."""
    stuck = view.ssl_status == "deletion_timed_out"
    return hostname_meaning(view) is HostnameMeaning.LEAVING and not stuck


def unknown_statuses(view: CloudflareHostname) -> tuple[str, ...]:
    """Return the status texts that are in neither of Cloudflare's lists."""
    unknown = []
    if view.status and view.status not in HOSTNAME_STATUSES:
        unknown.append(view.status)
    if view.ssl_status is not None and view.ssl_status not in CERTIFICATE_STATUSES:
        unknown.append(view.ssl_status)
    return tuple(unknown)


def waits_for_renewal(view: CloudflareHostname) -> bool:
    """Whether a live name's renewal waits for its proof, or timed out without it."""
    waiting = {CertificateMeaning.CHECKING, CertificateMeaning.TIMED_OUT}
    return view.ssl_status == "pending_expiration" or certificate_meaning(view) in waiting


_COURSE = (
    CertificateMeaning.CHECKING,
    CertificateMeaning.ISSUING,
    CertificateMeaning.DEPLOYING,
    CertificateMeaning.ACTIVE,
)


def has_progressed(before: CloudflareHostname, after: CloudflareHostname) -> bool:
    """Whether the hostname or the certificate moved closer to active."""
    return any(b < a for b, a in zip(_progress(before), _progress(after), strict=True))


def _progress(view: CloudflareHostname) -> tuple[int, int]:
    certificate = certificate_meaning(view)
    return (
        int(hostname_meaning(view) is HostnameMeaning.ACTIVE),
        _COURSE.index(certificate) if certificate in _COURSE else 0,
    )


@dataclass(frozen=True, slots=True)
class KnownText:
    """A text that Cloudflare uses. Without a reason, it only says that validation goes on."""

    pattern: re.Pattern[str]
    reason: Reason | None
    source: str


def _known(pattern: str, reason: Reason | None, source: str) -> KnownText:
    return KnownText(re.compile(pattern, re.IGNORECASE), reason, source)


IN_THE_WAY = (
    _known(r"fallback origin", Reason.FALLBACK_ORIGIN_NOT_READY, "Error codes"),
    _known(
        r"\bzone\b.*\b(held|hold)\b|\bheld zone\b",
        Reason.ZONE_HELD,
        "Hostname validation: zone holds",
    ),
    _known(r"using Cloudflare and cannot be activated", Reason.PROXIED_ELSEWHERE, "issue 29675"),
    _known(
        r"\bcaa_error\b|CAA records? blocks? issuance",
        Reason.CAA_FORBIDS_ISSUANCE,
        "Troubleshooting: CAA errors; Troubleshoot DCV",
    ),
    _known(
        r"potential risk|safe_browsing|high.risk|will not issue for this domain",
        Reason.CERTIFICATE_RISK_BLOCKED,
        "Troubleshooting: high-risk domains; Troubleshoot DCV",
    ),
    _known(r"dnssec", Reason.DNSSEC_BROKEN, "Troubleshoot DCV"),
)
"""Problems that none of the tenant's records can fix, in the order in which they are reported."""

BEHIND = (
    _known(r"rate.?limited", Reason.AUTHORITY_RATE_LIMITED, "Troubleshoot DCV: rate limiting"),
    _known(
        r"servfail|nxdomain|timed out|dns lookup|dns problem|multiple perspective|\bmpic\b",
        Reason.AUTHORITY_DNS_FAILED,
        "Troubleshoot DCV: DNS settings and records",
    ),
)
"""Reported once the tenant's records are present; until then the records are the reason."""

EXPECTED = (
    _known(r"does not `?CNAME`? to this zone", None, "Error codes"),
    _known(r"ownership (verification|validation) token was not found", None, "Error codes"),
    _known(r"internal error with certificate authority", None, "Troubleshoot DCV"),
)
"""Covered better by our own DNS check, or resolved without any action."""


# Some answers about the certificate authority came under another code; the text identifies them.
_AUTHORITY = re.compile(r"certificate[ _]authority", re.IGNORECASE)
NO_QUOTA = 1404
"""No quota is allocated. If lists get this answer too, the product is not enabled."""

REFUSALS: Mapping[int, Reason] = {
    NO_QUOTA: Reason.QUOTA_EXCEEDED,
    1405: Reason.QUOTA_EXCEEDED,
    **dict.fromkeys((1407, 1408, 1409, 1410, 1411), Reason.HOSTNAME_REFUSED),
    **dict.fromkeys(range(1415, 1422), Reason.CUSTOM_ORIGIN_REFUSED),
    1414: Reason.CUSTOM_ORIGIN_UNAVAILABLE,
    1448: Reason.WILDCARD_UNSUPPORTED,
    1459: Reason.CERTIFICATE_AUTHORITY_UNAVAILABLE,
    1469: Reason.HOSTNAME_TOO_LONG,
}
"""Why a creation or a PATCH is refused permanently, by Cloudflare's code."""
ENTITLEMENTS = frozenset({NO_QUOTA, 1405, 1413, 1414, 1448, 1456, 1459})
"""Codes for what the Cloudflare plan does not allow. The custom hostname itself is not at fault."""

_UNDER_WAY = frozenset(
    {CertificateMeaning.ISSUING, CertificateMeaning.DEPLOYING, CertificateMeaning.ACTIVE}
)


def speaks_of_authority(message: str) -> bool:
    """Whether a refusal is about the certificate authority."""
    return _AUTHORITY.search(message) is not None


def reason_in_the_way(view: CloudflareHostname) -> Reason | None:
    """Return what keeps the hostname from validating, whatever records the tenant added."""
    return _first(IN_THE_WAY, _telling(view))


def reason_behind(view: CloudflareHostname) -> Reason | None:
    """Return what stops the certificate authority although the tenant's records are present."""
    return _first(BEHIND, _telling(view))


def is_held(view: CloudflareHostname) -> bool:
    """Whether a hold on the hostname's own zone is what blocks it."""
    texts = (*view.verification_errors, *view.validation_errors)
    held = (known for known in IN_THE_WAY if known.reason is Reason.ZONE_HELD)
    return _first(held, texts) is not None


def unknown_texts(view: CloudflareHostname) -> Iterator[str]:
    """Return the errors that match none of the known texts."""
    tables = (*IN_THE_WAY, *BEHIND, *EXPECTED)
    for text in (*view.verification_errors, *view.validation_errors):
        if not any(known.pattern.search(text) for known in tables):
            yield text


def _telling(view: CloudflareHostname) -> tuple[str, ...]:
    """Return the errors of the parts that are not validated. Errors of validated parts are old."""
    hostname = hostname_meaning(view) is not HostnameMeaning.ACTIVE
    certificate = certificate_meaning(view) not in _UNDER_WAY
    return (
        *(view.verification_errors if hostname else ()),
        *(view.validation_errors if certificate else ()),
    )


def _first(table: Iterable[KnownText], texts: tuple[str, ...]) -> Reason | None:
    return next(
        (known.reason for known in table if any(known.pattern.search(text) for text in texts)), None
    )
