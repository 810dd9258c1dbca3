"""Pages of the list of custom hostnames, each read from the index that has it in its order.

`services/hostname_lists` has the use case; `tables` has the indexes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum, auto
from itertools import product
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    CursorResult,
    Row,
    Select,
    TextClause,
    bindparam,
    func,
    select,
    tuple_,
    union_all,
)

from app.domain.custom_hostname import State
from app.domain.hostname_search import LEAST_TRIGRAM
from app.domain.reason import Reason, WaitingOn
from app.persistence.bounded_queries import execute_bounded
from app.persistence.custom_hostnames import OWN_NOT_DELETED
from app.persistence.database import Connection
from app.persistence.ids import least_id
from app.persistence.tables import custom_hostnames, schedules

MOST_COUNTED = 10_000
ADVICE = (
    "Too few of the hostnames fit this filter to find them in time. Add `tenant`, `hostname` or "
    "`reason`, or leave a condition or `count` out."
)
CLOCKS_DIFFER = timedelta(hours=1)
"""The clock that ids are made by may be as much ahead of the database's."""
_LITERAL = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})
"""Postgres, "Pattern Matching": what LIKE takes for itself, after its default escape character."""


class Sort(StrEnum):
    """The order of a list."""

    CREATED = auto()
    """Newest first, by id. A walk meets each hostname once, whatever changes meanwhile."""
    CHANGED = auto()
    """Last changed first, by `updated_at` and id. What changes during a walk moves within it."""


@dataclass(frozen=True, slots=True)
class Keyset:
    """Where in a list a hostname stands: its id, and its `updated_at` where that is the order."""

    id: str
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostnameFilter:
    """Which custom hostnames to list."""

    hostname: str | None = None
    """The exact name. None means any, here and below."""
    search: str | None = None
    """Part of the name, or its beginning where it is shorter than three characters."""
    tenant: str | None = None
    zone_id: str | None = None
    states: tuple[State, ...] = ()
    """Empty means all states but `deleted`."""
    reasons: tuple[Reason, ...] = ()
    waiting_on: WaitingOn | None = None
    labels: tuple[tuple[str, str], ...] = ()
    """Keys and values that a hostname must all have."""
    created_after: datetime | None = None
    """This instant is included; that of `created_before` is not."""
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """How many hostnames a filter fits; at least so many if it is not exact."""

    count: int
    is_exact: bool


async def list_documents(
    tx: Connection,
    wanted: HostnameFilter,
    *,
    after: Keyset | None,
    limit: int,
    sort: Sort = Sort.CREATED,
) -> Sequence[Row[Any]]:
    """Return `id`, `updated_at`, `document` and `due_at` of the hostnames after a keyset.

    Raises:
        FilterTooBroad: Postgres would have to read too many rows that the filter leaves out.
    """
    page = documents_page(wanted, sort=sort, after=after, limit=limit)
    if is_served_by_index(wanted):
        rows: CursorResult[Any] = await tx.execute(page)
    else:
        rows = await execute_bounded(tx, page, advice=ADVICE)
    return rows.all()


async def count_hostnames(tx: Connection, wanted: HostnameFilter) -> Total:
    """Count the hostnames of a filter, `MOST_COUNTED` at most.

    Raises:
        FilterTooBroad: counting so many takes too long.
    """
    rows = await execute_bounded(tx, hostname_count(wanted), advice=ADVICE)
    found = rows.scalar_one()
    return Total(min(found, MOST_COUNTED), is_exact=found <= MOST_COUNTED)


def is_served_by_index(wanted: HostnameFilter) -> bool:
    """Whether an index has all the rows of the filter in their order and no others, or few rows."""
    if wanted.hostname is not None:
        return True
    if _is_planned_freely(wanted):
        return False
    leading = _leading(wanted)[0]
    others = [values for column, values in _values(wanted).items() if column not in leading]
    return not any((*others, wanted.created_after, wanted.created_before))


def documents_page(
    wanted: HostnameFilter, *, sort: Sort, after: Keyset | None, limit: int
) -> Select[Any]:
    """Return the query of one page. Each state or reason is read by its own index, from `after` on.

    The index returns the first rows of one state, not of several. So a page's length is read from
    each state, and the first of them are taken.
    """
    c = custom_hostnames.c
    order = _order(sort)
    leading = [{}] if _is_planned_freely(wanted) else _leading(wanted)
    conditions = _conditions(wanted, besides=leading[0])
    length = _written_out(limit)
    pages = [_keysets(each, order, after, length).where(*conditions) for each in leading]
    found = (pages[0] if len(pages) == 1 else union_all(*pages)).subquery("found")
    first = select(found).order_by(*_descending(found.c)).limit(length).subquery("first")
    joined = first.join(custom_hostnames, c.id == first.c.id).join(
        schedules, schedules.c.custom_hostname_id == c.id
    )
    shown = select(c.id, c.updated_at, c.document, schedules.c.due_at)
    return shown.select_from(joined).order_by(*_descending(first.c))


