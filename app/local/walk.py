"""`nameplate walk`: one domain through its whole life, each transition with its evidence.

The steps are those of Cloudflare for SaaS, "Get started" and "Hostname validation".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from app.local.client import StackClient
from app.local.mistakes import MISTAKES, Mistake
from app.local.stack import Stack

TENANT = "blue-bicycle"
ORIGIN = "192.0.2.10"
EXPECTED = ("pending", "validating", "active", "cname_verified")
LIMIT_SECONDS = 90.0
POLL_SECONDS = 0.2

Say = Callable[[str], None]


class WalkFailed(Exception):
    """The domain did not arrive; the message says where it stood."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One hostname of a walk, and what its steps are called."""

    hostname: str
    plan: str | None
    add: str = "Add the custom hostname"
    before: str = "The tenant adds the records that validate the name before traffic moves"
    switch: str = "The tenant switches: the routing record moves traffic"
    mistake: Mistake | None = None


WALKS: dict[str, tuple[Leg, ...]] = {
    "simple": (
        Leg(
            "shop.blue-bicycle.com",
            "simple",
            switch="The tenant adds the one record, which proves the name and moves traffic",
        ),
    ),
    "zero_downtime": (
        Leg(
            "shop.blue-bicycle.com",
            "zero_downtime",
            switch="Both statuses are active: the tenant switches, without downtime for visitors",
        ),
    ),
    "delegated": (
        Leg(
            "shop.blue-bicycle.com",
            "delegated",
            before="The tenant delegates DCV, for this certificate and every renewal",
        ),
    ),
    "wildcard": (
        Leg(
            "*.blue-bicycle.com",
            None,
            add="Add the wildcard; its default plan is `delegated`",
            before="The tenant delegates DCV, and proves ownership of the name below the wildcard",
        ),
        Leg(
            "blue-bicycle.com",
            None,
            add="Add the name itself: it joins the wildcard's object at Cloudflare",
            switch="The tenant points the apex here; this provider flattens the CNAME",
        ),
    ),
}


async def walk(stack: Stack, *, plan: str, mistake: str | None = None, say: Say) -> str:
    """Walk, and give the closing line. A mistake has a hostname and a plan of its own.

    Raises:
        WalkFailed: a transition, the webhook or the diagnosis of the mistake did not come.
    """
    began = time.monotonic()
    made = MISTAKES[mistake] if mistake else None
    legs = (Leg(made.hostname, made.plan, mistake=made),) if made else WALKS[plan]
    steps = Steps(say)
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        client = StackClient(stack, http)
        await client.add_webhook()
        await _set_up(client, steps)
        journeys = [await _go(client, leg, steps) for leg in legs]
    for journey in journeys:
        journey.check()
    return f"walk: {' -> '.join(EXPECTED)}, webhook verified, {time.monotonic() - began:.1f} s"


