"""The narrow rows: when to look next, who holds the right to, and who asked to be woken.

Every write of a hostname first locks its row here, by id and lease token: lease before wide row.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CTE, DateTime, Select, and_, case, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from app.domain.budget import Lane
from app.domain.custom_hostname import Desired, State, Watch
from app.domain.sweeps import FOLLOWED_STATUSES
from app.persistence.codec import watch_row
from app.persistence.database import NOW, Connection, in_seconds
from app.persistence.tables import (
    CLOUDFLARE_DUE,
    DNS_DUE,
    EXCEPTIONAL,
    UNCREATED_DUE,
    WOKEN,
    custom_hostnames,
    sweeps,
    watches,
)
from app.persistence.wakeups import Channel, notify

LEASE_SECONDS = 60
"""Never renewed; a tick is bounded well below it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one hostname until the lease ends; `token` fences every write."""

    custom_hostname_id: str
    token: int
    now: datetime
    """`nameplate_now()` at the claim: the `now` of what is decided under it."""
    dns_due: bool = True
    cloudflare_due: bool = True
    is_uncreated: bool = False
    """It is not known to be at Cloudflare."""
    paid: bool = False
    """A call was drawn for its look at Cloudflare already."""
    turn: Lane | None = None
    """A call was drawn for its act: it waited for its turn in this lane."""
    began: float = field(default_factory=time.monotonic, compare=False, repr=False)

    @property
    def age(self) -> float:
        """Seconds since the claim, on this process's clock."""
        return time.monotonic() - self.began


@dataclass(frozen=True, slots=True)
class Listing:
    """What a later page of a list is compared with: both statuses, and a digest of the view."""

    hostname_status: str | None = None
    ssl_status: str | None = None
    digest: int | None = None


async def claim_woken(tx: Connection, zone_id: str, *, limit: int) -> list[Claim]:
    """Lease those that were woken since they were last claimed, before all that only fell due.

    Somebody may wait for them. What Cloudflare shows of one that is there comes with its act.
    """
    woken = and_(watches.c.zone_id == zone_id, WOKEN, watches.c.due_at <= NOW)
    ids = await _due(tx, woken, watches.c.due_at, limit)
    return _without_looks(await claim_these(tx, ids))


