"""`nameplate keys` and `zones set-token`: keys are revoked, secrets are encrypted anew."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from cryptography.fernet import Fernet, InvalidToken

from app.persistence.database import open_database
from app.settings import refuse_unknown_settings
from tests.support.rows import put_zone

from .test_commands import GOOD, ROOT, nameplate

OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))
TOKEN = "v1.0-0123456789-abcdefghij"


class Stored:
    """A database with two zones and many webhook endpoints, their secrets under one key."""

    def __init__(self, url: str, cwd: Path) -> None:
        self.url = url
        self._cwd = cwd

    def run(
        self, *arguments: str, keys: str | None = None, said: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {"NAMEPLATE_DATABASE_URL": self.url, "NAMEPLATE_DATABASE_TRIES": "1"}
        if keys is not None:
            environment["NAMEPLATE_SECRET_KEYS"] = keys
        return subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
            cwd=self._cwd,
            input=said,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def fetch(self, query: str) -> list[asyncpg.Record]:
        async def fetch() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.url)
            try:
                return list(await connection.fetch(query))
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def secrets(self) -> list[bytes]:
        return [
            row[0]
            for row in self.fetch(
                "SELECT api_token FROM zones UNION ALL SELECT secret FROM webhook_endpoints"
            )
        ]

    def encrypt_all(self, key: str) -> None:
        """Fill the database: one former default zone, one present one, 450 endpoints."""
        fernet = Fernet(key)

        async def fill() -> None:
            async with open_database(self.url, connections=1) as database:
                await put_zone(database, "1" * 32)
                await put_zone(database, "2" * 32)
            connection = await asyncpg.connect(self.url)
            await connection.execute(
                "UPDATE zones SET api_token = $1", fernet.encrypt(TOKEN.encode())
            )
            await connection.executemany(
                "INSERT INTO webhook_endpoints (id, url, event_types, secret, created_at) "
                "VALUES ($1, 'https://hooks.provider.net/', '{}', $2, now())",
                [(f"we_{n:04}", fernet.encrypt(b"whsec_secret")) for n in range(450)],
            )
            await connection.close()

        asyncio.run(fill())


@pytest.fixture
def stored(database_url: str, tmp_path: Path) -> Stored:
    return Stored(database_url, tmp_path)


def test_every_secret_is_encrypted_anew_and_the_former_key_can_go(stored: Stored) -> None:
    stored.encrypt_all(OLD)
    ended = stored.run("keys", "rotate-secrets", keys=f"{NEW},{OLD}")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "452 secrets were re-encrypted, 0 had the newest key already.\n"
    for secret in stored.secrets():
        assert Fernet(NEW).decrypt(secret) in {b"whsec_secret", TOKEN.encode()}
        with pytest.raises(InvalidToken):
            Fernet(OLD).decrypt(secret)
    again = stored.run("keys", "rotate-secrets", keys=NEW)
    assert again.stdout == "0 secrets were re-encrypted, 452 had the newest key already.\n"


def test_a_rotation_that_was_cut_off_goes_on_where_it_stopped(stored: Stored) -> None:
    stored.encrypt_all(OLD)
    done = Fernet(NEW).encrypt(b"whsec_secret")
    asyncio.run(_execute(stored.url, "UPDATE webhook_endpoints SET secret = $1", done))
    ended = stored.run("keys", "rotate-secrets", keys=f"{NEW},{OLD}")
    assert ended.stdout == "2 secrets were re-encrypted, 450 had the newest key already.\n"


def test_a_secret_that_no_key_decrypts_is_named_and_the_others_are_encrypted_anew(
    stored: Stored,
) -> None:
    stored.encrypt_all(OLD)
    lost = Fernet(LOST).encrypt(b"whsec_secret")
    asyncio.run(
        _execute(stored.url, "UPDATE webhook_endpoints SET secret = $1 WHERE id = 'we_0003'", lost)
    )
    ended = stored.run("keys", "rotate-secrets", keys=f"{NEW},{OLD}")
    assert ended.returncode == 1
    assert ended.stderr == (
        "nameplate: 451 secrets were re-encrypted. NAMEPLATE_SECRET_KEYS cannot decrypt the "
        "secret of webhook endpoint we_0003. Add the former key again, as the last one. If it is "
        "lost, set a zone's token with `nameplate zones set-token`, and remove a webhook endpoint "
        "and add it again.\n"
    )


@pytest.mark.parametrize("command", [("worker",), ("api", "--port", "0")])
def test_a_process_does_not_start_with_a_secret_that_it_cannot_decrypt(
    stored: Stored, tmp_path: Path, command: tuple[str, ...]
) -> None:
    stored.encrypt_all(OLD)
    settings = GOOD | {"NAMEPLATE_DATABASE_URL": stored.url, "NAMEPLATE_SECRET_KEYS": NEW}
    ended = nameplate(*command, environment=settings, cwd=tmp_path)
    assert ended.returncode == 1
    said = ended.stderr.splitlines()[-1]
    former = stored.fetch("SELECT id FROM zones WHERE cloudflare_zone_id = repeat('1', 32)")
    assert f"the token of zone {former[0]['id']}" in said
    assert "the secret of webhook endpoint we_0000" in said
    assert "and 443 more" in said or "and 442 more" in said
    assert "Traceback" not in ended.stderr
    # What runs with the right key goes on: nothing was written.
    assert all(Fernet(OLD).decrypt(secret) for secret in stored.secrets())


def test_a_default_zone_whose_key_is_lost_gets_another_token(stored: Stored) -> None:
    stored.encrypt_all(LOST)
    (default,) = (row["id"] for row in stored.fetch("SELECT id FROM zones WHERE is_default"))
    ended = stored.run("zones", "set-token", default, keys=NEW, said=f"{TOKEN}\n")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_former_default_zone_gets_another_token_and_a_default_one_does_not(
    stored: Stored,
) -> None:
    stored.encrypt_all(OLD)
    other = "v1.0-another-token-altogether"
    former, default = (
        row["id"] for row in stored.fetch("SELECT id FROM zones ORDER BY cloudflare_zone_id")
    )
    ended = stored.run("zones", "set-token", former, keys=OLD, said=f"{other}\n")
    assert (ended.returncode, ended.stdout) == (0, f"{former} has a new token.\n")
    tokens = {Fernet(OLD).decrypt(secret).decode() for secret in stored.secrets()}
    assert {other, TOKEN} < tokens
    refused = stored.run("zones", "set-token", default, keys=OLD, said=f"{other}\n")
    assert refused.returncode == 1
    assert "NAMEPLATE_CLOUDFLARE_API_TOKEN" in refused.stderr
    assert other not in ended.stdout + ended.stderr + refused.stdout + refused.stderr


@pytest.mark.parametrize("text", ["", "short", "two words that are long enough"])
def test_what_cannot_be_a_token_is_refused(stored: Stored, text: str) -> None:
    stored.encrypt_all(OLD)
    ended = stored.run("zones", "set-token", "default", keys=OLD, said=f"{text}\n")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)


def test_zones_are_listed_the_default_one_first(stored: Stored) -> None:
    stored.encrypt_all(OLD)
    first, second = stored.run("zones", "list").stdout.splitlines()
    assert ("2" * 32 in first, first.endswith("default")) == (True, True)
    assert ("1" * 32 in second, second.endswith("open")) == (True, True)


def test_keys_are_listed_and_revoked_by_their_id(stored: Stored) -> None:
    secret = stored.run("keys", "create", "--name", "backend", "--scope", "write").stdout.strip()
    (line,) = stored.run("keys", "list").stdout.splitlines()
    key_id = line.split()[0]
    assert (key_id.startswith("key_"), "write" in line, "active" in line) == (True, True, True)
    assert secret not in line
    ended = stored.run("keys", "revoke", key_id)
    assert (ended.returncode, ended.stdout) == (0, f"{key_id} (backend) is revoked.\n")
    again = stored.run("keys", "revoke", key_id)
    assert again.returncode == 0
    (line,) = stored.run("keys", "list").stdout.splitlines()
    assert "revoked" in line
    unknown = stored.run("keys", "revoke", "key_unknown")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)


def test_keys_may_have_a_tenant_and_an_end(stored: Stored) -> None:
    bounds = ("--tenant", "green", "--expires-at", "2999-01-01T00:00:00Z", "--scope", "read")
    secret = stored.run("keys", "create", *bounds).stdout.strip()
    (line,) = stored.run("keys", "list").stdout.splitlines()
    for part in (f"{secret[:7]}...", "read", "expires 2999-01-01 00:00", "not used", "green"):
        assert f"  {part}  " in line, part
    assert secret not in line


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scope", "admin", "--tenant", "green"), "leave `tenant` out"),
        (("--expires-at", "2020-01-01T00:00:00Z"), "must be in the future"),
        (("--tenant", ""), "`tenant` must have 1 to 128 printable characters"),
        (("--tenant", "x" * 129), "`tenant` must have 1 to 128 printable characters"),
        (("--tenant", "two\nlines"), "`tenant` must have 1 to 128 printable characters"),
    ],
)
def test_bounds_that_cannot_be_meant_are_one_line(
    stored: Stored, options: tuple[str, ...], said: str
) -> None:
    ended = stored.run("keys", "create", *options)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert said in ended.stderr


@pytest.mark.parametrize("text", ["tomorrow", "2999-01-01T00:00:00"])
def test_an_end_is_an_instant(stored: Stored, text: str) -> None:
    ended = stored.run("keys", "create", "--expires-at", text)
    assert ended.returncode == 2
    assert "must be an instant" in ended.stderr


async def _execute(url: str, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement, *values)
    await connection.close()


@pytest.mark.parametrize(
    "name",
    [
        "NAMEPLATE_SERVICE_HOST",
        "NAMEPLATE_SERVICE_PORT",
        "NAMEPLATE_SERVICE_PORT_HTTP",
        "NAMEPLATE_PORT",
        "NAMEPLATE_PORT_8000_TCP",
        "NAMEPLATE_PORT_8000_TCP_ADDR",
        "NAMEPLATE_API_SERVICE_HOST",
        "NAMEPLATE_API_PORT_8000_TCP_PROTO",
    ],
)
def test_what_kubernetes_says_of_services_is_no_misspelt_setting(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, "10.0.0.1")
    refuse_unknown_settings()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NAMEPLATE_DATABSE_URL", "did you mean NAMEPLATE_DATABASE_URL?"),
        ("NAMEPLATE_CLOUDFLARE_TOKEN", "did you mean NAMEPLATE_CLOUDFLARE_API_TOKEN?"),
        ("nameplate_cname_traget", "did you mean NAMEPLATE_CNAME_TARGET?"),
        ("NAMEPLATE_XYZZY", ".env.example lists all of them."),
    ],
)
@pytest.mark.parametrize("where", ["environment", ".env"])
@pytest.mark.parametrize("command", ["api", "migrate"])
def test_a_misspelt_setting_is_named_with_the_nearest_one(
    name: str, said: str, where: str, command: str, tmp_path: Path
) -> None:
    environment = dict(GOOD)
    if where == "environment":
        environment[name] = "value"
    else:
        (tmp_path / ".env").write_text(f"{name}=value\n")
    ended = nameplate(command, environment=environment, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == f"nameplate: {name} is not a setting; {said}\n"
