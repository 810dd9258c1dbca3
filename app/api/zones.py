"""`/v1/zones`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse

from app.api.dependencies import Admin, IdDep, ReadZones, ServicesDep
from app.api.idempotency import CallDep, respond
from app.api.problem_responses import BODY, CLOUDFLARE, KEPT, problems
from app.api.zone_schemas import (
    BudgetOut,
    ZoneOut,
    ZonePage,
    ZonePauseIn,
    ZoneReportOut,
    ZoneResumeIn,
    ZoneSetUp,
)
from app.bootstrap import Services
from app.domain.errors import ErrorCode
from app.domain.rate_limit import Lane
from app.domain.zone import Zone
from app.persistence.idempotency import Call
from app.services.idempotency import Accept, Answer
from app.services.rate_limiter import BudgetUsage
from app.services.zones import Part, ZoneReport

router = APIRouter(prefix="/v1/zones", tags=["zones"])


@router.get(
    "",
    dependencies=[ReadZones],
    operation_id="list_zones",
    summary="List zones, the default one first",
    response_model=ZonePage,
    responses=problems(),
)
async def list_page(services: ServicesDep) -> JSONResponse:
    """Return all zones."""
    zones = await services.zones.list()
    return JSONResponse({"data": [_shown(zone) for zone in zones], "next_cursor": None})


@router.get(
    "/{id}",
    dependencies=[ReadZones],
    operation_id="get_zone",
    summary="Get a zone and its state at Cloudflare",
    response_model=ZoneReportOut,
    responses=problems(ErrorCode.NOT_FOUND),
)
async def get(id: IdDep, services: ServicesDep) -> JSONResponse:  # noqa: A002
    """Return one zone. The id `default` is the default zone."""
    return JSONResponse(_report(await services.zones.get(id)))


@router.post(
    "/{id}/setup",
    dependencies=[Admin],
    operation_id="set_up_zone",
    summary="Set up a zone",
    response_model=ZoneReportOut,
    responses=problems(
        *BODY,
        *KEPT,
        *CLOUDFLARE,
        ErrorCode.NOT_FOUND,
        ErrorCode.ORIGIN_REQUIRED,
        ErrorCode.ORIGIN_INVALID,
    ),
)
async def set_up(
    id: IdDep,  # noqa: A002
    services: ServicesDep,
    call: CallDep,
    wanted: ZoneSetUp | None = None,
) -> JSONResponse:
    """Create the fallback origin's record, the fallback origin and the CNAME target, if missing.

    A repeated call changes nothing and reports the state of each part. A record that does not point
    at `origin` is kept and shown as `points_elsewhere`.
    """
    origin = wanted.origin if wanted else None

    async def create_missing() -> Answer:
        return Answer(200, _report(await services.zones.set_up(id, origin=origin)))

    return respond(await services.idempotency.claiming(call, create_missing))


@router.get(
    "/{id}/budget",
    dependencies=[ReadZones],
    operation_id="get_zone_budget",
    summary="Get a zone's budget of Cloudflare calls",
    response_model=BudgetOut,
    responses=problems(ErrorCode.NOT_FOUND),
)
async def budget(id: IdDep, services: ServicesDep) -> JSONResponse:  # noqa: A002
    """Return what was spent on what, what is left, and how many wait, without asking Cloudflare."""
    return JSONResponse(show_budget(await services.zones.budget(id)))


@router.post(
    "/{id}/pause",
    dependencies=[Admin],
    operation_id="pause_zone",
    summary="Pause work on a zone",
    response_model=ZoneOut,
    responses=problems(*BODY, *KEPT, ErrorCode.NOT_FOUND, ErrorCode.ZONE_PAUSED),
)
async def pause(
    id: IdDep,  # noqa: A002
    services: ServicesDep,
    call: CallDep,
    wanted: ZonePauseIn | None = None,
) -> JSONResponse:
    """Make no calls to Cloudflare, and draw no conclusions, until the zone is resumed."""
    detail = wanted.detail if wanted else None

    async def stop(accept: Accept) -> Answer:
        paused = await services.pauses.pause_by_operator(id, detail=detail, accept=accept)
        return Answer(200, _shown(paused))

    return await _accepting(services, call, stop)


@router.post(
    "/{id}/resume",
    dependencies=[Admin],
    operation_id="resume_zone",
    summary="Resume work on a zone",
    response_model=ZoneOut,
    responses=problems(
        *BODY, *KEPT, ErrorCode.NOT_FOUND, ErrorCode.ZONE_NOT_PAUSED, ErrorCode.TOKEN_IS_A_SETTING
    ),
)
async def resume(
    id: IdDep,  # noqa: A002
    services: ServicesDep,
    call: CallDep,
    wanted: ZoneResumeIn | None = None,
) -> JSONResponse:
    """Resume work. What fell due during the pause is spread over at most one hour."""
    accept_regressions = wanted.accept_regressions if wanted else False

    async def go_on(accept: Accept) -> Answer:
        resumed = await services.pauses.resume(
            id, accept_regressions=accept_regressions, accept=accept
        )
        return Answer(200, _shown(resumed))

    return await _accepting(services, call, go_on)


async def _accepting(
    services: Services, call: Call | None, handle: Callable[[Accept], Awaitable[Answer]]
) -> JSONResponse:
    async def rebuild(zone_id: str, status: int) -> Answer:
        zone = next(each for each in await services.zones.list() if each.id == zone_id)
        return Answer(status, _shown(zone))

    return respond(await services.idempotency.accepting(call, 200, handle, rebuild))


def _shown(zone: Zone) -> dict[str, Any]:
    return {
        "id": zone.id,
        "cloudflare_zone_id": zone.cloudflare_zone_id,
        "name": zone.name,
        "is_default": zone.is_default,
        "cname_target": zone.cname_target,
        "fallback_origin": zone.fallback_origin,
        "budget": zone.budget,
        "paused": _pause(zone),
        "created_at": zone.created_at.isoformat(),
    }


def _pause(zone: Zone) -> dict[str, Any] | None:
    pause = zone.pause
    if pause is None:
        return None
    return {
        "reason": str(pause.reason),
        "message": pause.reason.message,
        "detail": pause.detail,
        "since": pause.since.isoformat(),
        "retry_at": _instant(pause.retry_at),
    }


def show_budget(report: BudgetUsage) -> dict[str, Any]:
    """Show a budget as `BudgetOut` describes it."""
    limits = report.limits
    return {
        "name": report.name,
        "limit": limits.calls,
        "spendable": int(limits.spendable),
        "window_seconds": limits.window,
        "available": sum(report.left.values()),
        "spent": {
            **{str(lane): report.spent[lane] for lane in Lane},
            "elsewhere": report.spent_elsewhere,
        },
        "blocked_until": _instant(report.blocked_until),
        "creations": {
            "limit": limits.creations,
            "spendable": limits.spendable_creations,
            "window_seconds": limits.creation_window,
            "spent": report.creations,
            "blocked_until": _instant(report.creations_blocked_until),
        },
        "queues": {
            str(lane): {
                "waiting": queue.waiting,
                "estimated_empty_at": _instant(queue.empty_at),
            }
            for lane, queue in report.queues.items()
        },
    }


def _instant(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _report(report: ZoneReport) -> dict[str, Any]:
    origin, quota = report.fallback_origin, report.quota
    return {
        **_shown(report.zone),
        "is_ready": report.is_ready,
        "token": report.token,
        "saas_enabled": report.saas_enabled,
        "missing_permissions": list(report.missing_permissions),
        "quota": asdict(quota) if quota else None,
        "setup": {
            "fallback_origin_record": _part(report.fallback_origin_record),
            "fallback_origin": {**asdict(origin), "errors": list(origin.errors)}
            if origin
            else None,
            "cname_target": _part(report.cname_target),
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
