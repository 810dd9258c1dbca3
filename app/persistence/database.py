"""The database connection: short transactions for the stores, a bare pool for the fast path."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import ssl as tls
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from app.domain.errors import DatabaseUnavailable, NotReady
from app.metrics import POOL_WAIT, Pool, shown_pools
from app.persistence.connecting import connect
from app.persistence.database_url import (
    APPLICATION_NAME,
    CONNECT_SECONDS,
    ConnectArguments,
    read_database_url,
)
from app.persistence.tables import SCHEMA_VERSION, schema_version
from app.persistence.traced_statements import trace_statements
from app.tracing.spans import is_tracing

Connection = AsyncConnection
"""A connection with an open transaction. The stores take one as their first argument."""

STATEMENT_SECONDS = 10.0
"""Our statements are short; a connection that stopped answering must not block its caller."""

UNAVAILABLE = (
    "The database does not answer. The change may or may not have been made: read before you try "
    "again."
)

_LOST = (
    OSError,
    TimeoutError,
    PoolTimeout,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    # This includes a wait for a lock that took too long.
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InternalClientError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)

UNDONE = "The change conflicted with another change and was not made; try again."
_UNDONE = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

MOST_TRIES = 6
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 1.0

FAST_PATH_CONNECTIONS = 4

_STORES_WAIT = POOL_WAIT.labels("stores")
_FAST_PATH_WAIT = POOL_WAIT.labels("fast_path")
_fast_reads = itertools.count()
ONE_OF = 16
"""The wait of one fast-path read in so many is measured, starting with the first. Each measurement
costs speed."""

T = TypeVar("T")


class TransactionUndone(DatabaseUnavailable):
    """Postgres ended the transaction in favour of another one. It may be run again unchanged."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open database: the engine of the stores, and the driver's own pool for fast-path reads."""

    server: ConnectArguments
    engine: AsyncEngine
    pool: asyncpg.Pool[asyncpg.Record]
    turns: asyncio.Semaphore
    """As many as the engine has connections, which go to transactions in the order of asking.

    In a pool's own queue whoever comes just when a connection is free overtakes all who wait, and
    under load some of those wait until it is too late. Fast-path reads go without: turns of their
    own would cost them a tenth of their speed.
    """
    under_way: dict[Any, float] = field(default_factory=dict)
    """The fast-path reads that wait for their answer, and since when."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Open a transaction, which commits on leaving. Never hold it across a network call.

        Use `run` if several rows are locked, or many transactions want the same row.

        Raises:
            TransactionUndone: a deadlock or a serialization failure; nothing was done.
            DatabaseUnavailable: Postgres went away; whether a commit still arrived is unknown.
        """
        with _losses():
            began = time.monotonic()
            async with asyncio.timeout(CONNECT_SECONDS):
                await self.turns.acquire()
            try:
                async with self.engine.begin() as connection:
                    _STORES_WAIT.observe(time.monotonic() - began)
                    yield connection
            finally:
                self.turns.release()

    async def run(self, body: Callable[[Connection], Awaitable[T]], *, within: float = 0.0) -> T:
        """Run `body` in a transaction, and run it again if Postgres undid it for another one.

        `body` must therefore read what it needs itself, and change only the database.

        Args:
            body: What to do in the transaction.
            within: For so many seconds, try again if Postgres does not answer either. The last
                commit may have arrived, which `body` must detect, for instance by its lease.

        Raises:
            TransactionUndone: after `MOST_TRIES`.
            DatabaseUnavailable: Postgres did not answer, `within` these seconds.
        """
        until = time.monotonic() + within
        for tried in itertools.count(1):
            try:
                async with self.transaction() as tx:
                    return await body(tx)
            except DatabaseUnavailable as error:
                is_undone = isinstance(error, TransactionUndone) and tried < MOST_TRIES
                if not is_undone and time.monotonic() >= until:
                    raise
            pause = min(FIRST_PAUSE_SECONDS * 2**tried, LONGEST_PAUSE_SECONDS)
            # Of random length, because transactions that collided once would collide again.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        raise AssertionError("it counts without end")

    async def fetch_row(self, query: str, *values: object) -> asyncpg.Record | None:
        """Read one row on the driver's own pool, for the fast path.

        Raises:
            DatabaseUnavailable: Postgres went away, or no connection became free in time.
        """
        # Spelt out, without `_losses`: this is the one place where microseconds count.
        try:
            asked = time.monotonic()
            if self.pool.get_idle_size():
                # A connection is free, so there is no wait to bound.
                connection = await self.pool.acquire()
            else:
                # Not `acquire(timeout=...)`, which makes a task of it, at a tenth of the speed.
                async with asyncio.timeout(self.server.connect_seconds):
                    connection = await self.pool.acquire()
            self.under_way[connection] = began = time.monotonic()
            if not next(_fast_reads) % ONE_OF:
                _FAST_PATH_WAIT.observe(began - asked)
            try:
                return await connection.fetchrow(query, *values)
            finally:
                self.under_way.pop(connection, None)
                await self.pool.release(connection)
        except Exception as error:
            if not is_connection_lost(error):
                raise
            raise DatabaseUnavailable(UNAVAILABLE) from error

    async def is_ready(self) -> bool:
        """Whether the schema is as new as this code needs, or newer."""
        async with self.transaction() as tx:
            version = await tx.scalar(select(schema_version.c.version))
        return version is not None and version >= SCHEMA_VERSION


async def _leave_as_it_is(_: object) -> None:
    """Return a connection to the pool untouched."""