async def claim_free(tx: Connection, zone_id: str, *, limit: int) -> list[Claim]:
    """Lease what is due and needs no call: looks at DNS, and hostnames not at Cloudflare yet.

    Read the wide rows in a second statement, or they are stale.
    """
    waiting = await _due(tx, _uncreated_due(zone_id), watches.c.cloudflare_due_at, limit)
    looks = await _due(tx, _dns_due(zone_id), watches.c.dns_due_at, limit)
    # Half is kept for what is not created yet: looks at DNS could fill every round.
    room = limit - min(len(waiting), -(-limit // 2))
    ids = [*looks[:room], *waiting][:limit]
    return _without_looks(await claim_these(tx, list(dict.fromkeys(ids))))


async def count_looks(tx: Connection, zone_id: str, *, limit: int, by_lists: bool) -> int:
    """Count the hostnames that Cloudflare is due to be asked of one by one, `limit` at most.

    With `by_lists` those that wait for issuance or deployment are left to their lists, but for
    the ones that their list no longer shows.
    """
    which = and_(*_look_due(zone_id, by_lists=by_lists))
    due = select(watches.c.custom_hostname_id).where(which).limit(limit)
    return await tx.scalar(select(func.count()).select_from(due.subquery())) or 0


async def due_looks(tx: Connection, zone_id: str, *, limit: int, by_lists: bool) -> list[str]:
    """Lock hostnames that Cloudflare is due to be asked of."""
    which = and_(*_look_due(zone_id, by_lists=by_lists))
    return await _due(tx, which, watches.c.cloudflare_due_at, limit)


async def claim_looks(tx: Connection, ids: Sequence[str]) -> list[Claim]:
    """Lease some of them; a call was drawn for each."""
    return [replace(claim, paid=True) for claim in await claim_these(tx, ids)]


async def claim_these(tx: Connection, ids: Sequence[str]) -> list[Claim]:
    """Lease those that nobody holds."""
    if not ids:
        return []
    return await _lease(tx, watches.c.custom_hostname_id.in_(ids), is_free())


async def lock_all(tx: Connection, ids: Collection[str]) -> None:
    """Lock these, for a transaction that changes them by more than one statement."""
    await tx.execute(select(func.count()).select_from(locked_in_order(_ids(ids))))


async def lock_free(tx: Connection, ids: Sequence[str]) -> list[str]:
    """Lock those of these that nobody holds or is about to."""
    if not ids:
        return []
    return await _due(tx, watches.c.custom_hostname_id.in_(ids), watches.c.due_at, len(ids))


async def claim_turns(tx: Connection, ids: Sequence[str], lane: Lane) -> list[Claim]:
    """Lease those whose turn it is, and make them due: who dies now has left the queue."""
    if not ids:
        return []
    which = (watches.c.custom_hostname_id.in_(ids), is_free())
    claims = await _lease(tx, *which, cloudflare_due_at=NOW)
    return [replace(claim, turn=lane, cloudflare_due=False) for claim in claims]


async def claim_one(tx: Connection, record_id: str) -> Claim | None:
    """Lease one hostname, whether due or not; None when another holds it."""
    claims = await _lease(tx, watches.c.custom_hostname_id == record_id, is_free())
    return claims[0] if claims else None


async def lock(tx: Connection, record_id: str) -> None:
    """Lock the row for a change of what is desired."""
    await tx.execute(
        select(watches.c.custom_hostname_id)
        .where(watches.c.custom_hostname_id == record_id)
        .with_for_update()
    )


async def hold(tx: Connection, claim: Claim) -> bool:
    """Lock the row as the holder of `claim`; False when the lease is no longer ours."""
    rows = await tx.execute(
        select(watches.c.custom_hostname_id)
        .where(
            watches.c.custom_hostname_id == claim.custom_hostname_id,
            watches.c.lease_token == claim.token,
            watches.c.leased_until > NOW,
        )
        .with_for_update()
    )
    return rows.first() is not None


async def keep(tx: Connection, claim: Claim, watch: Watch) -> None:
    """Write the row and keep the lease: an act follows."""
    await tx.execute(_of(claim).values(watch_row(watch)))


async def release(
    tx: Connection, claim: Claim, watch: Watch, listing: Listing | None = None
) -> None:
    """Write the row and give up the lease; a wake that came meanwhile makes it due at once.

    Without a `listing` the one that is kept stays.
    """
    woken = watches.c.wakes != watches.c.claimed_wakes
    values: dict[str, Any] = watch_row(watch)
    values["dns_due_at"] = case((woken, NOW), else_=values["dns_due_at"])
    values["cloudflare_due_at"] = case((woken, NOW), else_=values["cloudflare_due_at"])
    if listing is not None:
        values["hostname_status"] = listing.hostname_status
        values["ssl_status"] = listing.ssl_status
        values["view_digest"] = listing.digest
    rows = await tx.execute(_of(claim).values(**values, leased_until=None).returning(woken))
    if rows.scalar_one():
        await notify(tx, Channel.RECONCILE)


async def let_go(tx: Connection, claim: Claim) -> None:
    """Give up the lease and leave the row as it was."""
    await tx.execute(_of(claim).values(leased_until=None))


async def wake(tx: Connection, record_id: str) -> None:
    """Make a hostname due now, even if somebody holds it at this moment."""
    await tx.execute(
        update(watches)
        .where(watches.c.custom_hostname_id == record_id)
        .values(wakes=watches.c.wakes + 1, dns_due_at=NOW, cloudflare_due_at=NOW)
    )
    await notify(tx, Channel.RECONCILE)


async def lock_for_spreading(tx: Connection, zone_id: str, *, after: str, limit: int) -> list[str]:
    """Lock the zone's next rows that the end of a pause concerns, and give their ids in order."""
    c = watches.c
    ids = await tx.execute(
        select(c.custom_hostname_id)
        .where(
            c.zone_id == zone_id,
            c.custom_hostname_id > after,
            or_(
                c.due_at <= NOW,
                c.contradicted_at.is_not(None),
                c.doubted_at.is_not(None),
                EXCEPTIONAL,
            ),
        )
        .order_by(c.custom_hostname_id)
        .limit(limit)
        .with_for_update()
    )
    return list(ids.scalars())


async def count_overdue(tx: Connection, zone_id: str, *, limit: int) -> int:
    """Count the names of a zone of which a look is due, as far as `limit`.

    Each kind of look by its own index, and the greater number: most are due on both sides.
    """
    kinds = (_dns_due(zone_id), _cloudflare_due(zone_id))
    some = [select(watches.c.custom_hostname_id).where(due).limit(limit) for due in kinds]
    counts = [select(func.count()).select_from(each.subquery()).scalar_subquery() for each in some]
    row: Sequence[int] = (await tx.execute(select(*counts))).one()
    return max(row)


async def spread(
    tx: Connection,
    ids: Sequence[str],
    *,
    over: timedelta,
    doubts_over: timedelta,
    paused_since: datetime,
    anew: bool,
) -> None:
    """Give what fell due during a pause a place within `over`; the pause counts for no timer.

    What is to be created or removed, or was acted on during the pause, stays due: somebody waits,
    and its acts queue for their calls by themselves. What was contradicted or in doubt is looked at
    within `doubts_over`, on both sides. With `anew` all of that is forgotten: what the next look
    says against a name is a first contradiction, and counted as one.
    """
    c = watches.c
    somewhere = NOW + func.random() * in_seconds(over.total_seconds())
    soon = NOW + func.random() * in_seconds(doubts_over.total_seconds())
    shift = NOW - literal(paused_since, DateTime(timezone=True))
    in_doubt = or_(c.contradicted_at.is_not(None), c.doubted_at.is_not(None))
    waited_for = c.custom_hostname_id.in_(_waited_for(ids, paused_since))
    values: dict[str, Any] = {
        each.name: case((waited_for, each), (in_doubt, soon), (each <= NOW, somewhere), else_=each)
        for each in (c.dns_due_at, c.cloudflare_due_at)
    }
    values |= {
        # Never into the future: a pause whose end was stopped is counted anew for some.
        each.name: case((each + shift > NOW, NOW), else_=each + shift)
        for each in (c.waiting_since, c.followed_from)
    }
    if anew:
        values |= {"contradictions": 0, "contradicted_at": None, "doubted_at": None}
    await tx.execute(update(watches).where(c.custom_hostname_id.in_(ids)).values(values))


def _waited_for(ids: Sequence[str], since: datetime) -> Select[tuple[str]]:
    h = custom_hostnames.c
    leaves = and_(h.desired == Desired.ABSENT, h.state != State.DELETED)
    waits = or_(h.state == State.PENDING, leaves, h.acted_at >= since)
    return select(h.id).where(h.id.in_(ids), waits)


def _without_looks(claims: Sequence[Claim]) -> list[Claim]:
    """Leave the looks at Cloudflare, for which no call was drawn, to those that bring one."""
    return [replace(c, cloudflare_due=c.cloudflare_due and c.is_uncreated) for c in claims]


async def _due(tx: Connection, which: Any, by: Any, limit: int) -> list[str]:
    rows = await tx.execute(
        select(watches.c.custom_hostname_id)
        .where(which, is_free())
        .order_by(by)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(rows.scalars())


def _dns_due(zone_id: str) -> Any:
    return and_(watches.c.zone_id == zone_id, DNS_DUE, watches.c.dns_due_at <= NOW)


def _cloudflare_due(zone_id: str) -> Any:
    return and_(watches.c.zone_id == zone_id, CLOUDFLARE_DUE, watches.c.cloudflare_due_at <= NOW)


def _uncreated_due(zone_id: str) -> Any:
    return and_(watches.c.zone_id == zone_id, UNCREATED_DUE, watches.c.cloudflare_due_at <= NOW)


def _look_due(zone_id: str, *, by_lists: bool) -> list[Any]:
    c, listed = watches.c, sweeps.c
    due = [_cloudflare_due(zone_id), c.hostname_status.is_not(None), is_free()]
    if not by_lists:
        return due
    followed = and_(c.hostname_status == "active", c.ssl_status.in_(FOLLOWED_STATUSES))
    # Not shown by the last whole round of its own list: only asking tells where it went.
    left = (
        select(listed.list)
        .where(
            listed.zone_id == zone_id,
            listed.list == func.concat("hostname_status=active&ssl_status=", c.ssl_status),
            listed.page.is_(None),
            listed.started_at > c.viewed_at,
        )
        .exists()
    )
    return [*due, or_(~func.coalesce(followed, False), left)]


async def _lease(tx: Connection, *which: Any, **more: Any) -> list[Claim]:
    locked = locked_in_order(*which)
    rows = await tx.execute(
        update(watches)
        .where(watches.c.custom_hostname_id == locked.c.custom_hostname_id)
        .values(
            lease_token=watches.c.lease_token + 1,
            leased_until=NOW + in_seconds(LEASE_SECONDS),
            claimed_wakes=watches.c.wakes,
            **more,
        )
        .returning(
            watches.c.custom_hostname_id,
            watches.c.lease_token,
            NOW,
            func.coalesce(watches.c.dns_due_at <= NOW, False),
            func.coalesce(watches.c.cloudflare_due_at <= NOW, False),
            watches.c.hostname_status.is_(None),
        )
    )
    return [Claim(*row) for row in rows]


def locked_in_order(*which: Any) -> CTE:
    """Lock the rows that `which` names in the order of their ids, as every statement does.

    Two statements over the same rows in two orders would end in a deadlock. A bulk UPDATE alone
    locks in the order of its plan, so it joins this.
    """
    return (
        select(watches.c.custom_hostname_id)
        .where(*which)
        .order_by(watches.c.custom_hostname_id)
        .with_for_update(key_share=True)
        .cte("locked")
    )


def _ids(ids: Collection[str]) -> Any:
    return watches.c.custom_hostname_id == func.any(literal(list(ids), ARRAY(TEXT)))


def is_free() -> Any:
    """Give the condition that nobody holds the row."""
    return or_(watches.c.leased_until.is_(None), watches.c.leased_until <= NOW)


def _of(claim: Claim) -> Any:
    return update(watches).where(
        watches.c.custom_hostname_id == claim.custom_hostname_id,
        watches.c.lease_token == claim.token,
    )
