"""The feed of all events: a worker numbers it, and an API process reads it for its callers.

`persistence/feed` stores it.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter

import structlog

from app.domain.errors import ErrorCode, InvalidInput
from app.persistence import feed as store
from app.persistence import summary
from app.persistence.database import Database
from app.persistence.feed import FeedEntry, FeedFilter
from app.persistence.wakeups import Channel, listening

NUMBERED_AT_ONCE = 1_000
FOLDED_AT_ONCE = 5_000
SCANS = 20
"""How many queries one page may take. It may end with fewer events than its limit, and a cursor."""
POLL_SECONDS = 1.0
"""How often to look for new events without a NOTIFY: a pooler in front of Postgres may lose it."""
RECENT = 1_000
"""How many of the newest events a process keeps in memory: some three megabytes."""
EVERYTHING = FeedFilter()
READS_AT_ONCE = 4
"""Of older events, by all streams of a process: requests need connections too."""

log = structlog.get_logger(__name__)


class Sequencer:
    """Numbers the events that were committed, and folds the counts of the summary."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, limit: int) -> Sequence[None]:
        """Return one unit of work if there is anything to number or to fold."""
        if limit < 1:
            return []
        async with self._database.transaction() as tx:
            waits = await store.has_unnumbered(tx) or await summary.has_unfolded(tx)
        return [None] if waits else []

    async def perform(self, _: None = None) -> None:
        """Number a batch of events, and fold a batch of changes."""
        async with self._database.transaction() as tx:
            await store.number_events(tx, most=NUMBERED_AT_ONCE)
        async with self._database.transaction() as tx:
            await summary.fold(tx, most=FOLDED_AT_ONCE)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Some events, and how far the feed was read for them."""

    entries: Sequence[FeedEntry]
    position: int
    has_more: bool


class Feed:
    """Reads the feed. Readers wait for news together: each process has one connection for that."""

    def __init__(
        self, database: Database, *, scanned: int = store.SCANNED, scans: int = SCANS
    ) -> None:
        self._database = database
        self._scanned = scanned
        self._scans = scans
        self._places = asyncio.Semaphore(READS_AT_ONCE)
        self._news = asyncio.Event()
        self._recent: list[FeedEntry] = []
        self._recent_after: int | None = None
        """All events after this number, as far as this process knows, are in `_recent`."""
        self._newest = 0

    @property
    def news(self) -> asyncio.Event:
        """An event that is set once more was numbered. Take it before reading, then wait for it."""
        return self._news

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Notice new events until the block ends."""
        async with listening(self._database.server, Channel.FEED) as woken:
            task = asyncio.create_task(self._watch(woken), name="feed")
            try:
                yield
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def start_after(self, number: int | None, *, parameter: str) -> int:
        """Return the number to start after: the given one, or else the newest.

        Raises:
            FeedExpired: events after this number are past their retention.
            InvalidInput: there is no such number yet.
        """
        async with self._database.transaction() as tx:
            bounds = await store.read_bounds(tx)
        if number is None:
            return bounds.newest
        if number > bounds.newest:
            raise InvalidInput(
                f"The newest event has the number {bounds.newest}.",
                code=ErrorCode.CURSOR_INVALID,
                parameter=parameter,
            )
        store.require_kept(bounds, number)
        return number

    async def page(self, wanted: FeedFilter, *, after: int | None, limit: int) -> FeedPage:
        """Give events in order, the oldest first.

        Raises:
            FeedExpired, InvalidInput: see `start_after`.
        """
        async with self._database.transaction() as tx:
            bounds = await store.read_bounds(tx)
        position = (
            bounds.oldest if after is None else await self.start_after(after, parameter="cursor")
        )
        entries: list[FeedEntry] = []
        for _ in range(self._scans):
            found, position = await self.read(wanted, after=position, limit=limit - len(entries))
            entries += found
            if len(entries) == limit or position >= bounds.newest:
                break
        return FeedPage(entries, position, has_more=position < bounds.newest)

    async def read(
        self, wanted: FeedFilter, *, after: int, limit: int
    ) -> tuple[Sequence[FeedEntry], int]:
        """Read the next events, and how far this read has come.

        What is recent comes from memory: all streams want it at once.

        Raises:
            FeedExpired: events after this number were removed.
        """
        if self._recent_after is not None and self._recent_after <= after:
            begin = bisect_right(self._recent, after, key=attrgetter("number"))
            found = list(islice(filter(wanted.fits, self._recent[begin:]), limit))
            return found, found[-1].number if len(found) == limit else max(after, self._newest)
        async with self._places, self._database.transaction() as tx:
            return await store.read_feed(
                tx, wanted, after=after, limit=limit, scanned=self._scanned
            )

    async def _watch(self, woken: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), POLL_SECONDS)
            woken.clear()
            try:
                if await self._take_news():
                    news, self._news = self._news, asyncio.Event()
                    news.set()
            except Exception as error:  # noqa: BLE001 - whatever it was, watching goes on
                log.warning("feed_not_read", error=type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)

    async def _take_news(self) -> bool:
        """Read what was numbered since the last time, once for all streams."""
        async with self._database.transaction() as tx:
            newest = (await store.read_bounds(tx)).newest
        if self._recent_after is None:
            self._recent_after = self._newest = newest
        is_news = newest > self._newest
        while newest > self._newest:
            async with self._database.transaction() as tx:
                found, self._newest = await store.read_feed(
                    tx, EVERYTHING, after=self._newest, limit=RECENT
                )
            self._recent += found
            dropped = self._recent[:-RECENT]
            if dropped:
                self._recent_after = dropped[-1].number
                del self._recent[:-RECENT]
        return is_news
