"""Small builders for records, views and looks; everything happens around one fixed instant."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.domain.custom_hostname import (
    CloudflareObject,
    CustomHostname,
    Desired,
    DnsSeen,
    Plan,
    RecordKey,
    RecordStatus,
    Schedule,
    State,
    ZoneTargets,
)
from app.domain.hostname import Hostname
from app.domain.observation import (
    Absent,
    Action,
    CloudflareHostname,
    CloudflareView,
    DnsView,
    Found,
    NotAsked,
    Observation,
    Routing,
    RoutingKind,
    RRsetKey,
    Unknown,
    ValidationRecord,
    Values,
)
from app.domain.options import Options
from app.domain.plan import wanted_spec
from app.domain.reason import Reason
from app.domain.reconcile.decide import Transition, decide
from app.domain.reconcile.schedule import Policy

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
POLICY = Policy()

NAME = "shop.tenant.com"
TARGET = "customers.provider.net"
CLOUDFLARE_ID = "cf-1"

OWNERSHIP = (f"_cf-custom-hostname.{NAME}", "ownership-token")
ACME = f"_acme-challenge.{NAME}"
TOKEN = ValidationRecord(txt_name=ACME, txt_value="certificate-token")
SECOND_TOKEN = ValidationRecord(txt_name=ACME, txt_value="wildcard-token")

CNAME_KEY: RecordKey = ("CNAME", NAME, TARGET)
OWNERSHIP_KEY: RecordKey = ("TXT", *OWNERSHIP)
TOKEN_KEY: RecordKey = ("TXT", ACME, "certificate-token")
OWNERSHIP_RRSET: RRsetKey = ("TXT", OWNERSHIP[0])
ACME_RRSET: RRsetKey = ("TXT", ACME)

HERE = Routing(RoutingKind.CNAME, (TARGET,), ("192.0.2.1",))
ELSEWHERE = Routing(RoutingKind.ELSEWHERE, (), ("203.0.113.9",))
NOWHERE = Routing(RoutingKind.ABSENT)
PROXIED = Routing(RoutingKind.PROXIED, (), ("198.51.100.83",))

LIVE_ARRIVALS = (State.PENDING, State.VALIDATING, State.ACTIVE, State.CNAME_VERIFIED)


def at(seconds: float) -> datetime:
    """Give the instant so many seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def cloudflare_view(
    *,
    cloudflare_id: str = CLOUDFLARE_ID,
    status: str = "active",
    ssl_status: str | None = "active",
    wildcard: bool = False,
    verification_errors: tuple[str, ...] = (),
    validation_errors: tuple[str, ...] = (),
    ownership: tuple[str, str] | None = None,
    tokens: tuple[ValidationRecord, ...] = (),
    created_at: datetime | None = NOW,
) -> CloudflareHostname:
    return CloudflareHostname(
        id=cloudflare_id,
        hostname=NAME,
        status=status,
        ssl_status=ssl_status,
        ssl_method="http",
        ssl_type="dv",
        wildcard=wildcard,
        verification_errors=verification_errors,
        validation_errors=validation_errors,
        ownership_name=ownership[0] if ownership else None,
        ownership_value=ownership[1] if ownership else None,
        validation_records=tokens,
        created_at=created_at,
    )


def checking_view(
    *, verification_errors: tuple[str, ...] = (), validation_errors: tuple[str, ...] = ()
) -> CloudflareHostname:
    """Give a view of which neither part is validated."""
    return cloudflare_view(
        status="pending",
        ssl_status="pending_validation",
        verification_errors=verification_errors,
        validation_errors=validation_errors,
    )


def dns_view(
    *,
    routing: Routing | Unknown | NotAsked = NotAsked(),  # noqa: B008 - frozen
    txt: Mapping[RRsetKey, tuple[str, ...] | None] | None = None,
) -> DnsView:
    """Give what DNS says; TXT values of None mean that there are none."""
    records: dict[RRsetKey, Values] = {
        key: Absent() if values is None else Found(values) for key, values in (txt or {}).items()
    }
    seen = Found(routing) if isinstance(routing, Routing) else routing
    return DnsView(routing=seen, records=records)


