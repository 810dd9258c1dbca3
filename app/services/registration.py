"""Accept new hostnames: one, or several of one registrable domain. All are accepted, or none is."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from app.domain.custom_hostname import CustomHostname, ProofOfControl, Schedule, State
from app.domain.errors import (
    AlreadyExists,
    ErrorCode,
    HostnameTaken,
    InvalidInput,
    NameplateError,
    ProofRequired,
    StillDeleting,
)
from app.domain.hostname import (
    Hostname,
    PublicSuffix,
    parse_hostname,
    refuse_own_names,
    registrable_domain,
)
from app.domain.option_rules import ChosenOptions, Ground
from app.domain.proof import Demand, refuse_unprovable
from app.domain.reason import Reason
from app.domain.reconcile.schedule import Policy
from app.domain.wanted_names import WantedName, parse_names
from app.domain.zone import Zone
from app.metrics import TRANSITIONS
from app.persistence import custom_hostnames as store
from app.persistence import leases
from app.persistence.clock import read_now
from app.persistence.database import Connection, Database
from app.persistence.ids import Prefix, new_id
from app.persistence.leases import LEASE_SECONDS, Claim
from app.persistence.zones import get_zone
from app.services.events import emit_event
from app.services.idempotency import Accept, accept_without_key
from app.services.inline_limit import Slot
from app.services.inline_reconcile import InlineReconciles
from app.services.locked_records import (
    find_conflicts,
    load,
    load_for_update,
    needs_proof,
    reclaim_name,
    release_stale_names,
    require_target,
    targets_of,
)
from app.services.option_validation import OptionValidator
from app.services.reconciler.tick import Checkpoint
from app.services.required_proof import RequiredProof

PROOF_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A caller's request for new hostnames, as sent."""

    hostname: str
    also: Sequence[str] = ()
    """More names of the same registrable domain."""
    tenant: str
    by_tenant: bool = False
    """With a key that is bound to the tenant."""
    plan: str | None = None
    """None: the plan that works and asks least of the tenant. A name in `also` that cannot have
    the plan gets that one too."""
    zone: str = "default"
    redirect_to: str | None = None
    """Where the names redirect to that are not this one."""
    metadata: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """The fields that were sent, by name. Fields of `Options` that are left out are at their
    defaults."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a request for one hostname would store."""

    record: CustomHostname
    """The record that is there, or the one that would be inserted."""
    zone: Zone
    is_stored: bool
    """Whether the tenant has the hostname already."""
    refusal: NameplateError | None
    """Why the request would be refused now."""
    needs_proof: bool = False
    """Whether the tenant would have to prove control of the name first."""


@dataclass(frozen=True, slots=True)
class _New:
    """A name that may have to be inserted, with what its insertion needs."""

    name: WantedName
    ground: Ground
    slot: Slot
    demand: Demand


