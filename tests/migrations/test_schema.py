"""The migrations make what the code describes, can be taken back, and never wait for ever."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from urllib.parse import urlsplit

import asyncpg
import pytest
from alembic import command
from pydantic import TypeAdapter
from sqlalchemy import TextClause
from sqlalchemy.exc import DBAPIError

from app.domain.errors import NotReady
from app.domain.object_spec import ObjectSpec
from app.domain.resync import FOLLOWED_STATUSES
from app.persistence import tables
from app.persistence.migrations import alembic_config, migrate
from app.persistence.tables import SCHEMA_VERSION, metadata


def test_the_tables_described_are_the_tables_migrated(empty_database_url: str) -> None:
    migrate(empty_database_url)
    command.check(alembic_config(empty_database_url))


async def _tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    await connection.close()
    return {row["table_name"] for row in rows} - {"alembic_version"}


def test_every_migration_can_be_taken_back_and_run_again(empty_database_url: str) -> None:
    migrate(empty_database_url)
    command.downgrade(alembic_config(empty_database_url), "base")
    assert asyncio.run(_tables(empty_database_url)) == set()
    migrate(empty_database_url)
    assert asyncio.run(_tables(empty_database_url)) == set(metadata.tables)
    command.check(alembic_config(empty_database_url))


async def test_the_schemas_number_is_the_one_the_code_needs(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT version FROM schema_version") == SCHEMA_VERSION
    await connection.close()


async def test_the_clock_is_real_time_plus_an_offset_of_zero(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT nameplate_now() = statement_timestamp()")
    await connection.execute("UPDATE clock_offset SET \"offset\" = '1 day'")
    ahead = await connection.fetchval("SELECT nameplate_now() - statement_timestamp()")
    assert ahead.days == 1
    await connection.close()


@pytest.mark.parametrize("side", ["dns", "cloudflare"])
async def test_a_claim_by_the_clock_uses_the_index(database_url: str, side: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("SET enable_seqscan = off")
    plan = await connection.fetch(
        f"EXPLAIN SELECT custom_hostname_id FROM schedules WHERE zone_id = 'zone' "  # noqa: S608
        f"AND {side}_due_at IS NOT NULL AND {side}_due_at <= nameplate_now() "
        f"ORDER BY {side}_due_at LIMIT 10"
    )
    assert any(f"ix_schedules_{side}_due" in row[0] for row in plan)
    assert not any("Filter" in row[0] for row in plan)
    await connection.close()


@pytest.mark.parametrize(
    ("which", "index"),
    [
        (tables.UNCREATED_DUE, "ix_schedules_uncreated_due"),
        (tables.FOLLOWED, "ix_schedules_followed"),
    ],
)
async def test_what_waits_is_found_without_reading_what_does_not(
    database_url: str, which: TextClause, index: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("SET enable_seqscan = off")
    # As a prepared statement's generic plan has it, which knows no parameter's value.
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(
        f"PREPARE waiting AS SELECT custom_hostname_id FROM schedules WHERE zone_id = $1 "  # noqa: S608
        f"AND {which} AND cloudflare_due_at <= nameplate_now() "
        f"ORDER BY cloudflare_due_at LIMIT $2"
    )
    plan = await connection.fetch("EXPLAIN EXECUTE waiting('zone', 10)")
    assert any(index in row[0] for row in plan)
    assert not any("Filter" in row[0] for row in plan)
    await connection.close()


def test_what_is_followed_is_what_the_index_finds() -> None:
    assert all(f"'{status}'" in str(tables.FOLLOWED) for status in FOLLOWED_STATUSES)
    assert str(tables.FOLLOWED).count("pending") == len(FOLLOWED_STATUSES)


async def test_three_migrations_at_once_are_one_after_the_other(empty_database_url: str) -> None:
    environment = os.environ | {"NAMEPLATE_DATABASE_URL": empty_database_url}
    runs = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app", "migrate", env=environment, stdout=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    assert [await run.wait() for run in runs] == [0, 0, 0]
    await asyncio.to_thread(command.check, alembic_config(empty_database_url))


async def test_a_migration_gives_up_behind_a_long_lock(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE attempts IN ACCESS SHARE MODE")
        with pytest.raises(DBAPIError, match="lock timeout"):
            await asyncio.to_thread(command.downgrade, alembic_config(database_url), "base")
    await connection.close()


async def test_a_role_that_may_not_create_the_extension_is_told_what_to_run(
    empty_database_url: str,
) -> None:
    await asyncio.to_thread(migrate, empty_database_url, "7d20c4b1e95f")
    role = f"plain_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'plain'")
    try:
        await connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        parts = urlsplit(empty_database_url)
        url = parts._replace(netloc=f"{role}:plain@{parts.netloc.rpartition('@')[2]}").geturl()
        said = r"pg_trgm \(permission denied .*CREATE EXTENSION pg_trgm;"
        with pytest.raises(NotReady, match=said):
            await asyncio.to_thread(migrate, url)
        await connection.execute("CREATE EXTENSION pg_trgm")
        with pytest.raises(DBAPIError, match="must be owner"):
            await asyncio.to_thread(migrate, url)
    finally:
        await connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
        await connection.close()


async def test_what_the_first_version_sent_is_known_to_the_second(empty_database_url: str) -> None:
    await asyncio.to_thread(migrate, empty_database_url, "47b2ae1b2028")
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(
        "INSERT INTO zones (id, cloudflare_zone_id, api_token, cname_target, fallback_origin, "
        "created_at, updated_at) VALUES ('z', 'z', '', 't', 'o', now(), now())"
    )
    long = "a" * 61 + ".com"
    rows = {
        "plain.com": ("simple", ObjectSpec(method="http")),
        "*.wild.com": ("zero_downtime", ObjectSpec(method="txt", wildcard=True)),
        long: ("zero_downtime", ObjectSpec(method="txt", cloudflare_branding=True)),
    }
    for name, (plan, _) in rows.items():
        await connection.execute(
            "INSERT INTO custom_hostnames (id, hostname, base, tenant, zone_id, plan, desired, "
            "state, reason, waiting_on, metadata, dns, tombstone, revision, sequence, view, "
            "document, created_at, updated_at, wanted_at, acted_at) VALUES ($1, $1, $2, 't', 'z', "
            "$3, 'present', 'active', 'live', 'nobody', '{}', '{}', false, 1, 1, 1, '{}', now(), "
            "now(), now(), now())",
            name,
            name.removeprefix("*."),
            plan,
        )
        await connection.execute(
            "INSERT INTO cloudflare_objects (custom_hostname_id, role, zone_id, cloudflare_id) "
            "VALUES ($1, 'serving', 'z', $1)",
            name,
        )
    await asyncio.to_thread(migrate, empty_database_url)
    applied = await connection.fetch("SELECT custom_hostname_id, applied FROM cloudflare_objects")
    read = TypeAdapter(ObjectSpec).validate_json
    assert {name: read(spec) for name, spec in applied} == {
        name: spec for name, (_, spec) in rows.items()
    }
    await connection.close()


OLD_ROWS = """
INSERT INTO zones (id, cloudflare_zone_id, api_token, cname_target, fallback_origin, created_at,
  updated_at, pause_reason, paused_at)