def hostname_record(
    *,
    name: str = NAME,
    plan: Plan = Plan.SIMPLE,
    desired: Desired = Desired.PRESENT,
    state: State = State.PENDING,
    reason: Reason = Reason.CREATING,
    cloudflare: CloudflareObject | None = None,
    routing: Routing | None = None,
    statuses: Mapping[RecordKey, RecordStatus] | None = None,
    schedule: Schedule | None = None,
    tombstone: bool = False,
    wanted_at: datetime = NOW,
    acted_at: datetime = NOW,
    refresh_requested_at: datetime | None = None,
    arrived: tuple[State, ...] = (State.PENDING,),
    options: Options | None = None,
    is_apex: bool = False,
    zone: ZoneTargets | None = None,
) -> CustomHostname:
    """Give a record; what is at Cloudflare has the shape that is wanted."""
    record = CustomHostname(
        id="record-1",
        hostname=Hostname(name),
        tenant="tenant-1",
        zone=zone or ZoneTargets(id="zone-1", cname_target=TARGET),
        plan=plan,
        options=options or Options(),
        is_apex=is_apex,
        desired=desired,
        state=state,
        reason=reason,
        cloudflare=cloudflare or CloudflareObject(),
        dns=DnsSeen(routing=routing, statuses=statuses or {}),
        schedule=schedule or Schedule(),
        tombstone=tombstone,
        created_at=NOW,
        updated_at=NOW,
        wanted_at=wanted_at,
        acted_at=acted_at,
        refresh_requested_at=refresh_requested_at,
        arrived_at=dict.fromkeys(arrived, NOW),
    )
    if record.cloudflare.id is None or record.cloudflare.applied is not None:
        return record
    return replace(record, cloudflare=replace(record.cloudflare, applied=wanted_spec(record)))


def cloudflare_object(
    view: CloudflareHostname,
    *,
    ownership: tuple[str, str] | None = None,
    tokens: tuple[ValidationRecord, ...] = (),
    id: str | None = CLOUDFLARE_ID,  # noqa: A002 - the field's name
) -> CloudflareObject:
    return CloudflareObject(
        id=id,
        create_started_at=NOW if id else None,
        create_tried_at=NOW if id else None,
        seen=view,
        ownership=ownership,
        validation_records=tokens,
    )


def pending_record() -> CustomHostname:
    return hostname_record()


def validating_record(
    *,
    name: str = NAME,
    plan: Plan = Plan.SIMPLE,
    view: CloudflareHostname | None = None,
    tokens: tuple[ValidationRecord, ...] | None = None,
    routing: Routing | None = None,
    schedule: Schedule | None = None,
) -> CustomHostname:
    """Give a record created two hours ago, its tokens known where the plan has any.

    Cloudflare's own next look is minutes off by then.
    """
    real_time = plan is Plan.SIMPLE
    known = (TOKEN,) if tokens is None else tokens
    return hostname_record(
        name=name,
        plan=plan,
        state=State.VALIDATING,
        reason=Reason.HOSTNAME_CHECK_PENDING if routing is HERE else Reason.AWAITING_CNAME,
        cloudflare=cloudflare_object(
            view or checking_view(),
            ownership=None if real_time else OWNERSHIP,
            tokens=() if real_time else known,
        ),
        routing=routing,
        statuses=_cname_status(routing),
        schedule=schedule or Schedule(refreshed_at=at(-7200)),
        arrived=LIVE_ARRIVALS[:2],
    )


def active_record(*, routing: Routing = NOWHERE) -> CustomHostname:
    """Give a record with both statuses active, whose DNS is not seen pointing here."""
    return hostname_record(
        state=State.ACTIVE,
        reason=Reason.AWAITING_CNAME,
        cloudflare=cloudflare_object(cloudflare_view()),
        routing=routing,
        statuses=_cname_status(routing),
        schedule=Schedule(refreshed_at=NOW),
        arrived=LIVE_ARRIVALS[:3],
    )


