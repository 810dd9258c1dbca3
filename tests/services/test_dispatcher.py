"""Who is claimed: each zone its part, and what is leased is never forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import cast

import pytest

from app.domain.custom_hostname import Schedule
from app.domain.rate_limit import Limits
from app.domain.zone import Zone
from app.persistence.database import Connection, Database
from app.persistence.leases import Claim, wake
from app.services.call_queue import CallQueue
from app.services.dispatcher import Dispatcher
from app.services.rate_limiter import RateLimiter
from tests.support.rows import now_of, present_zone, put_hostname, put_zone


@pytest.fixture
async def zones(database: Database) -> list[Zone]:
    """Give two zones, in the order in which they are claimed in."""
    both = [await present_zone(database), await put_zone(database, "1" * 32)]
    return sorted(both, key=lambda zone: zone.id)


async def fill(database: Database, zones: Sequence[Zone], number: int, count: int) -> list[str]:
    """Add names to a zone whose DNS is due to be looked at."""
    due = Schedule(dns_due_at=await now_of(database) - timedelta(minutes=1))
    ids = [f"ch_{number}_{each}" for each in range(count)]
    for each in ids:
        name = f"{each.replace('_', '-')}.shop.com"
        await put_hostname(database, zones[number], each, name, due)
    return ids


def claims_of(database: Database, queue: CallQueue | None = None) -> Dispatcher:
    rate_limiter = RateLimiter(database, Limits())
    return Dispatcher(database, rate_limiter, queue or CallQueue(database, rate_limiter))


def by_zone(claims: Sequence[Claim]) -> Counter[str]:
    return Counter(claim.custom_hostname_id.split("_")[1] for claim in claims)


async def test_a_zone_in_arrears_leaves_the_others_their_part(
    database: Database, zones: list[Zone]
) -> None:
    await fill(database, zones, 0, 40)
    await fill(database, zones, 1, 40)
    claims = claims_of(database)
    assert by_zone(await claims.due(10)) == {"0": 5, "1": 5}
    assert by_zone(await claims.due(1)) == {"1": 1}
    assert by_zone(await claims.due(1)) == {"0": 1}


@pytest.mark.parametrize("hungry", [0, 1])
async def test_what_one_zone_leaves_goes_to_the_other(
    database: Database, zones: list[Zone], hungry: int
) -> None:
    await fill(database, zones, hungry, 40)
    await fill(database, zones, 1 - hungry, 2)
    claims = claims_of(database)
    assert by_zone(await claims.due(10)) == {str(hungry): 8, str(1 - hungry): 2}


class Faulty:
    """Queues in which somebody waits, and that cannot be asked for turns."""

    async def are_waited_for(self, tx: Connection, name: str) -> bool:
        return tx is not None and name != ""

    async def serve(
        self,
        tx: Connection,
        name: str,
        zone: str,
        *,
        limit: int,
    ) -> list[Claim]:
        raise RuntimeError(f"no turns of {name}, {zone}, {limit}, {tx}")


async def test_what_was_claimed_before_a_step_fails_is_worked_on(
    database: Database, zones: list[Zone]
) -> None:
    woken, *_ = await fill(database, zones, 0, 3)
    faulty = cast("CallQueue", Faulty())
    with pytest.raises(RuntimeError):
        await claims_of(database, faulty).due(10)
    async with database.transaction() as tx:
        await wake(tx, woken)
    assert [claim.custom_hostname_id for claim in await claims_of(database, faulty).due(10)] == [
        woken
    ]


async def test_what_is_given_back_may_be_claimed_at_once(
    database: Database, zones: list[Zone]
) -> None:
    await fill(database, zones, 0, 3)
    claims = claims_of(database)
    some = await claims.due(10)
    assert await claims.due(10) == []
    await claims.release_claims(some)
    assert len(await claims.due(10)) == len(some) == 3
