"""Run a request with an Idempotency-Key once, and give its repetitions the same answer.

A request is noted in the transaction that accepts it, so a crash leaves either both or neither. Its
answer is rebuilt from the resource. The answer that holds a secret is stored, encrypted. Refusals
are not stored. A request that is cut, because its time is over or its process stops, leaves its key
to repetitions at once; a killed process leaves it when the lease is over.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from app.domain.errors import (
    Conflict,
    DatabaseUnavailable,
    ErrorCode,
    InvalidInput,
    NameplateError,
)
from app.persistence import idempotency as store
from app.persistence.database import Connection, Database
from app.persistence.idempotency import Call
from app.services.ports import Cipher

HEADER = "Idempotency-Key"
END_SECONDS = 2.0
"""How long an answer waits until its key is free for repetitions. Nearly always this is moments."""


class KeyInUse(Conflict):
    """The first request with this key still runs. `retry_after` is in seconds."""

    code = ErrorCode.IDEMPOTENCY_KEY_IN_USE
    retry_after: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is still running; try again soon.")


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer, as JSON."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    is_replayed: bool = False


Accept = Callable[[Connection, str, Answer | None], Awaitable[None]]
"""Note the request in the transaction that accepts it: with the id of the resource, and with the
answer if the resource alone does not tell it."""
Rebuild = Callable[[str, int], Awaitable[Answer]]
"""Make the answer of this status from the resource with this id."""


async def accept_without_key(_tx: Connection, _id: str, _answer: Answer | None = None) -> None:
    """Accept a request that has no key."""


class Idempotency:
    """Knows the requests of the last day that had a key."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher
        self._running: dict[tuple[str, ...], bytes] = {}
        self._endings: set[asyncio.Task[None]] = set()
        """The event loop keeps no task alive."""

    async def accepting(
        self,
        call: Call | None,
        status: int,
        handle: Callable[[Accept], Awaitable[Answer]],
        rebuild: Rebuild | None = None,
    ) -> Answer:
        """Run `handle`, which notes the request in the transaction that accepts it.

        Raises:
            InvalidInput: the key was used for another body.
            KeyInUse: the first request with it still runs.
        """
        if call is None:
            return await handle(accept_without_key)
        known = await self._answer_of(call, rebuild)
        if known is not None:
            return known
        with self._alone(call):
            return await self._accept(call, status, handle, rebuild)

    async def _accept(
        self,
        call: Call,
        status: int,
        handle: Callable[[Accept], Awaitable[Answer]],
        rebuild: Rebuild | None,
    ) -> Answer:
        lease: datetime | None = None

        async def accept(tx: Connection, resource_id: str, answer: Answer | None = None) -> None:
            nonlocal lease
            sealed = self._sealed(answer) if answer else None
            lease = await store.begin(
                tx, call, status=status, resource_id=resource_id, answer=sealed
            )
            if lease is None:
                raise KeyInUse

        try:
            answer = await handle(accept)
        except NameplateError:
            # Perhaps a request with this very key was faster, and is why this one was refused.
            known = await self._answer_of(call, rebuild)
            if known is not None:
                return known
            raise
        finally:
            if lease is not None:
                # Also if the request is cut. If it was not accepted, this changes nothing.
                await self._to_its_end(self._end(call, lease))
        if lease is not None:
            return answer
        # Nothing had to be done: it exists already, perhaps by a request with this very key.
        known = await self._answer_of(call, rebuild)
        if known is not None:
            return known
        try:
            async with self._database.transaction() as tx:
                lease = await store.begin(
                    tx, call, status=answer.status, resource_id=str(answer.body["id"])
                )
        finally:
            if lease is not None:
                await self._to_its_end(self._end(call, lease))
        return answer

    async def claiming(self, call: Call | None, handle: Callable[[], Awaitable[Answer]]) -> Answer:
        """Note the request, run `handle`, and store its answer.

        If the process dies meanwhile, a retry runs it again: twice must be as good as once.

        Raises:
            InvalidInput: the key was used for another body.
            KeyInUse: the first request with it still runs.
        """
        if call is None:
            return await handle()
        known = await self._answer_of(call, None)
        if known is not None:
            return known
        with self._alone(call):
            return await self._claim(call, handle)

    async def _claim(self, call: Call, handle: Callable[[], Awaitable[Answer]]) -> Answer:
        async with self._database.transaction() as tx:
            lease = await store.begin(tx, call)
        if lease is None:
            raise KeyInUse
        try:
            answer = await handle()
        except BaseException:
            # Also if the request is cut: a repetition runs it again.
            await self._to_its_end(self._forget(call, lease))
            raise
        await self._to_its_end(self._end(call, lease, answer))
        return answer

    @contextmanager
    def _alone(self, call: Call) -> Iterator[None]:
        """Let one request of a key run in this process.

        The database keeps those of other processes apart. Within one, repetitions that come all at
        once would each hold a connection, only to wait for the first.

        Raises:
            InvalidInput: the key is used for another body.
            KeyInUse: the first request with it still runs.
        """
        name = (call.api_key_id, call.key, call.method, call.path)
        running = self._running.get(name)
        if running is not None:
            _refuse_other_body(call, running)
            raise KeyInUse
        self._running[name] = call.body_hash
        try:
            yield
        finally:
            del self._running[name]

    async def _end(self, call: Call, lease: datetime, answer: Answer | None = None) -> None:
        """Let repetitions have the answer at once, and not only when the lease is over."""
        status, sealed = (answer.status, self._sealed(answer)) if answer else (None, None)
        with suppress(DatabaseUnavailable):
            async with self._database.transaction() as tx:
                await store.finish(tx, call, lease, status=status, answer=sealed)

    async def _forget(self, call: Call, lease: datetime) -> None:
        """Let a repetition run the request again."""
        with suppress(DatabaseUnavailable):
            async with self._database.transaction() as tx:
                await store.forget(tx, call, lease)

    async def _to_its_end(self, ending: Coroutine[Any, Any, None]) -> None:
        """Run what ends a lease, to its end also if the request is cut meanwhile.

        A request that was cut has been answered late enough, so it is not waited for without end.
        """
        task = asyncio.create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        done, _ = await asyncio.wait({task}, timeout=END_SECONDS)
        for each in done:
            each.result()

    async def _answer_of(self, call: Call, rebuild: Rebuild | None) -> Answer | None:
        async with self._database.transaction() as tx:
            request = await store.find(tx, call)
        if request is None:
            return None
        _refuse_other_body(call, request.body_hash)
        if request.is_running:
            raise KeyInUse
        if request.answer is not None:
            return self._opened(request.answer)
        if request.status is None or request.resource_id is None or rebuild is None:
            return None
        return replace(await rebuild(request.resource_id, request.status), is_replayed=True)

    def _sealed(self, answer: Answer) -> bytes:
        parts = [answer.status, answer.body, dict(answer.headers)]
        return self._cipher.encrypt(json.dumps(parts))

    def _opened(self, sealed: bytes) -> Answer:
        status, body, headers = json.loads(self._cipher.decrypt(sealed))
        return Answer(status, body, headers, is_replayed=True)


def _refuse_other_body(call: Call, body_hash: bytes) -> None:
    if body_hash != call.body_hash:
        raise InvalidInput(
            "This Idempotency-Key was used with another body; use a new key.",
            code=ErrorCode.IDEMPOTENCY_KEY_REUSED,
            parameter=HEADER,
        )
