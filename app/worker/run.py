"""One worker process: its loops side by side, and the port that reports on them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import structlog

from app import __version__
from app.bootstrap import Services
from app.domain.zone import Zone
from app.persistence.deliveries import Delivery
from app.persistence.leases import Claim
from app.persistence.resync import ListScan
from app.persistence.wakeups import Channel, listening
from app.services.pruning import Kind, Pruning
from app.worker.health_server import served
from app.worker.heartbeats import Heartbeats
from app.worker.loop import Loop, Work

RESYNC = 2
ZONES = 4
SEND_ROUND_SECONDS = 0.05
"""A slot that a delivery frees is filled at once. Deliveries that end together share a claim."""
SEQUENCE_SECONDS = 0.25
"""How long an event may wait for its number while there is little to do."""

log = structlog.get_logger(__name__)


async def run_worker(
    services: Services, stop: asyncio.Event, *, concurrency: int, metrics: socket.socket
) -> None:
    """Work until `stop` is set, then drain. `metrics` is the port, which is closed at the end."""
    heartbeats = Heartbeats()
    host, port, *_ = metrics.getsockname()
    log.info(
        "worker_started",
        concurrency=concurrency,
        version=__version__,
        metrics_host=host,
        metrics_port=port,
    )
    server = services.database.server
    with served(metrics, heartbeats):
        async with (
            listening(server, Channel.RECONCILE) as due,
            listening(server, Channel.DELIVER) as owed,
            asyncio.TaskGroup() as loops,
        ):
            most_sent = services.deliveries.most_under_way
            kinds: list[tuple[Work[Any], int, asyncio.Event]] = [
                (reconcile_work(services), concurrency, due),
                (resync_work(services), RESYNC, asyncio.Event()),
                (zone_work(services), ZONES, asyncio.Event()),
                (send_work(services), most_sent, owed),
                (sequence_work(services), 1, asyncio.Event()),
                (measure_work(services), 1, asyncio.Event()),
            ]
            if services.pruning is not None:
                kinds.append((prune_work(services.pruning), 1, asyncio.Event()))
            for work, places, woken in kinds:
                loop = Loop[Any](
                    work,
                    concurrency=places,
                    woken=woken,
                    stop=stop,
                    heartbeat=heartbeats.of(work.name),
                )
                loops.create_task(loop.run())


def reconcile_work(services: Services) -> Work[Claim]:
    """Reconcile hostnames that are due."""
    return Work(
        name="reconcile",
        claim=services.dispatcher.due,
        perform=services.reconciler.reconcile,
        release_claims=services.dispatcher.release_claims,
    )


def resync_work(services: Services) -> Work[ListScan]:
    """Scan the zones' lists, one page at a time."""
    return Work(
        name="resync",
        claim=services.resync.claim,
        perform=services.resync.read_page,
    )


def zone_work(services: Services) -> Work[Zone]:
    """Monitor the zones themselves."""
    return Work(
        name="zone",
        claim=services.zone_monitor.claim,
        perform=services.zone_monitor.check,
    )


def send_work(services: Services) -> Work[Delivery]:
    """Send due deliveries to webhook endpoints."""
    return Work(
        name="deliver",
        claim=services.deliveries.claim,
        perform=services.deliveries.deliver,
        round_seconds=SEND_ROUND_SECONDS,
    )


def sequence_work(services: Services) -> Work[None]:
    """Number events for the feed, and fold the counts of the summary."""
    return Work(
        name="sequence",
        claim=services.sequencer.claim,
        perform=services.sequencer.perform,
        # No writer wakes it: a NOTIFY in each of their transactions would halve the commits.
        poll_seconds=SEQUENCE_SECONDS,
    )


def measure_work(services: Services) -> Work[None]:
    """Measure the database for the metrics."""
    return Work(
        name="measure",
        claim=services.measuring.claim,
        perform=services.measuring.measure,
    )


def prune_work(pruning: Pruning) -> Work[Kind]:
    """Remove what is older than its retention."""
    return Work(name="prune", claim=pruning.claim, perform=pruning.prune)
