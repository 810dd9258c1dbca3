"""Which new hostnames have to be proved, whoever had the name before.

A key that is bound to a tenant may be in the tenant's own hands. A name whose DNS points here
already would be served for whoever adds it first, so with such a key it is proved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from app.domain.custom_hostname import CustomHostname, State
from app.domain.hostname import Hostname
from app.domain.observation import Found
from app.domain.proof import ProofRule, may_point_here
from app.domain.zone import TARGET_FINE, Zone
from app.services.locked_records import targets_of
from app.services.ports import Dns

DNS_SECONDS = 3.0
"""How long a request waits for the DNS of a new name."""


class RequiredProof:
    """Applies the rule of the settings."""

    def __init__(
        self,
        dns: Dns,
        proxy_prefixes: Callable[[Zone], Awaitable[tuple[str, ...]]],
        rule: ProofRule,
        *,
        patience: float = DNS_SECONDS,
    ) -> None:
        self._dns = dns
        self._proxy_prefixes = proxy_prefixes
        self._rule = rule
        self._patience = patience

    async def of_new(self, hostname: Hostname, zone: Zone, tenant: str, *, by_tenant: bool) -> bool:
        """Whether a new name has to be proved. `by_tenant`: its tenant's own key adds it.

        DNS is asked only if the answer depends on it. Without a certain answer the name may point
        here.
        """
        if not self._depends_on_dns(by_tenant=by_tenant):
            return self._rule is ProofRule.ON
        if zone.target_dns_status not in TARGET_FINE:
            # Without the target, no answer says anything about the name.
            return True
        try:
            async with asyncio.timeout(self._patience):
                seen = await self._dns.routing(
                    hostname,
                    targets_of(zone),
                    tenant=tenant,
                    proxy_prefixes=partial(self._proxy_prefixes, zone),
                )
        except TimeoutError:
            return True
        return not isinstance(seen, Found) or may_point_here(seen.value)

    def of_waiting(self, record: CustomHostname, *, by_tenant: bool) -> bool:
        """Whether a record that awaits its proof still has to be proved.

        What its last check found tells, as long as its DNS is checked.
        """
        if not self._depends_on_dns(by_tenant=by_tenant):
            return self._rule is ProofRule.ON
        return record.state is State.FAILED or may_point_here(record.dns.routing)

    def _depends_on_dns(self, *, by_tenant: bool) -> bool:
        return by_tenant and self._rule is ProofRule.TENANT_KEYS
