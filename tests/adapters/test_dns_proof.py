"""What a check takes for a proof of control, over real packets."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from app.adapters.dns.checker import DnsChecker
from app.domain.custom_hostname import CustomHostname, ProofOfControl
from app.domain.observation import Absent, DnsView, Found, Unknown, Values
from tests.adapters.delegated_dns import Script, delegated
from tests.adapters.hostnames import a_record
from tests.adapters.scripted_dns import scripted_dns

NAME = "_nameplate-challenge.www.shop.com"
PROOF = f"{NAME} TXT wanted"


def claimed() -> CustomHostname:
    return replace(a_record(), proof=ProofOfControl(token="wanted"))


async def look(*zone_files: str, fault: str = "", thorough: bool = True) -> DnsView:
    """Check by resolvers with these records; a `fault` is that of the first."""
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(
                scripted_dns(text, faults={NAME: fault} if fault and number == 0 else {})
            )
            for number, text in enumerate(zone_files)
        ]
        checker = DnsChecker([each.server for each in servers], wait=0.5)
        return await checker.check(claimed(), thorough=thorough)


@pytest.mark.parametrize(
    ("zone_files", "expected"),
    [
        pytest.param([PROOF, PROOF], Found(("wanted",)), id="all have it"),
        pytest.param(
            [f"{PROOF}\n{NAME} TXT older", PROOF], Found(("wanted",)), id="one has more beside it"
        ),
        pytest.param([PROOF, ""], Unknown("servers_disagree"), id="one has nothing"),
        pytest.param([PROOF, f"{NAME} TXT other"], Unknown("servers_disagree"), id="one differs"),
        pytest.param(["", ""], Absent(), id="none has it"),
        pytest.param(
            [f"{NAME} CNAME of.others.net\nof.others.net TXT wanted"],
            Absent(),
            id="at the end of a CNAME",
        ),
    ],
)
async def test_a_proof_is_what_all_servers_have_at_the_very_name(
    zone_files: list[str], expected: Values
) -> None:
    view = await look(*zone_files)
    assert view.records == {("TXT", NAME): expected}
    assert view.is_thorough


@pytest.mark.parametrize("fault", ["servfail", "refused", "silence"])
async def test_a_server_that_could_not_be_asked_proves_nothing(fault: str) -> None:
    alone = await look(PROOF, fault=fault)
    assert isinstance(alone.records["TXT", NAME], Unknown)
    beside = await look(PROOF, PROOF, fault=fault)
    assert beside.records["TXT", NAME] == Found(("wanted",))


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        pytest.param([Script(PROOF)], Found(("wanted",)), id="the only server"),
        pytest.param(
            [Script(PROOF), Script(PROOF, fault="silence")],
            Unknown("one_server_alone"),
            id="one of two",
        ),
        pytest.param(
            [Script(PROOF), Script(PROOF), Script(PROOF, fault="silence")],
            Found(("wanted",)),
            id="two of three",
        ),
    ],
)
async def test_one_of_several_name_servers_proves_nothing_alone(
    servers: list[Script], expected: Values
) -> None:
    async with delegated(*servers) as net:
        view = await net.checker(wait=0.5).check(claimed(), thorough=True)
    assert view.records["TXT", NAME] == expected


async def test_a_proof_asks_the_servers_of_today() -> None:
    async with delegated(PROOF) as net:
        checker = net.checker()
        await checker.check(claimed(), thorough=False)
        known = len(net.root.asked)
        await checker.check(claimed(), thorough=True)
        assert len(net.root.asked) > known


async def test_a_routine_check_is_marked_as_one() -> None:
    view = await look(PROOF, PROOF, thorough=False)
    assert (view.records["TXT", NAME], view.is_thorough) == (Found(("wanted",)), False)