def _written_out(limit: int) -> BindParameter[int]:
    """Return a page's length as the SQL has it: the number itself, not a parameter.

    Postgres assumes that a parameter lets a tenth of the rows through. For a long list that looks
    so costly that it plans each request anew, which takes longer than reading the page.
    """
    return bindparam(None, limit, literal_execute=True)


def hostname_count(wanted: HostnameFilter) -> Select[Any]:
    """Return the query that counts the rows of a filter, and stops after one more than is said."""
    rows = (
        select(custom_hostnames.c.id)
        .where(*_conditions(wanted, besides={}))
        .limit(MOST_COUNTED + 1)
    )
    return select(func.count()).select_from(rows.subquery())


def _order(sort: Sort) -> list[Column[Any]]:
    c = custom_hostnames.c
    return [c.id] if sort is Sort.CREATED else [c.updated_at, c.id]


def _descending(columns: Any) -> list[ColumnElement[Any]]:
    return [column.desc() for column in columns]


def _is_planned_freely(wanted: HostnameFilter) -> bool:
    """Whether Postgres chooses the index by how rare the values are.

    Rare labels and words are found by their own index and then sorted; common ones are met soon
    enough on the way through the list.
    """
    return wanted.hostname is not None or wanted.search is not None or bool(wanted.labels)


def _values(wanted: HostnameFilter) -> dict[Column[Any], list[str]]:
    """Return the values that each column may have; an empty list means any."""
    c = custom_hostnames.c
    return {
        c.hostname: [wanted.hostname] if wanted.hostname is not None else [],
        c.tenant: [wanted.tenant] if wanted.tenant is not None else [],
        c.zone_id: [wanted.zone_id] if wanted.zone_id is not None else [],
        c.state: [str(each) for each in dict.fromkeys(wanted.states)],
        c.reason: [str(each) for each in dict.fromkeys(wanted.reasons)],
        c.waiting_on: [str(wanted.waiting_on)] if wanted.waiting_on is not None else [],
    }


def _conditions(
    wanted: HostnameFilter, *, besides: Mapping[Column[Any], str]
) -> list[ColumnElement[bool] | TextClause]:
    """Return what the rows must fulfil, besides the columns that are bound already."""
    c = custom_hostnames.c
    conditions: list[ColumnElement[bool] | TextClause] = [
        column == values[0] if len(values) == 1 else column.in_(values)
        for column, values in _values(wanted).items()
        if values and column not in besides
    ]
    if State.DELETED not in wanted.states:
        conditions.append(OWN_NOT_DELETED)
    conditions += [c.labels.contains({key: value}) for key, value in wanted.labels]
    if wanted.search is not None:
        begins = "" if len(wanted.search) < LEAST_TRIGRAM else "%"
        conditions.append(c.hostname.like(f"{begins}{wanted.search.translate(_LITERAL)}%"))
    if wanted.created_after is not None:
        conditions.append(c.created_at >= wanted.created_after)
    if wanted.created_before is not None:
        conditions.append(c.created_at < wanted.created_before)
        # An id is about as old as its row: newer rows need not be read.
        conditions.append(c.id < least_id(wanted.created_before, later=CLOCKS_DIFFER))
    return conditions


def _leading(wanted: HostnameFilter) -> list[dict[Column[Any], str]]:
    """Return the columns and values that an index begins with, the narrowest first.

    Each of the combinations is read by itself. The rest of the filter is left to conditions. Only
    the indexes that begin with the state, or with the tenant and the state, have deleted rows.
    """
    c, values = custom_hostnames.c, _values(wanted)
    choices = [[c.tenant, c.state], [c.tenant], [c.reason], [c.waiting_on], [c.state], [c.zone_id]]
    if State.DELETED in wanted.states:
        choices = [columns for columns in choices if c.state in columns]
    for columns in choices:
        if all(values[column] for column in columns):
            chosen = product(*(values[column] for column in columns))
            return [dict(zip(columns, each, strict=True)) for each in chosen]
    return [{}]


def _keysets(
    equal: Mapping[Column[Any], str],
    order: Sequence[Column[Any]],
    after: Keyset | None,
    length: BindParameter[int],
) -> Select[Any]:
    """Return the keysets of a page of the rows in which these columns have these values.

    The values are written as bounds, and the columns into the order. Only the index that begins
    with these columns has the rows in that order. With `=`, the planner may read all rows by their
    id instead, which takes far too long if the values are rare or far down. Both bounds include
    their values: for `<`, it estimates by the first column alone that no row is left, and takes any
    index.
    """
    columns, values = list(equal), list(equal.values())
    query = select(*order).order_by(*_descending([*columns, *order])).limit(length)
    if columns:
        query = query.where(tuple_(*columns) >= tuple_(*values))
    if after is not None:
        place = [after.id] if len(order) == 1 else [after.changed_at, after.id]
        bound = tuple_(*columns, *order) <= tuple_(*values, *place)
        return query.where(bound, custom_hostnames.c.id != after.id)
    return query.where(tuple_(*columns) <= tuple_(*values)) if columns else query
