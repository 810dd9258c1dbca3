"""Reads a zone's lists page by page, and reconciles what changed through the same `decide`.

A page shows fifty hostnames for one call. Those that are unchanged are noted in one statement.
Those that changed are claimed and reconciled as after any other check. A view is as old as its
request. `domain/resync` has the rules; `persistence/resync` stores the progress.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from app.domain import resync as rules
from app.domain.errors import CloudflareError
from app.domain.observation import CloudflareHostname, HostnamePage
from app.domain.rate_limit import Lane
from app.domain.zone import PauseReason, Zone
from app.metrics import LIST_PAGES, LIST_ROUNDS
from app.persistence import list_snapshot
from app.persistence import resync as store
from app.persistence.database import Connection, Database
from app.persistence.leases import Claim, claim_these, lock_all
from app.persistence.list_snapshot import SnapshotRow
from app.persistence.resync import ListScan
from app.persistence.zones import get_zone, open_zones
from app.services.ports import Cipher, CustomHostnameGateway
from app.services.rate_limiter import RateLimiter
from app.services.reconciler.corroborate import Corroborator
from app.services.reconciler.tick import Reconciler, snapshot_of
from app.services.zone_pauses import pause_zone

AGAIN = rules.FOLLOWED_EVERY
"""The wait after a page that could not be read. Not longer, or a followed list would be
hastened."""
AT_ONCE = 8
"""How many changed hostnames of one page are reconciled side by side."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PageRead:
    """One page of one list, while it is read."""

    scan: ListScan
    zone: Zone
    page: int
    is_first: bool
    begun: datetime
    number: int
    sent_at: datetime
    followed: bool
    """Whether so many names are followed that their lists are read often."""


