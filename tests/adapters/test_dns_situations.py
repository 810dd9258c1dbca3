"""The table of DNS situations, each asked of real servers, checked and diagnosed."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from app.adapters.dns.answer import Server
from app.adapters.dns.authoritative import AuthoritativeServers
from app.adapters.dns.checker import DnsChecker
from app.adapters.dns.limits import ServerLimits
from app.adapters.dns.providers import load_providers
from app.adapters.dns.surveyor import Surveyor
from app.adapters.public_suffixes import public_suffix
from app.domain.custom_hostname import (
    CloudflareObject,
    CustomHostname,
    Desired,
    Sibling,
    State,
    ZoneTargets,
)
from app.domain.diagnosis.catalogue import Code
from app.domain.diagnosis.finding import Severity
from app.domain.diagnosis.provider import provider_of
from app.domain.diagnosis.subject import subject_of
from app.domain.hostname import Hostname, registrable_domain
from app.domain.observation import (
    CloudflareHostname,
    DnsView,
    Found,
    Observation,
    Unknown,
    ValidationRecord,
)
from app.domain.options import CertificateAuthority, Options
from app.domain.plan import wanted_records
from app.domain.reconcile.evidence import apply_observation
from tests.adapters.dns_situations import ALL, net
from tests.adapters.dns_situations.situation import (
    CLOUDFLARE_RANGE,
    LOOSE,
    OTHER_TARGET,
    RESOLVER,
    ROOT,
    SILENT,
    SIX,
    STRICT_TARGET,
    TARGET,
    UUID,
    Seen,
    Situation,
)
from tests.adapters.scripted_dns import scripted_dns
from tests.domain.builders import NOW, POLICY
from tests.domain.builders_diagnosis import diagnosed
from tests.support.dns_servers import DnsServers, dns_servers, has_ipv6

NETWORKS = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
PROVIDERS = load_providers()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DnsServers]:
    with dns_servers(tmp_path_factory.mktemp("situations")) as started:
        net.start(started, ALL)
        yield started


def test_each_situation_has_a_domain_and_a_fact_of_its_own() -> None:
    for key, times in Counter(name for each in ALL for name in (each.domain, each.fact)).items():
        assert times == 1, key


def test_every_code_comes_about() -> None:
    assert {code for each in ALL for code in each.codes} == {*Code}


def test_many_situations_raise_no_alarm() -> None:
    quiet = [each for each in ALL if all(code.severity is Severity.INFO for code in each.codes)]
    assert len(quiet) >= 80


@pytest.mark.parametrize("situation", ALL, ids=lambda each: each.fact)
async def test_what_is_made_of_a_situation(servers: DnsServers, situation: Situation) -> None:
    if SIX in situation.served and not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback address")
    async with AsyncExitStack() as stack:
        if LOOSE in situation.served:
            loose = scripted_dns(
                net.loose_records(situation),
                zones=(situation.domain,),
                faults=situation.faults,
                address=LOOSE,
                port=servers.port,
            )
            await stack.enter_async_context(loose)
        await _check(servers, situation)
        await _diagnose(servers, situation)


async def _check(servers: DnsServers, situation: Situation) -> None:
    record = _record(situation)
    thorough = situation.sees if situation.thorough is None else situation.thorough
    for is_thorough, expected in ((False, situation.sees), (True, thorough)):
        limits = ServerLimits(NETWORKS)
        checker = DnsChecker(
            [_resolver(servers, situation)],
            wait=5.0,
            authoritative=_walk(servers, situation),
            limits=limits,
        )
        view = await checker.check(record, thorough=is_thorough)
        assert _seen(view) == expected
        if not is_thorough:
            _compare_records(situation, record, view)


def _compare_records(situation: Situation, record: CustomHostname, view: DnsView) -> None:
    noted = apply_observation(record, Observation(dns=view), now=NOW, policy=POLICY)
    shown = wanted_records(noted)
    expected = situation.statuses or ["found"] * len(shown)
    assert [str(each.status) for each in shown] == list(expected)
    assert [value for each in shown for value in each.found] == list(situation.found)
    assert [each.found_at for each in shown if each.found_at] == list(situation.found_at)


async def _diagnose(servers: DnsServers, situation: Situation) -> None:
    record = _record(situation)
    surveyor = Surveyor(
        [_resolver(servers, situation)],
        _walk(servers, situation),
        limits=ServerLimits(NETWORKS),
        wait=5.0,
    )
    survey = await surveyor.survey(
        record.hostname,
        wanted_records(record),
        targets=record.zone.targets,
        registrable=registrable_domain(record.hostname.base, public_suffix),
    )
    subject = subject_of(
        record,
        fallback_origin="proxy-fallback.provider.net",
        provider_zone="provider.net",
        provider=provider_of(survey.name_servers, PROVIDERS),
        proxy_prefixes=(CLOUDFLARE_RANGE,),
    )
    findings = diagnosed(subject, survey)
    assert [each.code for each in findings] == [code.value for code in situation.codes], findings
    params = {name: value for each in reversed(findings) for name, value in each.params.items()}
    assert {name: params.get(name) for name in situation.facts} == situation.facts


def _record(situation: Situation) -> CustomHostname:
    hostname = Hostname(situation.host)
    base = hostname.base
    tokens = tuple(ValidationRecord(f"_acme-challenge.{base}", each) for each in situation.tokens)
    ownership = (f"_cf-custom-hostname.{base}", situation.owner) if situation.owner else None
    seen = CloudflareHostname(
        id="cf-1",
        hostname=base,
        status=situation.hostname_status or "pending",
        ssl_status=situation.ssl_status or "pending_validation",
        verification_errors=(situation.cloudflare_error,) if situation.cloudflare_error else (),
    )
    sibling = Sibling(
        id="host_2", hostname=Hostname(f"*.{base}"), desired=Desired.PRESENT, state=State.PENDING
    )
    return CustomHostname(
        id="host_1",
        hostname=hostname,
        tenant="acme",
        zone=ZoneTargets(
            id="zone_1",
            cname_target=TARGET,
            accepted_targets=(OTHER_TARGET, STRICT_TARGET),
            apex_prefixes=tuple(situation.apex_addresses),
            dcv_uuid=UUID,
        ),
        plan=situation.plan,
        options=Options(
            certificate_authority=CertificateAuthority(situation.authority)
            if situation.authority
            else None
        ),
        state=State.CNAME_VERIFIED if situation.live else State.PENDING,
        is_apex=situation.host == situation.domain,
        cloudflare=CloudflareObject(
            id="cf-1", seen=seen, ownership=ownership, validation_records=tokens
        ),
        sibling=sibling if situation.wildcard else None,
        created_at=NOW,
        updated_at=NOW,
        wanted_at=NOW,
        acted_at=NOW,
    )


def _seen(view: DnsView) -> Seen:
    match view.routing:
        case Found(routing):
            return routing.kind
        case Unknown(why):
            return why
        case _:
            raise AssertionError(view)


def _resolver(servers: DnsServers, situation: Situation) -> Server:
    return Server(RESOLVER if situation.has_resolver else SILENT, servers.port)


def _walk(servers: DnsServers, situation: Situation) -> AuthoritativeServers:
    return AuthoritativeServers(
        [_resolver(servers, situation)],
        roots=[ROOT if situation.has_root else SILENT],
        port=servers.port,
        allowed=NETWORKS,
    )
