"""P3 and P4: a fleet in virtual time, against polling each minute and Cloudflare's own schedule."""

from __future__ import annotations

from benchmarks.fleet.report import rows, summary
from benchmarks.fleet.simulation import Scenario, simulate
from benchmarks.row import Row


async def measure() -> list[Row]:
    """Simulate once for both rows."""
    outcome = await simulate(Scenario())
    print(summary(outcome))
    return [row for each in rows(outcome).values() for row in each]
