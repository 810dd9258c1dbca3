"""Answers to DNS questions, from the world: recursion, negative answers, faults, EDNS.

Works on messages; sockets are `dns_server`.
"""

from functools import lru_cache

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from sandbox.dns_zone import RRset, World, normal, parse, zone_of

MAX_CNAMES = 16
_EDNS_PAYLOAD = 1232
_SOA_MINIMUM = 60
_UNSUPPORTED = frozenset({dns.rdatatype.ANY, dns.rdatatype.AXFR, dns.rdatatype.IXFR})


def answer(world: World, query: dns.message.Message) -> dns.message.Message | None:
    """Return the answer to a query, or None where the name's fault is silence."""
    recursive = bool(query.flags & dns.flags.RD)
    response = dns.message.make_response(
        query, recursion_available=recursive, our_payload=_EDNS_PAYLOAD
    )
    refusal = _refusal(query)
    if refusal != dns.rcode.NOERROR:
        response.set_rcode(refusal)
        return response
    if not recursive:
        response.flags |= dns.flags.AA
    return _fill(world, response, query.question[0], recursive=recursive)


def _refusal(query: dns.message.Message) -> dns.rcode.Rcode:
    if query.edns > 0:
        return dns.rcode.BADVERS
    if query.opcode() != dns.opcode.QUERY:
        return dns.rcode.NOTIMP
    if len(query.question) != 1:
        return dns.rcode.FORMERR
    if query.question[0].rdclass != dns.rdataclass.IN:
        return dns.rcode.REFUSED
    if query.question[0].rdtype in _UNSUPPORTED:
        return dns.rcode.NOTIMP
    return dns.rcode.NOERROR


def _fill(
    world: World,
    response: dns.message.Message,
    question: dns.rrset.RRset,
    *,
    recursive: bool,
) -> dns.message.Message | None:
    owner = question.name
    rrtype = dns.rdatatype.to_text(question.rdtype)
    for _ in range(MAX_CNAMES):
        name = normal(owner.to_text())
        fault = world.fault_of(name)
        if fault != "none":
            return _faulty(response, fault)
        if found := _find(world, name, rrtype):
            response.answer.append(_wire(owner, found))
            return response
        alias = world.rrset(name, "CNAME")
        if alias is None:
            return _negative(world, response, name)
        response.answer.append(_wire(owner, alias))
        if not recursive:
            return response
        owner = dns.name.from_text(alias.values[0])
    return _faulty(response, "servfail")


def _find(world: World, name: str, rrtype: str) -> RRset | None:
    found = world.rrset(name, rrtype)
    if found is None and rrtype == "SOA" and name == zone_of(name):
        return _soa(world, name)
    return found


def _faulty(response: dns.message.Message, fault: str) -> dns.message.Message | None:
    if fault == "timeout":
        return None
    response.answer.clear()
    response.flags &= ~dns.flags.AA
    response.set_rcode(dns.rcode.SERVFAIL if fault == "servfail" else dns.rcode.REFUSED)
    return response


def _negative(world: World, response: dns.message.Message, name: str) -> dns.message.Message:
    if world.node(name) is None:
        response.set_rcode(dns.rcode.NXDOMAIN)
    zone = zone_of(name)
    response.authority.append(_wire(dns.name.from_text(zone), _soa(world, zone)))
    return response


def _soa(world: World, zone: str) -> RRset:
    primary, _ = world.name_servers(zone)
    serial = 1 + world.revision
    value = f"{primary}. hostmaster.{zone or 'invalid'}. {serial} 10000 2400 604800 {_SOA_MINIMUM}"
    return RRset(zone, "SOA", (value,), ttl=_SOA_MINIMUM)


@lru_cache(maxsize=16_384)
def _wire(owner: dns.name.Name, rrset: RRset) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(
        owner, rrset.ttl, [parse(rrset.type, value) for value in rrset.values]
    )
