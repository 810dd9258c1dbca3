"""The sandbox's memory on disk: one table of small rows, written through before each answer.

Not a database for queries: everything is read once, at start. What was answered survives
the death of the process (not of the machine: nothing here is worth an fsync).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK_SECONDS = 1.0
_PRAGMAS = (
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=OFF",
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID
"""


class DataDirInUseError(RuntimeError):
    """Another sandbox works in the same data directory."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(f"another sandbox uses the data directory {data_dir}")


class Store:
    """Rows of bytes by kind and key."""

    def __init__(self, data_dir: Path | None) -> None:
        """Open the file in a directory; without one, remember until closed."""
        if data_dir:
            data_dir.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            data_dir / "sandbox.sqlite3" if data_dir else ":memory:",
            isolation_level=None,
            timeout=_LOCK_SECONDS,
        )
        try:
            for statement in (*_PRAGMAS, _SCHEMA):
                self._connection.execute(statement).close()
        except sqlite3.OperationalError as error:
            self._connection.close()
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or data_dir is None:
                raise
            raise DataDirInUseError(data_dir) from None

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Insert or replace one row."""
        self._connection.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", (kind, key, value))

    def delete(self, kind: str, key: str) -> None:
        """Forget one row, if it is there."""
        self._connection.execute("DELETE FROM rows WHERE kind = ? AND key = ?", (kind, key))

    def get(self, kind: str, key: str) -> bytes | None:
        """Return one row's value."""
        found = self._connection.execute(
            "SELECT value FROM rows WHERE kind = ? AND key = ?", (kind, key)
        ).fetchone()
        return found[0] if found else None

    def rows(self, kind: str) -> list[tuple[str, bytes]]:
        """Return all rows of a kind in the order of their keys."""
        return self._connection.execute(
            "SELECT key, value FROM rows WHERE kind = ? ORDER BY key", (kind,)
        ).fetchall()

    def clear(self, kind: str | None = None) -> None:
        """Forget all rows of a kind, or all there is."""
        if kind is None:
            self._connection.execute("DELETE FROM rows")
        else:
            self._connection.execute("DELETE FROM rows WHERE kind = ?", (kind,))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all writes inside one commit."""
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
