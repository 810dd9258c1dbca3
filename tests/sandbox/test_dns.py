import socket

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import pytest

from .driver import TARGET, Driver


def texts(message: dns.message.Message) -> list[tuple[str, set[str]]]:
    return [(rrset.name.to_text(), {item.to_text() for item in rrset}) for rrset in message.answer]


async def test_recursion_desired_follows_a_chain_to_its_end(sandbox: Driver) -> None:
    await sandbox.put("www.acme.com", "CNAME", "shop.acme.com")
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    answer = await sandbox.ask("www.acme.com", "A")
    assert texts(answer) == [
        ("www.acme.com.", {"shop.acme.com."}),
        ("shop.acme.com.", {f"{TARGET}."}),
        (f"{TARGET}.", {"127.0.0.81", "127.0.0.82"}),
    ]
    assert answer.flags & dns.flags.RA
    assert not answer.flags & dns.flags.AA


async def test_without_recursion_only_the_one_set_is_answered_with_authority(
    sandbox: Driver,
) -> None:
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    answer = await sandbox.ask("shop.acme.com", "A", rd=False)
    assert texts(answer) == [("shop.acme.com.", {f"{TARGET}."})]
    assert answer.flags & dns.flags.AA
    assert not answer.flags & dns.flags.RA


async def test_a_missing_name_and_a_missing_type_are_told_apart(sandbox: Driver) -> None:
    await sandbox.put("deep.shop.acme.com", "A", "192.0.2.1")
    missing = await sandbox.ask("nope.acme.com", "A")
    assert missing.rcode() == dns.rcode.NXDOMAIN
    for name, rrtype in (
        ("deep.shop.acme.com", "TXT"),
        ("shop.acme.com", "A"),
        ("acme.com", "A"),
    ):
        nodata = await sandbox.ask(name, rrtype)
        assert nodata.rcode() == dns.rcode.NOERROR
        assert nodata.answer == []
        assert nodata.authority[0].name.to_text() == "acme.com."


async def test_every_registrable_domain_has_name_servers_and_a_soa(sandbox: Driver) -> None:
    answer = await sandbox.ask("acme.co.uk", "NS")
    assert texts(answer)[0][1] == {"ns1.sandbox-dns.net.", "ns2.sandbox-dns.net."}
    assert (await sandbox.ask("acme.co.uk", "SOA")).answer
    assert texts(await sandbox.ask("ns1.sandbox-dns.net", "A"))[0][1] == {"127.0.0.1"}
    assert not (await sandbox.ask("shop.acme.co.uk", "NS")).answer


async def test_a_proxied_record_moves_its_domain_to_cloudflares_name_servers(
    sandbox: Driver,
) -> None:
    await sandbox.put("shop.acme.com", "CNAME", TARGET, proxied=True)
    servers = texts(await sandbox.ask("acme.com", "NS"))[0][1]
    assert all(server.endswith(".ns.cloudflare.com.") for server in servers)
    for server in servers:
        assert texts(await sandbox.ask(server, "A"))[0][1] == {"127.0.0.1"}
    answer = await sandbox.ask("shop.acme.com", "A")
    assert texts(answer) == [("shop.acme.com.", {"127.0.0.83", "127.0.0.84"})]
    assert not (await sandbox.ask("shop.acme.com", "CNAME")).answer
    await sandbox.drop("shop.acme.com", "CNAME")
    assert "ns1.sandbox-dns.net." in texts(await sandbox.ask("acme.com", "NS"))[0][1]


async def test_a_wildcard_answers_for_names_that_do_not_exist_only(sandbox: Driver) -> None:
    await sandbox.put("*.acme.com", "A", "192.0.2.1")
    await sandbox.put("mail.acme.com", "TXT", '"here"')
    assert texts(await sandbox.ask("any.acme.com", "A")) == [("any.acme.com.", {"192.0.2.1"})]
    assert texts(await sandbox.ask("two.levels.acme.com", "A"))[0][1] == {"192.0.2.1"}
    assert not (await sandbox.ask("mail.acme.com", "A")).answer
    assert (await sandbox.ask("under.mail.acme.com", "A")).rcode() == dns.rcode.NXDOMAIN


