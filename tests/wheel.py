"""Try the wheel as somebody who installs it: `python -m tests.wheel`, a part of `.ci/run`.

Builds it, installs it beside `requirements/run.txt` in a venv of its own, and runs `migrate`, `api`
and `worker` from an empty folder over an empty Postgres. Ends with 1 and a line that says what
failed first.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.fernet import Fernet

from app.cli import NO_SANDBOX
from app.local.postgres import embedded_postgres

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 30.0
STOP_SECONDS = 15.0
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")


class Failed(Exception):
    """What failed, in one line."""


def main() -> int:
    """Build, install and run."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="nameplate-wheel-") as folder:
            _try(Path(folder))
    except Failed as failed:
        sys.stderr.write(f"wheel: {failed}\n")
        return 1
    sys.stdout.write(f"wheel: migrate, api and worker ran in {time.monotonic() - began:.0f} s\n")
    return 0


def _try(folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    built = (*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    _run([sys.executable, *built, str(ROOT)], cwd=empty)
    (wheel,) = folder.glob("nameplate-*.whl")
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv/bin/python")
    locked = ("--require-hashes", "--requirement", str(ROOT / "requirements/run.txt"))
    _run([python, *PIP, "install", *locked], cwd=empty)
    _run([python, *PIP, "install", "--no-deps", str(wheel)], cwd=empty)
    _run([python, *PIP, "check"], cwd=empty)
    command = str(folder / "venv/bin/nameplate")
    for local in ("sandbox", "demo", "walk"):
        _refuses_to_run([command, local], empty)
    with embedded_postgres(folder / "postgres", keep=False) as url:
        environment = _environment(url)
        _run([command, "migrate"], cwd=empty, environment=environment)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with (
            _running([command, "worker"], empty, environment) as worker,
            _running([command, "api", "--port", str(port)], empty, environment) as api,
        ):
            _until_ready(f"http://127.0.0.1:{port}/readyz", api)
            _says_in_one_line([command, "api", "--port", str(port)], empty, environment, "in use")
            if worker.poll() is not None:
                raise Failed("the worker ended by itself")
            for process, name in ((api, "api"), (worker, "worker")):
                process.send_signal(signal.SIGTERM)
                if process.wait(STOP_SECONDS) != 0:
                    raise Failed(f"{name} ended with status {process.returncode}")


def _environment(url: str) -> dict[str, str]:
    # Nothing of this checkout: no PYTHONPATH, no VIRTUAL_ENV.
    return {
        "PATH": os.defpath,
        "NAMEPLATE_DATABASE_URL": url,
        "NAMEPLATE_CLOUDFLARE_BASE_URL": "http://127.0.0.1:1",
        "NAMEPLATE_CLOUDFLARE_ZONE_ID": "0" * 32,
        "NAMEPLATE_CLOUDFLARE_API_TOKEN": "token",
        "NAMEPLATE_CNAME_TARGET": "customers.provider.net",
        "NAMEPLATE_FALLBACK_ORIGIN": "fallback.provider.net",
        "NAMEPLATE_SECRET_KEYS": Fernet.generate_key().decode(),
        "NAMEPLATE_DNS_RESOLVERS": "127.0.0.1:1",
        "NAMEPLATE_DNS_AUTHORITATIVE": "off",
    }


def _run(command: list[str], *, cwd: Path, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise Failed(f"{' '.join(command[:6])} failed: {said}")


def _refuses_to_run(command: list[str], cwd: Path) -> None:
    """See to it that what needs the sandbox says in one line where the sandbox is."""
    done = subprocess.run(
        command, cwd=cwd, env={"PATH": os.defpath}, capture_output=True, text=True, check=False
    )
    if done.returncode != 1 or done.stderr != f"nameplate: {NO_SANDBOX}\n":
        raise Failed(f"{command[-1]} without the sandbox ended with {done.returncode}")


def _says_in_one_line(
    command: list[str], cwd: Path, environment: dict[str, str], words: str
) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode == 0 or done.stderr.count("\n") != 1 or words not in done.stderr:
        raise Failed(f"{command[1]} on a port in use said: {done.stderr.strip()[-200:]}")


@contextmanager
def _running(
    command: list[str], cwd: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
                if answer.status == 200:
                    return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    raise Failed("the API was not ready")


if __name__ == "__main__":
    sys.exit(main())
