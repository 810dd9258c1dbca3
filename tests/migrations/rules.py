"""What a migration may do to tables that are big in life while the service runs.

Each rule reads one SQL statement. They hold for migrations after `BEFORE_THE_RULES`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from alembic.migration import MigrationContext
from alembic.operations import Operations

BIG = (
    "custom_hostnames",
    "cloudflare_objects",
    "schedules",
    "events",
    "deliveries",
    "attempts",
    "queued_calls",
    "idempotent_requests",
    "feed",
    "hostname_changes",
    "hostname_counts",
    "tenant_sizes",
    "activations",
    "activation_histograms",
    "attempt_histograms",
)
"""Tables that grow with the hostnames, and with time."""

BEFORE_THE_RULES = {
    "47b2ae1b2028",
    "8c5d0e6f3a17",
    "a522dc07e5db",
    "8c1f5d0a7e42",
    "5f0e7c31b9d4",
    "c3a9d81f6e20",
    "2d94b7e06a5f",
    "6c1e9a7d3f58",
}
"""They were made before anything was released: whoever starts runs them on empty tables.

The last one renames what the code before it reads; a development database is stopped for it.
"""

CONTRACT = "contract"
"""In its file's name: what it takes away, no release in use reads any more."""

_LITERAL = re.compile(
    r"(-?\d+(\.\d+)?|true|false|null|'[^']*'|(now|statement_timestamp|nameplate_now)\(\)"
    r"|current_timestamp)(::[a-z_ \[\]]+)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Statement:
    """One statement, in upper case but for what is quoted, and the big tables that it names."""

    text: str

    def has(self, pattern: str) -> bool:
        return re.search(pattern, self.text, re.IGNORECASE) is not None

    def table(self, pattern: str) -> str:
        """Give the table that follows `pattern`, or nothing."""
        found = re.search(pattern + r'\s+(?:public\.)?"?(\w+)"?', self.text, re.IGNORECASE)
        return found[1] if found else ""


def statements_of(module: ModuleType) -> list[str]:
    """Give the SQL of a migration's upgrade, without a database."""
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        opts={"as_sql": True, "output_buffer": written, "literal_binds": True},
    )
    with Operations.context(context):
        module.upgrade()
    parts = re.split(r";\s*\n", written.getvalue())
    return [" ".join(part.split()) for part in parts if part.strip()]


def faults(statements: list[str], *, name: str) -> list[str]:
    """Say what is wrong with a migration of this file name, a line each."""
    made = {Statement(each).table(r"^CREATE TABLE(?: IF NOT EXISTS)?") for each in statements}
    big = [table for table in BIG if table not in made]
    found: list[str] = []
    for number, text in enumerate(statements):
        statement = Statement(text)
        before = statements[:number]
        for rule in _RULES:
            found += [f"{why}: {text}" for why in [rule(statement, big, before)] if why]
        if CONTRACT not in name and statement.has(r"\bDROP (COLUMN|TABLE)\b|\bRENAME\b"):
            found.append(
                f"code that runs reads it still; drop it a release later, in a file that is named "
                f"..._{CONTRACT}_...: {text}"
            )
    return found


Rule = Callable[[Statement, list[str], list[str]], str | None]


def _index(statement: Statement, big: list[str], before: list[str]) -> str | None:
    created = re.match(
        r'CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?(?:IF NOT EXISTS )?"?(\w+)"? '
        r'ON (?:ONLY )?"?(\w+)"?',
        statement.text,
        re.IGNORECASE,
    )
    if created is None or created[3] not in big:
        return None
    if not created[1]:
        return "an index of a big table is built by `build_index`"
    drops = re.compile(rf'DROP INDEX CONCURRENTLY IF EXISTS "?{created[2]}"?$', re.IGNORECASE)
    if not any(drops.match(each) for each in before):
        return "a build that failed leaves an INVALID index, so drop it first: use `build_index`"
    return None


def _column(statement: Statement, big: list[str], _: list[str]) -> str | None:
    if statement.table("ALTER TABLE(?: ONLY)?") not in big or not statement.has(r"ADD COLUMN"):
        return None
    if statement.has(r"GENERATED|\bSERIAL\b|\bBIGSERIAL\b"):
        return "a generated column rewrites the table"
    default = re.search(r"DEFAULT (.+?)(?: NOT NULL| NULL|$)", statement.text, re.IGNORECASE)
    if default is None:
        return "NOT NULL needs a DEFAULT" if statement.has("NOT NULL") else None
    if not _LITERAL.fullmatch(default[1].strip("()")) and not _LITERAL.fullmatch(default[1]):
        return "a DEFAULT that differs by row rewrites the table"
    return None


def _type(statement: Statement, big: list[str], _: list[str]) -> str | None:
    if statement.table("ALTER TABLE(?: ONLY)?") in big and statement.has(
        r"ALTER COLUMN \S+ (SET DATA )?TYPE"
    ):
        return "another type rewrites the table; add a column, fill it, use it"
    return None


def _not_null(statement: Statement, big: list[str], before: list[str]) -> str | None:
    table = statement.table("ALTER TABLE(?: ONLY)?")
    if table not in big or not statement.has("SET NOT NULL"):
        return None
    validated = re.compile(rf'ALTER TABLE "?{table}"? VALIDATE CONSTRAINT', re.IGNORECASE)
    if any(validated.match(each) for each in before):
        return None
    return "SET NOT NULL reads the whole table; validate a CHECK (... IS NOT NULL) first"


def _constraint(statement: Statement, big: list[str], _: list[str]) -> str | None:
    if statement.table("ALTER TABLE(?: ONLY)?") not in big:
        return None
    if statement.has(r"ADD (CONSTRAINT \S+ )?(UNIQUE|PRIMARY KEY|EXCLUDE)") and not statement.has(
        "USING INDEX"
    ):
        return "a key is added by USING INDEX, after `build_index`"
    checked = statement.has(r"ADD (CONSTRAINT \S+ )?(CHECK|FOREIGN KEY)")
    if checked and not statement.has("NOT VALID"):
        return "a constraint is added NOT VALID, and validated in a migration of its own"
    return None


def _rows(statement: Statement, big: list[str], _: list[str]) -> str | None:
    changed = statement.table("^UPDATE(?: ONLY)?") or statement.table("^DELETE FROM(?: ONLY)?")
    if changed in big and not statement.has(r"\bLIMIT \d+"):
        return "a change of rows without LIMIT; back-fills are no migrations"
    return None


def _whole(statement: Statement, big: list[str], _: list[str]) -> str | None:
    patterns = (r"^TRUNCATE(?: TABLE)?", r"^LOCK(?: TABLE)?", r"^CLUSTER", r"^VACUUM FULL")
    if any(statement.table(pattern) in big for pattern in patterns):
        return "it locks a whole big table"
    if statement.has(r"^REINDEX (?!.*CONCURRENTLY)"):
        return "REINDEX without CONCURRENTLY locks the table"
    return None


_RULES: tuple[Rule, ...] = (_index, _column, _type, _not_null, _constraint, _rows, _whole)
