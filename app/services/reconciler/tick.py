"""Bring what is desired and what is observed together: claim, observe, decide, record, act.

Nothing else changes a hostname's state: the API changes what is desired and then runs this very
code once, inline. No transaction is open across a network call; every write is fenced by the
lease's token. One tick ends in at most one act, whose answer is an observation of its own, decided
on and recorded by the transaction that gives the lease up.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from structlog.contextvars import bind_contextvars

from app.domain.cloudflare_terms import unknown_statuses, unknown_texts
from app.domain.custom_hostname import GONE, LIVE, CustomHostname, Desired, Schedule, State
from app.domain.errors import DatabaseUnavailable
from app.domain.observation import (
    Action,
    CloudflareHostname,
    CloudflareView,
    Found,
    NotAsked,
    Observation,
    Unknown,
)
from app.domain.proof import is_proved
from app.domain.rate_limit import Lane
from app.domain.reason import Reason
from app.domain.reconcile.decide import Transition, decide
from app.domain.reconcile.merge import merge_concurrent_changes
from app.domain.reconcile.schedule import Policy
from app.domain.siblings import has_confirmed, join
from app.domain.zone import TARGET_FINE, Zone, ZoneAccess
from app.metrics import LEASES_LOST, TIME_TO_ACTIVE, TRANSITIONS
from app.persistence.custom_hostnames import (
    get_hostname,
    hand_on_spec,
    lock_bases,
    save_hostname,
)
from app.persistence.database import Connection, Database, TransactionUndone
from app.persistence.leases import (
    Claim,
    Snapshot,
    lock_all,
    lock_lease,
    lock_schedule,
    release_lease,
    save_and_release,
    save_schedule,
    wake,
)
from app.persistence.zones import get_zone, note_metadata_refused, pause_and_target_of
from app.services.breaker import breaker_trips
from app.services.call_queue import CallQueue
from app.services.events import emit_event
from app.services.locked_records import bury, former_records
from app.services.ports import Cipher
from app.services.rate_limiter import RateLimiter
from app.services.reconciler.act import ActionExecutor, paying_lane
from app.services.reconciler.corroborate import Corroborator
from app.services.reconciler.observe import Observer
from app.tracing.spans import span

Checkpoint = Callable[[str], None]
"""Called between the parts of a tick with the name of what was just done."""
ABSENCE_UNCONFIRMED = Unknown("absence_unconfirmed")
RECORD_AGAIN_SECONDS = 0.5
SIBLING_SECONDS = 10.0
"""How long a database that is away is waited for: what the other name needs to know is told."""
VOID_SECONDS = timedelta(minutes=1)
TICK_SECONDS = 45.0
"""A tick ends well before its lease does."""
log = structlog.get_logger(__name__)


class _Clock:
    """Postgres's time during a tick: that of the claim, and what passed since on our own clock."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim

    def now(self) -> datetime:
        return self._claim.now + timedelta(seconds=self._claim.age)


