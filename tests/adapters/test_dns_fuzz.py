"""Whatever bytes come back: an answer to our question by a true message, or none."""

from __future__ import annotations

import struct

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
from dns.rdatatype import RdataType
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.dns.answer import (
    CouldNotAsk,
    Server,
    read_answer,
    read_apex,
    read_referral,
)
from app.adapters.dns.transport import Query, parse_response

NAME = dns.name.from_text("www.shop.com")
ZONE = dns.name.from_text("shop.com")
SERVERS = [
    Server("192.0.2.1", 53, ZONE),
    Server("192.0.2.1", 53, dns.name.root),
    Server("192.0.2.53"),
]
QUERY = Query(NAME, RdataType.A, recursive=False)
QUESTION = dns.message.make_query(NAME, RdataType.A)

names = st.sampled_from(
    ["www.shop.com.", "WWW.shop.COM.", "shop.com.", "com.", ".", "a.shop.com.", "other.net."]
)
records = st.one_of(
    st.tuples(names, st.just("A"), st.sampled_from(["192.0.2.7", "127.0.0.1"])),
    st.tuples(names, st.just("AAAA"), st.just("2001:db8::7")),
    st.tuples(names, st.sampled_from(["CNAME", "DNAME", "NS"]), names),
    st.tuples(names, st.just("TXT"), st.just('"wanted" "\\255"')),
    st.tuples(names, st.just("SOA"), st.just("a.net. b.net. 1 2 3 4 5")),
)


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """Make well-formed responses, most of them with something wrong for our question."""
    response = dns.message.make_response(QUESTION)
    response.id = draw(st.sampled_from([QUERY.id, QUERY.id, QUERY.id ^ 1]))
    response.flags = draw(st.integers(0, 0xFFFF)) | draw(st.sampled_from([0, dns.flags.QR]))
    if draw(st.booleans()):
        response.flags = dns.flags.Flag(dns.flags.QR | dns.flags.AA | dns.flags.RA)
    other = dns.message.make_query(ZONE, RdataType.A).question
    response.question = draw(st.sampled_from([response.question, response.question, other, []]))
    for section in (response.answer, response.authority, response.additional):
        for owner, type_, value in draw(st.lists(records, max_size=4)):
            section.append(dns.rrset.from_text(owner, draw(st.integers(0, 99)), "IN", type_, value))
    return response.to_wire(max_size=65_535)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Change a few bytes of a response, cut it, or add to it; the id mostly stays."""
    wire = bytearray(draw(responses()))
    for _ in range(draw(st.integers(0, 6))):
        wire[draw(st.integers(2, len(wire) - 1))] = draw(st.integers(0, 255))
    return bytes(wire[: draw(st.integers(0, len(wire)))]) + draw(st.binary(max_size=8))


header = st.builds(
    lambda flags, counts, rest: struct.pack("!HH4H", QUERY.id, flags, *counts) + rest,
    st.integers(0, 0xFFFF),
    st.tuples(*[st.integers(0, 3)] * 4),
    st.binary(max_size=200),
)
wires = st.one_of(st.binary(max_size=300), header, responses(), damaged())


@settings(max_examples=400, deadline=None)
@given(wires, st.sampled_from(SERVERS))
def test_bytes_are_an_answer_to_our_question_or_none(wire: bytes, server: Server) -> None:
    try:
        response = parse_response(wire, QUERY)
    except dns.message.Truncated:
        assert wire[2] & 0x02
        return
    if response is None:
        return
    assert wire[:2] == QUERY.id.to_bytes(2, "big")
    assert wire[2] & 0x80
    assert response.question in ([], QUESTION.question)
    _read_is_true(response, server)
    _referral_leads_nearer(response, server)
    try:
        read_apex(response, server)
    except CouldNotAsk as error:
        _says_why(error)


def _read_is_true(response: dns.message.Message, server: Server) -> None:
    try:
        answer = read_answer(response, server, NAME, RdataType.A)
    except CouldNotAsk as error:
        _says_why(error)
        return
    assert response.question == QUESTION.question
    assert response.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}
    assert response.flags & (dns.flags.AA if server.zone else dns.flags.AA | dns.flags.RA)
    end = dns.name.from_text(answer.chain[-1]) if answer.chain else NAME
    # Values are A records of the name at the end, which the server has a say about.
    said = {
        rdata.to_text()
        for rrset in response.answer
        if rrset.name == end and rrset.rdtype == RdataType.A
        for rdata in rrset
    }
    assert set(answer.values) <= said
    assert not answer.values or server.holds(end.to_text())
    assert not answer.values or answer.exists
    assert answer.exists or response.rcode() == dns.rcode.NXDOMAIN
    assert answer.ttl is None or 0 <= answer.ttl <= 0x7FFFFFFF
    aliases = {"CNAME", "DNAME"}
    seen = any(RdataType.to_text(rrset.rdtype) in aliases for rrset in response.answer)
    assert seen or not answer.chain


def _referral_leads_nearer(response: dns.message.Message, server: Server) -> None:
    if server.zone is None:
        return
    try:
        referral = read_referral(response, server, NAME)
    except CouldNotAsk as error:
        _says_why(error)
        return
    if referral is None:
        assert response.flags & dns.flags.AA
        return
    assert referral.zone.is_subdomain(server.zone)
    assert referral.zone != server.zone
    assert NAME.is_subdomain(referral.zone)
    assert all(dns.name.from_text(host).is_subdomain(server.zone) for host in referral.glue)


def _says_why(error: CouldNotAsk) -> None:
    assert error.why
    assert error.why == error.why.lower()
