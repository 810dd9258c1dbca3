"""A live wildcard whose certificate is renewed: its tenant adds new tokens, and nobody notices."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.support import Service

NAME = "*.copper-kettle.io"
LIFE = 60
"""Schedule seconds a second: at a thousand a few looks would take longer than a token lives."""


async def live_wildcard(service: Service) -> dict[str, Any]:
    hostname = await service.create(NAME, plan="zero_downtime")
    complete = await service.until(hostname["id"], lambda s: bool(s["records_complete"]))
    await service.world.put_records(complete["records"])
    await service.refresh(hostname["id"])
    live = await service.follow(hostname["id"], "cname_verified")
    await service.world.control("PUT", "/clock", speed=LIFE)
    return live


async def renew(service: Service, hostname: dict[str, Any]) -> None:
    path = f"/cloudflare/custom_hostnames/{hostname['cloudflare']['id']}/renew"
    await service.world.control("POST", path)


def tokens(hostname: dict[str, Any]) -> set[str]:
    return {each["value"] for each in hostname["records"] if each["purpose"] == "certificate"}


async def step_until(service: Service, hostname: dict[str, Any], reason: str) -> dict[str, Any]:
    """Let the lists be read until the name is shown so; it is live and served all the while."""
    shown: dict[str, Any] = {}
    for _ in range(12):
        shown = await service.get(hostname["id"])
        assert (shown["state"], shown["serving"]) == ("cname_verified", True)
        if shown["reason"] == reason:
            return shown
        await service.scan_lists()
        await service.let_pass(seconds=61)
    raise AssertionError(f"it stayed as it was: {shown}")


async def types(service: Service, hostname: dict[str, Any]) -> list[str]:
    events = await service.events(hostname["id"])
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    return [event["type"].removeprefix("custom_hostname.") for event in events]


async def test_new_tokens_are_told_asked_for_and_renew_a_wildcard_that_stays_live(
    service: Service,
) -> None:
    await service.world.add_webhook()
    live = await live_wildcard(service)
    before = await types(service, live)
    await renew(service, live)
    asked = await step_until(service, live, "renewal_tokens_missing")
    assert asked["waiting_on"] == "tenant"
    assert len(tokens(asked)) == 2
    assert not tokens(asked) & tokens(live)
    told = (await types(service, live))[len(before) :]
    assert told == ["records_changed", "action_required"]
    for each in told:
        await service.eventually(partial(service.received, f"custom_hostname.{each}"))
    await service.world.put_records(asked["records"])
    renewed = await step_until(service, live, "live")
    assert renewed["cloudflare"]["ssl_status"] == "active"
    assert renewed["waiting_on"] == "nobody"
    # It was never anything but live, and nobody was told otherwise.
    assert (await types(service, live))[len(before) :] == told
