"""What Cloudflare's two lists of statuses mean for us; a text not listed means "still going".

Sources: Cloudflare for SaaS, "Hostname validation status" and "Certificate statuses".
"""

from __future__ import annotations

from enum import Enum, auto

from app.domain.observation import CloudflareHostname


class HostnameMeaning(Enum):
    """What `status` says."""

    ACTIVE = auto()
    GOING = auto()
    MOVED = auto()
    BLOCKED = auto()
    LEAVING = auto()
    """Being removed, by whomever: what it was before says what that means."""


class CertificateMeaning(Enum):
    """What `ssl.status` says."""

    ACTIVE = auto()
    CHECKING = auto()
    """Waits for its proof: a refresh makes Cloudflare look again."""
    ISSUING = auto()
    DEPLOYING = auto()
    TIMED_OUT = auto()
    ENDED = auto()
    """Does not serve any more."""
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

# Listed as well: under way, or nothing that changes what a name is to us.
_HOSTNAME_GOING = frozenset(
    {
        *("pending", "pending_blocked", "pending_migration", "pending_provisioned", "provisioned"),
        *("test_pending", "test_active", "test_active_apex", "test_failed"),
    }
)
_SSL_GOING = frozenset(
    {"pending_expiration", "pending_deletion", "pending_cleanup", "deactivating"}
)

# For a live name these say that validation begins anew; any other unlisted text leaves it live.
_BEGUN_ANEW = frozenset({"pending", "test_pending", "test_failed"})


def hostname_meaning(view: CloudflareHostname) -> HostnameMeaning:
    """Read `status`."""
    return _HOSTNAME.get(view.status, HostnameMeaning.GOING)


def certificate_meaning(view: CloudflareHostname) -> CertificateMeaning:
    """Read `ssl.status`."""
    return _CERTIFICATE.get(view.ssl_status or "", CertificateMeaning.GOING)


def both_active(view: CloudflareHostname | None, *, live: bool) -> bool:
    """Whether the hostname serves.

    A `live` name stays so while its certificate is renewed: the old one serves until it ends.
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
    """Whether Cloudflare is at its removal, and not stuck with it."""
    stuck = view.ssl_status == "deletion_timed_out"
    return hostname_meaning(view) is HostnameMeaning.LEAVING and not stuck


def unknown_statuses(view: CloudflareHostname) -> tuple[str, ...]:
    """The texts that stand in neither of Cloudflare's lists."""
    unknown = []
    if view.status and view.status not in _HOSTNAME.keys() | _HOSTNAME_GOING:
        unknown.append(view.status)
    if view.ssl_status is not None and view.ssl_status not in _CERTIFICATE.keys() | _SSL_GOING:
        unknown.append(view.ssl_status)
    return tuple(unknown)


def waits_for_renewal(view: CloudflareHostname) -> bool:
    """Whether a live name's certificate waits for its proof anew, or timed out for want of it."""
    waiting = {CertificateMeaning.CHECKING, CertificateMeaning.TIMED_OUT}
    return view.ssl_status == "pending_expiration" or certificate_meaning(view) in waiting


_COURSE = (
    CertificateMeaning.CHECKING,
    CertificateMeaning.ISSUING,
    CertificateMeaning.DEPLOYING,
    CertificateMeaning.ACTIVE,
)


def has_progressed(before: CloudflareHostname, after: CloudflareHostname) -> bool:
    """Whether either part came further on its way to active."""
    return any(b < a for b, a in zip(_progress(before), _progress(after), strict=True))


def _progress(view: CloudflareHostname) -> tuple[int, int]:
    certificate = certificate_meaning(view)
    return (
        int(hostname_meaning(view) is HostnameMeaning.ACTIVE),
        _COURSE.index(certificate) if certificate in _COURSE else 0,
    )