VALUES ('zone_1', 'z', '', 't', 'f', now(), now(), 'dns_contradicts', now());
INSERT INTO custom_hostnames (id, hostname, base, tenant, zone_id, plan, desired, state, reason,
  waiting_on, metadata, dns, tombstone, revision, sequence, view, document, created_at, updated_at,
  wanted_at, acted_at)
VALUES ('ch_1', 'a.com', 'a.com', 't', 'zone_1', 'simple', 'present', 'active',
  'cname_contradicted', 'tenant', '{}', '{"routing": {"kind": "elsewhere", "chain": []}}', false, 1,
  1, 1, '{}', now(), now(), now(), now());
INSERT INTO watches (custom_hostname_id, zone_id, told_reasons, doubted_at, contradictions)
VALUES ('ch_1', 'zone_1', '["cname_contradicted", "awaiting_cname"]', now(), 2);
INSERT INTO turns VALUES ('ch_1', 'default', 'creation', 'zone_1', 't', 7, true, now());
INSERT INTO sweeps (zone_id, list, due_at) VALUES ('zone_1', '', now());
INSERT INTO budgets VALUES ('default', '{"turns": {"creation": 7}, "spent": {"sweeps": {"1": 2}}}');
"""
NEW_ROWS = """
SELECT h.reason, h.dns->'routing'->>'kind', s.emitted_reasons::text, s.mismatches,
  s.suspected_at IS NOT NULL, q.rank, z.pause_reason, z.rerender_cursor, b.state::text