async def _end_silent_reads(database: Database) -> None:
    """End fast-path reads that get no answer. A timer for each would slow them by a tenth."""
    while True:
        await asyncio.sleep(STATEMENT_SECONDS / 5)
        late = time.monotonic() - STATEMENT_SECONDS
        for connection, began in list(database.under_way.items()):
            if began < late:
                connection.terminate()


def is_cancelled(error: DBAPIError) -> bool:
    """Whether Postgres ended the statement because it took too long."""
    return isinstance(_driver_error(error), asyncpg.QueryCanceledError)


@contextmanager
def _losses() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, DBAPIError) and isinstance(_driver_error(error), _UNDONE):
            raise TransactionUndone(UNDONE) from error
        if not is_connection_lost(error):
            raise
        raise DatabaseUnavailable(UNAVAILABLE) from error


DRIVER = "postgresql+asyncpg://"
"""For SQLAlchemy, which opens its connections by `connect` and reads no URL itself."""


@asynccontextmanager
async def open_database(
    database_url: str, *, connections: int = 10, application_name: str = APPLICATION_NAME
) -> AsyncIterator[Database]:
    """Open both pools, and close them on leaving.

    Raises:
        InvalidDatabaseUrl: the URL is wrong.
    """
    server = read_database_url(database_url, application_name=application_name)
    engine = create_async_engine(
        DRIVER,
        async_creator=partial(connect, server, command_seconds=STATEMENT_SECONDS),
        # What a peak opened is kept: to open a connection takes longer than most transactions, and
        # under load it would be closed and opened again dozens of times a second.
        pool_size=2 * connections,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=CONNECT_SECONDS,
        json_serializer=partial(json.dumps, ensure_ascii=False, separators=(",", ":")),
        # An error's text goes to the logs, but a statement's parameters must not.
        hide_parameters=True,
    )
    if is_tracing():
        trace_statements(engine.sync_engine)

    async def connect_for_pool(*_: object, **__: object) -> asyncpg.Connection:
        return await connect(server)

    pool = await asyncpg.create_pool(
        connect=connect_for_pool,
        min_size=0,
        max_size=FAST_PATH_CONNECTIONS,
        # Only single SELECTs run here, so there is nothing to reset. A reset costs a round trip.
        reset=_leave_as_it_is,
    )
    database = Database(server, engine, pool, asyncio.Semaphore(2 * connections))
    guard = asyncio.create_task(_end_silent_reads(database), name="fast-path reads")
    try:
        with shown_pools(*_pools_of(database, connections)):
            yield database
    finally:
        guard.cancel()
        await pool.close()
        await engine.dispose()


def _pools_of(database: Database, connections: int) -> tuple[Pool, Pool]:
    stores, fast = database.engine.pool, database.pool
    if not isinstance(stores, QueuePool):
        raise TypeError(type(stores).__name__)
    return (
        Pool("stores", stores.checkedout, stores.checkedin, 2 * connections),
        Pool(
            "fast_path",
            lambda: fast.get_size() - fast.get_idle_size(),
            fast.get_idle_size,
            FAST_PATH_CONNECTIONS,
        ),
    )


async def wait_until_reachable(
    database_url: str, *, attempts: int, wait_seconds: float, say: Callable[[str], None]
) -> None:
    """Try to connect until it works, and report each failure.

    Raises:
        InvalidDatabaseUrl: at once.
        NotReady: after `attempts` failures.
    """
    server = read_database_url(database_url)
    fault = ""
    for number in range(1, attempts + 1):
        try:
            connection = await connect(server)
        except (*_LOST, asyncpg.PostgresError, ValueError, tls.SSLError) as error:
            fault = _fault(error)
            say(f"Postgres {fault} (try {number} of {attempts}): {_one_line(error)}")
            if number < attempts:
                await asyncio.sleep(wait_seconds)
        else:
            await connection.close()
            return
    raise NotReady(f"Postgres {fault} in {attempts} tries; check NAMEPLATE_DATABASE_URL.")


def _fault(error: BaseException) -> str:
    """Say how a connection failed."""
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return "refused the login"
    if isinstance(error, asyncpg.PostgresError):
        return "refused the connection"
    return "was not reachable"


def is_connection_lost(error: BaseException) -> bool:
    """Whether a statement failed because Postgres went away, not through its own fault."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_connection_lost(_driver_error(error))
    return isinstance(error, _LOST)


def _driver_error(error: DBAPIError) -> BaseException:
    original = error.orig or Exception()
    return original.__cause__ or original


def _one_line(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).split())


async def require_schema(database_url: str) -> None:
    """Check that every migration that this code needs has run.

    Raises:
        NotReady: the schema is older.
    """
    version = await schema_version_of(database_url)
    if version is None or version < SCHEMA_VERSION:
        raise NotReady("The database's schema is older than this code; run `nameplate migrate`.")


async def schema_version_of(database_url: str) -> int | None:
    """Return the schema's version. None if no migration has run."""
    connection = await connect(read_database_url(database_url), command_seconds=STATEMENT_SECONDS)
    try:
        table = await connection.fetchval("SELECT to_regclass('public.schema_version')")
        if table is None:
            return None
        return int(await connection.fetchval("SELECT version FROM schema_version"))
    finally:
        await connection.close()


async def lock_named(tx: Connection, name: str) -> None:
    """Make transactions that use the same name run one after the other, each to its end."""
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def in_seconds(seconds: float) -> ColumnElement[Any]:
    """Return an interval, for sums with `NOW`."""
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds)


NOW = func.public.nameplate_now()
"""The time of leases, schedules and events. It is Postgres's, so that all replicas agree."""
