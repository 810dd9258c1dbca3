"""The feed: all events in one order, numbered once they are committed.

`services/feed` reads it and numbers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, select, text, update

from app.domain.errors import FeedExpired
from app.persistence.database import Connection
from app.persistence.tables import UNNUMBERED, events, feed, feed_head
from app.persistence.wakeups import Channel, notify

LOCK = 0x66656564
SCANNED = 10_000
"""How many numbers one query goes through: few of them may fit the filter."""

_NUMBER = text(
    """
    WITH batch AS (
        SELECT event_id, row_number() OVER (ORDER BY ordinal) AS place
        FROM (SELECT event_id, ordinal FROM feed WHERE number IS NULL ORDER BY ordinal LIMIT :most)
            AS waiting
    ), head AS (
        UPDATE feed_head SET number = number + (SELECT count(*) FROM batch)
        RETURNING number - (SELECT count(*) FROM batch) AS last
    )
    UPDATE feed SET number = head.last + batch.place
    FROM batch, head WHERE feed.event_id = batch.event_id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """Which events a reader wants. None and an empty tuple exclude nothing."""

    tenant: str | None = None
    types: tuple[str, ...] = ()

    def fits(self, entry: FeedEntry) -> bool:
        """Whether the reader wants this event."""
        is_tenants = self.tenant is None or self.tenant == entry.tenant
        return is_tenants and (not self.types or entry.type in self.types)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One event of the feed. `body` is what webhook endpoints receive, as JSON."""

    number: int
    subject: str
    tenant: str | None
    type: str
    body: str


@dataclass(frozen=True, slots=True)
class FeedBounds:
    """The least and the greatest number that a reader may start after."""

    oldest: int
    newest: int


async def has_unnumbered(tx: Connection) -> bool:
    """Whether there are events to number."""
    return bool(await tx.scalar(select(select(feed.c.event_id).where(UNNUMBERED).exists())))


async def number_events(tx: Connection, *, most: int) -> int:
    """Number up to `most` committed events, and tell the readers. Return how many.

    One process numbers at a time; while another one does, nothing is done. The lock comes in a
    statement of its own: the next one then sees every event that the former holder saw. Numbers
    follow the order of insertion, and one subject's events are inserted one after the other, so
    they are numbered in their order.
    """
    if not await tx.scalar(select(func.pg_try_advisory_xact_lock(LOCK))):
        return 0
    numbered = (await tx.execute(_NUMBER, {"most": most})).rowcount
    if numbered:
        await notify(tx, Channel.FEED)
    return int(numbered)


async def read_bounds(tx: Connection) -> FeedBounds:
    """Read where the feed begins and ends. Events past their retention are gone from it."""
    return FeedBounds(*(await tx.execute(select(feed_head.c.pruned, feed_head.c.number))).one())


def require_kept(bounds: FeedBounds, after: int) -> None:
    """Check that no event after this number was removed.

    Raises:
        FeedExpired: one was.
    """
    if after < bounds.oldest:
        raise FeedExpired(
            "Events after this number were removed, because their retention is over. The oldest "
            f"number to start after is {bounds.oldest}; list the hostnames to catch up."
        )


async def greatest_number(tx: Connection, ids: Select[str]) -> int | None:
    """Return the greatest number among these events. None if none has a number."""
    found: int | None = await tx.scalar(
        select(func.max(feed.c.number)).where(feed.c.event_id.in_(ids))
    )
    return found


async def note_pruned(tx: Connection, number: int) -> None:
    """Note that whoever has not read up to this number has missed something.

    The last statement of its transaction: numbering waits for it.
    """
    await tx.execute(update(feed_head).values(pruned=func.greatest(feed_head.c.pruned, number)))


async def read_feed(
    tx: Connection, wanted: FeedFilter, *, after: int, limit: int, scanned: int = SCANNED
) -> tuple[Sequence[FeedEntry], int]:
    """Read the next events in order, and how far this read has come.

    Everything that the filter fits up to that number is returned, or was before. Without a tenant,
    a read goes through `scanned` numbers at most.

    Raises:
        FeedExpired: events after this number were removed.
    """
    newest = (await read_bounds(tx)).newest
    c = feed.c
    query = (
        select(
            c.number,
            func.coalesce(events.c.custom_hostname_id, events.c.zone_id, events.c.endpoint_id),
            c.tenant,
            c.type,
            events.c.body,
        )
        .join(events, events.c.id == c.event_id)
        .where(c.number > after)
        .order_by(c.number)
        .limit(limit)
    )
    if wanted.tenant is not None:
        # Its index skips the events of the others.
        query = query.where(c.tenant == wanted.tenant)
    else:
        newest = min(newest, after + scanned)
        query = query.where(c.number <= after + scanned)
    if wanted.types:
        query = query.where(c.type.in_(wanted.types))
    entries = [FeedEntry(*row) for row in await tx.execute(query)]
    # Read after the rows: what was removed before they were read is noted by now.
    require_kept(await read_bounds(tx), after)
    last = entries[-1].number if entries else after
    return entries, last if len(entries) == limit else max(last, newest)
