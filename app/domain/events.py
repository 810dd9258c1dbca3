"""The events of hostnames and zones: their types, when to emit them, and the webhook body. Pure.

`services/events` records them; `persistence/events` stores them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.custom_hostname import CustomHostname, Desired, State
from app.domain.document import tenants_view
from app.domain.guidance import waits_on_tenant
from app.domain.plan import records_complete, renews_itself, wanted_records
from app.domain.reason import Reason, WaitingOn
from app.domain.zone import PauseReason


class EventType(StrEnum):
    """The subject, then what happened to it."""

    CREATED = "custom_hostname.created"
    VALIDATING = "custom_hostname.validating"
    ACTIVE = "custom_hostname.active"
    CNAME_VERIFIED = "custom_hostname.cname_verified"
    CNAME_LOST = "custom_hostname.cname_lost"
    FAILED = "custom_hostname.failed"
    DELETING = "custom_hostname.deleting"
    DELETED = "custom_hostname.deleted"
    RECORDS_CHANGED = "custom_hostname.records_changed"
    ACTION_REQUIRED = "custom_hostname.action_required"
    DANGLING = "custom_hostname.dangling"


class ZoneEventType(StrEnum):
    """What happens to a whole zone. Emitted to endpoints that belong to no tenant."""

    PAUSED = "zone.paused"
    RESUMED = "zone.resumed"


class EndpointEventType(StrEnum):
    """What happens to a webhook endpoint. Emitted to other endpoints."""

    DISABLED = "webhook_endpoint.disabled"


AnyEventType = EventType | ZoneEventType | EndpointEventType
EVENT_TYPES: tuple[AnyEventType, ...] = (*EventType, *ZoneEventType, *EndpointEventType)

LONGEST_BODY = 32_768
"""In characters. A longer body is sent thin, because receivers limit what they accept."""
THIN = ("id", "hostname", "tenant", "zone", "state", "reason", "message", "serving")
"""The fields of a hostname that a thin body has."""

_ARRIVALS = {
    State.PENDING: EventType.CREATED,
    State.VALIDATING: EventType.VALIDATING,
    State.ACTIVE: EventType.ACTIVE,
    State.CNAME_VERIFIED: EventType.CNAME_VERIFIED,
    State.FAILED: EventType.FAILED,
    State.DELETING: EventType.DELETING,
    State.DELETED: EventType.DELETED,
}


def event_type(before: State | None, after: State) -> EventType:
    """Return the event type of a step. Leaving `cname_verified` downwards emits only the loss.

    A hostname that failed is created no second time: its proof is asked for again.
    """
    if before is State.CNAME_VERIFIED and after in {State.ACTIVE, State.VALIDATING}:
        return EventType.CNAME_LOST
    if before is State.FAILED and after is State.PENDING:
        return EventType.ACTION_REQUIRED
    return _ARRIVALS[after]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step or notification. It is written once; `sequence` has no gaps within the hostname."""

    id: str
    custom_hostname_id: str
    tenant: str
    sequence: int
    type: EventType
    before: State | None
    after: State
    reason: Reason
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneEvent:
    """One change of a zone's state. `sequence` has no gaps within the zone."""

    id: str
    zone_id: str
    sequence: int
    type: ZoneEventType
    reason: PauseReason
    detail: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEvent:
    """A webhook endpoint was disabled. `sequence` has no gaps within the endpoint."""

    id: str
    endpoint_id: str
    tenant: str | None
    """Whose endpoints get it besides those of no tenant."""
    sequence: int
    type: EndpointEventType
    reason: str
    created_at: datetime


def endpoint_webhook_body(
    event: EndpointEvent, *, url: str, description: str, tenant: str | None, message: str
) -> dict[str, Any]:
    """Build what other endpoints receive when one is disabled."""
    return {
        "type": str(event.type),
        "timestamp": event.created_at.isoformat(),
        "data": {
            "event": {
                "id": event.id,
                "type": str(event.type),
                "subject": event.endpoint_id,
                "sequence": event.sequence,
                "created_at": event.created_at.isoformat(),
                "from": "enabled",
                "to": "disabled",
                "reason": event.reason,
            },
            "webhook_endpoint": {
                "id": event.endpoint_id,
                "url": url,
                "description": description,
                "tenant": tenant,
                "message": message,
            },
        },
    }


