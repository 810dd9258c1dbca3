"""A sample of every event: what it means, and the body of its webhook. Pure.

The bodies are made by the functions that make real ones, from the life of one invented hostname.
The API documents, the catalogue in `docs/event-catalogue.md` and test events take them from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from app.domain.custom_hostname import (
    CloudflareObject,
    CustomHostname,
    Desired,
    DnsSeen,
    Plan,
    RecordKey,
    RecordStatus,
    State,
    ZoneTargets,
)
from app.domain.document import represent
from app.domain.events import (
    EndpointEvent,
    EndpointEventType,
    Event,
    EventType,
    ZoneEvent,
    ZoneEventType,
    endpoint_webhook_body,
    webhook_body,
    zone_webhook_body,
)
from app.domain.hostname import Hostname
from app.domain.observation import CloudflareHostname, Routing, RoutingKind, ValidationRecord
from app.domain.plan import wanted_spec
from app.domain.reason import Reason
from app.domain.webhook_endpoint import DisabledReason
from app.domain.zone import PauseReason

_ADDED_AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
_NAME, _TARGET = "shop.customer.com", "customers.provider.com"
_ID = "ch_01kb2r7m3v4x5y6z7a8b9c0d1e"
_ZONE = "zone_01kb2r7k0000000000000000aa"
_CLOUDFLARE_ID = "0d89c70d-ad9f-4843-b99f-6cc0252067e9"
_OWNERSHIP = (f"_cf-custom-hostname.{_NAME}", "9d2c8a4e-53d5-4a30-8b1b-4d1b2c6e7f10")
_TOKEN = ValidationRecord(
    txt_name=f"_acme-challenge.{_NAME}", txt_value="Yq3mJ0bY0Zt1m8m5Zk2oVnZl9q7b4c1x0a8s6d4f2g0"
)
_CAA_ERROR = "caa_error: CAA record for customer.com prevents issuance"
_HERE = Routing(RoutingKind.CNAME, (_TARGET,), ("192.0.2.10",))
_ELSEWHERE = Routing(RoutingKind.ELSEWHERE, (), ("198.51.100.7",))
_NOWHERE = Routing(RoutingKind.ABSENT)
_CNAME_STATUS = {
    RoutingKind.CNAME: RecordStatus.FOUND,
    RoutingKind.ELSEWHERE: RecordStatus.WRONG,
    RoutingKind.ABSENT: RecordStatus.MISSING,
}
_WAY = (
    (State.PENDING, timedelta()),
    (State.VALIDATING, timedelta(seconds=1)),
    (State.ACTIVE, timedelta(minutes=2)),
    (State.CNAME_VERIFIED, timedelta(minutes=2, seconds=6)),
)
"""The states of the way up, and how long after its addition the hostname reaches each."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What an event means, and how to make its body."""

    meaning: str
    """One sentence, for people."""
    body: Callable[[], dict[str, Any]]


def sample_body(event_type: str) -> dict[str, Any]:
    """Return the body of a webhook of this type, with invented subject, ids and times.

    Raises:
        KeyError: there is no event of this type.
    """
    return SAMPLES[event_type].body()


def _of_hostname(
    event_type: EventType,
    before: State | None,
    after: State,
    reason: Reason,
    *,
    sequence: int,
    after_adding: timedelta,
    statuses: tuple[str, str] | None = ("active", "active"),
    errors: tuple[str, ...] = (),
    routing: Routing | None = _HERE,
    has_tokens: bool = False,
    came: int = len(_WAY),
) -> dict[str, Any]:
    """Make the body for an instant so long after the hostname was added.

    `statuses` are those of hostname and certificate at Cloudflare; None: it is not there. `came` is
    how many states of the way up it has reached.
    """
    at = _ADDED_AT + after_adding
    record = CustomHostname(
        id=_ID,
        hostname=Hostname(_NAME),
        tenant="customer-42",
        zone=ZoneTargets(id=_ZONE, cname_target=_TARGET),
        plan=Plan.ZERO_DOWNTIME if has_tokens else Plan.SIMPLE,
        desired=Desired.ABSENT if after in {State.DELETING, State.DELETED} else Desired.PRESENT,
        state=after,
        reason=reason,
        labels={"environment": "production"},
        cloudflare=_object(statuses, errors, has_tokens=has_tokens),
        dns=DnsSeen(routing=routing, statuses=_statuses(routing, has_tokens=has_tokens)),
        sequence=sequence,
        created_at=_ADDED_AT,
        updated_at=at,
        wanted_at=_ADDED_AT,
        acted_at=_ADDED_AT,
        arrived_at={state: _ADDED_AT + later for state, later in _WAY[:came]},
    )
    known = replace(record.cloudflare, applied=wanted_spec(record) if statuses else None)
    event = Event(
        id=f"evt_01kb2r7m3v4x5y6z7a8b9c0d{sequence:02}",
        custom_hostname_id=_ID,
        tenant=record.tenant,
        sequence=sequence,
        type=event_type,
        before=before,
        after=after,
        reason=reason,
        created_at=at,
    )
    return webhook_body(event, represent(replace(record, cloudflare=known)))


