"""One answer about one name is held against the zone, or believed of the name, at second sight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from app.domain.errors import (
    CloudflareError,
    CloudflareForbidden,
    CloudflareNotEnabled,
    CloudflarePermissionMissing,
    CloudflareTokenMalformed,
    CloudflareTokenRestricted,
    CloudflareUnauthorized,
    CloudflareUnavailable,
    CloudflareZoneUnknown,
)
from app.domain.observation import HostnamePage
from app.domain.rate_limit import Limits
from app.domain.zone import ZoneAccess
from app.persistence.database import open_database
from app.persistence.zones import list_zones
from app.services.rate_limiter import RateLimiter
from app.services.reconciler.corroborate import Corroborator
from app.services.zone_pauses import Pauses
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
    await service.scan_lists()
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
    assert await service.emitted(*LOSSES) == []
    await faults(service)
    await service.http.post("/v1/zones/default/resume")
    for _ in range(20):
        await service.let_pass(minutes=5)
    assert (await service.zone())["paused"] is None
    assert await service.emitted(*LOSSES) == []
    assert (await service.get(waiting[0]["id"]))["state"] == "cname_verified"
    assert (await service.get(live[1]["id"]))["tls"]["min_tls_version"] == "1.2"


async def test_one_name_that_is_removed_by_another_hand_is_told_and_stops_nothing(
    service: Service,
) -> None:
    fleet = await service.live_fleet(4)
    await service.scan_lists()
    gone = fleet[2]
    await service.world.control(
        "DELETE", f"/cloudflare/custom_hostnames/{gone['cloudflare']['id']}"
    )
    await service.scan_lists()

    async def is_told() -> bool:
        await service.let_pass(seconds=20)
        return bool((await service.get(gone["id"]))["reason"] == "missing_at_cloudflare")

    await service.eventually(is_told)
    assert (await service.zone())["paused"] is None
    assert len(await service.emitted(*LOSSES)) == 1


class Lists:
    """A zone whose list is had, or is not, and whose token is verified, or is not."""

    def __init__(
        self, error: CloudflareError | None, verified: str | CloudflareError = "active"
    ) -> None:
        self._error = error
        self._verified = verified

    async def token_status(self, access: ZoneAccess) -> str:  # noqa: ARG002
        if isinstance(self._verified, CloudflareError):
            raise self._verified
        return self._verified

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


async def paused_by(service: Service, gateway: Lists, code: str) -> str | None:
    """Tell of a refusal, and give why the zone is paused then."""
    async with open_database(service.stack.database_url) as database:
        budgets, pauses = RateLimiter(database, Limits()), Pauses(database)
        cloudflare = cast("Any", gateway)
        opinion = Corroborator(database, cloudflare, cloudflare, budgets, pauses)
        async with database.transaction() as tx:
            (zone,) = await list_zones(tx)
        await opinion.on_refusal(zone, zone.access("token"), code)
    paused = (await service.zone())["paused"]
    return paused["reason"] if paused else None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(None, None, id="the list is had"),
        pytest.param(CloudflareForbidden("No."), "calls_forbidden", id="it is refused, too"),
        pytest.param(CloudflareUnauthorized("No."), "token_refused", id="the token does not hold"),
        pytest.param(CloudflarePermissionMissing("No."), "permission_missing", id="no permission"),
        pytest.param(CloudflareNotEnabled("No."), "saas_not_enabled", id="not enabled"),
        pytest.param(CloudflareTokenRestricted("No."), "token_restricted", id="restricted"),
        pytest.param(CloudflareTokenMalformed("No."), "token_malformed", id="malformed"),
        pytest.param(CloudflareZoneUnknown("No."), "zone_unknown", id="no such zone"),
        pytest.param(CloudflareUnavailable("Hm."), None, id="nobody knows"),
    ],
)
async def test_a_403_about_one_name_pauses_the_zone_where_its_list_is_refused_too(
    service: Service, error: CloudflareError | None, reason: str | None
) -> None:
    assert await paused_by(service, Lists(error), CloudflareForbidden.code) == reason


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        pytest.param("active", None, id="the token is good"),
        pytest.param("disabled", "token_refused", id="it is disabled"),
        pytest.param(CloudflareUnauthorized("No."), "token_refused", id="it is refused, too"),
        pytest.param(CloudflareUnavailable("Hm."), None, id="nobody knows"),
    ],
)
async def test_a_401_pauses_the_zone_where_the_token_cannot_be_verified(
    service: Service, token: str | CloudflareError, reason: str | None
) -> None:
    gateway = Lists(CloudflareUnavailable("Not asked."), token)
    assert await paused_by(service, gateway, CloudflareUnauthorized.code) == reason


async def test_what_says_nothing_of_the_zone_is_not_asked_about(service: Service) -> None:
    gateway = Lists(CloudflareUnauthorized("No."), CloudflareUnauthorized("No."))
    assert await paused_by(service, gateway, CloudflareUnavailable.code) is None