def live_record(
    *,
    view: CloudflareHostname | None = None,
    schedule: Schedule | None = None,
    routing: Routing = HERE,
) -> CustomHostname:
    return hostname_record(
        state=State.CNAME_VERIFIED,
        reason=Reason.LIVE,
        cloudflare=cloudflare_object(view or cloudflare_view()),
        routing=routing,
        statuses=_cname_status(routing),
        schedule=schedule or Schedule(refreshed_at=NOW, refreshed_records=frozenset({CNAME_KEY})),
        arrived=LIVE_ARRIVALS,
    )


def failed_record(*, reason: Reason = Reason.REFUSED_BY_CLOUDFLARE) -> CustomHostname:
    """Give a record that failed without anything at Cloudflare."""
    return hostname_record(state=State.FAILED, reason=reason, schedule=Schedule(refreshed_at=NOW))


def blocked_record() -> CustomHostname:
    return hostname_record(
        state=State.FAILED,
        reason=Reason.HOSTNAME_BLOCKED,
        cloudflare=cloudflare_object(cloudflare_view(status="blocked")),
        schedule=Schedule(refreshed_at=NOW),
        arrived=(*LIVE_ARRIVALS[:2], State.FAILED),
    )


def deleting_record() -> CustomHostname:
    return replace(
        live_record(),
        desired=Desired.ABSENT,
        state=State.DELETING,
        reason=Reason.REMOVAL_REQUESTED,
    )


def deleted_record(*, tombstone: bool = False, routing: Routing | None = NOWHERE) -> CustomHostname:
    return hostname_record(
        desired=Desired.ABSENT,
        state=State.DELETED,
        reason=Reason.REMOVED,
        cloudflare=cloudflare_object(cloudflare_view(), id=None),
        routing=routing,
        tombstone=tombstone,
        arrived=(*LIVE_ARRIVALS, State.DELETING, State.DELETED),
    )


def every_state() -> tuple[CustomHostname, ...]:
    """Give one consistent record for each state, and for each of its two kinds of failing."""
    return (
        pending_record(),
        validating_record(),
        active_record(),
        live_record(),
        blocked_record(),
        failed_record(),
        deleting_record(),
        deleted_record(),
        deleted_record(tombstone=True, routing=HERE),
    )


def decided(
    record: CustomHostname,
    *,
    cloudflare: CloudflareView | CloudflareHostname = NotAsked(),  # noqa: B008 - frozen
    dns: DnsView | Routing | None = None,
    performed: Action | None = None,
    after: float = 0,
) -> Transition:
    """Decide on one look, so many seconds after NOW."""
    answer = Found(cloudflare) if isinstance(cloudflare, CloudflareHostname) else cloudflare
    view = dns_view(routing=dns) if isinstance(dns, Routing) else dns or DnsView()
    observation = Observation(cloudflare=answer, dns=view, performed=performed)
    return decide(record, observation, now=at(after), policy=POLICY)


def confirmed(
    record: CustomHostname,
    *,
    cloudflare: CloudflareView | CloudflareHostname,
    dns: DnsView | Routing | None = None,
    after: float = 0,
) -> Transition:
    """Decide on two looks a minute apart that bring the same; the first is not believed."""
    first = decided(record, cloudflare=cloudflare, dns=dns, after=after)
    assert first.record.schedule.suspected_at == at(after)
    assert (first.steps, first.action) == ((), None)
    return decided(first.record, cloudflare=cloudflare, dns=dns, after=after + 60)


def path(transition: Transition) -> list[str]:
    """Name the states a transition arrived in, in order."""
    return [str(step.after) for step in transition.steps]


def emitted(transition: Transition) -> list[str]:
    """Name the events a transition is told by, without their common prefix."""
    return [step.event_type.removeprefix("custom_hostname.") for step in transition.steps]


def _cname_status(routing: Routing | None) -> dict[RecordKey, RecordStatus]:
    if routing is None:
        return {}
    if routing.points_at_target:
        return {CNAME_KEY: RecordStatus.FOUND}
    if routing.is_hidden:
        return {CNAME_KEY: RecordStatus.UNKNOWN}
    absent = routing.kind is RoutingKind.ABSENT
    return {CNAME_KEY: RecordStatus.MISSING if absent else RecordStatus.WRONG}
