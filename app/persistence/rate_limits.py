"""Budgets of Cloudflare calls: one row each. All replicas change it under its lock."""

from __future__ import annotations

from pydantic import TypeAdapter
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.rate_limit import Bucket, Limits, full
from app.persistence.database import NOW, Connection
from app.persistence.tables import budgets

_BUCKET = TypeAdapter(Bucket)
_EPOCH = func.extract("epoch", NOW)


async def lock_bucket(tx: Connection, name: str, limits: Limits) -> tuple[Bucket, float]:
    """Lock the budget until the transaction ends; give it with the time in epoch seconds."""
    query = select(budgets.c.state, _EPOCH).where(budgets.c.name == name).with_for_update()
    row = (await tx.execute(query)).first()
    if row is None:
        now = float((await tx.execute(select(_EPOCH))).scalar_one())
        fresh = _BUCKET.dump_python(full(limits, now), mode="json")
        await tx.execute(upsert(budgets).values(name=name, state=fresh).on_conflict_do_nothing())
        row = (await tx.execute(query)).one()
    bucket = _BUCKET.validate_python(row[0])
    # A statement that waited for the lock began before the holder wrote.
    return bucket, max(float(row[1]), bucket.at)


async def try_lock_bucket(tx: Connection, name: str, limits: Limits) -> tuple[Bucket, float] | None:
    """Lock the budget unless another process has it: whoever asks again soon need not wait."""
    query = select(budgets.c.state, _EPOCH).where(budgets.c.name == name)
    row = (await tx.execute(query.with_for_update(skip_locked=True))).first()
    if row is None:
        exists = await tx.scalar(select(budgets.c.name).where(budgets.c.name == name))
        return None if exists else await lock_bucket(tx, name, limits)
    bucket = _BUCKET.validate_python(row[0])
    return bucket, max(float(row[1]), bucket.at)


async def read_bucket(tx: Connection, name: str, limits: Limits) -> tuple[Bucket, float]:
    """Read the budget without a lock."""
    row = (await tx.execute(select(budgets.c.state, _EPOCH).where(budgets.c.name == name))).first()
    if row is None:
        now = float((await tx.execute(select(_EPOCH))).scalar_one())
        return full(limits, now), now
    return _BUCKET.validate_python(row[0]), float(row[1])


async def save_bucket(tx: Connection, name: str, bucket: Bucket) -> None:
    """Write the bucket. The row must be locked by this transaction."""
    state = _BUCKET.dump_python(bucket, mode="json")
    await tx.execute(update(budgets).where(budgets.c.name == name).values(state=state))
