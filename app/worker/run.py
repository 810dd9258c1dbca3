"""One worker process: reconciler, sweeper, the watch over zones and sender side by side."""

from __future__ import annotations

import asyncio

import structlog

from app import __version__
from app.bootstrap import Services
from app.persistence.deliveries import Delivery
from app.persistence.sweeps import Sweep
from app.persistence.wakeups import Channel, listening
from app.persistence.watches import Claim
from app.persistence.zones import Zone
from app.worker.loop import Loop, Work

SWEEPS = 2
ZONES = 4
SEND_ROUND_SECONDS = 0.05
"""A place that a delivery leaves is taken at once; several that end together share a claim."""

log = structlog.get_logger(__name__)


async def run_worker(services: Services, stop: asyncio.Event, *, concurrency: int) -> None:
    """Work until `stop` is set, then drain."""
    log.info("worker_started", concurrency=concurrency, version=__version__)
    server = services.database.server
    async with (
        listening(server, Channel.RECONCILE) as due,
        listening(server, Channel.DELIVER) as owed,
        asyncio.TaskGroup() as loops,
    ):
        sweeping, zones = asyncio.Event(), asyncio.Event()
        runs = (
            Loop(reconcile_work(services), concurrency=concurrency, woken=due, stop=stop).run(),
            Loop(sweep_work(services), concurrency=SWEEPS, woken=sweeping, stop=stop).run(),
            Loop(zone_work(services), concurrency=ZONES, woken=zones, stop=stop).run(),
            Loop(
                send_work(services),
                concurrency=services.deliveries.most_under_way,
                woken=owed,
                stop=stop,
            ).run(),
        )
        for run in runs:
            loops.create_task(run)


def reconcile_work(services: Services) -> Work[Claim]:
    """Bring hostnames that are due from what is desired to what is observed."""
    return Work(
        name="reconcile",
        claim=services.claims.due,
        perform=services.reconciler.reconcile,
        give_back=services.claims.give_back,
    )


def sweep_work(services: Services) -> Work[Sweep]:
    """Read the zones' lists, a page at a time."""
    return Work(
        name="sweep",
        claim=services.sweeps.claim,
        perform=services.sweeps.read_page,
    )


def zone_work(services: Services) -> Work[Zone]:
    """Look at the zones themselves."""
    return Work(
        name="zone",
        claim=services.zone_watch.claim,
        perform=services.zone_watch.look,
    )


def send_work(services: Services) -> Work[Delivery]:
    """Hand out what is owed to webhook endpoints."""
    return Work(
        name="deliver",
        claim=services.deliveries.claim,
        perform=services.deliveries.deliver,
        round_seconds=SEND_ROUND_SECONDS,
    )
