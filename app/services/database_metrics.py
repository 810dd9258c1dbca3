"""Measures the database for the metrics from time to time, however often they are scraped.

`persistence/measurements` has the queries.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from app import metrics
from app.domain.custom_hostname import State
from app.domain.observation import Side
from app.domain.rate_limit import Lane
from app.domain.zone import PauseReason
from app.persistence import measurements as store
from app.persistence.dangling import count_dangling
from app.persistence.database import Database
from app.persistence.zones import list_zones
from app.services.rate_limiter import RateLimiter

EVERY_SECONDS = 30.0
COST_PART = 0.01
"""Measuring takes at most this part of a process's time, so it runs less often on big tables."""


class Measuring:
    """Sets the gauges of what is in the database."""

    def __init__(
        self,
        database: Database,
        budgets: RateLimiter,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._rate_limiter = budgets
        self._clock = clock
        self._due_at = clock()

    async def claim(self, limit: int) -> Sequence[None]:
        """Return one unit of work when it is time to measure again."""
        if limit < 1 or self._clock() < self._due_at:
            return []
        self._due_at = self._clock() + EVERY_SECONDS
        return [None]

    async def measure(self, _: None = None) -> None:
        """Query the database, and set the gauges.

        Raises:
            DatabaseUnavailable: the former values stay, with the time at which they were measured.
        """
        began = self._clock()
        try:
            await self._measure()
        finally:
            ended = self._clock()
            self._due_at = ended + max(EVERY_SECONDS, (ended - began) / COST_PART)
        metrics.MEASURED_AT.set_to_current_time()

    async def _measure(self) -> None:
        async with store.measuring(self._database) as tx:
            states = await store.count_states(tx)
            dangling = await count_dangling(tx)
            pauses = await store.count_pauses(tx)
            dns, cloudflare = await store.overdue_checks(tx)
            delivery = await store.overdue_delivery(tx)
            budgets = {zone.budget for zone in await list_zones(tx)}
        for state in State:
            metrics.HOSTNAMES.labels(str(state)).set(states.get(state, 0))
        metrics.DANGLING.set(dangling)
        for reason in PauseReason:
            metrics.ZONES_PAUSED.labels(str(reason)).set(pauses.get(reason, 0))
        metrics.CHECK_LAG.labels(str(Side.DNS)).set(dns)
        metrics.CHECK_LAG.labels(str(Side.CLOUDFLARE)).set(cloudflare)
        metrics.DELIVERY_LAG.set(delivery)
        for name in budgets:
            await self._measure_budget(name)

    async def _measure_budget(self, name: str) -> None:
        usage = await self._rate_limiter.usage(name)
        metrics.BUDGET_LIMIT.labels(name).set(usage.limits.spendable)
        for lane in Lane:
            metrics.BUDGET_SPENT.labels(name, str(lane)).set(usage.spent.get(lane, 0))
            metrics.BUDGET_LEFT.labels(name, str(lane)).set(usage.left[lane])
        for lane, queue in usage.queues.items():
            metrics.QUEUE_LENGTH.labels(name, str(lane)).set(queue.waiting)
