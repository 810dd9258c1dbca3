"""Real servers, started, killed and found again. As root the data directories below pytest's
tmp_path (0700) are out of the server user's reach, so these tests cover that case as well.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from app.local import postgres, postgres_programs
from app.local.postgres import EmbeddedPostgresError, embedded_postgres

AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as another user")

# Announces its server and waits to be killed.
CHILD = """
import sys, time
from pathlib import Path
from app.local.postgres import embedded_postgres
with embedded_postgres(Path(sys.argv[1])) as url:
    print(url, flush=True)
    time.sleep(60)
"""
# The interpreter may lie where an ordinary user cannot read it: drop root after the imports.
DROP_ROOT = """
import os, sys
from pathlib import Path
from app.local.postgres import EmbeddedPostgresError, embedded_postgres
folder, uid, gid = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
"""
START_TWICE = """
for _ in range(2):
    with embedded_postgres(folder / "data") as url:
        print((folder / "data/cluster").stat().st_uid, url)
"""
START_WHERE_NOBODY_MAY_WRITE = """
folder.chmod(0o500)
for place in (folder, folder / "data"):
    try:
        embedded_postgres(place).__enter__()
    except EmbeddedPostgresError as error:
        print(error)
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "data"
    yield path
    if path.exists():
        postgres._remove(path, postgres._home_of_cluster(path, postgres_programs.server_account()))


def ask(url: str, *statements: str) -> str:
    """Run the statements and return the last one's single value as text."""

    async def run() -> str:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return str(await connection.fetchval(statements[-1]))
        finally:
            await connection.close()

    return asyncio.run(run())


def postmaster(url: str) -> int:
    return int(ask(url, "SELECT pg_read_file('postmaster.pid')").splitlines()[0])


def cluster_folder(url: str) -> Path:
    return Path(ask(url, "SHOW data_directory"))


