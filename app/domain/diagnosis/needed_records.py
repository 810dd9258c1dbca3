"""Which records a hostname still needs, and whether its routing record may be changed now. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.cloudflare_terms import (
    IN_THE_WAY,
    CertificateMeaning,
    HostnameMeaning,
    certificate_meaning,
    hostname_meaning,
)
from app.domain.custom_hostname import DnsRecord, Purpose, RecordKey
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import DnsSurvey
from app.domain.observation import CloudflareHostname
from app.domain.reason import Reason

# In these meanings the certificate authority has accepted its proof.
_CERTIFIED = frozenset(
    {CertificateMeaning.ISSUING, CertificateMeaning.DEPLOYING, CertificateMeaning.ACTIVE}
)


def is_proved(subject: Subject) -> bool:
    """Whether Cloudflare has accepted the hostname, so that its ownership needs no record."""
    return hostname_meaning(_view(subject)) is HostnameMeaning.ACTIVE


def is_certified(subject: Subject) -> bool:
    """Whether the certificate needs no further proof until it is renewed.

    A live hostname without a wildcard renews over HTTP.
    """
    renews_itself = subject.is_live and not subject.wildcard_certificate
    return renews_itself or certificate_meaning(_view(subject)) in _CERTIFIED


def is_active(subject: Subject) -> bool:
    """Whether visitors can be served as soon as the hostname points at the target."""
    view = _view(subject)
    ready = is_proved(subject) and certificate_meaning(view) is CertificateMeaning.ACTIVE
    return subject.is_live or ready


def is_refused_as_proxied(subject: Subject) -> bool:
    """Whether Cloudflare says that another of its zones proxies the hostname."""
    texts = [known for known in IN_THE_WAY if known.reason is Reason.PROXIED_ELSEWHERE]
    return any(text.pattern.search(each) for text in texts for each in subject.cloudflare_errors)


def routing_key(subject: Subject) -> RecordKey | None:
    """Return the key of the first record that routes."""
    return next((each.key for each in subject.records if each.purpose is Purpose.ROUTING), None)


def needed_before(subject: Subject) -> Iterator[DnsRecord]:
    """Give the wanted DNS records that still have to prove something, in order."""
    for record in subject.records:
        match record.purpose:
            case Purpose.CLAIM:
                yield record
            case Purpose.OWNERSHIP if record.type == "TXT" and not is_proved(subject):
                yield record
            case Purpose.CERTIFICATE if record.type == "TXT" and not is_certified(subject):
                yield record
            case Purpose.DELEGATION:
                # Every renewal needs it, so it is never done with.
                yield record
            case _:
                continue


def is_switch_due(subject: Subject, survey: DnsSurvey) -> bool:
    """Whether the routing record should point at the target by now.

    Without real-time validation, visitors would see errors until both statuses are active. With it,
    the records that come before the switch have to be there. A name that another Cloudflare zone
    proxies is proved by its routing record alone.
    """
    if is_active(subject) or is_refused_as_proxied(subject):
        return True
    if not subject.is_real_time:
        return False
    return all(
        record.value in survey.records[record.key].wanted.values
        for record in needed_before(subject)
        if record.key in survey.records
    )


def _view(subject: Subject) -> CloudflareHostname:
    return CloudflareHostname(
        id="",
        hostname=subject.hostname.base,
        status=subject.hostname_status or "",
        ssl_status=subject.ssl_status,
    )
