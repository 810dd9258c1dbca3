"""Headless Chromium over one page: its DOM once scripts have run, and what the console says."""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 90.0
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No name resolves, so that nothing is asked of anybody else.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--enable-logging=stderr",
    # Time that passes while the page waits for nothing costs nothing.
    "--virtual-time-budget=20000",
)


@dataclass(frozen=True, slots=True)
class Page:
    """A page as a browser has it."""

    dom: str
    console: list[str]


async def visit(url: str, profile: Path) -> Page:
    """Load a page. Skips the test where there is no Chromium."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("Chromium is not installed; Debian's package `chromium` has it")
    running = await asyncio.create_subprocess_exec(
        program,
        *FLAGS,
        f"--user-data-dir={profile}",
        "--dump-dom",
        url,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            dom, said = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    console = re.findall(r'CONSOLE[^"]*"(.*)", source', said.decode(errors="replace"))
    return Page(dom.decode(), console)
