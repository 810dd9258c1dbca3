"""The custom hostname record: what is desired of it, and what was last observed."""

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
"""How long after a change or a refresh its caller is taken to wait for the result."""
OF_ANY_AGE = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands in for the creation start when any object of this name in the zone counts as ours."""


class Desired(StrEnum):
    """What the caller wants: the hostname present or absent."""

    PRESENT = "present"
    ABSENT = "absent"


class State(StrEnum):
    """The lifecycle state. There are few on purpose; the `Reason` gives the detail."""

    PENDING = "pending"
    """Stored, and not yet at Cloudflare."""
    VALIDATING = "validating"
    """At Cloudflare; the hostname status or the certificate status is not active yet."""
    ACTIVE = "active"
    """Both statuses are active; the tenant's DNS is not, or is no longer, seen pointing at the
    target."""
    CNAME_VERIFIED = "cname_verified"
    """Live: both statuses are active and the tenant's DNS points at the target."""
    FAILED = "failed"
    """Needs somebody to act."""
    DELETING = "deleting"
    """Removal was requested and is not done at Cloudflare yet."""
    DELETED = "deleted"
    """Removed at Cloudflare."""


class Removal(StrEnum):
    """Why the service removes a hostname at Cloudflare although it is desired."""

    REMAKE = "remake"
    """Its certificate timed out and cannot be refreshed, so the object is created again."""
    GIVE_UP = "give_up"
    """It was not set up for so long that it only takes up room."""


LIVE = frozenset({State.ACTIVE, State.CNAME_VERIFIED})
GONE = frozenset({State.DELETING, State.DELETED})
SERVING = frozenset({State.CNAME_VERIFIED})
"""Traffic flows. A renewal does not leave this state."""


class Plan(StrEnum):
    """How a hostname is validated."""

    SIMPLE = "simple"
    """Real-time hostname validation and HTTP DCV: the tenant only adds the CNAME."""
    ZERO_DOWNTIME = "zero_downtime"
    """Ownership TXT and TXT DCV first; the CNAME once both statuses are active."""
    DELEGATED = "delegated"
    """A permanent CNAME at `_acme-challenge`, so that renewals never need the tenant again."""
    CUSTOM = "custom"
    """Any pair of methods that can work together, chosen by `Options`."""


class Purpose(StrEnum):
    """What a DNS record is for."""

    ROUTING = "routing"
    OWNERSHIP = "ownership"
    CERTIFICATE = "certificate"
    DELEGATION = "delegation"
    """Delegates domain control validation to Cloudflare, renewals included."""
    CLAIM = "claim"
    """Proves to us that the tenant controls a name that another tenant had before."""


class When(StrEnum):
    """When the tenant adds the record, relative to the switch of the CNAME."""

    BEFORE = "before"
    WITH = "with"
    """The record is the switch itself."""
    AFTER = "after"
    """Part of the API; no plan has such a record today."""


class RecordStatus(StrEnum):
    """What DNS shows of a record the tenant was asked to add."""

    MISSING = "missing"
    MISPLACED = "misplaced"
    """Absent here, and present at this name with the zone's name appended once more."""
    WRONG = "wrong"
    FOUND = "found"
    UNKNOWN = "unknown"


