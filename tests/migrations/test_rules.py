"""No migration holds up a service that runs: the rules, and that they find what breaks them."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from alembic import command, op
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from app.persistence import tables
from app.persistence.connecting import connect
from app.persistence.database_url import read_database_url
from app.persistence.migrations import alembic_config, build_index, migrate, scripts
from tests.migrations.rules import BEFORE_THE_RULES, BIG, faults, statements_of

REVISIONS = list(ScriptDirectory(str(scripts())).walk_revisions())
SMALL = {
    "schema_version",
    "clock_offset",
    "zones",
    "budgets",
    "list_scans",
    "breaker_counts",
    "webhook_endpoints",
    "api_keys",
    "feed_head",
}


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda each: str(each.revision))
def test_a_migration_holds_up_no_service_that_runs(revision: object) -> None:
    script = REVISIONS[REVISIONS.index(revision)]  # type: ignore[arg-type] # one of them
    if script.revision in BEFORE_THE_RULES:
        return
    name = Path(script.path).stem
    assert faults(statements_of(script.module), name=name) == [], name


def test_every_table_is_big_or_small() -> None:
    assert set(BIG) | SMALL == set(tables.metadata.tables)
    assert not set(BIG) & SMALL


def test_what_went_before_the_rules_is_still_there() -> None:
    assert {each.revision for each in REVISIONS} >= BEFORE_THE_RULES


GOOD = [
    "CREATE TABLE notes (id text NOT NULL)",
    'CREATE INDEX ix_zones_name ON "zones" (name)',
    "ALTER TABLE schedules ADD COLUMN note TEXT",
    "ALTER TABLE schedules ADD COLUMN tries INTEGER DEFAULT 0 NOT NULL",
    "ALTER TABLE schedules ADD COLUMN tries INTEGER DEFAULT '0' NOT NULL",
    "ALTER TABLE schedules ADD COLUMN at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL",
    "ALTER TABLE events ADD CONSTRAINT ck_x CHECK (sequence > 0) NOT VALID",
    "ALTER TABLE events ADD CONSTRAINT fk_x FOREIGN KEY(a) REFERENCES zones (id) NOT VALID",
    "ALTER TABLE events VALIDATE CONSTRAINT ck_x",
    "ALTER TABLE events ADD CONSTRAINT uq_x UNIQUE USING INDEX uq_x",
    "UPDATE schema_version SET version = 8",
    "UPDATE zones SET name = ''",
    "DELETE FROM queued_calls WHERE custom_hostname_id IN (SELECT id FROM x LIMIT 100)",
    "ALTER TABLE zones ADD COLUMN random TEXT DEFAULT gen_random_uuid() NOT NULL",
]
BAD = [
    ("CREATE INDEX ix_x ON events (id)", "build_index"),
    ('CREATE UNIQUE INDEX "uq_x" ON "schedules" (id)', "build_index"),
    ("CREATE INDEX CONCURRENTLY ix_x ON events (id)", "INVALID"),
    ("ALTER TABLE schedules ADD COLUMN x INTEGER NOT NULL", "needs a DEFAULT"),
    (
        "ALTER TABLE schedules ADD COLUMN x UUID DEFAULT gen_random_uuid() NOT NULL",
        "differs by row",
    ),
    ("ALTER TABLE schedules ADD COLUMN x TIMESTAMP DEFAULT clock_timestamp()", "differs by row"),
    ("ALTER TABLE events ADD COLUMN x INTEGER GENERATED ALWAYS AS (1) STORED", "rewrites"),
    ("ALTER TABLE events ADD COLUMN x BIGSERIAL NOT NULL", "rewrites"),
    ("ALTER TABLE events ALTER COLUMN sequence TYPE BIGINT", "another type"),
    ("ALTER TABLE events ALTER COLUMN body SET NOT NULL", "validate a CHECK"),
    ("ALTER TABLE events ADD CONSTRAINT ck_x CHECK (sequence > 0)", "NOT VALID"),
    ("ALTER TABLE events ADD CONSTRAINT fk_x FOREIGN KEY(a) REFERENCES zones (id)", "NOT VALID"),
    ("ALTER TABLE events ADD CONSTRAINT uq_x UNIQUE (id)", "USING INDEX"),
    ("ALTER TABLE queued_calls ADD PRIMARY KEY (rank)", "USING INDEX"),
    ("UPDATE schedules SET wakes = 0", "back-fills"),
    ("UPDATE schedules SET wakes = 0 WHERE wakes > 1", "back-fills"),
    ("DELETE FROM attempts", "back-fills"),
    ("TRUNCATE TABLE queued_calls", "locks a whole"),
    ("LOCK TABLE events IN SHARE MODE", "locks a whole"),
    ("REINDEX TABLE events", "REINDEX"),
    ("ALTER TABLE zones DROP COLUMN name", "contract"),
    ("ALTER TABLE zones RENAME COLUMN name TO title", "contract"),
    ("ALTER TABLE zones RENAME TO areas", "contract"),
    ("DROP TABLE attempts", "contract"),
]


@pytest.mark.parametrize("statement", GOOD)
def test_what_holds_nobody_up_is_let_through(statement: str) -> None:
    assert faults([statement], name="2026_12_01_1200_notes") == []


@pytest.mark.parametrize(("statement", "said"), BAD)
def test_what_holds_a_service_up_is_found(statement: str, said: str) -> None:
    (fault,) = faults([statement], name="2026_12_01_1200_notes")
    assert said in fault


def test_what_is_new_may_be_made_in_any_way() -> None:
    made = ["CREATE TABLE events (id text)", "CREATE INDEX ix_x ON events (id)"]
    assert faults(made, name="2026_12_01_1200_notes") == []


def test_a_contract_may_take_away() -> None:
    taken = "ALTER TABLE events DROP COLUMN body"
    assert faults([taken], name="2026_12_01_1200_contract_bodies") == []


def test_a_column_that_is_checked_already_may_be_set_not_null() -> None:
    steps = ["ALTER TABLE events VALIDATE CONSTRAINT c", "ALTER TABLE events ALTER x SET NOT NULL"]
    assert faults(steps, name="2026_12_01_1200_notes") == []


def written(upgrade: object) -> list[str]:
    module = ModuleType("migration")
    module.upgrade = upgrade  # type: ignore[attr-defined] # as Alembic loads one
    return statements_of(module)


def test_the_rules_read_what_alembic_writes() -> None:
    def bad() -> None:
        op.create_index("ix_x", "events", ["id"])
        op.add_column("schedules", sa.Column("x", sa.Integer(), nullable=False))
        op.alter_column("events", "sequence", type_=sa.BigInteger())
        op.alter_column("events", "body", nullable=False)
        op.create_foreign_key("fk_x", "events", "zones", ["zone_id"], ["id"])
        op.create_check_constraint("ck_x", "events", "sequence > 0")
        op.drop_column("events", "body")
        op.execute(sa.update(tables.schedules).values(wakes=0))

    statements = written(bad)
    found = faults(statements, name="2026_12_01_1200_bad")
    assert len(found) == len(statements) == 8

    def good() -> None:
        build_index("ix_x", "events", ["id"], unique=True)

    statements = written(good)
    assert "CREATE UNIQUE INDEX CONCURRENTLY ix_x ON events (id)" in statements
    assert faults(statements, name="2026_12_01_1200_good") == []


INDEX = """
from alembic import op
from app.persistence.migrations import build_index, take_index_away
revision = "test1"
down_revision = "{head}"

