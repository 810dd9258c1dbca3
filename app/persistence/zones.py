"""Zones: where custom hostnames live at Cloudflare, each with its own token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update

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
    created_at: datetime
    updated_at: datetime


async def put_default_zone(
    tx: Connection,
    *,
    cloudflare_zone_id: str,
    api_token: bytes,
    cname_target: str,
    fallback_origin: str,
) -> str | None:
    """Bring the default zone's row to what the settings say; processes that start at once queue.

    Gives the zone's id when its CNAME target is another than before. The former one stays
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
    """Note what Cloudflare calls the zone, and whose it is."""
    await tx.execute(
        update(zones)
        .where(zones.c.id == zone_id)
        .values(name=name, account_id=account_id, updated_at=NOW)
    )


def _read(row: dict[str, Any]) -> Zone:
    return Zone(**{**row, "accepted_targets": tuple(row["accepted_targets"])})
