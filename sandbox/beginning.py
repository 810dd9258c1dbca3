"""What a sandbox begins with, at first and after each reset: its clock and its randomness."""

from dataclasses import dataclass

from sandbox.clock import Clock
from sandbox.identifiers import Identifiers


@dataclass(frozen=True, slots=True)
class Beginning:
    """The speed of time, whether the zone is set up, and the seed of all waits.

    With `frozen_at`, a wall time, it is for a simulation: no real time passes, the clock stands
    there until advanced, and identifiers are drawn by the seed.
    """

    speed: float
    set_up: bool
    seed: int
    frozen_at: float | None = None

    def clock(self) -> Clock:
        """Return a new clock."""
        if self.frozen_at is None:
            return Clock.started_now(self.speed)
        return Clock.frozen(self.speed, self.frozen_at)

    def identifiers(self) -> Identifiers:
        """Return a new source of identifiers."""
        if self.frozen_at is None:
            return Identifiers.unique()
        return Identifiers.repeatable(self.seed)
