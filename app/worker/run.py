"""One worker process: reconciler and sender side by side."""

from __future__ import annotations

import asyncio

import structlog

from app import __version__
from app.bootstrap import Services
from app.persistence.deliveries import Delivery
from app.persistence.wakeups import Channel, listening
from app.persistence.watches import Claim, claim_due
from app.worker.loop import Loop, Work

log = structlog.get_logger(__name__)


async def run_worker(services: Services, stop: asyncio.Event, *, concurrency: int) -> None:
    """Work until `stop` is set, then drain."""
    log.info("worker_started", concurrency=concurrency, version=__version__)
    url = services.database.url
    async with (
        listening(url, Channel.RECONCILE) as due,
        listening(url, Channel.DELIVER) as owed,
        asyncio.TaskGroup() as loops,
    ):
        reconciler = Loop(reconcile_work(services), concurrency=concurrency, woken=due, stop=stop)
        sender = Loop(send_work(services), concurrency=concurrency, woken=owed, stop=stop)
        loops.create_task(reconciler.run(), name="reconciler")
        loops.create_task(sender.run(), name="sender")


def reconcile_work(services: Services) -> Work[Claim]:
    """Bring hostnames that are due from what is desired to what is observed."""

    async def claim(limit: int) -> list[Claim]:
        async with services.database.transaction() as tx:
            return await claim_due(tx, limit=limit)

    return Work(
        name="reconcile",
        claim=claim,
        perform=services.reconciler.reconcile,
    )


def send_work(services: Services) -> Work[Delivery]:
    """Hand out what is owed to webhook endpoints."""
    return Work(
        name="deliver",
        claim=services.deliveries.claim,
        perform=services.deliveries.deliver,
    )
