"""Every metric that the service exports. `docs/operations.md` lists them by name.

Names follow Prometheus's practice: the prefix `nameplate_`, base units, `_total` for counters.
Labels have few values: never a hostname, a tenant or an id. What is measured in the database is
written by one background task of a worker, not at each scrape.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client import (
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

PREFIX = "nameplate_"
MEASURED = " Measured in the database by each worker every 30 seconds or less often."

disable_created_metrics()  # type: ignore[no-untyped-call] # it takes and gives nothing

_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_CALL_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_WAIT_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5)
_ACTIVE_BUCKETS = (5, 15, 30, 60, 120, 300, 900, 3600, 14400, 86400, 259200, 604800, 2592000)

_http_requests = Counter(
    "nameplate_http_requests",
    "Requests to the API; the status is `none` where there was no answer.",
    ["method", "route", "status"],
)
_http_duration = Histogram(
    "nameplate_http_request_duration_seconds",
    "Time from a request's head to the end of its answer.",
    ["method", "route"],
    buckets=_REQUEST_BUCKETS,
)
TRANSITIONS = Counter(
    "nameplate_transitions", "Changes of a custom hostname's state.", ["from", "to"]
)
TIME_TO_ACTIVE = Histogram(
    "nameplate_time_to_active_seconds",
    "Time from a custom hostname's creation until it was active for the first time.",
    buckets=_ACTIVE_BUCKETS,
)
CHECKS = Counter(
    "nameplate_checks",
    "Looks at one custom hostname, by side (dns, cloudflare) and outcome.",
    ["side", "outcome"],
)
CLOUDFLARE_CALLS = Counter(
    "nameplate_cloudflare_calls",
    "Calls to Cloudflare; the status is `none` where there was no answer.",
    ["method", "route", "status"],
)
CLOUDFLARE_DURATION = Histogram(
    "nameplate_cloudflare_call_duration_seconds",
    "Duration of calls to Cloudflare.",
    ["method", "route"],
    buckets=_CALL_BUCKETS,
)
UNREADABLE = Counter(
    "nameplate_cloudflare_unreadable_entries",
    "Entries of Cloudflare's lists that could not be read, each time one was met.",
)
LIST_PAGES = Counter(
    "nameplate_list_pages", "Pages of a zone's lists that were asked for, by outcome.", ["outcome"]
)
LIST_ROUNDS = Counter(
    "nameplate_list_rounds", "Lists of a zone that were read to their end.", ["list"]
)
PAUSES = Counter("nameplate_pauses", "Pauses of a zone that began.", ["reason"])
DELIVERIES = Counter(
    "nameplate_delivery_attempts",
    "Attempts to deliver a webhook: succeeded, failed (tried again), exhausted (the last one).",
    ["outcome"],
)
DELIVERY_DURATION = Histogram(
    "nameplate_delivery_attempt_duration_seconds",
    "Duration of an attempt to deliver a webhook.",
    buckets=_CALL_BUCKETS,
)
LEASES_LOST = Counter(
    "nameplate_leases_lost",
    "Pieces of work whose lease had ended before their result could be written.",
    ["loop"],
)
WORK_FAILED = Counter(
    "nameplate_work_failures", "Pieces of work that ended with an unexpected error.", ["loop"]
)
CLAIMS_FAILED = Counter(
    "nameplate_claim_failures", "Rounds of a worker's loop that could not claim work.", ["loop"]
)
WORKER_TASKS = Gauge("nameplate_worker_tasks", "Pieces of work under way in a loop.", ["loop"])
HEARTBEAT_AGE = Gauge(
    "nameplate_worker_heartbeat_age_seconds",
    "Time since a worker's loop last began a round.",
    ["loop"],
)
POOL_WAIT = Histogram(
    "nameplate_database_pool_wait_seconds",
    "Time until a database connection was free, or made; of fast-path reads, one in sixteen.",
    ["pool"],
    buckets=_WAIT_BUCKETS,
)
PRUNED = Counter("nameplate_pruned_rows", "Rows that were removed for their age.", ["table"])
HOSTNAMES = Gauge("nameplate_hostnames", "Custom hostnames by state." + MEASURED, ["state"])
DANGLING = Gauge(
    "nameplate_dangling_hostnames",
    "Removed custom hostnames whose DNS still points here." + MEASURED,
)
ZONES_PAUSED = Gauge(
    "nameplate_zones_paused", "Zones that are paused, by reason." + MEASURED, ["reason"]
)
BUDGET_SPENT = Gauge(
    "nameplate_budget_spent_calls",
    "Calls to Cloudflare acquired within the last window, by lane." + MEASURED,
    ["budget", "lane"],
)
BUDGET_LEFT = Gauge(
    "nameplate_budget_left_calls",
    "Calls to Cloudflare that a lane could acquire at once." + MEASURED,
    ["budget", "lane"],
)
BUDGET_LIMIT = Gauge(
    "nameplate_budget_limit_calls",
    "Calls to Cloudflare that all lanes may acquire within one window." + MEASURED,
    ["budget"],
)
QUEUE_LENGTH = Gauge(
    "nameplate_queue_length_hostnames",
    "Custom hostnames that wait for a call to Cloudflare." + MEASURED,
    ["budget", "lane"],
)
CHECK_LAG = Gauge(
    "nameplate_check_lag_seconds",
    "Age of the oldest overdue look at a custom hostname, paused zones aside." + MEASURED,
    ["side"],
)
DELIVERY_LAG = Gauge(
    "nameplate_delivery_lag_seconds", "Age of the oldest overdue webhook delivery." + MEASURED
)
MEASURED_AT = Gauge(
    "nameplate_measured_timestamp_seconds",
    "When this worker last measured the database to the end, in Unix time.",
)


@lru_cache(maxsize=4096)
def _request_metrics(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Cache the labelled metrics: a lookup costs more than the count, on the fast path."""
    return (
        _http_requests.labels(method, route, str(status or "none")),
        _http_duration.labels(method, route),
    )


