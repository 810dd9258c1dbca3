"""Who is claimed: each zone its part, and what is leased is never forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest

from app.domain.budget import Limits
from app.domain.custom_hostname import CustomHostname, Plan, Watch, ZoneTargets
from app.domain.hostname import Hostname
from app.persistence.clock import read_now
from app.persistence.custom_hostnames import insert_hostname
from app.persistence.database import Connection, Database, open_database
from app.persistence.watches import Claim, wake
from app.persistence.zones import list_zones, put_default_zone
from app.services.budgets import Budgets
from app.services.claims import Claims


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give two zones."""
    async with open_database(database_url) as database:
        for digit in "01":
            async with database.transaction() as tx:
                await put_default_zone(
                    tx,
                    cloudflare_zone_id=digit * 32,
                    api_token=b"token",
                    cname_target="customers.provider.net",
                    fallback_origin="fallback.provider.net",
                    budget="default",
                )
        yield database


async def fill(database: Database, zone_number: int, count: int) -> list[str]:
    """Add names to a zone whose DNS is due to be looked at."""
    ids = [f"ch_{zone_number}_{number}" for number in range(count)]
    async with database.transaction() as tx:
        zones = sorted(await list_zones(tx), key=lambda zone: zone.id)
        zone, now = zones[zone_number], await read_now(tx)
        for record_id in ids:
            record = CustomHostname(
                id=record_id,
                hostname=Hostname(f"{record_id.replace('_', '-')}.shop.com"),
                tenant="tenant",
                zone=ZoneTargets(id=zone.id, cname_target=zone.cname_target),
                plan=Plan.SIMPLE,
                watch=Watch(dns_due_at=now - timedelta(minutes=1)),
                created_at=now,
                updated_at=now,
                wanted_at=now,
                acted_at=now,
            )
            await insert_hostname(tx, record, lease_seconds=0)
    return ids


def by_zone(claims: Sequence[Claim]) -> Counter[str]:
    return Counter(claim.custom_hostname_id.split("_")[1] for claim in claims)


async def test_a_zone_in_arrears_leaves_the_others_their_part(database: Database) -> None:
    await fill(database, 0, 40)
    await fill(database, 1, 40)
    claims = Claims(database, Budgets(database, Limits()))
    assert by_zone(await claims.due(10)) == {"0": 5, "1": 5}
    assert by_zone(await claims.due(1)) == {"1": 1}
    assert by_zone(await claims.due(1)) == {"0": 1}


@pytest.mark.parametrize("hungry", [0, 1])
async def test_what_one_zone_leaves_goes_to_the_other(database: Database, hungry: int) -> None:
    await fill(database, hungry, 40)
    await fill(database, 1 - hungry, 2)
    claims = Claims(database, Budgets(database, Limits()))
    assert by_zone(await claims.due(10)) == {str(hungry): 8, str(1 - hungry): 2}


class Faulty:
    """Budgets in which somebody waits, and that cannot be asked for turns."""

    async def has_turns(self, tx: Connection, name: str) -> bool:
        return tx is not None and name != ""

    async def serve(
        self,
        tx: Connection,
        name: str,
        zones: Sequence[str],
        *,
        limit: int,
    ) -> list[Claim]:
        raise RuntimeError(f"no turns of {name}, {zones}, {limit}, {tx}")


async def test_what_was_claimed_before_a_step_fails_is_worked_on(database: Database) -> None:
    woken, *_ = await fill(database, 0, 3)
    faulty = cast("Any", Faulty())
    with pytest.raises(RuntimeError):
        await Claims(database, faulty).due(10)
    async with database.transaction() as tx:
        await wake(tx, woken)
    assert [claim.custom_hostname_id for claim in await Claims(database, faulty).due(10)] == [woken]


async def test_what_is_given_back_may_be_claimed_at_once(database: Database) -> None:
    await fill(database, 0, 3)
    claims = Claims(database, Budgets(database, Limits()))
    some = await claims.due(10)
    assert await claims.due(10) == []
    await claims.give_back(some)
    assert len(await claims.due(10)) == len(some) == 3
