"""The summary: how many hostnames are in which state, and how long they took to become active.

`persistence/summary` keeps the counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.domain.histogram import Histogram
from app.persistence import summary as store
from app.persistence.dangling import count_dangling
from app.persistence.database import Database
from app.persistence.summary import Count
from app.persistence.zones import list_zones
from app.services.rate_limiter import BudgetUsage, RateLimiter

DAYS = 30
LARGEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a dashboard shows first. Of one tenant, `tenants` and `budgets` are None."""

    counts: Sequence[Count]
    tenants: Sequence[tuple[str, int]] | None
    """The largest ones, with how many hostnames each has."""
    days: Mapping[date, Histogram]
    """The times from creation to `active`, by the day of the activation."""
    dangling: int
    """How many removed hostnames still point here."""
    budgets: Sequence[BudgetUsage] | None


class Summaries:
    """Builds the summary."""

    def __init__(self, database: Database, rate_limiter: RateLimiter) -> None:
        self._database = database
        self._rate_limiter = rate_limiter

    async def of_all(self) -> Summary:
        """Summarize the hostnames of all tenants."""
        async with self._database.transaction() as tx:
            counts = await store.count_hostnames(tx, store.ALL)
            tenants = await store.largest_tenants(tx, most=LARGEST)
            days = await store.activation_days(tx, store.ALL, days=DAYS)
            dangling = await count_dangling(tx)
            budgets = sorted({zone.budget for zone in await list_zones(tx)})
        usages = [await self._rate_limiter.usage(name) for name in budgets]
        return Summary(counts=counts, tenants=tenants, days=days, dangling=dangling, budgets=usages)

    async def of_tenant(self, tenant: str) -> Summary:
        """Summarize one tenant's hostnames."""
        async with self._database.transaction() as tx:
            counts = await store.count_hostnames(tx, tenant)
            days = await store.activation_days(tx, tenant, days=DAYS)
            dangling = await count_dangling(tx, tenant=tenant)
        return Summary(counts=counts, tenants=None, days=days, dangling=dangling, budgets=None)
