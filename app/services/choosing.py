"""What a caller chose, checked before anything is written: plan and options, alone and shared."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from app.domain.choices import (
    FLATTENING,
    Choice,
    changed_choice,
    check_choice,
    is_at_cloudflare,
    parse_plan,
)
from app.domain.custom_hostname import CustomHostname, Plan
from app.domain.errors import PlanNotAvailable, SiblingDiffers
from app.domain.hostname import Hostname, PublicSuffix, registrable_domain
from app.domain.observation import Found, Unknown
from app.domain.options import Options, merge_options
from app.persistence.zones import Zone
from app.services.ports import Dns

NAME_SERVERS_SECONDS = 2.0
"""A request waits no longer than that to hear whose name servers an apex has."""


class Choosing:
    """Knows what can be chosen; changes nothing."""

    def __init__(self, dns: Dns, public_suffix: PublicSuffix) -> None:
        self._dns = dns
        self._public_suffix = public_suffix

    def is_apex(self, hostname: Hostname) -> bool:
        """Whether the name is its own registrable domain."""
        return registrable_domain(hostname.name, self._public_suffix) == hostname.name

    def first(
        self,
        hostname: Hostname,
        plan: str | None,
        said: Mapping[str, Any],
        *,
        zone: Zone,
        sibling: CustomHostname | None,
    ) -> Choice:
        """Give the choice for a new hostname; what its sibling has is the default.

        Raises:
            InvalidInput: it cannot work.
            SiblingDiffers: both share an object, and this asks for another one.
        """
        if sibling is None:
            choice = Choice(parse_plan(plan, hostname), hostname, _options(said))
            return self._check(choice, zone)
        _refuse_unshared_zone(zone, sibling)
        if plan is None and hostname.is_wildcard and sibling.plan is Plan.SIMPLE:
            raise SiblingDiffers(
                "/plan",
                f"{sibling.hostname.name} has plan `simple`, which no wildcard can have, and both "
                "are one object at Cloudflare. PATCH it to `delegated` first.",
            )
        parsed = parse_plan(plan or str(sibling.plan), hostname)
        choice = Choice(parsed, hostname, merge_options(sibling.options, said))
        _refuse_difference(choice, sibling)
        choice = self._check(choice, zone)
        _refuse_difference(choice, sibling)
        return choice

    def changed(
        self, records: Sequence[CustomHostname], said: Mapping[str, Any], zone: Zone
    ) -> Choice:
        """Give the choice after a change of `records`, which share one object.

        Raises:
            InvalidInput: it cannot work for one of them.
        """
        if said.get("plan", "") is None and any(r.hostname.is_wildcard for r in records):
            said = {**said, "plan": Plan.DELEGATED}
        choices = [
            self._check(changed_choice(Choice(r.plan, r.hostname, r.options), said), zone)
            for r in records
        ]
        return choices[0]

    async def refuse_apex(self, choice: Choice, zone: Zone) -> None:
        """Refuse `simple` for an apex, where no CNAME can stand.

        With apex proxying the tenant adds addresses instead, and a domain whose servers are
        Cloudflare's may have the CNAME: they flatten it (Cloudflare DNS, "CNAME flattening").
        """
        is_apex = self.is_apex(choice.hostname)
        if choice.plan is not Plan.SIMPLE or zone.apex_prefixes or not is_apex:
            return
        try:
            async with asyncio.timeout(NAME_SERVERS_SECONDS):
                seen = await self._dns.name_servers(choice.hostname.name)
        except TimeoutError:
            seen = Unknown("timeout")
        if not isinstance(seen, Found) or not is_at_cloudflare(seen.value):
            raise PlanNotAvailable(FLATTENING)

    def _check(self, choice: Choice, zone: Zone) -> Choice:
        # Until the zone was asked for its name: nearly always its target's registrable domain.
        name = zone.name or registrable_domain(zone.cname_target, self._public_suffix)
        return check_choice(choice, zone_name=name, public_suffix=self._public_suffix)


def apply(record: CustomHostname, choice: Choice) -> CustomHostname:
    """Give the record as it is wished."""
    return replace(record, plan=choice.plan, options=choice.options)


def _options(said: Mapping[str, Any]) -> Options:
    return merge_options(Options(), said)


def _refuse_unshared_zone(zone: Zone, sibling: CustomHostname) -> None:
    if zone.id != sibling.zone.id:
        raise SiblingDiffers(
            "/zone",
            f"{sibling.hostname.name} is in zone {sibling.zone.id}, and both are one object at "
            "Cloudflare; name that zone.",
        )


def _refuse_difference(choice: Choice, sibling: CustomHostname) -> None:
    """Name the first field in which the two would want different objects."""
    pairs = [("plan", choice.plan, sibling.plan)]
    pairs += [
        (each.name, getattr(choice.options, each.name), getattr(sibling.options, each.name))
        for each in fields(Options)
    ]
    for name, wanted, theirs in pairs:
        if wanted != theirs:
            raise SiblingDiffers(
                f"/{name}",
                f"{sibling.hostname.name} has another `{name}`, and both are one object at "
                "Cloudflare. Leave it out to have the same, or PATCH that one first.",
            )
