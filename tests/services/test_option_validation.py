"""Which plan a name gets where none is named: DNS is asked where the choice depends on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from app.adapters.public_suffixes import any_suffix, public_suffix
from app.domain.custom_hostname import CustomHostname, Plan
from app.domain.errors import PlanNotAvailable
from app.domain.hostname import Hostname
from app.domain.observation import Absent, DnsView, Found, Unknown, Values
from app.domain.zone import Destinations
from app.persistence.database import Database
from app.services.option_validation import OptionValidator
from tests.support.rows import present_zone

CLOUDFLARES = Found(("ada.ns.cloudflare.com", "bob.ns.cloudflare.com"))
OTHERS: Values = Found(("ns1.other-dns.net",))


@dataclass
class NameServers:
    """A DNS that knows one thing of every name."""

    seen: Values
    hangs: bool = False
    asked: list[str] = field(default_factory=list)

    async def name_servers(self, domain: str) -> Values:
        self.asked.append(domain)
        if self.hangs:
            await asyncio.sleep(3600)
        return self.seen

    async def check(
        self, record: CustomHostname, *, thorough: bool, proxy_prefixes: object
    ) -> DnsView:
        raise NotImplementedError("options ask for name servers alone")

    async def leads_elsewhere(
        self,
        hostname: Hostname,
        *,
        ours: Destinations,
        tenant: str,
        proxy_prefixes: object,
        within: float,
    ) -> bool:
        raise NotImplementedError("options ask for name servers alone")

    async def addresses(self, name: str) -> Values:
        raise NotImplementedError("options ask for name servers alone")


async def chosen(
    database: Database,
    name: str,
    dns: NameServers,
    *,
    plan: str | None = None,
    prefixes: tuple[str, ...] = (),
) -> tuple[str, bool]:
    """Give the plan that the name gets, and whether it is taken for an apex."""
    zone = replace(await present_zone(database), apex_prefixes=prefixes)
    knows = OptionValidator(dns, public_suffix, any_suffix, patience=0.05)
    hostname = Hostname(name)
    ground = await knows.ground(hostname, plan, zone)
    default = knows.default_plan(hostname, ground, zone)
    choice = knows.first(hostname, plan, {}, zone=zone, sibling=None, default=default)
    knows.refuse_apex(choice.plan, ground, zone)
    return str(choice.plan), ground.is_apex


@pytest.mark.parametrize(
    ("name", "seen", "expected"),
    [
        ("tenant.com", OTHERS, ("zero_downtime", True)),
        ("tenant.com", CLOUDFLARES, ("simple", True)),
        ("tenant.com", Absent(), ("zero_downtime", True)),
        ("tenant.com", Unknown("servfail"), ("zero_downtime", True)),
        ("tenant.co.uk", OTHERS, ("zero_downtime", True)),
        ("shop.tenant.com", OTHERS, ("simple", False)),
        ("*.tenant.com", OTHERS, ("delegated", False)),
        # Right below a private suffix: a registry's, or a platform's.
        ("acme.uk.com", OTHERS, ("zero_downtime", True)),
        ("acme.uk.com", CLOUDFLARES, ("simple", True)),
        ("acme.uk.com", Unknown("timeout"), ("zero_downtime", True)),
        ("shop.github.io", Absent(), ("simple", False)),
        ("www.acme.uk.com", OTHERS, ("simple", False)),
    ],
)
async def test_without_a_plan_the_one_that_works_for_the_name_is_taken(
    database: Database, name: str, seen: Values, expected: tuple[str, bool]
) -> None:
    assert await chosen(database, name, NameServers(seen)) == expected


async def test_dns_that_does_not_answer_keeps_no_choice_waiting(database: Database) -> None:
    dns = NameServers(Absent(), hangs=True)
    assert await chosen(database, "tenant.com", dns) == ("zero_downtime", True)
    assert await chosen(database, "shop.github.io", dns) == ("zero_downtime", True)


async def test_with_apex_proxying_an_apex_is_simple_and_dns_is_not_asked(
    database: Database,
) -> None:
    dns = NameServers(OTHERS)
    prefixes = ("192.0.2.0/24",)
    assert await chosen(database, "tenant.com", dns, prefixes=prefixes) == ("simple", True)
    assert await chosen(database, "tenant.com", dns, plan="delegated") == ("delegated", True)
    assert await chosen(database, "www.tenant.com", dns) == ("simple", False)
    assert dns.asked == []


@pytest.mark.parametrize("name", ["tenant.com", "acme.uk.com"])
async def test_simple_for_an_apex_is_refused_with_the_plan_to_take(
    database: Database, name: str
) -> None:
    with pytest.raises(PlanNotAvailable, match="Choose `zero_downtime`"):
        await chosen(database, name, NameServers(OTHERS), plan=str(Plan.SIMPLE))