class Reconciler:
    """Works on one claimed hostname at a time; any number may work side by side."""

    def __init__(
        self,
        database: Database,
        observer: Observer,
        executor: ActionExecutor,
        cipher: Cipher,
        queue: CallQueue,
        rate_limiter: RateLimiter,
        corroborator: Corroborator,
        *,
        policy: Policy,
        checkpoint: Checkpoint,
    ) -> None:
        self._database = database
        self._observer = observer
        self._executor = executor
        self._cipher = cipher
        self._queue = queue
        self._rate_limiter = rate_limiter
        self._corroborator = corroborator
        self._policy = policy
        self._checkpoint = checkpoint

    async def reconcile(self, claim: Claim) -> None:
        """Run one tick. What goes wrong ends with the lease: the next tick sees what is true."""
        await self._in_time(claim, None)

    async def reconcile_view(
        self, claim: Claim, view: CloudflareHostname, *, sent_at: datetime
    ) -> None:
        """Run one tick with what a list showed of the hostname, asked for at `sent_at`."""
        # A list says nothing of DNS: a look that is due stays so.
        without_dns = replace(claim, dns_due=False)
        await self._in_time(without_dns, Observation(cloudflare=Found(view), sent_at=sent_at))

    async def _in_time(self, claim: Claim, given: Observation | None) -> None:
        # In every line of this tick, which has a task of its own: nobody else's lines get it.
        bind_contextvars(custom_hostname=claim.custom_hostname_id)
        # A claim that waited for its worker has less of its lease left.
        left = TICK_SECONDS - claim.age
        try:
            with span("reconcile", begins=True, custom_hostname=claim.custom_hostname_id):
                async with asyncio.timeout(left):
                    await self._tick(claim, _Clock(claim), given)
        except TimeoutError:
            log.warning("tick_timed_out", custom_hostname=claim.custom_hostname_id)

    async def _tick(self, claim: Claim, clock: _Clock, given: Observation | None) -> None:
        record, zone = await self._read(claim)
        bind_contextvars(hostname=record.hostname.name)
        if zone.pause is not None:
            await self._mark_deleting(claim, record, clock)
            return
        access = zone.access(self._cipher.decrypt(zone.api_token))
        record = await self._observer.with_dcv_uuid(join(record), claim, access)
        observation = given or await self._observer.observe(
            record, claim, zone, access, sent_at=clock.now()
        )
        await self._pause_if_refused(zone, access, observation.cloudflare)
        self._checkpoint("observed")
        transition = self._decide(record, observation, clock)
        if _forgets(record, transition):
            absence = await self._confirm_absence(
                record, zone, access, paying_lane(None, record, claim.now)
            )
            observation = replace(observation, cloudflare=absence)
            transition = self._decide(record, observation, clock)
        if transition.action is not None and not await self._acquire_or_queue(
            transition.action, record, claim, zone, observation
        ):
            transition = self._put_off(record, observation, clock)
        kept = await self._record_undone(claim, transition, observation, clock, read=record)
        if kept is None or kept.action is None:
            return
        self._checkpoint(f"{kept.action}_started")
        sent_at = clock.now()
        lane = paying_lane(kept.action, kept.record, claim.now)
        answer = await self._executor.perform(kept.action, kept.record, access, lane)
        self._checkpoint(f"{kept.action}_answered")
        performed = Observation(cloudflare=answer, performed=kept.action, sent_at=sent_at)
        await self._record_answer(claim, performed, clock, read=kept.record)
        await self._pause_if_refused(zone, access, answer)

    async def _record_undone(
        self,
        claim: Claim,
        transition: Transition,
        observation: Observation,
        clock: _Clock,
        *,
        read: CustomHostname,
    ) -> Transition | None:
        """Record, and once more where Postgres undid it for another one's sake.

        Not where a commit may have arrived: its events would be told twice.
        """
        try:
            return await self._record(claim, transition, observation, clock, read=read)
        except TransactionUndone:
            await asyncio.sleep(RECORD_AGAIN_SECONDS)
            return await self._record(claim, transition, observation, clock, read=read)

    async def _record_answer(
        self, claim: Claim, performed: Observation, clock: _Clock, *, read: CustomHostname
    ) -> None:
        """Record an action's answer, and go on trying while the tick lasts.

        A dropped answer costs more than a wait: the next tick would meet a duplicate, and have to
        look for what this one made.
        """
        while True:
            try:
                decided = self._decide(read, performed, clock)
                await self._record(claim, decided, performed, clock, read=read)
            except DatabaseUnavailable:
                log.warning(
                    "answer_not_recorded", custom_hostname=read.id, action=str(performed.performed)
                )
                await asyncio.sleep(RECORD_AGAIN_SECONDS)
            else:
                return

    async def _confirm_absence(
        self, record: CustomHostname, zone: Zone, access: ZoneAccess, lane: Lane
    ) -> CloudflareView:
        """Ask the zone before an absence is believed: how many it lacks, and for the name."""
        if not await self._corroborator.on_absence(zone, access, lane):
            return ABSENCE_UNCONFIRMED
        await self._rate_limiter.debit(access.budget, lane)
        seen = await self._executor.confirm_absence(record, access, lane)
        # The list still shows it under this very id: one of the two answers is old.
        return ABSENCE_UNCONFIRMED if isinstance(seen, Found) else seen

    async def _acquire_or_queue(
        self,
        action: Action,
        record: CustomHostname,
        claim: Claim,
        zone: Zone,
        observation: Observation,
    ) -> bool:
        """Acquire the action's call, or queue the record for it; say which."""
        lane = Lane.CREATION if action is Action.CREATE else Lane.VALIDATION
        if claim.served_lane is lane:
            return True
        if claim.paid and lane is Lane.VALIDATION and observation.cloudflare == NotAsked():
            # The call acquired for a check that was not made.
            await self._queue.leave(record)
            return True
        return await self._queue.take(
            record, zone.budget, lane, awaited=record.is_awaited(claim.now)
        )

    def _put_off(
        self, record: CustomHostname, observation: Observation, clock: _Clock
    ) -> Transition:
        """Decide as if no action were possible; the queue brings the hostname back, not a timer."""
        transition = self._decide(record, replace(observation, held_back=clock.now()), clock)
        schedule = replace(transition.record.schedule, cloudflare_due_at=None)
        return replace(transition, record=replace(transition.record, schedule=schedule))

    async def _mark_deleting(self, claim: Claim, record: CustomHostname, clock: _Clock) -> None:
        """In a paused zone nothing is asked or done; but that a name is to go is said all the same.

        What is known of it suffices for that. The removal itself waits for the zone.
        """
        if record.desired is Desired.ABSENT and record.state not in GONE:
            nothing = Observation(held_back=clock.now())
            decided = self._decide(record, nothing, clock)
            await self._record(claim, decided, nothing, clock, read=record)
            return
        async with self._database.transaction() as tx:
            if await lock_lease(tx, claim):
                await _note_pause(tx, record, clock.now())
            await release_lease(tx, claim)

    async def _pause_if_refused(self, zone: Zone, access: ZoneAccess, view: CloudflareView) -> None:
        """A token that is refused says nothing of this hostname, and concerns all of them."""
        if isinstance(view, Unknown):
            await self._corroborator.on_refusal(zone, access, view.why)

    def _decide(
        self, record: CustomHostname, observation: Observation, clock: _Clock
    ) -> Transition:
        return decide(record, observation, now=clock.now(), policy=self._policy)

    async def _read(self, claim: Claim) -> tuple[CustomHostname, Zone]:
        async with self._database.transaction() as tx:
            record = await get_hostname(tx, claim.custom_hostname_id)
            if record is None:
                raise LookupError(claim.custom_hostname_id)
            zone = await get_zone(tx, record.zone.id)
        if zone is None:
            raise LookupError(record.zone.id)
        return record, zone

    async def _notify_sibling(self, record: CustomHostname, before: CustomHostname) -> None:
        """Wake the other name of the object when what it waits for, or needs to know, changed.

        In a transaction of its own: nobody holds two lease rows at a time.
        """
        sibling = before.sibling
        confirmed = has_confirmed(record, before)
        same = (record.state, record.cloudflare.id) == (before.state, before.cloudflare.id)
        if sibling is None or (same and not confirmed):
            return

        async def emit_event(tx: Connection) -> None:
            await lock_schedule(tx, sibling.id)
            if confirmed and before.cloudflare.id is not None:
                await hand_on_spec(tx, record, sibling.id, cloudflare_id=before.cloudflare.id)
            await wake(tx, sibling.id)

        await self._database.run(emit_event, within=SIBLING_SECONDS)

    async def _record(
        self,
        claim: Claim,
        transition: Transition,
        observation: Observation,
        clock: _Clock,
        *,
        read: CustomHostname,
    ) -> Transition | None:
        """Write the transition with its events; None when the lease was lost meanwhile.

        `read` is the record that the transition began with. Nothing that was merely seen is written
        of a zone that is paused, or that this very look pauses; the answer to an act always is.
        """
        now = clock.now()
        async with self._database.transaction() as tx:
            former = await _lock_former(tx, transition, read)
            if not await lock_lease(tx, claim):
                log.info("lease_lost", custom_hostname=claim.custom_hostname_id)
                LEASES_LOST.labels("reconcile").inc()
                return None
            before = await get_hostname(tx, claim.custom_hostname_id)
            if before is None:
                return None
            if observation.performed is not None:
                # Counted like any other look; recorded whatever it means for the zone.
                await breaker_trips(tx, before.zone.id, transition)
            elif await _is_void(tx, transition, observation):
                await _note_pause(tx, before, clock.now())
                again = clock.now() + VOID_SECONDS
                await save_and_release(tx, claim, replace(before.schedule, cloudflare_due_at=again))
                return None
            transition = merge_concurrent_changes(
                transition, read=read, current=before, performed=observation.performed, now=now
            )
            record = await _emit_events(tx, transition, now)
            updated_at = max(now, before.updated_at)
            record = await save_hostname(tx, replace(record, updated_at=updated_at), before=before)
            if _speaks_for_its_name(record, before):
                await bury(tx, former)
            schedule = _overdue_kept(record.schedule, before.schedule, claim, observation)
            if record.zone.takes_custom_metadata is False is not before.zone.takes_custom_metadata:
                await note_metadata_refused(tx, record.zone.id)
            if transition.action is None:
                await save_and_release(tx, claim, schedule, _snapshot(record, observation))
            else:
                # Who dies before the answer is written leaves it due when the lease has ended.
                await save_schedule(tx, claim, replace(schedule, cloudflare_due_at=now))
        self._checkpoint("recorded")
        await self._notify_sibling(record, before)
        for step in transition.steps:
            log.info(
                "state_changed",
                custom_hostname=record.id,
                before=str(step.before),
                after=str(step.after),
                reason=str(step.reason),
            )
        _count(transition, before, now)
        _log_what_is_new(before, record)
        return replace(transition, record=record)


