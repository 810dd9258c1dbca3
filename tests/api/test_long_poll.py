"""`?wait=` on the read of one hostname: the answer comes with the change."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from starlette.types import Message

from app.api.long_poll import (
    MOST_WAITING,
    MOST_WAITING_OF_A_KEY,
    LongPolls,
    TooManyWaiting,
    seconds_to_wait,
)
from app.domain.errors import InvalidInput
from app.persistence.database import open_database
from app.services.api_keys import ApiKeys
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/custom-hostnames"


async def wait_for(
    service: Service, hostname_id: str, seconds: int, etag: str | None = None
) -> tuple[httpx.Response, float]:
    headers = {"If-None-Match": etag} if etag else {}
    began = time.monotonic()
    response = await service.http.get(
        f"{PATH}/{hostname_id}?wait={seconds}", headers=headers, timeout=30
    )
    return response, time.monotonic() - began


async def test_an_answer_comes_with_the_change(shared_service: Service) -> None:
    hostname = await shared_service.put_still("wait.green-tea.com", "green")
    waiting = asyncio.create_task(wait_for(shared_service, hostname["id"], 30))
    await asyncio.sleep(0.7)
    assert not waiting.done()
    path = f"{PATH}/{hostname['id']}"
    await shared_service.http.patch(path, json={"metadata": {"shop": 7}})
    response, seconds = await waiting
    assert response.status_code == 200
    assert response.json()["metadata"] == {"shop": 7}
    assert 0.7 < seconds < 20


async def test_without_a_change_the_answer_comes_after_the_wait(shared_service: Service) -> None:
    hostname = await shared_service.put_still("still.green-tea.com", "green")
    etag = (await shared_service.http.get(f"{PATH}/{hostname['id']}")).headers["etag"]
    response, seconds = await wait_for(shared_service, hostname["id"], 1)
    assert (response.status_code, response.headers["etag"]) == (200, etag)
    assert seconds >= 1
    response, seconds = await wait_for(shared_service, hostname["id"], 1, etag)
    assert response.status_code == 304
    assert seconds >= 1


async def test_a_change_that_the_caller_missed_is_answered_at_once(shared_service: Service) -> None:
    hostname = await shared_service.create("missed.green-tea.com", "green")
    response, seconds = await wait_for(shared_service, hostname["id"], 30, '"0.0.0"')
    assert response.status_code == 200
    assert seconds < 10


async def test_a_hostname_that_does_not_exist_is_not_waited_for(shared_service: Service) -> None:
    response, seconds = await wait_for(shared_service, "ch_unknown", 30)
    assert response.status_code == 404
    assert seconds < 10


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("wait=-1", "invalid_request"),
        ("wait=61", "invalid_request"),
        ("wait=1.5", "invalid_request"),
        ("wait=", "invalid_request"),
        ("wait=\u0661", "invalid_request"),
        ("wait=1&wait=2", "query_unknown"),
        ("wati=1", "query_unknown"),
    ],
)
async def test_a_query_that_cannot_be_meant_is_refused(
    shared_service: Service, query: str, code: str
) -> None:
    response = await shared_service.http.get(f"{PATH}/ch_unknown?{query}")
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert response.json()["errors"][0]["parameter"] in {"wait", "wati"}


@pytest.mark.parametrize(("query", "seconds"), [(b"wait=0", 0), (b"wait=60", 60), (b"", 0)])
async def test_a_wait_is_a_number_of_seconds(query: bytes, seconds: int) -> None:
    assert seconds_to_wait(query) == seconds


async def test_a_query_that_is_not_ascii_is_refused() -> None:
    with pytest.raises(InvalidInput):
        seconds_to_wait(b"wait=\xb2")


async def test_a_process_holds_a_hundred_requests_and_refuses_the_next() -> None:
    polls, holding = LongPolls(), set[int]()

    async def hold(number: int) -> None:
        async def read() -> None:
            holding.add(number)

        key_id = f"key_{number // MOST_WAITING_OF_A_KEY}"
        await polls.until(key_id, lambda _: False, read, 60, stay)

    async def stay() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def refused() -> None:
        raise AssertionError("a request that is refused reads nothing")

    async def read_at_last() -> str:
        return "read"

    held = [asyncio.create_task(hold(number)) for number in range(MOST_WAITING)]
    async with asyncio.timeout(20):
        while len(holding) < MOST_WAITING:
            await asyncio.sleep(0.01)
    with pytest.raises(TooManyWaiting, match="100 waiting requests are open"):
        await polls.until("key_x", lambda _: True, refused, 60, stay)
    held[0].cancel()
    await asyncio.gather(held[0], return_exceptions=True)
    assert await polls.until("key_x", lambda _: True, read_at_last, 60, stay) == "read"
    for each in held:
        each.cancel()
    await asyncio.gather(*held, return_exceptions=True)


async def test_one_key_has_twenty_waiting_requests_and_leaves_the_rest_to_others(
    shared_service: Service,
) -> None:
    hostname = await shared_service.put_still("crowd.green-tea.com", "green")
    async with open_database(shared_service.stack.database_url) as database:
        _, secret = await ApiKeys(database).create(name="crowd", scope="read", tenant="green")
    url = f"{PATH}/{hostname['id']}?wait=60"
    bearer = {"Authorization": f"Bearer {secret}"}
    held = [
        asyncio.create_task(shared_service.http.get(url, headers=bearer, timeout=60))
        for _ in range(MOST_WAITING_OF_A_KEY + 1)
    ]
    async with asyncio.timeout(30):
        await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED)
    (refused,) = [each.result() for each in held if each.done()]
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_waiting")
    assert "of this API key" in refused.json()["detail"]
    other, _ = await wait_for(shared_service, hostname["id"], 1)
    assert other.status_code == 200
    for each in held:
        each.cancel()
    await asyncio.gather(*held, return_exceptions=True)


async def test_a_caller_that_has_gone_is_waited_for_no_longer() -> None:
    polls, messages = LongPolls(), iter(["http.request", "http.disconnect"])

    async def leave() -> Message:
        return {"type": next(messages)}

    async def read() -> str:
        return "as it was"

    async with asyncio.timeout(5):
        assert await polls.until("key_1", lambda _: False, read, 60, leave) == "as it was"


async def test_a_key_that_is_revoked_meanwhile_is_told_so(shared_service: Service) -> None:
    hostname = await shared_service.put_still("revoked.green-tea.com", "green")
    async with open_database(shared_service.stack.database_url) as database:
        key, secret = await ApiKeys(database).create(name="waiting", scope="read")
    waiting = asyncio.create_task(
        shared_service.http.get(
            f"{PATH}/{hostname['id']}?wait=60",
            headers={"Authorization": f"Bearer {secret}"},
            timeout=60,
        )
    )
    await asyncio.sleep(0.5)
    await shared_service.sql.execute("UPDATE api_keys SET revoked_at = now() WHERE id = $1", key.id)
    async with asyncio.timeout(20):
        assert (await waiting).status_code == 401
