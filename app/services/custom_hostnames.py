"""The use cases of custom hostnames. Callers change what is desired, and nothing else.

Each change is committed and then reconciled inline under a short deadline. After the deadline the
caller gets what is committed so far, and the reconcile goes on as a tracked task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from app.domain.custom_hostname import (
    GONE,
    CustomHostname,
    Desired,
    Schedule,
    State,
)
from app.domain.errors import (
    AlreadyExists,
    DatabaseUnavailable,
    ErrorCode,
    HostnameTaken,
    InvalidInput,
    ProofRequired,
)
from app.domain.events import Event
from app.domain.hostname import (
    Hostname,
    PublicSuffix,
    parse_hostname,
    refuse_own_names,
    registrable_domain,
)
from app.domain.option_rules import Ground, refuse_fixed
from app.domain.reason import Reason
from app.domain.reconcile.schedule import Policy
from app.domain.zone import Zone
from app.metrics import TRANSITIONS
from app.persistence import call_queue, leases
from app.persistence import custom_hostnames as store
from app.persistence.clock import read_now
from app.persistence.database import Connection, Database
from app.persistence.events import list_events
from app.persistence.ids import Prefix, new_id
from app.persistence.leases import LEASE_SECONDS, Claim
from app.persistence.zones import get_zone
from app.services.call_queue import CallQueue, QueuePosition
from app.services.events import emit_event
from app.services.idempotency import Accept, accept_without_key
from app.services.inline_slots import InlineSlots, Slot
from app.services.loading import (
    find_conflicts,
    load,
    load_for_update,
    load_with_sibling,
    reclaim_name,
    refuse_leaving,
    refuse_other_revision,
    release_stale_names,
    targets_of,
    zone_of,
)
from app.services.option_validation import OptionValidator, apply
from app.services.ports import Dns
from app.services.reconciler.tick import Checkpoint, Reconciler

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A caller's request for a new hostname, as sent."""

    hostname: str
    tenant: str
    plan: str | None = None
    """None: the plan that works and asks least of the tenant."""
    zone: str = "default"
    metadata: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Options` by name; those left out are at their defaults."""


class CustomHostnames:
    """The use cases of the resource."""

    def __init__(
        self,
        database: Database,
        reconciler: Reconciler,
        queue: CallQueue,
        dns: Dns,
        public_suffix: PublicSuffix,
        any_suffix: PublicSuffix,
        *,
        policy: Policy,
        inline_deadline: timedelta,
        inline_at_once: int,
        checkpoint: Checkpoint,
    ) -> None:
        self._database = database
        self._reconciler = reconciler
        self._queue = queue
        self._validator = OptionValidator(dns, public_suffix, any_suffix)
        self._public_suffix = public_suffix
        self._policy = policy
        self._deadline = inline_deadline.total_seconds()
        self._checkpoint = checkpoint
        self._slots = InlineSlots(inline_at_once)
        self._running: set[asyncio.Task[None]] = set()

    async def register(
        self, wanted: Registration, *, accept: Accept = accept_without_key
    ) -> tuple[CustomHostname, bool]:
        """Accept a hostname; the second value is False if this tenant had it already.

        Raises:
            InvalidInput: hostname, plan, an option or zone cannot be accepted.
            HostnameTaken: another tenant holds the name, or its wildcard.
            AlreadyExists: this tenant has it, with other settings.
            SiblingDiffers: the name shares its object, and asks for another one.
            ProofRequired: another tenant had it and its DNS may still point here.
            StillDeleting: its former record is still being removed.
        """
        hostname = parse_hostname(wanted.hostname, self._public_suffix)
        async with self._database.transaction() as tx:
            zone = await get_zone(tx, wanted.zone)
        if zone is None:
            raise InvalidInput(
                "Zone not found; leave `zone` out to use the default zone.",
                code=ErrorCode.ZONE_UNKNOWN,
                field="/zone",
            )
        self._refuse_own(hostname, zone)
        async with self._database.transaction() as tx:
            # A repeated or hopeless request asks no DNS and takes no lock. `_insert` decides.
            held, _ = await find_conflicts(tx, hostname, wanted.tenant, policy=self._policy)
        if held is not None:
            return self._repeated(held, wanted, zone), False
        # DNS may be asked here, so no transaction is open.
        ground = await self._validator.ground(hostname, wanted.plan, zone)
        insert = partial(
            self._insert, hostname=hostname, zone=zone, wanted=wanted, ground=ground, accept=accept
        )
        with self._slots.take() as slot:
            record, is_new = await self._database.run(partial(insert, slot=slot))
            if record is None:
                raise ProofRequired(
                    "This name was used here before, and its DNS may still point at the CNAME "
                    "target. Remove that record, and try again in a minute; Nameplate is checking "
                    "the name now."
                )
            if not is_new:
                return self._repeated(record, wanted, zone), False
            TRANSITIONS.labels("none", str(record.state)).inc()
            self._checkpoint("accepted")
            now = record.created_at
            claim = Claim(record.id, 1, now, is_uncreated=True) if slot.is_taken else None
            return await self._inline(record, claim, slot), True

    async def get(self, record_id: str) -> CustomHostname:
        """Give one.

        Raises:
            NotFound: there is none of this id.
        """
        async with self._database.transaction() as tx:
            return await load(tx, record_id)

    async def position_of(self, record: CustomHostname) -> QueuePosition | None:
        """Give its position in the queue of creations; None if it does not wait."""
        if record.reason is not Reason.CREATION_QUEUED:
            return None
        async with self._database.transaction() as tx:
            zone = await get_zone(tx, record.zone.id)
        return await self._queue.position_of(zone.budget, record.id) if zone else None

    async def events(self, record_id: str, *, after: int, limit: int) -> list[Event]:
        """Give a hostname's events in order.

        Raises:
            NotFound: there is none of this id.
        """
        async with self._database.transaction() as tx:
            await load(tx, record_id)
            return await list_events(tx, record_id, after=after, limit=limit)

    async def refresh(
        self,
        record_id: str,
        *,
        revision: int | None = None,
        accept: Accept = accept_without_key,
    ) -> CustomHostname:
        """Check now, and make Cloudflare check; a failed hostname is tried again.

        Raises:
            NotFound, PreconditionFailed: as their names say.
            Conflict: the hostname is being removed.
            HostnameTaken: it had released its name, and another hostname has it now.
        """

        async def change(tx: Connection, slot: Slot) -> tuple[CustomHostname, Claim | None]:
            await store.lock_base(tx, (await load(tx, record_id)).hostname.base)
            record = await load_for_update(tx, record_id, revision)
            refuse_leaving(record)
            await accept(tx, record.id, None)
            now = await read_now(tx)
            updated = await reclaim_name(tx, record)
            updated = replace(updated, refresh_requested_at=now, acted_at=now, updated_at=now)
            return await self._update_desired(tx, record, updated, slot)

        return await self._run_inline(change)

    async def edit(
        self,
        record_id: str,
        changes: Mapping[str, Any],
        *,
        revision: int | None = None,
        accept: Accept = accept_without_key,
    ) -> CustomHostname:
        """Change plan, options, metadata or labels. Omitted fields stay, and None resets a field.

        A failed hostname is tried again.

        Raises:
            NotFound, PreconditionFailed: as their names say.
            InvalidInput: the resulting plan and options cannot work; nothing was changed.
            Conflict: the hostname is being removed.
        """
        refuse_fixed(changes)
        async with self._database.transaction() as tx:
            record = await load(tx, record_id)
            zone = await zone_of(tx, record)
        ground = await self._validator.ground_of(record, changes)
        change = partial(
            self._change,
            record_id=record_id,
            base=record.hostname.base,
            changes=changes,
            zone=zone,
            ground=ground,
            revision=revision,
            accept=accept,
        )
        return await self._run_inline(change)

    async def _change(
        self,
        tx: Connection,
        slot: Slot,
        *,
        record_id: str,
        base: str,
        changes: Mapping[str, Any],
        zone: Zone,
        ground: Ground,
        revision: int | None,
        accept: Accept,
    ) -> tuple[CustomHostname, Claim | None]:
        await store.lock_base(tx, base)
        record, others = await load_with_sibling(tx, record_id, lock=True)
        refuse_other_revision(record, revision)
        refuse_leaving(record)
        default = self._validator.default_plan(record.hostname, ground, zone)
        choice = self._validator.changed([record, *others], changes, zone=zone, default=default)
        if choice.plan is not record.plan:
            self._validator.refuse_apex(choice.plan, ground, zone)
        updated = apply(record, choice)
        if "metadata" in changes:
            updated = replace(updated, metadata=changes["metadata"] or {})
        if "labels" in changes:
            updated = replace(updated, labels=changes["labels"] or {})
        await accept(tx, record.id, None)
        if updated == record and record.state is not State.FAILED:
            return record, None
        now = await read_now(tx)
        updated = await reclaim_name(tx, updated)
        for other in others:
            # One of the two sends the edit. Should it fail, the other finds out at its next check.
            same = apply(other, choice)
            if same == other:
                # The change concerns this record alone.
                continue
            same = replace(_desired_at(same, now), revision=other.revision + 1)
            await store.save_hostname(tx, same, before=other)
            if other.state is State.FAILED:
                await leases.wake(tx, other.id)
        return await self._update_desired(tx, record, _desired_at(updated, now), slot)

    async def remove(self, record_id: str, *, revision: int | None = None) -> CustomHostname:
        """Have the hostname removed; a repeated call changes nothing.

        Raises:
            NotFound, PreconditionFailed: as their names say.
        """
        return await self._run_inline(partial(self._remove, record_id=record_id, revision=revision))

    async def remove_all(self, tenant: str, *, limit: int) -> tuple[int, bool]:
        """Have a tenant's hostnames removed, at most `limit` of them.

        Gives how many these are, and whether there are more. Workers remove them at Cloudflare.
        """
        async with self._database.transaction() as tx:
            ids = await store.ids_of_tenant(tx, tenant, limit=limit + 1)
        # Without a slot: nobody waits for Cloudflare a hundred times.
        slot = Slot(self._slots, is_taken=False)
        for record_id in ids[:limit]:
            remove = partial(self._remove, slot=slot, record_id=record_id, revision=None)
            await self._database.run(remove)
        return min(len(ids), limit), len(ids) > limit

    async def _remove(
        self, tx: Connection, slot: Slot, *, record_id: str, revision: int | None
    ) -> tuple[CustomHostname, Claim | None]:
        # Locked, so that a request for the other name sees that this one is leaving.
        await store.lock_base(tx, (await load(tx, record_id)).hostname.base)
        record = await load_for_update(tx, record_id, revision)
        if record.desired is Desired.ABSENT:
            # Until `deleting` is recorded, a repeated call helps.
            is_recorded = record.state in GONE
            return record, None if is_recorded else await self._claim(tx, record.id, slot)
        now = await read_now(tx)
        updated = replace(record, desired=Desired.ABSENT, wanted_at=now, updated_at=now)
        updated, claim = await self._update_desired(tx, record, updated, slot)
        await call_queue.leave(tx, [record.id])
        return updated, claim

    async def drain(self, seconds: float) -> None:
        """Let inline reconciles end. Workers take up the rest once the leases end."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        left = list(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _repeated(self, record: CustomHostname, wanted: Registration, zone: Zone) -> CustomHostname:
        """Give the record, unless the request says something else than what it has."""
        differing = self._validator.differences(record, wanted.options)
        if "zone" in wanted.options and zone.id != record.zone.id:
            differing.append("/zone")
        if differing:
            raise AlreadyExists(record.hostname.name, record.id, differing)
        return record

    def _refuse_own(self, hostname: Hostname, zone: Zone) -> None:
        own = (zone.cname_target, *zone.accepted_targets, zone.fallback_origin)
        # Before the zone's name is known: nearly always its target's registrable domain.
        name = zone.name or registrable_domain(zone.cname_target, self._public_suffix)
        refuse_own_names(hostname, zone_name=name, own=own)

    async def _insert(
        self,
        tx: Connection,
        *,
        slot: Slot,
        hostname: Hostname,
        zone: Zone,
        wanted: Registration,
        ground: Ground,
        accept: Accept,
    ) -> tuple[CustomHostname | None, bool]:
        """Insert the hostname, leased to this request where it has a slot.

        Gives None where the tenant has to prove the name first: its former records are checked
        again, which has to be committed.
        """
        await store.lock_base(tx, hostname.base)
        tenant = wanted.tenant
        await release_stale_names(tx, hostname.base, besides_tenant=tenant, policy=self._policy)
        held, sibling = await find_conflicts(tx, hostname, tenant, policy=self._policy)
        if held is not None:
            return held, False
        chosen = self._validator.first(
            hostname,
            wanted.plan,
            wanted.options,
            zone=zone,
            sibling=sibling,
            default=self._validator.default_plan(hostname, ground, zone),
        )
        self._validator.refuse_apex(chosen.plan, ground, zone)
        if await self._check_tombstones(tx, hostname, tenant):
            return None, False
        now = await read_now(tx)
        record = CustomHostname(
            id=new_id(Prefix.CUSTOM_HOSTNAME),
            hostname=hostname,
            tenant=tenant,
            zone=targets_of(zone),
            plan=chosen.plan,
            options=chosen.options,
            is_apex=ground.is_apex,
            reason=Reason.ZONE_PAUSED if zone.pause else Reason.CREATING,
            metadata=wanted.metadata,
            labels=wanted.labels,
            sequence=1,
            schedule=Schedule(cloudflare_due_at=now),
            created_at=now,
            updated_at=now,
            wanted_at=now,
            acted_at=now,
            arrived_at={State.PENDING: now},
        )
        lease_seconds = LEASE_SECONDS if slot.is_taken else 0
        if not await store.insert_hostname(tx, record, lease_seconds=lease_seconds):
            raise HostnameTaken(hostname.name, in_the_way=hostname.name)
        await emit_event(tx, record, before=None, after=State.PENDING, at=now)
        await accept(tx, record.id, None)
        if not slot.is_taken:
            await leases.wake(tx, record.id)
        return record, True

    async def _check_tombstones(self, tx: Connection, hostname: Hostname, tenant: str) -> bool:
        """Have former records of other tenants checked again; False where there are none."""
        found = await store.tombstones(tx, hostname.base, besides_tenant=tenant)
        for record_id in found:
            await leases.wake(tx, record_id)
        return bool(found)

    async def _update_desired(
        self, tx: Connection, before: CustomHostname, updated: CustomHostname, slot: Slot
    ) -> tuple[CustomHostname, Claim | None]:
        """Write what is desired; claim the hostname if it is free and the request has a slot."""
        updated = replace(updated, revision=before.revision + 1)
        updated = await store.save_hostname(tx, updated, before=before)
        await leases.wake(tx, before.id)
        return updated, await self._claim(tx, before.id, slot)

    async def _claim(self, tx: Connection, record_id: str, slot: Slot) -> Claim | None:
        return await leases.claim_one(tx, record_id) if slot.is_taken else None

    async def _run_inline(
        self,
        change: Callable[[Connection, Slot], Awaitable[tuple[CustomHostname, Claim | None]]],
    ) -> CustomHostname:
        """Take a slot, make the change, then reconcile what it claimed."""
        with self._slots.take() as slot:
            committed, claim = await self._database.run(lambda tx: change(tx, slot))
            return await self._inline(committed, claim, slot)

    async def _inline(
        self, committed: CustomHostname, claim: Claim | None, slot: Slot
    ) -> CustomHostname:
        """Reconcile under the deadline, then give what is committed."""
        if claim is None:
            return committed
        task = asyncio.create_task(
            self._reconcile(claim, committed), name=f"reconcile {committed.id}"
        )
        task.add_done_callback(slot.hand_over())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.wait({task}, timeout=self._deadline)
        try:
            return await self.get(committed.id)
        except DatabaseUnavailable:
            # It is accepted all the same, and the caller has to know.
            return committed

    async def _reconcile(self, claim: Claim, committed: CustomHostname) -> None:
        try:
            await self._reconciler.reconcile(claim)
        except Exception:
            # It stays accepted: a worker takes the hostname up when the lease has ended.
            log.exception(
                "inline_reconcile_failed",
                custom_hostname=claim.custom_hostname_id,
                hostname=committed.hostname.name,
            )


def _desired_at(record: CustomHostname, now: datetime) -> CustomHostname:
    """Note a caller's change; a failed hostname is tried again."""
    asked = now if record.state is State.FAILED else record.refresh_requested_at
    return replace(record, acted_at=now, wanted_at=now, updated_at=now, refresh_requested_at=asked)
