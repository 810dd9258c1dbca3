"""One Postgres server process: started, or found still running, and stopped.

It knows processes, ports and the server's own files in the cluster. Where a cluster lies, who may
use it and what its database is called is the matter of `app.local.postgres`.
"""

import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.local.programs import EmbeddedPostgresError, Programs, telling_line

HOST = "127.0.0.1"

_READY_SECONDS = 60.0  # what pg_ctl allows; a crash recovery is part of it
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.01
# What passes by itself: a port taken between our choice and the start, and the backends of a
# killed server, which need a moment to notice.
_PASSING_TROUBLE = re.compile(r"Address already in use|pre-existing shared memory block")


@dataclass(frozen=True, slots=True)
class PidFile:
    """What a server writes into its postmaster.pid."""

    pid: int
    port: int
    status: str

    @classmethod
    def read(cls, cluster: Path) -> "PidFile | None":
        """Read the file; the status, its last line, is empty until the server has written it."""
        try:
            lines = (cluster / "postmaster.pid").read_text(errors="replace").splitlines()
            return cls(int(lines[0]), int(lines[3]), "".join(lines[7:8]).strip())
        except (FileNotFoundError, IndexError, ValueError):
            return None


class Server:
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
                f"a Postgres that does not take our password runs in {self._cluster} "
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
            written = PidFile.read(self._cluster)
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
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": "",  # a path in a deep folder would exceed 107 bytes
        }
        chosen = [f"{name}={value}" for name, value in {**options, **fixed}.items()]
        return ["-D", str(self._cluster), *(word for one in chosen for word in ("-c", one))]

    def _was_started_with(self, arguments: list[str]) -> bool:
        written = os.fsdecode((self._cluster / "postmaster.opts").read_bytes())
        return written.rstrip("\n").endswith("".join(f' "{word}"' for word in arguments))

    def _find_survivor(self) -> PidFile | None:
        """Return the server that runs in the cluster, once it neither starts nor shuts down."""
        deadline = time.monotonic() + _READY_SECONDS
        while (found := PidFile.read(self._cluster)) and self._is_server(found.pid):
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
        stale = PidFile.read(self._cluster)
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
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise EmbeddedPostgresError(f"no free port on {HOST}")
