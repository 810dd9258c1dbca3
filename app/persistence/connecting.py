"""Opens connections: the only place that tells the driver where to connect, and how.

`persistence/database_url` reads the URL; `persistence/database` pools the connections.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Mapping

import asyncpg

from app.persistence.database_url import ConnectArguments, SslMode

SESSION = {
    "idle_in_transaction_session_timeout": "15s",
    "lock_timeout": "8s",
    "tcp_keepalives_idle": "30",
}
"""Time-outs that Postgres itself enforces. A process that froze or vanished must not keep rows
locked. Waiting for a lock ends before the waiting statement's own time-out."""


async def connect(
    arguments: ConnectArguments,
    *,
    command_seconds: float | None = None,
    session: Mapping[str, str] = SESSION,
) -> asyncpg.Connection:
    """Connect to the first host that works, and set `session` there.

    It is set by statements, because poolers refuse settings in the first message of a connection.

    Raises:
        OSError: no host answered within `arguments.connect_seconds` each.
        asyncpg.PostgresError: the server refuses.
    """
    places = list(zip(arguments.hosts, arguments.ports, strict=True))
    for number, (host, port) in enumerate(places, start=1):
        try:
            async with asyncio.timeout(arguments.connect_seconds):
                connection = await _connect_to(arguments, host, port, command_seconds)
                await _set(connection, session)
                return connection
        except (OSError, asyncpg.TargetServerAttributeNotMatched, asyncpg.CannotConnectNowError):
            if number == len(places):
                raise
    raise AssertionError("there is at least one host")


async def _set(connection: asyncpg.Connection, session: Mapping[str, str]) -> None:
    try:
        if session:
            await connection.execute(";".join(f"SET {n} = '{v}'" for n, v in session.items()))
    except BaseException:
        connection.terminate()
        raise


async def _connect_to(
    arguments: ConnectArguments, host: str, port: int, command_seconds: float | None
) -> asyncpg.Connection:
    first, *others = _tls_tries(arguments)
    try:
        return await _try(arguments, host, port, first, command_seconds)
    except (ConnectionError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        # Like libpq: `prefer` continues without TLS, `allow` with it. A wrong password is wrong
        # either way, and is not sent again unprotected.
        if not others or isinstance(error, asyncpg.InvalidPasswordError):
            raise
    return await _try(arguments, host, port, others[0], command_seconds)


def _tls_tries(arguments: ConnectArguments) -> list[tls.SSLContext | None]:
    match arguments.ssl_mode:
        case SslMode.DISABLE:
            return [None]
        case SslMode.ALLOW:
            return [None, arguments.ssl_context]
        case SslMode.PREFER:
            return [arguments.ssl_context, None]
        case SslMode.REQUIRE | SslMode.VERIFY_CA | SslMode.VERIFY_FULL:
            return [arguments.ssl_context]


async def _try(
    arguments: ConnectArguments,
    host: str,
    port: int,
    context: tls.SSLContext | None,
    command_seconds: float | None,
) -> asyncpg.Connection:
    # asyncpg takes whatever is left out here from the environment or from files in a home
    # directory.
    return await asyncpg.connect(
        host=host,
        port=port,
        user=arguments.user,
        password=arguments.password,
        database=arguments.database,
        ssl=context or False,
        direct_tls=arguments.direct_tls,
        target_session_attrs=arguments.target_session_attrs,
        server_settings=dict(arguments.startup),
        krbsrvname="postgres",
        gsslib="gssapi",
        # The caller bounds the time of both tries together.
        timeout=None,
        command_timeout=command_seconds,
    )
