"""The summary: what triggers note and a worker folds is what the table holds."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta

from sqlalchemy import text

from app.domain.custom_hostname import Schedule
from app.domain.histogram import merge, quantile
from app.persistence import summary as store
from app.persistence.database import Connection, Database
from app.persistence.migrations import migrate
from app.services.summary import LARGEST
from tests.support.rows import present_zone, put_hostname

TENANTS = ("green", "blue", "red")
STATES = ("pending", "validating", "active", "cname_verified", "failed", "deleted")
REASONS = ("creating", "awaiting_cname", "live")


async def put_some(database: Database, count: int, chance: random.Random) -> list[str]:
    zone = await present_zone(database)
    ids = [f"ch_{number}" for number in range(count)]
    for record_id in ids:
        await put_hostname(
            database,
            zone,
            record_id,
            f"{record_id[3:]}.shop.com",
            Schedule(),
            tenant=chance.choice(TENANTS),
        )
    return ids


async def change(database: Database, ids: list[str], chance: random.Random) -> None:
    async with database.transaction() as tx:
        await tx.execute(
            text("UPDATE custom_hostnames SET state = :state, reason = :reason WHERE id = :id"),
            {"id": chance.choice(ids), "state": chance.choice(STATES), "reason": REASONS[1]},
        )


async def fold(database: Database, most: int = 1000) -> int:
    async with database.transaction() as tx:
        return await store.fold(tx, most=most)


async def true_counts(tx: Connection, tenant: str) -> Counter[tuple[str, ...]]:
    rows = await tx.execute(
        text(
            "SELECT zone_id, state, reason, waiting_on FROM custom_hostnames "
            "WHERE state <> 'deleted' AND :tenant IN ('', tenant)"
        ),
        {"tenant": tenant},
    )
    return Counter(tuple(row) for row in rows)


async def assert_counts_are_true(database: Database) -> None:
    async with database.transaction() as tx:
        for tenant in (store.ALL, *TENANTS):
            found = await store.count_hostnames(tx, tenant)
            shown = {(c.zone_id, c.state, c.reason, c.waiting_on): c.count for c in found}
            assert shown == dict(await true_counts(tx, tenant))
        sizes = {t: (await true_counts(tx, t)).total() for t in TENANTS}
        largest = await store.largest_tenants(tx, most=LARGEST)
    assert dict(largest) == {tenant: size for tenant, size in sizes.items() if size}
    assert [size for _, size in largest] == sorted((size for _, size in largest), reverse=True)


async def test_counts_are_true_folded_half_folded_and_unfolded(database: Database) -> None:
    chance = random.Random(11)  # noqa: S311 - no secret
    ids = await put_some(database, 30, chance)
    await assert_counts_are_true(database)
    for _ in range(4):
        for _ in range(15):
            await change(database, ids, chance)
        assert await fold(database, most=chance.randint(1, 40)) > 0
        await assert_counts_are_true(database)
    while await fold(database):
        pass
    await assert_counts_are_true(database)
    async with database.transaction() as tx:
        assert not await store.has_unfolded(tx)
        await tx.execute(text("DELETE FROM custom_hostnames"))
    await assert_counts_are_true(database)
    await fold(database)
    async with database.transaction() as tx:
        left = await tx.scalar(text("SELECT count(*) FROM hostname_counts"))
    assert left == 0


async def test_a_change_of_what_is_not_counted_notes_nothing(database: Database) -> None:
    ids = await put_some(database, 1, random.Random(1))  # noqa: S311 - no secret
    await fold(database)
    async with database.transaction() as tx:
        await tx.execute(
            text("UPDATE custom_hostnames SET view = view + 1 WHERE id = :id"), {"id": ids[0]}
        )
        assert not await store.has_unfolded(tx)


async def test_the_largest_tenants_are_the_first(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO tenant_sizes (tenant, count) "
                "SELECT 'tenant-' || n, n FROM generate_series(1, 50) AS n"
            )
        )
        await tx.execute(
            text(
                "INSERT INTO hostname_changes (tenant, zone_id, state, reason, waiting_on, "
                "difference) SELECT 'tenant-50', 'z', 'active', 'live', 'nobody', -1 "
                "FROM generate_series(1, 49) UNION ALL "
                "SELECT 'tenant-1', 'z', 'active', 'live', 'nobody', 1 FROM generate_series(1, 99)"
            )
        )
        largest = await store.largest_tenants(tx, most=3)
    assert largest == [("tenant-1", 100), ("tenant-49", 49), ("tenant-48", 48)]


async def test_times_to_active_are_counted_once_by_day(database: Database) -> None:
    ids = await put_some(database, 5, random.Random(2))  # noqa: S311 - no secret
    for number, record_id in enumerate(ids, start=1):
        async with database.transaction() as tx:
            await tx.execute(
                text(
                    "UPDATE custom_hostnames SET activated_at = created_at + "
                    "make_interval(secs => :seconds) WHERE id = :id"
                ),
                {"id": record_id, "seconds": number * 10},
            )
            await tx.execute(
                text("UPDATE custom_hostnames SET activated_at = nameplate_now() WHERE id = :id"),
                {"id": record_id},
            )
    for most in (3, 1000):
        await fold(database, most=most)
        async with database.transaction() as tx:
            days = await store.activation_days(tx, store.ALL, days=3)
        total = merge(days.values())
        assert sum(total.values()) == 5
        median = quantile(total, 0.5)
        assert median is not None
        assert abs(median - 30) <= 1.5
    async with database.transaction() as tx:
        tenants = [await store.activation_days(tx, each, days=3) for each in TENANTS]
        counts = await store.prune_histograms(tx, older_than=timedelta(days=90), limit=10)
    assert sum(sum(merge(days.values()).values()) for days in tenants) == 5
    assert counts == {"activation_histograms": 0}


async def test_days_past_their_retention_are_removed(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO activation_histograms (tenant, day, bucket, count) "
                "SELECT '', nameplate_now()::date - n, 1, 1 FROM unnest(ARRAY[1, 89, 92, 99]) n"
            )
        )
        older_than = timedelta(days=90)
        counts = [
            await store.prune_histograms(tx, older_than=older_than, limit=limit)
            for limit in (1, 10, 10)
        ]
    assert [each["activation_histograms"] for each in counts] == [1, 1, 0]


async def test_an_upgrade_counts_what_was_there_and_what_changed_meanwhile(
    database: Database, database_url: str
) -> None:
    """Between the two migrations changes are noted, which the second one must not count twice."""
    ids = await put_some(database, 6, random.Random(3))  # noqa: S311 - no secret
    async with database.transaction() as tx:
        await tx.execute(text("TRUNCATE hostname_counts, tenant_sizes"))
        await tx.execute(
            text("UPDATE custom_hostnames SET state = 'active' WHERE id = :id"), {"id": ids[0]}
        )
        await tx.execute(text("UPDATE alembic_version SET version_num = 'b3e96f04d7a1'"))
    await asyncio.to_thread(migrate, database_url, "4c81d2f7ae35")
    await assert_counts_are_true(database)
