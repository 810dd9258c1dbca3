"""Other Postgres servers than the wheel's: Debian's, and PgBouncer in front of it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.local.postgres import embedded_postgres
from app.local.postgres_programs import Programs, server_account

VARIABLE = "TEST_DATABASE"
DEBIAN = Path("/usr/lib/postgresql")
BOUNCER = "/usr/sbin/pgbouncer"
START_SECONDS = 10.0


class ServerKind(StrEnum):
    """Which Postgres the tests use, chosen by TEST_DATABASE."""

    EMBEDDED = "embedded"
    DEBIAN = "debian"
    PGBOUNCER = "pgbouncer"


@contextmanager
def debian_postgres(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run the newest Postgres that Debian's packages installed."""
    found = sorted(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found:
        pytest.skip("Debian's Postgres is not installed: apt-get install postgresql")
    programs = Programs(found[-1], server_account())
    with embedded_postgres(folder, keep=False, settings=settings, programs=programs) as url:
        yield url


@contextmanager
def pgbouncer(server_url: str) -> Iterator[str]:
    """Run PgBouncer in session mode, otherwise with its defaults."""
    if not Path(BOUNCER).exists():
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    server, port, password = urlsplit(server_url), _free_port(), secrets.token_hex(8)
    account = server_account()
    folder = Path(tempfile.mkdtemp(prefix="nameplate-bouncer-", dir="/var/tmp"))
    try:
        (folder / "users").write_text(f'"{server.username}" "{password}"\n')
        (folder / "config").write_text(
            "[databases]\n"
            f"* = host={server.hostname} port={server.port} user={server.username} "
            f"password={server.password}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {folder}/users\n"
            "pool_mode = session\nmax_client_conn = 1000\ndefault_pool_size = 100\n"
        )
        for path in (folder, *folder.iterdir()):
            if account:
                account.take(path)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [BOUNCER, folder / "config"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                start_new_session=True,
            )
        try:
            _wait_for(port, process, folder / "log")
            yield f"postgresql://{server.username}:{password}@127.0.0.1:{port}{server.path}"
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(folder)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def chosen(environment: Mapping[str, str] = os.environ) -> ServerKind:
    """Read which Postgres the tests are to use."""
    return ServerKind(environment.get(VARIABLE) or ServerKind.EMBEDDED)
