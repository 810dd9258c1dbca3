"""Builders for what a diagnosis reads: by default, a hostname of which all is right."""

import string
from dataclasses import replace
from typing import Any

from app.domain.custom_hostname import DnsRecord, Purpose, RecordKey, When
from app.domain.diagnosis.catalogue import Code, message
from app.domain.diagnosis.diagnose import diagnose
from app.domain.diagnosis.finding import Finding
from app.domain.diagnosis.provider import Provider
from app.domain.diagnosis.subject import Subject
from app.domain.diagnosis.survey import (
    CaaStep,
    DnsSurvey,
    Lookup,
    Outcome,
    RecordSurvey,
    ServerView,
)
from app.domain.hostname import Hostname
from tests.domain.builders import NOW

ZONE = "shop.com"
NAME = "www.shop.com"
TARGET = "customers.provider.net"
OURS = ("192.0.2.81", "192.0.2.82")
"""The addresses of the target."""
OLD = "203.0.113.9"
CLOUDFLARE_RANGE = "198.51.100.0/24"
PROXIED = "198.51.100.7"
PROXIED_ELSEWHERE = (
    "The hostname is using Cloudflare and cannot be activated with an TXT or HTTP validation token"
)
TWO_SERVERS = ("ns1.dns.net", "ns2.dns.net")
CLOUDFLARE_SERVERS = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")

TOKEN = "ca3-0123456789abcdef"
OWNERSHIP = DnsRecord(
    "TXT", f"_cf-custom-hostname.{NAME}", "owner-token", Purpose.OWNERSHIP, When.BEFORE
)
CERTIFICATE = DnsRecord("TXT", f"_acme-challenge.{NAME}", TOKEN, Purpose.CERTIFICATE, When.BEFORE)
SECOND = replace(CERTIFICATE, value="ca3-second")
DELEGATION = DnsRecord(
    "CNAME",
    f"_acme-challenge.{NAME}",
    f"{NAME}.0123456789abcdef.dcv.cloudflare.com",
    Purpose.DELEGATION,
    When.BEFORE,
)
ROUTING = DnsRecord("CNAME", NAME, TARGET, Purpose.ROUTING, When.WITH)

GODADDY = Provider(
    id="godaddy",
    name="GoDaddy",
    name_servers=("domaincontrol.com",),
    dns_page="https://godaddy.example/dns",
    flattens_apex=False,
)
PORKBUN = Provider(
    id="porkbun",
    name="Porkbun",
    name_servers=("porkbun.com",),
    dns_page="https://porkbun.example/dns",
    flattens_apex=True,
    apex_record="ALIAS",
    apex_host="",
)
EXACT = replace(PORKBUN, id="exact", name="Exact", appends_domain=False)


def found(
    kind: str,
    *values: str,
    name: str = NAME,
    chain: tuple[str, ...] = (),
    ttl: int = 300,
    of_wildcard: bool = False,
) -> Lookup:
    return Lookup(
        name=name,
        type=kind,
        outcome=Outcome.FOUND,
        values=tuple(sorted(values)),
        chain=chain,
        ttl=ttl,
        of_wildcard=of_wildcard,
    )


def absent(kind: str, *, name: str = NAME, chain: tuple[str, ...] = ()) -> Lookup:
    return Lookup(name=name, type=kind, outcome=Outcome.NO_DATA, chain=chain)


def unknown(
    kind: str, why: str = "timeout", *, name: str = NAME, chain: tuple[str, ...] = ()
) -> Lookup:
    return Lookup(name=name, type=kind, outcome=Outcome.UNKNOWN, why=why, chain=chain)


def view(
    a: Lookup, aaaa: Lookup | None = None, *, server: str = TWO_SERVERS[0], own: bool = True
) -> ServerView:
    """Give a server's view. By default it has no AAAA records, or answers neither question."""
    is_silent = a.outcome is Outcome.UNKNOWN
    six = replace(a, type="AAAA") if is_silent else absent("AAAA", chain=a.chain)
    return ServerView(server=server, is_authoritative=own, a=a, aaaa=aaaa or six)


def right(server: str = TWO_SERVERS[0], *, own: bool = True) -> ServerView:
    return view(found("A", *OURS, chain=(TARGET,)), server=server, own=own)


