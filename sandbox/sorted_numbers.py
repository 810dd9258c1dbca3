"""Numbers in ascending order, found by position: what a page of a long list is cut from.

A list of small sorted arrays: a change moves a thousand numbers at most, a position is found
by walking over the arrays, and many changes at once are one merge.
"""

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

_FULL = 2_000
_MERGE_FROM = 64
"""Fewer changes than this are made one by one; more, if they are a fair share, by merging."""

_FAIR_SHARE = 50


class SortedNumbers:
    """A set of natural numbers that knows the position of each."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._fill(sorted(numbers))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self._arrays)

    def cut(self, start: int, stop: int) -> list[int]:
        """Return the numbers at the positions from `start` up to, without, `stop`."""
        found: list[int] = []
        for numbers in self._arrays:
            if stop <= 0:
                break
            if start < len(numbers):
                found.extend(numbers[max(start, 0) : stop])
            start -= len(numbers)
            stop -= len(numbers)
        return found

    def add(self, new: Sequence[int]) -> None:
        """Take in numbers that are not there yet."""
        if self._is_worth_merging(new):
            self._fill(sorted(chain(self, new)))
            return
        for number in new:
            self._add(number)

    def discard(self, old: Sequence[int]) -> None:
        """Forget numbers that are there."""
        if self._is_worth_merging(old):
            gone = set(old)
            self._fill([number for number in self if number not in gone])
            return
        for number in old:
            self._discard(number)

    def _is_worth_merging(self, changes: Sequence[int]) -> bool:
        return len(changes) >= _MERGE_FROM and len(changes) * _FAIR_SHARE >= self._count

    def _fill(self, ascending: Sequence[int]) -> None:
        whole = array("Q", ascending)
        self._count = len(whole)
        half = _FULL // 2
        self._arrays = [whole[at : at + half] for at in range(0, len(whole), half)]
        self._lasts = [numbers[-1] for numbers in self._arrays]

    def _add(self, number: int) -> None:
        if not self._arrays:
            self._fill([number])
            return
        place = min(bisect_left(self._lasts, number), len(self._arrays) - 1)
        numbers = self._arrays[place]
        insort(numbers, number)
        self._lasts[place] = numbers[-1]
        self._count += 1
        if len(numbers) > _FULL:
            half = len(numbers) // 2
            self._arrays[place : place + 1] = [numbers[:half], numbers[half:]]
            self._lasts[place : place + 1] = [numbers[half - 1], numbers[-1]]

    def _discard(self, number: int) -> None:
        place = bisect_left(self._lasts, number)
        numbers = self._arrays[place]
        del numbers[bisect_left(numbers, number)]
        self._count -= 1
        if numbers:
            self._lasts[place] = numbers[-1]
        else:
            del self._arrays[place], self._lasts[place]
