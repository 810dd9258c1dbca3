"""Rows for tests that only need the database: a zone, and names in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from app.domain.custom_hostname import CloudflareObject, CustomHostname, Plan, Schedule, ZoneTargets
from app.domain.hostname import Hostname
from app.domain.zone import Zone
from app.persistence.clock import read_now
from app.persistence.custom_hostnames import insert_hostname, save_object
from app.persistence.database import Database
from app.persistence.zones import get_zone, put_default_zone

NO_OBJECT = CloudflareObject()


async def put_zone(
    database: Database,
    cloudflare_zone_id: str = "0" * 32,
    cname_target: str = "customers.provider.net",
) -> Zone:
    """Insert the default zone, as a process does that starts with these settings."""
    async with database.transaction() as tx:
        await put_default_zone(
            tx,
            cloudflare_zone_id=cloudflare_zone_id,
            api_token=b"token",
            cname_target=cname_target,
            fallback_origin="fallback.provider.net",
            budget="default",
        )
    return await present_zone(database)


async def present_zone(database: Database) -> Zone:
    """Return the default zone as it is now."""
    async with database.transaction() as tx:
        zone = await get_zone(tx, "default")
    assert zone is not None
    return zone


async def put_hostname(
    database: Database,
    zone: Zone,
    record_id: str,
    name: str,
    schedule: Schedule,
    *,
    cloudflare: CloudflareObject = NO_OBJECT,
    **changes: Any,
) -> CustomHostname:
    """Insert a name that no worker has leased: a pending one, apart from the `changes`."""
    async with database.transaction() as tx:
        now = await read_now(tx)
        record = CustomHostname(
            id=record_id,
            hostname=Hostname(name),
            tenant="tenant",
            zone=ZoneTargets(id=zone.id, cname_target=zone.cname_target),
            plan=Plan.SIMPLE,
            schedule=schedule,
            cloudflare=cloudflare,
            created_at=now,
            updated_at=now,
            wanted_at=now,
            acted_at=now,
        )
        record = replace(record, **changes)
        await insert_hostname(tx, record, lease_seconds=0)
        if cloudflare.id is not None:
            await save_object(tx, record)
    return record


async def now_of(database: Database) -> datetime:
    """Return Postgres's time."""
    async with database.transaction() as tx:
        return await read_now(tx)