def zone_webhook_body(event: ZoneEvent, *, name: str | None) -> dict[str, Any]:
    """Build what an endpoint receives for a zone's event."""
    is_pause = event.type is ZoneEventType.PAUSED
    return {
        "type": str(event.type),
        "timestamp": event.created_at.isoformat(),
        "data": {
            "event": {
                "id": event.id,
                "type": str(event.type),
                "subject": event.zone_id,
                "sequence": event.sequence,
                "created_at": event.created_at.isoformat(),
                "from": "open" if is_pause else "paused",
                "to": "paused" if is_pause else "open",
                "reason": str(event.reason),
            },
            "zone": {
                "id": event.zone_id,
                "name": name,
                "message": event.reason.message,
                "detail": event.detail,
            },
        },
    }


def webhook_body(event: Event, custom_hostname: Mapping[str, Any]) -> dict[str, Any]:
    """Build what an endpoint receives, in the envelope of the Standard Webhooks specification."""
    return {
        "type": str(event.type),
        "timestamp": event.created_at.isoformat(),
        "data": {
            "event": event_document(event),
            "custom_hostname": dict(custom_hostname),
        },
    }


def thin_webhook_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a hostname's body with what identifies it, and where to read the rest."""
    data = body["data"]
    hostname = data["custom_hostname"]
    shown = {name: hostname[name] for name in THIN}
    shown["link"] = f"/v1/custom-hostnames/{hostname['id']}"
    return {**body, "data": {**data, "custom_hostname": shown, "thin": True}}


def tenants_webhook_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an endpoint receives that a tenant added itself."""
    data = body["data"]
    if data.get("thin") or "custom_hostname" not in data:
        return dict(body)
    shown = tenants_view(data["custom_hostname"])
    return {**body, "data": {**data, "custom_hostname": shown}}


def event_document(event: Event) -> dict[str, Any]:
    """Return the event as the API shows it."""
    return {
        "id": event.id,
        "type": str(event.type),
        "subject": event.custom_hostname_id,
        "sequence": event.sequence,
        "created_at": event.created_at.isoformat(),
        "from": str(event.before) if event.before else None,
        "to": str(event.after),
        "reason": str(event.reason),
    }


# It is checked again before anything is concluded, so no action is asked for yet.
_NOT_YET = frozenset({Reason.CNAME_MISMATCH})


def find_notifications(
    before: CustomHostname, after: CustomHostname, *, stepped: bool
) -> tuple[EventType, ...]:
    """Return the notifications, in the order in which they are emitted after the steps."""
    return tuple(_notifications(before, after, stepped=stepped))


def note_emitted(
    after: CustomHostname, notifications: tuple[EventType, ...], *, stepped: bool
) -> CustomHostname:
    """Note the reason that was emitted to the tenant, by a notification or by a step."""
    told = after.schedule.emitted_reasons
    if after.reason.waiting_on is WaitingOn.NOBODY:
        told = frozenset()
    elif stepped:
        told = frozenset({after.reason}) if waits_on_tenant(after) else frozenset()
    elif EventType.ACTION_REQUIRED in notifications:
        told |= {after.reason}
    return replace(after, schedule=replace(after.schedule, emitted_reasons=told))


def _notifications(
    before: CustomHostname, after: CustomHostname, *, stepped: bool
) -> Iterator[EventType]:
    if after.dangling_since is not None and before.dangling_since is None:
        yield EventType.DANGLING
    if after.desired is Desired.ABSENT:
        return
    renewed = after.cloudflare.id is not None and _has_new_records(before, after)
    if renewed:
        yield EventType.RECORDS_CHANGED
    if not stepped and _asks_the_tenant(before, after, renewed=renewed):
        yield EventType.ACTION_REQUIRED


def _has_new_records(before: CustomHostname, after: CustomHostname) -> bool:
    """Whether the list of records became complete, or a complete list changed.

    Tokens that served stay in the list; what disappears from it was replaced. A live name that
    renews over HTTP gets new tokens too, but needs none of them.
    """
    if not records_complete(after) or after.state is State.FAILED or renews_itself(after):
        return False
    if not records_complete(before):
        return True
    return {r.key for r in wanted_records(before)} != {r.key for r in wanted_records(after)}


def _asks_the_tenant(before: CustomHostname, after: CustomHostname, *, renewed: bool) -> bool:
    reason = after.reason
    if reason in _NOT_YET or not waits_on_tenant(after):
        return False
    if renewed:
        # The tenant was asked to add other values before.
        return True
    is_news = reason is not before.reason or not waits_on_tenant(before)
    return is_news and reason not in after.schedule.emitted_reasons
