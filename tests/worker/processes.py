"""API and workers as processes of their own, over a sandbox in this one."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
from cryptography.fernet import Fernet

from app.local.stack import CNAME_TARGET, FALLBACK_ORIGIN, Stack
from sandbox.server import RunningSandbox, SandboxOptions, run_sandbox
from tests.support import Service

ROOT = Path(__file__).resolve().parents[2]


class Processes:
    """Starts processes of the service, and ends what it started."""

    def __init__(self, sandbox: RunningSandbox, database_url: str) -> None:
        self.sandbox = sandbox
        self.database_url = database_url
        self.api_key = "np_" + secrets.token_urlsafe(32)
        self.port = _free_port()
        self._running: list[asyncio.subprocess.Process] = []
        self._workers: list[asyncio.subprocess.Process] = []
        self._environment = os.environ | {
            "NAMEPLATE_DATABASE_URL": database_url,
            "NAMEPLATE_CLOUDFLARE_BASE_URL": sandbox.cloudflare_base_url,
            "NAMEPLATE_CLOUDFLARE_ZONE_ID": sandbox.cloudflare_zone_id,
            "NAMEPLATE_CLOUDFLARE_API_TOKEN": sandbox.cloudflare_token,
            "NAMEPLATE_CNAME_TARGET": CNAME_TARGET,
            "NAMEPLATE_FALLBACK_ORIGIN": FALLBACK_ORIGIN,
            "NAMEPLATE_SECRET_KEYS": Fernet.generate_key().decode(),
            "NAMEPLATE_BOOTSTRAP_API_KEY": self.api_key,
            "NAMEPLATE_DNS_RESOLVERS": sandbox.dns,
            "NAMEPLATE_DNS_ROOT_SERVERS": "127.0.0.1",
            "NAMEPLATE_DNS_PORT": sandbox.dns.rpartition(":")[2],
            "NAMEPLATE_DNS_ALLOWED_NETWORKS": "127.0.0.0/8",
            "NAMEPLATE_WEBHOOKS_ALLOW_LOOPBACK": "on",
            "NAMEPLATE_LOG_FORMAT": "console",
            # More than Cloudflare lets anybody call; its limits have tests of their own.
            "NAMEPLATE_CLOUDFLARE_CALLS": "1000000",
            "NAMEPLATE_CLOUDFLARE_CREATIONS": "1000000",
        }

    @property
    def stack(self) -> Stack:
        """Give what a client has to know."""
        return Stack(
            api=f"http://127.0.0.1:{self.port}",
            api_key=self.api_key,
            sandbox=self.sandbox.url,
            cloudflare_base_url=self.sandbox.cloudflare_base_url,
            cloudflare_zone_id=self.sandbox.cloudflare_zone_id,
            cloudflare_token=self.sandbox.cloudflare_token,
            dns=self.sandbox.dns,
            receiver=self.sandbox.receiver,
            database_url=self.database_url,
            metrics_api=f"http://127.0.0.1:{self.port}/metrics",
            metrics_worker="",
        )

    async def start(
        self, kind: str, *, dies_at: str = "never", **settings: str
    ) -> asyncio.subprocess.Process:
        """Start an `api` or a `worker`; an API answers when this returns."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.worker.victim",
            kind,
            dies_at,
            str(self.port),
            env=self._environment | settings,
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._running.append(process)
        if kind == "api":
            await self._until_it_answers()
        else:
            self._workers.append(process)
        return process

    async def end(self, process: asyncio.subprocess.Process) -> int:
        """End one as a supervisor does."""
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        return await process.wait()

    async def end_workers(self) -> None:
        """End all workers, and let them finish what they are at."""
        await asyncio.gather(*map(self.end, self._workers))

    async def end_all(self) -> None:
        for process in self._running:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _until_it_answers(self) -> None:
        async with asyncio.timeout(20), httpx.AsyncClient(trust_env=False) as http:
            while True:
                with suppress(httpx.TransportError):
                    await http.get(f"{self.stack.api}/healthz")
                    return
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running_processes(
    data_dir: Path, database_url: str
) -> AsyncIterator[tuple[Processes, Service]]:
    """Run a sandbox, and give the means to run processes over it and to talk to them."""
    options = SandboxOptions(
        data_dir=data_dir, port=0, dns_port=0, receiver_port=0, speed=1000, set_up=True
    )
    async with run_sandbox(options) as sandbox:
        processes = Processes(sandbox, database_url)
        try:
            async with Service.over(processes.stack) as service:
                yield processes, service
        finally:
            await processes.end_all()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
