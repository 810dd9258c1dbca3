"""Limits how many requests of a kind one process holds open: in all, and for each API key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.domain.errors import NameplateError


class ConcurrencyLimit:
    """How many requests of a kind are held open. One API key cannot keep all others out."""

    def __init__(
        self, most: int, most_of_a_key: int, what: str, refusal: Callable[[str], NameplateError]
    ) -> None:
        """Take both limits, what they are of, and the error of a request beyond them."""
        self._most = most
        self._most_of_a_key = most_of_a_key
        self._what = what
        self._refusal = refusal
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, key_id: str) -> Iterator[None]:
        """Count a request of this API key while it is held open.

        Raises:
            NameplateError: the refusal, because as many are open as may be.
        """
        if self._taken[key_id] >= self._most_of_a_key:
            raise self._refusal(
                f"{self._most_of_a_key} {self._what} of this API key are open already; end one, or "
                "try again later."
            )
        if self._taken.total() >= self._most:
            raise self._refusal(f"{self._most} {self._what} are open already; try again later.")
        self._taken[key_id] += 1
        try:
            yield
        finally:
            self._taken[key_id] -= 1
            if not self._taken[key_id]:
                del self._taken[key_id]
