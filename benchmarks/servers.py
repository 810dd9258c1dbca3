"""Processes that serve HTTP for a benchmark: the service itself, and baselines beside it."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.settings import SECRET_KEY

ROOT = Path(__file__).resolve().parents[1]


def environment(url: str, key: str) -> dict[str, str]:
    """Return the settings of a service whose Cloudflare answers nothing."""
    return {
        "NAMEPLATE_DATABASE_URL": url,
        "NAMEPLATE_CLOUDFLARE_BASE_URL": "http://127.0.0.1:9/client/v4",
        "NAMEPLATE_CLOUDFLARE_ZONE_ID": "0" * 32,
        "NAMEPLATE_CLOUDFLARE_API_TOKEN": "none",
        "NAMEPLATE_CNAME_TARGET": "customers.bench.net",
        "NAMEPLATE_FALLBACK_ORIGIN": "fallback.bench.net",
        "NAMEPLATE_SECRET_KEYS": SECRET_KEY,
        "NAMEPLATE_BOOTSTRAP_API_KEY": key,
        "NAMEPLATE_DNS_RESOLVERS": "127.0.0.1:9",
        "NAMEPLATE_DNS_AUTHORITATIVE": "off",
        # Counted as always, but never refused.
        "NAMEPLATE_RATE_LIMIT": "1000000",
        "NAMEPLATE_RATE_BURST": "1000000",
        "NAMEPLATE_RESOLVE_RATE_LIMIT": "1000000",
    }


@contextmanager
def nameplate(environment: dict[str, str]) -> Iterator[int]:
    """Run `nameplate api`. Yield its port."""
    port = _free_port()
    with _process(["-m", "app", "api", "--port", str(port)], environment):
        yield port


@contextmanager
def baseline(app: str, environment: dict[str, str]) -> Iterator[int]:
    """Run another application on the same server. Yield its port."""
    port = _free_port()
    command = ["-m", "uvicorn", app, "--port", str(port), "--no-access-log"]
    with _process([*command, "--loop", "uvloop", "--http", "httptools"], environment):
        yield port


@contextmanager
def _process(arguments: list[str], environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own modules
        [sys.executable, *arguments],
        env=os.environ | environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(15)


async def until_they_answer(ports: dict[str, int]) -> None:
    """Wait until each server answers."""
    async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as http:
        for port in ports.values():
            while True:
                try:
                    await http.get(f"http://127.0.0.1:{port}/healthz")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