FROM custom_hostnames h, schedules s, queued_calls q, zones z, budgets b, list_scans
"""


async def test_a_database_of_the_old_names_goes_on_under_the_new_ones(
    empty_database_url: str,
) -> None:
    config = alembic_config(empty_database_url)
    await asyncio.to_thread(command.upgrade, config, "6c1e9a7d3f58")
    await asyncio.to_thread(command.downgrade, config, "-1")
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(OLD_ROWS)
    await asyncio.to_thread(command.upgrade, config, "6c1e9a7d3f58")
    row = await connection.fetchrow(NEW_ROWS)
    await connection.close()
    assert row is not None
    assert tuple(row) == (
        "cname_mismatch",
        "points_elsewhere",
        '["cname_mismatch", "awaiting_cname"]',
        2,
        True,
        7,
        "dns_mismatch",
        "",
        '{"spent": {"resync": {"1": 2}}, "ranks_served": {"creation": 7}}',
    )


WAITING_ROWS = """
INSERT INTO zones (id, cloudflare_zone_id, api_token, cname_target, fallback_origin, created_at,
  updated_at) VALUES ('zone_1', 'z', '', 'customers.provider.net', 'f.provider.net', now(), now());
INSERT INTO custom_hostnames (id, hostname, base, tenant, zone_id, plan, desired, state, reason,
  waiting_on, metadata, dns, tombstone, dangling_since, proof_token, proof_found_at,
  name_released_at, revision, sequence, view, document, created_at, updated_at, wanted_at, acted_at)
SELECT id, id || '.com', id || '.com', 't', 'zone_1', 'simple', desired, state, reason, 'tenant',
  '{}', '{}', dangling, CASE WHEN dangling THEN now() END, token, found_at, released_at, 1, 1, 1,
  '{}', now(), now(), now(), now()
FROM (VALUES
  ('awaits', 'present', 'pending', 'proof_awaited', false, 'token', NULL, now()),
  ('proved', 'present', 'cname_verified', 'live', false, 'token', now(), NULL),
  ('dangles', 'absent', 'deleted', 'dangling', true, NULL, NULL, NULL)
) AS rows (id, desired, state, reason, dangling, token, found_at, released_at);
"""


async def test_what_awaits_its_proof_is_gone_for_the_code_that_knows_no_proof(
    empty_database_url: str,
) -> None:
    config = alembic_config(empty_database_url)
    await asyncio.to_thread(command.upgrade, config, "e17a4d6c3b80")
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(WAITING_ROWS)
    await asyncio.to_thread(command.downgrade, config, "a2f5c81e07d9")
    rows = await connection.fetch(
        "SELECT id, state, desired, reason, tombstone FROM custom_hostnames ORDER BY id"
    )
    await connection.close()
    assert [tuple(row) for row in rows] == [
        ("awaits", "deleted", "absent", "removed", False),
        ("dangles", "deleted", "absent", "removed", True),
        ("proved", "cname_verified", "present", "live", False),
    ]


async def test_what_was_never_proved_awaits_its_proof_for_the_code_that_ends_no_wait(
    empty_database_url: str,
) -> None:
    config = alembic_config(empty_database_url)
    await asyncio.to_thread(command.upgrade, config, "c4d81f6a2e97")
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(WAITING_ROWS)
    await connection.execute(
        "UPDATE custom_hostnames SET state = 'failed', reason = 'never_proved' WHERE id = 'awaits';"
        "INSERT INTO schedules (custom_hostname_id, zone_id, emitted_reasons) "
        "VALUES ('awaits', 'zone_1', '[\"proof_awaited\", \"never_proved\"]')"
    )
    await asyncio.to_thread(command.downgrade, config, "e17a4d6c3b80")
    row = await connection.fetchrow(
        "SELECT state, reason, emitted_reasons FROM custom_hostnames "
        "JOIN schedules ON custom_hostname_id = id WHERE id = 'awaits'"
    )
    await connection.close()
    assert tuple(row) == ("pending", "proof_awaited", '["proof_awaited"]')
