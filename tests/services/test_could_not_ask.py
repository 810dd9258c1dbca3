"""G3: whatever Cloudflare answers that is no clear answer, no state changes by it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support import Service

UNCLEAR = [429, 500, 503, "reset", "unauthorized", "forbidden", "truncated", "html", "unsuccessful"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def faults(shared_service: Service) -> AsyncIterator[Service]:
    yield shared_service
    await shared_service.world.control("PUT", "/cloudflare/faults", rate=0, kinds=[], seed=1)
    if (await shared_service.zone())["paused"]:
        await shared_service.http.post("/v1/zones/default/resume")
        await shared_service.let_pass(hours=1)


@pytest.mark.parametrize("kind", UNCLEAR, ids=str)
async def test_an_unclear_answer_changes_no_state(faults: Service, kind: str | int) -> None:
    name = f"shop.{kind}-street.com"
    waiting = await faults.create(f"waits.{kind}-street.com")
    live = await faults.create(name)
    await faults.point_here(live)
    live = await faults.follow(live["id"], "cname_verified")
    before = [len(await faults.events(each["id"])) for each in (waiting, live)]
    await faults.world.control("PUT", "/cloudflare/faults", rate=1, kinds=[kind], seed=1)
    for each in (waiting, live):
        await faults.refresh(each["id"])
    await faults.let_pass(minutes=6)
    await faults.let_pass(minutes=2)
    assert (await faults.get(waiting["id"]))["state"] == "validating"
    shown = await faults.get(live["id"])
    assert (shown["state"], shown["serving"]) == ("cname_verified", True)
    after = [len(await faults.events(each["id"])) for each in (waiting, live)]
    assert after == before


@pytest.mark.parametrize("kind", UNCLEAR, ids=str)
async def test_a_creation_that_gets_no_clear_answer_waits_and_is_made_once(
    faults: Service, kind: str | int
) -> None:
    await faults.world.control("PUT", "/cloudflare/faults", rate=1, kinds=[kind], seed=3)
    pending = await faults.create(f"shop.{kind}-avenue.com")
    assert pending["state"] == "pending"
    await faults.world.control("PUT", "/cloudflare/faults", rate=0, kinds=[], seed=1)
    if (await faults.zone())["paused"]:
        await faults.http.post("/v1/zones/default/resume")
        await faults.let_pass(hours=1)
    created = await faults.follow(pending["id"], "validating")
    stack = faults.stack
    found = await faults.http.get(
        f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}/custom_hostnames",
        params={"hostname": created["hostname"]},
        headers={"Authorization": f"Bearer {stack.cloudflare_token}"},
    )
    (only,) = found.json()["result"]
    assert only["id"] == created["cloudflare"]["id"]
