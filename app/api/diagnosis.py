"""`GET /v1/custom-hostnames/{id}/diagnosis` and `GET /v1/preflight`: what is wrong in DNS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from app.api.concurrency_limit import ConcurrencyLimit
from app.api.dependencies import Read, ServicesDep
from app.api.diagnosis_schemas import DiagnosisOut, PreflightOut
from app.api.long_poll import TooManyWaiting
from app.api.problem_responses import LEAVING, NEW_NAME, problems
from app.api.schemas import PlainText, Tenant
from app.api.tenancy import KeyDep, OwnHostname, tenant_to_list
from app.domain.diagnosis.diagnosis_document import (
    represent_findings,
    represent_provider,
    represent_survey,
)
from app.domain.document import represent_record
from app.domain.errors import ErrorCode, InvalidInput, TenantBoundKey
from app.domain.plan import wanted_records
from app.services.diagnosis import Diagnosis, Preflight
from app.services.registration import Registration

MOST = 64
"""How many diagnoses of one process may be waited for."""
MOST_OF_A_KEY = 8

router = APIRouter(prefix="/v1", tags=["diagnosis"])


def new_limit() -> ConcurrencyLimit:
    """Make the limit of one process."""
    return ConcurrencyLimit(MOST, MOST_OF_A_KEY, "diagnoses", TooManyWaiting)


async def _held_open(request: Request, key: KeyDep) -> AsyncIterator[None]:
    limit: ConcurrencyLimit = request.app.state.diagnosis_limit
    with limit.taken(key.id):
        yield


HeldOpen = Depends(_held_open)


@router.get(
    "/custom-hostnames/{id}/diagnosis",
    dependencies=[Read, HeldOpen],
    operation_id="diagnose_custom_hostname",
    summary="Diagnose a hostname's DNS",
    response_model=DiagnosisOut,
    responses=problems(*LEAVING, ErrorCode.NOT_FOUND, ErrorCode.TOO_MANY_WAITING),
)
async def diagnose(id: OwnHostname, services: ServicesDep) -> JSONResponse:  # noqa: A002
    """Look at DNS now, and say what is wrong and what to change; an empty list means nothing is.

    The look takes a few seconds, and up to 20 where name servers are slow. A hostname is looked at
    once a minute at most: until then the last diagnosis is returned, with its `looked_at`.
    """
    return JSONResponse(_shown(await services.diagnoses.of_hostname(id)))


@router.get(
    "/preflight",
    dependencies=[Read, HeldOpen],
    operation_id="preflight_hostname",
    summary="Check a hostname before it is added",
    response_model=PreflightOut,
    responses=problems(
        *NEW_NAME,
        ErrorCode.PLAN_NOT_AVAILABLE,
        ErrorCode.HOSTNAME_IS_OURS,
        ErrorCode.ZONE_UNKNOWN,
        ErrorCode.SHARED_OBJECT_DIFFERS,
        ErrorCode.TOO_MANY_WAITING,
    ),
)
async def preflight(
    services: ServicesDep,
    key: KeyDep,
    hostname: Annotated[
        str, Query(max_length=1000, description="The name, as `POST` would be given it.")
    ],
    tenant: Annotated[Tenant | None, Query(description="The tenant it would be added for.")] = None,
    plan: Annotated[
        PlainText | None,
        Query(max_length=64, description="By default, the plan that suits the name."),
    ] = None,
    zone: Annotated[
        PlainText, Query(max_length=64, description="The id of a zone, or `default`.")
    ] = "default",
) -> JSONResponse:
    """Say whether the hostname could be added now, which plan suits, and what DNS has today.

    Nothing is stored. A name that no request could add is refused as `POST` would refuse it; one
    that is taken has a `refusal`.
    """
    if key.tenant is not None and zone != "default":
        raise TenantBoundKey(
            "An API key that is bound to a tenant cannot choose a zone; leave `zone` out.",
            parameter="zone",
        )
    wanted = Registration(
        hostname=hostname,
        # Without a tenant, whoever has the name has taken it.
        tenant=tenant_to_list(key, tenant) or "",
        by_tenant=key.tenant is not None,
        plan=plan,
        zone=zone,
        metadata={},
    )
    try:
        found = await services.diagnoses.preflight(wanted)
    except InvalidInput as error:
        # The same rules as for a body, whose fields are parameters here.
        raise InvalidInput(
            error.detail, code=error.code, parameter=(error.field or "/hostname").removeprefix("/")
        ) from None
    return JSONResponse(_preflight_shown(found))


def _shown(found: Diagnosis) -> dict[str, Any]:
    survey, provider = found.survey, found.subject.provider
    return {
        "looked_at": survey.looked_at.isoformat(),
        "data": represent_findings(found.findings, survey, provider),
        "provider": represent_provider(provider),
        "apply_link": None
        if found.apply_link is None
        else {
            "provider": found.apply_link.provider,
            "host": found.apply_link.host,
            "url": found.apply_link.url,
        },
    }


def _preflight_shown(found: Preflight) -> dict[str, Any]:
    record, refusal = found.preview.record, found.preview.refusal
    return {
        "hostname": record.hostname.name,
        "is_apex": record.is_apex,
        "id": record.id if found.preview.is_stored else None,
        "refusal": {"code": str(refusal.code), "detail": refusal.detail} if refusal else None,
        "proof_required": found.preview.needs_proof,
        "plan": str(record.plan),
        "records": [represent_record(each) for each in wanted_records(record)],
        "dns": represent_survey(found.diagnosis.survey),
        **_shown(found.diagnosis),
    }
