"""What has to be stored of seeds: the orders, and changes of many rows at once.

A few rows in the store for a million names; each row changed by itself is stored by `hostnames`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from pydantic import TypeAdapter

from sandbox.seeds import Seed
from sandbox.status_index import Statuses
from sandbox.store import Store

_SEED_KIND, _CHANGE_KIND, _GONE_KIND = "seed", "seed_change", "seed_gone"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of untouched rows: removal, or new statuses (None leaves as is)."""

    runs: list[tuple[int, int]]
    is_removal: bool = False
    status: str | None = None
    ssl_status: str | None = None

    def sequences(self) -> list[int]:
        """Return the sequence numbers that it is about, ascending."""
        return list(chain.from_iterable(range(start, stop) for start, stop in self.runs))

    def apply(self, before: Statuses | None) -> Statuses | None:
        """Return the statuses that a row has after it."""
        if before is None or self.is_removal:
            return None
        status, ssl_status = before
        return self.status or status, self.ssl_status or ssl_status


_SEED = TypeAdapter(Seed)
_CHANGE = TypeAdapter(Change)


class SeedLog:
    """Writes seeds and their changes, in their order."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written = len(store.rows(_CHANGE_KIND))

    def seeds(self) -> Iterator[Seed]:
        """Yield all seeds, oldest first."""
        for _, value in self._store.rows(_SEED_KIND):
            yield _SEED.validate_json(value)

    def changes(self) -> Iterator[Change]:
        """Yield all changes in their order."""
        for _, value in self._store.rows(_CHANGE_KIND):
            yield _CHANGE.validate_json(value)
        gone = [int(key) for key, _ in self._store.rows(_GONE_KIND)]
        if gone:
            yield Change(_runs(gone), is_removal=True)

    def loaded(self, seed: Seed) -> None:
        """Keep a seed."""
        self._store.put(_SEED_KIND, _key(seed.first_sequence), _SEED.dump_json(seed))

    def restated(
        self, sequences: Sequence[int], status: str | None, ssl_status: str | None
    ) -> Change:
        """Keep that rows have other statuses."""
        return self._append(Change(_runs(sequences), status=status, ssl_status=ssl_status))

    def removed(self, sequences: Sequence[int]) -> Change:
        """Keep that rows are gone."""
        return self._append(Change(_runs(sequences), is_removal=True))

    def one_removed(self, sequence: int) -> None:
        """Keep that one row is gone."""
        self._store.put(_GONE_KIND, _key(sequence), b"")

    def _append(self, change: Change) -> Change:
        if change.runs:
            self._store.put(_CHANGE_KIND, _key(self._written), _CHANGE.dump_json(change))
            self._written += 1
        return change


def _runs(ascending: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in ascending:
        if runs and runs[-1][1] == number:
            runs[-1] = runs[-1][0], number + 1
        else:
            runs.append((number, number + 1))
    return runs


def _key(number: int) -> str:
    return f"{number:012d}"
