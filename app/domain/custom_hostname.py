"""The record: what is desired of one custom hostname, and what was last seen of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from app.domain.hostname import Hostname
from app.domain.object_spec import ObjectSpec, RefusedEdit
from app.domain.observation import CloudflareHostname, Routing, ValidationRecord
from app.domain.options import Options
from app.domain.reason import Reason

AWAITED_FOR = timedelta(minutes=1)
"""How long somebody who changed or refreshed a hostname is taken to wait for what comes of it."""
OF_ANY_AGE = datetime(1970, 1, 1, tzinfo=UTC)
"""In place of when a creation began: whatever the zone has of the name is taken as made here."""


class Desired(StrEnum):
    """What the caller wants: that the hostname is there, or that it is gone."""

    PRESENT = "present"
    ABSENT = "absent"


class State(StrEnum):
    """Where a custom hostname stands; few on purpose, the `Reason` says more."""

    PENDING = "pending"
    """Stored; not yet at Cloudflare."""
    VALIDATING = "validating"
    """At Cloudflare; hostname status or certificate status not yet active."""
    ACTIVE = "active"
    """Both active; the tenant's DNS is not (or no longer) seen pointing at the target."""
    CNAME_VERIFIED = "cname_verified"
    """Both active and the tenant's DNS points at the target: live."""
    FAILED = "failed"
    """Somebody must act."""
    DELETING = "deleting"
    """Removal is wished, and not yet done at Cloudflare."""
    DELETED = "deleted"
    """Gone at Cloudflare."""


class Removal(StrEnum):
    """Why a hostname that is wanted is removed at Cloudflare all the same."""

    REMAKE = "remake"
    """Its certificate timed out and cannot be refreshed: it is made anew."""
    GIVE_UP = "give_up"
    """Nobody set it up for so long that it takes up room for nothing."""


LIVE = frozenset({State.ACTIVE, State.CNAME_VERIFIED})
GONE = frozenset({State.DELETING, State.DELETED})


class Plan(StrEnum):
    """How a hostname is validated."""

    SIMPLE = "simple"
    """Real-time hostname validation and HTTP DCV: the CNAME is all."""
    ZERO_DOWNTIME = "zero_downtime"
    """Ownership TXT and TXT DCV first, the CNAME when both are active."""
    DELEGATED = "delegated"
    """A CNAME at `_acme-challenge` for ever, so that renewals never need the tenant again."""
    CUSTOM = "custom"
    """Any pair of methods that can work, chosen by `Options`."""


class Purpose(StrEnum):
    """What a DNS record is for."""

    ROUTING = "routing"
    OWNERSHIP = "ownership"
    CERTIFICATE = "certificate"
    DELEGATION = "delegation"
    """Hands domain control validation over to Cloudflare, renewals included."""


class When(StrEnum):
    """When the tenant adds the record, seen from the switch."""

    BEFORE = "before"
    WITH = "with"
    """It is the switch itself."""
    AFTER = "after"
    """Part of the API; no plan has such a record today."""


class RecordStatus(StrEnum):
    """What DNS says of a record the tenant was asked to add."""

    MISSING = "missing"
    WRONG = "wrong"
    FOUND = "found"
    UNKNOWN = "unknown"


