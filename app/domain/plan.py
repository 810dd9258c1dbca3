"""What each plan asks of Cloudflare, and which DNS records it asks of the tenant, in order."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.domain.cloudflare_terms import HostnameMeaning, hostname_meaning
from app.domain.custom_hostname import (
    CustomHostname,
    DnsRecord,
    Plan,
    Purpose,
    RecordKey,
    RecordStatus,
    State,
    When,
)
from app.domain.hostname import Hostname
from app.domain.object_spec import ObjectSpec
from app.domain.options import DcvMethod, Options, OwnershipMethod
from app.domain.proof import challenge_name
from app.domain.siblings import covers_wildcard

LONGEST_COMMON_NAME = 64
DCV_SUFFIX = "dcv.cloudflare.com"

MOST_SHOWN = 5
"""How many of the values are shown that stand in a record's place."""

KEEP_FOR_EVER = "Keep it: every renewal of the certificate needs it."
REMOVABLE = "It may be removed once the hostname is active."
PROVED = "It may be removed once the hostname is no longer waiting for proof."
RENEWED = "It may be removed once the certificate is active; a renewal may need a new value."
SERVED_BY_HAND = "Serve the value at this URL over HTTP, from where the name points now."
ANSWER_THE_MAIL = "The certificate authority sends an email to these addresses; follow its link."
APEX_NOTE = (
    "An apex cannot have a plain CNAME: add an ALIAS or ANAME record, or a CNAME where the DNS "
    "provider flattens it."
)


@dataclass(frozen=True, slots=True)
class Methods:
    """The two proofs of a hostname: one for the certificate, one for its ownership."""

    dcv: DcvMethod
    ownership: OwnershipMethod
    is_delegated: bool = False
    """Cloudflare handles the DCV tokens, which a CNAME delegates to it."""


_METHODS = {
    Plan.SIMPLE: Methods(DcvMethod.HTTP, OwnershipMethod.REALTIME),
    Plan.ZERO_DOWNTIME: Methods(DcvMethod.TXT, OwnershipMethod.TXT),
    Plan.DELEGATED: Methods(DcvMethod.TXT, OwnershipMethod.REALTIME, is_delegated=True),
    Plan.CUSTOM: Methods(DcvMethod.HTTP, OwnershipMethod.REALTIME),
}
# A wildcard cannot be fetched over HTTP. Its own record says nothing about the name that Cloudflare
# checks, which is the base; the ownership token is asked for there.
_WILDCARD_METHODS = {
    Plan.DELEGATED: Methods(DcvMethod.TXT, OwnershipMethod.TXT, is_delegated=True),
    Plan.CUSTOM: Methods(DcvMethod.TXT, OwnershipMethod.TXT),
}


def methods_of(plan: Plan, hostname: Hostname, options: Options) -> Methods:
    """Return the methods that follow from a plan, a hostname and its options."""
    own = _METHODS[plan]
    if hostname.is_wildcard:
        own = _WILDCARD_METHODS.get(plan, own)
    if plan is not Plan.CUSTOM:
        return own
    return Methods(options.dcv_method or own.dcv, options.ownership_method or own.ownership)


def methods(record: CustomHostname) -> Methods:
    """Return a record's methods. The DCV method is the object's, which a sibling may share."""
    own = methods_of(record.plan, record.hostname, record.options)
    if not covers_wildcard(record) or record.hostname.is_wildcard:
        return own
    shared = methods_of(record.plan, Hostname(f"*.{record.hostname.base}"), record.options)
    return replace(own, dcv=shared.dcv)


def is_real_time(record: CustomHostname) -> bool:
    """Whether the routing record itself proves the hostname, so the tenant may switch at once."""
    return methods(record).ownership is OwnershipMethod.REALTIME


def wanted_spec(record: CustomHostname) -> ObjectSpec:
    """The spec that the object at Cloudflare should have."""
    options = record.options
    authority = options.certificate_authority
    is_withheld = record.zone.takes_custom_metadata is False
    return ObjectSpec(
        method=str(methods(record).dcv),
        wildcard=covers_wildcard(record),
        cloudflare_branding=len(record.hostname.base) > LONGEST_COMMON_NAME,
        certificate_authority=str(authority) if authority else None,
        settings=options.tls.settings(),
        custom_origin_server=options.custom_origin_server,
        custom_origin_sni=options.custom_origin_sni,
        custom_metadata={} if is_withheld else dict(options.custom_metadata),
    )


def has_drifted(record: CustomHostname) -> bool:
    """Whether Cloudflare may hold another spec than the one wanted now."""
    known = record.cloudflare
    wanted = wanted_spec(record)
    return any(sent is not None and sent != wanted for sent in (known.applied, known.in_flight))


def wanted_records(record: CustomHostname) -> tuple[DnsRecord, ...]:
    """The records to add, in that order, each with its last DNS status."""
    wanted = (*_claim(record), *_ownership(record), *_certificate(record), *_routing(record))
    return tuple(_as_seen(record, each) for each in wanted)


def _as_seen(record: CustomHostname, wanted: DnsRecord) -> DnsRecord:
    seen, key = record.dns, wanted.key
    status = seen.statuses.get(key, wanted.status)
    if wanted.purpose is Purpose.ROUTING and status is RecordStatus.WRONG and seen.routing:
        found = seen.routing.chain[:1] or seen.routing.addresses[:MOST_SHOWN]
    else:
        found = seen.found.get(key, ())
    found_at = seen.found_at.get(key)
    if status is RecordStatus.MISSING and found_at is not None:
        status = RecordStatus.MISPLACED
    return replace(wanted, status=status, found=found, found_at=found_at)


