"""`/v1/zones`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from app.api.dependencies import Admin, IdDep, Read, ServicesDep, problems
from app.api.schemas import ZonePage, ZoneSetUp, ZoneStandingOut
from app.persistence.zones import Zone
from app.services.zones import Part, ZoneStanding

router = APIRouter(prefix="/v1/zones", tags=["zones"])


@router.get(
    "",
    dependencies=[Read],
    summary="List zones, the default one first",
    response_model=ZonePage,
    responses=problems(),
)
async def list_page(services: ServicesDep) -> JSONResponse:
    """Give all of them."""
    zones = await services.zones.list()
    return JSONResponse({"data": [_shown(zone) for zone in zones], "next_cursor": None})


@router.get(
    "/{id}",
    dependencies=[Read],
    summary="Get a zone, and how it stands at Cloudflare",
    response_model=ZoneStandingOut,
    responses=problems(404),
)
async def get(id: IdDep, services: ServicesDep) -> JSONResponse:  # noqa: A002
    """Give one; `default` names the default one."""
    return JSONResponse(_standing(await services.zones.get(id)))


@router.post(
    "/{id}/setup",
    dependencies=[Admin],
    summary="Set a zone up",
    response_model=ZoneStandingOut,
    responses=problems(400, 404, 502, 503),
)
async def set_up(
    id: IdDep,  # noqa: A002
    services: ServicesDep,
    wanted: ZoneSetUp | None = None,
) -> JSONResponse:
    """Make the fallback origin's record, the fallback origin and the CNAME target, if missing.

    Doing it again changes nothing and reports how each part stands.
    """
    origin = wanted.origin if wanted else None
    return JSONResponse(_standing(await services.zones.set_up(id, origin=origin)))


def _shown(zone: Zone) -> dict[str, Any]:
    return {
        "id": zone.id,
        "cloudflare_zone_id": zone.cloudflare_zone_id,
        "name": zone.name,
        "is_default": zone.is_default,
        "cname_target": zone.cname_target,
        "fallback_origin": zone.fallback_origin,
        "created_at": zone.created_at.isoformat(),
    }


def _standing(standing: ZoneStanding) -> dict[str, Any]:
    origin, quota = standing.fallback_origin, standing.quota
    return {
        **_shown(standing.zone),
        "is_ready": standing.is_ready,
        "token": standing.token,
        "quota": asdict(quota) if quota else None,
        "set_up": {
            "fallback_origin_record": _part(standing.fallback_origin_record),
            "fallback_origin": {**asdict(origin), "errors": list(origin.errors)}
            if origin
            else None,
            "cname_target": _part(standing.cname_target),
        },
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "state": str(part.state),
        "type": part.record.type if part.record else None,
        "content": part.record.content if part.record else None,
        "error": part.error,
    }
