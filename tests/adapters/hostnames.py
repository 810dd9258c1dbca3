"""Records as the adapters are given them."""

from __future__ import annotations

from datetime import UTC, datetime

from app.domain.custom_hostname import CloudflareObject, CustomHostname, Plan, ZoneTargets
from app.domain.hostname import Hostname
from app.domain.observation import ValidationRecord

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TARGET = "customers.provider.net"


def a_record(
    name: str = "www.shop.com",
    *,
    accepted: tuple[str, ...] = (),
    ownership: str | None = None,
    tokens: tuple[str, ...] = (),
    zone: ZoneTargets | None = None,
) -> CustomHostname:
    """Give a record that waits for its CNAME, and for a TXT at each of the other names."""
    return CustomHostname(
        id="host_1",
        hostname=Hostname(name),
        tenant="acme",
        zone=zone or ZoneTargets(id="zone_1", cname_target=TARGET, accepted_targets=accepted),
        plan=Plan.ZERO_DOWNTIME,
        cloudflare=CloudflareObject(
            ownership=(ownership, "wanted") if ownership else None,
            validation_records=tuple(ValidationRecord(token, "wanted") for token in tokens),
        ),
        created_at=NOW,
        updated_at=NOW,
        wanted_at=NOW,
        acted_at=NOW,
    )
