"""Which hostnames are due, claimed in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import and_, func, or_, select

from app.domain.rate_limit import Lane
from app.domain.resync import FOLLOWED_STATUSES
from app.persistence.database import NOW, Connection
from app.persistence.leases import Claim, _lease, claim_these, is_free
from app.persistence.tables import (
    CLOUDFLARE_DUE,
    DNS_DUE,
    UNCREATED_DUE,
    WOKEN,
    list_scans,
    schedules,
)


async def claim_woken(tx: Connection, zone_id: str, *, limit: int) -> list[Claim]:
    """Lease hostnames woken since their last claim, before those that only fell due.

    Somebody may wait for them. Those that exist at Cloudflare are read by their action's answer.
    """
    woken = and_(schedules.c.zone_id == zone_id, WOKEN, schedules.c.due_at <= NOW)
    ids = await _due(tx, woken, schedules.c.due_at, limit)
    return _without_checks(await claim_these(tx, ids))


async def claim_free(tx: Connection, zone_id: str, *, limit: int) -> list[Claim]:
    """Lease what is due and needs no acquired call: DNS checks, and hostnames not created yet.

    Read the wide rows in a second statement; in this one they may be stale.
    """
    waiting = await _due(tx, _uncreated_due(zone_id), schedules.c.cloudflare_due_at, limit)
    looks = await _due(tx, dns_due(zone_id), schedules.c.dns_due_at, limit)
    # Half is reserved for what is not created yet: DNS checks could fill every round.
    room = limit - min(len(waiting), -(-limit // 2))
    ids = [*looks[:room], *waiting][:limit]
    return _without_checks(await claim_these(tx, list(dict.fromkeys(ids))))


async def lock_checks(tx: Connection, zone_id: str, *, limit: int, by_lists: bool) -> list[str]:
    """Lock hostnames due for a single Cloudflare check.

    With `by_lists`, names that wait for issuance or deployment are left to their lists, except
    those that their list no longer shows.
    """
    if limit <= 0:
        return []
    which = and_(*_check_due(zone_id, by_lists=by_lists))
    return await _due(tx, which, schedules.c.cloudflare_due_at, limit)


async def claim_checks(tx: Connection, ids: Sequence[str]) -> list[Claim]:
    """Lease some of them; a call was acquired for each."""
    return [replace(claim, paid=True) for claim in await claim_these(tx, ids)]


async def claim_served(tx: Connection, ids: Sequence[str], lane: Lane) -> list[Claim]:
    """Lease queued hostnames that are served, and make them due.

    They have left the queue: if this worker dies, the due time brings them back.
    """
    if not ids:
        return []
    which = (schedules.c.custom_hostname_id.in_(ids), is_free())
    claims = await _lease(tx, *which, cloudflare_due_at=NOW)
    return [replace(claim, served_lane=lane, cloudflare_due=False) for claim in claims]


def _without_checks(claims: Sequence[Claim]) -> list[Claim]:
    """Leave Cloudflare checks to claims that bring an acquired call."""
    return [replace(c, cloudflare_due=c.cloudflare_due and c.is_uncreated) for c in claims]


async def _due(tx: Connection, which: Any, by: Any, limit: int) -> list[str]:
    rows = await tx.execute(
        select(schedules.c.custom_hostname_id)
        .where(which, is_free())
        .order_by(by)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(rows.scalars())


def dns_due(zone_id: str) -> Any:
    """Give the condition that a DNS check is due."""
    return and_(schedules.c.zone_id == zone_id, DNS_DUE, schedules.c.dns_due_at <= NOW)


def cloudflare_due(zone_id: str) -> Any:
    """Give the condition that a Cloudflare check is due."""
    return and_(
        schedules.c.zone_id == zone_id, CLOUDFLARE_DUE, schedules.c.cloudflare_due_at <= NOW
    )


def _uncreated_due(zone_id: str) -> Any:
    return and_(schedules.c.zone_id == zone_id, UNCREATED_DUE, schedules.c.cloudflare_due_at <= NOW)


def _check_due(zone_id: str, *, by_lists: bool) -> list[Any]:
    c, listed = schedules.c, list_scans.c
    due = [cloudflare_due(zone_id), c.hostname_status.is_not(None)]
    if not by_lists:
        return due
    followed = and_(c.hostname_status == "active", c.ssl_status.in_(FOLLOWED_STATUSES))
    # Not in the last complete scan of its list: only a single check shows where it went.
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
