"""Zones: where custom hostnames live at Cloudflare, each with its own token.

`domain/zone` has the values and rules; `services/zones` the use cases.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, false, func, insert, literal, or_, select, update

from app.domain.zone import OpenZone, Pause, TargetHistory, Zone
from app.persistence import call_queue
from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.ids import Prefix, new_id
from app.persistence.tables import zones

SETTINGS_LOCK = 0x7A6F6E65
NO_RESUME = {"resume_cursor": None, "resume_accepts": False}


async def put_default_zone(
    tx: Connection,
    *,
    cloudflare_zone_id: str,
    api_token: bytes,
    cname_target: str,
    fallback_origin: str,
    budget: str,
    apex_prefixes: tuple[str, ...] = (),
) -> None:
    """Update the default zone's row from the settings. Processes that start together take turns.

    A former target stays accepted: its tenants are served as long as its record is kept. If tenants
    are to point elsewhere than before, the zone's documents are re-rendered.
    """
    await tx.execute(select(func.pg_advisory_xact_lock(SETTINGS_LOCK)))
    await tx.execute(
        update(zones)
        .where(zones.c.is_default, zones.c.cloudflare_zone_id != cloudflare_zone_id)
        .values(is_default=False, updated_at=NOW)
    )
    row = await tx.execute(select(zones).where(zones.c.cloudflare_zone_id == cloudflare_zone_id))
    former = row.mappings().first()
    values: dict[str, Any] = {
        "is_default": True,
        "api_token": api_token,
        "cname_target": cname_target,
        "fallback_origin": fallback_origin,
        "budget": budget,
        "apex_prefixes": list(apex_prefixes),
        "updated_at": NOW,
    }
    if former is None:
        zone_id = new_id(Prefix.ZONE)
        values |= {"id": zone_id, "cloudflare_zone_id": cloudflare_zone_id, "created_at": NOW}
        await tx.execute(insert(zones).values(values))
        return
    moved = former["cname_target"] != cname_target
    if moved:
        accepted = {*former["accepted_targets"], former["cname_target"]} - {cname_target}
        values["accepted_targets"] = sorted(accepted)
    if moved or tuple(former["apex_prefixes"]) != apex_prefixes:
        values |= {"rerender_cursor": "", "check_due_at": NOW}
    await tx.execute(update(zones).where(zones.c.id == former["id"]).values(values))
    if former["budget"] != budget:
        await call_queue.move_zone(tx, former["id"], budget)


async def list_zones(tx: Connection) -> list[Zone]:
    """Return all zones, the default one first."""
    rows = await tx.execute(select(zones).order_by(zones.c.is_default.desc(), zones.c.id))
    return [_read(dict(row)) for row in rows.mappings()]


async def get_zone(tx: Connection, zone_id: str) -> Zone | None:
    """Return one by id, or the default one by the word `default`."""
    which = zones.c.is_default if zone_id == "default" else zones.c.id == zone_id
    row = (await tx.execute(select(zones).where(which))).mappings().first()
    return _read(dict(row)) if row else None


async def open_zones(tx: Connection) -> list[OpenZone]:
    """Return the zones that may be worked on."""
    rows = await tx.execute(
        select(zones.c.id, zones.c.budget).where(zones.c.paused_at.is_(None)).order_by(zones.c.id)
    )
    return [OpenZone(*row) for row in rows]


async def pause_and_target_of(tx: Connection, zone_id: str) -> tuple[bool, str | None]:
    """Return whether work on the zone is paused, and what DNS last said of its CNAME target."""
    columns = select(zones.c.paused_at.is_not(None), zones.c.target_dns_status)
    paused, target = (await tx.execute(columns.where(zones.c.id == zone_id))).one()
    return bool(paused), target


async def claim_due_zones(tx: Connection, *, every: timedelta, limit: int) -> list[Zone]:
    """Return the zones that are due for a check of their own, and schedule the next one of each."""
    due = (
        select(zones.c.id)
        .where(or_(zones.c.check_due_at.is_(None), zones.c.check_due_at <= NOW))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list((await tx.execute(due)).scalars())
    if not ids:
        return []
    rows = await tx.execute(
        update(zones)
        .where(zones.c.id.in_(ids))
        .values(check_due_at=NOW + in_seconds(every.total_seconds()))
        .returning(zones)
    )
    return [_read(dict(row)) for row in rows.mappings()]


async def save_target(tx: Connection, zone_id: str, target: TargetHistory) -> None:
    """Note what DNS says of the CNAME target, and since when."""
    await tx.execute(
        update(zones)
        .where(zones.c.id == zone_id)
        .values(
            target_dns_status=target.status,
            target_absent_since=target.absent_since,
            target_found_since=target.found_since,
        )
    )


async def save_token(tx: Connection, zone_id: str, api_token: bytes) -> None:
    """Write a zone's encrypted token. If a pause is to be retried, retry it soon."""
    await tx.execute(
        update(zones)
        .where(zones.c.id == zone_id)
        .values(
            api_token=api_token,
            updated_at=NOW,
            check_due_at=NOW,
            pause_retry_at=case((zones.c.pause_retry_at.is_not(None), NOW), else_=None),
        )
    )


async def lock_zone(tx: Connection, zone_id: str) -> Zone | None:
    """Return one by id, locked against changes."""
    row = await tx.execute(
        select(zones).where(zones.c.id == zone_id).with_for_update(key_share=True)
    )
    found = row.mappings().first()
    return _read(dict(found)) if found else None


