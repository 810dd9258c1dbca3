"""The list of custom hostnames: which of them fit a filter, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from app.domain.document import add_moment
from app.domain.errors import InvalidHostname, InvalidInput
from app.domain.hostname import PublicSuffix, parse_hostname
from app.domain.hostname_search import spell_search
from app.persistence.database import Connection, Database
from app.persistence.hostname_lists import (
    HostnameFilter,
    Keyset,
    Sort,
    Total,
    count_hostnames,
    list_documents,
)
from app.persistence.zones import get_zone


@dataclass(frozen=True, slots=True)
class ListPage:
    """Documents in their order, and where the next page begins: after the last of them."""

    documents: list[dict[str, Any]]
    end: Keyset | None
    """None if this is the last page."""
    total: Total | None
    """None where it was not asked for."""


class HostnameLists:
    """Lists custom hostnames."""

    def __init__(self, database: Database, public_suffix: PublicSuffix) -> None:
        self._database = database
        self._public_suffix = public_suffix

    async def page(
        self,
        wanted: HostnameFilter,
        *,
        sort: Sort = Sort.CREATED,
        after: Keyset | None = None,
        limit: int,
        counts: bool = False,
    ) -> ListPage:
        """Give one page. The filter's hostname and search are written as callers write them.

        Raises:
            InvalidInput: the hostname is not valid.
            FilterTooBroad: too few hostnames fit the filter, or counting them takes too long.
        """
        wanted = self._spelt(wanted)
        async with self._database.transaction() as tx:
            found = await _with_zone_id(tx, wanted)
            if found is None:
                return ListPage([], None, Total(0, is_exact=True) if counts else None)
            rows = await list_documents(tx, found, sort=sort, after=after, limit=limit + 1)
            total = await count_hostnames(tx, found) if counts else None
        shown = rows[:limit]
        last = shown[-1] if len(rows) > limit else None
        end = None
        if last is not None:
            end = Keyset(last.id, last.updated_at if sort is Sort.CHANGED else None)
        documents = [add_moment(row.document, next_check_at=row.due_at) for row in shown]
        return ListPage(documents, end, total)

    def _spelt(self, wanted: HostnameFilter) -> HostnameFilter:
        if wanted.search is not None:
            wanted = replace(wanted, search=spell_search(wanted.search))
        if wanted.hostname is None:
            return wanted
        try:
            name = parse_hostname(wanted.hostname, self._public_suffix).name
        except InvalidHostname as error:
            raise InvalidInput(error.detail, code=error.code, parameter="hostname") from None
        return replace(wanted, hostname=name)


async def _with_zone_id(tx: Connection, wanted: HostnameFilter) -> HostnameFilter | None:
    """Give the filter with the id of its zone, for which it may say `default`."""
    if wanted.zone_id is None:
        return wanted
    zone = await get_zone(tx, wanted.zone_id)
    return None if zone is None else replace(wanted, zone_id=zone.id)
