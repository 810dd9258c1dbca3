"""Queries of lists that a filter may make slow: they end in time, with the advice to narrow it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CursorResult, Select, func, select
from sqlalchemy.exc import DBAPIError

from app.domain.errors import FilterTooBroad
from app.persistence.database import Connection, is_cancelled

MOST_MILLISECONDS = 500


async def execute_bounded(tx: Connection, query: Select[Any], *, advice: str) -> CursorResult[Any]:
    """Execute a query with a time-out, planned for the very values it has.

    A plan for any values would take the same index for a rare word and for a common one.

    Raises:
        FilterTooBroad: it takes too long; with the `advice`.
    """
    settings = {
        "statement_timeout": f"{MOST_MILLISECONDS}ms",
        "plan_cache_mode": "force_custom_plan",
    }
    await tx.execute(select(*(func.set_config(*each, True) for each in settings.items())))  # noqa: FBT003 - Postgres's own signature
    try:
        found: CursorResult[Any] = await tx.execute(query)
    except DBAPIError as error:
        if is_cancelled(error):
            raise FilterTooBroad(advice) from error
        raise
    return found
