"""A Postgres of our own, for as long as a `with` block lasts.

`nameplate demo`, `dev`, `walk` and the tests use it when NAMEPLATE_DATABASE_URL is unset. It keeps
one cluster per data directory, used by one process at a time. It is not for production, and it
knows nothing of the product's tables.
"""

import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.local.programs import (
    COMMON_GROUND,
    Account,
    EmbeddedPostgresError,
    Programs,
    find_programs,
    is_ours_alone,
    server_account,
    telling_line,
)
from app.local.server import HOST, Server

__all__ = ["NEEDED_EXTENSIONS", "EmbeddedPostgresError", "embedded_postgres"]

NEEDED_EXTENSIONS = ("pg_trgm",)

_ROLE = "nameplate"
_DATABASE = "nameplate"
_SMALL_MACHINE = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_DISPOSABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# What lies in a data directory. The cluster alone belongs to the server's account.
_CLUSTER = "cluster"
_ELSEWHERE = "cluster-elsewhere"  # names the folder under COMMON_GROUND that holds the cluster
_PASSWORD = "password"  # noqa: S105  a file's name
_PORT = "port"
_LOG = "server.log"
_LOCK = "lock"


@contextmanager
def embedded_postgres(
    data_dir: Path, *, keep: bool = True, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield a plain postgresql:// URL on TCP 127.0.0.1 for a server whose cluster is in data_dir.

    Args:
        data_dir: Made if missing; a cluster already in it is used again.
        keep: False removes the cluster at the end, and forgoes safety against a power cut.
        settings: Server settings that go over ours.

    Raises:
        EmbeddedPostgresError: No server can run here; the message says why in one line.
    """
    data_dir = data_dir.resolve()
    options = {**_SMALL_MACHINE, **({} if keep else _DISPOSABLE), **(settings or {})}
    with ExitStack() as cleanup:
        with _os_errors_in_one_line(data_dir):
            url = _open(cleanup, data_dir, keep=keep, options=options)
        yield url


def _open(cleanup: ExitStack, data_dir: Path, *, keep: bool, options: Mapping[str, str]) -> str:
    """Bring the server up and return its URL; what undoes a step is on the stack before it."""
    programs = find_programs(server_account())
    _claim(data_dir)
    cleanup.enter_context(_locked(data_dir))
    home = _home_of_cluster(data_dir, programs.account)
    if not keep:
        cleanup.callback(_remove, data_dir, home)
    cluster = home / _CLUSTER
    if not cluster.exists():
        _create_cluster(data_dir, home, programs, durable=keep)
    client = _Client(programs, (data_dir / _PASSWORD).read_text())
    server = Server(programs, cluster, data_dir / _LOG)
    cleanup.callback(server.stop)
    port = server.adopt(options, lambda port: client.reaches(port, cluster))
    if port is None:
        port = server.start(options, _last_port(data_dir))
        _write_private(data_dir / _PORT, str(port))
    _provide_database(client, port)
    return f"postgresql://{_ROLE}:{client.password}@{HOST}:{port}/{_DATABASE}"


@contextmanager
def _os_errors_in_one_line(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror or error} ({error.filename or data_dir})"
        raise EmbeddedPostgresError(f"{data_dir} is not usable: {reason}") from error


def _claim(data_dir: Path) -> None:
    """Make the data directory if need be, and refuse one that another user could change."""
    # As root the server's account has to pass through, without reading what is ours.
    data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    status = data_dir.stat()
    if status.st_uid != os.geteuid() or status.st_mode & stat.S_IWOTH:
        raise EmbeddedPostgresError(
            f"{data_dir} is not usable: it is not ours, or everyone may write to it"
        )
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise EmbeddedPostgresError(f"{data_dir} is not usable: it is not writable")


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Hold the data directory; the system lets go of it even when we are killed."""
    descriptor = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode()
            raise EmbeddedPostgresError(f"{data_dir} is in use by process {holder}") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _home_of_cluster(data_dir: Path, account: Account | None) -> Path:
    """Return the folder the cluster lies in: data_dir, or one the server's account can reach."""
    pointer = data_dir / _ELSEWHERE
    if pointer.exists():
        home = COMMON_GROUND / pointer.read_text()
        if not is_ours_alone(home):
            raise EmbeddedPostgresError(
                f"the cluster of {data_dir} lay in {home}, which is gone: "
                f"remove {data_dir} to start afresh"
            )
        return home
    if account is None or (data_dir / _CLUSTER).exists() or account.reaches(data_dir):
        return data_dir
    # A random name: a data directory that is made anew never finds a former one's cluster.
    home = Path(tempfile.mkdtemp(prefix="nameplate-cluster-", dir=COMMON_GROUND))
    home.chmod(0o711)
    _write_private(pointer, home.name)
    return home


def _create_cluster(data_dir: Path, home: Path, programs: Programs, *, durable: bool) -> None:
    """Make a cluster under another name and rename it: one that is there is whole."""
    for remains in home.glob("unfinished-*"):
        shutil.rmtree(remains, ignore_errors=True)
    password = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=home) as folder:
        staging, password_file = Path(folder, _CLUSTER), Path(folder, _PASSWORD)
        staging.mkdir(mode=0o700)
        _write_private(password_file, password)
        if programs.account is not None:
            Path(folder).chmod(0o711)
            programs.account.take(staging)
            programs.account.take(password_file)
        done = programs.run(
            "initdb",
            f"--pgdata={staging}",
            f"--username={_ROLE}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-instructions",
            *([] if durable else ["--no-sync"]),
        )
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"initdb failed: {telling_line(done.stderr)}")
        _write_private(data_dir / _PASSWORD, password)
        staging.rename(home / _CLUSTER)


