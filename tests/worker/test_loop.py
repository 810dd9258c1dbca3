"""The worker's loop: bounded, awake when it must be, and clean at its end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from app.worker.loop import ROUND_SECONDS, Loop, Work


class Queue:
    """Work that counts."""

    def __init__(self, items: int, *, seconds: float = 0.01) -> None:
        self.waiting = deque(range(items))
        self.done: list[int] = []
        self.most_at_once = 0
        self._now = 0
        self._seconds = seconds
        self.trouble = 0
        self.rounds = 0
        self._one_more = asyncio.Event()

    async def until_done(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.done) < count:
                self._one_more.clear()
                await self._one_more.wait()

    async def claim(self, limit: int) -> Sequence[int]:
        self.rounds += 1
        if self.trouble:
            self.trouble -= 1
            raise ConnectionError("the database is restarting")
        return [self.waiting.popleft() for _ in range(min(limit, len(self.waiting)))]

    async def perform(self, item: int) -> None:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await asyncio.sleep(self._seconds)
        self._now -= 1
        self.done.append(item)
        self._one_more.set()
        if item == 3:
            raise RuntimeError("one that fails takes no other with it")

    def work(self) -> Work[int]:
        return Work(name="count", claim=self.claim, perform=self.perform)


async def test_all_that_is_due_is_done_and_never_more_at_once_than_allowed() -> None:
    queue, stop = Queue(50), asyncio.Event()
    loop = Loop(queue.work(), concurrency=7, woken=asyncio.Event(), stop=stop)
    running = asyncio.create_task(loop.run())
    await queue.until_done(50)
    stop.set()
    await running
    assert sorted(queue.done) == list(range(50))
    assert queue.most_at_once == 7


async def test_a_wake_is_answered_at_once() -> None:
    queue, stop, woken = Queue(0), asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(Loop(queue.work(), concurrency=2, woken=woken, stop=stop).run())
    await asyncio.sleep(1.2 * ROUND_SECONDS)
    queue.waiting.append(1)
    woken.set()
    await asyncio.sleep(0.1)
    assert queue.done == [1]
    stop.set()
    await running


async def test_what_is_under_way_may_end_when_told_to_stop() -> None:
    queue, stop = Queue(2, seconds=0.3), asyncio.Event()
    running = asyncio.create_task(
        Loop(queue.work(), concurrency=2, woken=asyncio.Event(), stop=stop).run()
    )
    await asyncio.sleep(0.05)
    stop.set()
    await running
    assert sorted(queue.done) == [0, 1]


async def test_a_stop_before_the_first_round_claims_nothing() -> None:
    queue, stop = Queue(5), asyncio.Event()
    stop.set()
    await Loop(queue.work(), concurrency=2, woken=asyncio.Event(), stop=stop).run()
    assert queue.done == []


async def test_a_claim_that_fails_is_tried_again() -> None:
    queue, stop = Queue(3), asyncio.Event()
    queue.trouble = 1
    running = asyncio.create_task(
        Loop(queue.work(), concurrency=2, woken=asyncio.Event(), stop=stop).run()
    )
    await queue.until_done(3)
    stop.set()
    await running


async def test_a_stop_is_heard_while_a_claim_gets_no_answer() -> None:
    stop = asyncio.Event()

    async def claim(_: int) -> Sequence[int]:
        await asyncio.sleep(60)
        return []

    async def perform(_: int) -> None:
        raise AssertionError("nothing was claimed")

    work = Work(name="silent", claim=claim, perform=perform)
    running = asyncio.create_task(Loop(work, concurrency=2, woken=asyncio.Event(), stop=stop).run())
    await asyncio.sleep(0.05)
    stop.set()
    async with asyncio.timeout(2):
        await running


async def test_a_claim_that_a_stop_finds_under_way_ends_and_is_given_back() -> None:
    stop = asyncio.Event()
    given_back: list[int] = []

    async def claim(_: int) -> Sequence[int]:
        await asyncio.sleep(0.2)
        return [1, 2]

    async def perform(_: int) -> None:
        raise AssertionError("nothing is begun after a stop")

    async def release_claims(items: Sequence[int]) -> None:
        given_back.extend(items)

    work = Work(name="late", claim=claim, perform=perform, release_claims=release_claims)
    running = asyncio.create_task(Loop(work, concurrency=2, woken=asyncio.Event(), stop=stop).run())
    await asyncio.sleep(0.05)
    stop.set()
    await running
    assert given_back == [1, 2]


async def test_tasks_that_end_one_by_one_do_not_make_a_round_each() -> None:
    queue, stop, woken = Queue(0), asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(Loop(queue.work(), concurrency=4, woken=woken, stop=stop).run())
    for _ in range(50):
        await asyncio.sleep(0.01)
        woken.set()
    stop.set()
    await running
    assert 3 <= queue.rounds <= 8


async def test_while_there_is_more_and_room_for_it_rounds_follow_each_other() -> None:
    queue, stop = Queue(400), asyncio.Event()
    began = asyncio.get_running_loop().time()
    running = asyncio.create_task(
        Loop(queue.work(), concurrency=8, woken=asyncio.Event(), stop=stop).run()
    )
    await queue.until_done(400)
    assert asyncio.get_running_loop().time() - began < 3
    stop.set()
    await running
