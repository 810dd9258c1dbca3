"""What every test stands on: a Postgres database of its own, and no socket that leaves loopback."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import re
import secrets
import sys
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import pytest_asyncio

from app.local.postgres import embedded_postgres
from app.local.stack import StackLimits, StackOptions, running_stack
from app.logging import set_up_logging
from app.persistence.database import Database, open_database
from app.persistence.migrations import migrate
from tests.support import INLINE_SECONDS, Service
from tests.support.rows import put_zone
from tests.support.servers import VARIABLE, ServerKind, chosen, debian_postgres, pgbouncer

NO_LIMITS = StackLimits(calls=1_000_000, creations=1_000_000)
"""More than Cloudflare lets anybody call; its limits have tests of their own."""

_SENDING = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_RESOLVING = {"socket.getaddrinfo", "socket.gethostbyname"}


def _refuse_outside(event: str, args: tuple[Any, ...]) -> None:
    """Refuse every packet to another machine, whatever library sends it."""
    if event in _SENDING and isinstance(args[-1], tuple):
        host = str(args[-1][0]).split("%")[0]
        if host and not _is_here(host):
            raise AssertionError(f"a test tried to reach {host}")
    if event in _RESOLVING and args[0] and not _needs_no_question(args[0]):
        raise AssertionError(f"a test tried to resolve {args[0]!r}")


def _is_here(host: str) -> bool:
    return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback


def _needs_no_question(host: str | bytes) -> bool:
    """Whether a name is turned into an address without asking anybody."""
    text = unicodedata.normalize("NFKC", host.decode() if isinstance(host, bytes) else host)
    # Addresses in all the notations that inet_aton and inet_pton take.
    return text.lower() == "localhost" or bool(re.fullmatch(r"[0-9a-fx.:%]+", text.lower()))


sys.addaudithook(_refuse_outside)
set_up_logging("console", logging.WARNING)

for name in [name for name in os.environ if name.startswith("NAMEPLATE_")]:
    if name not in {"NAMEPLATE_DATABASE_URL", VARIABLE}:
        del os.environ[name]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a Postgres: the one that is named, or one of this run's own.

    TEST_DATABASE chooses the wheel's (`embedded`), Debian's (`debian`), or Debian's with
    PgBouncer in front of it (`pgbouncer`).
    """
    given = os.environ.pop("NAMEPLATE_DATABASE_URL", None)
    if given:
        yield given
        return
    folder = tmp_path_factory.mktemp("postgres")
    if chosen() is ServerKind.EMBEDDED:
        with embedded_postgres(folder, keep=False) as url:
            yield url
        return
    with debian_postgres(folder) as url:
        yield url


@pytest.fixture(scope="session")
def front(cluster: str) -> Iterator[Callable[[str], str]]:
    """Give what turns a database's own URL into the one that Nameplate is given."""
    if chosen() is not ServerKind.PGBOUNCER:
        yield lambda url: url
        return
    with pgbouncer(cluster) as bouncer:
        yield lambda url: urlsplit(bouncer)._replace(path=urlsplit(url).path).geturl()


@pytest.fixture(scope="session")
def template(cluster: str) -> Iterator[str]:
    """Build a database by the migrations, once, to clone the tests' own from."""
    with new_database(cluster) as url:
        migrate(url)
        yield url


@pytest.fixture
def empty_database_url(cluster: str, front: Callable[[str], str]) -> Iterator[str]:
    """Give a database without a schema."""
    with new_database(cluster) as url:
        yield front(url)


@pytest.fixture
def database_url(cluster: str, template: str, front: Callable[[str], str]) -> Iterator[str]:
    """Give a migrated database of the test's own."""
    with new_database(cluster, template=urlsplit(template).path[1:]) as url:
        yield front(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give the same, opened, with a default zone in it."""
    async with open_database(database_url, connections=10) as opened:
        await put_zone(opened)
        yield opened


@pytest.fixture
def inline_seconds() -> float:
    """How long a request waits for its reconcile. A test may be parametrized with another."""
    return INLINE_SECONDS


@pytest.fixture
async def service(
    database_url: str, tmp_path: Path, inline_seconds: float
) -> AsyncIterator[Service]:
    """Run sandbox, API and worker on free ports, the sandbox a thousand times as fast as life."""
    async with _running(tmp_path, database_url, inline_seconds) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_service(
    cluster: str,
    template: str,
    front: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Service]:
    """Run the same once for a module whose tests do not disturb each other."""
    data_dir = tmp_path_factory.mktemp("stack")
    with new_database(cluster, template=urlsplit(template).path[1:]) as url:
        async with _running(data_dir, front(url)) as client:
            yield client


@asynccontextmanager
async def _running(
    data_dir: Path, database_url: str, inline_seconds: float = INLINE_SECONDS
) -> AsyncIterator[Service]:
    options = StackOptions(
        data_dir=data_dir,
        port=0,
        sandbox_port=0,
        dns_port=0,
        receiver_port=0,
        speed=1000,
        limits=NO_LIMITS,
        inline_seconds=inline_seconds,
        rate_limit=0,
    )
    async with running_stack(options, database_url) as stack, Service.over(stack) as client:
        await client.raise_limits()
        yield client


@contextmanager
def new_database(cluster: str, *, template: str | None = None) -> Iterator[str]:
    """Create a database in the cluster, and drop it again."""
    name = f"test_{secrets.token_hex(6)}"
    source = f' TEMPLATE "{template}"' if template else ""
    _execute(cluster, f'CREATE DATABASE "{name}"{source}')
    try:
        yield urlunsplit(urlsplit(cluster)._replace(path=f"/{name}"))
    finally:
        _execute(cluster, f'DROP DATABASE "{name}" WITH (FORCE)')


def _execute(url: str, statement: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    # A thread, because some fixtures run inside a loop and some do not.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, execute()).result()