RecordKey = tuple[str, str, str]
"""The type, owner name and value of a wanted record. A wildcard has two TXT values at one name."""


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
    """What the tenant should know about this record: how long to keep it, or what conflicts with
    it."""
    found: tuple[str, ...] = ()
    """The values that stand in its place. Empty once it is found."""
    found_at: str | None = None
    """Where a misplaced record stands."""

    @property
    def key(self) -> RecordKey:
        """The key that identifies the record among those of its hostname."""
        return (self.type, self.name, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTargets:
    """What a record needs to know about its zone."""

    id: str
    cname_target: str
    accepted_targets: tuple[str, ...] = ()
    apex_prefixes: tuple[str, ...] = ()
    """Addresses and prefixes that tenants may point an apex at. Empty: the zone has no apex
    proxying."""
    dcv_uuid: str | None = None
    """The zone's label under dcv.cloudflare.com. None until it was first needed."""
    takes_custom_metadata: bool | None = None
    """False once Cloudflare refused custom metadata in this zone (1413). None until it was
    tried."""
    target_is_missing: bool = False
    """The CNAME target has no address at the moment; tenants should not switch to it."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Every name a tenant's CNAME may point at. The first is the one shown."""
        return (self.cname_target, *self.accepted_targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudflareObject:
    """The custom hostname at Cloudflare that belongs to this record."""

    id: str | None = None
    """Cloudflare's id. None before creation, and after Cloudflare said that the object is
    absent."""
    create_started_at: datetime | None = None
    """Committed before the first POST. An object that Cloudflare created earlier is not ours."""
    create_tried_at: datetime | None = None
    """When the last POST began. An `Absent` too soon after it proves nothing."""
    seen: CloudflareHostname | None = None
    """The value of the last `Found`."""
    validation_records: tuple[ValidationRecord, ...] = ()
    """Kept here because Cloudflare stops showing them once they have served their purpose."""
    ownership: tuple[str, str] | None = None
    """Name and value of the ownership TXT record, kept for the same reason."""
    ownership_http: tuple[str, str] | None = None
    """URL and body of the ownership token over HTTP, kept for the same reason."""
    delegation: tuple[str, str] | None = None
    """Name and target of the DCV delegation, kept for the same reason."""
    refusal: str | None = None
    """Cloudflare's error text, if it refused to create the hostname."""
    applied: ObjectSpec | None = None
    """The last spec sent that Cloudflare confirmed. None: not known, and taken to be the wanted
    one."""
    in_flight: ObjectSpec | None = None
    """The spec of an edit that has begun. It may have taken effect even if no answer came."""
    refused_edit: RefusedEdit | None = None
    refused_refresh: RefusedEdit | None = None
    """A refresh that Cloudflare's plan does not allow with the chosen options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSeen:
    """What DNS last showed, without the times of the checks."""

    routing: Routing | None = None
    """The value of the last `Found`. None while every check ended `Unknown`."""
    statuses: Mapping[RecordKey, RecordStatus] = field(default_factory=dict)
    found: Mapping[RecordKey, tuple[str, ...]] = field(default_factory=dict)
    """The values in the place of validation records that are wrong."""
    found_at: Mapping[RecordKey, str] = field(default_factory=dict)
    """Where records stand that are missing in their own place."""
    error: str | None = None
    """What came instead of an answer, where the checks of the routing record fail in a row because
    of the domain's own name servers: `servfail`, `timeout` and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The reconcile schedule: when to check next, and the counters of the checks.

    It is stored in a narrow table of its own.
    """

    dns_due_at: datetime | None = None
    cloudflare_due_at: datetime | None = None
    cloudflare_failures: int = 0
    """How many `Unknown` answers came in a row, for the back-off."""
    cloudflare_waits_until: datetime | None = None
    """Until then Cloudflare asked us to wait. A caller's refresh waits for it too."""
    action_failures: int = 0
    """How many actions in a row got no answer. Checks may have been answered in between."""
    action_waits_until: datetime | None = None
    dns_failures: int = 0
    """How many routing checks in a row got no answer. Dead name servers are asked less often."""
    mismatches: int = 0
    mismatched_at: datetime | None = None
    """When DNS first showed a mismatch for a live name, with no matching check since."""
    refreshed_at: datetime | None = None
    refreshed_records: frozenset[RecordKey] = frozenset()
    """The found records that the refreshes so far were for."""
    refreshes: int = 0
    """How many refreshes were made since the last newly found record."""
    viewed_at: datetime | None = None
    """When the last answered request to Cloudflare was sent. A later answer to an earlier request
    is out of date."""
    suspected_at: datetime | None = None
    """When Cloudflare first reported against the hostname. A second check has to confirm it."""
    followed_from: datetime | None = None
    """From when Cloudflare is checked closely: a creation, a refresh, or news of progress."""
    refreshes_on: datetime | None = None
    """When the day began in which `refreshes_today` are counted."""
    refreshes_today: int = 0
    """Automatic refreshes only; refreshes that callers request do not count."""
    fast_from: datetime | None = None
    """From when DNS was last checked every few seconds: a caller's act."""
    fast_periods_on: datetime | None = None
    """When the day began in which `fast_periods_today` are counted."""
    fast_periods_today: int = 0
    waiting_since: datetime | None = None
    """Since when the tenant has had time to add the records: the caller's last change or
    refresh."""
    removal: Removal | None = None
    remade_at: datetime | None = None
    emitted_reasons: frozenset[Reason] = frozenset()
    """The reasons emitted to the tenant since the hostname last came to rest."""

    @property
    def next_check_at(self) -> datetime | None:
        """The earlier of the two due times."""
        return min((at for at in (self.dns_due_at, self.cloudflare_due_at) if at), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """What a record knows of the other name that shares its object: `*.x.com` beside `x.com`."""

    id: str
    hostname: Hostname
    desired: Desired
    state: State
    has_begun: bool = False
    """Its own creation has begun."""
    cloudflare_id: str | None = None
    applied: ObjectSpec | None = None
    in_flight: ObjectSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofOfControl:
    """What a tenant has to show in DNS before its record may hold the name."""

    token: str
    """Random, and of this record alone. It is the value of a TXT record."""
    found_at: datetime | None = None
    """When DNS was seen to have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomHostname:
    """One custom hostname as Nameplate stores it."""

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
    """The name is its own registrable domain, where a CNAME is not possible."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    redirect_to: str | None = None
    """The name that the product's backend redirects visitors to."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The caller's own marks, by which hostnames are listed."""
    cloudflare: CloudflareObject = field(default_factory=CloudflareObject)
    dns: DnsSeen = field(default_factory=DnsSeen)
    schedule: Schedule = field(default_factory=Schedule)
    sibling: Sibling | None = None
    """Loaded with the record, never written with it."""
    tombstone: bool = False
    """Deleted while DNS may still point here. Another tenant has to prove the name first."""
    dangling_since: datetime | None = None
    """When a check after the removal first found DNS still pointing here, with nobody holding the
    name."""
    proof: ProofOfControl | None = None
    """None if no proof was asked for."""
    name_released_at: datetime | None = None
    """Since when others may add the name: it was not set up in time, an operator released it, or
    its proof is awaited."""
    is_name_held: bool = False
    """Another record holds the name now. Loaded with a tombstone and with a record whose proof is
    awaited, never written."""
    revision: int = 1
    """Increases with every change made through the API."""
    sequence: int = 0
    """The number of its last event."""
    view: int = 1
    """Increases with every write of the row."""
    created_at: datetime
    updated_at: datetime
    wanted_at: datetime
    """When `desired` last changed."""
    acted_at: datetime
    """When a caller last acted. Checks are most frequent for a while after it, within limits."""
    refresh_requested_at: datetime | None = None
    arrived_at: Mapping[State, datetime] = field(default_factory=dict)
    """When the hostname first reached each state."""

    def is_awaited(self, now: datetime) -> bool:
        """Whether a person or the caller's backend may be waiting for the result of an action."""
        return now - max(self.acted_at, self.wanted_at) < AWAITED_FOR

    @property
    def has_been_live(self) -> bool:
        """Whether the hostname ever served traffic."""
        return State.CNAME_VERIFIED in self.arrived_at

    @property
    def awaits_proof(self) -> bool:
        """Whether nothing may be done with the name before its tenant has proved control of it."""
        return self.proof is not None and self.proof.found_at is None

    @property
    def refresh_is_requested(self) -> bool:
        """Whether a caller requested a refresh that is still to be done."""
        asked, done = self.refresh_requested_at, self.schedule.refreshed_at
        return asked is not None and (done is None or done < asked)
