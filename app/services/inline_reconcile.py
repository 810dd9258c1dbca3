"""Reconcile what a request changed, inline and under a short deadline.

After the deadline the caller gets what is committed so far, and the reconcile goes on as a tracked
task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import structlog

from app.domain.custom_hostname import CustomHostname
from app.domain.errors import DatabaseUnavailable
from app.persistence.database import Connection, Database
from app.persistence.leases import Claim
from app.services.inline_limit import InlineSlots, Slot
from app.services.locked_records import load
from app.services.reconciler.tick import Reconciler

log = structlog.get_logger(__name__)


class InlineReconciles:
    """The inline reconciles of one process: at most `at_once`, each awaited for `deadline`."""

    def __init__(
        self, database: Database, reconciler: Reconciler, *, deadline: timedelta, at_once: int
    ) -> None:
        self._database = database
        self._reconciler = reconciler
        self._deadline = deadline.total_seconds()
        self._slots = InlineSlots(at_once)
        self._running: set[asyncio.Task[None]] = set()

    def slot(self) -> AbstractContextManager[Slot]:
        """Take a slot for the block, if one is free."""
        return self._slots.take()

    def without_slot(self) -> Slot:
        """Give a slot that is not taken: nobody waits for this reconcile."""
        return Slot(self._slots, is_taken=False)

    async def change(
        self,
        change: Callable[[Connection, Slot], Awaitable[tuple[CustomHostname, Claim | None]]],
    ) -> CustomHostname:
        """Take a slot, make the change, then reconcile what it claimed."""
        with self.slot() as slot:
            committed, claim = await self._database.run(lambda tx: change(tx, slot))
            return await self.reconcile(committed, claim, slot)

    async def reconcile(
        self, committed: CustomHostname, claim: Claim | None, slot: Slot
    ) -> CustomHostname:
        """Reconcile under the deadline, then give what is committed."""
        if claim is None:
            return committed
        task = asyncio.create_task(
            self._reconcile(claim, committed), name=f"reconcile {committed.id}"
        )
        task.add_done_callback(slot.hand_over())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.wait({task}, timeout=self._deadline)
        try:
            async with self._database.transaction() as tx:
                return await load(tx, committed.id)
        except DatabaseUnavailable:
            # It is accepted all the same, and the caller has to know.
            return committed

    async def drain(self, seconds: float) -> None:
        """Let the reconciles end. Workers take up the rest once the leases end."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        left = list(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _reconcile(self, claim: Claim, committed: CustomHostname) -> None:
        try:
            await self._reconciler.reconcile(claim)
        except Exception:
            # It stays accepted: a worker takes the hostname up when the lease has ended.
            log.exception(
                "inline_reconcile_failed",
                custom_hostname=claim.custom_hostname_id,
                hostname=committed.hostname.name,
            )
