"""The wide rows: custom hostnames, and what belongs to them at Cloudflare.

`services/custom_hostnames` has the use cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Select,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.custom_hostname import CustomHostname, Desired, Schedule, State
from app.domain.document import represent
from app.domain.hostname import Hostname
from app.persistence.database import NOW, Connection, in_seconds, lock_named
from app.persistence.hostname_rows import object_row, read_record, schedule_row, wide_row
from app.persistence.tables import (
    HELD,
    RELEASED,
    cloudflare_objects,
    custom_hostnames,
    schedules,
    zones,
)

SERVING = "serving"
"""The role of a record's object. A hostname that moves between zones has a second object."""

# Written out for the planner, as in `tables`, and with its table, because a join has two states.
OWN_NOT_DELETED = text("custom_hostnames.state <> 'deleted'")
OWN_HELD = text("custom_hostnames.state <> 'deleted' AND custom_hostnames.name_released_at IS NULL")

OWN_RELEASED = text(
    "custom_hostnames.state <> 'deleted' AND custom_hostnames.name_released_at IS NOT NULL"
)
AWAITS_PROOF = and_(
    custom_hostnames.c.proof_token.is_not(None), custom_hostnames.c.proof_found_at.is_(None)
)

holder = custom_hostnames.alias("holder")
sibling = custom_hostnames.alias("sibling")
sibling_object = cloudflare_objects.alias("sibling_object")
SIBLING_COLUMNS = ("id", "hostname", "desired", "state")
SIBLING_OBJECT_COLUMNS = ("cloudflare_id", "create_started_at", "applied", "in_flight")


async def insert_hostname(
    tx: Connection, record: CustomHostname, *, lease_seconds: float
) -> CustomHostname | None:
    """Insert a new record, leased to its creator. None if its name is taken."""
    inserted = await tx.execute(
        upsert(custom_hostnames)
        .values(wide_row(record))
        .on_conflict_do_nothing(index_elements=["hostname"], index_where=HELD)
        .returning(custom_hostnames.c.id)
    )
    if inserted.first() is None:
        return None
    await tx.execute(
        insert(schedules).values(
            custom_hostname_id=record.id,
            zone_id=record.zone.id,
            lease_token=1,
            leased_until=NOW + in_seconds(lease_seconds),
            **schedule_row(record.schedule),
        )
    )
    return record


async def get_hostname(tx: Connection, record_id: str) -> CustomHostname | None:
    """Return one by id."""
    found = await read_hostnames(tx, [record_id])
    return found[0] if found else None


async def read_hostnames(tx: Connection, ids: Sequence[str]) -> list[CustomHostname]:
    """Return many by id, in any order."""
    rows = await tx.execute(_records().where(custom_hostnames.c.id.in_(ids)))
    return [read_record(row) for row in rows.mappings()]


async def find_by_base(tx: Connection, *bases: str) -> list[CustomHostname]:
    """Return the records that hold these names now: as themselves, or as their wildcards."""
    rows = await tx.execute(_records().where(custom_hostnames.c.base.in_(bases), OWN_HELD))
    return [read_record(row) for row in rows.mappings()]


async def find_id(tx: Connection, text: str, *, tenant: str | None = None) -> str | None:
    """Return the id of the record with this id or name: the name's holder, else the newest.

    With a `tenant`, only a record of theirs counts.
    """
    c = custom_hostnames.c
    named = select(c.id).where(c.hostname == text)
    if tenant is not None:
        named = named.where(c.tenant == tenant)
    for query in (
        select(c.id).where(c.id == text),
        named.where(OWN_HELD),
        named.order_by(c.state == str(State.DELETED), c.id.desc()).limit(1),
    ):
        found = (await tx.execute(query)).scalar_one_or_none()
        if found is not None:
            return str(found)
    return None


async def lock_bases(tx: Connection, *bases: str) -> None:
    """Lock the names of these bases against changes until the transaction ends.

    It comes before any lease row. The order of locks is: bases by their names, lease, wide row.
    """
    for base in sorted(set(bases)):
        await lock_named(tx, base)


async def count_objects(tx: Connection, zone_id: str) -> int:
    """Count the objects the zone should have at Cloudflare. A name and its wildcard share one."""
    c = cloudflare_objects.c
    ids = select(c.cloudflare_id).where(c.zone_id == zone_id, c.cloudflare_id.is_not(None))
    return await tx.scalar(select(func.count()).select_from(ids.distinct().subquery())) or 0


