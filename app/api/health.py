"""`/healthz`, `/readyz` and `/metrics`: for supervisor, load balancer and Prometheus."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response

from app.api.dependencies import ServicesDep
from app.domain.errors import DatabaseUnavailable, NotReady
from app.metrics import exposition

READY_SECONDS = 3.0
EXAMPLE_METRICS = 'nameplate_transitions_total{from="validating",to="active"} 3.0\n'

router = APIRouter(tags=["health"])


@router.get(
    "/healthz",
    operation_id="check_health",
    summary="Check that this process answers",
    responses={200: {"content": {"application/json": {"example": {"status": "ok"}}}}},
)
async def healthz() -> dict[str, str]:
    """Answer without checking anything else."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    operation_id="check_readiness",
    summary="Check that this process can work",
    responses={
        200: {"content": {"application/json": {"example": {"status": "ready"}}}},
        503: {"description": "The database does not answer, or its schema is too old."},
    },
)
async def readyz(services: ServicesDep) -> dict[str, str]:
    """Check that the database answers and that its schema is new enough for this code.

    A bad Cloudflare token does not make the process unready; `/v1/zones/{id}` shows it.
    """
    try:
        async with asyncio.timeout(READY_SECONDS):
            ready = await services.database.is_ready()
    except TimeoutError:
        raise DatabaseUnavailable("The database does not answer; try again.") from None
    if not ready:
        raise NotReady("The database's schema is too old; run `nameplate migrate`.")
    return {"status": "ready"}


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Get metrics for Prometheus",
    responses={
        200: {
            "description": "Metrics in the Prometheus text format.",
            "content": {"text/plain": {"example": EXAMPLE_METRICS}},
        }
    },
    response_class=Response,
)
async def metrics(request: Request) -> Response:
    """Return the metrics of this process. No API key is needed: do not expose this publicly."""
    text, content_type = exposition(request.headers.get("accept", ""))
    return Response(text, headers={"content-type": content_type})
