"""Check the plan and options that a caller chose, before anything is written.

`domain/option_rules` has the rules; this adds what has to be asked of DNS or of the sibling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from app.domain.custom_hostname import CustomHostname, Plan
from app.domain.errors import PlanNotAvailable, SiblingDiffers
from app.domain.hostname import Hostname, PublicSuffix, registrable_domain
from app.domain.observation import Absent, Found, Unknown, Values
from app.domain.option_rules import (
    FLATTENING,
    ChosenOptions,
    Ground,
    default_plan,
    is_at_cloudflare,
    parse_plan,
    patched_options,
    settle,
    spell_names,
    takes_cname,
    validate_options,
)
from app.domain.options import Options, merge_options
from app.domain.zone import Zone
from app.services.ports import Dns

OWN_FIELDS = ("metadata", "labels")
"""What the caller keeps with a hostname. It never goes to Cloudflare or to the sibling."""
NAME_SERVERS_SECONDS = 2.0
"""How long a request waits for the name servers of an apex."""


class OptionValidator:
    """Knows which plans and options are possible."""

    def __init__(
        self,
        dns: Dns,
        public_suffix: PublicSuffix,
        any_suffix: PublicSuffix,
        *,
        patience: float = NAME_SERVERS_SECONDS,
    ) -> None:
        self._dns = dns
        self._public_suffix = public_suffix
        self._any_suffix = any_suffix
        self._patience = patience

    async def ground(self, hostname: Hostname, plan: str | None, zone: Zone) -> Ground:
        """Find out whether a new name is an apex; DNS is asked only if the plan depends on it.

        A registrable domain is an apex. A name directly below a private suffix may be one
        (`acme.uk.com` is, `shop.github.io` is not): it counts as one unless DNS has no NS records
        there for certain.
        """
        name = hostname.name
        is_apex = registrable_domain(name, self._public_suffix) == name
        may_be = is_apex or registrable_domain(name, self._any_suffix) == name
        needed = plan in {None, Plan.SIMPLE} and not zone.apex_prefixes
        if not may_be or (is_apex and not needed):
            return Ground(is_apex)
        seen = await self._name_servers(name)
        return Ground(is_apex or not isinstance(seen, Absent), _is_at_cloudflare(seen))

    async def ground_of(self, record: CustomHostname, changes: Mapping[str, Any]) -> Ground:
        """Find out the same for an accepted name whose plan is changed."""
        needed = record.is_apex and changes.get("plan", "") in {None, Plan.SIMPLE}
        if not needed or record.zone.apex_prefixes:
            return Ground(record.is_apex)
        return Ground(
            record.is_apex, _is_at_cloudflare(await self._name_servers(record.hostname.name))
        )

    def default_plan(self, hostname: Hostname, ground: Ground, zone: Zone) -> Plan:
        """Give the plan for a request that names none."""
        works = takes_cname(ground, is_proxied=bool(zone.apex_prefixes))
        return default_plan(hostname, takes_cname=works)

    def first(
        self,
        hostname: Hostname,
        plan: str | None,
        requested: Mapping[str, Any],
        *,
        zone: Zone,
        sibling: CustomHostname | None,
        default: Plan,
    ) -> ChosenOptions:
        """Give plan and options of a new hostname. The sibling's values come before `default`.

        Raises:
            InvalidInput: it cannot work.
            SiblingDiffers: both share an object, and this asks for a different one.
        """
        if sibling is None:
            parsed = parse_plan(str(default) if plan is None else plan, hostname)
            return self._check(ChosenOptions(parsed, hostname, _options(requested)), zone)
        _refuse_unshared_zone(zone, sibling)
        if plan is None and hostname.is_wildcard and sibling.plan is Plan.SIMPLE:
            raise SiblingDiffers(
                "/plan",
                f"{sibling.hostname.name} shares its object at Cloudflare with this wildcard, and "
                "has plan `simple`, which a wildcard cannot use. PATCH it to `delegated` first.",
            )
        parsed = parse_plan(plan or str(sibling.plan), hostname)
        choice = ChosenOptions(parsed, hostname, merge_options(sibling.options, requested))
        choice = spell_names(choice, self._public_suffix)
        _refuse_difference(choice, sibling)
        choice = self._check(choice, zone)
        _refuse_difference(choice, sibling)
        return choice

    def changed(
        self,
        records: Sequence[CustomHostname],
        changes: Mapping[str, Any],
        *,
        zone: Zone,
        default: Plan,
    ) -> ChosenOptions:
        """Give plan and options after a change of `records`, which share one object.

        Raises:
            InvalidInput: it cannot work for one of them.
        """
        if changes.get("plan", "") is None:
            is_wildcard = any(r.hostname.is_wildcard for r in records)
            changes = {**changes, "plan": str(Plan.DELEGATED if is_wildcard else default)}
        choices = [
            self._check(
                patched_options(ChosenOptions(r.plan, r.hostname, r.options), changes), zone
            )
            for r in records
        ]
        return choices[0]

    def differences(self, record: CustomHostname, requested: Mapping[str, Any]) -> list[str]:
        """Return the fields of a repeated request, as JSON pointers, that differ from the record.

        What the request leaves out does not differ, whatever was changed since.

        Raises:
            InvalidInput: plan or options are not well-formed.
        """
        # Without a plan, a request takes the default, which a record need not keep.
        named = {k: v for k, v in requested.items() if k != "plan" or v is not None}
        current = ChosenOptions(record.plan, record.hostname, record.options)
        # In the form that is stored, but not validated: what is stored may not be accepted today.
        choice = settle(spell_names(patched_options(current, named), self._public_suffix))
        before, after = _values(current), _values(choice)
        differing = [
            f"/{name}" for name, value in after.items() if name in named and value != before[name]
        ]
        return differing + [
            f"/{name}"
            for name in OWN_FIELDS
            if name in requested and (requested[name] or {}) != getattr(record, name)
        ]

    def refuse_apex(self, plan: Plan, ground: Ground, zone: Zone) -> None:
        """Refuse `simple` for an apex where no CNAME can stand.

        Raises:
            PlanNotAvailable: with the plan to take.
        """
        works = takes_cname(ground, is_proxied=bool(zone.apex_prefixes))
        if plan is Plan.SIMPLE and not works:
            raise PlanNotAvailable(FLATTENING)

    def fits(self, plan: str, hostname: Hostname, ground: Ground, zone: Zone) -> bool:
        """Whether a new name may have the plan."""
        try:
            self.refuse_apex(parse_plan(plan, hostname), ground, zone)
        except PlanNotAvailable:
            return False
        return True

    async def _name_servers(self, name: str) -> Values:
        try:
            async with asyncio.timeout(self._patience):
                return await self._dns.name_servers(name)
        except TimeoutError:
            return Unknown("timeout")

    def _check(self, choice: ChosenOptions, zone: Zone) -> ChosenOptions:
        # Before the zone's name is known: nearly always its target's registrable domain.
        name = zone.name or registrable_domain(zone.cname_target, self._public_suffix)
        return validate_options(choice, zone_name=name, public_suffix=self._public_suffix)


def apply(record: CustomHostname, choice: ChosenOptions) -> CustomHostname:
    """Give the record with the chosen plan and options."""
    return replace(record, plan=choice.plan, options=choice.options)


def _is_at_cloudflare(seen: Values) -> bool:
    return isinstance(seen, Found) and is_at_cloudflare(seen.value)


def _values(choice: ChosenOptions) -> dict[str, Any]:
    options = {each.name: getattr(choice.options, each.name) for each in fields(choice.options)}
    return {"plan": choice.plan, **options}


def _options(requested: Mapping[str, Any]) -> Options:
    return merge_options(Options(), requested)


def _refuse_unshared_zone(zone: Zone, sibling: CustomHostname) -> None:
    if zone.id != sibling.zone.id:
        raise SiblingDiffers(
            "/zone",
            f"{sibling.hostname.name} shares its object at Cloudflare with this hostname, and is "
            f"in zone {sibling.zone.id}; use that zone.",
        )


def _refuse_difference(choice: ChosenOptions, sibling: CustomHostname) -> None:
    """Refuse the first field in which the two would need different objects."""
    pairs = [("plan", choice.plan, sibling.plan)]
    pairs += [
        (each.name, getattr(choice.options, each.name), getattr(sibling.options, each.name))
        for each in fields(Options)
    ]
    for name, wanted, theirs in pairs:
        if wanted != theirs:
            raise SiblingDiffers(
                f"/{name}",
                f"{sibling.hostname.name} shares its object at Cloudflare with this hostname and "
                f"has another `{name}`. Leave it out to use the same, or PATCH the other first.",
            )
