"""What a look reads from resolvers, over real packets."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from app.adapters.dns.answer import Server
from app.adapters.dns.checker import DnsChecker
from app.domain.custom_hostname import CustomHostname, Plan
from app.domain.observation import (
    Absent,
    DnsView,
    Found,
    Routing,
    RoutingKind,
    Unknown,
    Values,
)
from tests.adapters.hostnames import TARGET, a_record
from tests.adapters.scripted_dns import ScriptedDns, scripted_dns

SHORT = 0.15
"""A wait for tests in which nobody answers."""
PROVIDER = f"""
    {TARGET} A 203.0.113.81
    {TARGET} A 203.0.113.82
    {TARGET} AAAA 2001:db8::81
    second.provider.net A 203.0.113.91
"""
OWNERSHIP = "_cf-custom-hostname.www.shop.com"


async def look(
    *resolvers: ScriptedDns,
    record: CustomHostname | None = None,
    thorough: bool = False,
    wait: float = 5.0,
) -> DnsView:
    servers = [resolver.server for resolver in resolvers]
    return await DnsChecker(servers, wait=wait).check(record or a_record(), thorough=thorough)


def chain_of(hops: int, *, end: str = "") -> str:
    names = ["www.shop.com", *(f"hop{number}.net" for number in range(1, hops + 1))]
    lines = [f"{one} CNAME {other}" for one, other in pairwise(names)]
    return "\n".join([*lines, f"{names[-1]} {end}" if end else ""])


@pytest.mark.parametrize(
    ("zone_file", "expected"),
    [
        (f"www.shop.com CNAME {TARGET}", Routing(RoutingKind.CNAME, (TARGET,))),
        (f"www.shop.com CNAME {TARGET.upper()}", Routing(RoutingKind.CNAME, (TARGET,))),
        (
            f"www.shop.com CNAME shop.cdn.net\nshop.cdn.net CNAME {TARGET}",
            Routing(RoutingKind.CNAME, ("shop.cdn.net", TARGET)),
        ),
        (
            "www.shop.com CNAME second.provider.net",
            Routing(RoutingKind.CNAME, ("second.provider.net",)),
        ),
        (
            "www.shop.com A 203.0.113.81\nwww.shop.com A 203.0.113.82",
            Routing(RoutingKind.FLATTENED, (), ("203.0.113.81", "203.0.113.82")),
        ),
        ("www.shop.com A 203.0.113.82", Routing(RoutingKind.FLATTENED, (), ("203.0.113.82",))),
        ("www.shop.com A 203.0.113.91", Routing(RoutingKind.FLATTENED, (), ("203.0.113.91",))),
        ("www.shop.com AAAA 2001:db8::81", Routing(RoutingKind.FLATTENED, (), ("2001:db8::81",))),
        (
            "www.shop.com A 203.0.113.81\nwww.shop.com AAAA 2001:db8::81",
            Routing(RoutingKind.FLATTENED, (), ("203.0.113.81", "2001:db8::81")),
        ),
        (
            "www.shop.com A 203.0.113.81\nwww.shop.com AAAA 2001:db8::99",
            Routing(RoutingKind.ELSEWHERE, (), ("203.0.113.81", "2001:db8::99")),
        ),
        (
            "www.shop.com CNAME alias.shop.com\nalias.shop.com A 203.0.113.81",
            Routing(RoutingKind.FLATTENED, ("alias.shop.com",), ("203.0.113.81",)),
        ),
        (
            "www.shop.com A 203.0.113.81\nwww.shop.com A 198.51.100.7",
            Routing(RoutingKind.ELSEWHERE, (), ("198.51.100.7", "203.0.113.81")),
        ),
        (
            "www.shop.com A 203.0.113.81\nwww.shop.com A 203.0.113.91",
            Routing(RoutingKind.ELSEWHERE, (), ("203.0.113.81", "203.0.113.91")),
        ),
        ("www.shop.com A 198.51.100.7", Routing(RoutingKind.ELSEWHERE, (), ("198.51.100.7",))),
        ("www.shop.com AAAA 2001:db8::99", Routing(RoutingKind.ELSEWHERE, (), ("2001:db8::99",))),
        (
            "www.shop.com CNAME gone.other.net",
            Routing(RoutingKind.ELSEWHERE, ("gone.other.net",)),
        ),
        (
            f"www.shop.com CNAME not-{TARGET}",
            Routing(RoutingKind.ELSEWHERE, (f"not-{TARGET}",)),
        ),
        ("shop.com A 198.51.100.7", Routing(RoutingKind.ABSENT)),
        ("www.shop.com TXT beside", Routing(RoutingKind.ABSENT)),
    ],
)
@pytest.mark.parametrize("follows", [True, False], ids=["whole_chain", "cname_only"])
async def test_routing_is_told_by_chain_and_addresses(
    zone_file: str, expected: Routing, *, follows: bool
) -> None:
    async with scripted_dns(PROVIDER + zone_file, follows=follows) as resolver:
        view = await look(resolver, record=a_record(accepted=("second.provider.net",)))
    assert view.routing == Found(expected)


async def test_no_question_is_asked_past_the_target() -> None:
    async with scripted_dns(f"www.shop.com CNAME {TARGET}", faults={TARGET: "servfail"}) as dns:
        view = await look(dns)
    assert view.routing == Found(Routing(RoutingKind.CNAME, (TARGET,)))
    assert [asked.name for asked in dns.asked] == ["www.shop.com"]
    assert dns.asked[0].recursion_desired


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("servfail", "servfail"),
        ("refused", "refused"),
        ("formerr", "formerr"),
        ("notimp", "notimp"),
        ("silence", "timeout"),
        ("malformed", "timeout"),
        ("cut_short", "timeout"),
        ("wrong_id", "timeout"),
        ("other_question", "timeout"),
        ("no_question", "timeout"),
        ("cut_tcp", "unusable_answer"),
        ("lame", "lame"),
    ],
)
@pytest.mark.parametrize("thorough", [False, True])
async def test_an_unusable_answer_is_unknown(fault: str, why: str, *, thorough: bool) -> None:
    async with scripted_dns(PROVIDER, faults={"*": fault}) as dns:
        wait = SHORT if why == "timeout" else 5.0
        view = await look(dns, record=a_record(ownership=OWNERSHIP), wait=wait, thorough=thorough)
    assert view.routing == Unknown(why)
    assert view.records == {("TXT", OWNERSHIP): Unknown(why)}


async def test_a_closed_port_is_unknown() -> None:
    async with scripted_dns() as dns:
        pass
    view = await look(dns, wait=SHORT)
    assert view.routing == Unknown("timeout")


async def test_no_resolver_at_all_is_unknown() -> None:
    for thorough in (False, True):
        view = await look(record=a_record(ownership=OWNERSHIP), thorough=thorough)
        assert view == DnsView(
            Unknown("no_server"),
            {("TXT", OWNERSHIP): Unknown("no_server")},
            is_thorough=thorough,
        )


async def test_an_unusable_answer_about_the_target_is_unknown_not_elsewhere() -> None:
    zone_file = "www.shop.com A 203.0.113.81"
    async with scripted_dns(PROVIDER + zone_file, faults={TARGET: "servfail"}) as dns:
        view = await look(dns)
    assert view.routing == Unknown("servfail")


async def test_an_unusable_answer_behind_a_cname_is_unknown_not_absent() -> None:
    async with scripted_dns(
        "www.shop.com CNAME far.other.net", faults={"far.other.net": "refused"}, follows=False
    ) as dns:
        view = await look(dns)
    assert view.routing == Unknown("refused")


async def test_a_forged_packet_does_not_shut_out_the_true_answer() -> None:
    async with scripted_dns(f"www.shop.com CNAME {TARGET}", faults={"*": "wrong_id_first"}) as dns:
        view = await look(dns)
    assert view.routing == Found(Routing(RoutingKind.CNAME, (TARGET,)))
    assert len(dns.asked) == 1


async def test_a_truncated_answer_is_asked_for_again_over_tcp() -> None:
    async with scripted_dns(f"www.shop.com CNAME {TARGET}", faults={"*": "truncated"}) as dns:
        view = await look(dns)
    assert view.routing == Found(Routing(RoutingKind.CNAME, (TARGET,)))
    assert [asked.tcp for asked in dns.asked] == [False, True]


@pytest.mark.parametrize(
    ("zone_file", "expected"),
    [
        (f"{OWNERSHIP} TXT wanted", Found(("wanted",))),
        (f'{OWNERSHIP} TXT "wan" "ted"', Found(("wanted",))),
        (f"{OWNERSHIP} TXT other\n{OWNERSHIP} TXT wanted", Found(("other", "wanted"))),
        (f"{OWNERSHIP} TXT Wanted", Found(("Wanted",))),
        (f'{OWNERSHIP} TXT "\\255\\254"', Found(("\ufffd\ufffd",))),
        (f"{OWNERSHIP} CNAME acme.proofs.net\nacme.proofs.net TXT wanted", Found(("wanted",))),
        (f"{OWNERSHIP} CNAME acme.proofs.net", Absent()),
        (f"{OWNERSHIP} A 203.0.113.7", Absent()),
        ("", Absent()),
    ],
)
@pytest.mark.parametrize("follows", [True, False], ids=["whole_chain", "cname_only"])
async def test_txt_strings_are_joined_and_no_values_are_absent(
    zone_file: str, expected: Values, *, follows: bool
) -> None:
    async with scripted_dns(zone_file, follows=follows) as dns:
        view = await look(dns, record=a_record(ownership=OWNERSHIP))
    assert view.records == {("TXT", OWNERSHIP): expected}


async def test_two_values_wanted_at_one_name_are_one_question() -> None:
    token = "_acme-challenge.www.shop.com"
    async with scripted_dns(f"{token} TXT one\n{token} TXT two") as dns:
        view = await look(dns, record=a_record(ownership=OWNERSHIP, tokens=(token, token)))
    assert view.records == {("TXT", token): Found(("one", "two")), ("TXT", OWNERSHIP): Absent()}
    assert sorted(dns.names_asked("TXT")) == [token, OWNERSHIP]


@pytest.mark.parametrize("bad", ["a..b.com", "x" * 64 + ".com", "a." * 140 + "com", "\udcff.com"])
async def test_a_text_that_is_no_name_is_unknown(bad: str) -> None:
    async with scripted_dns() as dns:
        view = await look(dns, record=a_record(tokens=(bad,)))
    assert view.records == {("TXT", bad): Unknown("unusable_name")}
    assert view.routing == Found(Routing(RoutingKind.ABSENT))


async def test_a_wildcard_is_asked_at_a_new_random_label_each_time() -> None:
    async with scripted_dns(f"*.shop.com CNAME {TARGET}\nshop.com A 198.51.100.7") as dns:
        views = [await look(dns, record=a_record("*.shop.com")) for _ in range(2)]
    assert [view.routing for view in views] == [Found(Routing(RoutingKind.CNAME, (TARGET,)))] * 2
    labels = [name.removesuffix(".shop.com") for name in dns.names_asked("A")]
    assert len(set(labels)) == 2
    assert all(label.startswith("nameplate-") and "." not in label for label in labels)


async def test_a_record_at_one_label_is_no_wildcard() -> None:
    async with scripted_dns(f"shop.com CNAME {TARGET}\nwww.shop.com CNAME {TARGET}") as dns:
        view = await look(dns, record=a_record("*.shop.com"))
    assert view.routing == Found(Routing(RoutingKind.ABSENT))


async def test_the_longest_wildcard_can_still_be_asked() -> None:
    base = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 55, "com"])
    assert len(f"*.{base}") == 253
    async with scripted_dns(f"*.{base} CNAME {TARGET}") as dns:
        view = await look(dns, record=a_record(f"*.{base}"))
    assert view.routing == Found(Routing(RoutingKind.CNAME, (TARGET,)))


@pytest.mark.parametrize("follows", [True, False], ids=["whole_chain", "cname_only"])
async def test_sixteen_hops_are_followed(*, follows: bool) -> None:
    zone_file = chain_of(16, end="A 198.51.100.7")
    async with scripted_dns(zone_file + "\n" + PROVIDER, follows=follows) as dns:
        view = await look(dns)
    assert isinstance(view.routing, Found)
    assert view.routing.value.kind is RoutingKind.ELSEWHERE
    assert len(view.routing.value.chain) == 16


@pytest.mark.parametrize("hops", [17, 18, 33])
@pytest.mark.parametrize("follows", [True, False], ids=["whole_chain", "cname_only"])
async def test_more_than_sixteen_hops_are_unknown(hops: int, *, follows: bool) -> None:
    async with scripted_dns(chain_of(hops, end="A 198.51.100.7"), follows=follows) as dns:
        view = await look(dns)
    assert view.routing == Unknown("cname_chain_too_long")


@pytest.mark.parametrize(("hops", "kind"), [(15, RoutingKind.CNAME), (16, None)])
@pytest.mark.parametrize("follows", [True, False], ids=["whole_chain", "cname_only"])
async def test_the_target_counts_as_a_hop(
    hops: int, kind: RoutingKind | None, *, follows: bool
) -> None:
    async with scripted_dns(chain_of(hops, end=f"CNAME {TARGET}"), follows=follows) as dns:
        view = await look(dns)
    assert (view.routing.value.kind if isinstance(view.routing, Found) else None) is kind


@pytest.mark.parametrize(
    "zone_file",
    [
        "www.shop.com CNAME www.shop.com",
        "www.shop.com CNAME a.net\na.net CNAME www.shop.com",
        "www.shop.com CNAME a.net\na.net CNAME b.net\nb.net CNAME a.net",
        "www.shop.com CNAME a.net\na.net CNAME A.net",
    ],
)
@pytest.mark.parametrize("follows", [True, False], ids=["whole_chain", "cname_only"])
async def test_a_cname_loop_is_unknown(zone_file: str, *, follows: bool) -> None:
    async with scripted_dns(zone_file, follows=follows) as dns:
        view = await look(dns)
    assert view.routing == Unknown("cname_loop")
    assert len(dns.asked) <= 4


async def test_a_routine_look_asks_one_resolver() -> None:
    async with (
        scripted_dns(f"www.shop.com CNAME {TARGET}") as first,
        scripted_dns("www.shop.com A 198.51.100.7") as second,
    ):
        view = await look(first, second)
    assert view.routing == Found(Routing(RoutingKind.CNAME, (TARGET,)))
    assert not second.asked


@pytest.mark.parametrize("fault", ["servfail", "refused", "silence", "lame", "cut_tcp"])
async def test_a_routine_look_asks_the_next_resolver_where_one_fails(fault: str) -> None:
    zone_file = f"www.shop.com CNAME {TARGET}\n{OWNERSHIP} TXT wanted"
    async with (
        scripted_dns(faults={"*": fault}) as first,
        scripted_dns(zone_file) as second,
    ):
        record = a_record(ownership=OWNERSHIP)
        view = await look(first, second, record=record, wait=0.5 if fault == "silence" else 5.0)
    assert view.routing == Found(Routing(RoutingKind.CNAME, (TARGET,)))
    assert view.records == {("TXT", OWNERSHIP): Found(("wanted",))}


@pytest.mark.parametrize("other", ["www.shop.com A 198.51.100.7", ""])
async def test_a_thorough_look_finds_resolvers_that_disagree(other: str) -> None:
    async with (
        scripted_dns(f"www.shop.com CNAME {TARGET}") as first,
        scripted_dns(other) as second,
    ):
        view = await look(first, second, thorough=True)
    assert view.routing == Unknown("servers_disagree")


async def test_absent_and_elsewhere_agree_that_the_name_is_not_here() -> None:
    async with scripted_dns("www.shop.com A 198.51.100.7") as first, scripted_dns() as second:
        view = await look(first, second, thorough=True)
    assert view.routing == Found(Routing(RoutingKind.ELSEWHERE, (), ("198.51.100.7",)))


async def test_who_does_not_answer_has_no_vote() -> None:
    async with (
        scripted_dns(faults={"*": "servfail"}) as first,
        scripted_dns(f"www.shop.com CNAME {TARGET}") as second,
    ):
        view = await look(first, second, thorough=True)
    assert view.routing == Found(Routing(RoutingKind.CNAME, (TARGET,)))


async def test_damage_to_an_answer_never_raises() -> None:
    chance = random.Random(7)  # noqa: S311 - repeatable damage, no secret

    def damage(true: bytes) -> bytes:
        # The id stays, so that the damage is read.
        at = chance.randrange(2, len(true))
        return true[:at] + bytes([chance.randrange(256)]) + true[at + 1 :]

    async with scripted_dns(PROVIDER + "www.shop.com A 203.0.113.81") as dns:
        dns.damage = damage
        views = [await look(dns, wait=0.02) for _ in range(60)]
    assert all(isinstance(view.routing, Found | Unknown) for view in views)
    assert any(isinstance(view.routing, Found) for view in views)


async def test_a_server_set_is_cut_to_four() -> None:
    servers = [Server("127.0.0.1", port) for port in range(1, 8)]
    assert len(DnsChecker(servers)._resolvers) == 4


@pytest.mark.parametrize(
    ("zone_file", "kind"),
    [
        ("www.shop.com A 192.0.2.7", RoutingKind.APEX),
        ("www.shop.com A 192.0.2.7\nwww.shop.com A 198.51.100.9", RoutingKind.APEX),
        ("www.shop.com AAAA 2001:db8:7::1", RoutingKind.APEX),
        ("www.shop.com A 192.0.2.7\nwww.shop.com AAAA 2001:db8:7::1", RoutingKind.APEX),
        ("www.shop.com A 192.0.2.7\nwww.shop.com A 203.0.113.9", RoutingKind.ELSEWHERE),
        ("www.shop.com A 192.0.2.7\nwww.shop.com AAAA 2001:db8:8::1", RoutingKind.ELSEWHERE),
        ("www.shop.com A 192.0.2.8", RoutingKind.ELSEWHERE),
        (f"www.shop.com CNAME {TARGET}", RoutingKind.CNAME),
    ],
)
async def test_all_addresses_have_to_be_those_of_apex_proxying(
    zone_file: str, kind: RoutingKind
) -> None:
    record = a_record()
    prefixes = ("192.0.2.7", "198.51.100.0/24", "2001:db8:7::/48")
    record = replace(record, zone=replace(record.zone, apex_prefixes=prefixes))
    async with scripted_dns(PROVIDER + zone_file) as resolver:
        seen = (await look(resolver, record=record)).routing
    assert isinstance(seen, Found)
    assert seen.value.kind is kind


async def test_a_delegation_is_read_without_being_followed() -> None:
    target = "www.shop.com.0123.dcv.cloudflare.com"
    record = replace(a_record(), plan=Plan.DELEGATED)
    record = replace(record, zone=replace(record.zone, dcv_uuid="0123"))
    async with scripted_dns(f"_acme-challenge.www.shop.com CNAME {target}") as resolver:
        view = await look(resolver, record=record)
    assert view.records["CNAME", "_acme-challenge.www.shop.com"] == Found((target,))


async def test_name_servers_are_given_or_unknown() -> None:
    async with scripted_dns("shop.com NS ada.ns.cloudflare.com") as resolver:
        asked = DnsChecker([resolver.server])
        assert await asked.name_servers("shop.com") == Found(("ada.ns.cloudflare.com",))
        assert await asked.name_servers("other.com") == Absent()
    zone = "www.acme.uk.com CNAME shop.com\nshop.com NS ada.ns.cloudflare.com"
    async with scripted_dns(zone) as resolver:
        assert await DnsChecker([resolver.server]).name_servers("www.acme.uk.com") == Absent()
    async with scripted_dns("", faults={"shop.com": "servfail"}) as resolver:
        assert await DnsChecker([resolver.server]).name_servers("shop.com") == Unknown("servfail")