def _speaks_for_its_name(record: CustomHostname, read: CustomHostname) -> bool:
    """Whether the name was proved, or came to Cloudflare: no earlier record counts from now on."""
    seen = record.cloudflare.seen is not None and read.cloudflare.seen is None
    return seen or is_proved(record, read)


async def _lock_former(tx: Connection, transition: Transition, read: CustomHostname) -> list[str]:
    """Lock what is written besides the record itself, in the order of all locks."""
    record = transition.record
    if not _speaks_for_its_name(record, read):
        return []
    if is_proved(record, read):
        # Nobody may add the name while it is given away.
        await lock_bases(tx, record.hostname.base)
    former = await former_records(tx, record)
    if former:
        await lock_all(tx, [record.id, *former])
    return former


def _count(transition: Transition, before: CustomHostname, now: datetime) -> None:
    for step in transition.steps:
        TRANSITIONS.labels(str(step.before), str(step.after)).inc()
        if step.after is State.ACTIVE and State.ACTIVE not in before.arrived_at:
            TIME_TO_ACTIVE.observe((now - before.created_at).total_seconds())


async def _is_void(tx: Connection, transition: Transition, observation: Observation) -> bool:
    """Whether what was seen is not to be written: it says more of the zone than of the name."""
    leaving = transition.record.desired is Desired.ABSENT
    if leaving and observation.saw_nothing and transition.action is None:
        return False
    zone_id = transition.record.zone.id
    paused, target = await pause_and_target_of(tx, zone_id)
    against = _takes_down(transition) or bool(transition.mismatched)
    if paused or (target not in TARGET_FINE and against):
        # Without its target every name looks lost, to Cloudflare too.
        return True
    return await breaker_trips(tx, zone_id, transition)


