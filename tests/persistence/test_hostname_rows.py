"""What is known of a name's DNS is read as it was written, by this release or an earlier one."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import pytest

from app.domain.custom_hostname import DnsSeen, Schedule
from app.domain.observation import Routing, RoutingKind
from app.persistence.custom_hostnames import get_hostname
from app.persistence.database import Database
from tests.support.rows import present_zone, put_hostname

SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ADDRESSES = ("198.51.100.83",)
PROXIED = Routing(RoutingKind.PROXIED, (), ADDRESSES, active_since=SINCE, is_confirmed=True)


@pytest.mark.parametrize(
    "routing", [PROXIED, Routing(RoutingKind.PROXIED, (), ADDRESSES), Routing(RoutingKind.ABSENT)]
)
async def test_evidence_is_read_as_it_was_written(database: Database, routing: Routing) -> None:
    zone = await present_zone(database)
    await put_hostname(
        database, zone, "ch_1", "shop.quiet-lane.com", Schedule(), dns=DnsSeen(routing=routing)
    )
    async with database.transaction() as tx:
        record = await get_hostname(tx, "ch_1")
    assert record is not None
    assert record.dns.routing == routing


async def test_evidence_of_an_earlier_release_is_read(
    database: Database, database_url: str
) -> None:
    zone = await present_zone(database)
    known = Routing(RoutingKind.FLATTENED, (), ADDRESSES)
    await put_hostname(
        database, zone, "ch_1", "shop.quiet-lane.com", Schedule(), dns=DnsSeen(routing=known)
    )
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "UPDATE custom_hostnames"
        " SET dns = dns #- '{routing,active_since}' #- '{routing,is_confirmed}'"
    )
    await connection.close()
    async with database.transaction() as tx:
        record = await get_hostname(tx, "ch_1")
    assert record is not None
    assert record.dns.routing == known
