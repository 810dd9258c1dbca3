"""A Postgres of our own, for as long as a `with` block lasts.

`nameplate demo`, `dev`, `walk` and the tests use it when NAMEPLATE_DATABASE_URL is unset. It keeps
one cluster per data directory, used by one process at a time. It is not for production, and it
knows nothing of the product's tables.
"""

import fcntl
import os
import re
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.local.postgres_programs import (
    COMMON_GROUND,
    Account,
    EmbeddedPostgresError,
    Programs,
    find_programs,
    is_ours_alone,
    server_account,
    telling_line,
)

__all__ = ["NEEDED_EXTENSIONS", "EmbeddedPostgresError", "embedded_postgres"]

NEEDED_EXTENSIONS = ("pg_trgm",)

_HOST = "127.0.0.1"
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
_UNFINISHED = "unfinished-cluster-"
_PASSWORD = "password"  # noqa: S105  a file's name
_PORT = "port"
_LOG = "server.log"
_LOCK = "lock"

_READY_SECONDS = 60.0  # what pg_ctl allows; a crash recovery is part of it
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.01
# What passes by itself: a port taken between our choice and the start, and the backends of a
# killed server, which need a moment to notice.
_PASSING_TROUBLE = re.compile(r"Address already in use|pre-existing shared memory block")


@contextmanager
def embedded_postgres(
    data_dir: Path,
    *,
    keep: bool = True,
    settings: Mapping[str, str] | None = None,
    programs: Programs | None = None,
) -> Iterator[str]:
    """Yield a plain postgresql:// URL on TCP 127.0.0.1 for a server whose cluster is in data_dir.

    Args:
        data_dir: Made if missing; a cluster already in it is used again.
        keep: False removes the cluster at the end, and forgoes safety against a power cut.
        settings: Server settings that go over ours.
        programs: Another Postgres than the wheel's, whose programs the server's account can run.

    Raises:
        EmbeddedPostgresError: No server can run here; the message says why in one line.
    """
    data_dir = data_dir.resolve()
    options = {**_SMALL_MACHINE, **({} if keep else _DISPOSABLE), **(settings or {})}
    with ExitStack() as cleanup:
        with _os_errors_in_one_line(data_dir):
            found = programs or find_programs(server_account())
            url = _open(cleanup, data_dir, found, keep=keep, options=options)
        yield url


def _open(
    cleanup: ExitStack,
    data_dir: Path,
    programs: Programs,
    *,
    keep: bool,
    options: Mapping[str, str],
) -> str:
    """Bring the server up and return its URL; what undoes a step is on the stack before it."""
    _claim(data_dir)
    cleanup.enter_context(_locked(data_dir))
    home = _home_of_cluster(data_dir, programs.account)
    if not keep:
        cleanup.callback(_remove, data_dir, home)
    cluster = home / _CLUSTER
    if not cluster.exists():
        _create_cluster(data_dir, home, programs, durable=keep)
    client = _Client(programs, (data_dir / _PASSWORD).read_text())
    server = _Server(programs, cluster, data_dir / _LOG)
    cleanup.callback(server.stop)
    port = server.adopt(options, lambda port: client.reaches(port, cluster))
    if port is None:
        port = server.start(options, _last_port(data_dir))
        _write_private(data_dir / _PORT, str(port))
    _provide_database(client, port)
    return f"postgresql://{_ROLE}:{client.password}@{_HOST}:{port}/{_DATABASE}"


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
            f"{data_dir} is not usable: another user owns it, or everyone can write to it"
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
                f"the cluster of {data_dir} was in {home}, which no longer exists: "
                f"remove {data_dir} to start over"
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
    for remains in home.glob(f"{_UNFINISHED}*"):
        _remove_tree(remains)
    password = secrets.token_urlsafe(24)
    workshop = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=home))
    try:
        _init_cluster(workshop, password, programs, durable=durable)
        _write_private(data_dir / _PASSWORD, password)
        (workshop / _CLUSTER).rename(home / _CLUSTER)
    finally:
        _remove_tree(workshop)


