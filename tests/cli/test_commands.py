"""The command line: what goes wrong is one line and an exit status, never a traceback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet

from app import __version__
from app.persistence.database import open_database
from app.settings import Settings
from tests.support.rows import put_zone

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "NAMEPLATE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "NAMEPLATE_CLOUDFLARE_ZONE_ID": "0" * 32,
    "NAMEPLATE_CLOUDFLARE_API_TOKEN": "token",
    "NAMEPLATE_CNAME_TARGET": "customers.provider.net",
    "NAMEPLATE_FALLBACK_ORIGIN": "fallback.provider.net",
    "NAMEPLATE_SECRET_KEYS": Fernet.generate_key().decode(),
    "NAMEPLATE_DATABASE_TRIES": "1",
}


PORT_OPTIONS = ["--port", "--sandbox-port", "--dns-port", "--receiver-port"]
FREE_PORTS = [text for option in PORT_OPTIONS for text in (option, "0")]


def nameplate(
    *arguments: str, environment: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env=os.environ | (environment or {}) | {"PYTHONPATH": str(ROOT)},
        cwd=cwd or ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize(
    "name", [n for n in GOOD if n != "NAMEPLATE_DATABASE_TRIES"], ids=lambda n: str(n)[10:]
)
def test_a_missing_setting_is_one_line_that_names_it(name: str, tmp_path: Path) -> None:
    ended = nameplate("worker", environment=without(name), cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == f"nameplate: {name} is not set\n"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"NAMEPLATE_CLOUDFLARE_ZONE_ID": "short"}, "NAMEPLATE_CLOUDFLARE_ZONE_ID"),
        (
            {"NAMEPLATE_FALLBACK_ORIGIN": "customers.provider.net"},
            "NAMEPLATE_CNAME_TARGET and NAMEPLATE_FALLBACK_ORIGIN must be two different names",
        ),
        (
            {"NAMEPLATE_FALLBACK_ORIGIN": "Customers.provider.net.\u00a0"},
            "NAMEPLATE_CNAME_TARGET",
        ),
        (
            {"NAMEPLATE_CNAME_TARGET": "my_target.provider.net"},
            "NAMEPLATE_CNAME_TARGET must be a hostname: Character 3, '_', ",
        ),
        ({"NAMEPLATE_BOOTSTRAP_API_KEY": "short"}, "NAMEPLATE_BOOTSTRAP_API_KEY"),
        (
            {"NAMEPLATE_CLOUDFLARE_BASE_URL": "api.cloudflare.com/client/v4"},
            "NAMEPLATE_CLOUDFLARE_BASE_URL must begin with https://",
        ),
        ({"NAMEPLATE_SECRET_KEYS": "tooshort"}, "NAMEPLATE_SECRET_KEYS must hold Fernet keys"),
        (
            {"NAMEPLATE_DNS_RESOLVERS": "127.0.0.1:dns"},
            "NAMEPLATE_DNS_RESOLVERS must hold host:port",
        ),
        ({"NAMEPLATE_DNS_RESOLVERS": "a..b:53"}, "NAMEPLATE_DNS_RESOLVERS must hold host:port"),
        (
            {"NAMEPLATE_DNS_ROOT_SERVERS": "198.41.0.4, a.root-servers.net"},
            "NAMEPLATE_DNS_ROOT_SERVERS must hold addresses, unlike 'a.root-servers.net'",
        ),
        ({"NAMEPLATE_DNS_PORT": "65536"}, "NAMEPLATE_DNS_PORT must be 65535 or less"),
        (
            {"NAMEPLATE_DNS_ALLOWED_NETWORKS": "127.0.0.1/8"},
            "NAMEPLATE_DNS_ALLOWED_NETWORKS must hold addresses or prefixes, unlike '127.0.0.1/8'",
        ),
        (
            {"NAMEPLATE_CLOUDFLARE_CALLS": "60", "NAMEPLATE_CLOUDFLARE_SPEND": "0.3"},
            "NAMEPLATE_CLOUDFLARE_SPEND must leave at least 20 calls per window",
        ),
        (
            {"NAMEPLATE_TRUSTED_PROXIES": "10.0.0.0/8, my-proxy"},
            "NAMEPLATE_TRUSTED_PROXIES must hold addresses or prefixes, unlike 'my-proxy'",
        ),
        ({"NAMEPLATE_WORKER_CONCURRENCY": "0"}, "NAMEPLATE_WORKER_CONCURRENCY must be 1 or more"),
        ({"NAMEPLATE_LOG_FORMAT": "xml"}, "NAMEPLATE_LOG_FORMAT must be 'json' or 'console'"),
        ({"NAMEPLATE_INLINE_DEADLINE": "soon"}, "NAMEPLATE_INLINE_DEADLINE must be a number"),
        (
            {"NAMEPLATE_REQUEST_TIMEOUT": "2"},
            "NAMEPLATE_REQUEST_TIMEOUT must be longer than INLINE_DEADLINE",
        ),
        ({"NAMEPLATE_BODY_TIMEOUT": "0"}, "NAMEPLATE_BODY_TIMEOUT must be more than"),
        ({"NAMEPLATE_INLINE_DEADLINE": "inf"}, "NAMEPLATE_INLINE_DEADLINE must be a number"),
    ],
)
def test_a_contradictory_setting_is_one_line_that_names_it(
    changed: dict[str, str], said: str, tmp_path: Path
) -> None:
    ended = nameplate("api", environment=GOOD | changed, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert said in ended.stderr


def test_several_missing_settings_are_a_line_each(tmp_path: Path) -> None:
    ended = nameplate("api", cwd=tmp_path)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 6


def test_an_unreachable_postgres_is_tried_visibly_and_then_given_up(tmp_path: Path) -> None:
    tries = {"NAMEPLATE_DATABASE_TRIES": "2"}
    ended = nameplate("worker", environment=GOOD | tries, cwd=tmp_path)
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    assert lines[0].startswith("Postgres was not reachable (try 1 of 2)")
    assert lines[1].startswith("Postgres was not reachable (try 2 of 2)")
    assert lines[2].startswith("nameplate: Postgres was not reachable in 2 tries")
    assert len(lines) == 3


def test_a_refused_login_is_named_as_such(database_url: str, tmp_path: Path) -> None:
    address = database_url.rpartition("@")[2]
    changed = {"NAMEPLATE_DATABASE_URL": f"postgresql://nobody:wrong@{address}"}
    ended = nameplate("worker", environment=GOOD | changed, cwd=tmp_path)
    assert ended.returncode == 1
    first, last = ended.stderr.splitlines()
    assert first.startswith("Postgres refused the login (try 1 of 1): ")
    assert last.startswith("nameplate: Postgres refused the login in 1 tries; ")


def test_a_database_that_was_never_migrated_is_named_as_such(
    empty_database_url: str, tmp_path: Path
) -> None:
    changed = {"NAMEPLATE_DATABASE_URL": empty_database_url}
    for command in (["worker"], ["api", "--port", "0"]):
        ended = nameplate(*command, environment=GOOD | changed, cwd=tmp_path)
        assert ended.returncode == 1, command
        assert "nameplate migrate" in ended.stderr.splitlines()[-1]
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", [("worker",), ("keys", "rotate-secrets")])
def test_a_wrong_secret_key_is_one_line_without_the_key(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    environment = GOOD | {"NAMEPLATE_SECRET_KEYS": "tooshort"}
    ended = nameplate(*command, environment=environment, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "NAMEPLATE_SECRET_KEYS" in ended.stderr
    assert "tooshort" not in ended.stderr


def test_migrate_and_keys_create_need_the_database_alone(
    empty_database_url: str, tmp_path: Path
) -> None:
    environment = {"NAMEPLATE_DATABASE_URL": empty_database_url}
    assert nameplate("migrate", environment=environment, cwd=tmp_path).returncode == 0
    made = nameplate("keys", "create", "--scope", "read", environment=environment, cwd=tmp_path)
    assert made.returncode == 0
    assert made.stdout.startswith("np_")
    wrong = nameplate("keys", "create", "--scope", "god", environment=environment, cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr) == (
        1,
        "nameplate: The scope must be read, write or admin.\n",
    )


@pytest.mark.parametrize("option", PORT_OPTIONS)
def test_a_port_in_use_is_one_line_that_names_it_and_its_option(
    option: str, database_url: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports = dict.fromkeys(PORT_OPTIONS, "0") | {option: port}
        arguments = [text for pair in ports.items() for text in pair]
        ended = nameplate(
            "demo", "--json", *arguments, environment={"NAMEPLATE_DATABASE_URL": database_url}
        )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert port in ended.stderr
    assert ended.stderr.endswith(f"; choose another with {option}\n")


@contextmanager
def running(*arguments: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        env=os.environ | environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_the_demo_says_where_on_exactly_one_line_and_ends_within_ten_seconds(
    database_url: str, tmp_path: Path
) -> None:
    environment = {"NAMEPLATE_DATABASE_URL": database_url}
    arguments = ["demo", "--json", *FREE_PORTS, "--data-dir", str(tmp_path)]
    with running(*arguments, environment=environment) as process:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        assert list(where) == [
            "api",
            "api_key",
            "sandbox",
            "cloudflare_base_url",
            "cloudflare_zone_id",
            "cloudflare_token",
            "dns",
            "receiver",
            "database_url",
            "metrics_api",
            "metrics_worker",
        ]
        headers = {"Authorization": f"Bearer {where['api_key']}"}
        url = f"{where['api']}/v1/custom-hostnames"
        deadline = time.monotonic() + 15
        while len(httpx.get(url, headers=headers, trust_env=False).json()["data"]) < 6:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=15)
        assert time.monotonic() - began < 10
        assert rest == ""
        assert process.returncode == 0


def test_a_killed_demo_goes_on_where_it_was(database_url: str, tmp_path: Path) -> None:
    environment = {"NAMEPLATE_DATABASE_URL": database_url}
    arguments = ["demo", "--empty", "--json", *FREE_PORTS, "--data-dir", str(tmp_path)]
    with running(*arguments, environment=environment) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        made = _create(first, "shop.kept-safe.com")
        process.kill()
    with running(*arguments, environment=environment) as process:
        assert process.stdout is not None
        second = json.loads(process.stdout.readline())
        assert second["api_key"] == first["api_key"]
        again = _create(second, "shop.kept-safe.com")
        assert again["id"] == made["id"]
        answer = httpx.get(
            f"{second['cloudflare_base_url']}/zones/{second['cloudflare_zone_id']}"
            f"/custom_hostnames/{made['cloudflare']['id']}",
            headers={"Authorization": f"Bearer {second['cloudflare_token']}"},
            trust_env=False,
        )
        assert answer.json()["result"]["hostname"] == "shop.kept-safe.com"


def _create(where: dict[str, str], hostname: str) -> dict[str, dict[str, str]]:
    response = httpx.post(
        f"{where['api']}/v1/custom-hostnames",
        json={"hostname": hostname, "tenant": "tenant"},
        headers={"Authorization": f"Bearer {where['api_key']}"},
        trust_env=False,
    )
    assert response.status_code in {200, 201}
    return dict(response.json())


@pytest.mark.parametrize(
    "options",
    [
        *(["--plan", plan] for plan in ("simple", "zero_downtime", "delegated", "wildcard")),
        # Fails unless the diagnosis names the mistake.
        *(["--mistake", each] for each in ("typo", "caa", "proxied", "doubled", "apex")),
    ],
    ids=" ".join,
)
async def test_a_walk_ends_with_its_closing_line(options: list[str], database_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "app", "walk", *options),
        env=os.environ | {"NAMEPLATE_DATABASE_URL": database_url},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    # As long as the walk gives itself; how long it takes is the machine's.
    out, _ = await asyncio.wait_for(process.communicate(), 110)
    assert process.returncode == 0
    last = out.decode().splitlines()[-1]
    assert last.startswith(
        "walk: pending -> validating -> active -> cname_verified, webhook verified, "
    )
    assert float(last.split()[-2]) > 0


def test_a_walk_with_an_unknown_plan_names_the_plans_and_fails() -> None:
    ended = nameplate("walk", "--plan", "magic")
    assert ended.returncode == 1
    assert ended.stderr == (
        "nameplate: --plan must be one of simple, zero_downtime, delegated, wildcard.\n"
    )


def test_the_version_is_printed_without_any_setting(tmp_path: Path) -> None:
    ended = nameplate("--version", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, f"{__version__}\n")


def test_a_deadline_is_read_as_seconds() -> None:
    said = {name.removeprefix("NAMEPLATE_").lower(): value for name, value in GOOD.items()}
    settings = Settings.model_validate({**said, "inline_deadline": "1.5"})
    assert settings.inline_deadline == timedelta(seconds=1.5)


@pytest.mark.parametrize("command", [["api", "--port", "0"], ["worker"], ["migrate"], ["dev"]])
def test_a_wrong_database_url_is_one_line_and_exit_2(command: list[str], tmp_path: Path) -> None:
    environment = GOOD | {"NAMEPLATE_DATABASE_URL": "postgresql://u:geheim@h/db?pgbouncer=true"}
    ended = nameplate(*command, environment=environment, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == (
        "nameplate: NAMEPLATE_DATABASE_URL has an unknown parameter: pgbouncer; remove it\n"
    )


@pytest.mark.parametrize("command", [["keys", "create"], ["zones", "pause"], ["migrate"]])
def test_the_commands_take_what_a_managed_database_hands_out(
    command: list[str], database_url: str, tmp_path: Path
) -> None:
    url = f"{database_url}?sslmode=prefer&application_name=mine&connect_timeout=5"
    asyncio.run(put_a_zone(database_url))
    ended = nameplate(*command, environment={"NAMEPLATE_DATABASE_URL": url}, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")


async def put_a_zone(url: str) -> None:
    async with open_database(url, connections=1) as database:
        await put_zone(database)