def found_records(record: CustomHostname) -> frozenset[RecordKey]:
    """The wanted records that DNS has."""
    return frozenset(r.key for r in wanted_records(record) if r.status is RecordStatus.FOUND)


def records_in_place(record: CustomHostname) -> frozenset[RecordKey]:
    """The wanted records that DNS has, or may have behind a proxy that hides the routing record."""
    routing = record.dns.routing
    if routing is None or not routing.is_hidden:
        return found_records(record)
    hidden = (r.key for r in wanted_records(record) if r.purpose is Purpose.ROUTING)
    return found_records(record).union(hidden)


def records_complete(record: CustomHostname) -> bool:
    """Whether `wanted_records` is complete: Cloudflare prepares tokens a few seconds late."""
    used = methods(record)
    proof = used.ownership is OwnershipMethod.REALTIME or bool([*_ownership(record)])
    view = record.cloudflare.seen
    # Cloudflare shows no token once the hostname is active, and a name that joins it needs none.
    proof = proof or (view is not None and hostname_meaning(view) is HostnameMeaning.ACTIVE)
    needs_token = used.dcv is not DcvMethod.HTTP or used.ownership is not OwnershipMethod.REALTIME
    needed = 0
    if needs_token:
        two = used.dcv is DcvMethod.TXT and not used.is_delegated and wanted_spec(record).wildcard
        needed = 2 if two else 1
    return proof and len([*_certificate(record)]) >= needed


def renews_itself(record: CustomHostname) -> bool:
    """Whether the certificate renews over HTTP, whatever tokens are shown.

    Source: Cloudflare for SaaS, "Certificate renewal": all names but wildcards, while traffic
    arrives.
    """
    return record.state is State.CNAME_VERIFIED and not wanted_spec(record).wildcard


def needs_dcv_uuid(record: CustomHostname) -> bool:
    """Whether neither the object nor the zone gives the delegation's target."""
    known = record.cloudflare
    unknown = known.delegation is None and record.zone.dcv_uuid is None
    return unknown and known.seen is not None and methods(record).is_delegated


def _claim(record: CustomHostname) -> Iterator[DnsRecord]:
    """Yield the record that proves control of the name, until it has done so."""
    if record.proof is not None and record.awaits_proof:
        name = challenge_name(record.hostname)
        yield _before("TXT", name, record.proof.token, Purpose.CLAIM, PROVED)


def _ownership(record: CustomHostname) -> Iterator[DnsRecord]:
    known = record.cloudflare
    match methods(record).ownership:
        case OwnershipMethod.TXT if known.ownership:
            yield _before("TXT", *known.ownership, Purpose.OWNERSHIP, REMOVABLE)
        case OwnershipMethod.HTTP if known.ownership_http:
            yield _before("HTTP", *known.ownership_http, Purpose.OWNERSHIP, SERVED_BY_HAND)
        case _:
            return


def _certificate(record: CustomHostname) -> Iterator[DnsRecord]:
    used = methods(record)
    tokens = record.cloudflare.validation_records
    purpose = Purpose.CERTIFICATE
    if used.is_delegated:
        delegation = _delegation(record)
        if delegation:
            yield _before("CNAME", *delegation, Purpose.DELEGATION, KEEP_FOR_EVER)
        return
    for token in tokens:
        match used.dcv:
            case DcvMethod.TXT if token.txt_name and token.txt_value:
                yield _before("TXT", token.txt_name, token.txt_value, purpose, RENEWED)
            case DcvMethod.EMAIL if token.emails:
                mails = ", ".join(token.emails)
                yield _before("EMAIL", record.hostname.base, mails, purpose, ANSWER_THE_MAIL)
            # With real-time validation Cloudflare serves this token itself once the name points
            # there.
            case DcvMethod.HTTP if token.http_url and token.http_body and not is_real_time(record):
                yield _before("HTTP", token.http_url, token.http_body, purpose, SERVED_BY_HAND)
            case _:
                continue


def _delegation(record: CustomHostname) -> tuple[str, str] | None:
    shown, uuid = record.cloudflare.delegation, record.zone.dcv_uuid
    if shown is not None or uuid is None:
        return shown
    base = record.hostname.base
    return (f"_acme-challenge.{base}", f"{base}.{uuid}.{DCV_SUFFIX}")


def _before(type_: str, name: str, value: str, purpose: Purpose, note: str) -> DnsRecord:
    return DnsRecord(type_, name, value, purpose, When.BEFORE, note=note)


def _routing(record: CustomHostname) -> Iterator[DnsRecord]:
    name, zone = record.hostname.name, record.zone
    if record.is_apex and zone.apex_prefixes:
        for address in apex_addresses(zone.apex_prefixes):
            kind = "AAAA" if ":" in address else "A"
            yield DnsRecord(kind, name, address, Purpose.ROUTING, When.WITH)
        return
    note = APEX_NOTE if record.is_apex else None
    yield DnsRecord("CNAME", name, zone.cname_target, Purpose.ROUTING, When.WITH, note=note)


def apex_addresses(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the addresses to show: single ones as they are, else the first host of each prefix."""
    networks = [ipaddress.ip_network(prefix) for prefix in prefixes]
    single = [n for n in networks if n.num_addresses == 1]
    return tuple(str(next(iter(n.hosts()))) for n in single or networks)
