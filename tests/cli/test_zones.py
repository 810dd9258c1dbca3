"""`nameplate zones`: an operator stops work on a zone and lets it go on, from the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import asyncpg
import pytest

from app.persistence.database import open_database
from tests.support.rows import put_zone

from .test_commands import nameplate


class Operator:
    """Somebody with nothing but the database's URL."""

    def __init__(self, url: str, cwd: Path, zone_id: str) -> None:
        self._url = url
        self._cwd = cwd
        self.zone_id = zone_id

    def zones(self, *arguments: str) -> CompletedProcess[str]:
        environment = {"NAMEPLATE_DATABASE_URL": self._url, "NAMEPLATE_DATABASE_TRIES": "1"}
        return nameplate("zones", *arguments, environment=environment, cwd=self._cwd)

    def row(self) -> dict[str, Any]:
        return asyncio.run(_fetch(self._url, "SELECT * FROM zones"))

    def events(self) -> dict[str, Any]:
        return asyncio.run(
            _fetch(self._url, "SELECT array_agg(type ORDER BY sequence) AS types FROM events")
        )


async def _fetch(url: str, query: str) -> dict[str, Any]:
    connection = await asyncpg.connect(url)
    try:
        return dict(await connection.fetchrow(query))
    finally:
        await connection.close()


async def _put_zone(url: str) -> str:
    async with open_database(url, connections=1) as database:
        return (await put_zone(database)).id


@pytest.fixture
def operator(database_url: str, tmp_path: Path) -> Operator:
    return Operator(database_url, tmp_path, asyncio.run(_put_zone(database_url)))


def said(ended: CompletedProcess[str]) -> tuple[int, str]:
    """Give the exit status, and the last line that was printed."""
    assert ended.stderr == ""
    return ended.returncode, ended.stdout.splitlines()[-1]


def test_a_zone_is_paused_and_goes_on_each_said_in_one_line(operator: Operator) -> None:
    paused = operator.zones("pause", "--detail", "an incident at Cloudflare")
    assert said(paused) == (0, f"{operator.zone_id} is paused.")
    row = operator.row()
    assert row["paused_at"] is not None
    assert (row["pause_reason"], row["pause_detail"]) == ("operator", "an incident at Cloudflare")
    assert row["pause_retry_at"] is None
    resumed = operator.zones("resume")
    assert said(resumed) == (0, f"{operator.zone_id} is resumed.")
    row = operator.row()
    assert (row["paused_at"], row["pause_reason"], row["breaker_off_until"]) == (None, None, None)
    assert operator.events()["types"] == ["zone.paused", "zone.resumed"]


def test_a_zone_is_named_by_its_id_and_its_regressions_are_accepted(operator: Operator) -> None:
    assert said(operator.zones("pause", operator.zone_id))[0] == 0
    resumed = operator.zones("resume", operator.zone_id, "--accept-regressions")
    assert said(resumed) == (0, f"{operator.zone_id} is resumed.")
    assert operator.row()["breaker_off_until"] is not None


def test_a_zone_that_is_paused_already_says_so_and_stays_as_it_was(operator: Operator) -> None:
    operator.zones("pause", "--detail", "the first")
    again = operator.zones("pause", "--detail", "the second")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "nameplate: The zone is paused already; resume it first.\n"
    assert operator.row()["pause_detail"] == "the first"


def test_a_zone_that_is_not_paused_cannot_go_on(operator: Operator) -> None:
    ended = operator.zones("resume", "--accept-regressions")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "nameplate: The zone is not paused.\n"
    assert operator.row()["breaker_off_until"] is None


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_an_unknown_zone_is_one_line(operator: Operator, command: str) -> None:
    ended = operator.zones(command, "zone_of_nobody")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "nameplate: Zone not found.\n"


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_without_a_database_it_fails_in_a_line(command: str, tmp_path: Path) -> None:
    ended = nameplate("zones", command, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "nameplate: NAMEPLATE_DATABASE_URL is not set\n"


def test_what_is_printed_is_one_line_and_no_log(operator: Operator) -> None:
    paused = operator.zones("pause", "--detail", "an incident")
    assert (paused.stdout, paused.stderr) == (f"{operator.zone_id} is paused.\n", "")
    resumed = operator.zones("resume")
    assert (resumed.stdout, resumed.stderr) == (f"{operator.zone_id} is resumed.\n", "")


@pytest.mark.parametrize("command", [("zones", "pause"), ("keys", "create")])
def test_a_database_that_was_never_migrated_is_one_line(
    empty_database_url: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    environment = {"NAMEPLATE_DATABASE_URL": empty_database_url}
    ended = nameplate(*command, environment=environment, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert "nameplate migrate" in ended.stderr
