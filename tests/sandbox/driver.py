"""Drives a running sandbox over real sockets, as a tenant, a provider and the control would."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import httpx

from sandbox.server import RunningSandbox, SandboxOptions, run_sandbox

TARGET = "customers.nameplate-demo.net"
DV_HTTP = {"method": "http", "type": "dv"}
DV_TXT = {"method": "txt", "type": "dv"}
ENTITLED = {
    "certificate_authority": True,
    "custom_metadata": True,
    "custom_origin": True,
    "custom_origin_sni": True,
}


class Driver:
    def __init__(
        self, running: RunningSandbox, api: httpx.AsyncClient, control: httpx.AsyncClient
    ) -> None:
        self.running = running
        self.api = api
        self.control = control
        self.zone = f"/zones/{running.cloudflare_zone_id}"
        self.hostnames = f"{self.zone}/custom_hostnames"

    async def create(
        self, hostname: str, ssl: dict[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        body = {"hostname": hostname, "ssl": ssl or DV_HTTP, **more}
        answer = await self.api.post(self.hostnames, json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json()["result"])

    async def get(self, hostname_id: str) -> dict[str, Any]:
        answer = await self.api.get(f"{self.hostnames}/{hostname_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["result"])

    async def patch(self, hostname_id: str, **body: Any) -> dict[str, Any]:
        answer = await self.api.patch(f"{self.hostnames}/{hostname_id}", json=body)
        assert answer.status_code == 202, answer.text
        await self.advance(0)
        return dict(answer.json()["result"])

    async def account(self, **settings: object) -> dict[str, Any]:
        """Give the emulated account more or fewer rights."""
        return dict(await self.order("PUT", "/control/cloudflare/account", settings))

    async def answers(self, **settings: object) -> dict[str, Any]:
        """Choose other documented forms of answers."""
        return dict(await self.order("PUT", "/control/cloudflare/answers", settings))

    async def put(self, name: str, rrtype: str, *values: str, proxied: bool = False) -> None:
        body = {"name": name, "type": rrtype, "values": values, "ttl": 60, "proxied": proxied}
        await self.order("PUT", "/control/dns/records", body)

    async def drop(self, name: str, rrtype: str) -> None:
        await self.order("DELETE", "/control/dns/records", {"name": name, "type": rrtype})

    async def advance(self, seconds: float) -> None:
        await self.order("POST", "/control/clock/advance", {"seconds": seconds})

    async def order(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.control.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ask(
        self, name: str, rrtype: str, *, rd: bool = True, **options: Any
    ) -> dns.message.Message:
        flags = dns.flags.RD if rd else 0
        query = dns.message.make_query(name, rrtype, flags=flags, **options)
        address, port = self.running.dns.split(":")
        return await dns.asyncquery.udp(query, address, port=int(port), timeout=0.5)


@asynccontextmanager
async def driven(
    data_dir: Path, *, speed: float = 1.0, set_up: bool = True
) -> AsyncIterator[Driver]:
    options = SandboxOptions(data_dir, 0, 0, 0, speed=speed, set_up=set_up)
    async with run_sandbox(options) as running:
        headers = {"authorization": f"Bearer {running.cloudflare_token}"}
        async with (
            httpx.AsyncClient(base_url=running.cloudflare_base_url, headers=headers) as api,
            httpx.AsyncClient(base_url=running.url) as control,
        ):
            yield Driver(running, api, control)
