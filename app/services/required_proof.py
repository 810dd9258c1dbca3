"""Which names have to be proved, whoever had them before.

A key that is bound to a tenant may be in the tenant's own hands. A name whose DNS points here
already would be served for whoever adds it first, so with such a key it is proved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from app.domain.custom_hostname import CustomHostname
from app.domain.hostname import Hostname
from app.domain.proof import Demand, ProofRule
from app.domain.zone import TARGET_FINE, Zone, destinations
from app.persistence.database import Database
from app.persistence.zones import list_zones
from app.services.ports import Dns

DNS_SECONDS = 3.0
"""How long a request waits for the DNS of a new name."""


class RequiredProof:
    """Applies the rule of the settings."""

    def __init__(
        self,
        database: Database,
        dns: Dns,
        proxy_prefixes: Callable[[Zone], Awaitable[tuple[str, ...]]],
        rule: ProofRule,
    ) -> None:
        self._database = database
        self._dns = dns
        self._proxy_prefixes = proxy_prefixes
        self._rule = rule

    async def of_new(
        self, hostname: Hostname, zone: Zone, tenant: str, *, by_tenant: bool
    ) -> Demand:
        """Whether a new name has to be proved. `by_tenant`: its tenant's own key adds it.

        DNS is asked only if the answer depends on it. Without a certain answer the name may point
        here. No transaction may be open.
        """
        if self._rule is ProofRule.ON:
            return Demand.ALWAYS
        if self._rule is ProofRule.OFF or not by_tenant:
            return Demand.NONE
        if zone.target_dns_status not in TARGET_FINE:
            # Without the target, no answer says anything about the name.
            return Demand.ALWAYS
        async with self._database.transaction() as tx:
            ours = destinations(zone, await list_zones(tx))
        names = [hostname, *([Hostname(hostname.base)] if hostname.is_wildcard else [])]
        leads_elsewhere = partial(
            self._dns.leads_elsewhere,
            ours=ours,
            tenant=tenant,
            proxy_prefixes=partial(self._proxy_prefixes, zone),
            within=DNS_SECONDS,
        )
        itself, *base = await asyncio.gather(*(leads_elsewhere(name) for name in names))
        if not itself:
            return Demand.ALWAYS
        return Demand.NONE if all(base) else Demand.UNLESS_BASE_IS_HELD

    async def of_known(self, record: CustomHostname, zone: Zone, *, by_tenant: bool) -> Demand:
        """Whether a record that wants its name back has to prove it, or has to go on waiting.

        One that waits does so whatever key asks: only to add the name anew, with a key that is
        bound to no tenant, needs no proof.
        """
        if record.name_released_at is None:
            # It needs nothing. Should it release its name right now, it is to prove it.
            return Demand.ALWAYS
        by_tenant = by_tenant or record.awaits_proof
        return await self.of_new(record.hostname, zone, record.tenant, by_tenant=by_tenant)
