"""`/v1/summary`: counts of all hostnames, or of one tenant's."""

from __future__ import annotations

from typing import Any

import pytest

from app.api.summary import SummaryOut
from tests.support import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/summary"


async def summarize(service: Service, query: str = "") -> dict[str, Any]:
    response = await service.http.get(PATH + query)
    assert response.status_code == 200, response.text
    SummaryOut.model_validate(response.json())
    return dict(response.json())


async def test_a_tenant_without_hostnames_has_an_empty_summary(shared_service: Service) -> None:
    shown = await summarize(shared_service, "?tenant=nobody")
    assert shown["hostnames"] == 0
    assert shown["by_state"] == {}
    assert (shown["largest_tenants"], shown["budgets"]) == (None, None)
    assert shown["time_to_active"] == {"count": 0, "p50_seconds": None, "p95_seconds": None}
    assert len(shown["activations"]) == 30


async def test_a_new_hostname_is_counted_at_once(shared_service: Service) -> None:
    before = await summarize(shared_service)
    await shared_service.put_still("count-1.green-tea.com", "summed")
    await shared_service.put_still("count-2.green-tea.com", "summed")
    after = await summarize(shared_service)
    assert after["hostnames"] == before["hostnames"] + 2
    shown = await summarize(shared_service, "?tenant=summed")
    assert shown["hostnames"] == 2
    for group in ("by_state", "by_reason", "by_waiting_on", "by_zone"):
        assert sum(shown[group].values()) == 2
    assert {"tenant": "summed", "hostnames": 2} in after["largest_tenants"]
    assert [budget["name"] for budget in after["budgets"]] == ["default"]


async def test_a_hostname_that_goes_live_is_an_activation_of_today(
    shared_service: Service,
) -> None:
    live = await shared_service.go_live("live.red-tea.com", "went-live")
    shown = await summarize(shared_service, "?tenant=went-live")
    assert shown["by_state"] == {"cname_verified": 1}
    assert shown["time_to_active"]["count"] == 1
    assert shown["time_to_active"]["p50_seconds"] > 0
    days = {day["date"]: day["count"] for day in shown["activations"]}
    assert days[live["activated_at"][:10]] == 1
    assert sum(days.values()) == 1
    await shared_service.http.delete(f"/v1/custom-hostnames/{live['id']}")
    await shared_service.follow(live["id"], "deleted")
    shown = await summarize(shared_service, "?tenant=went-live")
    assert shown["hostnames"] == 0
    assert shown["time_to_active"]["count"] == 1


async def test_the_worker_folds_what_was_counted(shared_service: Service) -> None:
    await shared_service.put_still("fold.green-tea.com", "folded")

    async def is_folded() -> bool:
        return not await shared_service.sql.fetchval(
            "SELECT count(*) FROM hostname_changes WHERE tenant = 'folded'"
        )

    await shared_service.eventually(is_folded)
    assert (await summarize(shared_service, "?tenant=folded"))["hostnames"] == 1