def _init_cluster(workshop: Path, password: str, programs: Programs, *, durable: bool) -> None:
    cluster, password_file = workshop / _CLUSTER, workshop / _PASSWORD
    cluster.mkdir(mode=0o700)
    _write_private(password_file, password)
    if programs.account is not None:
        workshop.chmod(0o711)
        programs.account.take(cluster)
        programs.account.take(password_file)
    done = programs.run(
        "initdb",
        f"--pgdata={cluster}",
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


def _remove(data_dir: Path, home: Path) -> None:
    """Remove what we made, and the data directory too if nothing else is in it."""
    doomed = home / _CLUSTER if home == data_dir else home
    _remove_tree(doomed)
    for name in (_ELSEWHERE, _PASSWORD, _PORT, _LOG, _LOCK):
        (data_dir / name).unlink(missing_ok=True)
    with suppress(OSError):
        data_dir.rmdir()


def _remove_tree(folder: Path) -> None:
    """Remove a folder in which children of a killed process may write for a moment yet."""
    deadline = time.monotonic() + _STOP_SECONDS
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


@dataclass(frozen=True, slots=True)
class _Client:
    """Speaks to the server with psql, so that no database driver is needed here."""

    programs: Programs
    password: str

    def ask(self, port: int, sql: str) -> list[str]:
        """Run one statement in the database every cluster has; return the lines it answers."""
        target = f"host={_HOST} port={port} user={_ROLE} dbname=postgres"
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


@dataclass(frozen=True, slots=True)
class _PidFile:
    """What a server writes into its postmaster.pid."""

    pid: int
    port: int
    status: str

    @classmethod
    def read(cls, cluster: Path) -> "_PidFile | None":
        """Read the file; the status, its last line, is empty until the server has written it."""
        try:
            lines = (cluster / "postmaster.pid").read_text(errors="replace").splitlines()
            return cls(int(lines[0]), int(lines[3]), "".join(lines[7:8]).strip())
        except (FileNotFoundError, IndexError, ValueError):
            return None


class _Server:
    """The one server of a cluster; `stop` may be called at any time, started or not."""

    def __init__(self, programs: Programs, cluster: Path, log: Path) -> None:
        self._programs = programs
        self._cluster = cluster
        self._log = log
        self._pid: int | None = None
        self._process: subprocess.Popen[bytes] | None = None  # None if adopted: not our child

    def adopt(self, options: Mapping[str, str], is_ours: Callable[[int], bool]) -> int | None:
        """Take over a server that survived its parent, and return its port; None if none did.

        One that runs with other options than asked for is stopped instead.
        """
        survivor = self._find_survivor()
        if survivor is None:
            self._drop_stale_pid_file()
            return None
        if not is_ours(survivor.port):
            raise EmbeddedPostgresError(
                f"a Postgres that rejects the stored password runs in {self._cluster} "
                f"(process {survivor.pid}): stop it first"
            )
        self._pid = survivor.pid
        if self._was_started_with(self._arguments(options, survivor.port)):
            return survivor.port
        self.stop()
        return None

    def start(self, options: Mapping[str, str], wanted_port: int | None) -> int:
        """Start a server and return its port once it is ready."""
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            port = _free_port(wanted_port)
            if self._launch(self._arguments(options, port), deadline):
                return port
            log = self._log.read_text(errors="replace")
            if not _PASSING_TROUBLE.search(log) or time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"Postgres did not start: {telling_line(log)}")
            time.sleep(10 * _POLL_SECONDS)

    def stop(self) -> None:
        """Stop the server as `pg_ctl stop -m fast` does, and at once if that takes too long."""
        for signal in ("INT", "QUIT"):
            if self._pid is None or not self._is_running():
                return
            # Sent as the server's account: as root, a wrong pid could hit anything.
            self._programs.run("pg_ctl", "kill", signal, str(self._pid))
            deadline = time.monotonic() + _STOP_SECONDS
            while self._is_running() and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        if self._is_running():
            raise EmbeddedPostgresError(f"Postgres (process {self._pid}) does not stop")

    def _launch(self, arguments: list[str], deadline: float) -> bool:
        """Start a process; tell whether it became ready (or else ended)."""
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as output:
            self._process = self._programs.spawn("postgres", *arguments, output=output)
        self._pid = self._process.pid
        while self._is_running():
            written = _PidFile.read(self._cluster)
            # Until the new server writes its own file, that of a killed one may lie there.
            if written and written.pid == self._pid and written.status == "ready":
                return True
            if time.monotonic() > deadline:
                line = telling_line(self._log.read_text(errors="replace"))
                raise EmbeddedPostgresError(
                    f"Postgres was not ready within {_READY_SECONDS:.0f} s: {line}"
                )
            time.sleep(_POLL_SECONDS)
        return False

    def _arguments(self, options: Mapping[str, str], port: int) -> list[str]:
        fixed = {
            "listen_addresses": _HOST,
            "port": str(port),
            "unix_socket_directories": "",  # a path in a deep folder would exceed 107 bytes
        }
        chosen = [f"{name}={value}" for name, value in {**options, **fixed}.items()]
        return ["-D", str(self._cluster), *(word for one in chosen for word in ("-c", one))]

    def _was_started_with(self, arguments: list[str]) -> bool:
        written = os.fsdecode((self._cluster / "postmaster.opts").read_bytes())
        return written.rstrip("\n").endswith("".join(f' "{word}"' for word in arguments))

    def _find_survivor(self) -> _PidFile | None:
        """Return the server that runs in the cluster, once it neither starts nor shuts down."""
        deadline = time.monotonic() + _READY_SECONDS
        while (found := _PidFile.read(self._cluster)) and self._is_server(found.pid):
            if found.status == "ready":
                return found
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"the Postgres in {self._cluster} (process {found.pid}) "
                    f"stays {found.status or 'unfinished'}: stop it first"
                )
            time.sleep(_POLL_SECONDS)
        return None

    def _drop_stale_pid_file(self) -> None:
        """Remove the file of a killed server whose pid is a zombie's or a stranger's by now.

        Postgres asks no more than whether the pid exists, and would refuse to start. Where any
        Postgres has that pid the decision stays with the server.
        """
        stale = _PidFile.read(self._cluster)
        if stale and _exists(stale.pid) and "postgres" not in _command_line(stale.pid):
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _is_running(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        return self._pid is not None and self._is_server(self._pid)

    def _is_server(self, pid: int) -> bool:
        return f" -D {self._cluster} " in _command_line(pid)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _command_line(pid: int) -> str:
    """Return a process's command line; empty if it is gone or a zombie."""
    if Path("/proc/self/cmdline").exists():
        with suppress(OSError):
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
        return ""
    command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603  a fixed command


def _free_port(wanted: int | None) -> int:
    """Return the wanted port if it is free, else any free one."""
    for port in (wanted or 0, 0):
        with socket.socket() as probe, suppress(OSError, OverflowError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            probe.bind((_HOST, port))
            return int(probe.getsockname()[1])
    raise EmbeddedPostgresError(f"{_HOST} has no free port")
