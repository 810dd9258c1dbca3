"""What lists show: names that went bad, names that went on, and names that are gone."""

from __future__ import annotations

from tests.support import Service

GET = "GET /zones/{zone_id}/custom_hostnames/{custom_hostname_id}"
LIST = "GET /zones/{zone_id}/custom_hostnames"


async def test_a_live_name_that_moved_is_seen_by_a_list_scan_and_told_after_a_second_look(
    service: Service,
) -> None:
    (hostname,) = await service.live_fleet(1)
    await service.until_lists_alone_look()
    await service.set_statuses(hostname, status="moved")
    await service.scan_lists()
    suspected = await service.until(
        hostname["id"], lambda shown: bool(shown["cloudflare"]["hostname_status"] == "moved")
    )
    assert suspected["state"] == "cname_verified"
    await service.advance(seconds=61)

    async def is_told() -> bool:
        return await service.emitted("cname_lost") == ["custom_hostname.cname_lost"]

    await service.eventually(is_told)
    # The name itself may be well again by now: its DNS is right, so Cloudflare is asked once more.
    path = f"/v1/custom-hostnames/{hostname['id']}/events"
    events = (await service.http.get(path)).json()["data"]
    (lost,) = [event for event in events if event["type"] == "custom_hostname.cname_lost"]
    assert (lost["to"], lost["reason"]) == ("validating", "moved_away")


async def test_a_name_that_is_well_costs_no_call_of_its_own(service: Service) -> None:
    await service.live_fleet(3)
    await service.scan_lists()
    before = (await service.calls())["by_route"]
    await service.scan_lists(rounds=4)
    after = (await service.calls())["by_route"]
    assert after.get(GET, 0) == before.get(GET, 0)
    # One page for all of them, and one more for each round that shows the same.
    assert after[LIST] - before[LIST] == 4


async def test_a_name_that_became_active_unseen_is_taken_on_by_a_list_scan(
    service: Service,
) -> None:
    hostname = await service.create("shop.quiet-river.com")
    await service.advance(minutes=20)
    await service.set_statuses(hostname, status="active", ssl_status="active")
    await service.scan_lists()
    active = await service.until_state(hostname["id"], "active")
    assert active["reason"] == "awaiting_cname"
