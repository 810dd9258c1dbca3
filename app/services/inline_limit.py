"""Limit how many requests reconcile inline at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Slot:
    """Permission for one inline reconcile, if there was one left."""

    def __init__(self, slots: InlineSlots, *, is_taken: bool) -> None:
        self._slots = slots
        self._handed_over = False
        self.is_taken = is_taken

    def hand_over(self) -> Callable[[object], None]:
        """Keep the slot beyond its block; the returned function releases it."""
        self._handed_over = True
        return lambda _: self._slots.release()

    def close(self) -> None:
        """Release the slot, unless it was handed over."""
        if self.is_taken and not self._handed_over:
            self._slots.release()


class InlineSlots:
    """The slots for inline reconciles.

    A slot is taken before a lease, never after it. A leased hostname that waited for a slot would
    keep idle workers away from it.
    """

    def __init__(self, count: int) -> None:
        self._free = count

    @contextmanager
    def take(self) -> Iterator[Slot]:
        """Take a slot for the block, if one is free."""
        is_taken = self._free > 0
        self._free -= int(is_taken)
        slot = Slot(self, is_taken=is_taken)
        try:
            yield slot
        finally:
            slot.close()

    def release(self) -> None:
        """Return a slot."""
        self._free += 1
