"""What Cloudflare's own words mean: the errors of a hostname, and the codes of a refusal. Pure.

Sources, all of Cloudflare's documentation: "Error codes" of custom hostname validation,
"Troubleshoot DCV", "Troubleshooting" of Cloudflare for SaaS, and the list of API error codes; and
issue 29675 of its repository. Texts change: what matches nothing is kept, shown and logged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from app.domain.cloudflare_status import (
    CertificateMeaning,
    HostnameMeaning,
    certificate_meaning,
    hostname_meaning,
)
from app.domain.observation import CloudflareHostname
from app.domain.reason import Reason


@dataclass(frozen=True, slots=True)
class KnownText:
    """A text of Cloudflare's; without a reason it says no more than that validation goes on."""

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
"""What no record of the tenant's mends, in the order in which it is told."""

BEHIND = (
    _known(r"rate.?limited", Reason.AUTHORITY_RATE_LIMITED, "Troubleshoot DCV: rate limiting"),
    _known(
        r"servfail|nxdomain|timed out|dns lookup|dns problem|multiple perspective|\bmpic\b",
        Reason.AUTHORITY_DNS_FAILED,
        "Troubleshoot DCV: DNS settings and records",
    ),
)
"""What is told once the tenant's records are there; before that they are the reason."""

EXPECTED = (
    _known(r"does not `?CNAME`? to this zone", None, "Error codes"),
    _known(r"ownership (verification|validation) token was not found", None, "Error codes"),
    _known(r"internal error with certificate authority", None, "Troubleshoot DCV"),
)
"""What our own look at DNS says better, or what passes by itself."""

# Some answers about the certificate authority have had another code; the text says so.
_AUTHORITY = re.compile(r"certificate[ _]authority", re.IGNORECASE)

NO_QUOTA = 1404
"""No quota is allocated. Where lists are answered so as well, the product is not enabled."""

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
"""Why a creation or a PATCH is refused for good, by Cloudflare's code."""

ENTITLEMENTS = frozenset({NO_QUOTA, 1405, 1413, 1414, 1448, 1456, 1459})
"""Codes of what the Cloudflare plan does not allow: nothing at the custom hostname is at fault."""

_UNDER_WAY = frozenset(
    {CertificateMeaning.ISSUING, CertificateMeaning.DEPLOYING, CertificateMeaning.ACTIVE}
)


def speaks_of_authority(message: str) -> bool:
    """Whether a refusal is of the certificate authority."""
    return _AUTHORITY.search(message) is not None


def reason_in_the_way(view: CloudflareHostname) -> Reason | None:
    """Name what keeps the hostname from validating, whatever the tenant's records are."""
    return _first(IN_THE_WAY, _telling(view))


def reason_behind(view: CloudflareHostname) -> Reason | None:
    """Name what the certificate authority stumbles over, though the tenant's records are there."""
    return _first(BEHIND, _telling(view))


def is_held(view: CloudflareHostname) -> bool:
    """Whether it is the hold of the hostname's own zone that blocks it."""
    texts = (*view.verification_errors, *view.validation_errors)
    held = (known for known in IN_THE_WAY if known.reason is Reason.ZONE_HELD)
    return _first(held, texts) is not None


def unknown_texts(view: CloudflareHostname) -> Iterator[str]:
    """The errors that match nothing here."""
    tables = (*IN_THE_WAY, *BEHIND, *EXPECTED)
    for text in (*view.verification_errors, *view.validation_errors):
        if not any(known.pattern.search(text) for known in tables):
            yield text


def _telling(view: CloudflareHostname) -> tuple[str, ...]:
    """The errors of the parts that are not validated: those of the others are old."""
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