async def is_being_removed(tx: Connection, base: str) -> bool:
    """Whether a record that released the name may still have its object at Cloudflare."""
    c, objects = custom_hostnames.c, cloudflare_objects.c
    found = await tx.execute(
        select(c.id)
        .outerjoin(cloudflare_objects, objects.custom_hostname_id == c.id)
        .where(
            c.base == base,
            RELEASED,
            # What awaits its proof has nothing at Cloudflare.
            ~AWAITS_PROOF,
            or_(c.desired == str(Desired.ABSENT), objects.cloudflare_id.is_not(None)),
        )
        .limit(1)
    )
    return found.first() is not None


async def find_awaiting(tx: Connection, base: str, tenant: str) -> list[CustomHostname]:
    """Return the tenant's records whose proof is awaited: of the base, and of its wildcard."""
    c = custom_hostnames.c
    rows = await tx.execute(
        _records().where(
            c.base == base,
            OWN_RELEASED,
            c.tenant == tenant,
            c.desired == str(Desired.PRESENT),
            AWAITS_PROOF,
        )
    )
    return [read_record(row) for row in rows.mappings()]


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A deleted or released record whose DNS may still point here."""

    id: str
    hostname: str
    tenant: str
    was_live: bool


async def find_tombstones(tx: Connection, hostname: Hostname) -> list[Tombstone]:
    """Return the tombstones whose DNS may lead this name here, in the order of their ids.

    They are those of the name, of the other name of its object, and of the wildcards above it.
    """
    c = custom_hostnames.c
    above = hostname.covering_wildcards
    wildcards = and_(
        c.base.in_([each.base for each in above]), c.hostname.in_([each.name for each in above])
    )
    leading = or_(c.base == hostname.base, wildcards)
    rows = await tx.execute(
        select(c.id, c.hostname, c.tenant, c.verified_at.is_not(None))
        .where(leading, c.tombstone)
        .order_by(c.id)
    )
    return [Tombstone(*row) for row in rows]


async def ids_of_tenant(tx: Connection, tenant: str, *, limit: int) -> list[str]:
    """Return the ids of a tenant's hostnames that are not being removed, oldest first."""
    c = custom_hostnames.c
    rows = await tx.execute(
        select(c.id)
        .where(c.tenant == tenant, OWN_NOT_DELETED, c.desired == str(Desired.PRESENT))
        .order_by(c.tenant, c.id)
        .limit(limit)
    )
    return list(rows.scalars())


async def save_hostname(
    tx: Connection, record: CustomHostname, *, before: CustomHostname
) -> CustomHostname:
    """Write what differs from `before`. A check that finds nothing new writes no wide row.

    This transaction must have locked the lease row: the lease always comes before the wide row.
    """
    loaded: dict[str, Any] = {"schedule": Schedule(), "sibling": None, "is_name_held": False}
    known, wanted = replace(before, **loaded), replace(record, **loaded)
    wanted = replace(wanted, view=before.view, updated_at=before.updated_at)
    if wanted == known:
        return replace(record, view=before.view, updated_at=before.updated_at)
    written = replace(record, view=before.view + 1)
    await tx.execute(
        update(custom_hostnames)
        .where(custom_hostnames.c.id == record.id)
        .values({k: v for k, v in wide_row(written).items() if k != "id"})
    )
    if record.cloudflare != before.cloudflare:
        await save_object(tx, record)
    return written


async def rewrite_documents(tx: Connection, zone_id: str, *, after: str, limit: int) -> str | None:
    """Re-render the documents of a zone's next hostnames. Return the last id, None at the end.

    A document that says the same is left alone: its `ETag` stays, and no one who waits is woken.
    """
    ids = await tx.execute(
        select(schedules.c.custom_hostname_id)
        .where(schedules.c.zone_id == zone_id, schedules.c.custom_hostname_id > after)
        .order_by(schedules.c.custom_hostname_id)
        .limit(limit)
        .with_for_update()
    )
    records = await read_hostnames(tx, list(ids.scalars()))
    for record in records:
        document = represent(record)
        await tx.execute(
            update(custom_hostnames)
            .where(
                custom_hostnames.c.id == record.id,
                cast(custom_hostnames.c.document, Text) != cast(literal(document, JSON), Text),
            )
            .values(document=document, view=record.view + 1)
        )
    return max((record.id for record in records), default=None)


