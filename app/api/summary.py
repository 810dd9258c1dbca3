"""`/v1/summary`: the figures that a dashboard shows first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from app.api.dependencies import Read, ServicesDep
from app.api.problem_responses import problems
from app.api.schemas import Tenant
from app.api.tenancy import KeyDep, tenant_to_list
from app.api.zone_schemas import EXAMPLE_BUDGET, BudgetOut
from app.api.zones import show_budget
from app.domain.custom_hostname import State
from app.domain.histogram import Histogram, merge, quantile
from app.domain.reason import WaitingOn
from app.persistence.summary import Count
from app.services.summary import DAYS, Summary

router = APIRouter(prefix="/v1/summary", tags=["summary"])

EXAMPLE_SUMMARY: dict[str, Any] = {
    "hostnames": 1204,
    "by_state": {"validating": 4, "cname_verified": 1200},
    "by_reason": {"awaiting_cname": 4, "live": 1200},
    "by_waiting_on": {"tenant": 4, "nobody": 1200},
    "by_zone": {"zone_01kb2r7m3v4x5y6z7a8b9c0d1e": 1204},
    "largest_tenants": [{"tenant": "tenant-7", "hostnames": 310}],
    "dangling": 2,
    "time_to_active": {"count": 96, "p50_seconds": 74.2, "p95_seconds": 251.4},
    "activations": [{"date": "2026-11-23", "count": 96, "p50_seconds": 74.2, "p95_seconds": 251.4}],
    "budgets": [EXAMPLE_BUDGET],
}


class TenantSizeOut(BaseModel):
    """How many hostnames a tenant has."""

    tenant: str
    hostnames: int


class TimesOut(BaseModel):
    """How long hostnames took from their creation to `active`, within 5 %."""

    count: int = Field(description="How many became active for the first time.")
    p50_seconds: float | None = Field(description="Half of them took no longer.")
    p95_seconds: float | None = Field(description="95 % of them took no longer.")


class DayOut(TimesOut):
    """The same for one day in UTC."""

    date: str


class SummaryOut(BaseModel):
    """Counts of the hostnames that are not deleted, and the times of the last 30 days."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_SUMMARY]})

    hostnames: int
    by_state: dict[State, int]
    by_reason: dict[str, int]
    by_waiting_on: dict[WaitingOn, int]
    by_zone: dict[str, int]
    largest_tenants: list[TenantSizeOut] | None = Field(
        description="The 20 tenants with the most hostnames. Null for one tenant."
    )
    dangling: int = Field(
        description="How many removed hostnames still point here; they are in no other count."
    )
    time_to_active: TimesOut
    activations: list[DayOut] = Field(description=f"The last {DAYS} days, the oldest first.")
    budgets: list[BudgetOut] | None = Field(
        description="The budgets of Cloudflare calls. Null for one tenant."
    )


@router.get(
    "",
    dependencies=[Read],
    operation_id="get_summary",
    summary="Summarize all hostnames",
    response_model=SummaryOut,
    responses=problems(),
)
async def get(
    services: ServicesDep,
    key: KeyDep,
    tenant: Annotated[Tenant | None, Query(description="Only hostnames of this tenant.")] = None,
) -> JSONResponse:
    """Return how many hostnames are in which state, and how long they took to become active."""
    wanted = tenant_to_list(key, tenant)
    summaries = services.summaries
    summary = await (summaries.of_all() if wanted is None else summaries.of_tenant(wanted))
    return JSONResponse(_shown(summary))


def _shown(summary: Summary) -> dict[str, Any]:
    counts, tenants, budgets = summary.counts, summary.tenants, summary.budgets
    return {
        "hostnames": sum(each.count for each in counts),
        "by_state": _by(counts, "state"),
        "by_reason": _by(counts, "reason"),
        "by_waiting_on": _by(counts, "waiting_on"),
        "by_zone": _by(counts, "zone_id"),
        "largest_tenants": None
        if tenants is None
        else [{"tenant": tenant, "hostnames": count} for tenant, count in tenants],
        "dangling": summary.dangling,
        "time_to_active": _times(merge(summary.days.values())),
        "activations": [
            {"date": day.isoformat(), **_times(histogram)}
            for day, histogram in sorted(summary.days.items())
        ],
        "budgets": None if budgets is None else [show_budget(each) for each in budgets],
    }


def _by(counts: Sequence[Count], attribute: str) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for each in counts:
        totals[getattr(each, attribute)] += each.count
    return dict(totals.most_common())


def _times(histogram: Histogram) -> dict[str, Any]:
    return {
        "count": sum(histogram.values()),
        "p50_seconds": _rounded(quantile(histogram, 0.5)),
        "p95_seconds": _rounded(quantile(histogram, 0.95)),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