class Registrations:
    """Accepts new hostnames."""

    def __init__(
        self,
        database: Database,
        inline: InlineReconciles,
        validator: OptionValidator,
        public_suffix: PublicSuffix,
        required_proof: RequiredProof,
        *,
        policy: Policy,
        checkpoint: Checkpoint,
    ) -> None:
        self._database = database
        self._inline = inline
        self._validator = validator
        self._public_suffix = public_suffix
        self._required_proof = required_proof
        self._policy = policy
        self._checkpoint = checkpoint

    async def register(
        self, wanted: Registration, *, accept: Accept = accept_without_key
    ) -> tuple[list[CustomHostname], bool]:
        """Accept the hostnames; the second value is False if this tenant had them all already.

        They are in the order of the request. Each new one is reconciled inline, if there is a slot
        for it. An error about a name in `also` points there.

        Raises:
            InvalidInput: a hostname, plan, option, redirect or the zone cannot be accepted.
            HostnameTaken: another tenant holds a name, or its wildcard.
            AlreadyExists: this tenant has it, with other settings.
            SiblingDiffers: the name shares its object, and asks for another one.
            ProofRequired: it has to be proved, and is too long for that.
            StillDeleting: its former record is still being removed.
        """
        names = parse_names(wanted.hostname, wanted.also, wanted.redirect_to, self._public_suffix)
        zone = await self._zone(wanted)
        for name in names:
            with name.at_fault():
                self._refuse_own(name.hostname, zone)
        held = await self._held(names, wanted, zone)
        if len(held) == len(names):
            return held, False
        # DNS may be asked here, so no transaction is open.
        grounds, demands = await asyncio.gather(
            asyncio.gather(
                *(self._validator.ground(name.hostname, wanted.plan, zone) for name in names)
            ),
            asyncio.gather(*(self._demand(name.hostname, zone, wanted) for name in names)),
        )
        with ExitStack() as stack:
            slots = [stack.enter_context(self._inline.slot()) for _ in names]
            new = [_New(*each) for each in zip(names, grounds, slots, demands, strict=True)]
            insert = partial(self._insert, new=new, zone=zone, wanted=wanted, accept=accept)
            accepted = await self._database.run(insert)
            created = [record for record, is_new in accepted if is_new]
            if created:
                TRANSITIONS.labels("none", str(State.PENDING)).inc(len(created))
                self._checkpoint("accepted")
            reconciles = (
                self._inline.reconcile(record, _claim_of(record, is_new, slot), slot)
                for (record, is_new), slot in zip(accepted, slots, strict=True)
            )
            return list(await asyncio.gather(*reconciles)), bool(created)

    async def preview(self, wanted: Registration) -> Preview:
        """Give what a request for one hostname would store, without storing anything.

        Raises:
            InvalidInput: the hostname, the plan or the zone cannot be accepted, whatever is stored.
        """
        (name,) = parse_names(wanted.hostname, (), None, self._public_suffix)
        zone = await self._zone(wanted)
        self._refuse_own(name.hostname, zone)
        ground, demand = await asyncio.gather(
            self._validator.ground(name.hostname, wanted.plan, zone),
            self._demand(name.hostname, zone, wanted),
        )
        async with self._database.transaction() as tx:
            refusal: NameplateError | None = None
            held = sibling = None
            must_prove = await needs_proof(tx, name.hostname, wanted.tenant, demand)
            try:
                held, sibling = await self._find(tx, name.hostname, wanted.tenant)
                if must_prove:
                    refuse_unprovable(name.hostname)
            except (HostnameTaken, ProofRequired, StillDeleting) as error:
                refusal = error
            now = await read_now(tx)
        if held is not None:
            return Preview(held, zone, is_stored=True, refusal=None)
        chosen = self._choose(name, ground, sibling, zone=zone, wanted=wanted)
        record = _new_record(name, ground, chosen, zone=zone, wanted=wanted, now=now)
        return Preview(record, zone, is_stored=False, refusal=refusal, needs_proof=must_prove)

    async def _demand(self, hostname: Hostname, zone: Zone, wanted: Registration) -> Demand:
        return await self._required_proof.of_new(
            hostname, zone, wanted.tenant, by_tenant=wanted.by_tenant
        )

    async def _zone(self, wanted: Registration) -> Zone:
        async with self._database.transaction() as tx:
            zone = await get_zone(tx, wanted.zone)
        if zone is None:
            raise InvalidInput(
                "Zone not found; leave `zone` out to use the default zone.",
                code=ErrorCode.ZONE_UNKNOWN,
                field="/zone",
            )
        return zone

    async def find(self, record_id: str, also: Sequence[str]) -> list[CustomHostname]:
        """Give what a request registered, as it is now: the first by its id, the others by name.

        Raises:
            NotFound: the first is there no longer.
        """
        names = [parse_hostname(text, self._public_suffix).name for text in also]
        async with self._database.transaction() as tx:
            first = await load(tx, record_id)
            ids = [await store.find_id(tx, name, tenant=first.tenant) for name in names]
            return [first, *[await load(tx, each) for each in ids if each is not None]]

    async def _held(
        self, names: Sequence[WantedName], wanted: Registration, zone: Zone
    ) -> list[CustomHostname]:
        """Give the names that the tenant has already.

        A repeated or hopeless request asks no DNS and takes no lock. `_insert` decides.
        """
        held = []
        async with self._database.transaction() as tx:
            for name in names:
                with name.at_fault():
                    record, _ = await find_conflicts(
                        tx, name.hostname, wanted.tenant, policy=self._policy
                    )
                    if record is not None:
                        self._refuse_differing(record, name, wanted, zone)
                        held.append(record)
        return held

    def _refuse_differing(
        self, record: CustomHostname, name: WantedName, wanted: Registration, zone: Zone
    ) -> None:
        """Refuse a repeated request that says something else than what the record has."""
        sent = dict(wanted.options)
        if not self._takes_plan(name, wanted, Ground(record.is_apex), zone):
            sent.pop("plan", None)
        differing = self._validator.differences(record, sent)
        if "zone" in sent and zone.id != record.zone.id:
            differing.append("/zone")
        redirect_to = name.redirect_to.name if name.redirect_to else None
        if "redirect_to" in sent and redirect_to != record.redirect_to:
            differing.append("/redirect_to")
        if differing:
            raise AlreadyExists(record.hostname.name, record.id, differing)

    def _takes_plan(
        self, name: WantedName, wanted: Registration, ground: Ground, zone: Zone
    ) -> bool:
        """Whether the request's plan counts for this name. In `also` it need not fit all names."""
        if name.is_first or wanted.plan is None:
            return True
        return self._validator.fits(wanted.plan, name.hostname, ground, zone)

    def _refuse_own(self, hostname: Hostname, zone: Zone) -> None:
        own = (zone.cname_target, *zone.accepted_targets, zone.fallback_origin)
        # Before the zone's name is known: nearly always its target's registrable domain.
        name = zone.name or registrable_domain(zone.cname_target, self._public_suffix)
        refuse_own_names(hostname, zone_name=name, own=own)

    async def _insert(
        self,
        tx: Connection,
        *,
        new: Sequence[_New],
        zone: Zone,
        wanted: Registration,
        accept: Accept,
    ) -> list[tuple[CustomHostname, bool]]:
        """Insert the names that the tenant does not have, and say of each whether it is new."""
        bases = {each.name.hostname.base for each in new}
        target = next((each.name.redirect_to for each in new if each.name.redirect_to), None)
        await store.lock_bases(tx, *bases, *([target.base] if target else []))
        await release_stale_names(tx, *bases, besides_tenant=wanted.tenant, policy=self._policy)
        accepted = []
        for each in new:
            with each.name.at_fault():
                accepted.append(await self._insert_one(tx, each, zone=zone, wanted=wanted))
        await _check_tombstones(tx, [each.name.hostname for each in new])
        created = [record for record, is_new in accepted if is_new]
        if target is not None and any(record.redirect_to for record in created):
            await require_target(tx, target, wanted.tenant)
        if created:
            await accept(tx, accepted[0][0].id, None)
        return accepted

    async def _insert_one(
        self, tx: Connection, new: _New, *, zone: Zone, wanted: Registration
    ) -> tuple[CustomHostname, bool]:
        """Insert one name, leased to this request where it has a slot."""
        hostname, slot = new.name.hostname, new.slot
        held, sibling = await self._find(tx, hostname, wanted.tenant)
        if held is not None:
            self._refuse_differing(held, new.name, wanted, zone)
            return await _reclaimed(tx, held, demand=new.demand), False
        chosen = self._choose(new.name, new.ground, sibling, zone=zone, wanted=wanted)
        proof = None
        if await needs_proof(tx, hostname, wanted.tenant, new.demand):
            refuse_unprovable(hostname)
            proof = ProofOfControl(token=secrets.token_urlsafe(PROOF_BYTES))
        now = await read_now(tx)
        record = _new_record(
            new.name, new.ground, chosen, zone=zone, wanted=wanted, now=now, proof=proof
        )
        lease_seconds = LEASE_SECONDS if slot.is_taken else 0
        if not await store.insert_hostname(tx, record, lease_seconds=lease_seconds):
            raise HostnameTaken(hostname.name, in_the_way=hostname.name)
        await emit_event(tx, record, before=None, after=State.PENDING, at=now)
        if not slot.is_taken:
            await leases.wake(tx, record.id)
        return record, True

    def _choose(
        self,
        name: WantedName,
        ground: Ground,
        sibling: CustomHostname | None,
        *,
        zone: Zone,
        wanted: Registration,
    ) -> ChosenOptions:
        hostname = name.hostname
        plan = wanted.plan if self._takes_plan(name, wanted, ground, zone) else None
        default = self._validator.default_plan(hostname, ground, zone)
        chosen = self._validator.first(
            hostname, plan, wanted.options, zone=zone, sibling=sibling, default=default
        )
        self._validator.refuse_apex(chosen.plan, ground, zone)
        return chosen

    async def _find(
        self, tx: Connection, hostname: Hostname, tenant: str
    ) -> tuple[CustomHostname | None, CustomHostname | None]:
        """Give the tenant's record of this name, and of the other name of its object.

        Those whose proof is awaited count too, although they hold no name.

        Raises:
            HostnameTaken, StillDeleting: as of `find_conflicts`.
        """
        held, sibling = await find_conflicts(tx, hostname, tenant, policy=self._policy)
        for record in await store.find_awaiting(tx, hostname.base, tenant):
            if record.hostname == hostname:
                held = held or record
            else:
                sibling = sibling or record
        return held, sibling


