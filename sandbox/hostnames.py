"""The zone's custom hostnames, found by id, name and status without reading them all.

Keeps and finds; how a hostname changes is `lifecycle`, what may be asked is `hostname_query`.
Seeded ones are made up when they are read, and kept like all others once they are changed.
"""

from collections.abc import Iterable, Iterator, Sequence

from pydantic import TypeAdapter

from sandbox.model import CustomHostname
from sandbox.seed_log import SeedLog
from sandbox.seeds import Family, Seed, Seeds, SeedTakenError
from sandbox.status_index import Statuses, StatusIndex
from sandbox.store import Store

_KIND = "custom_hostname"
_ROW = TypeAdapter(CustomHostname)


class CustomHostnames:
    """All of them in the order of their creation, written through to the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.index = StatusIndex()
        self._by_id: dict[str, CustomHostname] = {}
        self._by_name: dict[str, CustomHostname] = {}
        self._by_sequence: dict[int, CustomHostname] = {}
        self._last_sequence = 0
        self._seeds = Seeds()
        self._seed_log = SeedLog(store)
        for seed in self._seed_log.seeds():
            self._sow(seed)
        for change in self._seed_log.changes():
            self.index.move(change.sequences(), change.apply)
        rows = [_ROW.validate_json(value) for _, value in store.rows(_KIND)]
        for hostname in sorted(rows, key=lambda row: row.sequence):
            self._remember(hostname)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def seeded(self) -> int:
        """How many were ever seeded."""
        return self._seeds.loaded

    def next_sequence(self) -> int:
        """Return a number higher than any given before in this zone."""
        self._last_sequence += 1
        return self._last_sequence

    def get(self, hostname_id: str) -> CustomHostname | None:
        """Return the custom hostname with an id."""
        return self._by_id.get(hostname_id) or self._first(self._seeds.with_id(hostname_id))

    def named(self, name: str) -> CustomHostname | None:
        """Return the custom hostname of a name."""
        return self._by_name.get(name) or self._first(self._seeds.named(name))

    def at(self, sequences: Iterable[int]) -> Iterator[CustomHostname]:
        """Yield the custom hostnames at sequence numbers that there are."""
        for sequence in sequences:
            yield self._by_sequence.get(sequence) or self._made_up(sequence)

    def name_at(self, sequence: int) -> str:
        """Return the name at a sequence number that there is."""
        kept = self._by_sequence.get(sequence)
        return kept.hostname if kept else self._seed_at(sequence).name_at(sequence)

    def kept(self) -> Iterable[CustomHostname]:
        """Return all but the seeded ones that nobody touched: no course of those runs."""
        return self._by_id.values()

    def save(self, hostname: CustomHostname) -> None:
        """Keep a new or changed custom hostname."""
        self._remember(hostname)
        self._store.put(_KIND, hostname.id, _ROW.dump_json(hostname))

    def remove(self, hostname: CustomHostname) -> None:
        """Forget a custom hostname."""
        self.index.forget((hostname.sequence,))
        if self._by_sequence.pop(hostname.sequence, None):
            del self._by_id[hostname.id]
            del self._by_name[hostname.hostname]
            self._store.delete(_KIND, hostname.id)
        if self._seeds.at(hostname.sequence):
            self._seed_log.one_removed(hostname.sequence)

    def sow(self, seed: Seed) -> None:
        """Load many at once, their sequence numbers being the next; raises SeedTakenError."""
        self._refuse_taken(seed)
        self._sow(seed)
        self._seed_log.loaded(seed)

    def seeded_at(self, family: Family, numbers: Iterable[int]) -> list[int]:
        """Return the sequence numbers that there are of a family's numbers, ascending."""
        found = (self._living(self._seeds.numbered(family, number)) for number in numbers)
        return sorted(sequence for sequence in found if sequence is not None)

    def split(self, sequences: Sequence[int]) -> tuple[list[CustomHostname], list[int]]:
        """Part those that are kept from those that nobody touched."""
        kept = [row for sequence in sequences if (row := self._by_sequence.get(sequence))]
        return kept, [sequence for sequence in sequences if sequence not in self._by_sequence]

    def restate(self, untouched: Sequence[int], status: str | None, ssl_status: str | None) -> None:
        """Set statuses of untouched seeded ones; None leaves as is."""
        change = self._seed_log.restated(untouched, status, ssl_status)
        self.index.move(untouched, change.apply)

    def uproot(self, untouched: Sequence[int]) -> None:
        """Forget untouched seeded ones."""
        self._seed_log.removed(untouched)
        self.index.forget(untouched)

    def _sow(self, seed: Seed) -> None:
        self._seeds.add(seed)
        statuses: Statuses = (seed.status, seed.ssl_status)
        self.index.move(seed.sequences, lambda _: statuses)
        self._last_sequence = max(self._last_sequence, seed.sequences[-1])

    def _refuse_taken(self, seed: Seed) -> None:
        if other := self._seeds.clashing(seed.family):
            raise SeedTakenError(f"the ids are those of {other.prefix}-*.{other.domain}")
        taken = self.seeded_at(seed.family, seed.numbers)
        names = [row.hostname for row in self.at(taken[:1])]
        names += [name for name in self._by_name if seed.names(name)]
        if names:
            raise SeedTakenError(f"there is a custom hostname {names[0]} already")

    def _first(self, sequences: Iterator[int]) -> CustomHostname | None:
        living = self._living(sequences)
        return None if living is None else next(self.at((living,)))

    def _living(self, sequences: Iterator[int]) -> int | None:
        return next((number for number in sequences if self.index.statuses(number)), None)

    def _made_up(self, sequence: int) -> CustomHostname:
        statuses = self.index.statuses(sequence)
        if statuses is None:
            raise LookupError(f"no custom hostname at {sequence}")
        return self._seed_at(sequence).row(sequence, *statuses)

    def _seed_at(self, sequence: int) -> Seed:
        seed = self._seeds.at(sequence)
        if seed is None:
            raise LookupError(f"nothing was seeded at {sequence}")
        return seed

    def _remember(self, hostname: CustomHostname) -> None:
        self._by_id[hostname.id] = hostname
        self._by_name[hostname.hostname] = hostname
        self._by_sequence[hostname.sequence] = hostname
        self.index.place(hostname.sequence, (hostname.status, hostname.ssl_status))
        self._last_sequence = max(self._last_sequence, hostname.sequence)
