"""TLS to Postgres, against a server with a certificate and one without.

The wheel's Postgres is built without TLS, so these need Debian's.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from app.local.postgres_programs import server_account
from app.persistence.connecting import connect
from app.persistence.database import open_database
from app.persistence.database_url import read_database_url
from app.persistence.migrations import migrate
from app.persistence.wakeups import Channel, listening, notify
from tests.support.certificates import Authority, Issued
from tests.support.servers import debian_postgres

ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@dataclass(frozen=True)
class Server:
    """A Postgres whose certificate is for `localhost` and not for 127.0.0.1."""

    url: str
    authority: Path
    other_authority: Path
    client: Issued
    other_client: Issued

    def at(self, host: str, parameters: str) -> str:
        return self.url.replace("127.0.0.1", host) + "?" + parameters


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # Where the server's own account can read it, and nobody else's test does.
    folder = Path(tempfile.mkdtemp(prefix="nameplate-tls-", dir="/var/tmp"))
    try:
        folder.chmod(0o711)
        with _started(folder) as started:
            yield started
    finally:
        shutil.rmtree(folder)


@contextmanager
def _started(folder: Path) -> Iterator[Server]:
    authority, other = Authority(folder, "authority"), Authority(folder, "other")
    issued = authority.issue("server", alternatives=("localhost",))
    if account := server_account():
        account.take(issued.key)
    settings = {
        "ssl": "on",
        "ssl_cert_file": str(issued.certificate),
        "ssl_key_file": str(issued.key),
        "ssl_ca_file": str(authority.file),
    }
    with debian_postgres(folder / "postgres", settings) as url:
        hba = next(folder.glob("postgres/cluster/pg_hba.conf"))
        migrate(url)
        # `needs` must show a client certificate, `plain` come without TLS, `secure` with it.
        rules = (
            "hostssl all needs all trust clientcert=verify-ca\n"
            "hostnossl all plain all trust\n"
            "hostssl all plain all reject\n"
            "hostnossl all secure all reject\n"
            "hostssl all secure all trust\n"
        )
        asyncio.run(
            _run(
                url,
                "CREATE ROLE needs LOGIN",
                "CREATE ROLE plain LOGIN",
                "CREATE ROLE secure LOGIN",
            )
        )
        hba.write_text(rules + hba.read_text())
        asyncio.run(_run(url, "SELECT pg_reload_conf()"))
        yield Server(
            url=url,
            authority=authority.file,
            other_authority=other.file,
            client=authority.issue("client"),
            other_client=other.issue("other-client"),
        )


async def _run(url: str, *statements: str) -> None:
    connection = await connect(read_database_url(url))
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def encrypted(url: str) -> bool:
    connection = await connect(read_database_url(url))
    try:
        return bool(await connection.fetchval(ENCRYPTED))
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("mode", "is_encrypted"),
    [("disable", False), ("allow", False), ("prefer", True), ("require", True), ("", True)],
)
async def test_without_an_authority_the_mode_says_whether_it_is_encrypted(
    server: Server, mode: str, *, is_encrypted: bool
) -> None:
    assert await encrypted(server.at("localhost", mode and f"sslmode={mode}")) is is_encrypted


@pytest.mark.parametrize(
    ("mode", "host", "authority", "works"),
    [
        ("verify-full", "localhost", "authority", True),
        ("verify-full", "127.0.0.1", "authority", False),
        ("verify-full", "localhost", "other_authority", False),
        ("verify-ca", "127.0.0.1", "authority", True),
        ("verify-ca", "localhost", "other_authority", False),
        ("require", "127.0.0.1", "authority", True),
        ("require", "localhost", "other_authority", False),
    ],
)
async def test_the_certificate_is_checked_as_far_as_the_mode_says(
    server: Server, mode: str, host: str, authority: str, *, works: bool
) -> None:
    url = server.at(host, f"sslmode={mode}&sslrootcert={getattr(server, authority)}")
    if works:
        assert await encrypted(url)
    else:
        with pytest.raises(OSError, match="certificate verify failed"):
            await encrypted(url)


def _as(server: Server, user: str, parameters: str) -> str:
    port = urlsplit(server.url).port
    return f"postgresql://{user}@localhost:{port}/nameplate?{parameters}"


async def test_a_client_certificate_is_shown(server: Server) -> None:
    shown = f"sslmode=require&sslcert={server.client.certificate}&sslkey={server.client.key}"
    assert await encrypted(_as(server, "needs", shown))
    other = server.other_client
    for wrong in ("", f"&sslcert={other.certificate}&sslkey={other.key}"):
        with pytest.raises((OSError, asyncpg.PostgresError)):
            await encrypted(_as(server, "needs", "sslmode=require" + wrong))


@pytest.mark.parametrize(
    ("user", "mode", "is_encrypted"),
    [("plain", "prefer", False), ("secure", "allow", True), ("plain", "allow", False)],
)
async def test_the_second_try_is_made_the_other_way(
    server: Server, user: str, mode: str, *, is_encrypted: bool
) -> None:
    assert await encrypted(_as(server, user, f"sslmode={mode}")) is is_encrypted


async def test_a_server_without_tls_is_refused_where_tls_is_required(database_url: str) -> None:
    assert not await encrypted(f"{database_url}?sslmode=prefer")
    with pytest.raises(ConnectionError, match="rejected SSL"):
        await encrypted(f"{database_url}?sslmode=require")


async def test_every_connection_of_a_process_is_encrypted_and_named(server: Server) -> None:
    root = f"sslmode=verify-full&sslrootcert={server.authority}"
    url = server.at("localhost", f"{root}&connect_timeout=7")
    await asyncio.to_thread(migrate, url)
    query = (
        "SELECT count(*), bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        "WHERE application_name = 'nameplate-worker'"
    )
    async with (
        open_database(url, application_name="nameplate-worker") as database,
        listening(database.server, Channel.DELIVER) as woken,
    ):
        await asyncio.wait_for(woken.wait(), 5)
        woken.clear()
        async with database.transaction() as tx:
            await notify(tx, Channel.DELIVER)
        await asyncio.wait_for(woken.wait(), 5)
        row = await database.fetch_row(query)
    assert row is not None
    assert tuple(row) == (3, True)


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def test_the_environment_and_the_home_change_nothing(server: Server, tmp_path: Path) -> None:
    home = tmp_path / ".postgresql"
    home.mkdir()
    (home / "root.crt").write_bytes(server.other_authority.read_bytes())
    (home / "postgresql.crt").write_text("no certificate")
    variables = {
        "HOME": str(tmp_path),
        "PGSSLMODE": "disable",
        "PGSSLROOTCERT": str(server.other_authority),
        "PGSSLCERT": "/none",
        "PGSSLNEGOTIATION": "direct",
        "PGHOST": "none.invalid",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGPASSWORD": "wrong",
        "PGDATABASE": "none",
        "PGSERVICE": "none",
        "PGOPTIONS": "-c nonsense=1",
        "PGTARGETSESSIONATTRS": "standby",
        "PGKRBSRVNAME": "none",
        "PGGSSLIB": "none",
    }
    with environment(**variables):
        assert await encrypted(server.at("localhost", ""))
        assert await encrypted(server.at("localhost", "sslmode=require"))
        without = urlsplit(server.url)._replace(
            netloc=f"nameplate@localhost:{urlsplit(server.url).port}"
        )
        with pytest.raises(asyncpg.PostgresError):
            await encrypted(without.geturl())


async def test_a_host_that_does_not_answer_is_passed_over(server: Server) -> None:
    port = urlsplit(server.url).port
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hosts = f"127.0.0.1:1,127.0.0.1:{silent.getsockname()[1]},localhost:{port}"
        url = server.url.replace(f"127.0.0.1:{port}", hosts)
        assert await encrypted(f"{url}?connect_timeout=1&target_session_attrs=read-write")