async def hand_on_spec(
    tx: Connection, record: CustomHostname, sibling_id: str, *, cloudflare_id: str
) -> None:
    """Copy to the sibling's row what was sent to the object that both share, or shared until now.

    This transaction must have locked the sibling's lease row.
    """
    columns = cloudflare_objects.c
    row = object_row(record)
    await tx.execute(
        update(cloudflare_objects)
        .where(
            columns.custom_hostname_id == sibling_id,
            columns.role == SERVING,
            columns.cloudflare_id == cloudflare_id,
        )
        .values({name: row[name] for name in ("applied", "in_flight", "refused_edit")})
    )


async def save_object(tx: Connection, record: CustomHostname) -> None:
    """Write what is known of the object at Cloudflare."""
    values = {"role": SERVING, **object_row(record)}
    await tx.execute(
        upsert(cloudflare_objects)
        .values(values)
        .on_conflict_do_update(index_elements=["custom_hostname_id", "role"], set_=values)
    )


def _is_name_held() -> ColumnElement[bool]:
    """Return whether another record holds the name, which is looked up only where it matters.

    It counts for a tombstone, whose DNS then points here for good reason, and for a record whose
    proof is awaited, which then cannot have the name.
    """
    c, h = custom_hostnames.c, holder.c
    # As `Hostname.covering_wildcards`.
    covering = text(
        "holder.hostname = ANY (ARRAY("
        "SELECT '*.' || array_to_string((string_to_array(custom_hostnames.base, '.'))[i:], '.')"
        " FROM generate_series(2, cardinality(string_to_array(custom_hostnames.base, '.')) - 1)"
        " AS i))"
    )
    held = text("holder.state <> 'deleted' AND holder.name_released_at IS NULL")
    own = or_(h.hostname == c.hostname, covering)
    other = or_(
        and_(h.base == c.base, or_(h.tenant != c.tenant, h.hostname == c.hostname)),
        and_(covering, h.tenant != c.tenant),
    )
    return case(
        (c.tombstone, select(h.id).where(held, own, h.id != c.id).exists()),
        (AWAITS_PROOF, select(h.id).where(held, other).exists()),
        else_=false(),
    )


def _records() -> Select[Any]:
    objects = cloudflare_objects
    joined = (
        custom_hostnames.join(schedules, schedules.c.custom_hostname_id == custom_hostnames.c.id)
        .join(zones, zones.c.id == custom_hostnames.c.zone_id)
        .outerjoin(
            objects,
            and_(objects.c.custom_hostname_id == custom_hostnames.c.id, objects.c.role == SERVING),
        )
    )
    # A record that released its name still has its sibling: the object is deleted with the last
    # name.
    beside = and_(
        sibling.c.base == custom_hostnames.c.base,
        sibling.c.hostname != custom_hostnames.c.hostname,
        sibling.c.tenant == custom_hostnames.c.tenant,
        text("sibling.state <> 'deleted' AND sibling.name_released_at IS NULL"),
        OWN_NOT_DELETED,
    )
    theirs = and_(
        sibling_object.c.custom_hostname_id == sibling.c.id, sibling_object.c.role == SERVING
    )
    joined = joined.outerjoin(sibling, beside).outerjoin(sibling_object, theirs)
    return select(
        *(c for c in custom_hostnames.c if c.name != "document"),
        _is_name_held().label("is_name_held"),
        *(sibling.c[name].label(f"sibling_{name}") for name in SIBLING_COLUMNS),
        *(sibling_object.c[name].label(f"sibling_{name}") for name in SIBLING_OBJECT_COLUMNS),
        *(c for c in objects.c if c.name not in {"custom_hostname_id", "zone_id", "role"}),
        *(c for c in schedules.c if c.name not in {"custom_hostname_id", "zone_id"}),
        zones.c.cname_target,
        zones.c.accepted_targets,
        zones.c.apex_prefixes,
        zones.c.dcv_uuid,
        zones.c.takes_custom_metadata,
        zones.c.target_dns_status,
    ).select_from(joined)
