"""The watch over removed hostnames whose DNS still points here.

Checks after the removal find them; `domain/reconcile/decide` says when one dangles.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.persistence.dangling import Dangling, DanglingKeyset, list_dangling
from app.persistence.database import Database


@dataclass(frozen=True, slots=True)
class DanglingPage:
    """One page, and where the next one begins: after its last hostname."""

    hostnames: list[Dangling]
    end: DanglingKeyset | None
    """None if this is the last page."""


class DanglingHostnames:
    """Lists them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, *, tenant: str | None, after: DanglingKeyset | None, limit: int
    ) -> DanglingPage:
        """Give one page, the newest first."""
        async with self._database.transaction() as tx:
            found = await list_dangling(tx, tenant=tenant, after=after, limit=limit + 1)
        shown = found[:limit]
        if len(found) <= limit:
            return DanglingPage(shown, None)
        return DanglingPage(shown, DanglingKeyset(shown[-1].since, shown[-1].document["id"]))
