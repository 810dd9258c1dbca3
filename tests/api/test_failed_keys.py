"""Keys tried at random: refused soon, without a query, and at nobody else's cost."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from app.domain.errors import DatabaseUnavailable
from app.persistence.database import UNAVAILABLE, Database
from app.services.api_keys import (
    FAILURE_SECONDS,
    FAILURES,
    MOST_REMEMBERED,
    REMEMBER_SECONDS,
    ApiKeys,
    TooManyFailedKeys,
)
from tests.support import Service


class Watched:
    """Keys over a database whose queries are counted, and a clock that is moved."""

    def __init__(self, database: Database) -> None:
        self.now = 0.0
        self.queries = 0
        self.is_down = False
        self._database = database
        self.keys = ApiKeys(cast("Database", self), clock=lambda: self.now)

    async def fetch_row(self, *arguments: Any) -> object:
        self.queries += 1
        if self.is_down:
            raise DatabaseUnavailable(UNAVAILABLE)
        return await self._database.fetch_row(*arguments)

    async def made(self) -> str:
        _, secret = await ApiKeys(self._database).create(name="test", scope="read")
        return secret

    async def try_keys(self, address: str, count: int = FAILURES) -> None:
        for number in range(count):
            assert await self.keys.find(f"np_{address}_{number}", address=address) is None


@pytest.fixture
async def watched(database: Database) -> Watched:
    return Watched(database)


async def test_an_address_that_tries_many_keys_is_refused_without_a_query(
    watched: Watched,
) -> None:
    await watched.try_keys("a")
    assert watched.queries == FAILURES
    with pytest.raises(TooManyFailedKeys) as refused:
        await watched.keys.find("np_another", address="a")
    assert refused.value.retry_after == FAILURE_SECONDS
    assert watched.queries == FAILURES
    assert await watched.keys.find("np_another", address="b") is None
    watched.now = FAILURE_SECONDS + 1
    assert await watched.keys.find("np_another", address="a") is None


async def test_a_key_that_was_good_works_on_where_its_address_is_refused(
    watched: Watched,
) -> None:
    good = await watched.made()
    assert await watched.keys.find(good, address="a") is not None
    await watched.try_keys("a")
    for watched.now in (0.0, REMEMBER_SECONDS + 1):
        assert await watched.keys.find(good, address="a") is not None


async def test_one_wrong_key_is_told_so_for_as_long_as_it_is_sent(watched: Watched) -> None:
    for number in range(1_000):
        watched.now = number * FAILURE_SECONDS / 1_000
        assert await watched.keys.find("np_mistyped", address="a") is None
    assert watched.queries <= FAILURE_SECONDS / REMEMBER_SECONDS


async def test_unknown_keys_take_the_place_of_no_good_one_and_little_memory(
    watched: Watched,
) -> None:
    good = await watched.made()
    await watched.keys.find(good, address="a")
    for number in range(MOST_REMEMBERED + 10):
        await watched.keys.find(f"np_{number}", address=str(number))
    assert len(watched.keys._unknown) == len(watched.keys._failures) == MOST_REMEMBERED
    before = watched.queries
    assert await watched.keys.find(good, address="a") is not None
    assert watched.queries == before


async def test_too_many_wrong_keys_are_a_429_that_says_when_to_come_again(
    service: Service,
) -> None:
    assert (await service.http.get("/v1/zones")).status_code == 200
    for number in range(FAILURES + 1):
        path = "/v1/zones" if number % 2 else "/v1/custom-hostnames/x"
        answer = await service.http.get(path, headers={"Authorization": f"Bearer np_{number}"})
        assert answer.status_code == (401 if number < FAILURES else 429)
    assert answer.json()["code"] == "too_many_failed_keys"
    assert 0 < int(answer.headers["retry-after"]) <= FAILURE_SECONDS
    # The service's own key was seen to be good.
    assert (await service.http.get("/v1/zones")).status_code == 200


async def test_many_requests_with_one_good_key_at_once_are_no_failures(watched: Watched) -> None:
    good = await watched.made()
    found = await asyncio.gather(
        *(watched.keys.find(good, address="a") for _ in range(5 * FAILURES))
    )
    assert all(found)
    await watched.try_keys("a", FAILURES - 1)


async def test_many_good_keys_at_once_from_one_address_all_work(watched: Watched) -> None:
    good = [await watched.made() for _ in range(2 * FAILURES)]
    found = await asyncio.gather(*(watched.keys.find(each, address="proxy") for each in good))
    assert all(found)
    await watched.try_keys("proxy", FAILURES - 1)


async def test_good_keys_wait_for_unknown_ones_and_are_refused_only_once_too_many_failed(
    watched: Watched,
) -> None:
    good = [await watched.made() for _ in range(3)]
    unknown = [f"np_{number}" for number in range(FAILURES - 1)]
    found = await asyncio.gather(
        *(watched.keys.find(each, address="proxy") for each in [*unknown, *good])
    )
    assert [each is not None for each in found] == [False] * len(unknown) + [True] * len(good)


async def test_a_look_up_that_the_database_did_not_answer_is_no_failure(watched: Watched) -> None:
    good = await watched.made()
    watched.is_down = True
    for number in range(2 * FAILURES):
        with pytest.raises(DatabaseUnavailable):
            await watched.keys.find(f"np_{number}", address="proxy")
    watched.is_down = False
    assert await watched.keys.find(good, address="proxy") is not None


async def test_many_unknown_keys_at_once_are_looked_up_no_more_often_than_one_by_one(
    watched: Watched,
) -> None:
    tried = (watched.keys.find(f"np_{n}", address="a") for n in range(10 * FAILURES))
    answers = await asyncio.gather(*tried, return_exceptions=True)
    assert watched.queries == FAILURES
    assert sum(isinstance(each, TooManyFailedKeys) for each in answers) == 9 * FAILURES


async def test_the_addresses_of_one_ipv6_network_count_together(watched: Watched) -> None:
    for number in range(FAILURES):
        assert await watched.keys.find(f"np_{number}", address=f"2620:fe::{number:x}") is None
    with pytest.raises(TooManyFailedKeys):
        await watched.keys.find("np_another", address="2620:fe::ffff:1")
    assert await watched.keys.find("np_another", address="2620:fe:0:1::1") is None
