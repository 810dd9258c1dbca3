"""Deliveries and attempts of a month, made in SQL: millions, or some thousands in the same shape.

A thousand endpoints. The first, the provider's, has a fifth of the deliveries; the others share the
rest. One delivery in forty was exhausted after eight attempts.
"""

from __future__ import annotations

import asyncpg

from benchmarks.bulk_loading import (
    CONNECTIONS,
    build_index,
    drop_indexes,
    execute,
    side_by_side,
)

ENDPOINTS = 1000
LARGEST = "we_1"
OF_EACH = 5
"""How many endpoints get each event."""
TABLES = ("events", "deliveries", "attempts", "attempt_histograms")
STATISTICS_DAYS = 7
"""For how long attempts were counted by the hour."""

_ENDPOINTS = f"""
INSERT INTO webhook_endpoints (id, url, event_types, secret, created_at)
SELECT 'we_' || n, 'https://hooks.example.com/' || n, '{{}}', ''::bytea, now()
FROM generate_series(1, {ENDPOINTS}) n
"""  # noqa: S608 - the benchmark's own numbers, here and below
_ZONE = """
INSERT INTO zones (id, cloudflare_zone_id, api_token, cname_target, fallback_origin, created_at,
  updated_at)
VALUES ('zone_bench', 'bench', '', 'target', 'origin', now(), now())
"""
_EVENTS = """
INSERT INTO events (id, zone_id, sequence, type, before, after, reason, body, created_at)
SELECT 'evt_' || lpad(n::text, 22, '0'), 'zone_bench', n, 'zone.paused', 'open', 'paused',
  'operator', '{{"type": "zone.paused", "data": {{"filling": "' || repeat('x', 200) || '"}}}}',
  now() - interval '30 days' * (1 - n / {count}.0)
FROM generate_series(1, {count}) n WHERE n % {parts} = {part}
"""
_DELIVERIES = f"""
INSERT INTO deliveries (id, event_id, endpoint_id, status, attempts, created_at)
SELECT 'dlv_' || lpad(({OF_EACH} * n + k)::text, 22, '0'), 'evt_' || lpad(n::text, 22, '0'),
  CASE k WHEN 0 THEN '{LARGEST}' ELSE 'we_' || 2 + ({OF_EACH - 1} * n + k) % {ENDPOINTS - 1} END,
  CASE WHEN (n + 7 * k) % 40 = 0 THEN 'exhausted' ELSE 'succeeded' END,
  CASE WHEN (n + 7 * k) % 40 = 0 THEN 8 ELSE 1 END,
  now() - interval '30 days' * (1 - n / {{count}}.0)
FROM generate_series(1, {{count}}) n, generate_series(0, {OF_EACH - 1}) k
WHERE n % {{parts}} = {{part}}
"""  # noqa: S608
_ATTEMPTS = f"""
INSERT INTO attempts (delivery_id, number, started_at, duration_ms, status_code, error, answer)
SELECT 'dlv_' || lpad(({OF_EACH} * n + k)::text, 22, '0'), number,
  now() - interval '30 days' * (1 - n / {{count}}.0) + number * interval '1 minute',
  50 + n % 400, CASE WHEN (n + 7 * k) % 40 = 0 THEN 503 ELSE 204 END, NULL,
  CASE WHEN (n + 7 * k) % 40 = 0 THEN 'try again later' END
FROM generate_series(1, {{count}}) n, generate_series(0, {OF_EACH - 1}) k,
  generate_series(1, CASE WHEN (n + 7 * k) % 40 = 0 THEN 8 ELSE 1 END) number
WHERE n % {{parts}} = {{part}}
"""  # noqa: S608
_HISTOGRAMS = f"""
INSERT INTO attempt_histograms (endpoint_id, hour, succeeded, bucket, count)
SELECT 'we_' || n, date_trunc('hour', now()) - hour * interval '1 hour', bucket < 4, bucket, 10
FROM generate_series(1, {{endpoints}}) n,
  generate_series(0, {24 * STATISTICS_DAYS} - 1) hour, generate_series(1, 4) bucket
WHERE n % {{parts}} = {{part}}
"""  # noqa: S608


async def seed_deliveries(url: str, count: int) -> None:
    """Fill a migrated database with so many deliveries, a multiple of five, and their attempts."""
    sql = await asyncpg.connect(url)
    try:
        await sql.execute(_ZONE)
        await sql.execute(_ENDPOINTS)
        indexes = await drop_indexes(sql, TABLES)
        statements = (_EVENTS, _DELIVERIES, _ATTEMPTS, _HISTOGRAMS)
        parts = [
            [
                each.format(
                    count=count // OF_EACH,
                    endpoints=min(ENDPOINTS, count // 1000),
                    parts=CONNECTIONS,
                    part=part,
                )
                for each in statements
            ]
            for part in range(CONNECTIONS)
        ]
        await side_by_side(url, parts, execute)
        shares = [indexes[part::CONNECTIONS] for part in range(CONNECTIONS)]
        await side_by_side(url, shares, build_index)
        for table in TABLES:
            await sql.execute(f"VACUUM (FREEZE, ANALYZE) {table}", timeout=300)
    finally:
        await sql.close()
