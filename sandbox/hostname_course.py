"""The course of a hostname: pending, active, moved, deleted, or blocked.

Takes one step at a time; when steps are due is on the hostname's track.
"""

import math

from sandbox import backoff
from sandbox.clock import DAY, HOUR, Clock
from sandbox.fallback import FallbackOriginKeeper
from sandbox.holds import Holds
from sandbox.model import CustomHostname
from sandbox.validation import NO_CNAME, Routing, Validator, Verdict

LIVE = frozenset({"active", "active_redeploying"})
RECHECK_EVERY = 1 * HOUR
RECHECK_WALL_SECONDS = 10.0
"""The least wall time between two rechecks: at high speeds an hour is soon over."""

MOVED_FOR = 7 * DAY


class HostnameCourse:
    """Looks at hostnames and draws the conclusions."""

    def __init__(
        self, clock: Clock, validator: Validator, fallback: FallbackOriginKeeper, holds: Holds
    ) -> None:
        self._clock = clock
        self._validator = validator
        self._fallback = fallback
        self._holds = holds

    def begin(self, hostname: CustomHostname) -> None:
        """Look at once, then on the schedule. A hostname that is live stays so meanwhile."""
        if hostname.track.forced:
            hostname.verification_errors = []
        if hostname.track.forced or hostname.status not in LIVE:
            hostname.status = "pending"
            hostname.has_pointed_here = False
        hostname.track.restart(self._clock.schedule())
        self._block_if_held(hostname)

    async def step(self, hostname: CustomHostname) -> None:
        """Take the step that is due."""
        if hostname.track.due is None:
            return
        if hostname.status == "moved":
            hostname.status = "deleted"
            hostname.track.stop()
        elif self._block_if_held(hostname):
            return
        elif hostname.status in LIVE:
            await self._recheck(hostname, hostname.track.due)
        else:
            await self._try(hostname, hostname.track.due)

    async def _try(self, hostname: CustomHostname, at: float) -> None:
        epoch, now = hostname.track.epoch, self._clock.schedule()
        routing = await self._validator.routing(hostname.hostname)
        verdict = await self._judge(hostname, routing)
        if hostname.track.epoch != epoch:
            return
        hostname.verification_errors = list(verdict.errors)
        if verdict.passed:
            hostname.status = "active"
            hostname.has_pointed_here = routing is Routing.HERE
            hostname.track.due = self._next_recheck(at)
            return
        attempt, due = backoff.next_try(hostname.track.attempt, at, now)
        hostname.track.attempt, hostname.track.due = attempt, due
        if attempt == backoff.TRIES:
            self._move(hostname, due)

    async def _judge(self, hostname: CustomHostname, routing: Routing) -> Verdict:
        if error := self._fallback.error():
            return Verdict(passed=False, errors=(error,))
        return await self._validator.hostname(hostname, routing)

    async def _recheck(self, hostname: CustomHostname, at: float) -> None:
        epoch = hostname.track.epoch
        hostname.track.due = self._next_recheck(at)
        routing = await self._validator.routing(hostname.hostname)
        if hostname.track.epoch != epoch:
            return
        if routing is Routing.HERE:
            hostname.has_pointed_here = True
        elif hostname.has_pointed_here and routing is not Routing.UNKNOWN:
            self._move(hostname, at)

    def _block_if_held(self, hostname: CustomHostname) -> bool:
        """Block a hostname that is held or flagged: it stays so until a refresh."""
        error = self._holds.error(hostname.hostname)
        if error is None:
            return False
        hostname.status = "blocked"
        hostname.verification_errors = [error]
        hostname.track.stop()
        return True

    def _move(self, hostname: CustomHostname, at: float) -> None:
        hostname.status = "moved"
        hostname.verification_errors = hostname.verification_errors or [NO_CNAME]
        hostname.track.due = at + MOVED_FOR

    def _next_recheck(self, at: float) -> float:
        period = max(RECHECK_EVERY, RECHECK_WALL_SECONDS * self._clock.state.speed)
        missed = math.floor((self._clock.schedule() - at) / period)
        return at + period * (missed + 1)
