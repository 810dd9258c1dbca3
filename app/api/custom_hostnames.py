"""`/v1/custom-hostnames`. Getting one stands in `fast_path.py`: product backends poll it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from app.api.dependencies import (
    Admin,
    Cursor,
    Limit,
    PageLinksDep,
    PublicUrlDep,
    Read,
    RevisionDep,
    ServicesDep,
    Write,
    links_of,
)
from app.api.event_schemas import EventPage
from app.api.hostname_schemas import (
    CustomHostnameCreate,
    CustomHostnameCreated,
    CustomHostnameOut,
    CustomHostnameUpdate,
    RecordsOut,
    RemovedOut,
)
from app.api.idempotency import CallDep, respond
from app.api.problem_responses import BODY, CHOICES, CONDITIONAL, KEPT, LEAVING, NEW_NAME, problems
from app.api.schemas import Tenant
from app.api.tenancy import (
    KeyDep,
    OwnHostname,
    refuse_providers_fields,
    tenant_to_add_for,
    tenant_to_list,
)
from app.bootstrap import Services
from app.domain.custom_hostname import CustomHostname
from app.domain.document import add_moment, represent, represent_records, tenants_view
from app.domain.errors import ErrorCode
from app.domain.events import event_document
from app.persistence.api_keys import ApiKey
from app.persistence.idempotency import Call
from app.services.idempotency import Accept, Answer
from app.services.registration import Registration
from app.web.cursor import decode_sequence

PATH = "/v1/custom-hostnames"

router = APIRouter(prefix=PATH, tags=["custom hostnames"])


@router.post(
    "",
    status_code=201,
    dependencies=[Write],
    operation_id="create_custom_hostname",
    summary="Add a custom hostname",
    response_model=CustomHostnameCreated,
    responses={
        200: {
            "model": CustomHostnameCreated,
            "description": "The tenant has this hostname already, with what was sent. Where plan, "
            "options, redirect, metadata or labels differ, the answer is 409 `already_exists` with "
            "its id.",
        },
        **problems(
            *BODY,
            *KEPT,
            *NEW_NAME,
            *CHOICES,
            ErrorCode.HOSTNAME_IS_OURS,
            ErrorCode.ALSO_INVALID,
            ErrorCode.ZONE_UNKNOWN,
            ErrorCode.HOSTNAME_TAKEN,
            ErrorCode.ALREADY_EXISTS,
            ErrorCode.PROOF_REQUIRED,
            ErrorCode.STILL_DELETING,
        ),
    },
)
async def create(
    wanted: CustomHostnameCreate,
    services: ServicesDep,
    key: KeyDep,
    call: CallDep,
    public_url: PublicUrlDep,
) -> JSONResponse:
    """Store the hostname and return the records to add.

    With `also`, all names are stored or none is, and the answer shows the others in its `also`. A
    name that another tenant had, and whose DNS still points here, is `proof_awaited`: its first
    record is a TXT record, and nothing is created before DNS has it. So is one that a key bound to
    a tenant adds while its DNS points here already, and every new name where the service requires
    it. If Cloudflare is slow or down, the hostname is returned as `pending` and the work continues.
    """
    refuse_providers_fields(key, wanted.model_fields_set)
    registration = Registration(
        hostname=wanted.hostname,
        also=wanted.also,
        tenant=tenant_to_add_for(key, wanted.tenant),
        by_tenant=key.tenant is not None,
        plan=wanted.plan,
        zone=wanted.zone,
        redirect_to=wanted.redirect_to,
        metadata=wanted.metadata,
        labels=wanted.labels,
        options=wanted.model_dump(exclude_unset=True),
    )

    async def register(accept: Accept) -> Answer:
        records, is_new = await services.registrations.register(registration, accept=accept)
        return await _answer_all(services, key, records, 201 if is_new else 200)

    async def rebuild(record_id: str, first_status: int) -> Answer:
        records = await services.registrations.find(record_id, wanted.also)
        return await _answer_all(services, key, records, first_status)

    answer = await services.idempotency.accepting(call, 201, register, rebuild)
    return respond(answer, public_url=public_url)


@router.patch(
    "/{id}",
    dependencies=[Write],
    operation_id="update_custom_hostname",
    summary="Change plan, options, redirect, metadata or labels",
    response_model=CustomHostnameOut,
    responses=problems(
        *BODY,
        *KEPT,
        *CONDITIONAL,
        *CHOICES,
        *LEAVING,
        ErrorCode.FIELD_FIXED,
        ErrorCode.NOT_FOUND,
        ErrorCode.HOSTNAME_TAKEN,
        ErrorCode.PROOF_REQUIRED,
    ),
)
async def update(
    id: OwnHostname,  # noqa: A002
    wanted: CustomHostnameUpdate,
    revision: RevisionDep,
    services: ServicesDep,
    key: KeyDep,
    call: CallDep,
) -> JSONResponse:
    """Change the hostname. A live hostname stays live meanwhile; a failed one is tried again."""
    refuse_providers_fields(key, wanted.model_fields_set)
    changes = wanted.model_dump(exclude_unset=True)

    async def edit(accept: Accept) -> Answer:
        edited = await services.custom_hostnames.edit(
            id, changes, revision=revision, by_tenant=key.tenant is not None, accept=accept
        )
        return await _answer(services, key, edited, 200)

    return await _accepting(services, key, call, 200, edit)


@router.delete(
    "",
    status_code=202,
    dependencies=[Write],
    operation_id="delete_custom_hostnames",
    summary="Remove all custom hostnames of a tenant",
    response_model=RemovedOut,
    responses=problems(),
)
async def delete_all(
    services: ServicesDep,
    key: KeyDep,
    tenant: Annotated[Tenant, Query(description="The tenant whose hostnames are removed.")],
    limit: Limit = 100,
) -> JSONResponse:
    """Start the removal of `limit` hostnames at most. Repeat it while `has_more` is true."""
    tenant_to_list(key, tenant)
    count, has_more = await services.custom_hostnames.remove_all(tenant, limit=limit)
    return JSONResponse({"removing": count, "has_more": has_more}, 202)


@router.delete(
    "/{id}",
    status_code=202,
    dependencies=[Write],
    operation_id="delete_custom_hostname",
    summary="Remove a custom hostname",
    response_model=CustomHostnameOut,
    responses=problems(*CONDITIONAL, ErrorCode.NOT_FOUND),
)
async def delete(
    id: OwnHostname,  # noqa: A002
    revision: RevisionDep,
    services: ServicesDep,
    key: KeyDep,
) -> JSONResponse:
    """Start the removal. The hostname is `deleted` once Cloudflare confirms."""
    removed = await services.custom_hostnames.remove(id, revision=revision)
    return respond(await _answer(services, key, removed, 202))


@router.post(
    "/{id}/refresh",
    dependencies=[Write],
    operation_id="refresh_custom_hostname",
    summary="Check again now",
    response_model=CustomHostnameOut,
    responses=problems(
        *KEPT,
        *CONDITIONAL,
        *LEAVING,
        ErrorCode.NOT_FOUND,
        ErrorCode.HOSTNAME_TAKEN,
        ErrorCode.PROOF_REQUIRED,
    ),
)
async def refresh(
    id: OwnHostname,  # noqa: A002
    revision: RevisionDep,
    services: ServicesDep,
    key: KeyDep,
    call: CallDep,
) -> JSONResponse:
    """Check DNS and Cloudflare now, make Cloudflare check again, and retry a failed hostname."""

    async def check(accept: Accept) -> Answer:
        refreshed = await services.custom_hostnames.refresh(
            id, revision=revision, by_tenant=key.tenant is not None, accept=accept
        )
        return await _answer(services, key, refreshed, 200)

    return await _accepting(services, key, call, 200, check)


@router.post(
    "/{id}/adopt",
    dependencies=[Admin],
    operation_id="adopt_custom_hostname",
    summary="Adopt the zone's custom hostname",
    response_model=CustomHostnameOut,
    responses=problems(
        *KEPT,
        *LEAVING,
        ErrorCode.NOT_FOUND,
        ErrorCode.NOTHING_TO_ADOPT,
        ErrorCode.PROOF_REQUIRED,
    ),
)
async def adopt(
    id: OwnHostname,  # noqa: A002
    services: ServicesDep,
    key: KeyDep,
    call: CallDep,
) -> JSONResponse:
    """Take over the custom hostname that the zone already has with this name.

    For a hostname that failed with `already_in_zone`. Nameplate then edits the custom hostname at
    Cloudflare to match the options stored here.
    """

    async def take_over(accept: Accept) -> Answer:
        adopted = await services.operator_actions.adopt(id, accept=accept)
        return await _answer(services, key, adopted, 200)

    return await _accepting(services, key, call, 200, take_over)


@router.post(
    "/{id}/release",
    status_code=202,
    dependencies=[Admin],
    operation_id="release_custom_hostname",
    summary="Remove a custom hostname and free its name",
    response_model=CustomHostnameOut,
    responses=problems(*KEPT, ErrorCode.NOT_FOUND),
)
async def release(
    id: OwnHostname,  # noqa: A002
    services: ServicesDep,
    key: KeyDep,
    call: CallDep,
) -> JSONResponse:
    """Let another tenant add the name once Cloudflare removed it, wherever its DNS points."""

    async def free(accept: Accept) -> Answer:
        released = await services.operator_actions.release(id, accept=accept)
        return await _answer(services, key, released, 202)

    return await _accepting(services, key, call, 202, free)


@router.get(
    "/{id}/records",
    dependencies=[Read],
    operation_id="list_custom_hostname_records",
    summary="List the records the tenant has to add",
    response_model=RecordsOut,
    responses=problems(ErrorCode.NOT_FOUND),
)
async def records(id: OwnHostname, services: ServicesDep) -> JSONResponse:  # noqa: A002
    """Return the DNS records in the order to add them, each with its status in DNS."""
    return JSONResponse(represent_records(await services.custom_hostnames.get(id)))


@router.get(
    "/{id}/events",
    dependencies=[Read],
    operation_id="list_custom_hostname_events",
    summary="List the events of a hostname",
    response_model=EventPage,
    responses={200: links_of(EventPage), **problems(ErrorCode.NOT_FOUND, ErrorCode.CURSOR_INVALID)},
)
async def events(
    id: OwnHostname,  # noqa: A002
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
    key: ApiKey,
    call: Call | None,
    status: int,
    handle: Callable[[Accept], Awaitable[Answer]],
) -> JSONResponse:
    async def rebuild(record_id: str, first_status: int) -> Answer:
        record = await services.custom_hostnames.get(record_id)
        return await _answer(services, key, record, first_status)

    return respond(await services.idempotency.accepting(call, status, handle, rebuild))


async def _answer_all(
    services: Services, key: ApiKey, records: Sequence[CustomHostname], status: int
) -> Answer:
    """Answer with the first record, and show the others in its `also`."""
    answer = await _answer(services, key, records[0], status)
    if len(records) == 1:
        return answer
    also = [await show(services, record, key) for record in records[1:]]
    return replace(answer, body={**answer.body, "also": also})


async def _answer(services: Services, key: ApiKey, record: CustomHostname, status: int) -> Answer:
    headers = {"ETag": f'"{record.revision}.{record.sequence}.{record.view}"'}
    if status == 201:  # noqa: PLR2004
        headers["Location"] = f"{PATH}/{record.id}"
    return Answer(status, await show(services, record, key), headers)


async def show(services: Services, record: CustomHostname, key: ApiKey) -> dict[str, Any]:
    """Show a record to the key's holder, with its position in the queue, if it waits in one."""
    position = await services.custom_hostnames.position_of(record)
    return add_moment(
        visible(represent(record), key),
        next_check_at=record.schedule.next_check_at,
        queue=(position.position, position.estimated_at) if position else None,
    )


def visible(document: dict[str, Any], key: ApiKey) -> dict[str, Any]:
    """Return what the key's holder may see of the document."""
    return document if key.tenant is None else tenants_view(document)
