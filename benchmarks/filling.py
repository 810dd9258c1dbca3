"""Rows of names as they are after a long life, made from what Cloudflare shows of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from sqlalchemy import JSON, Table

from app.domain.cloudflare_terms import both_active
from app.domain.custom_hostname import (
    CloudflareObject,
    CustomHostname,
    DnsSeen,
    Plan,
    RecordStatus,
    Schedule,
    State,
    ZoneTargets,
)
from app.domain.hostname import Hostname
from app.domain.observation import CloudflareHostname, Routing, RoutingKind
from app.domain.plan import wanted_records, wanted_spec
from app.domain.reason import Reason
from app.persistence.custom_hostnames import SERVING
from app.persistence.hostname_rows import object_row, schedule_row, wide_row
from app.persistence.tables import cloudflare_objects, custom_hostnames, schedules
from app.services.reconciler.tick import snapshot_of

BATCH = 5_000
TENANTS = 1_000
AGE = timedelta(days=20)
"""How long ago the names were added."""

_TABLES = ("custom_hostnames", "cloudflare_objects", "schedules")


@dataclass(frozen=True, slots=True)
class Filling:
    """Where the rows go, and the moment that they describe."""

    sql: asyncpg.Connection
    zone: ZoneTargets
    now: datetime

    async def fill(self, views: Iterable[CloudflareHostname]) -> int:
        """Write the rows of these names by COPY. Return how many there were."""
        count, batch = 0, list[CloudflareHostname]()
        for view in views:
            batch.append(view)
            if len(batch) == BATCH:
                count += await self._write(batch)
                batch = []
        return count + await self._write(batch)

    async def _write(self, views: list[CloudflareHostname]) -> int:
        rows = [list(each) for each in zip(*(self._rows(view) for view in views), strict=True)]
        for table, some in zip(_TABLES, rows, strict=False):
            await self.sql.copy_records_to_table(
                table, columns=list(some[0]), records=[list(row.values()) for row in some]
            )
        return len(views)

    def _rows(self, view: CloudflareHostname) -> Iterator[dict[str, Any]]:
        record = self.record(view)
        snapshot = snapshot_of(view)
        yield _plain(custom_hostnames, wide_row(record))
        yield _plain(cloudflare_objects, object_row(record) | {"role": SERVING})
        yield _plain(
            schedules,
            schedule_row(record.schedule)
            | {
                "custom_hostname_id": record.id,
                "zone_id": record.zone.id,
                "hostname_status": snapshot.hostname_status,
                "ssl_status": snapshot.ssl_status,
                "view_digest": snapshot.digest,
            },
        )

    def record(self, view: CloudflareHostname) -> CustomHostname:
        """Build the record of a name: live if both statuses are active, else validating."""
        live = both_active(view, live=False)
        then = self.now - AGE
        ownership = (view.ownership_name, view.ownership_value)
        record = CustomHostname(
            id=f"ch_{view.id.replace('-', '')}",
            hostname=Hostname(view.hostname),
            tenant=f"tenant-{int(view.id[-6:], 16) % TENANTS}",
            zone=self.zone,
            plan=Plan.SIMPLE,
            state=State.CNAME_VERIFIED if live else State.VALIDATING,
            reason=Reason.LIVE if live else Reason.AWAITING_CNAME,
            cloudflare=CloudflareObject(
                id=view.id,
                create_started_at=then,
                create_tried_at=then,
                seen=replace(view, validation_records=()),
                validation_records=view.validation_records,
                ownership=ownership if all(ownership) else None,  # type: ignore[arg-type]
            ),
            schedule=Schedule(viewed_at=self.now, followed_from=then),
            sequence=4 if live else 2,
            created_at=then,
            updated_at=then,
            wanted_at=then,
            acted_at=then,
            arrived_at={
                State.PENDING: then,
                State.VALIDATING: then,
                **({State.ACTIVE: then, State.CNAME_VERIFIED: then} if live else {}),
            },
        )
        status = RecordStatus.FOUND if live else RecordStatus.MISSING
        routing = (
            Routing(RoutingKind.CNAME, (self.zone.cname_target,))
            if live
            else Routing(RoutingKind.ABSENT)
        )
        statuses = {wanted.key: status for wanted in wanted_records(record)}
        sent = replace(record.cloudflare, applied=wanted_spec(record))
        return replace(record, cloudflare=sent, dns=DnsSeen(routing=routing, statuses=statuses))


async def default_zone(sql: asyncpg.Connection) -> ZoneTargets:
    """Return the one zone that the settings describe."""
    row = await sql.fetchrow("SELECT id, cname_target FROM zones WHERE is_default")
    return ZoneTargets(id=row["id"], cname_target=row["cname_target"])


def _plain(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """Return the row in the form for COPY, with JSON as text."""
    return {
        name: json.dumps(value)
        if isinstance(table.c[name].type, JSON) and value is not None
        else value
        for name, value in row.items()
    }
