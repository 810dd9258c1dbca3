"""How long requests may take, how long their bodies, and how many may be in progress.

A timer for each request would cost three per cent of the fast-path read. So one timer looks for
late requests, once a second, while there are any in progress.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Scope

from app.domain.errors import ErrorCode

RATE_FIELDS = "nameplate.rate_fields"
"""Where a request's scope has the header fields that tell its API key what is left to it."""
WAIT_SECONDS = "nameplate.wait_seconds"
"""Where a request's scope says how many seconds it waits for a change."""
APART = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths that are answered however many requests are in progress."""
EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What one process allows. By default it limits nothing."""

    seconds: float = math.inf
    """How long a request may take. One that waits for a change may take so much longer."""
    body_seconds: float = math.inf
    """Within how many seconds from its head a request's body must have arrived."""
    at_once: float = math.inf
    """How many requests may be in progress. `APART`, and those that wait, do not count."""


NO_LIMITS = RequestLimits()


class Timed:
    """A request in progress, as far as its limits are concerned."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.task = asyncio.current_task()
        self.began = 0.0
        self.is_reading = False
        """Whether it waits for its body."""
        self.cut: ErrorCode | None = None
        """Why it was ended."""
        self.counts = scope["path"] not in APART
        """Whether it counts as one of those in progress, as far as is known."""


class UnderWay:
    """The requests in progress."""

    def __init__(
        self, limits: RequestLimits, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._every = min(EVERY_SECONDS, limits.seconds / 4, limits.body_seconds / 4)
        self._requests: set[Timed] = set()
        self._counted = 0
        """How many of them count: those that wait count until they are looked at."""
        self._timer: asyncio.TimerHandle | None = None

    def is_full_for(self, path: str) -> bool:
        """Whether no further request for this path may begin now."""
        most = self._limits.at_once
        if self._counted < most or path in APART:
            return False
        # Rare, so that those that wait are looked for only now.
        for each in self._requests:
            self._leave_out_waiting(each)
        return self._counted >= most

    def add(self, request: Timed) -> None:
        """Note that the request begins."""
        request.began = self._clock()
        self._requests.add(request)
        self._counted += request.counts
        if self._timer is None:
            self._arm()

    def remove(self, request: Timed) -> None:
        """Note that the request has ended."""
        self._requests.discard(request)
        self._counted -= request.counts

    def cut_late(self) -> None:
        """End the requests whose time is over: each finds in `cut` why it is cancelled."""
        now = self._clock()
        for each in self._requests:
            self._leave_out_waiting(each)
            if each.cut is not None or each.task is None:
                continue
            age = now - each.began
            if each.is_reading and age > self._limits.body_seconds:
                each.cut = ErrorCode.BODY_TOO_SLOW
            elif age > self._limits.seconds + each.scope.get(WAIT_SECONDS, 0):
                each.cut = ErrorCode.REQUEST_TIMED_OUT
            else:
                continue
            each.task.cancel()

    def _leave_out_waiting(self, request: Timed) -> None:
        if request.counts and WAIT_SECONDS in request.scope:
            request.counts = False
            self._counted -= 1

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._every, self._look)

    def _look(self) -> None:
        self._timer = None
        self.cut_late()
        if self._requests:
            self._arm()
