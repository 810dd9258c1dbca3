"""The check for a name that is proxied in the tenant's own zone at Cloudflare. Pure.

Source: Cloudflare's documentation, issue 29675: tokens do not activate such a name.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.diagnosis.catalogue import Code, finding
from app.domain.diagnosis.finding import Finding
from app.domain.diagnosis.needed_records import is_active, is_refused_as_proxied, routing_key
from app.domain.diagnosis.pointing import is_proxied
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import DnsSurvey


def proxying(subject: Subject, survey: DnsSurvey) -> Iterator[Finding]:
    """Say what the proxy means for the hostname. Its record may be right, which DNS hides."""
    if not is_proxied(subject, survey):
        return
    if is_active(subject):
        code = Code.PROXIED
    elif is_refused_as_proxied(subject) or not subject.is_real_time:
        code = Code.PROXIED_BLOCKS
    else:
        code = Code.PROXIED_UNPROVEN
    yield finding(code, routing_key(subject), name=survey.owner)
