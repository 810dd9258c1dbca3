"""Load records for a change: one, with its lock, or with what is in its way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from app.domain.custom_hostname import CustomHostname, Desired, State, ZoneTargets
from app.domain.errors import (
    Conflict,
    ErrorCode,
    HostnameTaken,
    NotFound,
    PreconditionFailed,
    ProofRequired,
    StillDeleting,
)
from app.domain.hostname import Hostname
from app.domain.proof import Demand
from app.domain.reason import Reason
from app.domain.reconcile.actions import buried, frees_its_name, release_name
from app.domain.reconcile.schedule import Policy
from app.domain.redirect import refuse_target
from app.domain.siblings import wanted_sibling
from app.domain.zone import Zone
from app.persistence import custom_hostnames as store
from app.persistence import leases
from app.persistence.clock import read_now
from app.persistence.database import Connection
from app.persistence.zones import get_zone

TO_BE_PROVED = (
    "This hostname had released its name, and control of the name has to be proved by now: its DNS "
    "may point here, or every name is proved. Remove this hostname, and add it again: then you are "
    "asked for a TXT record."
)


async def load(tx: Connection, record_id: str) -> CustomHostname:
    """Read one.

    Raises:
        NotFound: there is none of this id.
    """
    record = await store.get_hostname(tx, record_id)
    if record is None:
        raise NotFound("Custom hostname not found.")
    return record


async def load_for_update(tx: Connection, record_id: str, revision: int | None) -> CustomHostname:
    """Lock, then read: lease before wide row.

    Raises:
        NotFound, PreconditionFailed: as their names say.
    """
    await leases.lock_schedule(tx, record_id)
    record = await load(tx, record_id)
    refuse_other_revision(record, revision)
    return record


async def load_with_sibling(
    tx: Connection, record_id: str, *, lock: bool = False
) -> tuple[CustomHostname, list[CustomHostname]]:
    """Read the record and the tenant's other name of its object, if that is desired.

    With `lock`, both are locked in order.
    """
    record = await load(tx, record_id)
    sibling = wanted_sibling(record)
    # A name that awaits its proof shares no object yet, but will: both keep the same options.
    awaiting = await store.find_awaiting(tx, record.hostname.base, record.tenant)
    beside = {each.id for each in awaiting} | ({sibling.id} if sibling else set())
    ids = [record_id, *sorted(beside - {record_id})]
    if lock:
        for each in sorted(ids):
            await leases.lock_schedule(tx, each)
    record, *others = [await load(tx, each) for each in ids]
    return record, others


async def find_conflicts(
    tx: Connection, hostname: Hostname, tenant: str, *, policy: Policy
) -> tuple[CustomHostname | None, CustomHostname | None]:
    """Give the tenant's record of this name, and the one of the other name of its object.

    Raises:
        HostnameTaken: the object, or the wildcard that covers the name, is another tenant's.
        StillDeleting: the record, or the whole object, is being removed.
    """
    now = await read_now(tx)

    def is_in_the_way(record: CustomHostname) -> bool:
        return record.tenant == tenant or not frees_its_name(record, now=now, policy=policy)

    there = list(filter(is_in_the_way, await store.find_by_base(tx, hostname.base)))
    await _refuse_covered(tx, hostname, tenant, is_in_the_way)
    names = {record.hostname for record in there if record.tenant != tenant}
    if names:
        in_the_way = hostname if hostname in names else names.pop()
        raise HostnameTaken(hostname.name, in_the_way=in_the_way.name)
    held = next((record for record in there if record.hostname == hostname), None)
    sibling = next((record for record in there if record.hostname != hostname), None)
    last = held or sibling
    leaves = last is not None and last.desired is Desired.ABSENT
    if leaves or await store.is_being_removed(tx, hostname.base):
        raise StillDeleting("The former custom hostname is still being removed; try again later.")
    if sibling is not None and sibling.desired is Desired.ABSENT:
        sibling = None
    return held, sibling


async def _refuse_covered(
    tx: Connection,
    hostname: Hostname,
    tenant: str,
    is_in_the_way: Callable[[CustomHostname], bool],
) -> None:
    """Refuse a name below another tenant's wildcard.

    The wildcard's DNS leads the name here already, so Cloudflare would validate it without any act
    of those whose domain it is.

    Raises:
        HostnameTaken: another tenant has a wildcard above the name.
    """
    wildcards = hostname.covering_wildcards
    for record in await store.find_by_base(tx, *(wildcard.base for wildcard in wildcards)):
        is_theirs = record.hostname in wildcards and record.tenant != tenant
        if is_theirs and is_in_the_way(record):
            raise HostnameTaken(hostname.name, in_the_way=record.hostname.name, covers=True)


async def release_stale_names(
    tx: Connection, *bases: str, besides_tenant: str, policy: Policy
) -> None:
    """Release these names from records of other tenants whose time to set them up is over.

    The bases must be locked by this transaction.
    """
    now = await read_now(tx)
    stale = [
        record.id
        for record in await store.find_by_base(tx, *bases)
        if record.tenant != besides_tenant and frees_its_name(record, now=now, policy=policy)
    ]
    for record_id in sorted(stale):
        await leases.lock_schedule(tx, record_id)
        current = await load(tx, record_id)
        if frees_its_name(current, now=now, policy=policy):
            await store.save_hostname(tx, release_name(current, now), before=current)


async def require_target(tx: Connection, target: Hostname, tenant: str) -> None:
    """Check that a hostname of the tenant may redirect to `target`.

    The target's base must be locked by this transaction.

    Raises:
        RedirectInvalid: the tenant does not have the target, or it redirects itself.
    """
    there = await store.find_by_base(tx, target.base)
    there += await store.find_awaiting(tx, target.base, tenant)
    own = (record for record in there if record.tenant == tenant and record.hostname == target)
    held = next((record for record in own if record.desired is Desired.PRESENT), None)
    refuse_target(target, held)


async def reclaim_name(tx: Connection, record: CustomHostname, *, demand: Demand) -> CustomHostname:
    """Give the record with the name that it had released: it needs the name to be worked on.

    The base must be locked by this transaction. A record that awaits its proof goes on awaiting it
    where it is needed still.

    Raises:
        HostnameTaken: another record has the name by now, or the wildcard that covers it.
        ProofRequired: it has to be proved: by `demand`, or because another tenant had the name
            since.
    """
    if record.name_released_at is None:
        return record
    for other in await store.find_by_base(tx, record.hostname.base):
        if other.tenant != record.tenant or other.hostname == record.hostname:
            raise HostnameTaken(record.hostname.name, in_the_way=other.hostname.name)
    await _refuse_covered(tx, record.hostname, record.tenant, lambda _: True)
    if await needs_proof(tx, record.hostname, record.tenant, demand):
        if record.awaits_proof:
            return record
        raise ProofRequired(TO_BE_PROVED)
    reason = Reason.CREATING if record.awaits_proof else record.reason
    return replace(record, name_released_at=None, tombstone=False, proof=None, reason=reason)


async def needs_proof(tx: Connection, hostname: Hostname, tenant: str, demand: Demand) -> bool:
    """Whether the tenant has to prove control of the name before it may be worked on.

    So it is by `demand`, and where another tenant had it and its DNS may still point here. Who
    proved the other name of the same object needs no proof; nor, but for `demand`, whose own this
    very name was when it was last live.
    """
    there = await store.find_by_base(tx, hostname.base)
    own = [each for each in there if each.tenant == tenant]
    if any(each.proof is not None for each in own):
        return False
    if demand is Demand.ALWAYS or (demand is Demand.UNLESS_BASE_IS_HELD and not own):
        return True
    return await _is_another_tenants(tx, hostname, tenant)


async def _is_another_tenants(tx: Connection, hostname: Hostname, tenant: str) -> bool:
    tombstones = await store.find_tombstones(tx, hostname)
    if all(each.tenant == tenant for each in tombstones):
        return False
    own = (each for each in tombstones if each.tenant == tenant and each.was_live)
    return not any(each.hostname == hostname.name for each in own)


async def former_records(tx: Connection, record: CustomHostname) -> list[str]:
    """Return the ids of the tombstones of this very name, besides the record itself."""
    found = await store.find_tombstones(tx, record.hostname)
    return [
        each.id for each in found if each.hostname == record.hostname.name and each.id != record.id
    ]


async def bury(tx: Connection, former: Sequence[str]) -> None:
    """End these tombstones: another record speaks for their name from now on.

    Their lease rows must be locked by this transaction.
    """
    for record in await store.read_hostnames(tx, former):
        await store.save_hostname(tx, buried(record), before=record)


async def zone_of(tx: Connection, record: CustomHostname) -> Zone:
    """Read the record's zone."""
    zone = await get_zone(tx, record.zone.id)
    if zone is None:
        raise NotFound("The zone of this hostname no longer exists.")
    return zone


def targets_of(zone: Zone) -> ZoneTargets:
    """Give what a record needs to know of its zone."""
    return ZoneTargets(
        id=zone.id,
        cname_target=zone.cname_target,
        accepted_targets=zone.accepted_targets,
        apex_prefixes=zone.apex_prefixes,
        dcv_uuid=zone.dcv_uuid,
        takes_custom_metadata=zone.takes_custom_metadata,
    )


def refuse_other_revision(record: CustomHostname, revision: int | None) -> None:
    """Refuse a change that was based on another revision."""
    if revision is not None and revision != record.revision:
        raise PreconditionFailed(
            f"The hostname is now at revision {record.revision}; read it again, then retry."
        )


def refuse_leaving(record: CustomHostname) -> None:
    """Refuse to change a hostname that is removed or being removed."""
    if record.desired is Desired.ABSENT:
        gone = record.state is State.DELETED
        detail = "The hostname was removed; add it again." if gone else "It is being removed; wait."
        raise Conflict(detail, code=ErrorCode.IS_DELETED if gone else ErrorCode.IS_DELETING)
