"""The list and the count of removed hostnames that still point here, by their own index."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from app.domain.custom_hostname import Desired, Schedule, State
from app.persistence.dangling import DanglingKeyset, count_dangling, list_dangling
from app.persistence.database import Database
from tests.support.rows import now_of, present_zone, put_hostname


async def put_dangling(database: Database, count: int) -> None:
    """Insert hostnames that dangle, each a minute longer than the one before; two at a time."""
    zone, now = await present_zone(database), await now_of(database)
    for number in range(count):
        await put_hostname(
            database,
            zone,
            f"ch_{number}",
            f"n{number}.left-tea.com",
            Schedule(),
            tenant=f"tenant-{number % 2}",
            state=State.DELETED,
            desired=Desired.ABSENT,
            tombstone=True,
            arrived_at={State.DELETED: now},
            dangling_since=now - timedelta(minutes=number // 2),
        )


async def test_pages_follow_one_another_newest_first(database: Database) -> None:
    await put_dangling(database, 5)
    seen: list[str] = []
    after = None
    while True:
        async with database.transaction() as tx:
            page = await list_dangling(tx, tenant=None, after=after, limit=2)
        if not page:
            break
        seen += [each.document["id"] for each in page]
        after = DanglingKeyset(page[-1].since, page[-1].document["id"])
    assert seen == ["ch_1", "ch_0", "ch_3", "ch_2", "ch_4"]
    async with database.transaction() as tx:
        own = await list_dangling(tx, tenant="tenant-1", after=None, limit=9)
        counts = (await count_dangling(tx), await count_dangling(tx, tenant="tenant-1"))
    assert [each.document["id"] for each in own] == ["ch_1", "ch_3"]
    assert counts == (5, 2)


async def test_a_few_among_many_are_read_by_their_own_index(database: Database) -> None:
    await put_dangling(database, 2)
    async with database.transaction() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await tx.execute(
            text(
                "EXPLAIN SELECT count(*) FROM custom_hostnames WHERE dangling_since IS NOT NULL "
                "AND tenant = 'tenant-1'"
            )
        )
        assert "ix_custom_hostnames_tenant_dangling" in str(plan.all())
        plan = await tx.execute(
            text(
                "EXPLAIN SELECT id FROM custom_hostnames WHERE dangling_since IS NOT NULL "
                "ORDER BY dangling_since DESC, id DESC LIMIT 10"
            )
        )
        assert "ix_custom_hostnames_dangling" in str(plan.all())
