"""Pause and resume zones. `breaker` decides when too many mismatches pause one."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from functools import partial

import structlog

from app.domain.breaker import (
    BREAKER_WITHIN,
)
from app.domain.errors import Conflict, ErrorCode, NotFound
from app.domain.events import ZoneEvent, ZoneEventType, zone_webhook_body
from app.domain.zone import (
    PAUSE_REASONS,
    RESUME_EACH,
    RESUME_OVER,
    RETRY,
    Pause,
    PauseReason,
    Zone,
    resume_over,
)
from app.metrics import PAUSES
from app.persistence import zones as store
from app.persistence.breaker_counts import (
    forget_counts,
)
from app.persistence.clock import read_now
from app.persistence.database import Connection, Database
from app.persistence.events import insert_zone_event
from app.persistence.ids import Prefix, new_id
from app.persistence.pause_spreading import count_overdue, jitter_overdue, lock_for_resume
from app.persistence.wakeups import Channel, notify
from app.services.idempotency import Accept, accept_without_key

BREAKER_OFF_FOR = timedelta(hours=2)
"""How long an operator's `accept_regressions` holds: longer than resumed checks are spread over."""
SUSPECTS_OVER = BREAKER_WITHIN / 2
"""Suspected names are checked within this time after a pause, so that the breaker counts them
together if they are still bad."""
RESUME_AT_ONCE = 5000
"""Names in one transaction."""
RESUME_SECONDS = 5.0
"""How long a request to resume works itself. The zone monitor finishes the rest."""
log = structlog.get_logger(__name__)


class Pauses:
    """Pauses zones and resumes them."""

    def __init__(self, database: Database, *, at_once: int = RESUME_AT_ONCE) -> None:
        self._database = database
        self._at_once = at_once

    async def pause(self, zone_id: str, reason: PauseReason, *, detail: str | None = None) -> bool:
        """Pause the zone and emit an event; False if it was paused already."""
        async with self._database.transaction() as tx:
            return await pause_zone(tx, zone_id, reason, detail=detail)

    async def pause_by_operator(
        self, zone_id: str, *, detail: str | None, accept: Accept = accept_without_key
    ) -> Zone:
        """Pause it until an operator resumes it. This replaces a pause that would end by itself.

        Raises:
            NotFound: there is no zone of this id.
            Conflict: it already waits for an operator.
        """
        async with self._database.transaction() as tx:
            zone = await _named(tx, zone_id)
            if not await pause_zone(tx, zone.id, PauseReason.OPERATOR, detail=detail):
                raise Conflict(
                    "The zone is paused already; resume it first.", code=ErrorCode.ZONE_PAUSED
                )
            await accept(tx, zone.id, None)
            return await _named(tx, zone.id)

    async def resume(
        self,
        zone_id: str,
        *,
        accept_regressions: bool = False,
        accept: Accept = accept_without_key,
    ) -> Zone:
        """Resume work: at once for what callers wait for; the rest of what is due is spread out.

        With `accept_regressions` the breaker stays off until every name was checked again, so that
        true losses are recorded. Without it, suspicions are dropped: what is still bad is counted
        as a first mismatch, within the time over which the breaker counts. A large zone may still
        be paused when this returns; it is resumed within about a minute.

        Raises:
            NotFound: there is no zone of this id.
            Conflict: it is not paused.
        """
        async with self._database.transaction() as tx:
            zone = await _named(tx, zone_id)
        if not await self.resume_zone(
            zone, accept_regressions=accept_regressions, within=RESUME_SECONDS, accept=accept
        ):
            raise Conflict("The zone is not paused.", code=ErrorCode.ZONE_NOT_PAUSED)
        async with self._database.transaction() as tx:
            return await _named(tx, zone.id)

    async def resume_zone(
        self,
        zone: Zone,
        *,
        accept_regressions: bool,
        within: float,
        accept: Accept = accept_without_key,
    ) -> bool:
        """Begin to resume from the pause that `zone` was read with; False if it has another by now.

        Works for `within` seconds; the zone monitor does the rest. A second call goes on where the
        first one stopped.
        """
        pause = zone.pause
        if pause is None:
            return False
        async with self._database.transaction() as tx:
            if not await store.begin_resume(tx, zone.id, pause, accepts=accept_regressions):
                return False
            await accept(tx, zone.id, None)
        await self.continue_resume(zone.id, within=within)
        return True

    async def continue_resume(self, zone_id: str, *, within: float) -> None:
        """Continue a resume that has begun, for `within` seconds.

        Overdue checks are spread first, some thousand names a transaction, while nothing works on
        them.
        """
        until = time.monotonic() + within
        while time.monotonic() < until:
            some = partial(_resume_some, zone_id=zone_id, at_once=self._at_once)
            if not await self._database.run(some):
                return
        async with self._database.transaction() as tx:
            await store.hasten_zone_check(tx, zone_id)


