"""`GET /v1/custom-hostnames`: the list, by filter, sort and page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from app.api.custom_hostnames import PATH, visible
from app.api.dependencies import PageLinksDep, Read, ServicesDep, links_of
from app.api.hostname_list_schemas import HostnamePage, HostnameQuery
from app.api.problem_responses import NAME, problems
from app.api.tenancy import KeyDep, refuse_labels, tenant_to_list
from app.domain.errors import ErrorCode
from app.persistence.hostname_lists import HostnameFilter, Keyset, Sort
from app.persistence.ids import ID
from app.web.cursor import Cursors, not_ours

router = APIRouter(prefix=PATH, tags=["custom hostnames"])

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@router.get(
    "",
    dependencies=[Read],
    operation_id="list_custom_hostnames",
    summary="List custom hostnames",
    response_model=HostnamePage,
    responses={
        200: links_of(HostnamePage),
        **problems(*NAME, ErrorCode.FILTER_TOO_BROAD, ErrorCode.CURSOR_INVALID),
    },
)
async def list_page(
    services: ServicesDep,
    key: KeyDep,
    links: PageLinksDep,
    wanted: Annotated[HostnameQuery, Query()],
) -> JSONResponse:
    """Return one page. All conditions must hold."""
    refuse_labels(key, wanted.label)
    listed = await services.hostname_lists.page(
        _filter(wanted, tenant_to_list(key, wanted.tenant)),
        sort=wanted.sort,
        after=_keyset(wanted),
        limit=wanted.limit,
        counts=wanted.count,
    )
    next_cursor = cursor_after(wanted, listed.end) if listed.end else None
    shown = [visible(document, key) for document in listed.documents]
    body: dict[str, Any] = {"data": shown, "next_cursor": next_cursor}
    if listed.total is not None:
        body |= {"total": listed.total.count, "total_is_exact": listed.total.is_exact}
    return JSONResponse(body, headers=links.header(next_cursor))


def _filter(wanted: HostnameQuery, tenant: str | None) -> HostnameFilter:
    labels = (label.partition(":") for label in wanted.label)
    return HostnameFilter(
        hostname=wanted.hostname,
        search=wanted.q,
        tenant=tenant,
        zone_id=wanted.zone,
        states=tuple(wanted.state),
        reasons=tuple(wanted.reason),
        waiting_on=wanted.waiting_on,
        labels=tuple((key, value) for key, _, value in labels),
        created_after=wanted.created_after,
        created_before=wanted.created_before,
    )


def cursor_after(wanted: HostnameQuery, end: Keyset) -> str:
    """Return the cursor of the page that begins after a keyset."""
    if end.changed_at is None:
        return _cursors(wanted).encode(end.id)
    return _cursors(wanted).encode(end.id, str((end.changed_at - _EPOCH) // _MICROSECOND))


def _keyset(wanted: HostnameQuery) -> Keyset | None:
    """Read the keyset out of the cursor.

    Raises:
        InvalidInput: it is not a cursor of this list.
    """
    if wanted.cursor is None:
        return None
    record_id, *rest = _cursors(wanted).decode(wanted.cursor) or ("",)
    if not ID.fullmatch(record_id) or len(rest) != (wanted.sort is Sort.CHANGED):
        raise not_ours()
    if not rest:
        return Keyset(record_id)
    try:
        return Keyset(record_id, _EPOCH + int(rest[0]) * _MICROSECOND)
    except (ValueError, OverflowError):
        raise not_ours() from None


def _cursors(wanted: HostnameQuery) -> Cursors:
    return Cursors.of("custom_hostnames", wanted.list_conditions())