def count_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one request. `route` is a template, never a path; status 0 means no answer."""
    requests, duration = _request_metrics(method, route, status)
    requests.inc()
    duration.observe(seconds)


def exposition(accept: str) -> tuple[bytes, str]:
    """Return all metrics in the format that `accept` asks for, and its content type."""
    encode, content_type = choose_encoder(accept)
    return encode(REGISTRY), content_type


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool of connections, whose numbers are read at each scrape."""

    name: str
    in_use: Callable[[], int]
    idle: Callable[[], int]
    limit: int


class _Pools(Collector):
    """The pools that are open in this process. Pools of one name are added up."""

    def __init__(self) -> None:
        self._open: list[Pool] = []
        self._lock = threading.Lock()

    def add(self, pool: Pool) -> None:
        with self._lock:
            self._open.append(pool)

    def remove(self, pool: Pool) -> None:
        with self._lock:
            self._open.remove(pool)

    @override
    def collect(self) -> Iterable[Metric]:
        connections = GaugeMetricFamily(
            "nameplate_database_pool_connections",
            "Database connections of a pool, in use or idle.",
            labels=["pool", "state"],
        )
        limit = GaugeMetricFamily(
            "nameplate_database_pool_limit_connections",
            "Database connections that a pool may have at most.",
            labels=["pool"],
        )
        with self._lock:
            pools = list(self._open)
        for name in sorted({pool.name for pool in pools}):
            same = [pool for pool in pools if pool.name == name]
            connections.add_metric([name, "in_use"], sum(pool.in_use() for pool in same))
            connections.add_metric([name, "idle"], sum(pool.idle() for pool in same))
            limit.add_metric([name], sum(pool.limit for pool in same))
        return [connections, limit]


_pools = _Pools()
REGISTRY.register(_pools)


@contextmanager
def shown_pools(*pools: Pool) -> Iterator[None]:
    """Export the pools' numbers until the block ends."""
    for pool in pools:
        _pools.add(pool)
    try:
        yield
    finally:
        for pool in pools:
            _pools.remove(pool)
