"""The use cases of hostnames that exist. Callers change what is desired, and nothing else.

Each change is committed and then reconciled inline. `registration` accepts new hostnames.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from app.domain.custom_hostname import (
    GONE,
    CustomHostname,
    Desired,
    State,
)
from app.domain.events import Event
from app.domain.hostname import Hostname, PublicSuffix
from app.domain.option_rules import Ground, refuse_fixed
from app.domain.proof import Demand
from app.domain.reason import Reason
from app.domain.redirect import parse_target, refuse_itself
from app.domain.zone import Zone
from app.persistence import call_queue, leases
from app.persistence import custom_hostnames as store
from app.persistence.clock import read_now
from app.persistence.database import Connection, Database
from app.persistence.events import list_events
from app.persistence.leases import Claim
from app.persistence.zones import get_zone
from app.services.call_queue import CallQueue, QueuePosition
from app.services.idempotency import Accept, accept_without_key
from app.services.inline_limit import Slot
from app.services.inline_reconcile import InlineReconciles
from app.services.locked_records import (
    load,
    load_for_update,
    load_with_sibling,
    reclaim_name,
    refuse_leaving,
    refuse_other_revision,
    require_target,
    zone_of,
)
from app.services.option_validation import OptionValidator, apply
from app.services.required_proof import RequiredProof


class CustomHostnames:
    """The use cases of the resource."""

    def __init__(
        self,
        database: Database,
        inline: InlineReconciles,
        queue: CallQueue,
        validator: OptionValidator,
        public_suffix: PublicSuffix,
        required_proof: RequiredProof,
    ) -> None:
        self._database = database
        self._inline = inline
        self._queue = queue
        self._validator = validator
        self._public_suffix = public_suffix
        self._required_proof = required_proof

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
        by_tenant: bool = False,
        accept: Accept = accept_without_key,
    ) -> CustomHostname:
        """Check now, and make Cloudflare check; a failed hostname is tried again.

        `by_tenant`: with a key that is bound to the tenant.

        Raises:
            NotFound, PreconditionFailed: as their names say.
            Conflict: the hostname is being removed.
            HostnameTaken: it had released its name, and another hostname has it now.
            ProofRequired: the same, and control of the name has to be proved by now.
        """
        async with self._database.transaction() as tx:
            known = await load(tx, record_id)
            zone = await zone_of(tx, known)
        # DNS may be asked here, so no transaction is open.
        demand = await self._required_proof.of_known(known, zone, by_tenant=by_tenant)

        async def change(tx: Connection, slot: Slot) -> tuple[CustomHostname, Claim | None]:
            await store.lock_bases(tx, (await load(tx, record_id)).hostname.base)
            record = await load_for_update(tx, record_id, revision)
            refuse_leaving(record)
            await accept(tx, record.id, None)
            now = await read_now(tx)
            updated = await reclaim_name(tx, record, demand=demand)
            updated = replace(updated, refresh_requested_at=now, acted_at=now, updated_at=now)
            return await self._update_desired(tx, record, updated, slot)

        return await self._inline.change(change)

    async def edit(
        self,
        record_id: str,
        changes: Mapping[str, Any],
        *,
        revision: int | None = None,
        by_tenant: bool = False,
        accept: Accept = accept_without_key,
    ) -> CustomHostname:
        """Change plan, options, redirect, metadata or labels. Omitted fields stay, None resets one.

        A failed hostname is tried again. `by_tenant`: with a key that is bound to the tenant.

        Raises:
            NotFound, PreconditionFailed: as their names say.
            InvalidInput: the result cannot work; nothing was changed.
            Conflict: the hostname is being removed.
            HostnameTaken: it had released its name, and another hostname has it now.
            ProofRequired: the same, and control of the name has to be proved by now.
        """
        refuse_fixed(changes)
        redirect_to = changes.get("redirect_to")
        target = parse_target(redirect_to, self._public_suffix) if redirect_to else None
        async with self._database.transaction() as tx:
            record = await load(tx, record_id)
            zone = await zone_of(tx, record)
        # DNS may be asked here, so no transaction is open.
        ground, demand = await asyncio.gather(
            self._validator.ground_of(record, changes),
            self._required_proof.of_known(record, zone, by_tenant=by_tenant),
        )
        change = partial(
            self._change,
            record_id=record_id,
            base=record.hostname.base,
            changes=changes,
            target=target,
            zone=zone,
            ground=ground,
            revision=revision,
            demand=demand,
            accept=accept,
        )
        return await self._inline.change(change)

    async def _change(
        self,
        tx: Connection,
        slot: Slot,
        *,
        record_id: str,
        base: str,
        changes: Mapping[str, Any],
        target: Hostname | None,
        zone: Zone,
        ground: Ground,
        revision: int | None,
        demand: Demand,
        accept: Accept,
    ) -> tuple[CustomHostname, Claim | None]:
        await store.lock_bases(tx, base, *([target.base] if target else []))
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
        if "redirect_to" in changes:
            updated = replace(updated, redirect_to=target.name if target else None)
        if target is not None and updated.redirect_to != record.redirect_to:
            refuse_itself(record.hostname, target)
            await require_target(tx, target, record.tenant)
        await accept(tx, record.id, None)
        if updated == record and record.state is not State.FAILED:
            return record, None
        now = await read_now(tx)
        updated = await reclaim_name(tx, updated, demand=demand)
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
        return await self._inline.change(
            partial(self._remove, record_id=record_id, revision=revision)
        )

    async def remove_all(self, tenant: str, *, limit: int) -> tuple[int, bool]:
        """Have a tenant's hostnames removed, at most `limit` of them.

        Gives how many these are, and whether there are more. Workers remove them at Cloudflare.
        """
        async with self._database.transaction() as tx:
            ids = await store.ids_of_tenant(tx, tenant, limit=limit + 1)
        # Without a slot: nobody waits for Cloudflare a hundred times.
        slot = self._inline.without_slot()
        for record_id in ids[:limit]:
            remove = partial(self._remove, slot=slot, record_id=record_id, revision=None)
            await self._database.run(remove)
        return min(len(ids), limit), len(ids) > limit

    async def _remove(
        self, tx: Connection, slot: Slot, *, record_id: str, revision: int | None
    ) -> tuple[CustomHostname, Claim | None]:
        # Locked, so that a request for the other name sees that this one is leaving.
        await store.lock_bases(tx, (await load(tx, record_id)).hostname.base)
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


def _desired_at(record: CustomHostname, now: datetime) -> CustomHostname:
    """Note a caller's change; a failed hostname is tried again."""
    asked = now if record.state is State.FAILED else record.refresh_requested_at
    return replace(record, acted_at=now, wanted_at=now, updated_at=now, refresh_requested_at=asked)
