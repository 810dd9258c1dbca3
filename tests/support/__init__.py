"""A client of the running stack for tests: the product's backend, the tenant, the clocks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import httpx

from app.domain.custom_hostname import Schedule
from app.local.client import StackClient
from app.local.stack import Stack
from app.persistence.database import open_database
from app.persistence.ids import Prefix, new_id
from app.persistence.wakeups import Channel
from tests.support.rows import present_zone, put_hostname

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Not used for TLS. Loading the authorities takes longer than many tests."""
WAIT_SECONDS = 40.0
INLINE_SECONDS = 20.0
"""Longer than a busy machine takes: a response then shows what its request has done."""


class Service:
    """The API by bare HTTP (`http`), the outside world by `world`, and Postgres by `sql`."""

    def __init__(self, stack: Stack, http: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
        self.stack = stack
        self.http = http
        self.sql = sql
        self.world = StackClient(stack, http)

    @classmethod
    @asynccontextmanager
    async def over(cls, stack: Stack) -> AsyncIterator[Service]:
        sql = await asyncpg.connect(stack.database_url)
        headers = {"Authorization": f"Bearer {stack.api_key}"}
        try:
            async with httpx.AsyncClient(
                base_url=stack.api, headers=headers, timeout=30, trust_env=False, verify=PLAIN
            ) as http:
                yield cls(stack, http, sql)
        finally:
            await sql.close()

    async def create(self, hostname: str, tenant: str = "tenant", **more: Any) -> dict[str, Any]:
        """Add a hostname, which must be new."""
        body = {"hostname": hostname, "tenant": tenant, **more}
        response = await self.http.post("/v1/custom-hostnames", json=body)
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def put_still(self, hostname: str, tenant: str = "tenant") -> dict[str, Any]:
        """Insert a hostname that no worker ever checks, so that nobody changes it meanwhile."""
        record_id = new_id(Prefix.CUSTOM_HOSTNAME)
        async with open_database(self.stack.database_url) as database:
            zone = await present_zone(database)
            await put_hostname(database, zone, record_id, hostname, Schedule(), tenant=tenant)
        return await self.get(record_id)

    async def get(self, hostname_id: str) -> dict[str, Any]:
        response = await self.http.get(f"/v1/custom-hostnames/{hostname_id}")
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def refresh(self, hostname_id: str) -> dict[str, Any]:
        response = await self.http.post(f"/v1/custom-hostnames/{hostname_id}/refresh")
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def events(self, hostname_id: str) -> list[dict[str, Any]]:
        response = await self.http.get(f"/v1/custom-hostnames/{hostname_id}/events?limit=100")
        return list(response.json()["data"])

    async def until(
        self, hostname_id: str, accept: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """Wait until `accept` accepts the hostname."""
        return await self._until(hostname_id, accept, step_seconds=0)

    async def follow(self, hostname_id: str, state: str) -> dict[str, Any]:
        """Move the clocks on in small steps until the hostname is in `state`."""
        return await self._until(
            hostname_id, lambda shown: bool(shown["state"] == state), step_seconds=6
        )

    async def _until(
        self, hostname_id: str, accept: Callable[[dict[str, Any]], bool], *, step_seconds: float
    ) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while True:
                    shown = await self.get(hostname_id)
                    if accept(shown):
                        return shown
                    if step_seconds:
                        await self.advance(seconds=step_seconds)
                        await asyncio.sleep(0.15)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"it stayed as it was: {shown}") from None

    async def until_state(self, hostname_id: str, state: str) -> dict[str, Any]:
        return await self.until(hostname_id, lambda shown: bool(shown["state"] == state))

    async def point_here(self, hostname: dict[str, Any]) -> None:
        """Add the CNAME as the tenant would, and press "check now"."""
        routing = next(r for r in hostname["records"] if r["purpose"] == "routing")
        await self.world.put_record(routing)
        await self.refresh(hostname["id"])

    async def go_live(self, name: str, tenant: str = "tenant") -> dict[str, Any]:
        """Take a new hostname all the way to `cname_verified`."""
        hostname = await self.create(name, tenant)
        await self.point_here(hostname)
        return await self.follow(hostname["id"], "cname_verified")

    async def live_fleet(self, count: int) -> list[dict[str, Any]]:
        """Take many new hostnames to `cname_verified`, each of a tenant of its own."""

        async def begin(number: int) -> dict[str, Any]:
            hostname = await self.create(f"shop.fleet-{number}.com", f"tenant-{number}")
            await self.point_here(hostname)
            return hostname

        begun = await asyncio.gather(*map(begin, range(count)))
        return [await self.follow(hostname["id"], "cname_verified") for hostname in begun]

    async def scan_lists(self, rounds: int = 1) -> None:
        """Let the zone's lists be scanned from beginning to end.

        A page that was asked for earlier shows what stood earlier: it is waited for first.
        """
        for _ in range(rounds):
            await self.eventually(self._is_between_scans)
            before = await self._rounds()
            await self.advance(minutes=5, seconds=1)
            await self.eventually(partial(self._is_scanned, before))

    async def until_lists_alone_look(self) -> None:
        """Let the close checks pass that follow a creation, and any scan that is due."""

        async def is_over() -> bool:
            await self.advance(minutes=2)
            await asyncio.sleep(0.3)
            checks = await self.sql.fetchval(
                "SELECT count(*) FROM schedules WHERE cloudflare_due_at IS NOT NULL"
            )
            return int(checks) == 0

        async def is_still() -> bool:
            # Due work counts as well: nobody may have begun it yet.
            due = await self.sql.fetchval(
                "SELECT (SELECT count(*) FROM schedules"
                "  WHERE leased_until IS NOT NULL OR due_at <= nameplate_now())"
                " + (SELECT count(*) FROM list_scans WHERE due_at <= nameplate_now())"
            )
            return int(due) == 0 and await self._is_between_scans()

        await self.eventually(is_over)
        await self.eventually(is_still)

    async def hold_list_scans(self) -> None:
        """Let no list be scanned for a day."""

        async def are_held() -> bool:
            if not await self._has_lists():
                return False
            await self.sql.execute(
                "UPDATE list_scans SET due_at = due_at + interval '1 day'"
                " WHERE page IS NULL AND leased_until IS NULL"
                " AND due_at < nameplate_now() + interval '1 hour'"
            )
            waiting = await self.sql.fetchval(
                "SELECT count(*) FROM list_scans WHERE due_at < nameplate_now() + interval '1 hour'"
            )
            return int(waiting) == 0

        await self.eventually(are_held)

    async def eventually(self, accept: Callable[[], Awaitable[bool]]) -> None:
        """Wait for something to become true."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not await accept():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError("it never became true") from None

    async def zone(self) -> dict[str, Any]:
        (zone,) = (await self.http.get("/v1/zones")).json()["data"]
        return dict(zone)

    async def until_paused(self, reason: str, *, step_seconds: float = 20) -> dict[str, Any]:
        """Move the clocks on until the zone is paused."""
        for _ in range(60):
            zone = await self.zone()
            if zone["paused"]:
                assert zone["paused"]["reason"] == reason, zone
                return zone
            await self.let_pass(seconds=step_seconds)
        raise AssertionError("the zone was never paused")

    async def remove_provider_record(self, name: str) -> None:
        """Delete a record of the provider's own zone, as in Cloudflare's dashboard."""
        stack = self.stack
        records = f"{stack.cloudflare_base_url}/zones/{stack.cloudflare_zone_id}/dns_records"
        headers = {"Authorization": f"Bearer {stack.cloudflare_token}"}
        found = await self.http.get(records, params={"name": name}, headers=headers)
        for record in found.json()["result"]:
            await self.http.delete(f"{records}/{record['id']}", headers=headers)

    async def call_as_somebody_else(self) -> None:
        """Make one call of Cloudflare's API past the service."""
        stack = self.stack
        headers = {"Authorization": f"Bearer {stack.cloudflare_token}"}
        await self.http.get(f"{stack.cloudflare_base_url}/ips", headers=headers)

    async def received(self, event_type: str) -> bool:
        """Whether the receiver got a verified webhook of this type."""
        return any(
            delivery["verified"] and delivery["body"]["type"] == event_type
            for delivery in await self.world.deliveries()
        )

    async def emitted(self, *types: str) -> list[str]:
        """Return the types of all emitted events that are among `types`, of every hostname."""
        rows = await self.sql.fetch(
            "SELECT type FROM events WHERE type = ANY($1::text[])",
            [f"custom_hostname.{each}" for each in types],
        )
        return [row["type"] for row in rows]

    async def _rounds(self) -> int:
        found = await self.sql.fetchval("SELECT number FROM list_scans WHERE list = 'all'")
        return int(found or 0)

    async def _has_lists(self) -> bool:
        """Whether the zone's first check was made, which adds its lists."""
        return bool(await self.sql.fetchval("SELECT count(*) FROM list_scans"))

    async def _is_between_scans(self) -> bool:
        if not await self._has_lists():
            return False
        under_way = await self.sql.fetchval(
            "SELECT count(*) FROM list_scans WHERE page IS NOT NULL OR leased_until IS NOT NULL"
        )
        return int(under_way) == 0

    async def _is_scanned(self, before: int) -> bool:
        done = await self.sql.fetchval(
            "SELECT number FROM list_scans WHERE list = 'all' AND page IS NULL"
        )
        return done is not None and int(done) > before

    async def remove_dns(self, name: str, rdtype: str = "CNAME") -> None:
        await self.world.control("DELETE", "/dns/records", name=name, type=rdtype)

    async def set_statuses(self, hostname: dict[str, Any], **statuses: Any) -> None:
        """Make Cloudflare show other statuses."""
        cloudflare_id = hostname["cloudflare"]["id"]
        await self.world.control(
            "PATCH", f"/cloudflare/custom_hostnames/{cloudflare_id}", **statuses
        )

    async def entitle(self) -> None:
        """Give the emulated account what an Enterprise plan has."""
        await self.world.control(
            "PUT",
            "/cloudflare/account",
            certificate_authority=True,
            custom_metadata=True,
            custom_origin=True,
            custom_origin_sni=True,
        )

    async def raise_limits(self) -> None:
        """Let the sandbox accept as many calls as a test can make."""
        await self.world.control(
            "PUT",
            "/cloudflare/limits",
            calls=1_000_000,
            window_seconds=300,
            block_seconds=300,
            creations=1_000_000,
            creation_window_seconds=60,
        )

    async def calls(self) -> dict[str, Any]:
        return dict(await self.world.control("GET", "/cloudflare/calls"))

    async def calls_once_settled(self) -> int:
        """Count the calls, once no call was added for a second and a half."""
        counts: list[int] = []
        while len(counts) < 4 or len(set(counts[-4:])) > 1:
            counts.append(int((await self.calls())["total"]))
            await asyncio.sleep(0.5)
        return counts[-1]

    async def let_pass(self, **by: float) -> None:
        """Move the clocks on and give everything time to act. Leases end by the same clock."""
        await self.advance(**by)
        await asyncio.sleep(0.7)

    async def advance(self, **by: float) -> None:
        """Move both clocks, the service's and the sandbox's, and wake what waits for an instant."""
        duration = timedelta(**by)
        await self.world.control("POST", "/clock/advance", seconds=duration.total_seconds())
        await self.sql.execute('UPDATE clock_offset SET "offset" = "offset" + $1', duration)
        for channel in Channel:
            await self.sql.execute(f"NOTIFY {channel}")