def is_gone(pid: int) -> bool:
    """Whether it ended; the kernel may take a moment over a process that is at its end."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state in {"Z", "X"}:
            return True
        time.sleep(0.02)
    return False


def modes_of(folders: list[Path]) -> dict[Path, tuple[int, int, int]]:
    stats = {folder: folder.stat() for folder in folders}
    return {folder: (s.st_mode, s.st_uid, s.st_gid) for folder, s in stats.items()}


def test_the_url_serves_a_database_of_ours_on_the_loopback_alone(data_dir: Path) -> None:
    with embedded_postgres(data_dir, keep=False, settings={"max_connections": "50"}) as url:
        assert url.startswith("postgresql://nameplate:")
        assert url.endswith("/nameplate")
        assert "@127.0.0.1:" in url
        assert ask(url, "SELECT current_database() || ' ' || current_user") == "nameplate nameplate"
        assert ask(url, "SHOW listen_addresses") == "127.0.0.1"
        assert not ask(url, "SHOW unix_socket_directories")
        assert ask(url, "SHOW max_connections") == "50"
        assert ask(url, "SHOW timezone") == "UTC"
        assert ask(url, "SHOW fsync") == "off"
        assert ask(url, "CREATE EXTENSION pg_trgm", "SELECT 'domain' % 'domains'") == "True"


def test_only_the_password_kept_in_the_data_directory_opens_the_door(data_dir: Path) -> None:
    with embedded_postgres(data_dir, keep=False) as url:
        password = data_dir / "password"
        assert password.stat().st_mode & 0o777 == 0o600
        assert f":{password.read_text()}@" in url
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(url.replace(password.read_text(), "guess"), "SELECT 1")
        rules = "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules"
        assert ask(url, rules) == "scram-sha-256"


def test_data_and_port_survive_a_restart_with_durable_settings(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as first:
        ask(first, "CREATE TABLE kept AS SELECT 42 AS n", "SELECT 1")
        assert ask(first, "SHOW fsync") == "on"
        before = postmaster(first)
    assert is_gone(before)
    with embedded_postgres(data_dir) as second:
        assert second == first
        assert ask(second, "SELECT n FROM kept") == "42"


def test_a_killed_postmaster_is_no_trouble_at_the_end_and_recovers_at_the_next_start(
    data_dir: Path,
) -> None:
    with embedded_postgres(data_dir) as url:
        ask(url, "CREATE TABLE kept AS SELECT 42 AS n", "SELECT 1")
        os.kill(postmaster(url), signal.SIGKILL)
    with embedded_postgres(data_dir) as url:
        assert ask(url, "SELECT n FROM kept") == "42"


def test_a_pid_file_that_names_a_stranger_by_now_does_not_prevent_a_start(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as url:
        cluster, server = cluster_folder(url), postmaster(url)
        leftover = (cluster / "postmaster.pid").read_text()
    stale = leftover.replace(str(server), str(os.getpid()), 1)
    (cluster / "postmaster.pid").write_text(stale)
    with embedded_postgres(data_dir) as url:
        assert ask(url, "SELECT 1") == "1"


def kill_the_parent_of_a_server(data_dir: Path) -> str:
    command = [sys.executable, "-c", CHILD, str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        child.kill()
    return url


def test_a_server_that_survived_its_parent_is_adopted_and_stopped_at_the_end(
    data_dir: Path,
) -> None:
    url = kill_the_parent_of_a_server(data_dir)
    survivor = postmaster(url)
    with embedded_postgres(data_dir) as adopted:
        assert adopted == url
        assert postmaster(adopted) == survivor
    assert is_gone(survivor)


def test_a_survivor_with_other_settings_is_replaced(data_dir: Path) -> None:
    survivor = postmaster(kill_the_parent_of_a_server(data_dir))
    with embedded_postgres(data_dir, settings={"max_connections": "50"}) as url:
        assert is_gone(survivor)
        assert ask(url, "SHOW max_connections") == "50"


def test_a_survivor_that_does_not_take_our_password_is_left_alone(data_dir: Path) -> None:
    survivor = postmaster(kill_the_parent_of_a_server(data_dir))
    password = (data_dir / "password").read_text()
    (data_dir / "password").write_text("another")
    with pytest.raises(EmbeddedPostgresError, match="rejects the stored password"):
        embedded_postgres(data_dir).__enter__()
    assert not is_gone(survivor)
    (data_dir / "password").write_text(password)
    with embedded_postgres(data_dir) as url:
        assert postmaster(url) == survivor


def unfinished_clusters(data_dir: Path) -> list[Path]:
    pointer = data_dir / "cluster-elsewhere"
    home = postgres_programs.COMMON_GROUND / pointer.read_text() if pointer.exists() else data_dir
    return list(home.glob("unfinished-cluster-*"))


def test_a_start_killed_within_initdb_is_not_in_the_way_of_the_next(data_dir: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        while not unfinished_clusters(data_dir) and child.poll() is None:
            time.sleep(0.01)
        child.kill()
    assert unfinished_clusters(data_dir)
    with embedded_postgres(data_dir) as url:
        assert ask(url, "SELECT 1") == "1"
        assert not unfinished_clusters(data_dir)


def test_keep_false_leaves_nothing_behind_even_after_an_exception(data_dir: Path) -> None:
    found: list[tuple[Path, int]] = []

    def fail_while_it_runs() -> None:
        with embedded_postgres(data_dir, keep=False) as url:
            found.append((cluster_folder(url), postmaster(url)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_while_it_runs()
    [(cluster, server)] = found
    assert is_gone(server)
    assert not data_dir.exists()
    assert not cluster.exists()
    assert cluster.parent == data_dir or not cluster.parent.exists()


def test_modes_and_owners_of_the_folders_above_stay(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o700)
    watched = [
        shut,
        *shut.parents,
        postgres_programs.COMMON_GROUND,
        *postgres_programs.wheel_site().parents,
    ]
    before = modes_of(watched)
    with embedded_postgres(shut / "data", keep=False) as url:
        during = modes_of(watched)
        assert ask(url, "SELECT 1") == "1"
    assert before == during == modes_of(watched)


def test_a_second_user_of_a_data_directory_gets_one_clear_line(data_dir: Path) -> None:
    with embedded_postgres(data_dir, keep=False) as url:
        with pytest.raises(EmbeddedPostgresError) as refusal:
            embedded_postgres(data_dir, keep=False).__enter__()
        assert str(refusal.value) == f"{data_dir} is in use by process {os.getpid()}"
        assert ask(url, "SELECT 1") == "1"


def test_a_data_directory_that_cannot_be_made_gives_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedPostgresError) as refusal:
        embedded_postgres(tmp_path / "file" / "data").__enter__()
    assert f"{tmp_path}/file/data is not usable: Not a directory" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@only_root
def test_a_data_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(EmbeddedPostgresError, match="another user owns it"):
        embedded_postgres(tmp_path).__enter__()
    assert not list(tmp_path.iterdir())


def test_a_setting_the_server_refuses_gives_the_line_of_its_log(data_dir: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match=r"did not start: .*FATAL.*no_such_setting"):
        embedded_postgres(data_dir, keep=False, settings={"no_such_setting": "1"}).__enter__()
    assert not data_dir.exists()


@only_root
def test_a_missing_useradd_gives_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="useradd is missing to create the user"):
        postgres_programs.server_account("nameplate-unheard-of", search_path=str(tmp_path))


def test_a_missing_wheel_gives_one_clear_line() -> None:
    with pytest.raises(EmbeddedPostgresError, match=r"pip install 'nameplate\[local\]'"):
        postgres_programs.wheel_site("no_such_wheel")


@only_root
def test_a_new_data_directory_never_finds_a_former_ones_cluster(data_dir: Path) -> None:
    account = postgres_programs.server_account()
    data_dir.mkdir()
    former = postgres._home_of_cluster(data_dir, account)
    assert former.parent == postgres_programs.COMMON_GROUND
    assert postgres._home_of_cluster(data_dir, account) == former
    shutil.rmtree(data_dir)
    data_dir.mkdir()
    assert postgres._home_of_cluster(data_dir, account) != former
    former.rmdir()


def a_wheel_below(folder: Path) -> Path:
    for name in ("pginstall/bin/postgres", "pginstall/lib/pg_trgm.so", "pginstall/share/x"):
        file = folder / "embedded_postgres" / name
        file.parent.mkdir(parents=True)
        file.write_text(name)
        file.chmod(0o700)
    return folder


@only_root
def test_programs_out_of_reach_are_copied_once_to_where_only_root_can_have_written(
    tmp_path: Path,
) -> None:
    account = postgres_programs.server_account()
    assert account is not None
    site = a_wheel_below(tmp_path)
    with tempfile.TemporaryDirectory(dir=postgres_programs.COMMON_GROUND) as folder:
        ground = Path(folder)
        ground.chmod(0o755)
        assert not postgres_programs._can_use(account, site)
        copy = postgres_programs.reachable_copy(site, ground)
        assert postgres_programs._can_use(account, copy)
        assert postgres_programs.reachable_copy(site, ground) == copy
        os.chown(copy, account.uid, account.gid)  # as if that user had planted it
        trusted = postgres_programs.reachable_copy(site, ground)
        assert trusted != copy
        (trusted / "embedded_postgres/pginstall/share/x").unlink()  # as a sweep of old files does
        assert postgres_programs.reachable_copy(site, ground) not in {copy, trusted}


@pytest.fixture
def ordinary_user() -> postgres_programs.Account:
    if not AS_ROOT:
        return postgres_programs.Account(os.geteuid(), os.getegid())
    nobody = pwd.getpwnam("nobody")
    account = postgres_programs.Account(nobody.pw_uid, nobody.pw_gid)
    if not postgres_programs._can_use(account, postgres_programs.wheel_site()):
        pytest.skip("the wheel of this checkout is out of an ordinary user's reach")
    return account


def run_as(user: postgres_programs.Account, script: str, folder: str) -> list[str]:
    user.take(Path(folder))
    command = [sys.executable, "-c", DROP_ROOT + script, folder, str(user.uid), str(user.gid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_an_ordinary_user_runs_the_server_as_himself(
    ordinary_user: postgres_programs.Account,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, second = run_as(ordinary_user, START_TWICE, folder)
        assert first == second
        assert first.startswith(f"{ordinary_user.uid} postgresql://")


def test_an_unwritable_data_directory_gives_one_clear_line(
    ordinary_user: postgres_programs.Account,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert run_as(ordinary_user, START_WHERE_NOBODY_MAY_WRITE, folder) == [
            f"{folder} is not usable: it is not writable",
            f"{folder}/data is not usable: Permission denied ({folder}/data)",
        ]
