"""What the summary shows: counts that triggers prepare and a worker folds.

A transition appends rows and locks nothing that others want. `services/summary` decides when to
fold them; until then they are added at each read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import TextClause, bindparam, delete, func, select, text

from app.domain.histogram import GROWTH, Histogram
from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.summary_tables import (
    activation_histograms,
    activations,
    hostname_changes,
    hostname_counts,
    tenant_sizes,
)

ALL = ""
"""Stands for all tenants together; a tenant's own name is never empty."""
LOCK = 0x666F6C64

_KEYS = "zone_id, state, reason, waiting_on"

_FOLD_CHANGES = f"""
WITH folded AS (
    DELETE FROM hostname_changes WHERE id IN
        (SELECT id FROM hostname_changes ORDER BY id LIMIT :most) RETURNING *
), differences AS (
    SELECT tenant, {_KEYS}, sum(difference) AS count FROM folded GROUP BY tenant, {_KEYS}
), sizes AS (
    INSERT INTO tenant_sizes (tenant, count)
    SELECT tenant, sum(count) FROM differences GROUP BY tenant HAVING sum(count) <> 0
    ON CONFLICT (tenant) DO UPDATE SET count = tenant_sizes.count + excluded.count
), counts AS (
    INSERT INTO hostname_counts (tenant, {_KEYS}, count)
    SELECT tenant, {_KEYS}, count FROM differences WHERE count <> 0
    UNION ALL
    SELECT '', {_KEYS}, sum(count) FROM differences GROUP BY {_KEYS} HAVING sum(count) <> 0
    ON CONFLICT (tenant, {_KEYS}) DO UPDATE SET count = hostname_counts.count + excluded.count
)
SELECT count(*) FROM folded
"""  # noqa: S608 - constants of this module

_BUCKET = f"ceil(ln(greatest(seconds, 1)) / ln({GROWTH}))::smallint"

_FOLD_ACTIVATIONS = f"""
WITH folded AS (
    DELETE FROM activations WHERE id IN
        (SELECT id FROM activations ORDER BY id LIMIT :most)
    RETURNING tenant, (activated_at AT TIME ZONE 'UTC')::date AS day, {_BUCKET} AS bucket
), histograms AS (
    INSERT INTO activation_histograms (tenant, day, bucket, count)
    SELECT tenant, day, bucket, count(*) FROM folded GROUP BY tenant, day, bucket
    UNION ALL SELECT '', day, bucket, count(*) FROM folded GROUP BY day, bucket
    ON CONFLICT (tenant, day, bucket)
    DO UPDATE SET count = activation_histograms.count + excluded.count
)
SELECT count(*) FROM folded
"""  # noqa: S608 - constants of this module

_COUNTS = f"""
SELECT {_KEYS}, sum(count)::bigint AS count FROM (
    SELECT {_KEYS}, count FROM hostname_counts WHERE tenant = :tenant
    UNION ALL
    SELECT {_KEYS}, difference FROM hostname_changes WHERE :tenant IN ('', tenant)
) AS both_parts GROUP BY {_KEYS} HAVING sum(count) <> 0
"""  # noqa: S608 - constants of this module

_LARGEST = """
WITH unfolded AS (
    SELECT tenant, sum(difference) AS count FROM hostname_changes GROUP BY tenant
), folded AS (
    -- A tenant may leave the largest only by what is not folded yet.
    (SELECT tenant, count FROM tenant_sizes ORDER BY count DESC
     LIMIT :most + (SELECT count(*) FROM unfolded))
    UNION
    SELECT tenant, count FROM tenant_sizes WHERE tenant IN (SELECT tenant FROM unfolded)
)
SELECT tenant, sum(count)::bigint AS count
FROM (SELECT * FROM unfolded UNION ALL SELECT * FROM folded) AS both_parts
GROUP BY tenant HAVING sum(count) > 0 ORDER BY count DESC, tenant LIMIT :most
"""

_HISTOGRAMS = f"""
SELECT day, bucket, sum(count)::bigint AS count FROM (
    SELECT day, bucket, count FROM activation_histograms WHERE tenant = :tenant AND day > :after
    UNION ALL
    SELECT (activated_at AT TIME ZONE 'UTC')::date, {_BUCKET}, 1 FROM activations
    WHERE :tenant IN ('', tenant) AND (activated_at AT TIME ZONE 'UTC')::date > :after
) AS both_parts GROUP BY day, bucket
"""  # noqa: S608 - constants of this module


@dataclass(frozen=True, slots=True)
class Count:
    """How many hostnames have these values."""

    zone_id: str
    state: str
    reason: str
    waiting_on: str
    count: int


async def has_unfolded(tx: Connection) -> bool:
    """Whether there is anything to fold."""
    found = await tx.execute(
        select(
            select(hostname_changes.c.id).exists(),
            select(activations.c.id).exists(),
            select(hostname_counts.c.tenant).where(hostname_counts.c.count == 0).exists(),
        )
    )
    return any(found.one())


async def fold(tx: Connection, *, most: int) -> int:
    """Fold up to `most` changes and as many activations. Return how many rows were folded.

    One process folds at a time; while another one does, nothing is done.
    """
    if not await tx.scalar(select(func.pg_try_advisory_xact_lock(LOCK))):
        return 0
    folded = 0
    for statement in (_FOLD_CHANGES, _FOLD_ACTIVATIONS):
        folded += int((await tx.execute(text(statement), {"most": most})).scalar_one())
    for table in (hostname_counts, tenant_sizes):
        await tx.execute(delete(table).where(text("count = 0")))
    return folded


async def count_hostnames(tx: Connection, tenant: str) -> Sequence[Count]:
    """Count a tenant's hostnames, or those of `ALL`. Deleted ones are not counted."""
    return [Count(*row) for row in await tx.execute(_of(_COUNTS), {"tenant": tenant})]


async def largest_tenants(tx: Connection, *, most: int) -> list[tuple[str, int]]:
    """Return the tenants with the most hostnames, the largest first."""
    return [(row[0], row[1]) for row in await tx.execute(text(_LARGEST), {"most": most})]


async def activation_days(tx: Connection, tenant: str, *, days: int) -> dict[date, Histogram]:
    """Return histograms of the times to `active`, by day in UTC, of the last `days` days."""
    today = (await tx.execute(select(func.timezone("UTC", NOW)))).scalar_one().date()
    after = today - timedelta(days=days)
    found: dict[date, dict[int, int]] = {after + timedelta(days=n + 1): {} for n in range(days)}
    rows = await tx.execute(_of(_HISTOGRAMS), {"tenant": tenant, "after": after})
    for day, bucket, count in rows:
        found.setdefault(day, {})[bucket] = count
    return dict(found)


async def prune_histograms(tx: Connection, *, older_than: timedelta, limit: int) -> dict[str, int]:
    """Remove a batch of the days that are past their retention. Return how many rows, by table."""
    c = activation_histograms.c
    last = func.date(func.timezone("UTC", NOW - in_seconds(older_than.total_seconds())))
    old = select(c.tenant, c.day, c.bucket).where(c.day < last).limit(limit).subquery()
    removed = await tx.execute(
        delete(activation_histograms).where(
            c.tenant == old.c.tenant, c.day == old.c.day, c.bucket == old.c.bucket
        )
    )
    return {activation_histograms.name: removed.rowcount}


def _of(statement: str) -> TextClause:
    return text(statement).bindparams(bindparam("tenant", type_=activations.c.tenant.type))
