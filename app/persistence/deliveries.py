"""Deliveries that are due: claimed in the endpoints' turn, and the results of their attempts.

`domain/deliveries` has the rules; `services/deliveries` sends them;
`persistence/delivery_history` lists them and has them sent again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Interval,
    SmallInteger,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.sql.selectable import TableValuedAlias

from app.domain.deliveries import Attempt, Due
from app.domain.histogram import bucket_of
from app.domain.webhook_endpoint import BURST, Paced
from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.leases import LEASE_SECONDS
from app.persistence.tables import events
from app.persistence.webhook_tables import (
    OWED,
    attempt_histograms,
    attempts,
    deliveries,
    webhook_endpoints,
)

READ_TIMES = 8
"""Longer than one attempt may take."""
ENDED_AT_ONCE = 1000
"""How many deliveries of a closed endpoint one statement ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event due to one endpoint, leased to this sender."""

    id: str
    token: int
    event_id: str | None
    """None: a test event."""
    endpoint_id: str
    body: str
    url: str
    secret: bytes = field(repr=False)
    """Encrypted."""
    previous_secret: bytes | None = field(repr=False)
    """Encrypted. None unless it signs as well, at this time."""
    is_tenants_own: bool
    """Whether a key that is bound to the tenant added the endpoint."""
    is_failing: bool
    """Whether the endpoint accepted nothing since its last failure."""
    attempts: int
    """How many attempts were made before this one."""
    attempts_before: int
    """How many of them were made before it was redelivered."""
    now: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """An attempt that was made, and when to try again; None: not."""

    delivery: Delivery
    attempt: Attempt
    retry_after: timedelta | None

    @property
    def status(self) -> str:
        """What becomes of the delivery."""
        if self.attempt.succeeded:
            return "succeeded"
        return "exhausted" if self.retry_after is None else "pending"


Choose = Callable[[Sequence[Due]], list[str]]
"""Takes what is due, in order, and returns the ids to lease."""


async def claim_deliveries(
    tx: Connection, choose: Choose, *, limit: int, per_endpoint: int, besides: Sequence[str]
) -> list[Delivery]:
    """Lease what `choose` selects from the due and unleased deliveries, without some endpoints."""
    due = await _due(tx, limit, per_endpoint, besides, taken=())
    chosen, ids = await _choose_and_lease(tx, due, choose)
    if chosen and not ids:
        # Another sender is claiming these very ones at this moment.
        due = await _due(tx, limit, per_endpoint, besides, taken=chosen)
        _, ids = await _choose_and_lease(tx, due, choose)
    return await _read(tx, ids) if ids else []


async def _choose_and_lease(
    tx: Connection, due: Sequence[Due], choose: Choose
) -> tuple[list[str], list[str]]:
    """Return what was chosen, and what of it was leased."""
    by_id = {each.id: each for each in due}
    chosen = choose(due)
    limited = {by_id[each].endpoint_id for each in chosen if by_id[each].is_limited}
    if not limited:
        return chosen, await _lease(tx, chosen)
    limits = await _lock_limits(tx, sorted(limited))
    free = Counter({endpoint_id: limit.free for endpoint_id, limit in limits.items()})
    within: list[str] = []
    for each in (by_id[delivery_id] for delivery_id in chosen):
        if not each.is_limited or free[each.endpoint_id] > 0:
            within.append(each.id)
            free[each.endpoint_id] -= 1
    ids = await _lease(tx, within)
    leased = Counter(by_id[each].endpoint_id for each in ids if by_id[each].is_limited)
    await _count_paced(tx, limits, leased)
    return chosen, ids


async def _due(
    tx: Connection, limit: int, per_endpoint: int, besides: Sequence[str], *, taken: Sequence[str]
) -> list[Due]:
    """Return what may be leased, without locks: some rows of each endpoint with due deliveries.

    Endpoints take turns, so that one with many due deliveries delays no other, and those that fail
    come last. Of an endpoint with a rate limit, only what may begin now is read. Many rows can
    belong to endpoints that have their share already, so more are read than are taken.
    """
    c, endpoint = deliveries.c, webhook_endpoints.c
    ahead = func.greatest(endpoint.paced_until, NOW)
    left = func.extract("epoch", NOW + in_seconds(BURST.total_seconds()) - ahead)
    free = cast(func.floor(left * endpoint.rate_limit), Integer)
    own = (
        select(c.id, c.next_attempt_at)
        .where(c.endpoint_id == endpoint.id, *_due_and_free(), c.id.not_in(taken))
        .order_by(c.next_attempt_at)
        .limit(func.greatest(func.least(per_endpoint, free), 0))
        .correlate(webhook_endpoints)
        .subquery("own")
    )
    turn = func.row_number().over(order_by=own.c.next_attempt_at)
    due = select(own.c.id, own.c.next_attempt_at, turn.label("turn")).lateral("due")
    is_failing = endpoint.failing_since.is_not(None)
    chosen = (
        select(due.c.id, endpoint.id, is_failing, endpoint.rate_limit.is_not(None))
        .select_from(webhook_endpoints.join(due, true()))
        .where(endpoint.deleted_at.is_(None), endpoint.enabled, endpoint.id.not_in(besides))
        .order_by(is_failing, due.c.turn, due.c.next_attempt_at)
        .limit(limit * READ_TIMES)
    )
    return [Due(*row) for row in await tx.execute(chosen)]


@dataclass(frozen=True, slots=True)
class _Limit:
    rate: int
    paced_until: datetime | None
    now: datetime

    @property
    def free(self) -> int:
        """How many may begin now."""
        paced = Paced.at(self.now, self.paced_until, rate=self.rate, wanted=self.rate)
        return paced.count


async def _lock_limits(tx: Connection, endpoint_ids: Sequence[str]) -> dict[str, _Limit]:
    """Lock these endpoints' rate limits. What another sender holds is its turn, and left out."""
    c = webhook_endpoints.c
    rows = await tx.execute(
        select(c.id, c.rate_limit, c.paced_until, NOW)
        .where(c.id.in_(endpoint_ids), c.rate_limit.is_not(None))
        .order_by(c.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return {row[0]: _Limit(*row[1:]) for row in rows}


async def _count_paced(tx: Connection, limits: Mapping[str, _Limit], leased: Counter[str]) -> None:
    c = webhook_endpoints.c
    for endpoint_id, count in leased.items():
        limit = limits[endpoint_id]
        paced = Paced.at(limit.now, limit.paced_until, rate=limit.rate, wanted=count)
        await tx.execute(
            update(webhook_endpoints)
            .where(c.id == endpoint_id)
            .values(paced_until=paced.paced_until)
        )


async def _lease(tx: Connection, ids: Sequence[str]) -> list[str]:
    """Lease those that no other sender has claimed since, or is claiming."""
    c = deliveries.c
    free = select(c.id).where(c.id.in_(ids), *_due_and_free()).with_for_update(skip_locked=True)
    locked = list((await tx.execute(free)).scalars())
    if locked:
        await tx.execute(
            update(deliveries)
            .where(c.id.in_(locked))
            .values(
                lease_token=c.lease_token + 1,
                leased_until=NOW + in_seconds(LEASE_SECONDS),
            )
        )
    return locked


def _due_and_free() -> list[Any]:
    c = deliveries.c
    return [
        OWED,
        c.next_attempt_at <= NOW,
        or_(c.leased_until.is_(None), c.leased_until <= NOW),
    ]


async def record_attempts(tx: Connection, outcomes: Sequence[Outcome]) -> set[str]:
    """Write attempts and what follows from them. Return the deliveries whose lease still held."""
    held = await _settle(tx, outcomes)
    made = [each for each in outcomes if each.delivery.id in held]
    if made:
        await tx.execute(insert(attempts), [_attempt_row(each) for each in made])
        await _count(tx, made)
    return held


async def _settle(tx: Connection, outcomes: Sequence[Outcome]) -> set[str]:
    c = deliveries.c
    result = _given(
        id=(Text, [each.delivery.id for each in outcomes]),
        token=(BigInteger, [each.delivery.token for each in outcomes]),
        status=(Text, [each.status for each in outcomes]),
        attempts=(SmallInteger, [each.delivery.attempts + 1 for each in outcomes]),
        wait=(Interval, [each.retry_after for each in outcomes]),
    )
    held = and_(c.lease_token == result.c.token, c.leased_until.is_not(None))
    locked = (
        select(c.id)
        .join(result, c.id == result.c.id)
        .where(held)
        # Others end many deliveries at a time, in this order as well.
        .order_by(c.id)
        .with_for_update(of=deliveries)
    )
    ids = list((await tx.execute(locked)).scalars())
    # A delivery that was ended meanwhile stays so, unless it arrived.
    is_open = or_(c.status == "pending", result.c.status == "succeeded")
    is_waiting = and_(is_open, result.c.status == "pending")
    await tx.execute(
        update(deliveries)
        .where(c.id.in_(ids), c.id == result.c.id)
        .values(
            status=case((is_open, result.c.status), else_=c.status),
            reason=case((is_open, None), else_=c.reason),
            attempts=result.c.attempts,
            next_attempt_at=case((is_waiting, NOW + result.c.wait), else_=None),
            leased_until=None,
        )
    )
    return set(ids)


def _attempt_row(outcome: Outcome) -> dict[str, Any]:
    delivery, attempt = outcome.delivery, outcome.attempt
    return {
        "delivery_id": delivery.id,
        "number": delivery.attempts + 1,
        "started_at": delivery.now,
        "duration_ms": attempt.duration_ms,
        "status_code": attempt.status_code,
        "error": attempt.error,
        "answer": attempt.answer,
    }


async def _count(tx: Connection, made: Sequence[Outcome]) -> None:
    c = attempt_histograms.c
    counts = Counter(
        (
            each.delivery.endpoint_id,
            each.delivery.now.replace(minute=0, second=0, microsecond=0),
            each.attempt.succeeded,
            bucket_of(each.attempt.duration_ms),
        )
        for each in made
    )
    # In one order everywhere, because several senders count for the same endpoints.
    keys = sorted(counts)
    endpoint_ids, hours, successes, buckets = zip(*keys, strict=True)
    counted = _given(
        endpoint_id=(Text, endpoint_ids),
        hour=(TIMESTAMP(timezone=True), hours),
        succeeded=(Boolean, successes),
        bucket=(SmallInteger, buckets),
        count=(BigInteger, [counts[key] for key in keys]),
    )
    new = upsert(attempt_histograms).from_select(list(counted.c.keys()), select(counted))
    await tx.execute(
        new.on_conflict_do_update(
            index_elements=[c.endpoint_id, c.hour, c.succeeded, c.bucket],
            set_={"count": c.count + new.excluded.count},
        )
    )


def _given(**columns: tuple[Any, Sequence[Any]]) -> TableValuedAlias:
    """Return rows of these columns: of each, its type and its values.

    One parameter for each column, so that the statement is compiled once and not for each batch.
    """
    arrays = [literal(list(given), ARRAY(kind)) for kind, given in columns.values()]
    typed = [column(name, kind) for name, (kind, _) in columns.items()]
    return func.unnest(*arrays).table_valued(*typed, name="given").render_derived()


async def end_pending(tx: Connection, endpoint_id: str, *, status: str, reason: str) -> None:
    """End the deliveries that wait for a closed endpoint, up to a batch; `end_closed` ends more."""
    await _end(tx, deliveries.c.endpoint_id == endpoint_id, status=status, reason=reason)


async def end_closed(tx: Connection) -> int:
    """End deliveries of disabled and removed endpoints that wait still. Return how many.

    An event that was emitted while its endpoint was being closed leaves one as well.
    """
    endpoint = webhook_endpoints.c
    ended = 0
    for closed, status, reason in (
        (endpoint.deleted_at.is_not(None), "cancelled", "endpoint_removed"),
        (and_(endpoint.deleted_at.is_(None), ~endpoint.enabled), "exhausted", "endpoint_disabled"),
    ):
        # Each by the index of what is owed to it: others may have a long queue.
        rows = await tx.execute(select(endpoint.id).where(closed, _is_owed()))
        for endpoint_id in list(rows.scalars()):
            ended += await _end(
                tx, deliveries.c.endpoint_id == endpoint_id, status=status, reason=reason
            )
            if ended >= ENDED_AT_ONCE:
                return ended
    return ended


def _is_owed() -> ColumnElement[bool]:
    c = deliveries.c
    return select(c.id).where(c.endpoint_id == webhook_endpoints.c.id, OWED).exists()


async def _end(tx: Connection, which: ColumnElement[bool], *, status: str, reason: str) -> int:
    c = deliveries.c
    waiting = (
        select(c.id)
        .where(which, OWED)
        .order_by(c.id)
        .limit(ENDED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    ids = list((await tx.execute(waiting)).scalars())
    if ids:
        # Its lease stays: an attempt that is under way may still succeed.
        await tx.execute(
            update(deliveries)
            .where(c.id.in_(ids))
            .values(status=status, reason=reason, next_attempt_at=None)
        )
    return len(ids)


async def _read(tx: Connection, ids: list[str]) -> list[Delivery]:
    c, endpoint = deliveries.c, webhook_endpoints.c
    previous = case((endpoint.previous_until > NOW, endpoint.previous_secret))
    rows = await tx.execute(
        select(
            c.id,
            c.lease_token.label("token"),
            c.event_id,
            c.endpoint_id,
            func.coalesce(events.c.body, c.body).label("body"),
            endpoint.url,
            endpoint.secret,
            previous.label("previous_secret"),
            endpoint.is_tenants_own,
            endpoint.failing_since.is_not(None).label("is_failing"),
            c.attempts,
            c.attempts_before,
            NOW.label("now"),
        )
        .join(webhook_endpoints, endpoint.id == c.endpoint_id)
        .outerjoin(events, events.c.id == c.event_id)
        .where(c.id.in_(ids))
        .order_by(events.c.custom_hostname_id, events.c.sequence)
    )
    return [Delivery(**row) for row in rows.mappings()]
