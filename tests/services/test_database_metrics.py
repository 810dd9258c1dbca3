"""What is measured in the database: the right figures, by indexes, and not at each scrape."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Select, text
from sqlalchemy.dialects.postgresql.base import PGDialect

from app.domain.custom_hostname import Schedule, State
from app.domain.errors import DatabaseUnavailable
from app.domain.rate_limit import Lane, Limits
from app.domain.zone import PauseReason
from app.persistence import measurements as store
from app.persistence.database import Database
from app.services.database_metrics import COST_PART, EVERY_SECONDS, Measuring
from app.services.rate_limiter import RateLimiter
from app.services.zone_pauses import Pauses
from tests.support.rows import now_of, present_zone, put_hostname


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def test_the_gauges_say_what_is_in_the_database(database: Database) -> None:
    zone, now = await present_zone(database), await now_of(database)
    late = Schedule(dns_due_at=now - timedelta(seconds=90), cloudflare_due_at=now)
    await put_hostname(database, zone, "ch_1", "a.shop.com", late)
    await put_hostname(database, zone, "ch_2", "b.shop.com", Schedule(), state=State.ACTIVE)
    gone: dict[str, Any] = {"state": State.DELETED, "tombstone": True, "dangling_since": now}
    await put_hostname(database, zone, "ch_3", "c.shop.com", Schedule(), **gone)
    rate_limiter = RateLimiter(database, Limits())
    await rate_limiter.acquire("default", Lane.RESYNC, 3)
    await Measuring(database, rate_limiter).measure()
    assert sample("nameplate_hostnames", state="pending") == 1
    assert sample("nameplate_hostnames", state="active") == 1
    assert sample("nameplate_hostnames", state="deleted") == 1
    assert sample("nameplate_dangling_hostnames") == 1
    assert 90 <= (sample("nameplate_check_lag_seconds", side="dns") or 0) < 120
    assert (sample("nameplate_check_lag_seconds", side="cloudflare") or 0) < 30
    assert sample("nameplate_delivery_lag_seconds") == 0
    assert sample("nameplate_budget_spent_calls", budget="default", lane="resync") == 3
    assert (sample("nameplate_budget_left_calls", budget="default", lane="interactive") or 0) > 10
    assert sample("nameplate_budget_limit_calls", budget="default") == 960
    assert sample("nameplate_queue_length_hostnames", budget="default", lane="creation") == 0
    assert sample("nameplate_zones_paused", reason="operator") == 0


async def test_a_paused_zone_is_counted_by_its_reason_and_is_not_late(database: Database) -> None:
    zone, now = await present_zone(database), await now_of(database)
    late = Schedule(dns_due_at=now - timedelta(seconds=90))
    await put_hostname(database, zone, "ch_1", "a.shop.com", late)
    began = sample("nameplate_pauses_total", reason="operator") or 0
    await Pauses(database).pause(zone.id, PauseReason.OPERATOR)
    await Measuring(database, RateLimiter(database, Limits())).measure()
    assert sample("nameplate_zones_paused", reason="operator") == 1
    assert sample("nameplate_pauses_total", reason="operator") == began + 1
    assert sample("nameplate_check_lag_seconds", side="dns") == 0


async def test_it_is_measured_at_most_every_thirty_seconds(database: Database) -> None:
    clock = Clock()
    measuring = Measuring(database, RateLimiter(database, Limits()), clock=clock)
    assert list(await measuring.claim(1)) == [None]
    assert list(await measuring.claim(1)) == []
    clock.now = EVERY_SECONDS
    assert list(await measuring.claim(1)) == [None]


async def test_what_takes_long_is_measured_less_often(database: Database) -> None:
    clock = Clock()
    measuring = Measuring(database, RateLimiter(database, Limits()), clock=lambda: clock.now)
    await measuring.claim(1)
    ticks = iter([0.0, 2.0])
    measuring._clock = lambda: next(ticks, 2.0)
    await measuring.measure()
    measuring._clock = clock
    clock.now = 2.0 / COST_PART
    assert list(await measuring.claim(1)) == []
    clock.now = 2.0 + 2.0 / COST_PART
    assert list(await measuring.claim(1)) == [None]


async def test_a_question_that_takes_too_long_is_given_up(database: Database) -> None:
    async def sleep() -> None:
        async with store.measuring(database) as tx:
            await tx.execute(text("SET LOCAL statement_timeout = '50ms'"))
            await tx.execute(text("SELECT pg_sleep(5)"))

    async with store.measuring(database) as tx:
        said = await tx.scalar(text("SHOW statement_timeout"))
    assert said == f"{store.MOST_SECONDS}s"
    with pytest.raises(DatabaseUnavailable):
        await sleep()


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (store.states_counted(), "Index Only Scan using ix_custom_hostnames_state"),
        (store.oldest_checks(), "ix_schedules_dns_due"),
        (store.oldest_checks(), "ix_schedules_cloudflare_due"),
        (store.oldest_delivery(), "ix_deliveries_owed"),
    ],
)
async def test_every_question_has_its_index(
    database: Database, question: Select[Any], index: str
) -> None:
    said = question.compile(
        dialect=cast("Any", PGDialect)(), compile_kwargs={"literal_binds": True}
    )
    async with store.measuring(database) as tx:
        plan = "\n".join((await tx.execute(text(f"EXPLAIN {said}"))).scalars())
    assert index in plan, plan
    for big in ("custom_hostnames", "schedules", "deliveries"):
        assert f"Seq Scan on {big}" not in plan
