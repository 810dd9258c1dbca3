"""The sandbox's two clocks: wall time for stamps and limits, schedule time for waits.

Not a timer: `agenda` decides what runs when; this file only says what time it is.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

SECOND = 1.0
MINUTE = 60.0
HOUR = 3600.0
DAY = 86_400.0


@dataclass(slots=True)
class ClockState:
    """What must survive a restart for both clocks to go on where they were.

    `frozen_at` is the real time that wall time stands at while the clock is frozen.
    """

    speed: float
    started_at: float
    offset: float = 0.0
    anchor_wall: float = 0.0
    anchor_schedule: float = 0.0
    frozen_at: float | None = None


class Clock:
    """Wall time is real time plus all advances; schedule time is wall time, `speed` times faster.

    Advancing lets that many seconds of wall time pass, so schedule time moves on by
    `speed` times as many. A change of speed never makes either clock jump, nor does freezing:
    while frozen, no real time gets in and advances alone move the clocks.
    """

    def __init__(self, state: ClockState) -> None:
        self._state = state

    @classmethod
    def started_now(cls, speed: float) -> "Clock":
        """Return a clock whose schedule time is zero at this moment."""
        now = time.time()
        return cls(ClockState(speed=speed, started_at=now, anchor_wall=now))

    @classmethod
    def frozen(cls, speed: float, wall: float) -> "Clock":
        """Return a clock that stands at a wall time, its schedule time zero."""
        state = ClockState(speed=speed, started_at=wall, anchor_wall=wall, frozen_at=wall)
        return cls(state)

    @property
    def is_frozen(self) -> bool:
        """Say whether advances alone move the clocks."""
        return self._state.frozen_at is not None

    @property
    def state(self) -> ClockState:
        """What has to be stored."""
        return self._state

    def wall(self) -> float:
        """Return wall time in seconds since the epoch."""
        real = time.time() if self._state.frozen_at is None else self._state.frozen_at
        return real + self._state.offset

    def schedule(self) -> float:
        """Return schedule time in seconds since the sandbox was first started."""
        elapsed = self.wall() - self._state.anchor_wall
        return self._state.anchor_schedule + elapsed * self._state.speed

    def wall_at(self, schedule: float) -> float:
        """Return the wall time at which schedule time was, or will be, so much."""
        return self.wall() + (schedule - self.schedule()) / self._state.speed

    def real_seconds_until(self, due: float) -> float | None:
        """Return how long to sleep until schedule time reaches `due`; None: it never does."""
        wait = max(0.0, (due - self.schedule()) / self._state.speed)
        return None if wait and self.is_frozen else wait

    def advance(self, seconds: float) -> None:
        """Let `seconds` of wall time pass at once."""
        self._state.offset += seconds

    def freeze(self) -> None:
        """Let no real time pass from now on."""
        if self._state.frozen_at is None:
            self._state.frozen_at = time.time()

    def thaw(self) -> None:
        """Let real time pass again, from where the clocks stand."""
        if self._state.frozen_at is not None:
            self._state.offset += self._state.frozen_at - time.time()
            self._state.frozen_at = None

    def set_speed(self, speed: float) -> None:
        """Run schedule time at another speed from now on."""
        self._state.anchor_schedule = self.schedule()
        self._state.anchor_wall = self.wall()
        self._state.speed = speed


@lru_cache(maxsize=4096)
def rfc3339(wall: float) -> str:
    """Write a wall time the way Cloudflare writes its timestamps."""
    stamp = datetime.fromtimestamp(wall, UTC)
    return stamp.isoformat(timespec="microseconds").replace("+00:00", "Z")
