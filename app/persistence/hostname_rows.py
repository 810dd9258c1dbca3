"""Converts a `CustomHostname` to its rows in three tables, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter

from app.domain.custom_hostname import (
    CloudflareObject,
    CustomHostname,
    Desired,
    DnsSeen,
    Plan,
    ProofOfControl,
    RecordStatus,
    Removal,
    Schedule,
    Sibling,
    State,
    ZoneTargets,
)
from app.domain.document import represent
from app.domain.guidance import guide
from app.domain.hostname import Hostname
from app.domain.object_spec import ObjectSpec, RefusedEdit
from app.domain.observation import CloudflareHostname, Routing, ValidationRecord
from app.domain.options import Options
from app.domain.reason import Reason

_OPTIONS = TypeAdapter(Options)
_SPEC = TypeAdapter(ObjectSpec)
_REFUSED_EDIT = TypeAdapter(RefusedEdit)
_SEEN = TypeAdapter(CloudflareHostname)
_ROUTING = TypeAdapter(Routing)
_TOKENS = TypeAdapter(tuple[ValidationRecord, ...])

_SCHEDULE_COLUMNS = tuple(field.name for field in fields(Schedule))

ARRIVALS = {
    State.VALIDATING: "validating_at",
    State.ACTIVE: "activated_at",
    State.CNAME_VERIFIED: "verified_at",
    State.FAILED: "failed_at",
    State.DELETING: "deleting_at",
    State.DELETED: "deleted_at",
}


def wide_row(record: CustomHostname) -> dict[str, Any]:
    """Return the columns of `custom_hostnames`."""
    return {
        "id": record.id,
        "hostname": record.hostname.name,
        "base": record.hostname.base,
        "tenant": record.tenant,
        "zone_id": record.zone.id,
        "plan": str(record.plan),
        "options": _OPTIONS.dump_python(record.options, mode="json"),
        "is_apex": record.is_apex,
        "desired": str(record.desired),
        "state": str(record.state),
        "reason": str(record.reason),
        "waiting_on": str(guide(record).waiting_on),
        "metadata": dict(record.metadata),
        "redirect_to": record.redirect_to,
        "labels": dict(record.labels),
        "dns": _dns_column(record.dns),
        "tombstone": record.tombstone,
        "dangling_since": record.dangling_since,
        "proof_token": record.proof.token if record.proof else None,
        "proof_found_at": record.proof.found_at if record.proof else None,
        "name_released_at": record.name_released_at,
        "revision": record.revision,
        "sequence": record.sequence,
        "view": record.view,
        "document": represent(record),
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "wanted_at": record.wanted_at,
        "acted_at": record.acted_at,
        "refresh_requested_at": record.refresh_requested_at,
        **{column: record.arrived_at.get(state) for state, column in ARRIVALS.items()},
    }


def object_row(record: CustomHostname) -> dict[str, Any]:
    """Return the columns of `cloudflare_objects`."""
    known = record.cloudflare
    return {
        "custom_hostname_id": record.id,
        "zone_id": record.zone.id,
        "cloudflare_id": known.id,
        "create_started_at": known.create_started_at,
        "create_tried_at": known.create_tried_at,
        "seen": _SEEN.dump_python(known.seen, mode="json") if known.seen else None,
        "validation_records": _TOKENS.dump_python(known.validation_records, mode="json"),
        "ownership": list(known.ownership) if known.ownership else None,
        "ownership_http": list(known.ownership_http) if known.ownership_http else None,
        "delegation": list(known.delegation) if known.delegation else None,
        "refusal": known.refusal,
        "applied": _SPEC.dump_python(known.applied, mode="json") if known.applied else None,
        "in_flight": _SPEC.dump_python(known.in_flight, mode="json") if known.in_flight else None,
        "refused_edit": _refused_column(known.refused_edit),
        "refused_refresh": _refused_column(known.refused_refresh),
    }


def schedule_row(schedule: Schedule) -> dict[str, Any]:
    """Give the columns of `schedules` that a check changes: each is a field of `Schedule`."""
    row = {name: getattr(schedule, name) for name in _SCHEDULE_COLUMNS}
    row["refreshed_records"] = sorted(list(key) for key in schedule.refreshed_records)
    row["emitted_reasons"] = sorted(str(reason) for reason in schedule.emitted_reasons)
    row["removal"] = str(schedule.removal) if schedule.removal else None
    return row


def read_record(row: Mapping[str, Any]) -> CustomHostname:
    """Build the record from one row of the join of all three tables and the zone."""
    return CustomHostname(
        id=row["id"],
        hostname=Hostname(row["hostname"]),
        tenant=row["tenant"],
        zone=ZoneTargets(
            id=row["zone_id"],
            cname_target=row["cname_target"],
            accepted_targets=tuple(row["accepted_targets"]),
            apex_prefixes=tuple(row["apex_prefixes"]),
            dcv_uuid=row["dcv_uuid"],
            takes_custom_metadata=row["takes_custom_metadata"],
            target_is_missing=row["target_dns_status"] == "absent",
        ),
        plan=Plan(row["plan"]),
        options=_OPTIONS.validate_python(row["options"]),
        is_apex=row["is_apex"],
        desired=Desired(row["desired"]),
        state=State(row["state"]),
        reason=Reason.of(row["reason"]),
        metadata=row["metadata"],
        redirect_to=row["redirect_to"],
        labels=row["labels"],
        cloudflare=_read_object(row),
        dns=_read_dns(row["dns"]),
        schedule=_read_schedule(row),
        sibling=_read_sibling(row),
        tombstone=row["tombstone"],
        dangling_since=row["dangling_since"],
        proof=_read_proof(row),
        is_name_held=row["is_name_held"],
        name_released_at=row["name_released_at"],
        revision=row["revision"],
        sequence=row["sequence"],
        view=row["view"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        wanted_at=row["wanted_at"],
        acted_at=row["acted_at"],
        refresh_requested_at=row["refresh_requested_at"],
        arrived_at={
            State.PENDING: row["created_at"],
            **{state: row[column] for state, column in ARRIVALS.items() if row[column]},
        },
    )


def _dns_column(dns: DnsSeen) -> dict[str, Any]:
    return {
        "routing": _ROUTING.dump_python(dns.routing, mode="json") if dns.routing else None,
        "statuses": sorted([*key, str(status)] for key, status in dns.statuses.items()),
        "found": sorted([*key, list(values)] for key, values in dns.found.items()),
        "found_at": sorted([*key, name] for key, name in dns.found_at.items()),
        "error": dns.error,
    }


def _read_dns(column: Mapping[str, Any]) -> DnsSeen:
    routing = column["routing"]
    return DnsSeen(
        routing=_ROUTING.validate_python(routing) if routing else None,
        statuses={(t, n, v): RecordStatus(s) for t, n, v, s in column["statuses"]},
        # Rows that an earlier release wrote have none of these.
        found={(t, n, v): tuple(values) for t, n, v, values in column.get("found", [])},
        found_at={(t, n, v): name for t, n, v, name in column.get("found_at", [])},
        error=column.get("error"),
    )


def _read_proof(row: Mapping[str, Any]) -> ProofOfControl | None:
    token = row["proof_token"]
    return ProofOfControl(token=token, found_at=row["proof_found_at"]) if token else None


def _read_object(row: Mapping[str, Any]) -> CloudflareObject:
    seen = row["seen"]
    return CloudflareObject(
        id=row["cloudflare_id"],
        create_started_at=row["create_started_at"],
        create_tried_at=row["create_tried_at"],
        seen=_SEEN.validate_python(seen) if seen else None,
        validation_records=_TOKENS.validate_python(row["validation_records"] or ()),
        ownership=_pair(row["ownership"]),
        ownership_http=_pair(row["ownership_http"]),
        delegation=_pair(row["delegation"]),
        refusal=row["refusal"],
        applied=_read_spec(row["applied"]),
        in_flight=_read_spec(row["in_flight"]),
        refused_edit=_read_refused(row["refused_edit"]),
        refused_refresh=_read_refused(row["refused_refresh"]),
    )


def _pair(column: list[str] | None) -> tuple[str, str] | None:
    return (column[0], column[1]) if column else None


def _refused_column(refused: RefusedEdit | None) -> dict[str, Any] | None:
    return _REFUSED_EDIT.dump_python(refused, mode="json") if refused else None


def _read_refused(column: Mapping[str, Any] | None) -> RefusedEdit | None:
    return _REFUSED_EDIT.validate_python(column) if column else None


def _read_spec(column: Mapping[str, Any] | None) -> ObjectSpec | None:
    return _SPEC.validate_python(column) if column else None


def _read_sibling(row: Mapping[str, Any]) -> Sibling | None:
    if row["sibling_id"] is None:
        return None
    return Sibling(
        id=row["sibling_id"],
        hostname=Hostname(row["sibling_hostname"]),
        desired=Desired(row["sibling_desired"]),
        state=State(row["sibling_state"]),
        has_begun=row["sibling_create_started_at"] is not None,
        cloudflare_id=row["sibling_cloudflare_id"],
        applied=_read_spec(row["sibling_applied"]),
        in_flight=_read_spec(row["sibling_in_flight"]),
    )


def _read_schedule(row: Mapping[str, Any]) -> Schedule:
    columns = {name: row[name] for name in _SCHEDULE_COLUMNS}
    columns["refreshed_records"] = frozenset((t, n, v) for t, n, v in row["refreshed_records"])
    columns["emitted_reasons"] = frozenset(Reason.of(code) for code in row["emitted_reasons"])
    columns["removal"] = Removal(row["removal"]) if row["removal"] else None
    return Schedule(**columns)
