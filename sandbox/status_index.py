"""Which custom hostnames have which statuses, in the order of their creation.

Knows sequence numbers and statuses only, so that a million names cost some megabytes, and a
page of any list by status costs about the page.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto

from sandbox.sorted_numbers import SortedNumbers


class AnyStatus(Enum):
    """Any status at all."""

    ANY = auto()


ANY = AnyStatus.ANY
Statuses = tuple[str, str | None]
"""A hostname's status and its certificate's, None where it has no certificate."""

_Key = tuple[str | AnyStatus, str | AnyStatus | None]
_NOBODY = 0
_EMPTY = SortedNumbers()


class StatusIndex:
    """Sorted sequence numbers by each status, by both and by neither."""

    def __init__(self) -> None:
        self._numbers: dict[_Key, SortedNumbers] = {}
        self._codes = array("I")
        self._statuses: list[Statuses | None] = [None]
        self._code_of: dict[Statuses | None, int] = {None: _NOBODY}

    def __len__(self) -> int:
        return len(self.of(ANY, ANY))

    def of(self, status: str | AnyStatus, ssl_status: str | AnyStatus | None) -> SortedNumbers:
        """Return the numbers with these statuses, oldest first."""
        return self._numbers.get((status, ssl_status), _EMPTY)

    def by_ssl_status(self, status: str | AnyStatus) -> list[SortedNumbers]:
        """Return the numbers with a hostname status, one group per certificate status."""
        known = {key[1] for key in self._numbers if key[0] == status}
        ssl_statuses = [ssl_status for ssl_status in known if not isinstance(ssl_status, AnyStatus)]
        ssl_statuses.sort(key=lambda ssl_status: ssl_status or "")
        return [self.of(status, ssl_status) for ssl_status in ssl_statuses]

    def statuses(self, number: int) -> Statuses | None:
        """Return the statuses of a number, None if there is no such custom hostname."""
        return self._statuses[self._codes[number]] if number < len(self._codes) else None

    def place(self, number: int, statuses: Statuses) -> None:
        """Take in a number, or move it to other statuses."""
        self.move((number,), lambda _: statuses)

    def forget(self, numbers: Sequence[int]) -> None:
        """Let numbers be nowhere."""
        self.move(numbers, lambda _: None)

    def move(
        self, numbers: Sequence[int], to: Callable[[Statuses | None], Statuses | None]
    ) -> None:
        """Move numbers, in ascending order, to the statuses that `to` makes of theirs."""
        self._make_room(numbers)
        for code, moved in self._grouped(numbers).items():
            old = self._statuses[code]
            new = to(old)
            if new == old:
                continue
            before, after = _keys(old), _keys(new)
            for key in before - after:
                self._numbers[key].discard(moved)
            for key in after - before:
                self._numbers.setdefault(key, SortedNumbers()).add(moved)
            new_code = self._code(new)
            for number in moved:
                self._codes[number] = new_code

    def _make_room(self, numbers: Sequence[int]) -> None:
        missing = max(numbers, default=-1) + 1 - len(self._codes)
        if missing > 0:
            self._codes.frombytes(bytes(missing * self._codes.itemsize))

    def _grouped(self, numbers: Iterable[int]) -> dict[int, list[int]]:
        grouped: defaultdict[int, list[int]] = defaultdict(list)
        for number in numbers:
            grouped[self._codes[number]].append(number)
        return grouped

    def _code(self, statuses: Statuses | None) -> int:
        code = self._code_of.setdefault(statuses, len(self._statuses))
        if code == len(self._statuses):
            self._statuses.append(statuses)
        return code


def _keys(statuses: Statuses | None) -> set[_Key]:
    if statuses is None:
        return set()
    status, ssl_status = statuses
    return {(ANY, ANY), (status, ANY), (ANY, ssl_status), (status, ssl_status)}
