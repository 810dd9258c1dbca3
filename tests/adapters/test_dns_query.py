"""One question to one server: EDNS, DNSSEC's CD flag, aliases, NXDOMAIN and NODATA."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rrset
import pytest
from dns.rdatatype import RdataType

from app.adapters.dns.answer import (
    Answer,
    CouldNotAsk,
    Referral,
    Server,
    read_answer,
    read_referral,
)
from app.adapters.dns.cname_chain import Upstream, follow
from app.adapters.dns.query import Questions
from app.adapters.dns.transport import MOST_RECORDS, Query, parse_response
from tests.adapters.scripted_dns import scripted_dns

RESOLVER = Server("192.0.2.53")
WWW = dns.name.from_text("www.shop.com")
LONGEST = ".".join(["x" * 63, "x" * 63, "x" * 63, "x" * 60])


def theirs(zone: str = "shop.com") -> Server:
    return Server("192.0.2.1", 53, dns.name.from_text(zone))


def answered(
    *answer: str, authority: tuple[str, ...] = (), additional: tuple[str, ...] = (), code: str = ""
) -> dns.message.Message:
    """Make an authoritative response about www.shop.com from lines of `name TTL TYPE value`."""
    response = dns.message.make_response(dns.message.make_query(WWW, RdataType.A))
    response.flags |= dns.flags.AA
    for section, lines in (
        (response.answer, answer),
        (response.authority, authority),
        (response.additional, additional),
    ):
        for line in lines:
            name, ttl, type_, value = line.split(maxsplit=3)
            section.append(dns.rrset.from_text(name, int(ttl), "IN", type_, value))
    if code:
        response.set_rcode(dns.rcode.from_text(code))
    return response


def test_a_response_of_more_records_than_any_name_has_is_no_answer() -> None:
    query = Query(WWW, RdataType.A, recursive=False)
    few, many = (
        answered(*(f"www.shop.com. 60 A 192.0.{n // 250}.{n % 250}" for n in range(count)))
        for count in (MOST_RECORDS, MOST_RECORDS + 1)
    )
    few.id = many.id = query.id
    assert parse_response(few.to_wire(), query) is not None
    assert parse_response(many.to_wire(), query) is None


@pytest.mark.parametrize("question", ["www.shop.org", "ww.shop.com", "shop.com"])
def test_another_question_is_no_answer_whatever_follows_it(question: str) -> None:
    query = Query(WWW, RdataType.A, recursive=False)
    response = dns.message.make_response(dns.message.make_query(question, RdataType.A))
    response.id = query.id
    # What follows is no message at all: it is not looked at.
    assert parse_response(response.to_wire() + b"\xff" * 100, query) is None


def test_a_question_in_other_letters_is_the_same() -> None:
    query = Query(WWW, RdataType.A, recursive=False)
    response = dns.message.make_response(dns.message.make_query("WWW.Shop.com", RdataType.A))
    response.id = query.id
    assert parse_response(response.to_wire(), query) is not None


async def test_a_txt_value_has_no_nul_which_postgres_cannot_store() -> None:
    async with scripted_dns(r'www.shop.com TXT "a\000b"') as dns_:
        answer = await Questions().ask(dns_.server, "www.shop.com", RdataType.TXT)
    assert answer.values == ("a\ufffdb",)


def referral(*authority: str, additional: tuple[str, ...] = ()) -> dns.message.Message:
    response = answered(authority=authority, additional=additional)
    response.flags &= ~dns.flags.AA
    return response


SOA = "shop.com. 60 SOA ns.shop.com. h.shop.com. 1 2 3 4 5"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (answered("www.shop.com. 77 A 192.0.2.7"), Answer((), ("192.0.2.7",), ttl=77)),
        (answered("WWW.Shop.com. 77 A 192.0.2.7"), Answer((), ("192.0.2.7",), ttl=77)),
        (answered(authority=(SOA,)), Answer((), ())),
        (answered(authority=(SOA,), code="NXDOMAIN"), Answer((), (), exists=False)),
        (
            answered("www.shop.com. 5 CNAME a.shop.com.", "a.shop.com. 9 A 192.0.2.7"),
            Answer(("a.shop.com",), ("192.0.2.7",), ttl=5),
        ),
        (
            answered("www.shop.com. 5 CNAME a.shop.com.", code="NXDOMAIN"),
            Answer(("a.shop.com",), (), exists=False, ttl=5),
        ),
        (
            answered("www.shop.com. 5 CNAME a.net.", "a.net. 9 A 192.0.2.7"),
            Answer(("a.net",), (), ttl=5),
        ),
        (
            answered("shop.com. 5 DNAME shop.net.", "www.shop.com. 5 CNAME www.shop.net."),
            Answer(("www.shop.net",), (), ttl=5),
        ),
        (answered("shop.com. 5 DNAME shop.net."), Answer(("www.shop.net",), (), ttl=5)),
        # Neither a name's own DNAME nor one above the zone has a say.
        (answered("www.shop.com. 5 DNAME shop.net."), Answer((), ())),
        (answered("com. 5 DNAME net."), Answer((), ())),
        (answered("other.com. 9 A 192.0.2.7"), Answer((), ())),
    ],
)
def test_an_answer_is_read(response: dns.message.Message, answer: Answer) -> None:
    assert read_answer(response, theirs(), WWW, RdataType.A) == answer


def test_what_stands_beside_a_cname_is_read_without_following_it() -> None:
    response = answered("www.shop.com. 5 CNAME a.net.", "www.shop.com. 9 A 192.0.2.7")
    assert read_answer(response, theirs(), WWW, RdataType.A, follow=False) == Answer(
        (), ("192.0.2.7",), ttl=9
    )
    gone = answered("www.shop.com. 5 CNAME a.shop.com.", code="NXDOMAIN")
    assert read_answer(gone, theirs(), WWW, RdataType.A, follow=False) == Answer((), ())


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (answered(code="SERVFAIL"), "servfail"),
        (answered(code="REFUSED"), "refused"),
        (answered(code="YXDOMAIN"), "yxdomain"),
        (answered(f"shop.com. 5 DNAME {LONGEST}."), "yxdomain"),
        (referral("com. 60 NS a.gtld.net."), "lame"),
    ],
)
def test_what_is_no_answer_says_why(response: dns.message.Message, why: str) -> None:
    with pytest.raises(CouldNotAsk, match=why):
        read_answer(response, theirs(), WWW, RdataType.A)


SHOP = dns.name.from_text("shop.com")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (
            referral("shop.com. 60 NS Ns.shop.com.", additional=("ns.shop.com. 9 A 192.0.2.7",)),
            Referral(SHOP, ("ns.shop.com",), {"ns.shop.com": ("192.0.2.7",)}, 9),
        ),
        (
            referral(
                "shop.com. 60 NS ns.other.com.",
                additional=(
                    "ns.other.com. 90 AAAA 2001:db8::7",
                    "ns.other.com. 90 A 192.0.2.7",
                    "ns.third.com. 90 A 192.0.2.8",
                ),
            ),
            Referral(SHOP, ("ns.other.com",), {"ns.other.com": ("192.0.2.7", "2001:db8::7")}, 60),
        ),
        # Glue from outside the zone that delegates is not believed.
        (
            referral("shop.com. 60 NS ns.host.net.", additional=("ns.host.net. 9 A 192.0.2.7",)),
            Referral(SHOP, ("ns.host.net",), {}, 60),
        ),
        # A server that sets AA in a referral all the same.
        (
            answered(authority=("shop.com. 60 NS ns.host.net.",)),
            Referral(SHOP, ("ns.host.net",), {}, 60),
        ),
        (answered("www.shop.com. 60 A 192.0.2.7", authority=("shop.com. 60 NS a.net.",)), None),
        (answered(authority=(SOA, "shop.com. 60 NS a.net.")), None),
        (answered(authority=("com. 60 NS a.net.",)), None),
        (answered(code="NXDOMAIN"), None),
    ],
)
def test_a_referral_is_read(response: dns.message.Message, expected: Referral | None) -> None:
    assert read_referral(response, theirs("com"), WWW) == expected


@pytest.mark.parametrize("owner", [".", "com.", "net.", "mail.shop.com.", "a.www.shop.com."])
def test_a_referral_that_leads_no_nearer_is_lame(owner: str) -> None:
    with pytest.raises(CouldNotAsk, match="lame"):
        read_referral(referral(f"{owner} 60 NS ns.evil.net."), theirs("com"), WWW)


@pytest.mark.parametrize(
    ("fault", "edns"),
    [("", [0]), ("formerr", [0, -1]), ("notimp", [0, -1]), ("servfail", [0]), ("badvers", [0, -1])],
)
async def test_a_server_that_does_not_know_edns_is_asked_without(
    fault: str, edns: list[int]
) -> None:
    async with scripted_dns("www.shop.com A 192.0.2.7") as resolver:
        resolver.edns_fault = fault
        questions = Questions(wait=5.0)
        if fault == "servfail":
            with pytest.raises(CouldNotAsk, match=fault):
                await questions.ask(resolver.server, "www.shop.com", RdataType.A)
        else:
            answer = await questions.ask(resolver.server, "www.shop.com", RdataType.A)
            assert answer.values == ("192.0.2.7",)
    assert resolver.edns == edns


async def test_signatures_are_not_checked_where_the_question_says_so() -> None:
    async with scripted_dns("www.shop.com A 192.0.2.7") as resolver:
        resolver.bogus = True
        questions = Questions(wait=5.0)
        with pytest.raises(CouldNotAsk, match="servfail"):
            await questions.ask(resolver.server, "www.shop.com", RdataType.A)
        answer = await questions.ask(
            resolver.server, "www.shop.com", RdataType.A, check_disabled=True
        )
    assert answer.values == ("192.0.2.7",)


async def test_the_end_of_a_chain_over_several_servers_tells_whether_it_exists() -> None:
    zone_file = "www.shop.com CNAME a.net\na.net CNAME gone.net\nhere.net TXT beside"
    async with scripted_dns(zone_file, follows=False) as resolver:
        upstream = Upstream(resolver.server, (resolver.server,))
        answer = await follow(Questions(wait=5.0), upstream, "www.shop.com", RdataType.A)
        assert answer == Answer(("a.net", "gone.net"), (), exists=False, ttl=60)
        resolver.records["a.net", "CNAME"] = ["here.net."]
        answer = await follow(Questions(wait=5.0), upstream, "www.shop.com", RdataType.A)
    assert answer == Answer(("a.net", "here.net"), (), ttl=60)


async def test_a_name_with_names_below_it_exists_without_records() -> None:
    async with scripted_dns("a.b.shop.com A 192.0.2.7") as resolver:
        questions = Questions(wait=5.0)
        empty = await questions.ask(resolver.server, "b.shop.com", RdataType.A)
        gone = await questions.ask(resolver.server, "c.shop.com", RdataType.A)
    assert (empty.exists, gone.exists) == (True, False)


async def test_a_server_that_sends_much_beside_the_answer_is_not_listened_to() -> None:
    async with scripted_dns("www.shop.com A 192.0.2.7", faults={"*": "flood"}) as resolver:
        with pytest.raises(CouldNotAsk, match="timeout"):
            await Questions(wait=60.0).ask(resolver.server, "www.shop.com", RdataType.A)


async def test_a_server_without_a_way_to_it_is_unreachable_at_once() -> None:
    with pytest.raises(CouldNotAsk, match="unreachable"):
        await Questions().ask(Server("fe80::53%not-here"), "www.shop.com", RdataType.A)


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize("edns", [True, False])
@pytest.mark.parametrize("check_disabled", [True, False])
def test_a_query_is_what_dnspython_would_write(
    *, recursive: bool, edns: bool, check_disabled: bool
) -> None:
    query = Query(WWW, RdataType.TXT, recursive, edns, check_disabled)
    same = dns.message.make_query(
        WWW, RdataType.TXT, use_edns=0 if edns else False, payload=1232 if edns else None
    )
    same.id = query.id
    same.flags = dns.flags.Flag(
        (dns.flags.RD if recursive else 0) | (dns.flags.CD if check_disabled else 0)
    )
    assert query.to_wire() == same.to_wire()