async def _note_pause(tx: Connection, record: CustomHostname, now: datetime) -> None:
    """Say of a name whose creation was under way that it waits for its paused zone."""
    paused, _ = await pause_and_target_of(tx, record.zone.id)
    if paused and record.reason is Reason.CREATING:
        waiting = replace(record, reason=Reason.ZONE_PAUSED, updated_at=now)
        await save_hostname(tx, waiting, before=record)


def _takes_down(transition: Transition) -> bool:
    worse = {State.VALIDATING, State.ACTIVE, State.FAILED}
    return any(step.before in LIVE and step.after in worse for step in transition.steps)


def snapshot_of(view: CloudflareHostname) -> Snapshot:
    """What later lists are compared with."""
    digest = hashlib.blake2b(repr(view).encode(), digest_size=8).digest()
    return Snapshot(view.status, view.ssl_status, int.from_bytes(digest, signed=True))


def _snapshot(record: CustomHostname, observation: Observation) -> Snapshot | None:
    if record.cloudflare.id is None:
        return Snapshot()
    match observation.cloudflare:
        case Found(view) if observation.sent_at == record.schedule.viewed_at:
            return snapshot_of(view)
        case _:
            return None


def _overdue_kept(
    schedule: Schedule, before: Schedule, claim: Claim, observation: Observation
) -> Schedule:
    """Keep a look due that this tick did not make: at DNS, or at Cloudflare for want of a call."""
    dns = before.dns_due_at
    unseen = isinstance(observation.dns.routing, NotAsked) and not claim.dns_due
    if unseen and dns is not None and dns <= claim.now and schedule.dns_due_at is not None:
        schedule = replace(schedule, dns_due_at=dns)
    asked = not isinstance(observation.cloudflare, NotAsked) or observation.held_back is not None
    due = before.cloudflare_due_at
    if asked or claim.cloudflare_due or due is None or due > claim.now:
        return schedule
    if claim.is_uncreated and claim.served_lane is None:
        return schedule
    return replace(schedule, cloudflare_due_at=due)


