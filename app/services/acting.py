"""Carry out one act at Cloudflare; how it ends is an observation, and decides nothing here."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace

import structlog

from app.domain.acts import shape_to_send
from app.domain.budget import Lane
from app.domain.custom_hostname import CustomHostname
from app.domain.errors import (
    CloudflareDuplicate,
    CloudflareError,
    CloudflareNotFound,
    CloudflareRefused,
    CloudflareUnavailable,
)
from app.domain.observation import (
    Absent,
    Act,
    CloudflareHostname,
    CloudflareView,
    Found,
    Refused,
    Unknown,
)
from app.domain.plan import wanted_shape
from app.domain.sweeps import PER_PAGE
from app.domain.zone import ZoneAccess
from app.services.budgets import Budgets
from app.services.ports import CustomHostnameGateway

MOST_PAGES = 10
"""Cloudflare's filter may match parts of names; past so many pages of them nobody knows."""

log = structlog.get_logger(__name__)


class Actor:
    """Does what `decide` asked for. Its first call was drawn; what it needs besides is owed."""

    def __init__(self, cloudflare: CustomHostnameGateway, budgets: Budgets) -> None:
        self._cloudflare = cloudflare
        self._budgets = budgets

    async def perform(self, act: Act, record: CustomHostname, access: ZoneAccess) -> CloudflareView:
        """Do it; a call without a clear answer is Unknown, never an exception."""
        match act:
            case Act.CREATE:
                return await view_of(self._create(record, access))
            case Act.REFRESH:
                return await view_of(self._refresh(record, access))
            case Act.EDIT:
                return await view_of(self._edit(record, access))
            case Act.DELETE:
                return await view_of(self._delete(record, access))

    async def find(self, record: CustomHostname, access: ZoneAccess) -> CloudflareHostname:
        """Look the object up by its exact name, however Cloudflare spells its wildcard.

        The first page's call is drawn by the caller.

        Raises:
            CloudflareNotFound: the zone has no such name.
            CloudflareUnavailable: too many names are like it to say so.
        """
        base = record.hostname.base
        for number in range(1, MOST_PAGES + 1):
            if number > 1:
                await self._budgets.owe(access.budget, Lane.VALIDATION)
            page = await self._cloudflare.list_page(access, page=number, filters={"hostname": base})
            for view in page.hostnames:
                if view.hostname.removeprefix("*.") == base:
                    return view
            if len(page.hostnames) < PER_PAGE:
                raise CloudflareNotFound("The zone has no custom hostname of this name.")
        raise CloudflareUnavailable(f"More than {MOST_PAGES} pages of names like {base}.")

    async def _create(self, record: CustomHostname, access: ZoneAccess) -> CloudflareHostname:
        # The shape that the beginning was noted with: what is wanted may have changed since.
        begun = record.cloudflare
        wanted = begun.sending or begun.applied or wanted_shape(record)
        try:
            view = await self._cloudflare.create(access, record.hostname.base, wanted)
        except CloudflareDuplicate:
            await self._budgets.owe(access.budget, Lane.CREATION)
            return await self.find(record, access)
        # What this very call created is ours, whatever Cloudflare's clock says.
        started = record.cloudflare.create_started_at
        return replace(view, created_at=started, wildcard=wanted.wildcard)

    async def _refresh(self, record: CustomHostname, access: ZoneAccess) -> CloudflareHostname:
        if record.cloudflare.seen is None:
            raise CloudflareUnavailable("Nothing was seen yet that could be repeated.")
        return await self._cloudflare.refresh(access, record.cloudflare.seen)

    async def _edit(self, record: CustomHostname, access: ZoneAccess) -> CloudflareHostname:
        known = record.cloudflare
        if known.seen is None:
            raise CloudflareUnavailable("Nothing was seen yet that could be edited.")
        wanted = shape_to_send(record)
        return await self._cloudflare.edit(access, known.seen, wanted, applied=known.applied)

    async def _delete(self, record: CustomHostname, access: ZoneAccess) -> CloudflareHostname:
        if record.cloudflare.id is None:
            raise CloudflareNotFound("There is nothing to remove.")
        await self._cloudflare.delete(access, record.cloudflare.id)
        await self._budgets.owe(access.budget, Lane.VALIDATION)
        return await self._cloudflare.get(access, record.cloudflare.id)


async def view_of(call: Awaitable[CloudflareHostname]) -> CloudflareView:
    """Turn how a call ended into an observation: whatever is not a clear answer is Unknown."""
    try:
        return Found(await call)
    except CloudflareNotFound:
        return Absent()
    except CloudflareRefused as error:
        return Refused(error.cloudflare_code, error.detail)
    except CloudflareError as error:
        log.warning("cloudflare_not_asked", code=error.code, detail=error.detail)
        return Unknown(error.code, getattr(error, "retry_after", None), error.detail)