async def _reclaimed(tx: Connection, held: CustomHostname, *, demand: Demand) -> CustomHostname:
    """Give the record, which goes on where its proof is no longer needed.

    That is so once DNS no longer leads the name here.
    """
    if not held.awaits_proof:
        return held
    before = await load_for_update(tx, held.id, None)
    after = await reclaim_name(tx, before, demand=demand)
    if after == before:
        return before
    now = await read_now(tx)
    after = replace(after, acted_at=now, updated_at=now, revision=before.revision + 1)
    if before.state is State.FAILED:
        after = replace(after, refresh_requested_at=now)
    saved = await store.save_hostname(tx, after, before=before)
    await leases.wake(tx, saved.id)
    return saved


async def _check_tombstones(tx: Connection, names: Sequence[Hostname]) -> None:
    """Have the DNS of these names' former records checked now: it may have changed by today.

    A request that is repeated has them checked once a minute.
    """
    found = {each.id for name in names for each in await store.find_tombstones(tx, name)}
    for record_id in sorted(found):
        await leases.wake_tombstone(tx, record_id)


def _new_record(
    name: WantedName,
    ground: Ground,
    chosen: ChosenOptions,
    *,
    zone: Zone,
    wanted: Registration,
    now: datetime,
    proof: ProofOfControl | None = None,
) -> CustomHostname:
    reason = Reason.ZONE_PAUSED if zone.pause else Reason.CREATING
    return CustomHostname(
        id=new_id(Prefix.CUSTOM_HOSTNAME),
        hostname=name.hostname,
        tenant=wanted.tenant,
        zone=targets_of(zone),
        plan=chosen.plan,
        options=chosen.options,
        is_apex=ground.is_apex,
        reason=Reason.PROOF_AWAITED if proof else reason,
        metadata=wanted.metadata,
        labels=wanted.labels,
        redirect_to=name.redirect_to.name if name.redirect_to else None,
        sequence=1,
        # Whoever proves the name first gets it: until then, others may add it too.
        proof=proof,
        name_released_at=now if proof else None,
        schedule=Schedule(dns_due_at=now) if proof else Schedule(cloudflare_due_at=now),
        created_at=now,
        updated_at=now,
        wanted_at=now,
        acted_at=now,
        arrived_at={State.PENDING: now},
    )


def _claim_of(record: CustomHostname, is_new: bool, slot: Slot) -> Claim | None:  # noqa: FBT001
    if not (is_new and slot.is_taken):
        return None
    return Claim(record.id, 1, record.created_at, is_uncreated=True)
