"""Requests that had an Idempotency-Key: what became of each, for a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.tables import idempotent_requests

KEPT = timedelta(days=1)
LEASE_SECONDS = 30.0
"""How long a request may run. A retry takes over, or gets its answer, after that."""
_c = idempotent_requests.c
_OLD = _c.created_at <= NOW - in_seconds(KEPT.total_seconds())


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a key: whose it is, for what it was used, and the hash of the body."""

    api_key_id: str
    key: str
    method: str
    path: str
    body_hash: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What is known of a request. Without a status it was never accepted."""

    body_hash: bytes
    is_running: bool
    status: int | None
    resource_id: str | None
    answer: bytes | None
    """Encrypted. None where the resource itself tells the answer."""


async def find(tx: Connection, call: Call) -> Request | None:
    """Return the request of this key, if it is not a day old."""
    running = _c.leased_until > NOW
    columns = (_c.body_hash, running, _c.status, _c.resource_id, _c.answer)
    row = (await tx.execute(select(*columns).where(_of(call), ~_OLD))).first()
    return Request(*row) if row else None


async def begin(
    tx: Connection,
    call: Call,
    *,
    status: int | None = None,
    resource_id: str | None = None,
    answer: bytes | None = None,
) -> datetime | None:
    """Note a request that runs from now on; None if another one has the key.

    A request that was never accepted, and whose lease is over, has it no longer. Gives the end of
    the lease, which `finish` and `forget` ask for. With an `answer` the request has ended.
    """
    lease = NOW if answer is not None else NOW + in_seconds(LEASE_SECONDS)
    values = {
        "body_hash": call.body_hash,
        "status": status,
        "resource_id": resource_id,
        "answer": answer,
        "created_at": NOW,
        "leased_until": lease,
    }
    mine = {"api_key_id": call.api_key_id, "key": call.key, "method": call.method}
    free = or_(_OLD, and_(_c.status.is_(None), _c.leased_until <= NOW))
    row = await tx.execute(
        upsert(idempotent_requests)
        .values(**mine, path=call.path, **values)
        .on_conflict_do_update(
            index_elements=["api_key_id", "key", "method", "path"], set_=values, where=free
        )
        .returning(_c.leased_until)
    )
    lease_end: datetime | None = row.scalar_one_or_none()
    return lease_end


async def finish(
    tx: Connection,
    call: Call,
    lease: datetime,
    *,
    status: int | None = None,
    answer: bytes | None = None,
) -> None:
    """Note that the request of this lease has ended; its status and answer if they are given."""
    given = {"status": status, "answer": answer}
    values = {name: value for name, value in given.items() if value is not None}
    mine = _of(call) & (_c.leased_until == lease)
    await tx.execute(update(idempotent_requests).where(mine).values(leased_until=NOW, **values))


async def forget(tx: Connection, call: Call, lease: datetime) -> None:
    """Forget the request of this lease: it was refused."""
    await tx.execute(delete(idempotent_requests).where(_of(call), _c.leased_until == lease))


async def forget_answers(tx: Connection, resource_id: str) -> None:
    """Forget the requests whose stored answer is about this resource.

    This reads the requests of a day, so it is for what is rare.
    """
    await tx.execute(
        delete(idempotent_requests).where(_c.resource_id == resource_id, _c.answer.is_not(None))
    )


async def prune(tx: Connection, *, limit: int) -> dict[str, int]:
    """Remove requests that are a day old."""
    key = (_c.api_key_id, _c.key, _c.method, _c.path)
    old = select(*key).where(_OLD).limit(limit).with_for_update(skip_locked=True)
    removed = await tx.execute(delete(idempotent_requests).where(tuple_(*key).in_(old)))
    return {"idempotent_requests": removed.rowcount}


def _of(call: Call) -> ColumnElement[bool]:
    return and_(
        _c.api_key_id == call.api_key_id,
        _c.key == call.key,
        _c.method == call.method,
        _c.path == call.path,
    )
