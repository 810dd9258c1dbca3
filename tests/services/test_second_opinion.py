"""One answer about one name is held against the zone, or believed of the name, at second sight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from app.domain.budget import Limits
from app.domain.errors import (
    CloudflareError,
    CloudflareForbidden,
    CloudflareUnauthorized,
    CloudflareUnavailable,
)
from app.domain.observation import HostnamePage
from app.domain.zone import ZoneAccess
from app.persistence.database import open_database
from app.persistence.zones import list_zones
from app.services.budgets import Budgets
from app.services.pauses import Pauses
from app.services.second_opinion import SecondOpinion
from tests.support import Service

LOSSES = ("cname_lost", "failed")


async def faults(service: Service, *kinds: Any, routes: list[str] | None = None) -> None:
    await service.world.control(
        "PUT",
        "/cloudflare/faults",
        rate=int(bool(kinds)),
        kinds=list(kinds),
        seed=1,
        routes=routes,
    )


async def test_where_nothing_is_found_nobody_is_told_whatever_is_under_way(
    service: Service,
) -> None:
    live = await service.live_fleet(4)
    waiting = [await service.create(f"shop.waiting-{n}.com", f"waiting-{n}") for n in range(2)]
    await service.sweep()
    await faults(service, "not_found")
    # A refresh on sight, a person's refresh of either kind, and an edit of a live name.
    await service.point_here(waiting[0])
    await service.refresh(waiting[1]["id"])
    await service.refresh(live[0]["id"])
    await service.http.patch(
        f"/v1/custom-hostnames/{live[1]['id']}", json={"tls": {"min_tls_version": "1.2"}}
    )
    await service.until_paused("hostnames_missing", step_seconds=10)
    await service.advance(hours=2)
    assert await service.told(*LOSSES) == []
    await faults(service)
    await service.http.post("/v1/zones/default/resume")
    for _ in range(20):
        await service.let_pass(minutes=5)
    assert (await service.zone())["paused"] is None
    assert await service.told(*LOSSES) == []
    assert (await service.get(waiting[0]["id"]))["state"] == "cname_verified"
    assert (await service.get(live[1]["id"]))["tls"]["min_tls_version"] == "1.2"


async def test_one_name_that_is_removed_by_another_hand_is_told_and_stops_nothing(
    service: Service,
) -> None:
    fleet = await service.live_fleet(4)
    await service.sweep()
    gone = fleet[2]
    await service.world.control(
        "DELETE", f"/cloudflare/custom_hostnames/{gone['cloudflare']['id']}"
    )
    await service.sweep()

    async def is_told() -> bool:
        await service.let_pass(seconds=20)
        return bool((await service.get(gone["id"]))["reason"] == "missing_at_cloudflare")

    await service.eventually(is_told)
    assert (await service.zone())["paused"] is None
    assert len(await service.told(*LOSSES)) == 1


class Lists:
    """A zone whose list is had, or is not."""

    def __init__(self, error: CloudflareError | None) -> None:
        self._error = error

    async def list_page(
        self,
        access: ZoneAccess,  # noqa: ARG002
        *,
        page: int,  # noqa: ARG002
        filters: Mapping[str, str],  # noqa: ARG002
    ) -> HostnamePage:
        if self._error is not None:
            raise self._error
        return HostnamePage((), total=0)


@pytest.mark.parametrize(
    ("error", "paused"),
    [
        pytest.param(None, False, id="the list is had"),
        pytest.param(CloudflareForbidden("No."), True, id="it is refused, too"),
        pytest.param(CloudflareUnauthorized("No."), True, id="the token does not hold"),
        pytest.param(CloudflareUnavailable("Hm."), False, id="nobody knows"),
    ],
)
async def test_a_403_about_one_name_pauses_the_zone_where_its_list_is_refused_too(
    service: Service, error: CloudflareError | None, *, paused: bool
) -> None:
    async with open_database(service.stack.database_url) as database:
        budgets, pauses = Budgets(database, Limits()), Pauses(database)
        opinion = SecondOpinion(database, cast("Any", Lists(error)), budgets, pauses)
        async with database.transaction() as tx:
            (zone,) = await list_zones(tx)
        access = ZoneAccess(zone.cloudflare_zone_id, "token", zone.budget)
        await opinion.on_refused_call(zone, access)
    assert ((await service.zone())["paused"] is not None) is paused
