"""After somebody acted, DNS is checked every ten seconds; six times a day at most."""

from __future__ import annotations

from typing import Any

from tests.support import Service

PERIODS = 6


async def press(service: Service, hostname: dict[str, Any], *, periods: int, fast: bool) -> None:
    """Press "check now" after the last period; wait for so many periods, and for the next check."""
    await service.advance(minutes=11)
    await service.refresh(hostname["id"])

    async def is_scheduled() -> bool:
        # A worker may have had the lease, and looks again once it is woken.
        return bool(
            await service.sql.fetchval(
                "SELECT w.fast_periods_today = $2 AND w.leased_until IS NULL "
                "AND w.wakes = w.claimed_wakes AND w.refreshed_at >= h.refresh_requested_at "
                "AND (w.fast_from = h.acted_at) = $3 "
                "AND (w.dns_due_at <= nameplate_now() + interval '10 seconds' OR NOT $3) "
                "FROM schedules w JOIN custom_hostnames h ON h.id = w.custom_hostname_id "
                "WHERE h.id = $1",
                hostname["id"],
                periods,
                fast,
            )
        )

    await service.eventually(is_scheduled)


async def test_a_seventh_act_of_a_day_checks_once_and_then_as_if_nobody_had_asked(
    service: Service,
) -> None:
    hostname = await service.create("shop.impatient.com")
    await service.until_state(hostname["id"], "validating")
    for number in range(2, PERIODS + 1):
        await press(service, hostname, periods=number, fast=True)
    await press(service, hostname, periods=PERIODS, fast=False)
    # It still looks at once.
    await service.point_here(hostname)
    await service.until(
        hostname["id"], lambda shown: [each["status"] for each in shown["records"]] == ["found"]
    )
    await service.follow(hostname["id"], "cname_verified")
