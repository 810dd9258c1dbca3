"""Pruning: what is old goes, what is owed or still points here stays, and numbers go on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Select, text
from sqlalchemy.dialects.postgresql.base import PGDialect

from app.bootstrap import _pruning
from app.domain.custom_hostname import Schedule, State
from app.persistence import pruning as store
from app.persistence.database import Database, open_database
from app.persistence.leases import claim_one
from app.services import pruning
from app.services.pruning import EVERY_SECONDS, PAUSE_SECONDS, Kind, Pruning
from app.settings import Settings
from tests.support import Service
from tests.support.rows import now_of, present_zone, put_hostname

KEEP = timedelta(days=90)
OLD, YOUNG = timedelta(days=91), timedelta(days=89)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def new_pruning(database: Database, clock: Clock | None = None) -> Pruning:
    return Pruning(database, keep_events=KEEP, keep_deleted=KEEP, clock=clock or Clock())


async def put_endpoint(database: Database) -> None:
    await run(
        database,
        "INSERT INTO webhook_endpoints (id, url, event_types, secret, created_at) "
        "VALUES ('we', 'http://127.0.0.1/', '{}', 'secret', now())",
    )


async def put_event(
    database: Database,
    event_id: str,
    *,
    sequence: int = 1,
    of: str = "ch_1",
    age: timedelta = OLD,
    delivery: str | None = None,
) -> None:
    await run(
        database,
        "INSERT INTO events (id, custom_hostname_id, sequence, type, after, reason, body, "
        "created_at) VALUES (:id, :of, :sequence, 'custom_hostname.created', 'pending', "
        "'creating', '{}', nameplate_now() - make_interval(secs => :age))",
        id=event_id,
        of=of,
        sequence=sequence,
        age=age.total_seconds(),
    )
    if delivery is not None:
        await run(
            database,
            "INSERT INTO deliveries (id, event_id, endpoint_id, status, created_at) "
            "VALUES (:id, :id, 'we', :status, now())",
            id=event_id,
            status=delivery,
        )
        await run(
            database,
            "INSERT INTO attempts (delivery_id, number, started_at, duration_ms) "
            "VALUES (:id, 1, now(), 5)",
            id=event_id,
        )


async def put_deleted(
    database: Database, record_id: str, *, age: timedelta = OLD, **changes: Any
) -> None:
    zone, now = await present_zone(database), await now_of(database)
    changes = {"state": State.DELETED, "arrived_at": {State.DELETED: now - age}} | changes
    await put_hostname(
        database, zone, record_id, f"{record_id[3:]}.shop.com", Schedule(), **changes
    )


async def run(database: Database, statement: str, **values: Any) -> None:
    async with database.transaction() as tx:
        await tx.execute(text(statement), values)


async def ids(database: Database, table: str, column: str = "id") -> list[Any]:
    async with database.transaction() as tx:
        found = await tx.execute(text(f"SELECT {column} FROM {table} ORDER BY 1"))  # noqa: S608
        return list(found.scalars())


def pruned(table: str) -> float:
    return REGISTRY.get_sample_value("nameplate_pruned_rows_total", {"table": table}) or 0.0


async def test_old_events_go_with_what_was_delivered_of_them(database: Database) -> None:
    await put_endpoint(database)
    await put_deleted(database, "ch_1", state=State.ACTIVE, arrived_at={})
    before = pruned("events"), pruned("deliveries"), pruned("attempts")
    await put_event(database, "old_sent", sequence=1, delivery="succeeded")
    await put_event(database, "old_given_up", sequence=2, delivery="exhausted")
    await put_event(database, "old_untold", sequence=3)
    await put_event(database, "old_owed", sequence=4, delivery="pending")
    await put_event(database, "young", sequence=5, age=YOUNG, delivery="succeeded")
    await new_pruning(database).prune(Kind.EVENTS)
    assert await ids(database, "events") == ["old_owed", "young"]
    assert await ids(database, "deliveries") == ["old_owed", "young"]
    assert await ids(database, "attempts", "delivery_id") == ["old_owed", "young"]
    after = pruned("events"), pruned("deliveries"), pruned("attempts")
    assert [b - a for a, b in zip(before, after, strict=True)] == [3, 2, 2]
    assert await ids(database, "custom_hostnames") == ["ch_1"]


async def test_hostnames_deleted_long_ago_go_with_all_that_is_theirs(database: Database) -> None:
    await put_endpoint(database)
    await put_deleted(database, "ch_old")
    await put_deleted(database, "ch_young", age=YOUNG)
    await put_deleted(database, "ch_points_here", tombstone=True)
    await put_deleted(database, "ch_owed")
    await put_deleted(database, "ch_live", state=State.ACTIVE)
    await put_event(database, "e1", of="ch_old", delivery="succeeded")
    await put_event(database, "e2", of="ch_owed", delivery="pending")
    await run(
        database,
        "INSERT INTO cloudflare_objects (custom_hostname_id, role, zone_id) "
        "SELECT id, 'serving', zone_id FROM custom_hostnames",
    )
    await new_pruning(database).prune(Kind.HOSTNAMES)
    left = ["ch_live", "ch_owed", "ch_points_here", "ch_young"]
    assert await ids(database, "custom_hostnames") == left
    assert await ids(database, "schedules", "custom_hostname_id") == left
    assert await ids(database, "cloudflare_objects", "custom_hostname_id") == left
    assert await ids(database, "events") == ["e2"]


async def test_a_hostname_that_a_worker_holds_stays(database: Database) -> None:
    await put_deleted(database, "ch_1")
    async with database.transaction() as tx:
        assert await claim_one(tx, "ch_1") is not None
    await new_pruning(database).prune(Kind.HOSTNAMES)
    assert await ids(database, "custom_hostnames") == ["ch_1"]


async def test_secrets_of_endpoints_removed_long_ago_are_emptied(database: Database) -> None:
    await put_endpoint(database)
    await new_pruning(database).prune(Kind.SECRETS)
    assert await ids(database, "webhook_endpoints", "secret") == [b"secret"]
    await run(database, "UPDATE webhook_endpoints SET deleted_at = now() - interval '91 days'")
    await new_pruning(database).prune(Kind.SECRETS)
    assert await ids(database, "webhook_endpoints", "secret") == [b""]


async def test_test_events_that_ended_long_ago_go_with_their_attempts(database: Database) -> None:
    await put_endpoint(database)
    for number, (status, age) in enumerate(
        [("succeeded", OLD), ("exhausted", OLD), ("pending", OLD), ("succeeded", YOUNG)]
    ):
        await run(
            database,
            "INSERT INTO deliveries (id, endpoint_id, body, status, created_at) "
            "VALUES (:id, 'we', '{}', :status, now() - CAST(:age AS interval))",
            id=f"dlv_{number}",
            status=status,
            age=age,
        )
        await run(
            database,
            "INSERT INTO attempts (delivery_id, number, started_at, duration_ms) "
            "VALUES (:id, 1, now(), 5)",
            id=f"dlv_{number}",
        )
    before = pruned("attempts")
    await new_pruning(database).prune(Kind.TESTS)
    assert await ids(database, "deliveries") == ["dlv_2", "dlv_3"]
    assert await ids(database, "attempts", "delivery_id") == ["dlv_2", "dlv_3"]
    assert pruned("attempts") == before + 2


async def test_counts_of_attempts_go_after_the_days_that_statistics_show(
    database: Database,
) -> None:
    await put_endpoint(database)
    for age in (timedelta(days=32), timedelta(days=30)):
        await run(
            database,
            "INSERT INTO attempt_histograms (endpoint_id, hour, succeeded, bucket, count) "
            "VALUES ('we', date_trunc('hour', now() - CAST(:age AS interval)), true, 3, 7)",
            age=age,
        )
    await new_pruning(database).prune(Kind.ATTEMPTS)
    assert await ids(database, "attempt_histograms", "count") == [7]


async def test_workers_side_by_side_prune_each_row_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "MOST", dict.fromkeys(Kind, 10))
    await put_deleted(database, "ch_1")
    for number in range(60):
        await put_event(database, f"e{number}", sequence=number)
    before = pruned("events")
    rounds = [new_pruning(database).prune(Kind.EVENTS) for _ in range(4)]
    await asyncio.gather(*rounds, new_pruning(database).prune(Kind.HOSTNAMES))
    left = await ids(database, "events")
    assert pruned("events") - before == 60 - len(left)
    # The hostname took its events with it, whoever held some of them.
    assert await ids(database, "custom_hostnames") == []
    assert left == []


async def test_a_row_that_somebody_else_prunes_is_not_waited_for(database: Database) -> None:
    await put_deleted(database, "ch_1", state=State.ACTIVE, arrived_at={})
    await put_event(database, "e1", sequence=1)
    await put_event(database, "e2", sequence=2)
    async with database.transaction() as other:
        await other.execute(text("SELECT 1 FROM events WHERE id = 'e1' FOR UPDATE"))
        async with asyncio.timeout(5):
            await new_pruning(database).prune(Kind.EVENTS)
    assert await ids(database, "events") == ["e1"]


async def test_a_full_batch_is_followed_after_a_pause_and_others_after_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "MOST", dict.fromkeys(Kind, 2))
    await put_deleted(database, "ch_1", state=State.ACTIVE, arrived_at={})
    for number in range(3):
        await put_event(database, f"e{number}", sequence=number)
    clock = Clock()
    works = new_pruning(database, clock)
    assert list(await works.claim(9)) == list(Kind)
    await works.prune(Kind.EVENTS)
    assert len(await ids(database, "events")) == 1
    assert list(await works.claim(9)) == []
    clock.now = PAUSE_SECONDS
    assert list(await works.claim(9)) == [Kind.EVENTS]
    await works.prune(Kind.EVENTS)
    clock.now = EVERY_SECONDS - 1
    assert list(await works.claim(9)) == []
    clock.now = EVERY_SECONDS + PAUSE_SECONDS
    assert list(await works.claim(9)) == list(Kind)


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (store.old_events(KEEP, 500), "ix_events_created_at"),
        (store.old_hostnames(KEEP, 50), "ix_custom_hostnames_prunable"),
    ],
)
async def test_what_is_old_is_found_by_its_index(
    database: Database, question: Select[Any], index: str
) -> None:
    said = question.compile(
        dialect=cast("Any", PGDialect)(), compile_kwargs={"literal_binds": True}
    )
    async with database.transaction() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        await tx.execute(text("SET LOCAL enable_sort = off"))
        plan = "\n".join((await tx.execute(text(f"EXPLAIN {said}"))).scalars())
    assert index in plan, plan
    assert "Seq Scan" not in plan, plan


async def test_one_setting_turns_it_off(database: Database) -> None:
    said = {
        "database_url": "postgresql://x@127.0.0.1/x",
        "cloudflare_zone_id": "0" * 32,
        "cloudflare_api_token": "t",
        "cname_target": "a.b.net",
        "fallback_origin": "c.b.net",
        "secret_keys": "k",
    }
    assert _pruning(Settings.model_validate(said), database) is not None
    assert _pruning(Settings.model_validate({**said, "pruning": "off"}), database) is None


async def test_numbers_go_on_without_gaps_after_pruning(service: Service) -> None:
    hostname = await service.create("shop.old-oak.com")
    await service.sql.execute("UPDATE events SET created_at = created_at - interval '100 days'")
    before = await service.events(hostname["id"])
    async with open_database(service.stack.database_url) as database:
        await new_pruning(database).prune(Kind.EVENTS)
    assert await service.events(hostname["id"]) == []
    await service.point_here(hostname)
    await service.follow(hostname["id"], "cname_verified")
    after = [event["sequence"] for event in await service.events(hostname["id"])]
    first = before[-1]["sequence"] + 1
    assert after == list(range(first, first + len(after)))
