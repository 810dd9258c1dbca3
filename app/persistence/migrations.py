"""Migrates a database's schema to what this code needs, or back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command, op
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.domain.errors import NotReady

_IS_VALID = (
    "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND indisvalid)"
)
LOCK_TIMEOUT = "4s"
STATEMENT_TIMEOUT = "60s"

_PACKAGE = Path(__file__).resolve().parents[1]


def scripts() -> Path:
    """Return the migrations' folder: in the package if it is installed, else beside it."""
    packed = _PACKAGE / "migrations"
    return packed if packed.is_dir() else _PACKAGE.parent / "migrations"


def alembic_config(database_url: str, folder: Path | None = None) -> Config:
    """Return Alembic's configuration for one database, wherever the process was started."""
    config = Config()
    # Alembic interpolates the value, and the folder's name may contain a percent sign.
    config.set_main_option("script_location", str(folder or scripts()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = database_url
    return config


def migrate(database_url: str, revision: str = "head", *, folder: Path | None = None) -> None:
    """Upgrade the schema. It blocks, with an event loop of its own; within a loop, use a thread."""
    command.upgrade(alembic_config(database_url, folder), revision)


def build_index(name: str, table: str, columns: Sequence[str], **options: Any) -> None:
    """Build an index while the service runs, in a migration that does nothing else.

    It first drops what a failed build left behind, an INVALID index. A valid one stays, so that a
    migration that failed at its last index does not build all of them again.
    """
    if not op.get_context().as_sql and op.get_bind().scalar(text(_IS_VALID), {"name": name}):
        return
    with _beside_the_service():
        op.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')
        op.create_index(name, table, list(columns), postgresql_concurrently=True, **options)


def take_index_away(name: str) -> None:
    """Drop an index while the service runs, in a migration that does nothing else."""
    with _beside_the_service():
        op.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"')


def validate_constraint(table: str, name: str) -> None:
    """Validate a constraint while the service runs, however long its table takes to read.

    In a migration that does nothing else. Validating again what is valid does nothing.
    """
    with _beside_the_service():
        op.execute(f'ALTER TABLE "{table}" VALIDATE CONSTRAINT "{name}"')


def create_extension(name: str) -> None:
    """Create an extension of Postgres, if the database lacks it.

    Raises:
        NotReady: the server has no such extension, or the role may not create it.
    """
    try:
        op.execute(f'CREATE EXTENSION IF NOT EXISTS "{name}"')
    except DBAPIError as error:
        cause = str(error.orig).rpartition(": ")[2]
        raise NotReady(
            f"The database needs the extension {name} ({cause}). Let a role that may create it "
            f"run `CREATE EXTENSION {name};` in this database, then run `nameplate migrate` again."
        ) from error


@contextmanager
def _beside_the_service() -> Iterator[None]:
    with op.get_context().autocommit_block():
        # It blocks nothing, and waits for every transaction that is older than itself.
        op.execute("SET lock_timeout = 0")
        op.execute("SET statement_timeout = 0")
        yield
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        op.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'")
