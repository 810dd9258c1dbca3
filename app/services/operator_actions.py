"""What only an operator does to one hostname: release its name, or adopt the zone's object.

Both change what is desired; the workers carry it out.
"""

from __future__ import annotations

from dataclasses import replace

from app.domain.custom_hostname import (
    OF_ANY_AGE,
    CloudflareObject,
    CustomHostname,
    Desired,
    State,
)
from app.domain.errors import Conflict, ErrorCode, NotFound
from app.domain.object_spec import ObjectSpec
from app.domain.proof import Demand
from app.domain.reason import Reason
from app.domain.reconcile.actions import buried
from app.persistence import call_queue, leases
from app.persistence import custom_hostnames as store
from app.persistence.clock import read_now
from app.persistence.database import Connection, Database
from app.services.idempotency import Accept, accept_without_key
from app.services.locked_records import load, load_for_update, reclaim_name, refuse_leaving

UNKNOWN_SPEC = ObjectSpec(method="unknown")
"""The spec of an adopted object, which is not known. An edit then sends the wanted one."""


class OperatorActions:
    """Works with the database only, so that the command line can use it too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def id_of(self, text: str) -> str:
        """Return the id of the hostname with this name or id; the newest if several had the name.

        Raises:
            NotFound: no hostname has this name or id.
        """
        async with self._database.transaction() as tx:
            found = await store.find_id(tx, text.strip().lower().removesuffix("."))
        if found is None:
            raise NotFound(f"Custom hostname {text[:300]!r} not found.")
        return found

    async def release(
        self, record_id: str, *, accept: Accept = accept_without_key
    ) -> CustomHostname:
        """Remove the hostname, and let another tenant have its name once Cloudflare has deleted it.

        Its DNS may still point at the CNAME target. The operator decides that this does not matter.

        Raises:
            NotFound: no hostname has this id.
        """
        async with self._database.transaction() as tx:
            before = await self._locked(tx, record_id)
            await accept(tx, record_id, None)
            now = await read_now(tx)
            # Where its DNS points no longer matters, so it is not a tombstone.
            released = before.name_released_at or now
            freed = replace(buried(before), name_released_at=released)
            if before.desired is Desired.PRESENT:
                freed = replace(freed, desired=Desired.ABSENT, wanted_at=now)
                await call_queue.leave(tx, [record_id])
            return await self._save(tx, before, freed)

    async def adopt(self, record_id: str, *, accept: Accept = accept_without_key) -> CustomHostname:
        """Treat the zone's custom hostname of this name as one that was created here.

        Raises:
            NotFound: no hostname has this id.
            Conflict: the zone has no such object in its way, or the hostname is being removed.
            HostnameTaken: it released its name, and another hostname has it now.
        """
        async with self._database.transaction() as tx:
            before = await self._locked(tx, record_id)
            refuse_leaving(before)
            if (before.state, before.reason) != (State.FAILED, Reason.ALREADY_IN_ZONE):
                raise Conflict(
                    "Only a hostname that failed with `already_in_zone` can be adopted.",
                    code=ErrorCode.NOTHING_TO_ADOPT,
                )
            await accept(tx, record_id, None)
            now = await read_now(tx)
            adopting = replace(
                # Whichever record has the name by now also has its object.
                await reclaim_name(tx, before, demand=Demand.NONE),
                cloudflare=CloudflareObject(create_started_at=OF_ANY_AGE, applied=UNKNOWN_SPEC),
                refresh_requested_at=now,
                acted_at=now,
            )
            return await self._save(tx, before, adopting)

    async def _locked(self, tx: Connection, record_id: str) -> CustomHostname:
        await store.lock_bases(tx, (await load(tx, record_id)).hostname.base)
        return await load_for_update(tx, record_id, None)

    async def _save(
        self, tx: Connection, before: CustomHostname, after: CustomHostname
    ) -> CustomHostname:
        if after == before:
            return before
        now = await read_now(tx)
        after = replace(after, revision=before.revision + 1, updated_at=now)
        saved = await store.save_hostname(tx, after, before=before)
        await leases.wake(tx, before.id)
        return saved