class Steps:
    """Numbers what is done, above what is seen of it."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self._number = 0
        self._added: set[tuple[str, str, str]] = set()

    def begin(self, title: str) -> None:
        """Say what comes now."""
        self._number += 1
        self.say(f"Step {self._number}. {title}")

    def is_new(self, record: dict[str, Any]) -> bool:
        """Whether the tenant has yet to add it: what serves the wildcard serves the name too."""
        key = (record["type"], record["name"], record["value"])
        added = key in self._added
        self._added.add(key)
        return not added


async def _set_up(client: StackClient, steps: Steps) -> None:
    steps.begin("The provider sets up the fallback origin and the CNAME target, once")
    zone = await client.api("POST", "/zones/default/setup", origin=ORIGIN)
    parts = zone["setup"]
    for name in ("fallback_origin_record", "cname_target"):
        part = parts[name]
        steps.say(f"  {part['name']} {part['type']} {part['content']}: {part['state']}")
    steps.say(f"  fallback origin {parts['fallback_origin']['status']}")


async def _go(client: StackClient, leg: Leg, steps: Steps) -> Journey:
    steps.begin(leg.add)
    body = {"hostname": leg.hostname, "tenant": TENANT}
    if leg.plan is not None:
        body["plan"] = leg.plan
    hostname = await client.api("POST", "/custom-hostnames", **body)
    steps.say(
        f"  POST /v1/custom-hostnames -> {hostname['state']} ({hostname['reason']}), plan "
        f"{hostname['plan']}, at Cloudflare {hostname['cloudflare']['id']}"
    )
    journey = Journey(client, hostname["id"], steps)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            if leg.mistake is not None and not leg.mistake.at_switch:
                await journey.err(leg.mistake)
            await journey.add_records("before", leg.before)
            if leg.mistake is not None and leg.mistake.at_switch:
                await journey.err(leg.mistake)
            await journey.add_records("with", leg.switch)
            steps.begin("Nameplate sees that traffic flows, and sends the webhook")
            await journey.until_state("cname_verified")
            received = await journey.until_webhook("custom_hostname.cname_verified")
    except TimeoutError:
        raise WalkFailed(await journey.standing()) from None
    webhook = received["headers"]["webhook-id"]
    steps.say(f"  webhook {webhook} verified: {received['body']['type']}")
    return journey


class Journey:
    """What one hostname went through so far."""

    def __init__(self, client: StackClient, hostname_id: str, steps: Steps) -> None:
        self._client = client
        self._path = f"/custom-hostnames/{hostname_id}"
        self._id = hostname_id
        self._steps = steps
        self._told = 0
        self._states: list[str] = []

    async def add_records(self, when: str, title: str) -> None:
        """Add the tenant's records of one moment, once they are all known and may be added."""
        hostname = await self._until(lambda shown: bool(shown["records_complete"]))
        records = [r for r in hostname["records"] if r["when"] == when]
        wanted = [r for r in records if self._steps.is_new(r)]
        if not wanted:
            return
        if when == "with":
            await self._until(self._may_switch(hostname))
        self._steps.begin(title)
        for record in wanted:
            self._say(f"tenant adds {record['type']} {record['name']} -> {record['value']}")
        await self._client.put_records(wanted)
        # As a person would: added it, and presses "check now".
        await self._client.api("POST", f"{self._path}/refresh")

    async def err(self, mistake: Mistake) -> None:
        """Make the mistake, have it diagnosed, and take it back.

        Raises:
            WalkFailed: the diagnosis does not say what is wrong.
        """
        hostname = await self._until(lambda shown: bool(shown["records_complete"]))
        routing = next(r for r in hostname["records"] if r["purpose"] == "routing")
        changes = mistake.changes(routing)
        self._steps.begin(mistake.title)
        for change in changes:
            self._say(f"tenant {await change.make(self._client)}")
        await self._client.api("POST", f"{self._path}/refresh")
        self._steps.begin("Nameplate says what is wrong, and what to change")
        diagnosis = await self._client.api("GET", f"{self._path}/diagnosis")
        for finding in diagnosis["data"]:
            self._say(f"{finding['severity']} {finding['code']}: {finding['message']}")
            if finding["record"] is not None:
                record = finding["record"]
                self._say(
                    f"  {record['change']} {record['type']}, host {finding['host']}, "
                    f"value {finding['value']}"
                )
        codes = [finding["code"] for finding in diagnosis["data"]]
        if mistake.code not in codes:
            raise WalkFailed(f"the diagnosis has {codes or 'no finding'}, not {mistake.code}")
        self._steps.begin("The tenant takes the mistake back")
        for change in changes:
            self._say(f"tenant {await change.undo(self._client)}")

    async def until_state(self, state: str) -> None:
        """Follow the hostname until it is in `state`."""
        await self._until(lambda shown: bool(shown["state"] == state))

    async def until_webhook(self, event_type: str) -> dict[str, Any]:
        """Wait for a verified webhook of this type about this hostname."""
        while True:
            for delivery in await self._client.deliveries():
                if self._is_ours(delivery, event_type):
                    return delivery
            await asyncio.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Say what was out of order.

        Raises:
            WalkFailed: a state was left out, or one too many.
        """
        if tuple(self._states) != EXPECTED:
            raise WalkFailed(
                f"the hostname went {' -> '.join(self._states)}, not {' -> '.join(EXPECTED)}"
            )

    async def standing(self) -> str:
        """Say where it stands."""
        hostname = await self._look()
        return (
            f"the hostname stopped at {hostname['state']} ({hostname['reason']}), waiting on "
            f"{hostname['waiting_on']}: {hostname['message']}"
        )

    def _may_switch(self, hostname: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
        """Wait for the certificate too where it is proved before: then nobody meets an error."""
        proved_before = any(r["when"] == "before" for r in hostname["records"])

        def may(shown: dict[str, Any]) -> bool:
            certified = shown["cloudflare"]["ssl_status"] == "active"
            return bool(shown["switch_safe"]) and (certified or not proved_before)

        return may

    def _is_ours(self, delivery: dict[str, Any], event_type: str) -> bool:
        body = delivery["body"]
        if not delivery["verified"] or not isinstance(body, dict) or body["type"] != event_type:
            return False
        return bool(body["data"]["custom_hostname"]["id"] == self._id)

    async def _until(self, accept: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            hostname = await self._look()
            if accept(hostname):
                return hostname
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self) -> dict[str, Any]:
        hostname: dict[str, Any] = await self._client.api("GET", self._path)
        path = f"{self._path}/events?cursor={self._told}"
        for event in (await self._client.api("GET", path))["data"]:
            self._told = event["sequence"]
            if event["from"] == event["to"]:
                self._say(f"{event['sequence']}. {event['type']}  [{event['reason']}]")
                continue
            self._states.append(event["to"])
            self._tell(event, hostname)
        return hostname

    def _tell(self, event: dict[str, Any], hostname: dict[str, Any]) -> None:
        cloudflare, seen = hostname["cloudflare"], hostname["dns"]["evidence"]
        evidence = f"hostname {cloudflare['hostname_status']}, ssl {cloudflare['ssl_status']}"
        if seen:
            way = " -> ".join([hostname["hostname"], *seen["chain"], *seen["addresses"][:2]])
            evidence += f", DNS {seen['kind']}: {way}"
        arrow = f"{event['from'] or 'new'} -> {event['to']}"
        self._say(f"{event['sequence']}. {arrow}  [{evidence}]")

    def _say(self, line: str) -> None:
        self._steps.say(f"  {line}")
