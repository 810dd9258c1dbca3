"""`/v1/custom-hostnames`. Getting one stands in `hot.py`: product backends poll it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from app.api.dependencies import (
    Admin,
    Cursor,
    IdDep,
    Limit,
    PageLinksDep,
    PublicUrlDep,
    Read,
    RevisionDep,
    ServicesDep,
    Write,
    links_of,
    problems,
)
from app.api.event_schemas import EventPage
from app.api.hostname_schemas import (
    CustomHostnameCreate,
    CustomHostnameOut,
    CustomHostnameUpdate,
    RecordsOut,
    RemovedOut,
)
from app.api.idempotency import CallDep, respond
from app.api.schemas import Tenant
from app.bootstrap import Services
from app.domain.custom_hostname import CustomHostname
from app.domain.document import add_moment, represent, represent_records
from app.domain.events import event_document
from app.persistence.idempotency import Call
from app.services.custom_hostnames import Registration
from app.services.idempotency import Accept, Answer
from app.web.cursor import decode_sequence

PATH = "/v1/custom-hostnames"

router = APIRouter(prefix=PATH, tags=["custom hostnames"])


@router.post(
    "",
    status_code=201,
    dependencies=[Write],
    summary="Add a custom hostname",
    response_model=CustomHostnameOut,
    responses={
        200: {
            "model": CustomHostnameOut,
            "description": "The tenant has this hostname already, with what was sent. Where plan, "
            "options, metadata or labels differ, the answer is 409 `already_exists` with its id.",
        },
        **problems(400, 409, 413),
    },
)
async def create(
    wanted: CustomHostnameCreate,
    services: ServicesDep,
    call: CallDep,
    public_url: PublicUrlDep,
) -> JSONResponse:
    """Store the hostname and return the records to add.

    If Cloudflare is slow or down, the hostname is returned as `pending` and the work continues.
    """
    registration = Registration(
        hostname=wanted.hostname,
        tenant=wanted.tenant,
        plan=wanted.plan,
        zone=wanted.zone,
        metadata=wanted.metadata,
        labels=wanted.labels,
        options=wanted.model_dump(exclude_unset=True),
    )

    async def register(accept: Accept) -> Answer:
        record, is_new = await services.custom_hostnames.register(registration, accept=accept)
        return await _answer(services, record, 201 if is_new else 200)

    return await _accepting(services, call, 201, register, public_url=public_url)


@router.patch(
    "/{id}",
    dependencies=[Write],
    summary="Change plan, options, metadata or labels",
    response_model=CustomHostnameOut,
    responses=problems(400, 404, 409, 412, 413),
)
async def update(
    id: IdDep,  # noqa: A002
    wanted: CustomHostnameUpdate,
    revision: RevisionDep,
    services: ServicesDep,
    call: CallDep,
) -> JSONResponse:
    """Change the hostname. A live hostname stays live meanwhile; a failed one is tried again."""
    changes = wanted.model_dump(exclude_unset=True)

    async def edit(accept: Accept) -> Answer:
        edited = await services.custom_hostnames.edit(id, changes, revision=revision, accept=accept)
        return await _answer(services, edited, 200)

    return await _accepting(services, call, 200, edit)


@router.delete(
    "",
    status_code=202,
    dependencies=[Write],
    summary="Remove all custom hostnames of a tenant",
    response_model=RemovedOut,
    responses=problems(),
)
async def delete_all(
    services: ServicesDep,
    tenant: Annotated[Tenant, Query(description="The tenant whose hostnames are removed.")],
    limit: Limit = 100,
) -> JSONResponse:
    """Start the removal of `limit` hostnames at most. Repeat it while `has_more` is true."""
    count, has_more = await services.custom_hostnames.remove_all(tenant, limit=limit)
    return JSONResponse({"removing": count, "has_more": has_more}, 202)


@router.delete(
    "/{id}",
    status_code=202,
    dependencies=[Write],
    summary="Remove a custom hostname",
    response_model=CustomHostnameOut,
    responses=problems(404, 412),
)
async def delete(id: IdDep, revision: RevisionDep, services: ServicesDep) -> JSONResponse:  # noqa: A002
    """Start the removal. The hostname is `deleted` once Cloudflare confirms."""
    removed = await services.custom_hostnames.remove(id, revision=revision)
    return respond(await _answer(services, removed, 202))


@router.post(
    "/{id}/refresh",
    dependencies=[Write],
    summary="Check again now",
    response_model=CustomHostnameOut,
    responses=problems(404, 409, 412),
)
async def refresh(
    id: IdDep,  # noqa: A002
    revision: RevisionDep,
    services: ServicesDep,
    call: CallDep,
) -> JSONResponse:
    """Check DNS and Cloudflare now, make Cloudflare check again, and retry a failed hostname."""

    async def check(accept: Accept) -> Answer:
        refreshed = await services.custom_hostnames.refresh(id, revision=revision, accept=accept)
        return await _answer(services, refreshed, 200)

    return await _accepting(services, call, 200, check)


@router.post(
    "/{id}/adopt",
    dependencies=[Admin],
    summary="Adopt the zone's custom hostname",
    response_model=CustomHostnameOut,
    responses=problems(404, 409),
)
async def adopt(id: IdDep, services: ServicesDep, call: CallDep) -> JSONResponse:  # noqa: A002
    """Take over the custom hostname that the zone already has with this name.

    For a hostname that failed with `already_in_zone`. Nameplate then edits the custom hostname at
    Cloudflare to match the options stored here.
    """

    async def take_over(accept: Accept) -> Answer:
        adopted = await services.operator_actions.adopt(id, accept=accept)
        return await _answer(services, adopted, 200)

    return await _accepting(services, call, 200, take_over)


@router.post(
    "/{id}/release",
    status_code=202,
    dependencies=[Admin],
    summary="Remove a custom hostname and free its name",
    response_model=CustomHostnameOut,
    responses=problems(404),
)
async def release(id: IdDep, services: ServicesDep, call: CallDep) -> JSONResponse:  # noqa: A002
    """Let another tenant add the name once Cloudflare removed it, wherever its DNS points."""

    async def free(accept: Accept) -> Answer:
        released = await services.operator_actions.release(id, accept=accept)
        return await _answer(services, released, 202)

    return await _accepting(services, call, 202, free)


@router.get(
    "/{id}/records",
    dependencies=[Read],
    summary="List the records the tenant has to add",
    response_model=RecordsOut,
    responses=problems(404),
)
async def records(id: IdDep, services: ServicesDep) -> JSONResponse:  # noqa: A002
    """Return the DNS records in the order to add them, each with its status in DNS."""
    return JSONResponse(represent_records(await services.custom_hostnames.get(id)))


@router.get(
    "/{id}/events",
    dependencies=[Read],
    summary="List the events of a hostname",
    response_model=EventPage,
    responses={200: links_of(EventPage), **problems(404)},
)
async def events(
    id: IdDep,  # noqa: A002
    services: ServicesDep,
    links: PageLinksDep,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> JSONResponse:
    """Return one page of events, oldest first."""
    found = await services.custom_hostnames.events(
        id, after=decode_sequence(cursor), limit=limit + 1
    )
    more = len(found) > limit
    data = [event_document(event) for event in found[:limit]]
    next_cursor = str(data[-1]["sequence"]) if more else None
    body = {"data": data, "next_cursor": next_cursor}
    return JSONResponse(body, headers=links.header(next_cursor))


async def _accepting(
    services: Services,
    call: Call | None,
    status: int,
    handle: Callable[[Accept], Awaitable[Answer]],
    *,
    public_url: str = "",
) -> JSONResponse:
    async def rebuild(record_id: str, first_status: int) -> Answer:
        record = await services.custom_hostnames.get(record_id)
        return await _answer(services, record, first_status)

    answer = await services.idempotency.accepting(call, status, handle, rebuild)
    return respond(answer, public_url=public_url)


async def _answer(services: Services, record: CustomHostname, status: int) -> Answer:
    headers = {"ETag": f'"{record.revision}.{record.sequence}.{record.view}"'}
    if status == 201:  # noqa: PLR2004
        headers["Location"] = f"{PATH}/{record.id}"
    return Answer(status, await show(services, record), headers)


async def show(services: Services, record: CustomHostname) -> dict[str, Any]:
    """Show a record with its position in the queue, if it waits in one."""
    position = await services.custom_hostnames.position_of(record)
    return add_moment(
        represent(record),
        next_check_at=record.schedule.next_check_at,
        queue=(position.position, position.estimated_at) if position else None,
    )