RecordKey = tuple[str, str, str]
"""A wanted record's type, owner name and value: a wildcard has two TXT values at one name."""


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record the tenant is asked to add."""

    type: str
    name: str
    value: str
    purpose: Purpose
    when: When
    status: RecordStatus = RecordStatus.UNKNOWN
    note: str | None = None
    """What the tenant should know of this record: how long to keep it, what stands in its way."""

    @property
    def key(self) -> RecordKey:
        """What tells it from the other records of its hostname."""
        return (self.type, self.name, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTargets:
    """What a record needs to know of its zone."""

    id: str
    cname_target: str
    accepted_targets: tuple[str, ...] = ()
    apex_prefixes: tuple[str, ...] = ()
    """Addresses and prefixes that tenants may point an apex at; empty: no apex proxying."""
    dcv_uuid: str | None = None
    """The zone's label under dcv.cloudflare.com; None until it was needed."""
    takes_custom_metadata: bool | None = None
    """False once Cloudflare refused custom metadata here (1413); None while nobody tried."""
    target_is_missing: bool = False
    """The CNAME target has no address at the moment: nobody should be sent there."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Every name a tenant's CNAME may lead to; the first is the one shown."""
        return (self.cname_target, *self.accepted_targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudflareObject:
    """The custom hostname at Cloudflare that belongs to this record."""

    id: str | None = None
    """Cloudflare's id; None before it was created, and after it was surely absent."""
    create_started_at: datetime | None = None
    """Committed before the first POST; what Cloudflare created earlier is not ours."""
    create_tried_at: datetime | None = None
    """When the last POST began: an Absent too soon after it proves nothing."""
    seen: CloudflareHostname | None = None
    """The last Found."""
    validation_records: tuple[ValidationRecord, ...] = ()
    """Kept: Cloudflare stops showing them once they served."""
    ownership: tuple[str, str] | None = None
    """Name and value of the ownership TXT, kept likewise."""
    ownership_http: tuple[str, str] | None = None
    """URL and body of the ownership token over HTTP, kept likewise."""
    delegation: tuple[str, str] | None = None
    """Name and target of the DCV delegation, kept likewise."""
    refusal: str | None = None
    """Cloudflare's own words, where it refused to create the hostname."""
    applied: ObjectSpec | None = None
    """The shape last sent, as far as Cloudflare confirmed it; None: not known, taken as wanted."""
    in_flight: ObjectSpec | None = None
    """The shape of an edit that began; it may have taken effect while it had no answer."""
    refused_edit: RefusedEdit | None = None
    refused_refresh: RefusedEdit | None = None
    """A refresh that Cloudflare's plan does not allow with what was chosen here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSeen:
    """What DNS last said, without the times of looking."""

    routing: Routing | None = None
    """The last Found; None while every look was Unknown."""
    statuses: Mapping[RecordKey, RecordStatus] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When to look next, and the counters that belong to looking: the narrow table's row."""

    dns_due_at: datetime | None = None
    cloudflare_due_at: datetime | None = None
    cloudflare_failures: int = 0
    """Unknowns in a row, for the back-off."""
    cloudflare_waits_until: datetime | None = None
    """Until then Cloudflare asked not to be asked; not even a person's refresh goes before it."""
    action_failures: int = 0
    """Acts in a row that had no answer, while looks may have one."""
    action_waits_until: datetime | None = None
    dns_failures: int = 0
    """Routing looks in a row that could not be asked: dead servers are asked less often."""
    mismatches: int = 0
    mismatched_at: datetime | None = None
    """When DNS first contradicted a live name without confirming it since."""
    refreshed_at: datetime | None = None
    refreshed_records: frozenset[RecordKey] = frozenset()
    """The found records that the refreshes so far were for."""
    refreshes: int = 0
    """Refreshes since the last newly found record."""
    viewed_at: datetime | None = None
    """When the last question to Cloudflare that had an answer was sent; a later answer to an
    earlier question is old news."""
    suspected_at: datetime | None = None
    """When Cloudflare first spoke against the hostname, which is believed at a second look."""
    followed_from: datetime | None = None
    """From when Cloudflare is looked at closely: a creation, a refresh, or news of progress."""
    refreshes_on: datetime | None = None
    """When the day began in which `refreshes_today` are counted."""
    refreshes_today: int = 0
    """The machine's own; a person's do not count."""
    waiting_since: datetime | None = None
    """Since when the tenant has had time to set it up: a person's last wish or refresh."""
    removal: Removal | None = None
    remade_at: datetime | None = None
    emitted_reasons: frozenset[Reason] = frozenset()
    """What the tenant was told to do since the hostname last came to rest."""

    @property
    def next_check_at(self) -> datetime | None:
        """The earlier of both instants."""
        return min((at for at in (self.dns_due_at, self.cloudflare_due_at) if at), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """What a record knows of the other name of its object: `*.x.com` beside `x.com`."""

    id: str
    hostname: Hostname
    desired: Desired
    state: State
    has_begun: bool = False
    """A creation of its own began."""
    cloudflare_id: str | None = None
    applied: ObjectSpec | None = None
    in_flight: ObjectSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomHostname:
    """One custom hostname as Nameplate keeps it."""

    id: str
    hostname: Hostname
    tenant: str
    zone: ZoneTargets
    plan: Plan
    desired: Desired = Desired.PRESENT
    state: State = State.PENDING
    reason: Reason = Reason.CREATING
    options: Options = field(default_factory=Options)
    is_apex: bool = False
    """The name is its own registrable domain: a CNAME cannot stand there."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    cloudflare: CloudflareObject = field(default_factory=CloudflareObject)
    dns: DnsSeen = field(default_factory=DnsSeen)
    schedule: Schedule = field(default_factory=Schedule)
    sibling: Sibling | None = None
    """Read with the record, never written with it."""
    tombstone: bool = False
    """Deleted, and DNS may still point here: the name is not free for others."""
    name_released_at: datetime | None = None
    """Since when others may add its name: nobody set it up in time, or an operator freed it."""
    revision: int = 1
    """Rises with every change made through the API."""
    sequence: int = 0
    """The number of its last event."""
    view: int = 1
    """Rises with every write of the row."""
    created_at: datetime
    updated_at: datetime
    wanted_at: datetime
    """When what is desired last changed."""
    acted_at: datetime
    """When a person last acted: looks are closest for a while after it."""
    refresh_requested_at: datetime | None = None
    arrived_at: Mapping[State, datetime] = field(default_factory=dict)
    """First arrival in each state."""

    def is_awaited(self, now: datetime) -> bool:
        """Whether a person, or the caller's backend, may be waiting for what comes of an act."""
        return now - max(self.acted_at, self.wanted_at) < AWAITED_FOR

    @property
    def has_been_live(self) -> bool:
        """Whether traffic ever flowed."""
        return State.CNAME_VERIFIED in self.arrived_at

    @property
    def refresh_is_requested(self) -> bool:
        """Whether a person asked for a refresh that is still to be done."""
        asked, done = self.refresh_requested_at, self.schedule.refreshed_at
        return asked is not None and (done is None or done < asked)
