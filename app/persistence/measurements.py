"""Queries for an operator's metrics. Each has its index and its bound.

`services/measuring` runs them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import ColumnElement, Select, extract, func, select, text, true

from app.persistence.database import NOW, Connection, Database
from app.persistence.tables import CLOUDFLARE_DUE, DNS_DUE, custom_hostnames, schedules, zones
from app.persistence.webhook_tables import OWED, deliveries, webhook_endpoints

MOST_SECONDS = 5
"""A query that takes longer is given up: metrics must not cause load of their own."""


@asynccontextmanager
async def measuring(database: Database) -> AsyncIterator[Connection]:
    """Open a transaction for measuring.

    Raises:
        DatabaseUnavailable: Postgres went away, or it took too long.
    """
    async with database.transaction() as tx:
        await tx.execute(text(f"SET LOCAL statement_timeout = '{MOST_SECONDS}s'"))
        # Otherwise, Postgres would read the wide rows for one column that an index has.
        for way in ("seqscan", "bitmapscan"):
            await tx.execute(text(f"SET LOCAL enable_{way} = off"))
        yield tx


async def count_states(tx: Connection) -> dict[str, int]:
    """Count the hostnames of each state."""
    return {row[0]: row[1] for row in await tx.execute(states_counted())}


async def count_pauses(tx: Connection) -> dict[str, int]:
    """Count the paused zones by their reason."""
    c = zones.c
    paused = select(c.pause_reason, func.count()).where(c.paused_at.is_not(None))
    return {row[0]: row[1] for row in await tx.execute(paused.group_by(c.pause_reason))}


async def overdue_checks(tx: Connection) -> tuple[float, float]:
    """Return the ages of the oldest overdue checks of DNS and of Cloudflare, in seconds."""
    dns, cloudflare = (await tx.execute(oldest_checks())).one()
    return float(dns), float(cloudflare)


async def overdue_delivery(tx: Connection) -> float:
    """Return the age of the oldest overdue delivery, in seconds."""
    return float(await tx.scalar(oldest_delivery()) or 0.0)


def states_counted() -> Select[str, int]:
    """Return the query for the hostnames of each state, which uses only the index."""
    c = custom_hostnames.c
    return select(c.state, func.count()).group_by(c.state)


def oldest_checks() -> Select[float, float]:
    """Return the query for the oldest due checks in zones that are not paused."""
    c = schedules.c
    dns = (
        select(c.dns_due_at)
        .where(c.zone_id == zones.c.id, DNS_DUE)
        .order_by(c.dns_due_at)
        .limit(1)
        .scalar_subquery()
    )
    cloudflare = (
        select(c.cloudflare_due_at)
        .where(c.zone_id == zones.c.id, CLOUDFLARE_DUE)
        .order_by(c.cloudflare_due_at)
        .limit(1)
        .scalar_subquery()
    )
    return select(_age(dns), _age(cloudflare)).where(zones.c.paused_at.is_(None))


def oldest_delivery() -> Select[float]:
    """Return the query for the oldest due delivery that only waits for a sender.

    Those of endpoints with a rate limit may wait for longer.
    """
    c = deliveries.c
    first = (
        select(c.next_attempt_at)
        .where(c.endpoint_id == webhook_endpoints.c.id, OWED)
        .order_by(c.next_attempt_at)
        .limit(1)
        .lateral("first")
    )
    joined = webhook_endpoints.join(first, true())
    return (
        select(_age(first.c.next_attempt_at))
        .select_from(joined)
        .where(
            webhook_endpoints.c.deleted_at.is_(None),
            webhook_endpoints.c.enabled,
            webhook_endpoints.c.rate_limit.is_(None),
        )
    )


def _age(instant: ColumnElement[object]) -> ColumnElement[float]:
    seconds = extract("epoch", NOW - func.min(instant))
    return func.greatest(func.coalesce(seconds, 0), 0)
