"""Whether a worker's loops are alive: each notes when it began its last round."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.metrics import HEARTBEAT_AGE
from app.worker.loop import POLL_SECONDS

HUNG_SECONDS = 60 * POLL_SECONDS
"""A round takes a second when nothing is due, and a few seconds when Postgres is slow."""


class Heartbeats:
    """The last heartbeat of each loop. Other threads read it, so only whole values are set."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}

    def of(self, loop: str) -> Callable[[], None]:
        """Monitor a loop, which calls the returned function at the start of each round."""

        def beat() -> None:
            self._last[loop] = self._clock()

        beat()
        HEARTBEAT_AGE.labels(loop).set_function(lambda: self.age(loop))
        return beat

    def age(self, loop: str) -> float:
        """Return the seconds since the loop's last heartbeat."""
        return self._clock() - self._last[loop]

    def hung(self) -> list[str]:
        """Return the loops whose last heartbeat is too long ago."""
        return sorted(loop for loop in list(self._last) if self.age(loop) > HUNG_SECONDS)