def upgrade():
    build_index("uq_events_test", "schema_version", ["version"], unique=True)

def downgrade():
    take_index_away("uq_events_test")
"""


def with_an_index(folder: Path) -> Path:
    """Copy the migrations and add one that builds an index."""
    copied = folder / "50% of them"
    shutil.copytree(scripts(), copied)
    head = ScriptDirectory(str(copied)).get_current_head()
    (copied / "versions" / "2026_12_01_1200_index.py").write_text(INDEX.format(head=head))
    return copied


async def run(url: str, *statements: str) -> list[object]:
    connection = await connect(read_database_url(url))
    try:
        return [await connection.fetchval(each) for each in statements]
    finally:
        await connection.close()


VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'uq_events_test'::regclass"


async def test_an_index_whose_build_failed_is_built_anew(database_url: str, tmp_path: Path) -> None:
    folder = with_an_index(tmp_path)
    await run(
        database_url,
        "ALTER TABLE schema_version DROP CONSTRAINT pk_schema_version",
        "INSERT INTO schema_version SELECT * FROM schema_version",
    )
    with pytest.raises(DBAPIError, match="could not create unique index"):
        await asyncio.to_thread(migrate, database_url, folder=folder)
    assert await run(database_url, VALID) == [False]
    await run(
        database_url,
        "DELETE FROM schema_version WHERE ctid > (SELECT min(ctid) FROM schema_version)",
    )
    await asyncio.to_thread(migrate, database_url, folder=folder)
    assert await run(database_url, VALID) == [True]
    down = alembic_config(database_url, folder)
    await asyncio.to_thread(command.downgrade, down, "-1")
    assert await run(database_url, "SELECT to_regclass('uq_events_test')") == [None]


async def test_runs_that_wait_for_one_another_build_an_index_all_the_same(
    database_url: str, tmp_path: Path
) -> None:
    folder = with_an_index(tmp_path)
    # An older transaction keeps the first from ending until all three are there.
    connection = await connect(read_database_url(database_url))
    older = connection.transaction(isolation="repeatable_read")
    await older.start()
    await connection.fetchval("SELECT count(*) FROM schema_version")
    program = (
        "import sys; from pathlib import Path; from app.persistence.migrations import migrate; "
        "migrate(sys.argv[1], folder=Path(sys.argv[2]))"
    )
    runs = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, database_url, str(folder)),
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(3)
    ]
    there = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    # This one, the one that asks, and the three.
    while not await run(database_url, there) >= [5]:
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    await older.rollback()
    await connection.close()
    said = [(await each.communicate())[1].decode() for each in runs]
    assert [each.returncode for each in runs] == [0, 0, 0], said
    assert await run(database_url, VALID) == [True]