def seen(
    record: DnsRecord,
    wanted: Lookup | None = None,
    *,
    other: Lookup | None = None,
    doubled: Lookup | None = None,
    bare: Lookup | None = None,
) -> RecordSurvey:
    """Give what stands at a record's name; by default the record itself, and nothing else."""
    other_kind = "CNAME" if record.type == "TXT" else "TXT"
    return RecordSurvey(
        wanted=wanted or found(record.type, record.value, name=record.name),
        other=other or absent(other_kind, name=record.name),
        doubled=doubled or absent(record.type, name=f"{record.name}.{ZONE}"),
        bare=bare or absent(record.type),
    )


def subject(name: str = NAME, **changes: Any) -> Subject:
    """Give a subject of the simple plan; a record is wanted for its routing alone."""
    is_apex = name == ZONE
    wanted: dict[str, Any] = {
        "hostname": Hostname(name),
        "is_apex": is_apex,
        "targets": (TARGET,),
        "fallback_origin": "proxy-fallback.provider.net",
        "provider_zone": "provider.net",
        "records": (replace(ROUTING, name=name),),
        "proxy_prefixes": (CLOUDFLARE_RANGE,),
    }
    return Subject(**{**wanted, **changes})


def survey(name: str = NAME, /, **changes: Any) -> DnsSurvey:
    """Give a survey in which the name has its CNAME record; keywords replace parts."""
    views = tuple(right(server) for server in TWO_SERVERS)
    asked: dict[str, Any] = {
        "looked_at": NOW,
        "name": name,
        "owner": name,
        "registrable": ZONE,
        "registration": found("NS", *TWO_SERVERS, name=ZONE),
        "zone": ZONE,
        "name_servers": TWO_SERVERS,
        "servers": (*views, right("192.0.2.53", own=False)),
        "cname": found("CNAME", TARGET, name=name),
        "a": absent("A", name=name),
        "aaaa": absent("AAAA", name=name),
        "doubled": absent("CNAME", name=f"{name}.{ZONE}"),
        "target_addresses": OURS,
        "caa": (caa_step(name), caa_step(ZONE)),
    }
    return DnsSurvey(**{**asked, **changes})


def at_name(
    *,
    name: str = NAME,
    cname: str | None = None,
    a: tuple[str, ...] = (),
    aaaa: tuple[str, ...] = (),
    ttl: int = 300,
    of_wildcard: bool = False,
    **changes: Any,
) -> DnsSurvey:
    """Give a survey in which all servers show these records at the name, and no others."""

    def here(kind: str, *values: str) -> Lookup:
        if not values:
            return absent(kind, name=name)
        return found(kind, *values, name=name, ttl=ttl, of_wildcard=of_wildcard)

    chain = () if cname is None else (cname,)
    four = found("A", *a, chain=chain) if a else absent("A", chain=chain)
    six = found("AAAA", *aaaa, chain=chain) if aaaa else absent("AAAA", chain=chain)
    servers = (*TWO_SERVERS, "192.0.2.53")
    views = tuple(view(four, six, server=server, own=server in TWO_SERVERS) for server in servers)
    parts: dict[str, Any] = {
        "servers": views,
        "cname": here("CNAME", *chain),
        "a": here("A", *a),
        "aaaa": here("AAAA", *aaaa),
    }
    return survey(name, **{**parts, **changes})


def with_records(*pairs: tuple[DnsRecord, RecordSurvey], **changes: Any) -> DnsSurvey:
    records: dict[RecordKey, RecordSurvey] = {record.key: each for record, each in pairs}
    return survey(**{"records": records, **changes})


def caa_step(name: str, *values: str, chain: tuple[str, ...] = ()) -> CaaStep:
    lookup = found("CAA", *values, name=name, chain=chain)
    return CaaStep(lookup=lookup if values else absent("CAA", name=name, chain=chain))


def diagnosed(about: Subject, asked: DnsSurvey) -> tuple[Finding, ...]:
    """Diagnose, and check of each finding that its sentence names exactly its parameters."""
    findings = diagnose(about, asked)
    for each in findings:
        fields = {name for _, name, _, _ in string.Formatter().parse(Code.of(each.code).sentence)}
        assert fields - {None} == set(each.params), each.code
        assert "{" not in message(each)
    return findings


def codes(about: Subject, asked: DnsSurvey) -> list[str]:
    return [str(each.code) for each in diagnosed(about, asked)]
