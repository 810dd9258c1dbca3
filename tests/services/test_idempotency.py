"""What becomes of an Idempotency-Key whose request was ended from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from cryptography.fernet import Fernet

from app.adapters.cipher import Cipher
from app.persistence.database import Database
from app.persistence.idempotency import Call
from app.services.idempotency import Accept, Answer, Idempotency, KeyInUse

CALL = Call("key_1", "a", "POST", "/v1/custom-hostnames", b"hash")


class Requests:
    """The requests with one key. Each comes as far as it does and then hangs."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self.idempotency = Idempotency(database, cipher)
        self.handled = 0

    async def end_in(self, handle: Callable[[asyncio.Event], Awaitable[Answer]]) -> None:
        """Begin a request, and cancel it where it hangs."""
        hangs = asyncio.Event()
        request = asyncio.ensure_future(handle(hangs))
        async with asyncio.timeout(20):
            await hangs.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

    def accepting(self, hangs: asyncio.Event | None = None, *, commits: bool) -> Awaitable[Answer]:
        async def handle(accept: Accept) -> Answer:
            self.handled += 1
            async with self._database.transaction() as tx:
                await accept(tx, "ch_1", None)
                if not commits:
                    await _hang(hangs)
            await _hang(hangs)
            return Answer(201, {"id": "ch_1"})

        return self.idempotency.accepting(CALL, 201, handle, _rebuild)

    def claiming(self, hangs: asyncio.Event | None = None) -> Awaitable[Answer]:
        async def handle() -> Answer:
            self.handled += 1
            await _hang(hangs)
            return Answer(200, {"ready": True})

        return self.idempotency.claiming(CALL, handle)


async def _hang(hangs: asyncio.Event | None) -> None:
    if hangs is not None:
        hangs.set()
        await asyncio.Event().wait()


async def _rebuild(resource_id: str, status: int) -> Answer:
    return Answer(status, {"id": resource_id})


@pytest.fixture
def requests(database: Database) -> Requests:
    return Requests(database, Cipher([Fernet.generate_key().decode()]))


async def test_what_was_accepted_before_its_request_was_ended_has_its_answer_at_once(
    requests: Requests,
) -> None:
    await requests.end_in(lambda hangs: requests.accepting(hangs, commits=True))
    again = await requests.accepting(commits=True)
    assert (again.status, again.body, again.is_replayed) == (201, {"id": "ch_1"}, True)
    assert requests.handled == 1


async def test_what_was_rolled_back_when_its_request_was_ended_is_done_at_once(
    requests: Requests,
) -> None:
    await requests.end_in(lambda hangs: requests.accepting(hangs, commits=False))
    again = await requests.accepting(commits=True)
    assert (again.status, again.is_replayed) == (201, False)
    assert requests.handled == 2


async def test_a_request_that_claimed_its_key_and_was_ended_is_run_again_at_once(
    requests: Requests,
) -> None:
    await requests.end_in(requests.claiming)
    again = await requests.claiming()
    assert (again.body, again.is_replayed) == ({"ready": True}, False)
    assert requests.handled == 2


async def test_a_key_stays_with_its_request_until_that_is_ended(requests: Requests) -> None:
    hangs = asyncio.Event()
    running = asyncio.ensure_future(requests.accepting(hangs, commits=True))
    await hangs.wait()
    with pytest.raises(KeyInUse):
        await requests.accepting(commits=True)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
