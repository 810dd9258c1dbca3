"""Loads custom hostnames by the million, and changes or removes many of them at once."""

from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.clock import Clock
from sandbox.hostnames import CustomHostnames
from sandbox.lifecycle import Lifecycle
from sandbox.seeds import Family, Seed


@dataclass(frozen=True, slots=True)
class Statuses:
    """Statuses to set; None leaves as is."""

    hostname: str | None
    certificate: str | None


class Seeding:
    """What the control API may do to seeded custom hostnames. Cloudflare's limits do not apply."""

    def __init__(self, clock: Clock, hostnames: CustomHostnames, lifecycle: Lifecycle) -> None:
        self._clock = clock
        self._hostnames = hostnames
        self._lifecycle = lifecycle

    def load(self, family: Family, *, start: int, count: int, status: str, ssl_status: str) -> None:
        """Load a family's names from `start` on, with no course running; raises SeedTakenError."""
        self._hostnames.sow(
            Seed(
                prefix=family.prefix,
                domain=family.domain,
                start=start,
                count=count,
                first_sequence=self._hostnames.next_sequence(),
                status=status,
                ssl_status=ssl_status,
                created_at=self._clock.wall(),
                seeded_at=self._clock.schedule(),
            )
        )

    def restate(self, family: Family, numbers: Iterable[int], statuses: Statuses) -> int:
        """Set statuses, which stay until a refresh; say of how many."""
        found = self._hostnames.seeded_at(family, numbers)
        kept, untouched = self._hostnames.split(found)
        for hostname in kept:
            if statuses.hostname is not None:
                self._lifecycle.force_hostname(hostname, statuses.hostname, None)
            if statuses.certificate is not None:
                self._lifecycle.force_certificate(hostname, statuses.certificate, None)
        self._hostnames.restate(untouched, statuses.hostname, statuses.certificate)
        return len(found)

    def remove(self, family: Family, numbers: Iterable[int]) -> int:
        """Let names be gone behind everybody's back; say how many."""
        found = self._hostnames.seeded_at(family, numbers)
        kept, untouched = self._hostnames.split(found)
        for hostname in kept:
            self._lifecycle.remove(hostname)
        self._hostnames.uproot(untouched)
        return len(found)