class Resync:
    """Works on one claimed list at a time. Any number may work side by side."""

    def __init__(
        self,
        database: Database,
        cloudflare: CustomHostnameGateway,
        cipher: Cipher,
        rate_limiter: RateLimiter,
        corroborator: Corroborator,
        reconciler: Reconciler,
    ) -> None:
        self._database = database
        self._cloudflare = cloudflare
        self._cipher = cipher
        self._rate_limiter = rate_limiter
        self._corroborator = corroborator
        self._reconciler = reconciler

    async def claim(self, limit: int) -> list[ListScan]:
        """Lease the lists that are due."""
        async with self._database.transaction() as tx:
            zones = [zone.id for zone in await open_zones(tx)]
            scans: list[ListScan] = []
            while len(scans) < limit and (scan := await store.claim_page(tx, zones)):
                scans.append(scan)
        return scans

    async def read_page(self, scan: ListScan) -> None:
        """Read one page, apply what it shows, and save the list's progress."""
        began = time.monotonic()
        async with self._database.transaction() as tx:
            zone = await get_zone(tx, scan.zone_id)
            total = await store.total_of(tx, scan.zone_id)
            most = rules.FOLLOWED_AT_MOST
            followed = await list_snapshot.count_followed(tx, scan.zone_id, limit=most + 1) > most
            if zone is None or zone.pause or not rules.is_read(scan.list, total, followed=followed):
                await store.put_off(tx, scan, rules.EVERY)
                return
        grant = await self._rate_limiter.acquire(zone.budget, Lane.RESYNC)
        if not grant.granted:
            async with self._database.transaction() as tx:
                await store.put_off(tx, scan, timedelta(seconds=grant.wait))
            return
        begins = scan.page is None or scan.started_at is None
        sent_at = scan.now + timedelta(seconds=time.monotonic() - began)
        page_read = PageRead(
            scan=scan,
            zone=zone,
            page=(scan.pages or 1) if scan.page is None else scan.page,
            is_first=begins,
            begun=sent_at if begins or scan.started_at is None else scan.started_at,
            number=scan.number + 1 if begins else scan.number,
            sent_at=sent_at,
            followed=followed,
        )
        found = await self._ask(page_read)
        if found is not None:
            await self._record_page(page_read, found)

    async def _ask(self, page_read: PageRead) -> HostnamePage | None:
        zone, scan = page_read.zone, page_read.scan
        access = zone.access(self._cipher.decrypt(zone.api_token))
        try:
            found = await self._cloudflare.list_page(
                access, page=page_read.page, filters=rules.filters(scan.list)
            )
        except CloudflareError as error:
            LIST_PAGES.labels("failed").inc()
            log.warning("list_page_not_read", list=scan.list, code=error.code, detail=error.detail)
            await self._corroborator.on_refusal(zone, access, error.code)
        else:
            LIST_PAGES.labels("read").inc()
            return found
        async with self._database.transaction() as tx:
            await store.put_off(tx, scan, AGAIN)
        return None

    async def _record_page(self, page_read: PageRead, found: HostnamePage) -> None:
        changed = await self._note_unchanged(page_read, found)
        gate = asyncio.Semaphore(AT_ONCE)

        async def look(claim: Claim, view: CloudflareHostname) -> None:
            async with gate:
                try:
                    await self._reconciler.reconcile_view(claim, view, sent_at=page_read.sent_at)
                except Exception:
                    # One name's failure must not stop the list; the next round shows it again.
                    log.exception(
                        "listed_name_failed",
                        custom_hostname=claim.custom_hostname_id,
                        hostname=view.hostname,
                    )

        await asyncio.gather(*(look(claim, view) for claim, view in changed))
        pages = -(-found.total // rules.PER_PAGE)
        following = rules.next_page(page_read.page, pages, first=page_read.is_first)

        async def save(tx: Connection) -> None:
            if following is None and not await self._finish(tx, page_read, found.total):
                return
            took = page_read.sent_at - page_read.begun
            due_in = (
                rules.next_round_in(page_read.scan.list, took, followed=page_read.followed)
                if following is None
                else timedelta(0)
            )
            await store.save_progress(
                tx,
                page_read.scan,
                due_in=due_in,
                page=following,
                pages=pages,
                total=found.total,
                begun=page_read.begun if page_read.is_first else None,
                finished=following is None,
            )

        await self._database.run(save)
        if following is None:
            LIST_ROUNDS.labels(page_read.scan.list).inc()

    async def _note_unchanged(
        self, page_read: PageRead, found: HostnamePage
    ) -> list[tuple[Claim, CloudflareHostname]]:
        """Note what the page shows unchanged, and claim what changed."""
        views = {view.id: view for view in found.hostnames}
        whole = page_read.scan.list == rules.WHOLE

        async def note(tx: Connection) -> list[tuple[Claim, CloudflareHostname]]:
            known = await list_snapshot.read_snapshot(tx, page_read.zone.id, list(views))
            await lock_all(tx, [each.custom_hostname_id for each in known])
            news = [each for each in known if _is_news(each, views[each.cloudflare_id], page_read)]
            new_ids = {each.custom_hostname_id for each in news}
            await list_snapshot.confirm_snapshot(
                tx,
                [
                    each.custom_hostname_id
                    for each in known
                    if each.custom_hostname_id not in new_ids
                ],
                sent_at=page_read.sent_at,
                round_number=page_read.number if whole else None,
                next_check_in=rules.FOLLOWED_EVERY * 1.25 if page_read.followed else None,
            )
            unread = await list_snapshot.read_snapshot(tx, page_read.zone.id, found.unreadable)
            unread_ids = [each.custom_hostname_id for each in unread]
            await list_snapshot.check_unreadable(tx, unread_ids)
            if whole and (new_ids or unread_ids):
                await list_snapshot.note_in_scan(tx, [*new_ids, *unread_ids], page_read.number)
            claims = await claim_these(tx, list(new_ids))
            by_record = {each.custom_hostname_id: views[each.cloudflare_id] for each in news}
            return [(claim, by_record[claim.custom_hostname_id]) for claim in claims]

        return await self._database.run(note)

    async def _finish(self, tx: Connection, page_read: PageRead, total: int) -> bool:
        """Check for names that should have been listed. False if that paused the zone."""
        scan = page_read.scan
        if scan.list != rules.WHOLE:
            named = rules.filters(scan.list)
            await list_snapshot.check_unlisted(tx, page_read.zone.id, named, since=page_read.begun)
            return True
        missing = await list_snapshot.count_missing(
            tx, page_read.zone.id, page_read.number, since=page_read.begun, lag=rules.LAGS_BY
        )
        too_many = rules.too_many_missing(missing.lost, missing.expected)
        if too_many and not _breaker_is_off(page_read):
            detail = (
                f"{missing.lost} of {missing.expected} hostnames are not on Cloudflare's list "
                f"of {total}"
            )
            await pause_zone(tx, page_read.zone.id, PauseReason.HOSTNAMES_MISSING, detail=detail)
            # What this round saw says nothing about the time after the pause.
            await store.end_round(tx, scan, rules.EVERY, number=page_read.number)
            return False
        rounds = rules.rounds_missed(missing.unlisted)
        await list_snapshot.check_missing(
            tx, page_read.zone.id, page_read.number, since=page_read.begun, rounds=rounds
        )
        return True


def _is_news(known: SnapshotRow, view: CloudflareHostname, page_read: PageRead) -> bool:
    if known.viewed_at is not None and known.viewed_at >= page_read.sent_at:
        return False
    return known.snapshot != snapshot_of(view)


def _breaker_is_off(page_read: PageRead) -> bool:
    off = page_read.zone.breaker_off_until
    return off is not None and off > page_read.sent_at