def _remove(data_dir: Path, home: Path) -> None:
    """Remove what we made, and the data directory too if nothing else is in it."""
    doomed = home / _CLUSTER if home == data_dir else home
    if doomed.exists():
        shutil.rmtree(doomed)
    for name in (_ELSEWHERE, _PASSWORD, _PORT, _LOG, _LOCK):
        (data_dir / name).unlink(missing_ok=True)
    with suppress(OSError):
        data_dir.rmdir()


@dataclass(frozen=True, slots=True)
class _Client:
    """Speaks to the server with psql, so that no database driver is needed here."""

    programs: Programs
    password: str

    def ask(self, port: int, sql: str) -> list[str]:
        """Run one statement in the database every cluster has; return the lines it answers."""
        target = f"host={HOST} port={port} user={_ROLE} dbname=postgres"
        done = self.programs.run(
            "psql",
            *("--no-psqlrc", "--no-password", "--tuples-only", "--no-align"),
            f"--dbname={target}",
            f"--command={sql}",
            environment={
                "PGPASSWORD": self.password,
                # Whoever took the port of a dead server learns nothing and proves nothing.
                "PGREQUIREAUTH": "scram-sha-256",
                "PGCONNECT_TIMEOUT": "5",
                "PGSSLMODE": "disable",
                "PGGSSENCMODE": "disable",
            },
        )
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"Postgres did not answer: {telling_line(done.stderr)}")
        return done.stdout.splitlines()

    def reaches(self, port: int, cluster: Path) -> bool:
        """Tell whether the server on this port knows our password and serves this cluster."""
        with suppress(EmbeddedPostgresError):
            return self.ask(port, "SHOW data_directory") == [str(cluster)]
        return False


def _provide_database(client: _Client, port: int) -> None:
    available = client.ask(port, "SELECT name FROM pg_available_extensions")
    if missing := [name for name in NEEDED_EXTENSIONS if name not in available]:
        raise EmbeddedPostgresError(f"this Postgres lacks the extension {', '.join(missing)}")
    if _DATABASE not in client.ask(port, "SELECT datname FROM pg_database"):
        client.ask(port, f"CREATE DATABASE {_DATABASE}")


def _last_port(data_dir: Path) -> int | None:
    try:
        return int((data_dir / _PORT).read_text())
    except (FileNotFoundError, ValueError):
        return None


def _write_private(path: Path, text: str) -> None:
    """Write a file only we can read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
