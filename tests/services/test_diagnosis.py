"""How often DNS is asked for a diagnosis, and what happens where something cannot be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from app.adapters.public_suffixes import public_suffix
from app.domain.custom_hostname import DnsRecord, Schedule
from app.domain.diagnosis.domain_connect import DomainConnectOffer, ProviderSettings, Service
from app.domain.diagnosis.survey import DnsSurvey, Lookup, Outcome
from app.domain.errors import CloudflareUnavailable
from app.domain.hostname import Hostname
from app.domain.zone import Zone
from app.persistence.database import Database
from app.services.cloudflare_ranges import AddressRanges
from app.services.diagnosis import KEPT_SECONDS, Diagnoses
from tests.support.rows import present_zone, put_hostname

NAME = "shop.quiet-lane.com"


@dataclass
class Surveyor:
    """Counts the surveys, and holds each until it may end."""

    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    made: int = 0
    fails: bool = False

    async def survey(
        self,
        hostname: Hostname,
        records: Sequence[DnsRecord],
        *,
        targets: Sequence[str],
        registrable: str | None,
    ) -> DnsSurvey:
        assert records
        assert targets
        self.made += 1
        await self.may_end.wait()
        if self.fails:
            raise RuntimeError("a fault of ours")
        nothing = Lookup(name=hostname.name, type="A", outcome=Outcome.NO_DATA)
        return DnsSurvey(
            looked_at=datetime.now(UTC),
            name=hostname.name,
            owner=hostname.name,
            registrable=registrable,
            registration=nothing,
            zone=registrable,
            cname=nothing,
            a=nothing,
            aaaa=nothing,
            doubled=nothing,
        )


class NoRanges:
    async def of(self, zone: Zone) -> tuple[str, ...]:
        assert zone.id
        return ()


class Connect:
    """A DNS provider that lists the routing template."""

    async def discover(self, domain: str) -> DomainConnectOffer | None:
        settings = ProviderSettings(
            provider_id="registrar.net",
            name="The Registrar",
            url_sync_ux="https://connect.registrar.net",
            url_api="https://api.registrar.net",
        )
        services = frozenset({Service.ROUTING})
        return DomainConnectOffer(domain=domain, settings=settings, services=services)

    def link(
        self,
        offer: DomainConnectOffer,
        service: Service,
        *,
        host: str,
        variables: Mapping[str, str],
    ) -> str:
        assert service is Service.ROUTING
        return f"https://{offer.host}/{offer.domain}/{host}/{variables['target']}"


@dataclass
class World:
    diagnoses: Diagnoses
    surveyor: Surveyor
    now: list[float]
    record_id: str

    async def until_waiting(self, count: int) -> None:
        """Wait until so many callers wait for the survey that is under way."""
        async with asyncio.timeout(10):
            while [kept.waiting for kept in self.diagnoses._looks.values()] != [count]:
                await asyncio.sleep(0.01)


@pytest.fixture
async def world(database: Database) -> World:
    await put_hostname(database, await present_zone(database), "ch_1", NAME, Schedule())
    surveyor, now = Surveyor(), [0.0]
    unused: Any = None
    diagnoses = Diagnoses(
        database,
        surveyor,
        unused,
        cast("AddressRanges", NoRanges()),
        (),
        public_suffix,
        domain_connect=Connect(),
        clock=lambda: now[0],
    )
    return World(diagnoses, surveyor, now, "ch_1")


async def test_those_who_ask_at_once_share_one_survey(world: World) -> None:
    asking = [asyncio.create_task(world.diagnoses.of_hostname(world.record_id)) for _ in range(5)]
    while not world.surveyor.made:
        await asyncio.sleep(0.01)
    world.surveyor.may_end.set()
    found = await asyncio.gather(*asking)
    assert world.surveyor.made == 1
    assert len({each.survey.looked_at for each in found if each is not None}) == 1


async def test_a_caller_that_leaves_does_not_end_the_survey_of_the_others(world: World) -> None:
    leaving = asyncio.create_task(world.diagnoses.of_hostname(world.record_id))
    staying = asyncio.create_task(world.diagnoses.of_hostname(world.record_id))
    await world.until_waiting(2)
    leaving.cancel()
    await world.until_waiting(1)
    world.surveyor.may_end.set()
    assert await staying is not None
    assert world.surveyor.made == 1


async def test_a_survey_ends_with_the_last_caller_that_waits_for_it(world: World) -> None:
    leaving = asyncio.create_task(world.diagnoses.of_hostname(world.record_id))
    await world.until_waiting(1)
    leaving.cancel()
    await world.until_waiting(0)
    world.surveyor.may_end.set()
    assert await world.diagnoses.of_hostname(world.record_id) is not None
    assert world.surveyor.made == 2


async def test_a_name_is_surveyed_again_after_a_minute(world: World) -> None:
    world.surveyor.may_end.set()
    await world.diagnoses.of_hostname(world.record_id)
    world.now[0] = KEPT_SECONDS - 1
    await world.diagnoses.of_hostname(world.record_id)
    assert world.surveyor.made == 1
    world.now[0] = KEPT_SECONDS
    await world.diagnoses.of_hostname(world.record_id)
    assert world.surveyor.made == 2


async def test_a_survey_that_failed_is_not_kept(world: World) -> None:
    world.surveyor.may_end.set()
    world.surveyor.fails = True
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await world.diagnoses.of_hostname(world.record_id)
    world.surveyor.fails = False
    assert await world.diagnoses.of_hostname(world.record_id) is not None


async def test_a_provider_that_lists_the_template_is_offered_with_the_host_of_its_link(
    world: World,
) -> None:
    world.surveyor.may_end.set()
    found = await world.diagnoses.of_hostname(world.record_id)
    assert found is not None
    assert found.apply_link is not None
    assert (found.apply_link.provider, found.apply_link.host) == (
        "The Registrar",
        "connect.registrar.net",
    )
    assert found.apply_link.url.startswith("https://connect.registrar.net/quiet-lane.com/shop/")


@dataclass
class Ranges:
    """Cloudflare's `/ips`, which fails until it is told not to."""

    asked: int = 0
    fails: bool = True

    async def address_ranges(self, access: Any) -> tuple[str, ...]:
        assert access
        self.asked += 1
        if self.fails:
            raise CloudflareUnavailable("Cloudflare did not answer.")
        return ("198.51.100.0/24",)


class Plain:
    def decrypt(self, token: bytes) -> str:
        return token.decode()


class Free:
    """A budget that always has a call to spare."""

    async def acquire(self, name: str, lane: Any) -> Any:
        assert name
        assert lane
        return type("Grant", (), {"granted": 1})()


async def test_address_ranges_that_cloudflare_does_not_tell_are_asked_for_later(
    database: Database,
) -> None:
    zone = await present_zone(database)
    cloudflare, now = Ranges(), [0.0]
    parts: list[Any] = [cloudflare, Plain(), Free()]
    ranges = AddressRanges(*parts, clock=lambda: now[0])
    assert await ranges.of(zone) == ()
    assert await ranges.of(zone) == ()
    assert cloudflare.asked == 1
    cloudflare.fails = False
    now[0] = 31
    assert await ranges.of(zone) == ("198.51.100.0/24",)
    now[0] = 80_000
    assert await ranges.of(zone) == ("198.51.100.0/24",)
    assert cloudflare.asked == 2
