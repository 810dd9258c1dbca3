"""What callers may do with custom hostnames: they change what is desired, and nothing else.

Each change is committed, then reconciled at once under a short deadline; when that passes, the
caller gets what is committed so far and the reconcile goes on as a tracked task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import structlog

from app.domain.choices import (
    FLATTENING,
    Choice,
    changed_choice,
    check_choice,
    is_at_cloudflare,
    parse_plan,
    refuse_fixed,
)
from app.domain.custom_hostname import (
    GONE,
    CustomHostname,
    Desired,
    Plan,
    State,
    Watch,
    ZoneTargets,
)
from app.domain.errors import (
    Conflict,
    DatabaseUnavailable,
    HostnameTaken,
    InvalidInput,
    NotFound,
    PlanNotAvailable,
    PreconditionFailed,
    ProofRequired,
    StillDeleting,
)
from app.domain.events import Event
from app.domain.hostname import (
    Hostname,
    PublicSuffix,
    parse_hostname,
    refuse_own_names,
    registrable_domain,
)
from app.domain.observation import Found, Unknown
from app.domain.options import Options, merge_options
from app.domain.reason import Reason
from app.domain.representation import add_moment
from app.persistence import custom_hostnames as store
from app.persistence import turns, watches
from app.persistence.clock import read_now
from app.persistence.custom_hostnames import HostnameFilter
from app.persistence.database import Connection, Database
from app.persistence.events import list_events
from app.persistence.ids import Prefix, new_id
from app.persistence.watches import LEASE_SECONDS, Claim
from app.persistence.zones import Zone, get_zone
from app.services.budgets import Budgets, Place
from app.services.ports import Dns
from app.services.reconcile import Checkpoint, Reconciler
from app.services.telling import tell

NAME_SERVERS_SECONDS = 2.0
"""A request waits no longer than that to hear whose name servers an apex has."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a caller asks for, as typed."""

    hostname: str
    tenant: str
    plan: str | None = None
    """None: the one that asks least of the tenant."""
    zone: str = "default"
    metadata: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Options` by name; those left out are at their defaults."""


class CustomHostnames:
    """The use cases of the resource."""

    def __init__(
        self,
        database: Database,
        reconciler: Reconciler,
        budgets: Budgets,
        dns: Dns,
        public_suffix: PublicSuffix,
        *,
        inline_deadline: timedelta,
        inline_at_once: int,
        checkpoint: Checkpoint,
    ) -> None:
        self._database = database
        self._reconciler = reconciler
        self._budgets = budgets
        self._dns = dns
        self._public_suffix = public_suffix
        self._deadline = inline_deadline.total_seconds()
        self._checkpoint = checkpoint
        self._slots = asyncio.Semaphore(inline_at_once)
        self._running: set[asyncio.Task[None]] = set()

    async def register(self, wanted: Registration) -> tuple[CustomHostname, bool]:
        """Accept a hostname; the second value is False when this tenant had it already.

        Raises:
            InvalidInput: hostname, plan, an option or zone cannot be accepted.
            HostnameTaken: another record holds the name, or its wildcard.
            ProofRequired: another tenant had it and its DNS may still point here.
            StillDeleting: its former record is on its way out.
        """
        hostname = parse_hostname(wanted.hostname, self._public_suffix)
        plan = parse_plan(wanted.plan, hostname)
        choice = Choice(plan, hostname, merge_options(Options(), wanted.options))
        async with self._database.transaction() as tx:
            zone = await get_zone(tx, wanted.zone)
            if zone is None:
                raise InvalidInput(
                    "There is no such zone; leave it out for the default one.",
                    code="zone_unknown",
                    field="/zone",
                )
            self._refuse_own(hostname, zone)
            choice = self._check(choice, zone.name)
            held = await self._held(tx, hostname, wanted.tenant)
            if held is not None:
                return held, False
        await self._refuse_apex(choice, zone.apex_prefixes)
        return await self._insert(choice, zone, wanted)

    async def get(self, record_id: str) -> CustomHostname:
        """Give one.

        Raises:
            NotFound: there is none of this id.
        """
        async with self._database.transaction() as tx:
            return await _existing(tx, record_id)

    async def place_of(self, record: CustomHostname) -> Place | None:
        """Say when its creation may be expected, where it waits for its turn."""
        if record.reason is not Reason.CREATION_QUEUED:
            return None
        async with self._database.transaction() as tx:
            zone = await get_zone(tx, record.zone.id)
        return await self._budgets.place_of(zone.budget, record.id) if zone else None

    async def list_page(
        self, wanted: HostnameFilter, *, after: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Give documents, newest first."""
        async with self._database.transaction() as tx:
            rows = await store.list_documents(tx, wanted, after=after, limit=limit)
        return [add_moment(row["document"], next_check_at=row["due_at"]) for row in rows]

    async def events(self, record_id: str, *, after: int, limit: int) -> list[Event]:
        """Give a hostname's events in order.

        Raises:
            NotFound: there is none of this id.
        """
        async with self._database.transaction() as tx:
            await _existing(tx, record_id)
            return await list_events(tx, record_id, after=after, limit=limit)

    async def refresh(self, record_id: str, *, revision: int | None = None) -> CustomHostname:
        """Look again now, and make Cloudflare look again; revives what failed.

        Raises:
            NotFound, PreconditionFailed: as their names say.
            Conflict: the hostname is being removed.
        """
        async with self._database.transaction() as tx:
            record = await _present(tx, record_id, revision)
            _refuse_leaving(record)
            now = await read_now(tx)
            wished = replace(record, refresh_requested_at=now, acted_at=now, updated_at=now)
            wished, claim = await self._wish(tx, record, wished)
        return await self._inline(wished, claim)

    async def edit(
        self, record_id: str, said: Mapping[str, Any], *, revision: int | None = None
    ) -> CustomHostname:
        """Change plan, options or metadata: left out stays, None resets; revives what failed.

        Raises:
            NotFound, PreconditionFailed: as their names say.
            InvalidInput: the choice that would result cannot work; nothing was changed.
            Conflict: the hostname is being removed.
        """
        refuse_fixed(said)
        async with self._database.transaction() as tx:
            _, choice = await self._chosen(tx, await _existing(tx, record_id), said)
            zone = (await _existing(tx, record_id)).zone
        await self._refuse_apex(choice, zone.apex_prefixes)
        async with self._database.transaction() as tx:
            record = await _present(tx, record_id, revision)
            _refuse_leaving(record)
            wished, choice = await self._chosen(tx, record, said)
            if wished == record and record.state is not State.FAILED:
                return record
            now = await read_now(tx)
            wished = replace(wished, acted_at=now, wanted_at=now, updated_at=now)
            if record.state is State.FAILED:
                wished = replace(wished, refresh_requested_at=now)
            wished, claim = await self._wish(tx, record, wished)
        return await self._inline(wished, claim)

    async def remove(self, record_id: str, *, revision: int | None = None) -> CustomHostname:
        """Wish the hostname gone; asking again changes nothing.

        Raises:
            NotFound, PreconditionFailed: as their names say.
        """
        async with self._database.transaction() as tx:
            record = await _present(tx, record_id, revision)
            if record.desired is Desired.ABSENT:
                return record
            now = await read_now(tx)
            wished = replace(record, desired=Desired.ABSENT, wanted_at=now, updated_at=now)
            wished, claim = await self._wish(tx, record, wished)
            await turns.leave(tx, [record.id])
        return await self._inline(wished, claim)

    async def drain(self, seconds: float) -> None:
        """Let what runs past its deadline end; what does not is taken up after its lease."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        left = list(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _refuse_own(self, hostname: Hostname, zone: Zone) -> None:
        own = (zone.cname_target, *zone.accepted_targets, zone.fallback_origin)
        # Until the zone was asked for its name: nearly always its target's registrable domain.
        name = zone.name or registrable_domain(zone.cname_target, self._public_suffix)
        refuse_own_names(hostname, zone_name=name, own=own)

    def _is_apex(self, hostname: Hostname) -> bool:
        return registrable_domain(hostname.name, self._public_suffix) == hostname.name

    def _check(self, choice: Choice, zone_name: str | None) -> Choice:
        return check_choice(choice, zone_name=zone_name, public_suffix=self._public_suffix)

    async def _chosen(
        self, tx: Connection, record: CustomHostname, said: Mapping[str, Any]
    ) -> tuple[CustomHostname, Choice]:
        """Give the record as it is wished, with the choice that makes it so."""
        zone = await get_zone(tx, record.zone.id)
        before = Choice(record.plan, record.hostname, record.options)
        choice = self._check(changed_choice(before, said), zone.name if zone else None)
        metadata = (said["metadata"] or {}) if "metadata" in said else record.metadata
        wished = replace(record, plan=choice.plan, options=choice.options, metadata=metadata)
        return wished, choice

    async def _refuse_apex(self, choice: Choice, apex_prefixes: tuple[str, ...]) -> None:
        """Refuse `simple` for an apex, where no CNAME can stand.

        With apex proxying the tenant adds addresses instead, and a domain whose servers are
        Cloudflare's may have the CNAME: they flatten it (Cloudflare DNS, "CNAME flattening").
        """
        if choice.plan is not Plan.SIMPLE or apex_prefixes or not self._is_apex(choice.hostname):
            return
        try:
            async with asyncio.timeout(NAME_SERVERS_SECONDS):
                seen = await self._dns.name_servers(choice.hostname.name)
        except TimeoutError:
            seen = Unknown("timeout")
        if not isinstance(seen, Found) or not is_at_cloudflare(seen.value):
            raise PlanNotAvailable(FLATTENING)

    async def _held(self, tx: Connection, hostname: Hostname, tenant: str) -> CustomHostname | None:
        """Give the record that already answers the wish; refuse where another is in the way."""
        held = await store.find_by_base(tx, hostname.base)
        if held is None:
            return None
        if held.tenant != tenant:
            raise HostnameTaken("This hostname is already in use.")
        if held.hostname != hostname:
            raise HostnameTaken(
                "A hostname and its wildcard are one object at Cloudflare; you hold "
                f"{held.hostname.name} already. Remove it first."
            )
        if held.state in GONE or held.desired is Desired.ABSENT:
            raise StillDeleting("The former custom hostname of this name is still being removed.")
        return held

    async def _insert(
        self, choice: Choice, zone: Zone, wanted: Registration
    ) -> tuple[CustomHostname, bool]:
        hostname = choice.hostname
        await self._refuse_tombstones(hostname, wanted.tenant)
        async with self._database.transaction() as tx:
            now = await read_now(tx)
            record = CustomHostname(
                id=new_id(Prefix.CUSTOM_HOSTNAME),
                hostname=hostname,
                tenant=wanted.tenant,
                zone=_targets(zone),
                plan=choice.plan,
                options=choice.options,
                is_apex=self._is_apex(hostname),
                reason=Reason.ZONE_PAUSED if zone.pause else Reason.CREATING,
                metadata=wanted.metadata,
                sequence=1,
                watch=Watch(cloudflare_due_at=now),
                created_at=now,
                updated_at=now,
                wanted_at=now,
                acted_at=now,
                arrived_at={State.PENDING: now},
            )
            inline = not self._slots.locked()
            lease_seconds = LEASE_SECONDS if inline else 0
            if not await store.insert_hostname(tx, record, lease_seconds=lease_seconds):
                # Somebody was faster by an instant; the rules are theirs to meet now.
                held = await self._held(tx, hostname, wanted.tenant)
                if held is None:
                    raise HostnameTaken("This hostname is already in use.")
                return held, False
            await tell(tx, record, before=None, after=State.PENDING, at=now)
            if not inline:
                await watches.wake(tx, record.id)
        self._checkpoint("accepted")
        claim = Claim(record.id, 1, now, is_uncreated=True, urgent=True) if inline else None
        return await self._inline(record, claim), True

    async def _refuse_tombstones(self, hostname: Hostname, tenant: str) -> None:
        async with self._database.transaction() as tx:
            found = await store.tombstones(tx, hostname.base, besides_tenant=tenant)
            for record_id in found:
                await watches.wake(tx, record_id)
        if found:
            raise ProofRequired(
                "This name was in use here before and its DNS may still point at the CNAME target. "
                "Remove that record; the name is looked at again now, so try again in a minute."
            )

    async def _wish(
        self, tx: Connection, before: CustomHostname, wished: CustomHostname
    ) -> tuple[CustomHostname, Claim | None]:
        """Write what is desired, and claim the hostname if nobody holds it and there is room."""
        wished = replace(wished, revision=before.revision + 1)
        wished = await store.save_hostname(tx, wished, before=before)
        await watches.wake(tx, before.id)
        if self._slots.locked():
            return wished, None
        claim = await watches.claim_one(tx, before.id)
        return wished, replace(claim, urgent=True) if claim else None

    async def _inline(self, committed: CustomHostname, claim: Claim | None) -> CustomHostname:
        """Reconcile under the deadline, and give what is committed by then."""
        if claim is None:
            return committed
        task = asyncio.create_task(self._reconcile(claim), name=f"reconcile {committed.id}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.wait({task}, timeout=self._deadline)
        try:
            return await self.get(committed.id)
        except DatabaseUnavailable:
            # It is accepted all the same, and the caller must hear that.
            return committed

    async def _reconcile(self, claim: Claim) -> None:
        try:
            async with self._slots:
                await self._reconciler.reconcile(claim)
        except Exception:
            # Accepted is accepted: the worker takes the hostname up when the lease has ended.
            log.exception("inline_reconcile_failed", custom_hostname=claim.custom_hostname_id)


def _targets(zone: Zone) -> ZoneTargets:
    return ZoneTargets(
        id=zone.id,
        cname_target=zone.cname_target,
        accepted_targets=zone.accepted_targets,
        apex_prefixes=zone.apex_prefixes,
        dcv_uuid=zone.dcv_uuid,
        takes_custom_metadata=zone.takes_custom_metadata,
    )


def _refuse_leaving(record: CustomHostname) -> None:
    if record.desired is Desired.ABSENT:
        gone = record.state is State.DELETED
        said = "The hostname is removed; add it anew." if gone else "It is being removed."
        raise Conflict(said, code="is_deleted" if gone else "is_deleting")


async def _existing(tx: Connection, record_id: str) -> CustomHostname:
    record = await store.get_hostname(tx, record_id)
    if record is None:
        raise NotFound("There is no custom hostname with this id.")
    return record


async def _present(tx: Connection, record_id: str, revision: int | None) -> CustomHostname:
    """Lock, then read: lease before wide row."""
    await watches.lock(tx, record_id)
    record = await _existing(tx, record_id)
    if revision is not None and revision != record.revision:
        raise PreconditionFailed(
            f"The hostname is at revision {record.revision} by now; read it again and decide anew."
        )
    return record
