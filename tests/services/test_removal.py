"""A name wished gone while Cloudflare is down, or slow: `deleted` is told when nothing is left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typing_extensions import override

from app.bootstrap import Services
from app.domain.custom_hostname import CustomHostname, State
from app.persistence.clock import advance
from app.persistence.hostname_lists import HostnameFilter
from app.services.registration import Registration
from sandbox import constants
from tests.support import Service

from .test_leases import alone

NAME = "shop.going-away.com"
DOWN: list[int | str] = [500, "timeout", "reset"]
POST = "POST /zones/{zone_id}/custom_hostnames"
IMPATIENT = {"connect": 2.0, "read": 0.4, "write": 2.0, "pool": 2.0}


class Hasty(httpx.AsyncHTTPTransport):
    """Reaches Cloudflare, and waits for no answer as long as the service would."""

    def __init__(self) -> None:
        super().__init__()
        self.after_post: Callable[[], Awaitable[object]] | None = None
        self.keeps_names = False

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE" and self.keeps_names:
            # As Cloudflare does that accepts a removal and comes to it later.
            return httpx.Response(200, json={"success": True, "errors": [], "result": {}})
        request.extensions = {**request.extensions, "timeout": IMPATIENT}
        response = await super().handle_async_request(request)
        if request.method == "POST" and self.after_post is not None:
            hook, self.after_post = self.after_post, None
            await response.aread()
            await hook()
        return response


class Place:
    """The service without a worker beside it, and the world around it."""

    def __init__(self, services: Services, sandbox: str, transport: Hasty) -> None:
        self.services = services
        self.transport = transport
        self._sandbox = sandbox

    async def control(self, method: str, path: str, **body: Any) -> None:
        async with httpx.AsyncClient(trust_env=False) as http:
            url = f"{self._sandbox}/control/cloudflare{path}"
            answer = await http.request(method, url, json=body or None)
            assert answer.is_success, answer.text

    async def fault(self, kind: int | str, *routes: str) -> None:
        await self.control(
            "PUT", "/faults", rate=1, kinds=[kind], seed=1, routes=list(routes) or None
        )

    async def recover(self) -> None:
        await self.control("PUT", "/faults", rate=0, routes=None)

    async def there(self) -> list[dict[str, Any]]:
        """Give all custom hostnames that Cloudflare has."""
        url = f"{self._sandbox}/client/v4/zones/{constants.ZONE_ID}/custom_hostnames"
        async with httpx.AsyncClient(trust_env=False) as http:
            headers = {"Authorization": f"Bearer {constants.TOKEN}"}
            return list((await http.get(url, headers=headers)).json()["result"])

    async def create(self) -> CustomHostname:
        wanted = Registration(hostname=NAME, tenant="tenant", metadata={})
        (record,), _ = await self.services.registrations.register(wanted)
        return record

    async def remove(self, record: CustomHostname) -> CustomHostname:
        return await self.services.custom_hostnames.remove(record.id)

    async def pass_and_look(self, record: CustomHostname, seconds: float) -> CustomHostname:
        """Move the clock, and work on all that is due by then."""
        async with self.services.database.transaction() as tx:
            await advance(tx, timedelta(seconds=seconds))
        for claim in await self.services.dispatcher.due(10):
            await self.services.reconciler.reconcile(claim)
        return await self.services.custom_hostnames.get(record.id)

    async def until_deleted(self, record: CustomHostname, *, within: float) -> None:
        for _ in range(int(within / 10)):
            shown = await self.pass_and_look(record, 10)
            if shown.state is State.DELETED:
                return
            assert shown.state is State.DELETING
        raise AssertionError("it was never deleted")

    async def states(self, record: CustomHostname) -> list[State]:
        events = await self.services.custom_hostnames.events(record.id, after=0, limit=20)
        return [event.after for event in events]


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    async with _place(database_url, tmp_path) as opened:
        yield opened


@asynccontextmanager
async def _place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    transport = Hasty()
    async with alone(database_url, tmp_path, transport=transport) as (services, calls_url):
        yield Place(services, calls_url.removesuffix("/control/cloudflare/calls"), transport)


@pytest.mark.parametrize("kind", DOWN, ids=str)
async def test_a_name_wished_gone_while_cloudflare_is_down_is_gone_once_it_is_back(
    place: Place, kind: int | str
) -> None:
    record = await place.create()
    assert (record.state, len(await place.there())) == (State.VALIDATING, 1)
    await place.fault(kind)
    assert (await place.remove(record)).state is State.DELETING
    for seconds in (10, 30, 300):
        # Even where the removal took place: nobody has said so.
        assert (await place.pass_and_look(record, seconds)).state is State.DELETING
    await place.recover()
    await place.until_deleted(record, within=310)
    assert await place.there() == []
    told = [State.PENDING, State.VALIDATING, State.DELETING, State.DELETED]
    assert await place.states(record) == told


@pytest.mark.parametrize("kind", DOWN, ids=str)
async def test_a_name_wished_gone_after_a_creation_without_an_answer_leaves_nothing_behind(
    place: Place, kind: int | str
) -> None:
    await place.fault(kind)
    record = await place.create()
    assert (record.state, record.cloudflare.id) == (State.PENDING, None)
    assert (await place.remove(record)).state is State.DELETING
    assert (await place.pass_and_look(record, 10)).state is State.DELETING
    await place.recover()
    await place.until_deleted(record, within=310)
    assert await place.there() == []
    assert await place.states(record) == [State.PENDING, State.DELETING, State.DELETED]


async def test_a_name_wished_gone_while_its_creation_is_under_way_is_created_and_removed(
    place: Place,
) -> None:
    async def wish_gone() -> None:
        page = await place.services.hostname_lists.page(HostnameFilter(), limit=10)
        (shown,) = page.documents
        assert shown["state"] == "pending"
        await place.services.custom_hostnames.remove(shown["id"])

    place.transport.after_post = wish_gone
    record = await place.create()
    assert len(await place.there()) == 1
    await place.until_deleted(record, within=310)
    assert await place.there() == []


async def test_a_creation_that_appears_late_is_found_and_removed(place: Place) -> None:
    await place.fault("timeout", POST)
    record = await place.create()
    # It took place, and lists that lag behind do not show it yet.
    await place.fault("not_found")
    assert len(await place.there()) == 0
    assert (await place.remove(record)).state is State.DELETING
    assert (await place.pass_and_look(record, 10)).state is State.DELETING
    await place.recover()
    assert len(await place.there()) == 1
    await place.until_deleted(record, within=60)
    assert await place.there() == []


async def test_a_removal_that_cloudflare_comes_to_later_is_not_told_before_it_is_gone(
    place: Place,
) -> None:
    record = await place.create()
    path = f"/custom_hostnames/{record.cloudflare.id}"
    place.transport.keeps_names = True
    removed = await place.remove(record)
    assert removed.state is State.DELETING
    for seconds in (10, 10, 600):
        shown = await place.pass_and_look(record, seconds)
        assert (shown.state, shown.cloudflare.id) == (State.DELETING, record.cloudflare.id)
        assert len(await place.there()) == 1
    await place.control("DELETE", path)
    await place.until_deleted(record, within=200)
    told = [State.PENDING, State.VALIDATING, State.DELETING, State.DELETED]
    assert await place.states(record) == told


@pytest.mark.parametrize("status", ["pending_deletion", "deleted"])
async def test_a_removed_name_that_can_still_be_read_is_gone(place: Place, status: str) -> None:
    record = await place.create()
    place.transport.keeps_names = True
    path = f"/custom_hostnames/{record.cloudflare.id}"
    await place.control("PATCH", path, status=status, ssl_status="pending_deletion")
    removed = await place.remove(record)
    assert (removed.state, removed.cloudflare.id) == (State.DELETED, None)
    assert len(await place.there()) == 1


async def test_all_hostnames_of_a_tenant_are_removed_a_hundred_at_a_time(service: Service) -> None:
    await service.raise_limits()
    for number in range(7):
        await service.create(f"shop.leaving-{number}.com", "leaving")
    other = await service.create("shop.staying.com", "staying")
    path = "/v1/custom-hostnames?tenant=leaving"
    answer = await service.http.delete(path)
    assert (answer.status_code, answer.json()) == (202, {"removing": 7, "has_more": False})
    # What leaves already is not counted again.
    assert (await service.http.delete(path)).json() == {"removing": 0, "has_more": False}

    async def are_gone() -> bool:
        await service.let_pass(seconds=20)
        return not (await service.http.get(path)).json()["data"]

    await service.eventually(are_gone)
    assert (await service.get(other["id"]))["state"] == "validating"
    missing = await service.http.delete("/v1/custom-hostnames")
    assert (missing.status_code, missing.json()["errors"][0]["parameter"]) == (422, "tenant")


async def test_a_removal_of_many_says_that_there_are_more(service: Service) -> None:
    for number in range(3):
        await service.create(f"shop.leaving-{number}.com", "leaving")
    path = "/v1/custom-hostnames?tenant=leaving&limit=2"
    assert (await service.http.delete(path)).json() == {"removing": 2, "has_more": True}
    assert (await service.http.delete(path)).json() == {"removing": 1, "has_more": False}
