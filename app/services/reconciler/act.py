"""Carry out one action at Cloudflare. Its result is an observation; nothing is decided here."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from datetime import datetime

import structlog

from app.domain.cloudflare_terms import NO_QUOTA, is_being_removed
from app.domain.custom_hostname import CustomHostname
from app.domain.errors import (
    CloudflareDuplicate,
    CloudflareError,
    CloudflareNotEnabled,
    CloudflareNotFound,
    CloudflareRefused,
    CloudflareUnavailable,
)
from app.domain.observation import (
    Absent,
    Action,
    CloudflareHostname,
    CloudflareView,
    Found,
    Refused,
    Unknown,
)
from app.domain.plan import wanted_spec
from app.domain.rate_limit import Lane
from app.domain.reconcile.actions import spec_to_send
from app.domain.resync import PER_PAGE, WHOLE, filters
from app.domain.zone import ZoneAccess
from app.services.ports import CustomHostnameGateway
from app.services.rate_limiter import RateLimiter

MOST_PAGES = 10
"""Cloudflare's filter may match parts of names. After this many pages the answer is Unknown."""
log = structlog.get_logger(__name__)


class ActionExecutor:
    """Performs what `decide` asked for.

    The caller acquired the first call. Further calls are debited from `lane`: they are made in any
    case.
    """

    def __init__(self, cloudflare: CustomHostnameGateway, rate_limiter: RateLimiter) -> None:
        self._cloudflare = cloudflare
        self._rate_limiter = rate_limiter

    async def perform(
        self, action: Action, record: CustomHostname, access: ZoneAccess, lane: Lane
    ) -> CloudflareView:
        """Perform the action. A call without a clear answer is Unknown, never an exception."""
        match action:
            case Action.CREATE:
                return await view_of(self._create(record, access, lane))
            case Action.REFRESH:
                return await view_of(self._refresh(record, access))
            case Action.EDIT:
                return await view_of(self._edit(record, access))
            case Action.DELETE:
                return await self._delete(record, access, lane)

    async def confirm_absence(
        self, record: CustomHostname, access: ZoneAccess, lane: Lane
    ) -> CloudflareView:
        """Search the zone for the name before its id is believed to be gone.

        `Absent` carries the custom hostname that has the name under another id, if there is one.
        `Found` means that the zone still lists this id.
        """
        seen = await view_of(self.find(record, access, lane))
        if isinstance(seen, Found) and seen.value.id != record.cloudflare.id:
            return Absent(namesake=seen.value)
        return seen

    async def find(
        self, record: CustomHostname, access: ZoneAccess, lane: Lane
    ) -> CloudflareHostname:
        """Find the object by its exact name, however Cloudflare spells its wildcard.

        An object with the record's own id comes before others of the name. The caller acquired the
        first page's call.

        Raises:
            CloudflareNotFound: the zone has no such name.
            CloudflareUnavailable: too many similar names; the answer is not known.
        """
        base = record.hostname.base
        for number in range(1, MOST_PAGES + 1):
            if number > 1:
                await self._rate_limiter.debit(access.budget, lane)
            page = await self._cloudflare.list_page(access, page=number, filters={"hostname": base})
            named = [v for v in page.hostnames if v.hostname.removeprefix("*.") == base]
            own = next((v for v in named if v.id == record.cloudflare.id), None)
            if own is not None:
                return own
            if record.cloudflare.id in page.unreadable or (page.unreadable and not named):
                raise CloudflareUnavailable("An entry of Cloudflare's list cannot be read.")
            if named:
                return named[0]
            if len(page.hostnames) < PER_PAGE:
                raise CloudflareNotFound("The zone has no custom hostname with this name.")
        raise CloudflareUnavailable(
            f"Cloudflare lists more than {MOST_PAGES} pages of names like {base}."
        )

    async def _create(
        self, record: CustomHostname, access: ZoneAccess, lane: Lane
    ) -> CloudflareHostname:
        # The spec noted when the creation began: the wanted one may have changed since.
        begun = record.cloudflare
        wanted = begun.in_flight or begun.applied or wanted_spec(record)
        try:
            view = await self._cloudflare.create(access, record.hostname.base, wanted)
        except CloudflareDuplicate:
            await self._rate_limiter.debit(access.budget, lane)
            view = await self.find(record, access, lane)
            if is_being_removed(view):
                raise CloudflareUnavailable("The former custom hostname is still there.") from None
            return view
        except CloudflareNotEnabled as error:
            raise await self._for_want_of_quota(error, access, lane) from None
        # This call created it: Cloudflare's clock does not matter.
        started = record.cloudflare.create_started_at
        return replace(view, created_at=started, wildcard=wanted.wildcard)

    async def _for_want_of_quota(
        self, error: CloudflareNotEnabled, access: ZoneAccess, lane: Lane
    ) -> CloudflareError:
        """Tell a used-up quota from a product that is not enabled: only then lists fail too."""
        await self._rate_limiter.debit(access.budget, lane)
        try:
            await self._cloudflare.list_page(access, page=1, filters=filters(WHOLE))
        except CloudflareNotEnabled:
            return error
        except CloudflareError as unclear:
            return unclear
        return CloudflareRefused(error.detail, cloudflare_code=NO_QUOTA)

    async def _refresh(self, record: CustomHostname, access: ZoneAccess) -> CloudflareHostname:
        known = record.cloudflare
        if known.seen is None:
            raise CloudflareUnavailable("The custom hostname must be read before it is refreshed.")
        chosen = known.applied or wanted_spec(record)
        return await self._cloudflare.refresh(access, known.seen, chosen)

    async def _edit(self, record: CustomHostname, access: ZoneAccess) -> CloudflareHostname:
        known = record.cloudflare
        if known.seen is None:
            raise CloudflareUnavailable("The custom hostname must be read before it is edited.")
        applied = known.applied
        if applied is not None and record.zone.takes_custom_metadata is False:
            # The Cloudflare plan has no custom metadata, and refuses its removal too.
            applied = replace(applied, custom_metadata={})
        wanted = spec_to_send(record)
        return await self._cloudflare.edit(access, known.seen, wanted, applied=applied)

    async def _delete(
        self, record: CustomHostname, access: ZoneAccess, lane: Lane
    ) -> CloudflareView:
        """Remove it, and give what the zone has under the name afterwards."""
        if record.cloudflare.id is None:
            return Absent()
        was_gone = False

        async def delete(cloudflare_id: str) -> CloudflareHostname:
            nonlocal was_gone
            try:
                await self._cloudflare.delete(access, cloudflare_id)
            except CloudflareNotFound:
                was_gone = True
                raise
            raise CloudflareNotFound("The custom hostname was just removed.")

        removed = await view_of(delete(record.cloudflare.id))
        if not isinstance(removed, Absent):
            return removed
        await self._rate_limiter.debit(access.budget, lane)
        left = await self.confirm_absence(record, access, lane)
        # A 404 proves that it is gone, even if the list cannot be read.
        return Absent() if was_gone and isinstance(left, Unknown) else left


def paying_lane(action: Action | None, record: CustomHostname, now: datetime) -> Lane:
    """Give the lane from which the further calls of an action or of a check (None) are debited."""
    if action is Action.CREATE:
        return Lane.CREATION
    return Lane.INTERACTIVE if record.is_awaited(now) else Lane.VALIDATION


async def view_of(call: Awaitable[CloudflareHostname]) -> CloudflareView:
    """Turn a call's result into an observation: without a clear answer it is Unknown."""
    try:
        return Found(await call)
    except CloudflareNotFound:
        return Absent()
    except CloudflareRefused as error:
        return Refused(error.cloudflare_code, error.detail)
    except CloudflareError as error:
        log.warning("cloudflare_not_asked", code=error.code, detail=error.detail)
        return Unknown(error.code, getattr(error, "retry_after", None), error.detail)