async def test_names_fail_as_told(sandbox: Driver) -> None:
    await sandbox.put("shop.acme.com", "A", "192.0.2.1")
    await sandbox.put("www.acme.com", "CNAME", "shop.acme.com")
    for fault, rcode in (("servfail", dns.rcode.SERVFAIL), ("refused", dns.rcode.REFUSED)):
        await sandbox.order("PUT", "/control/dns/faults", {"name": "shop.acme.com", "fault": fault})
        assert (await sandbox.ask("shop.acme.com", "A")).rcode() == rcode
        assert (await sandbox.ask("www.acme.com", "A")).rcode() == rcode
    await sandbox.order("PUT", "/control/dns/faults", {"name": "shop.acme.com", "fault": "timeout"})
    with pytest.raises(dns.exception.Timeout):
        await sandbox.ask("shop.acme.com", "A")
    await sandbox.order("PUT", "/control/dns/faults", {"name": "shop.acme.com", "fault": "none"})
    assert (await sandbox.ask("shop.acme.com", "A")).answer


async def test_an_alias_loop_ends_in_servfail(sandbox: Driver) -> None:
    await sandbox.put("a.acme.com", "CNAME", "b.acme.com")
    await sandbox.put("b.acme.com", "CNAME", "a.acme.com")
    assert (await sandbox.ask("a.acme.com", "A")).rcode() == dns.rcode.SERVFAIL


async def test_what_is_too_long_for_udp_is_truncated_and_whole_over_tcp(sandbox: Driver) -> None:
    values = [f'"{number:03}{"x" * 97}"' for number in range(20)]
    await sandbox.put("big.acme.com", "TXT", *values)
    plain = await sandbox.ask("big.acme.com", "TXT", use_edns=False)
    assert plain.flags & dns.flags.TC
    assert plain.edns == -1
    large = await sandbox.ask("big.acme.com", "TXT", use_edns=0, payload=4096)
    assert not large.flags & dns.flags.TC
    assert large.edns == 0
    address, port = sandbox.running.dns.split(":")
    query = dns.message.make_query("big.acme.com", "TXT")
    whole = await dns.asyncquery.tcp(query, address, port=int(port), timeout=1)
    assert len(whole.answer[0]) == 20


async def test_a_cname_and_other_data_displace_each_other(sandbox: Driver) -> None:
    await sandbox.put("shop.acme.com", "A", "192.0.2.1")
    await sandbox.put("shop.acme.com", "CNAME", TARGET)
    answer = await sandbox.ask("shop.acme.com", "A", rd=False)
    assert texts(answer) == [("shop.acme.com.", {f"{TARGET}."})]
    await sandbox.put("shop.acme.com", "A", "192.0.2.1")
    assert not (await sandbox.ask("shop.acme.com", "CNAME")).answer


async def test_bad_records_are_refused(sandbox: Driver) -> None:
    cases: list[dict[str, object]] = [
        {"name": "a.acme.com", "type": "A", "values": ["nonsense"]},
        {"name": "a.acme.com", "type": "A", "values": []},
        {"name": "a.acme.com", "type": "CNAME", "values": ["a.acme.net", "b.acme.net"]},
        {"name": "a.acme.com", "type": "NOSUCH", "values": ["x"]},
        {"name": "a.acme.com", "type": "TXT", "values": ['"x"'], "proxied": True},
        {"name": "a..acme.com", "type": "A", "values": ["192.0.2.1"]},
    ]
    for body in cases:
        answer = await sandbox.control.put("/control/dns/records", json=body)
        assert answer.status_code == 422, body


async def test_garbage_is_answered_with_formerr_or_silence(sandbox: Driver) -> None:
    address, port = sandbox.running.dns.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((address, int(port)))
        sock.send(b"short")
        sock.send(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xff\xff\xff")
        await sandbox.advance(0)
        sock.settimeout(0.5)
        reply = sock.recv(512)
    assert reply[:2] == b"\x12\x34"
    assert reply[3] & 0xF == dns.rcode.FORMERR
    for name, rrtype in (("acme.com", "ANY"), ("acme.com", "AXFR")):
        query = dns.message.make_query(name, rrtype)
        answer = await dns.asyncquery.udp(query, address, port=int(port), timeout=0.5)
        assert answer.rcode() == dns.rcode.NOTIMP
