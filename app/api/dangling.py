"""`GET /v1/dangling`: removed hostnames whose DNS still points here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field
from starlette.responses import JSONResponse

from app.api.dependencies import Cursor, Limit, PageLinksDep, ReadZones, ServicesDep, links_of
from app.api.hostname_schemas import DnsOut
from app.api.problem_responses import problems
from app.api.schemas import Strict, Tenant
from app.domain.errors import ErrorCode
from app.domain.hostname import Hostname
from app.persistence.dangling import Dangling, DanglingKeyset
from app.persistence.ids import ID
from app.web.cursor import Cursors, not_ours

router = APIRouter(prefix="/v1/dangling", tags=["dangling"])

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

EXAMPLE_DANGLING: dict[str, Any] = {
    "id": "ch_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "hostname": "shop.green-teapot.com",
    "tenant": "green-teapot",
    "zone": "zone_01kb2r7m3v4x5y6z7a8b9c0d1e",
    "deleted_at": "2026-11-23T10:00:00+00:00",
    "dangling_since": "2026-11-24T04:12:31+00:00",
    "covers_names_below": False,
    "message": "The hostname was removed, but its DNS still points here. Remove the CNAME record "
    "of shop.green-teapot.com, which leads to customers.provider.net.",
    "dns": {
        "points_at_target": True,
        "evidence": {"kind": "cname", "chain": ["customers.provider.net"], "addresses": []},
        "error": None,
    },
}


class DanglingOut(Strict):
    """A removed hostname whose DNS still points here."""

    id: str
    hostname: str
    tenant: str
    zone: str
    deleted_at: datetime = Field(description="When its removal was done.")
    dangling_since: datetime = Field(
        description="When a check after the removal first found DNS pointing here."
    )
    covers_names_below: bool = Field(
        description="It is a wildcard: every name below it leads here too, at any depth, also "
        "names that nobody ever added. They are not listed one by one."
    )
    message: str = Field(description="Which record to remove.")
    dns: DnsOut


class DanglingPage(Strict):
    """A page of removed hostnames whose DNS still points here."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"data": [EXAMPLE_DANGLING], "next_cursor": None}]},
    )

    data: list[DanglingOut]
    next_cursor: str | None


@router.get(
    "",
    dependencies=[ReadZones],
    operation_id="list_dangling_hostnames",
    summary="List removed hostnames that still point here",
    response_model=DanglingPage,
    responses={200: links_of(DanglingPage), **problems(ErrorCode.CURSOR_INVALID)},
)
async def list_page(
    services: ServicesDep,
    links: PageLinksDep,
    tenant: Annotated[Tenant | None, Query(description="Only hostnames of this tenant.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> JSONResponse:
    """Return one page, the newest first.

    Have the tenant remove the record. Until then, another tenant who adds the name is asked to
    prove control of it.
    """
    cursors = Cursors.of("dangling", {"tenant": tenant})
    page = await services.dangling.page(tenant=tenant, after=_keyset(cursors, cursor), limit=limit)
    next_cursor = None
    if page.end is not None:
        microseconds = (page.end.since - _EPOCH) // _MICROSECOND
        next_cursor = cursors.encode(page.end.id, str(microseconds))
    body = {"data": [_shown(each) for each in page.hostnames], "next_cursor": next_cursor}
    return JSONResponse(body, headers=links.header(next_cursor))


def _keyset(cursors: Cursors, cursor: str | None) -> DanglingKeyset | None:
    if cursor is None:
        return None
    try:
        record_id, microseconds = cursors.decode(cursor)
        since = _EPOCH + int(microseconds) * _MICROSECOND
    except (ValueError, OverflowError):
        raise not_ours() from None
    if not ID.fullmatch(record_id):
        raise not_ours()
    return DanglingKeyset(since, record_id)


def _shown(found: Dangling) -> dict[str, Any]:
    document = found.document
    return {
        **{name: document[name] for name in ("id", "hostname", "tenant", "zone")},
        "deleted_at": found.deleted_at.isoformat(),
        "dangling_since": found.since.isoformat(),
        "covers_names_below": Hostname(document["hostname"]).is_wildcard,
        "message": document["message"],
        "dns": document["dns"],
    }
