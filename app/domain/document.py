"""The JSON document of a custom hostname, as the API and the webhooks show it.

`next_check_at` is left out. It changes with every check, and a check that finds nothing new must
leave the document unchanged. `add_moment` adds it when the document is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.domain.custom_hostname import SERVING, CustomHostname, DnsRecord, State
from app.domain.guidance import Guidance, guide
from app.domain.observation import Routing
from app.domain.plan import has_drifted, methods, records_complete, wanted_records

DOCUMENT_VERSION = 3
"""Raise it with each change of what a document shows: workers then render all of them again."""


def represent(record: CustomHostname) -> dict[str, Any]:
    """Build the document."""
    guidance = guide(record)
    return {
        "id": record.id,
        "hostname": record.hostname.name,
        "tenant": record.tenant,
        "zone": record.zone.id,
        "plan": str(record.plan),
        **_options(record),
        "state": str(record.state),
        "reason": str(record.reason),
        "message": guidance.message,
        "waiting_on": str(guidance.waiting_on),
        # Repeated in `_records`; set here to fix the order of the fields.
        "switch_safe": guidance.switch_safe,
        "serving": record.state in SERVING,
        **_records(record, guidance),
        "cloudflare": _cloudflare(record),
        "dns": {**_dns(record.dns.routing), "error": record.dns.error},
        "redirect_to": record.redirect_to,
        "metadata": dict(record.metadata),
        "labels": dict(record.labels),
        "name_released_at": _instant(record.name_released_at),
        "revision": record.revision,
        "created_at": record.created_at.isoformat(),
        "updated_at": record.updated_at.isoformat(),
        "activated_at": _instant(record.arrived_at.get(State.ACTIVE)),
        "verified_at": _instant(record.arrived_at.get(State.CNAME_VERIFIED)),
    }


def tenants_view(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a tenant may see of the document: without the provider's data.

    The provider's data are both kinds of metadata, the labels, and what Cloudflare answered in its
    own words.
    """
    hidden = {"metadata", "custom_metadata", "labels"}
    shown = {k: v for k, v in document.items() if k not in hidden}
    cloudflare = document["cloudflare"]
    shown["cloudflare"] = {name: cloudflare[name] for name in ("hostname_status", "ssl_status")}
    return shown


def represent_records(record: CustomHostname) -> dict[str, Any]:
    """Build the list of records to add now.

    Unlike the document, it takes into account whether the CNAME target resolves at this moment.
    """
    return _records(record, guide(record, heed_target=True))


def _records(record: CustomHostname, guidance: Guidance) -> dict[str, Any]:
    return {
        "records": [represent_record(each) for each in wanted_records(record)],
        "records_complete": records_complete(record),
        "next": guidance.next,
        "switch_safe": guidance.switch_safe,
        "warning": guidance.warning,
    }


def represent_record(record: DnsRecord) -> dict[str, Any]:
    """One DNS record to add."""
    return {
        "type": record.type,
        "name": record.name,
        "value": record.value,
        "purpose": str(record.purpose),
        "when": str(record.when),
        "status": str(record.status),
        "found": list(record.found),
        "found_at": record.found_at,
        "note": record.note,
    }


def _options(record: CustomHostname) -> dict[str, Any]:
    """The chosen options. The methods shown are those in use, also where the plan chose them."""
    used, options = methods(record), record.options
    authority = options.certificate_authority
    tls = dict.fromkeys(("min_tls_version", "tls_1_3", "http2", "early_hints", "ciphers"))
    return {
        "dcv_method": str(used.dcv),
        "ownership_method": str(used.ownership),
        "certificate_authority": str(authority) if authority else None,
        "custom_origin_server": options.custom_origin_server,
        "custom_origin_sni": options.custom_origin_sni,
        "tls": tls | options.tls.settings(),
        "custom_metadata": dict(options.custom_metadata),
    }


def add_moment(
    document: dict[str, Any],
    *,
    next_check_at: datetime | None,
    queue: tuple[int, datetime] | None = None,
) -> dict[str, Any]:
    """Give the document with what changes by the moment: next check and queue position."""
    position = {"position": queue[0], "estimated_at": queue[1].isoformat()} if queue else None
    return {**document, "queue": position, "next_check_at": _instant(next_check_at)}


def _cloudflare(record: CustomHostname) -> dict[str, Any]:
    known = record.cloudflare
    seen = known.seen if known.id is not None else None
    errors = [*seen.verification_errors, *seen.validation_errors] if seen else []
    if known.refusal:
        errors.append(known.refusal)
    if known.refused_edit is not None and has_drifted(record):
        errors.append(known.refused_edit.message)
    if known.refused_refresh is not None:
        errors.append(known.refused_refresh.message)
    return {
        "id": known.id,
        "hostname_status": seen.status if seen else None,
        "ssl_status": seen.ssl_status if seen else None,
        "errors": errors,
        "custom_metadata": _custom_metadata(record),
    }


def _custom_metadata(record: CustomHostname) -> str:
    """Whether Cloudflare has the custom metadata. A Cloudflare plan may lack the option (1413)."""
    wanted, applied = record.options.custom_metadata, record.cloudflare.applied
    if not wanted:
        return "none"
    if record.zone.takes_custom_metadata is False:
        return "withheld"
    if record.cloudflare.id is None or applied is None:
        return "none"
    return "sent" if applied.custom_metadata == wanted else "none"


def _dns(routing: Routing | None) -> dict[str, Any]:
    if routing is None:
        return {"points_at_target": None, "evidence": None}
    return {
        "points_at_target": routing.points_at_target,
        "evidence": {
            "kind": str(routing.kind),
            "chain": list(routing.chain),
            "addresses": list(routing.addresses),
        },
    }


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
