"""What the tenant should do now: the next record, whether a switch is safe, who has to act. Pure.

All of it is derived together from the stored reason and the record, so the parts that a caller
reads always agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.cloudflare_terms import (
    CertificateMeaning,
    HostnameMeaning,
    certificate_meaning,
    hostname_meaning,
)
from app.domain.custom_hostname import (
    GONE,
    CustomHostname,
    Desired,
    DnsRecord,
    Purpose,
    RecordStatus,
    State,
    When,
)
from app.domain.hostname import Hostname
from app.domain.observation import Routing, RoutingKind
from app.domain.plan import is_real_time, records_complete, renews_itself, wanted_records
from app.domain.reason import Reason, WaitingOn
from app.domain.siblings import covers_wildcard, serves

PRE_VALIDATION_WARNING = (
    "Switch the CNAME only after both the hostname status and the certificate status are active. "
    "Until then, visitors would see errors."
)
TARGET_WARNING = (
    "The CNAME target has no address at the moment. Wait until it has one, then switch."
)
NOTHING_TO_ADD = (
    "There is nothing to add at the moment. Cloudflare has not checked the hostname again yet."
)

MISPLACED = (
    "The record was added with the domain appended once more, so it stands one level too deep. "
    "Enter only the part before the domain in the provider's host field."
)
UNUSABLE = "The domain's name servers give no usable answer, so the records cannot be checked."
UNANSWERED = {
    "timeout": "The domain's name servers do not answer, so the records cannot be checked.",
    "servfail": (
        "The domain's name servers answer with an error (SERVFAIL), so the records cannot be "
        "checked. Ask the DNS provider; broken DNSSEC is a common cause."
    ),
    "refused": (
        "The domain's name servers refuse to answer for it, so the records cannot be checked. "
        "Check that the registrar names the right name servers."
    ),
    "lame": (
        "The domain's name servers do not have its zone, so the records cannot be checked. "
        "Check that the registrar names the right name servers."
    ),
    "servers_disagree": (
        "The domain's name servers give different answers. A change may take a while to reach "
        "all of them."
    ),
    "cname_loop": "The CNAME records lead back to themselves. Correct one of them.",
    "cname_chain_too_long": "Too many CNAME records follow one another. Point at the value shown.",
}
"""What to say of `DnsSeen.error`."""

_ASKED_FOR: dict[Reason, frozenset[Purpose]] = {
    Reason.PROOF_AWAITED: frozenset({Purpose.CLAIM}),
    **dict.fromkeys(
        (
            Reason.OWNERSHIP_TXT_MISSING,
            Reason.OWNERSHIP_TXT_WRONG,
            Reason.OWNERSHIP_HTTP_AWAITED,
        ),
        frozenset({Purpose.OWNERSHIP}),
    ),
    **dict.fromkeys(
        (
            Reason.CERTIFICATE_TXT_MISSING,
            Reason.CERTIFICATE_TXT_WRONG,
            Reason.CERTIFICATE_HTTP_AWAITED,
            Reason.CERTIFICATE_EMAIL_AWAITED,
        ),
        frozenset({Purpose.CERTIFICATE}),
    ),
    **dict.fromkeys(
        (Reason.DELEGATION_MISSING, Reason.DELEGATION_WRONG), frozenset({Purpose.DELEGATION})
    ),
    Reason.RENEWAL_TOKENS_MISSING: frozenset({Purpose.CERTIFICATE, Purpose.DELEGATION}),
    **dict.fromkeys(
        (
            Reason.AWAITING_CNAME,
            Reason.CNAME_ELSEWHERE,
            Reason.CNAME_MISMATCH,
            Reason.PROXIED_ELSEWHERE,
            Reason.PROXIED_UNPROVEN,
        ),
        frozenset({Purpose.ROUTING}),
    ),
    **dict.fromkeys((Reason.VALIDATION_LAPSED, Reason.MOVED_AWAY), frozenset(Purpose)),
}
"""The reasons that ask the tenant for a record, each with the purposes to show first."""

# In these meanings the certificate authority has accepted its proof.
_CERTIFIED = frozenset(
    {CertificateMeaning.ISSUING, CertificateMeaning.DEPLOYING, CertificateMeaning.ACTIVE}
)


@dataclass(frozen=True, slots=True)
class Guidance:
    """What a reason means for the tenant."""

    next: int | None
    """The index in `wanted_records` of the record to add now. None: there is nothing to add now."""
    switch_safe: bool
    """The tenant may point the hostname here now."""
    warning: str | None
    """Why not to switch now. Always None where a switch is safe."""
    waiting_on: WaitingOn
    message: str


def guide(record: CustomHostname, *, heed_target: bool = False) -> Guidance:
    """Work out what the tenant should do now.

    With `heed_target`, the result depends on whether the zone's CNAME target has an address at this
    moment. The stored document leaves that out, because it is not rewritten at each check of the
    target.
    """
    target_is_missing = heed_target and record.zone.target_is_missing
    wanted = wanted_records(record)
    safe = not target_is_missing and _is_switch_safe(record, wanted)
    number = _next(record, wanted, safe=safe)
    warning = None if safe else _warning(record, target_is_missing=target_is_missing)
    waiting_on, message = record.reason.waiting_on, record.reason.message
    if waiting_on is WaitingOn.TENANT and record.reason in _ASKED_FOR and number is None:
        waiting_on, message = WaitingOn.CLOUDFLARE, NOTHING_TO_ADD
    elif record.reason is Reason.DANGLING and record.dns.routing is not None:
        message = _dangling(record.hostname, record.dns.routing)
    elif waiting_on is WaitingOn.TENANT and number is not None:
        message = _mistake(record, wanted[number]) or message
    return Guidance(number, safe, warning, waiting_on, message)


def _mistake(record: CustomHostname, lacking: DnsRecord) -> str | None:
    """Describe what DNS shows, where the tenant may believe that the record was added."""
    if lacking.status is RecordStatus.MISPLACED:
        return MISPLACED
    if record.dns.error is not None:
        return UNANSWERED.get(record.dns.error, UNUSABLE)
    return None


def _dangling(hostname: Hostname, routing: Routing) -> str:
    """Say which record to remove, by what leads the name here."""
    match routing.kind:
        case RoutingKind.CNAME:
            what = f"the CNAME record of {hostname.name}, which leads to {routing.chain[-1]}"
        case RoutingKind.APEX:
            what = f"the A and AAAA records of {hostname.name}"
        case _:
            what = f"the record of {hostname.name} (ALIAS, ANAME or a CNAME that is flattened)"
    below = " It leads all names below here." if hostname.is_wildcard else ""
    return f"The hostname was removed, but its DNS still points here. Remove {what}.{below}"


def waits_on_tenant(record: CustomHostname) -> bool:
    """Whether the tenant can do something now."""
    return guide(record).waiting_on is WaitingOn.TENANT


def _next(record: CustomHostname, wanted: Sequence[DnsRecord], *, safe: bool) -> int | None:
    pending = record.state is State.PENDING and not record.awaits_proof
    if not _takes_records(record) or pending:
        return None
    done = _proved(record)
    lacking = [
        number
        for number, each in enumerate(wanted)
        if each.status is not RecordStatus.FOUND
        and each.purpose not in done
        and _has_come(each.when, safe=safe)
    ]
    asked = _ASKED_FOR.get(record.reason, frozenset(Purpose))
    first = (number for number in lacking if wanted[number].purpose in asked)
    return next(first, next(iter(lacking), None))


def _takes_records(record: CustomHostname) -> bool:
    leaving = record.desired is Desired.ABSENT or record.state in GONE
    return not leaving and record.state is not State.FAILED


def _has_come(when: When, *, safe: bool) -> bool:
    # No plan has a record for after the switch today.
    return when is When.BEFORE or (when is When.WITH and safe)


def _is_switch_safe(record: CustomHostname, wanted: Sequence[DnsRecord]) -> bool:
    """Whether the tenant may point the hostname here now.

    Where the switch itself proves the hostname, every record that comes before it has to be
    present.
    """
    if not _takes_records(record) or record.state is State.PENDING:
        return False
    if record.reason is Reason.FALLBACK_ORIGIN_NOT_READY:
        return False
    if record.state is State.ACTIVE and not _stays(record):
        return False
    return serves(record) or (_proves_by_switch(record) and not _lacks_proof(record, wanted))


def _proves_by_switch(record: CustomHostname) -> bool:
    """Whether the routing record is what proves the hostname.

    A name that another Cloudflare zone proxies cannot be activated by a token, whatever its plan.
    Source: Cloudflare's documentation, issue 29675.
    """
    return is_real_time(record) or record.reason is Reason.PROXIED_ELSEWHERE


def _lacks_proof(record: CustomHostname, wanted: Sequence[DnsRecord]) -> bool:
    """Whether a proof that comes before the switch is neither seen in DNS nor confirmed."""
    done = _proved(record)
    if Purpose.CERTIFICATE in done:
        return False
    before = (r for r in wanted if r.when is When.BEFORE and r.purpose not in done)
    return not records_complete(record) or any(r.status is not RecordStatus.FOUND for r in before)


def _proved(record: CustomHostname) -> frozenset[Purpose]:
    """The purposes that need no record: Cloudflare confirmed them, or no record can prove them.

    A routing record behind a proxy is not asked for while it is up to others to say whether it is
    right.
    """
    view, routing = record.cloudflare.seen, record.dns.routing
    done: set[Purpose] = set()
    is_hidden = routing is not None and routing.is_hidden
    if is_hidden and record.reason.waiting_on is not WaitingOn.TENANT:
        done.add(Purpose.ROUTING)
    if view is not None and hostname_meaning(view) is HostnameMeaning.ACTIVE:
        done.add(Purpose.OWNERSHIP)
    if record.reason is Reason.PROXIED_ELSEWHERE:
        done.add(Purpose.OWNERSHIP)
    covered = view is not None and (view.wildcard or not covers_wildcard(record))
    if view is not None and covered and certificate_meaning(view) in _CERTIFIED:
        done.add(Purpose.CERTIFICATE)
    if renews_itself(record):
        done.add(Purpose.CERTIFICATE)
    return frozenset(done)


def _stays(record: CustomHostname) -> bool:
    """Whether Cloudflare will serve the name for longer than a switch to it takes."""
    view = record.cloudflare.seen
    return view is None or hostname_meaning(view) is HostnameMeaning.ACTIVE


def _warning(record: CustomHostname, *, target_is_missing: bool) -> str | None:
    if record.desired is Desired.ABSENT or record.state in GONE:
        return None
    if target_is_missing:
        return TARGET_WARNING
    return None if is_real_time(record) or serves(record) else PRE_VALIDATION_WARNING