async def pause_zone(
    tx: Connection, zone_id: str, reason: PauseReason, *, detail: str | None = None
) -> bool:
    """Pause the zone in this transaction; False if it is paused already."""
    zone = await store.lock_zone(tx, zone_id)
    if zone is None or not _may_pause(zone, reason):
        return False
    now = await read_now(tx)
    retry_at = now + RETRY if reason in PAUSE_REASONS.values() else None
    since = zone.paused_at or now
    pause = Pause(reason=reason, since=since, detail=detail, retry_at=retry_at)
    await store.save_pause(tx, zone_id, pause)
    await _emit_zone_event(tx, zone_id, ZoneEventType.PAUSED)
    PAUSES.labels(str(reason)).inc()
    log.error("zone_paused", zone=zone_id, reason=str(reason), detail=detail)
    return True


def _may_pause(zone: Zone, reason: PauseReason) -> bool:
    pause = zone.pause
    if pause is None:
        return True
    ends = pause.reason.ends_by_itself or zone.resume_cursor is not None
    return reason is PauseReason.OPERATOR and ends


async def _resume_some(tx: Connection, zone_id: str, *, at_once: int) -> bool:
    """Spread the next names of a paused zone, or open it after the last one; False at the end.

    Each name is moved once, however many processes do this: the names are locked first, and a
    process that finds the cursor moved meanwhile leaves them.
    """
    zone = await _named(tx, zone_id)
    pause, before = zone.pause, zone.resume_cursor
    if pause is None or before is None:
        return False
    ids = await lock_for_resume(tx, zone_id, after=before, limit=at_once)
    if not ids:
        await _open(tx, zone_id, pause)
        return False
    if not await store.save_resume(tx, zone_id, pause, before=before, after=ids[-1]):
        return True
    over = resume_over(await count_overdue(tx, zone_id, limit=int(RESUME_OVER / RESUME_EACH)))
    await jitter_overdue(
        tx,
        ids,
        over=over,
        suspects_over=SUSPECTS_OVER,
        paused_since=pause.since,
        anew=not zone.resume_accepts,
    )
    return True


async def _open(tx: Connection, zone_id: str, pause: Pause) -> None:
    zone = await store.lock_zone(tx, zone_id)
    if zone is None or zone.pause is None or zone.resume_cursor is None:
        return
    if (zone.pause.reason, zone.pause.since) != (pause.reason, pause.since):
        return
    off = BREAKER_OFF_FOR if zone.resume_accepts else None
    await _emit_zone_event(tx, zone_id, ZoneEventType.RESUMED, sequence=zone.sequence + 1)
    await store.end_pause(tx, zone_id, breaker_off_for=off)
    await forget_counts(tx, zone_id, older_than=timedelta(0))
    await notify(tx, Channel.RECONCILE)
    log.warning("zone_resumed", zone=zone_id, accept_regressions=zone.resume_accepts)


async def _named(tx: Connection, zone_id: str) -> Zone:
    zone = await store.get_zone(tx, zone_id)
    if zone is None:
        raise NotFound("Zone not found.")
    return zone


async def _emit_zone_event(
    tx: Connection, zone_id: str, kind: ZoneEventType, *, sequence: int | None = None
) -> None:
    zone = await _named(tx, zone_id)
    pause = zone.pause
    if pause is None:
        return
    event = ZoneEvent(
        id=new_id(Prefix.EVENT),
        zone_id=zone_id,
        sequence=sequence or zone.sequence,
        type=kind,
        reason=pause.reason,
        detail=pause.detail,
        created_at=await read_now(tx),
    )
    await insert_zone_event(tx, event, body=json.dumps(zone_webhook_body(event, name=zone.name)))