def _object(
    statuses: tuple[str, str] | None, errors: tuple[str, ...], *, has_tokens: bool
) -> CloudflareObject:
    if statuses is None:
        return CloudflareObject()
    view = CloudflareHostname(
        id=_CLOUDFLARE_ID,
        hostname=_NAME,
        status=statuses[0],
        ssl_status=statuses[1],
        validation_errors=errors,
    )
    if not has_tokens:
        return CloudflareObject(id=_CLOUDFLARE_ID, seen=view)
    return CloudflareObject(
        id=_CLOUDFLARE_ID, seen=view, ownership=_OWNERSHIP, validation_records=(_TOKEN,)
    )


def _statuses(routing: Routing | None, *, has_tokens: bool) -> dict[RecordKey, RecordStatus]:
    if routing is None:
        return {}
    seen = {("CNAME", _NAME, _TARGET): _CNAME_STATUS[routing.kind]}
    if has_tokens:
        seen["TXT", *_OWNERSHIP] = RecordStatus.MISSING
        seen["TXT", str(_TOKEN.txt_name), str(_TOKEN.txt_value)] = RecordStatus.MISSING
    return seen


def _of_zone(event_type: ZoneEventType, *, sequence: int, detail: str | None) -> dict[str, Any]:
    event = ZoneEvent(
        id=f"evt_01kb2r7m3v4x5y6z7a8b9c1d{sequence:02}",
        zone_id=_ZONE,
        sequence=sequence,
        type=event_type,
        reason=PauseReason.TOKEN_REFUSED,
        detail=detail,
        created_at=_ADDED_AT + timedelta(hours=sequence),
    )
    return zone_webhook_body(event, name="provider.com")


def _of_endpoint() -> dict[str, Any]:
    event = EndpointEvent(
        id="evt_01kb2r7m3v4x5y6z7a8b9c2d01",
        endpoint_id="we_01kb2r7m3v4x5y6z7a8b9c0d1e",
        tenant=None,
        sequence=1,
        type=EndpointEventType.DISABLED,
        reason=str(DisabledReason.FAILING),
        created_at=_ADDED_AT + timedelta(days=6),
    )
    return endpoint_webhook_body(
        event,
        url="https://hooks.provider.com/nameplate",
        description="Tells the billing system",
        tenant=None,
        message=DisabledReason.FAILING.detail,
    )


