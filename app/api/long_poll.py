"""`?wait=` of the fast-path read: hold the answer back until the hostname changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

from starlette.types import Receive

from app.api.concurrency_limit import ConcurrencyLimit
from app.api.fast_path_http import read_parameter
from app.domain.errors import ErrorCode, InvalidInput, NameplateError

MOST_SECONDS = 60
MOST_WAITING = 100
"""How many requests of one process may wait at a time. Each of them reads twice a second."""
MOST_WAITING_OF_A_KEY = 20
"""As many hostnames as one backend follows at a time. Five keys fill a process, not one."""
READ_SECONDS = 0.5
T = TypeVar("T")


class TooManyWaiting(NameplateError):
    """As many requests wait as may, in this process or of this key. `retry_after` is in seconds."""

    code = ErrorCode.TOO_MANY_WAITING
    retry_after: ClassVar[int] = 5


def seconds_to_wait(query: bytes) -> int:
    """Read the query of the fast-path read.

    Raises:
        InvalidInput: `wait` is not a number of seconds, or there is another parameter.
    """
    wait = read_parameter(query, "wait")
    if wait is None:
        return 0
    if not (wait.isascii() and wait.isdigit() and len(wait) <= 2 and int(wait) <= MOST_SECONDS):  # noqa: PLR2004
        raise InvalidInput(
            f"`wait` must be a whole number of seconds from 0 to {MOST_SECONDS}.",
            code=ErrorCode.INVALID_REQUEST,
            parameter="wait",
        )
    return int(wait)


class LongPolls:
    """The requests of one process that wait for a change."""

    def __init__(self) -> None:
        self._limit = ConcurrencyLimit(
            MOST_WAITING, MOST_WAITING_OF_A_KEY, "waiting requests", TooManyWaiting
        )

    async def until(
        self,
        key_id: str,
        is_changed: Callable[[T], bool],
        read: Callable[[], Awaitable[T]],
        seconds: int,
        receive: Receive,
    ) -> T:
        """Read until the row is changed, the time is over, or the caller has gone.

        Gives the row that was read last.

        Raises:
            TooManyWaiting: this process, or this API key in it, holds as many requests as it may.
        """
        with self._limit.taken(key_id):
            gone = asyncio.create_task(_until_disconnected(receive))
            try:
                ends = asyncio.get_running_loop().time() + seconds
                while True:
                    row = await read()
                    left = ends - asyncio.get_running_loop().time()
                    if is_changed(row) or left <= 0 or gone.done():
                        return row
                    await asyncio.wait({gone}, timeout=min(READ_SECONDS, left))
            finally:
                gone.cancel()


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
