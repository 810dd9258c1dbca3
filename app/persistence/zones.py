"""Zones: where custom hostnames live at Cloudflare, each with its own token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import false, func, insert, select, update

from app.persistence.database import NOW, Connection
from app.persistence.ids import Prefix, new_id
from app.persistence.tables import zones

SETTINGS_LOCK = 0x7A6F6E65


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One zone as it is kept; `api_token` is encrypted."""

    id: str
    is_default: bool
    cloudflare_zone_id: str
    name: str | None
    account_id: str | None
    api_token: bytes
    cname_target: str
    accepted_targets: tuple[str, ...]
    fallback_origin: str
    apex_prefixes: tuple[str, ...]
    dcv_uuid: str | None
    takes_custom_metadata: bool | None
    created_at: datetime
    updated_at: datetime


async def put_default_zone(
    tx: Connection,
    *,
    cloudflare_zone_id: str,
    api_token: bytes,
    cname_target: str,
    fallback_origin: str,
    apex_prefixes: tuple[str, ...] = (),
) -> str | None:
    """Bring the default zone's row to what the settings say; processes that start at once queue.

    Gives the zone's id when tenants are to point elsewhere than before. A former target stays
    accepted: tenants who point there are served as long as its record is kept.
    """
    await tx.execute(select(func.pg_advisory_xact_lock(SETTINGS_LOCK)))
    await tx.execute(
        update(zones)
        .where(zones.c.is_default, zones.c.cloudflare_zone_id != cloudflare_zone_id)
        .values(is_default=False, updated_at=NOW)
    )
    row = await tx.execute(select(zones).where(zones.c.cloudflare_zone_id == cloudflare_zone_id))
    former = row.mappings().first()
    said: dict[str, Any] = {
        "is_default": True,
        "api_token": api_token,
        "cname_target": cname_target,
        "fallback_origin": fallback_origin,
        "apex_prefixes": list(apex_prefixes),
        "updated_at": NOW,
    }
    if former is None:
        zone_id = new_id(Prefix.ZONE)
        said |= {"id": zone_id, "cloudflare_zone_id": cloudflare_zone_id, "created_at": NOW}
        await tx.execute(insert(zones).values(said))
        return None
    moved = former["cname_target"] != cname_target
    if moved:
        accepted = {*former["accepted_targets"], former["cname_target"]} - {cname_target}
        said["accepted_targets"] = sorted(accepted)
    await tx.execute(update(zones).where(zones.c.id == former["id"]).values(said))
    moved = moved or tuple(former["apex_prefixes"]) != apex_prefixes
    return str(former["id"]) if moved else None


async def list_zones(tx: Connection) -> list[Zone]:
    """Give all of them, the default one first."""
    rows = await tx.execute(select(zones).order_by(zones.c.is_default.desc(), zones.c.id))
    return [_read(dict(row)) for row in rows.mappings()]


async def get_zone(tx: Connection, zone_id: str) -> Zone | None:
    """Read one by id, or the default one by the word `default`."""
    which = zones.c.is_default if zone_id == "default" else zones.c.id == zone_id
    row = (await tx.execute(select(zones).where(which))).mappings().first()
    return _read(dict(row)) if row else None


async def name_zone(tx: Connection, zone_id: str, *, name: str, account_id: str | None) -> None:
    """Note what Cloudflare calls the zone, and whose it is.

    The set-up does so, after which custom metadata is tried again: the plan may have been extended.
    """
    said = {"name": name, "account_id": account_id, "takes_custom_metadata": None}
    await tx.execute(update(zones).where(zones.c.id == zone_id).values(**said, updated_at=NOW))


async def note_dcv_uuid(tx: Connection, zone_id: str, uuid: str) -> None:
    """Keep the zone's label under dcv.cloudflare.com; it never changes."""
    await tx.execute(update(zones).where(zones.c.id == zone_id).values(dcv_uuid=uuid))


async def note_metadata_refused(tx: Connection, zone_id: str) -> None:
    """Keep that Cloudflare takes no custom metadata in this zone (1413)."""
    which = (zones.c.id == zone_id, zones.c.takes_custom_metadata.is_distinct_from(false()))
    await tx.execute(update(zones).where(*which).values(takes_custom_metadata=False))


def _read(row: dict[str, Any]) -> Zone:
    lists = {name: tuple(row[name]) for name in ("accepted_targets", "apex_prefixes")}
    return Zone(**{**row, **lists})
