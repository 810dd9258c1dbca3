"""What is due when on the schedule clock, and its running with bounded concurrency.

Not the lifecycle: it knows keys and times, never what happens at them.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable

from sandbox.clock import Clock

Key = tuple[str, str]


class Agenda:
    """One time per key; a key never runs twice at once; the latest plan for a key wins."""

    def __init__(
        self, clock: Clock, run: Callable[[Key], Awaitable[None]], *, concurrency: int = 32
    ) -> None:
        self._clock = clock
        self._run = run
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._planned = 0
        self._running: dict[Key, tuple[float, asyncio.Task[None]]] = {}
        self._places = asyncio.Semaphore(concurrency)
        self._woken = asyncio.Event()

    def plan(self, key: Key, due: float | None) -> None:
        """Run `key` at schedule time `due`; None takes it off the agenda."""
        if due is None:
            self._due.pop(key, None)
            return
        self._due[key] = due
        self._push(due, key)

    def wake(self) -> None:
        """Look at the clock again: it was moved."""
        self._woken.set()

    def clear(self) -> None:
        """Forget all plans and stop what runs."""
        self._due.clear()
        self._heap.clear()
        for _, task in self._running.values():
            task.cancel()

    async def serve(self) -> None:
        """Run what falls due, for ever."""
        try:
            while True:
                self._woken.clear()
                self._start_due(self._clock.schedule())
                await self._sleep()
        finally:
            tasks = [task for _, task in self._running.values()]
            self.clear()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self) -> None:
        """Return once all that is due by now has run, with what became due by it."""
        horizon = self._clock.schedule()
        while True:
            self._start_due(horizon)
            waiting = [task for due, task in self._running.values() if due <= horizon]
            if not waiting:
                return
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    async def _sleep(self) -> None:
        wait = self._clock.real_seconds_until(self._heap[0][0]) if self._heap else None
        try:
            async with asyncio.timeout(wait):
                await self._woken.wait()
        except TimeoutError:
            return

    def _start_due(self, horizon: float) -> None:
        while self._heap and self._heap[0][0] <= horizon:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due and key not in self._running:
                del self._due[key]
                self._running[key] = (due, asyncio.create_task(self._attend(key)))

    async def _attend(self, key: Key) -> None:
        try:
            async with self._places:
                await self._run(key)
        finally:
            del self._running[key]
            if key in self._due:  # planned anew while it ran
                self._push(self._due[key], key)

    def _push(self, due: float, key: Key) -> None:
        """Of two that are due at once, the one planned first comes first."""
        self._planned += 1
        heapq.heappush(self._heap, (due, self._planned, key))
        if self._heap[0][1] == self._planned:
            self._woken.set()