SAMPLES: Mapping[str, Sample] = {
    EventType.CREATED: Sample(
        "The hostname was accepted; it is not at Cloudflare yet.",
        partial(
            _of_hostname,
            EventType.CREATED,
            None,
            State.PENDING,
            Reason.CREATING,
            sequence=1,
            after_adding=timedelta(),
            statuses=None,
            routing=None,
            came=1,
        ),
    ),
    EventType.VALIDATING: Sample(
        "The hostname is at Cloudflare and not yet active there, or came back to this from "
        "`active` or `failed`.",
        partial(
            _of_hostname,
            EventType.VALIDATING,
            State.PENDING,
            State.VALIDATING,
            Reason.AWAITING_CNAME,
            sequence=2,
            after_adding=timedelta(seconds=1),
            statuses=("pending", "pending_validation"),
            routing=_NOWHERE,
            came=2,
        ),
    ),
    EventType.ACTIVE: Sample(
        "Hostname and certificate are active at Cloudflare.",
        partial(
            _of_hostname,
            EventType.ACTIVE,
            State.VALIDATING,
            State.ACTIVE,
            Reason.CNAME_CHECK_PENDING,
            sequence=3,
            after_adding=timedelta(minutes=2),
            came=3,
        ),
    ),
    EventType.CNAME_VERIFIED: Sample(
        "The hostname is live: both are active, and DNS points at the CNAME target.",
        partial(
            _of_hostname,
            EventType.CNAME_VERIFIED,
            State.ACTIVE,
            State.CNAME_VERIFIED,
            Reason.LIVE,
            sequence=4,
            after_adding=timedelta(minutes=2, seconds=6),
        ),
    ),
    EventType.CNAME_LOST: Sample(
        "The hostname was `cname_verified` and is `active` or `validating` again.",
        partial(
            _of_hostname,
            EventType.CNAME_LOST,
            State.CNAME_VERIFIED,
            State.ACTIVE,
            Reason.CNAME_ELSEWHERE,
            sequence=5,
            after_adding=timedelta(days=5),
            routing=_ELSEWHERE,
        ),
    ),
    EventType.FAILED: Sample(
        "The hostname needs an action; `reason` says which.",
        partial(
            _of_hostname,
            EventType.FAILED,
            State.CNAME_VERIFIED,
            State.FAILED,
            Reason.HOSTNAME_BLOCKED,
            sequence=5,
            after_adding=timedelta(days=7),
            statuses=("blocked", "active"),
        ),
    ),
    EventType.DELETING: Sample(
        "The hostname is being removed.",
        partial(
            _of_hostname,
            EventType.DELETING,
            State.CNAME_VERIFIED,
            State.DELETING,
            Reason.REMOVAL_REQUESTED,
            sequence=5,
            after_adding=timedelta(days=30),
        ),
    ),
    EventType.DELETED: Sample(
        "The hostname is gone at Cloudflare.",
        partial(
            _of_hostname,
            EventType.DELETED,
            State.DELETING,
            State.DELETED,
            Reason.REMOVED,
            sequence=6,
            after_adding=timedelta(days=30, seconds=2),
            statuses=None,
        ),
    ),
    EventType.RECORDS_CHANGED: Sample(
        "The list of records is complete for the first time, or another one than before; the "
        "state is unchanged.",
        partial(
            _of_hostname,
            EventType.RECORDS_CHANGED,
            State.VALIDATING,
            State.VALIDATING,
            Reason.OWNERSHIP_TXT_MISSING,
            sequence=3,
            after_adding=timedelta(seconds=12),
            came=2,
            statuses=("pending", "pending_validation"),
            routing=_NOWHERE,
            has_tokens=True,
        ),
    ),
    EventType.ACTION_REQUIRED: Sample(
        "The hostname waits on the tenant, for another reason than before; the state is unchanged.",
        partial(
            _of_hostname,
            EventType.ACTION_REQUIRED,
            State.VALIDATING,
            State.VALIDATING,
            Reason.CAA_FORBIDS_ISSUANCE,
            sequence=3,
            after_adding=timedelta(minutes=5),
            statuses=("active", "pending_validation"),
            errors=(_CAA_ERROR,),
            came=2,
        ),
    ),
    EventType.DANGLING: Sample(
        "The hostname was removed, and its DNS still points here; the state is unchanged.",
        partial(
            _of_hostname,
            EventType.DANGLING,
            State.DELETED,
            State.DELETED,
            Reason.DANGLING,
            sequence=7,
            after_adding=timedelta(days=31),
            statuses=None,
        ),
    ),
    ZoneEventType.PAUSED: Sample(
        "Work on the zone stopped; `reason` says why.",
        partial(
            _of_zone,
            ZoneEventType.PAUSED,
            sequence=1,
            detail="GET /zones/{id} answered 401: Invalid API Token",
        ),
    ),
    ZoneEventType.RESUMED: Sample(
        "Work on the zone continues.",
        partial(_of_zone, ZoneEventType.RESUMED, sequence=2, detail=None),
    ),
    EndpointEventType.DISABLED: Sample(
        "A webhook endpoint was disabled, because it accepted nothing for five days or answered "
        "410; it goes to the other endpoints.",
        _of_endpoint,
    ),
}
"""By event type, in the order in which documents list them."""
