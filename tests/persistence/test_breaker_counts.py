"""What contradicts at the same moment is counted whole, however many transactions it takes."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app.domain.breaker import Counts
from app.persistence.breaker_counts import count_check, tally_within
from app.persistence.database import Database
from tests.support.rows import present_zone

MINUTES = timedelta(minutes=10)


async def test_of_twenty_at_the_same_moment_one_sees_all_twenty(database: Database) -> None:
    zone_id = (await present_zone(database)).id

    async def contradict(number: int) -> int:
        async with database.transaction() as tx:
            await count_check(tx, zone_id, "dns", f"tenant-{number}", is_mismatch=True)
            tally = await tally_within(tx, zone_id, "dns", MINUTES)
            # As long as what is recorded besides.
            await asyncio.sleep(0.02)
        return tally.seen.mismatched

    seen = await asyncio.gather(*(contradict(number) for number in range(20)))
    assert sorted(seen) == list(range(1, 21))


async def test_the_tenant_that_contradicts_most_is_told_apart(database: Database) -> None:
    zone_id = (await present_zone(database)).id
    async with database.transaction() as tx:
        for tenant, is_mismatch in (("a", True), ("a", True), ("b", True), ("c", False)):
            await count_check(tx, zone_id, "dns", tenant, is_mismatch=is_mismatch)
        tally = await tally_within(tx, zone_id, "dns", MINUTES)
    assert (tally.tenant, tally.of_tenant, tally.seen) == ("a", Counts(2, 2), Counts(4, 3))
