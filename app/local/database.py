"""The database of a local run: the one that is named, or an embedded Postgres."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.local.postgres import embedded_postgres

VARIABLE = "NAMEPLATE_DATABASE_URL"


@contextmanager
def local_database(data_dir: Path, *, keep: bool, given: str | None = None) -> Iterator[str]:
    """Yield the database that is named as it is, or start a Postgres in `data_dir`.

    Without `given` the environment alone counts, not `.env`: a demo must not end up in the
    database that a service of this folder uses.
    """
    named = given or os.environ.get(VARIABLE)
    if named:
        yield named
        return
    with embedded_postgres(data_dir / "postgres", keep=keep) as url:
        yield url


@contextmanager
def data_directory(given: Path | None) -> Iterator[Path]:
    """Yield the given directory, made if missing, or a temporary one that is removed again."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="nameplate-", ignore_cleanup_errors=True) as made:
        yield Path(made)
