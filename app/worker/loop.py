"""Claims due work, runs it side by side, waits for more, and stops cleanly when asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from app.metrics import CLAIMS_FAILED, WORK_FAILED, WORKER_TASKS
from app.tracing.spans import span

T = TypeVar("T")

POLL_SECONDS = 1.0
"""How often to poll without a wake-up: work that falls due by time alone sends none."""
DRAIN_SECONDS = 8.0
"""How long tasks in progress may take to end. With closing, a SIGTERM takes under ten seconds."""
TROUBLE_SECONDS = 1.0
ROUND_SECONDS = 0.25
"""The time between the starts of two rounds. Each round costs Postgres some queries, due or not."""
LAST_CLAIM_SECONDS = 1.0
"""How long a claim that a stop interrupts may take to end. Otherwise, what it leased would be stuck
for a minute."""
RELEASE_SECONDS = 0.5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[T]):
    """One kind of work: how to claim it, do it, and release it undone."""

    name: str
    claim: Callable[[int], Awaitable[Sequence[T]]]
    perform: Callable[[T], Awaitable[None]]
    round_seconds: float = ROUND_SECONDS
    """The time between the starts of two rounds of claims."""
    poll_seconds: float = POLL_SECONDS
    """How often to poll without a wake-up."""
    release_claims: Callable[[Sequence[T]], Awaitable[None]] | None = None


class Loop(Generic[T]):
    """Runs one kind of work with a bounded number of tasks."""

    def __init__(
        self,
        work: Work[T],
        *,
        concurrency: int,
        woken: asyncio.Event,
        stop: asyncio.Event,
        heartbeat: Callable[[], None] | None = None,
    ) -> None:
        self._work = work
        self._concurrency = concurrency
        self._woken = woken
        self._stop = stop
        self._heartbeat = heartbeat or _no_heartbeat
        self._running: set[asyncio.Task[None]] = set()
        self._began = -work.round_seconds
        self._was_full = False

    async def run(self) -> None:
        """Run until asked to stop, then drain."""
        stopping = asyncio.create_task(self._stop.wait())
        try:
            while not self._stop.is_set():
                await self._round(stopping)
        finally:
            stopping.cancel()
            await self._drain()

    async def _round(self, stopping: asyncio.Task[bool]) -> None:
        await self._pace(stopping)
        self._heartbeat()
        self._woken.clear()
        self._began = time.monotonic()
        try:
            wait = await self._start_due(stopping)
        except Exception as error:  # noqa: BLE001 - the loop outlives a database that restarts
            CLAIMS_FAILED.labels(self._work.name).inc()
            log.warning("claim_failed", work=self._work.name, error=_one_line(error))
            wait = TROUBLE_SECONDS
        await self._sleep(stopping, wait)

    async def _pace(self, stopping: asyncio.Task[bool]) -> None:
        """Keep rounds apart, except when there is more to claim and room for it."""
        while not self._stop.is_set():
            wait = self._began + self._work.round_seconds - time.monotonic()
            has_room = 2 * len(self._running) < self._concurrency
            if wait <= 0 or (self._was_full and has_room):
                return
            self._woken.clear()
            await self._sleep(stopping, wait)

    async def _sleep(self, stopping: asyncio.Task[bool], seconds: float) -> None:
        """Wait until woken, or asked to stop, or for so many seconds."""
        waking = asyncio.create_task(self._woken.wait())
        await asyncio.wait({waking, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        waking.cancel()

    async def _start_due(self, stopping: asyncio.Task[bool]) -> float:
        """Start what is due and free. Return the seconds to wait until there may be more."""
        free = self._concurrency - len(self._running)
        if free == 0 or self._stop.is_set():
            return self._work.poll_seconds
        claiming = asyncio.ensure_future(self._work.claim(free))
        # A stop must be noticed even if the database does not answer.
        await asyncio.wait({claiming, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if self._stop.is_set():
            await self._end_claim(claiming)
            return 0
        items = claiming.result()
        self._was_full = len(items) >= free
        self._start(items)
        # After a full batch more may be due; a slot gets free when a task ends.
        return self._work.poll_seconds

    async def _end_claim(self, claiming: asyncio.Future[Sequence[T]]) -> None:
        """Let the last claim end, and release what it claimed."""
        await asyncio.wait({claiming}, timeout=LAST_CLAIM_SECONDS)
        if not claiming.done():
            claiming.cancel()
            return
        items = claiming.result()
        if items and self._work.release_claims is not None:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._work.release_claims(items)
        else:
            self._start(items)

    def _start(self, items: Sequence[T]) -> None:
        for item in items:
            task = asyncio.create_task(self._perform(item), name=self._work.name)
            self._running.add(task)
            WORKER_TASKS.labels(self._work.name).set(len(self._running))
            task.add_done_callback(self._ended)

    async def _perform(self, item: T) -> None:
        try:
            with span(self._work.name, begins=True):
                await self._work.perform(item)
        except Exception as error:
            WORK_FAILED.labels(self._work.name).inc()
            log.exception("work_failed", work=self._work.name, error=_one_line(error))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        WORKER_TASKS.labels(self._work.name).set(len(self._running))
        # A slot is free, and what was just released may be due again soon.
        self._woken.set()

    async def _drain(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN_SECONDS)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _no_heartbeat() -> None:
    """Do nothing, for a loop that is not monitored."""


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