def _forgets(record: CustomHostname, transition: Transition) -> bool:
    """Whether a name that is wanted would be taken for removed by another hand."""
    gone = record.cloudflare.id is not None and transition.record.cloudflare.id is None
    return gone and record.desired is Desired.PRESENT and record.schedule.removal is None


def _log_what_is_new(before: CustomHostname, after: CustomHostname) -> None:
    """Log Cloudflare's words that mean nothing to us, once for each change of them."""
    known, seen = before.cloudflare.seen, after.cloudflare.seen
    if seen is None:
        return
    reported = set(unknown_texts(known)) if known else set()
    for text in unknown_texts(seen):
        if text not in reported:
            log.warning("cloudflare_error_unknown", custom_hostname=after.id, text=text)
    named = set(unknown_statuses(known)) if known else set()
    for status in unknown_statuses(seen):
        if status not in named:
            log.warning("cloudflare_status_unknown", custom_hostname=after.id, status=status)


async def _emit_events(tx: Connection, transition: Transition, now: datetime) -> CustomHostname:
    """Write one event a step and one a notice, numbered on from the last."""
    record = transition.record
    for step in transition.steps:
        record = replace(record, sequence=record.sequence + 1)
        await emit_event(
            tx, record, before=step.before, after=step.after, reason=step.reason, at=now
        )
    for notification in transition.notifications:
        record = replace(record, sequence=record.sequence + 1)
        await emit_event(
            tx, record, before=record.state, after=record.state, notification=notification, at=now
        )
    return record
