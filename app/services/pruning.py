"""Decides when to remove what is older than its retention: in small batches, by any worker.

`persistence/pruning` removes the rows.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from enum import StrEnum
from functools import partial

from app.metrics import PRUNED
from app.persistence import idempotency, summary
from app.persistence import pruning as store
from app.persistence.database import Connection, Database

EVERY_SECONDS = 600.0
"""How often to check for old rows while there are none."""
PAUSE_SECONDS = 1.0
"""The pause after a full batch, because others want Postgres too."""
KEEP_HISTOGRAMS = timedelta(days=90)
"""The summary shows the last 30 days."""
KEEP_STATISTICS = timedelta(days=31)
"""The statistics of an endpoint show the last 30 days."""


class Kind(StrEnum):
    """What is pruned. Each transaction prunes one kind."""

    EVENTS = "events"
    HOSTNAMES = "custom_hostnames"
    SECRETS = "webhook_endpoints"
    REQUESTS = "idempotent_requests"
    HISTOGRAMS = "activation_histograms"
    TESTS = "deliveries"
    ATTEMPTS = "attempt_histograms"


MOST = {
    Kind.EVENTS: 500,
    Kind.HOSTNAMES: 50,
    Kind.SECRETS: 100,
    Kind.REQUESTS: 500,
    Kind.HISTOGRAMS: 500,
    Kind.TESTS: 500,
    Kind.ATTEMPTS: 500,
}
"""How many rows a transaction removes. Rows that belong to them come on top."""


class Pruning:
    """Prunes one batch at a time. Each worker has one; they leave each other's rows alone."""

    def __init__(
        self,
        database: Database,
        *,
        keep_events: timedelta,
        keep_deleted: timedelta,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._due = dict.fromkeys(Kind, clock())
        self._prune: dict[Kind, Callable[..., Awaitable[store.Counts]]] = {
            Kind.EVENTS: partial(store.prune_events, older_than=keep_events),
            Kind.HOSTNAMES: partial(store.prune_hostnames, older_than=keep_deleted),
            Kind.SECRETS: partial(store.prune_secrets, older_than=keep_deleted),
            Kind.REQUESTS: idempotency.prune,
            Kind.HISTOGRAMS: partial(summary.prune_histograms, older_than=KEEP_HISTOGRAMS),
            Kind.TESTS: partial(store.prune_tests, older_than=keep_events),
            Kind.ATTEMPTS: partial(store.prune_attempt_histograms, older_than=KEEP_STATISTICS),
        }

    async def claim(self, limit: int) -> Sequence[Kind]:
        """Return the kinds that are due for a check."""
        now = self._clock()
        due = [kind for kind in Kind if self._due[kind] <= now][:limit]
        self._due |= dict.fromkeys(due, now + EVERY_SECONDS)
        return due

    async def prune(self, kind: Kind) -> None:
        """Remove one batch. A full batch is followed by another soon."""
        most = MOST[kind]

        async def remove(tx: Connection) -> store.Counts:
            return await self._prune[kind](tx, limit=most)

        counts = await self._database.run(remove)
        for table, count in counts.items():
            PRUNED.labels(table).inc(count)
        if counts.get(kind, 0) >= most:
            self._due[kind] = self._clock() + PAUSE_SECONDS