async def save_pause(tx: Connection, zone_id: str, pause: Pause) -> None:
    """Pause the zone."""
    await tx.execute(
        update(zones)
        .where(zones.c.id == zone_id)
        .values(
            paused_at=pause.since,
            pause_reason=str(pause.reason),
            pause_detail=pause.detail,
            pause_retry_at=pause.retry_at,
            **NO_RESUME,
            sequence=zones.c.sequence + 1,
            updated_at=NOW,
        )
    )


async def put_off_retry(tx: Connection, zone_id: str, *, due: datetime, wait: timedelta) -> bool:
    """Claim the retry that is `due` and schedule the next. False if another process claimed it."""
    rows = await tx.execute(
        update(zones)
        .where(zones.c.id == zone_id, zones.c.pause_retry_at == due)
        .values(pause_retry_at=NOW + in_seconds(wait.total_seconds()))
        .returning(zones.c.id)
    )
    return rows.first() is not None


async def begin_resume(tx: Connection, zone_id: str, pause: Pause, *, accepts: bool) -> bool:
    """Begin to resume from this pause, or join in. False if the zone has another pause by now."""
    c = zones.c
    rows = await tx.execute(
        update(zones)
        .where(*_is_paused_by(zone_id, pause))
        .values(
            resume_cursor=func.coalesce(c.resume_cursor, ""),
            resume_accepts=or_(c.resume_accepts, literal(accepts)),
        )
        .returning(c.id)
    )
    return rows.first() is not None


async def save_resume(
    tx: Connection, zone_id: str, pause: Pause, *, before: str, after: str
) -> bool:
    """Note how far resuming has come. False if another process has come further meanwhile."""
    rows = await tx.execute(
        update(zones)
        .where(*_is_paused_by(zone_id, pause), zones.c.resume_cursor == before)
        .values(resume_cursor=after)
        .returning(zones.c.id)
    )
    return rows.first() is not None


async def save_rerender(
    tx: Connection, zone: Zone, *, before: str, after: str | None, version: int
) -> bool:
    """Note how far re-rendering has come. False if the zone has changed since it was read.

    At the end, all documents are of this `version` of the code.
    Documents written then may show the zone's former values.
    """
    rows = await tx.execute(
        update(zones)
        .where(
            zones.c.id == zone.id,
            zones.c.rerender_cursor == before,
            zones.c.updated_at == zone.updated_at,
        )
        .values(rerender_cursor=after, **({} if after else {"document_version": version}))
        .returning(zones.c.id)
    )
    return rows.first() is not None


async def start_rerender(tx: Connection, zone: Zone) -> bool:
    """Have the zone's documents rendered from the first one on. False if the zone has changed."""
    rows = await tx.execute(
        update(zones)
        .where(
            zones.c.id == zone.id,
            zones.c.rerender_cursor.is_(None),
            zones.c.updated_at == zone.updated_at,
        )
        .values(rerender_cursor="")
        .returning(zones.c.id)
    )
    return rows.first() is not None


async def hasten_zone_check(tx: Connection, zone_id: str) -> None:
    """Check the zone now, because there is work to continue."""
    await tx.execute(update(zones).where(zones.c.id == zone_id).values(check_due_at=NOW))


async def end_pause(
    tx: Connection, zone_id: str, *, breaker_off_for: timedelta | None = None
) -> None:
    """Resume the zone. An operator may turn the breaker off for a while."""
    off = NOW + in_seconds(breaker_off_for.total_seconds()) if breaker_off_for else None
    await tx.execute(
        update(zones)
        .where(zones.c.id == zone_id)
        .values(
            paused_at=None,
            pause_reason=None,
            pause_detail=None,
            pause_retry_at=None,
            **NO_RESUME,
            breaker_off_until=off,
            target_absent_since=None,
            sequence=zones.c.sequence + 1,
            updated_at=NOW,
        )
    )


async def name_zone(tx: Connection, zone_id: str, *, name: str, account_id: str | None) -> None:
    """Note Cloudflare's name for the zone, and its account.

    The set-up calls this. Custom metadata is tried again afterwards, because the plan may have been
    extended.
    """
    values = {"name": name, "account_id": account_id, "takes_custom_metadata": None}
    await tx.execute(update(zones).where(zones.c.id == zone_id).values(**values, updated_at=NOW))


async def note_dcv_uuid(tx: Connection, zone_id: str, uuid: str) -> None:
    """Note the zone's label under dcv.cloudflare.com, which never changes."""
    await tx.execute(update(zones).where(zones.c.id == zone_id).values(dcv_uuid=uuid))


async def note_metadata_refused(tx: Connection, zone_id: str) -> None:
    """Note that Cloudflare refuses custom metadata in this zone (1413)."""
    which = (zones.c.id == zone_id, zones.c.takes_custom_metadata.is_distinct_from(false()))
    await tx.execute(update(zones).where(*which).values(takes_custom_metadata=False))


def _is_paused_by(zone_id: str, pause: Pause) -> list[ColumnElement[bool]]:
    c = zones.c
    return [
        c.id == zone_id,
        c.paused_at == pause.since,
        c.pause_reason == str(pause.reason),
    ]


def _read(row: dict[str, Any]) -> Zone:
    lists = {name: tuple(row[name]) for name in ("accepted_targets", "apex_prefixes")}
    return Zone(**{**row, **lists})
