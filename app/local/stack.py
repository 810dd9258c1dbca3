"""Everything on this machine: sandbox, API and worker over one Postgres, on 127.0.0.1.

What `nameplate demo` and `nameplate walk` run. Keys are kept in the data directory, so that a
stack started again with the same one goes on where it was.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from app.bootstrap import open_services
from app.main import serve_api
from app.settings import Settings
from app.web.serve import bind
from app.worker.health_server import bind_metrics
from app.worker.run import run_worker
from sandbox.server import RunningSandbox, SandboxOptions, run_sandbox

HOST = "127.0.0.1"
CNAME_TARGET = "customers.nameplate-demo.net"
FALLBACK_ORIGIN = "proxy-fallback.nameplate-demo.net"
SECRETS_FILE = "keys.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackLimits:
    """What the service takes for Cloudflare's limits; those of the sandbox are set beside it."""

    calls: int = 1200
    window_seconds: float = 300
    creations: int = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """Where to listen (0: any free port), where to keep things, and how fast the sandbox lives."""

    data_dir: Path
    port: int = 8000
    sandbox_port: int = 8001
    dns_port: int = 8053
    receiver_port: int = 8002
    metrics_port: int | None = 0
    """The worker's own; None means the usual one, or any free one where that is taken."""
    speed: float = 60.0
    limits: StackLimits = StackLimits()
    inline_seconds: float = 2.0
    """How long a request waits for its reconcile."""
    rate_limit: float = 200.0
    """Requests a second that the API takes of a key; 0: any number."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What a client of the running stack has to know; the one line of `demo --json`."""

    api: str
    api_key: str
    sandbox: str
    cloudflare_base_url: str
    cloudflare_zone_id: str
    cloudflare_token: str
    dns: str
    receiver: str
    database_url: str
    metrics_api: str
    metrics_worker: str

    def to_json(self) -> str:
        """Give it on one line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Secrets:
    """What must stay the same over restarts."""

    api_key: str
    secret_key: str


def load_secrets(data_dir: Path) -> Secrets:
    """Read the data directory's keys, or make them."""
    path = data_dir / SECRETS_FILE
    if path.exists():
        return Secrets(**json.loads(path.read_text()))
    made = Secrets("np_" + secrets.token_urlsafe(32), Fernet.generate_key().decode())
    # Written aside and renamed: a kill in between must not leave half a file.
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(made)))
    fresh.replace(path)
    return made


@asynccontextmanager
async def running_stack(
    options: StackOptions, database_url: str, *, ended: asyncio.Event | None = None
) -> AsyncIterator[Stack]:
    """Run it over a migrated database; when this yields, all of it answers.

    `ended` is set when API or worker end by themselves; leaving then raises what ended them.
    """
    kept = load_secrets(options.data_dir)
    sock = bind(HOST, options.port, "the API")
    metrics = bind_metrics(HOST, options.metrics_port)
    sandbox_options = SandboxOptions(
        data_dir=options.data_dir / "sandbox",
        port=options.sandbox_port,
        dns_port=options.dns_port,
        receiver_port=options.receiver_port,
        speed=options.speed,
        set_up=True,
        port_option="--sandbox-port",
    )
    try:
        async with run_sandbox(sandbox_options) as sandbox:
            settings = sandbox_settings(
                sandbox,
                database_url,
                kept,
                options.limits,
                inline_deadline=options.inline_seconds,
                rate_limit=options.rate_limit,
            )
            ports = sock.getsockname()[1], metrics.getsockname()[1]
            async with _service(settings, sock, metrics, ended or asyncio.Event()):
                yield _stack(sandbox, database_url, kept, *ports)
    finally:
        sock.close()
        metrics.close()


def sandbox_settings(
    sandbox: RunningSandbox,
    database_url: str,
    kept: Secrets,
    limits: StackLimits = StackLimits(),
    **others: object,
) -> Settings:
    """Give the settings of a service that takes the sandbox for Cloudflare and for DNS."""
    values: dict[str, Any] = {
        "cloudflare_calls": limits.calls,
        "cloudflare_calls_window": limits.window_seconds,
        "cloudflare_creations": limits.creations,
        "database_url": database_url,
        "cloudflare_base_url": sandbox.cloudflare_base_url,
        "cloudflare_zone_id": sandbox.cloudflare_zone_id,
        "cloudflare_api_token": sandbox.cloudflare_token,
        "cname_target": CNAME_TARGET,
        "fallback_origin": FALLBACK_ORIGIN,
        "secret_keys": kept.secret_key,
        "bootstrap_api_key": kept.api_key,
        "dns_resolvers": sandbox.dns,
        # The sandbox's server holds all zones, so that a walk ends at its root.
        "dns_root_servers": HOST,
        "dns_port": sandbox.dns.rpartition(":")[2],
        "dns_allowed_networks": "127.0.0.0/8",
        "webhooks_allow_loopback": True,
    }
    return Settings.model_validate(values | others)


@asynccontextmanager
async def _service(
    settings: Settings, sock: socket.socket, metrics: socket.socket, ended: asyncio.Event
) -> AsyncIterator[None]:
    stop, started, opened = asyncio.Event(), asyncio.Event(), asyncio.Event()
    api = asyncio.create_task(serve_api(settings, sock, stop, started=started))
    worker = asyncio.create_task(_worker(settings, stop, metrics, opened))
    for task in (api, worker):
        task.add_done_callback(lambda _: ended.set())
    # Of both: each writes what the settings say into the database as it opens.
    waiting = asyncio.create_task(_all_set(started, opened))
    try:
        await asyncio.wait({api, worker, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            await asyncio.gather(api, worker)
        yield
    finally:
        stop.set()
        waiting.cancel()
        await asyncio.gather(api, worker)


async def _all_set(*events: asyncio.Event) -> None:
    for event in events:
        await event.wait()


async def _worker(
    settings: Settings, stop: asyncio.Event, metrics: socket.socket, opened: asyncio.Event
) -> None:
    async with open_services(settings) as services:
        opened.set()
        await run_worker(services, stop, concurrency=settings.worker_concurrency, metrics=metrics)


def _stack(
    sandbox: RunningSandbox, database_url: str, kept: Secrets, port: int, metrics_port: int
) -> Stack:
    return Stack(
        api=f"http://{HOST}:{port}",
        api_key=kept.api_key,
        sandbox=sandbox.url,
        cloudflare_base_url=sandbox.cloudflare_base_url,
        cloudflare_zone_id=sandbox.cloudflare_zone_id,
        cloudflare_token=sandbox.cloudflare_token,
        dns=sandbox.dns,
        receiver=sandbox.receiver,
        database_url=database_url,
        metrics_api=f"http://{HOST}:{port}/metrics",
        metrics_worker=f"http://{HOST}:{metrics_port}/metrics",
    )
