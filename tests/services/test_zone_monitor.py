"""A zone's CNAME target: how what DNS says of it is logged."""

from __future__ import annotations

from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from app.domain.observation import Absent, Found, Unknown
from app.domain.rate_limit import Limits
from app.persistence.database import Database
from app.services.rate_limiter import RateLimiter
from app.services.zone_monitor import ZoneMonitor
from app.services.zone_pauses import Pauses
from tests.support.rows import present_zone


class Dns:
    """Says of every name what it is told to."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    async def addresses(self, _: str) -> object:
        return self._answer


@pytest.mark.parametrize(
    ("answer", "warned"),
    [
        (Found(("192.0.2.1",)), []),
        (Absent(), ["absent"]),
        (Unknown("timeout"), ["unknown"]),
    ],
)
async def test_a_cname_target_that_is_found_is_no_warning(
    database: Database, answer: object, warned: list[str]
) -> None:
    nobody = cast("Any", None)
    budgets, pauses = RateLimiter(database, Limits()), Pauses(database)
    schedule = ZoneMonitor(database, nobody, cast("Any", Dns(answer)), nobody, budgets, pauses)
    with capture_logs() as entries:
        await schedule.check(await present_zone(database))
    warnings = [entry for entry in entries if entry["log_level"] == "warning"]
    assert [entry["status"] for entry in warnings] == warned
