"""Who may send what: each delivery to one sender, and no more is locked than is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.persistence.database import Database, open_database
from app.persistence.deliveries import Choose, claim_deliveries

EACH = 6
ENDPOINTS = 5

FILL = f"""
INSERT INTO zones (id, cloudflare_zone_id, api_token, cname_target, fallback_origin, created_at,
  updated_at) VALUES ('z', 'z', '', 't', 'o', now(), now());
INSERT INTO webhook_endpoints (id, url, event_types, secret, created_at)
  SELECT 'e' || e, 'https://hook.shop.com', '{{}}', '', now()
  FROM generate_series(1, {ENDPOINTS}) e;
INSERT INTO events (id, zone_id, sequence, type, after, reason, body, created_at)
  SELECT 'v' || n, 'z', n, 'zone.paused', 'paused', 'operator', '{{}}', now()
  FROM generate_series(1, {EACH}) n;
INSERT INTO deliveries (id, event_id, endpoint_id, status, next_attempt_at, created_at)
  SELECT 'd' || e || n, 'v' || n, 'e' || e, 'pending', now() - interval '1 hour' * n, now()
  FROM generate_series(1, {EACH}) n, generate_series(1, {ENDPOINTS}) e;
"""  # noqa: S608


def first(count: int) -> Choose:
    """Take those that are due longest."""
    return lambda due: [each.id for each in due[:count]]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give some endpoints with some deliveries each that are due."""
    async with open_database(database_url) as database:
        async with database.pool.acquire() as connection:
            await connection.execute(FILL)
        yield database


async def test_a_claim_locks_what_it_takes_and_nothing_else(database: Database) -> None:
    async with database.transaction() as tx:
        claimed = await claim_deliveries(tx, first(3), limit=3, per_endpoint=4, besides=[])
        async with database.transaction() as beside:
            free = text("SELECT count(*) FROM (SELECT FROM deliveries FOR UPDATE SKIP LOCKED) f")
            assert await beside.scalar(free) == EACH * ENDPOINTS - len(claimed)
    assert len(claimed) == 3


async def test_an_endpoint_in_arrears_is_given_no_more_than_its_part(database: Database) -> None:
    async with database.transaction() as tx:
        claimed = await claim_deliveries(tx, first(50), limit=50, per_endpoint=4, besides=["e1"])
    assert Counter(each.endpoint_id for each in claimed) == dict.fromkeys(
        ("e2", "e3", "e4", "e5"), 4
    )


async def test_two_senders_at_once_take_different_deliveries(database: Database) -> None:
    async with database.transaction() as one, database.transaction() as other:
        mine = await claim_deliveries(one, first(5), limit=5, per_endpoint=4, besides=[])
        yours = await claim_deliveries(other, first(5), limit=5, per_endpoint=4, besides=[])
    assert len({each.id for each in (*mine, *yours)}) == 10


async def test_a_long_queue_of_one_endpoint_comes_after_the_first_of_every_other(
    database: Database,
) -> None:
    async with database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE deliveries SET next_attempt_at = now() - interval '2 days' "
            "WHERE endpoint_id IN ('e1', 'e2')"
        )
    async with database.transaction() as tx:
        claimed = await claim_deliveries(tx, first(5), limit=1, per_endpoint=4, besides=[])
    assert Counter(each.endpoint_id for each in claimed) == Counter(["e1", "e2", "e3", "e4", "e5"])


async def test_endpoints_at_their_rate_limit_leave_their_turn_to_others(
    database: Database,
) -> None:
    async with database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE webhook_endpoints SET rate_limit = 1, "
            "paced_until = now() + interval '1 second' WHERE id <> 'e5'"
        )
    async with database.transaction() as tx:
        claimed = await claim_deliveries(tx, first(9), limit=1, per_endpoint=4, besides=[])
    assert {each.endpoint_id for each in claimed} == {"e5"}


async def test_endpoints_that_fail_come_last(database: Database) -> None:
    async with database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE webhook_endpoints SET failing_since = now() WHERE id <> 'e3'"
        )
    async with database.transaction() as tx:
        claimed = await claim_deliveries(tx, first(4), limit=4, per_endpoint=4, besides=[])
    assert {each.endpoint_id for each in claimed} == {"e3"}
