"""`nameplate walk`: one domain through its whole life, each transition with its evidence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx

from app.local.client import StackClient
from app.local.stack import Stack

HOSTNAME = "shop.blue-bicycle.com"
EXPECTED = ("pending", "validating", "active", "cname_verified")
LIMIT_SECONDS = 90.0
POLL_SECONDS = 0.2

Say = Callable[[str], None]


class WalkFailed(Exception):
    """The domain did not arrive; the message says where it stood."""


async def walk(stack: Stack, *, plan: str, say: Say) -> str:
    """Walk, and give the closing line.

    Raises:
        WalkFailed: a transition or the webhook did not come.
    """
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        client = StackClient(stack, http)
        await client.add_webhook()
        hostname = await client.api(
            "POST", "/custom-hostnames", hostname=HOSTNAME, tenant="blue-bicycle", plan=plan
        )
        say(f"POST /v1/custom-hostnames -> {hostname['state']} ({hostname['reason']})")
        journey = Journey(client, hostname["id"], say)
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await journey.add_records("before")
                await journey.add_records("with")
                await journey.until_state("cname_verified")
                received = await journey.until_webhook("custom_hostname.cname_verified")
        except TimeoutError:
            raise WalkFailed(await journey.standing()) from None
    say(f"webhook {received['headers']['webhook-id']} verified: {received['body']['type']}")
    return journey.closing(time.monotonic() - began)


class Journey:
    """What one hostname went through so far."""

    def __init__(self, client: StackClient, hostname_id: str, say: Say) -> None:
        self._client = client
        self._path = f"/custom-hostnames/{hostname_id}"
        self._id = hostname_id
        self._say = say
        self._told = 0
        self._states: list[str] = []

    async def add_records(self, when: str) -> None:
        """Add the tenant's records of one moment, once they are all known and may be added."""
        while True:
            hostname = await self._look()
            wanted = [r for r in hostname["records"] if r["when"] == when]
            if hostname["records_complete"] and (when == "before" or hostname["switch_safe"]):
                break
            await asyncio.sleep(POLL_SECONDS)
        for record in wanted:
            self._say(f"tenant adds {record['type']} {record['name']} -> {record['value']}")
            await self._client.put_record(record)
        if wanted:
            # As a person would: added it, and presses "check now".
            await self._client.api("POST", f"{self._path}/refresh")

    async def until_state(self, state: str) -> None:
        """Follow the hostname until it is in `state`."""
        while True:
            if (await self._look())["state"] == state:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def until_webhook(self, event_type: str) -> dict[str, Any]:
        """Wait for a verified webhook of this type about this hostname."""
        while True:
            for delivery in await self._client.deliveries():
                if self._is_ours(delivery, event_type):
                    return delivery
            await asyncio.sleep(POLL_SECONDS)

    def closing(self, seconds: float) -> str:
        """Give the last line, or say what was out of order."""
        if tuple(self._states) != EXPECTED:
            raise WalkFailed(f"went {' -> '.join(self._states)}")
        return f"walk: {' -> '.join(EXPECTED)}, webhook verified, {seconds:.1f} s"

    async def standing(self) -> str:
        """Say where it stands."""
        hostname = await self._look()
        return (
            f"stood at {hostname['state']} ({hostname['reason']}), waiting on "
            f"{hostname['waiting_on']}: {hostname['message']}"
        )

    def _is_ours(self, delivery: dict[str, Any], event_type: str) -> bool:
        body = delivery["body"]
        if not delivery["verified"] or not isinstance(body, dict) or body["type"] != event_type:
            return False
        return bool(body["data"]["custom_hostname"]["id"] == self._id)

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
        self._say(f"{event['sequence']}. {event['from'] or 'new'} -> {event['to']}  [{evidence}]")
