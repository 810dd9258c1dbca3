"""Counts mismatches of live names, and pauses a zone when there are too many at once.

`domain/breaker` has the rule; `persistence/breaker_counts` stores the counts.
"""

from __future__ import annotations

from app.domain.breaker import (
    BREAKER_OTHERS,
    BREAKER_SHARE,
    BREAKER_WITHIN,
    Counts,
    may_trip,
    trips,
)
from app.domain.observation import Side
from app.domain.reconcile.decide import Transition
from app.domain.zone import (
    PauseReason,
)
from app.persistence import zones as store
from app.persistence.breaker_counts import (
    Tally,
    count_check,
    count_live,
    tally_within,
)
from app.persistence.clock import read_now
from app.persistence.database import Connection
from app.services.zone_pauses import pause_zone

REASON_OF = {
    Side.DNS: PauseReason.DNS_MISMATCH,
    Side.CLOUDFLARE: PauseReason.CLOUDFLARE_MISMATCH,
}


async def breaker_trips(tx: Connection, zone_id: str, transition: Transition) -> bool:
    """Count a check, and pause the zone if too many live names show a mismatch at the same time.

    True means that what was observed must not be recorded.
    """
    for side in Side:
        is_mismatch = side in transition.mismatched
        # List scans check every name that Cloudflare serves; those are counted when needed.
        if side not in transition.checked or (side is Side.CLOUDFLARE and not is_mismatch):
            continue
        tenant = transition.record.tenant
        await count_check(tx, zone_id, side, tenant, is_mismatch=is_mismatch)
        if is_mismatch and await _has_tripped(tx, zone_id, side):
            return True
    return False


async def _has_tripped(tx: Connection, zone_id: str, side: Side) -> bool:
    tally = await tally_within(tx, zone_id, side, BREAKER_WITHIN)
    if not may_trip(tally.seen.mismatched):
        return False
    seen, others = tally.seen, _less(tally.seen, tally.of_tenant)
    if side is Side.CLOUDFLARE:
        # The lists check every name that is served, within minutes.
        seen, others = await _of_all_live(tx, zone_id, tally, others)
    zone = await store.get_zone(tx, zone_id)
    off = zone.breaker_off_until if zone else None
    of_all = side is Side.CLOUDFLARE
    if not trips(seen, others, of_all=of_all) or (off is not None and off > await read_now(tx)):
        return False
    detail = f"{seen.mismatched} of {seen.checked} live hostnames within ten minutes"
    await pause_zone(tx, zone_id, REASON_OF[side], detail=detail)
    return True


async def _of_all_live(
    tx: Connection, zone_id: str, tally: Tally, others: Counts
) -> tuple[Counts, Counts]:
    """Count the live names, no further than the rule needs."""
    enough = _enough(tally.seen)
    live = await count_live(tx, zone_id, limit=enough)
    apart = await count_live(tx, zone_id, limit=_enough(others), besides=tally.tenant)
    # Some of the names with a mismatch may no longer be live.
    seen = Counts(max(live, tally.seen.mismatched), tally.seen.mismatched)
    return seen, Counts(max(apart, others.mismatched), others.mismatched)


def _enough(counts: Counts) -> int:
    return int(counts.mismatched / BREAKER_SHARE) + BREAKER_OTHERS + 1


def _less(counts: Counts, part: Counts) -> Counts:
    return Counts(counts.checked - part.checked, counts.mismatched - part.mismatched)
