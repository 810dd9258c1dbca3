import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from sandbox import constants
from sandbox.server import PortInUseError, SandboxOptions, run_sandbox
from sandbox.store import DataDirInUseError

from .driver import DV_HTTP, TARGET, Driver, driven

FOR_EVER = """
import asyncio, sys
from pathlib import Path
from sandbox import constants
from sandbox.server import SandboxOptions, run_sandbox
from sandbox.store import DataDirInUseError

async def main():
    options = SandboxOptions(Path(sys.argv[1]), 0, 0, 0, speed=1, set_up=True)
    async with run_sandbox(options) as running:
        print(running.url, running.receiver, running.dns, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FOR_EVER, str(tmp_path), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    url, receiver, _ = (await process.stdout.readline()).decode().split()
    before = await fill(url, receiver)
    process.kill()
    await process.wait()
    async with driven(tmp_path, speed=99) as sandbox:
        assert await answers(sandbox) == before
        assert (await sandbox.ask("shop.acme.com", "CNAME")).answer
        assert (await sandbox.ask("bad.acme.com", "A")).rcode().name == "REFUSED"
        await sandbox.advance(0)
        assert (await sandbox.order("GET", "/control/clock"))["speed"] == 1
        (row,) = (await sandbox.api.get(sandbox.hostnames)).json()["result"]
        await sandbox.advance(1000)
        assert (await sandbox.get(row["id"]))["ssl"]["status"] == "active"


async def fill(url: str, receiver: str) -> list[object]:
    headers = {"authorization": f"Bearer {constants.TOKEN}"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        control = client.request
        record = {"name": "shop.acme.com", "type": "CNAME", "values": [TARGET], "ttl": 60}
        fault = {"name": "bad.acme.com", "fault": "refused"}
        await control("PUT", "/control/dns/records", json=record)
        await control("PUT", "/control/dns/faults", json=fault)
        await control("PUT", "/control/cloudflare/limits", json={"calls": 500})
        await control("PUT", "/control/receiver", json={"status": 503})
        await control("POST", "/control/clock/advance", json={"seconds": 5000})
        await client.post(f"{receiver}/hook", json={"n": 1})
        zone = f"/client/v4/zones/{constants.ZONE_ID}"
        body = {"hostname": "shop.acme.com", "ssl": DV_HTTP}
        await client.post(f"{zone}/custom_hostnames", json=body)
        await client.post(
            f"{zone}/dns_records", json={"type": "A", "name": "x", "content": "192.0.2.1"}
        )
        await control("POST", "/control/clock/advance", json={"seconds": 0})
        return [
            (await client.get(path)).json()
            for path in (
                f"{zone}/dns_records",
                f"{zone}/custom_hostnames/fallback_origin",
                "/control/receiver/deliveries",
                "/control/cloudflare/calls",
            )
        ]


async def answers(sandbox: Driver) -> list[object]:
    deliveries = await sandbox.order("GET", "/control/receiver/deliveries")
    calls = await sandbox.order("GET", "/control/cloudflare/calls")
    records = await sandbox.api.get(f"{sandbox.zone}/dns_records")
    assert records.headers["x-ratelimit-limit"] == "500"
    assert records.headers["x-ratelimit-remaining"] == "495"
    fallback = await sandbox.api.get(f"{sandbox.hostnames}/fallback_origin")
    return [records.json(), fallback.json(), deliveries, calls]


async def test_a_taken_port_is_named_and_nothing_is_left_open(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for options in (
            SandboxOptions(tmp_path, port, 0, 0),
            SandboxOptions(tmp_path, 0, port, 0),
            SandboxOptions(tmp_path, 0, 0, port),
        ):
            with pytest.raises(PortInUseError, match=str(port)):
                async with run_sandbox(options):
                    pass


async def test_it_closes_at_once_though_requests_are_held(tmp_path: Path) -> None:
    async with driven(tmp_path) as sandbox:
        await sandbox.order("PUT", "/control/cloudflare/faults", {"rate": 1, "kinds": ["timeout"]})
        held = asyncio.create_task(sandbox.api.get("/zones", timeout=30))
        await asyncio.sleep(0.1)
        started = time.monotonic()
    assert time.monotonic() - started < 1
    with pytest.raises(httpx.TransportError):
        await held


async def test_the_zone_is_bare_unless_set_up(tmp_path: Path) -> None:
    async with driven(tmp_path, set_up=False) as sandbox:
        assert (await sandbox.api.get(f"{sandbox.zone}/dns_records")).json()["result"] == []
        answer = await sandbox.api.get(f"{sandbox.hostnames}/fallback_origin")
        assert answer.status_code == 404
        assert not (await sandbox.ask(TARGET, "A")).answer


async def test_thousands_of_hostnames_are_served_and_checked_with_speed(tmp_path: Path) -> None:
    async with driven(tmp_path) as sandbox:
        await sandbox.order(
            "PUT", "/control/cloudflare/limits", {"calls": 1_000_000, "creations": 1_000_000}
        )
        await sandbox.put("*.acme.com", "CNAME", TARGET)
        started = time.perf_counter()
        for number in range(300):
            await sandbox.create(f"n{number}.acme.com")
        for page in range(1, 11):
            query: dict[str, str | int] = {
                "per_page": 50,
                "page": page,
                "hostname_status": "active",
            }
            await sandbox.api.get(sandbox.hostnames, params=query)
        assert 310 / (time.perf_counter() - started) > 30
        for _ in range(2):  # a look that got no answer in time is made again in the second
            await sandbox.advance(2000)
        answer = await sandbox.api.get(sandbox.hostnames, params={"ssl_status": "active"})
        assert answer.json()["result_info"]["total_count"] == 300


async def test_one_data_directory_has_one_sandbox(tmp_path: Path) -> None:
    async with driven(tmp_path) as sandbox:
        with pytest.raises(DataDirInUseError, match="another sandbox"):
            async with driven(tmp_path):
                pass
        assert (await sandbox.api.get("/zones")).status_code == 200
