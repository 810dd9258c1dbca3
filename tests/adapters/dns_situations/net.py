"""The servers behind the table: each situation's zones, and the resolver that asks them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import dns.message
import dns.query

from tests.adapters.dns_situations.situation import (
    CHILD,
    CLOUDFLARE,
    DCV,
    FAILING,
    GODADDY,
    INSIDE,
    LAME,
    LOOSE,
    LOOSE_PORKBUN,
    OTHER_TARGET,
    OURS,
    OURS_EU,
    OURS_V6,
    PORKBUN,
    RESOLVER,
    ROOT,
    SECOND,
    SILENT,
    SIX,
    STRICT_TARGET,
    TARGET,
    TLD,
    TOKEN,
    Situation,
)
from tests.support.dns_servers import DnsServers, has_ipv6

FAILS = (LAME, FAILING, SILENT, TLD, INSIDE)
"""They do not serve what is delegated to them."""
_HOSTED = (*CLOUDFLARE, *GODADDY, *PORKBUN, *LOOSE_PORKBUN)
_TARGETS = "\n".join(
    f"{name}. {record}"
    for name in (TARGET, STRICT_TARGET)
    for record in (*(f"A {address}" for address in OURS), f"AAAA {OURS_V6}")
)
COMMON = {
    "provider.net": f"{_TARGETS}\n{OTHER_TARGET}. A {OURS_EU}\n"
    "proxy-fallback A 192.0.2.99\n@ A 192.0.2.98\n"
    f'{STRICT_TARGET}. CAA 0 issue "pki.goog"\n{STRICT_TARGET}. CAA 0 issuewild ";"',
    "cloudflare.com": f'*.{DCV}. TXT "{TOKEN}"',
    "myshopify.com": "shops A 203.0.113.23",
    "lamebehind.net": "",
    "host.net": "old A 203.0.113.9\ncaa A 203.0.113.9\n" + 'caa CAA 0 issue ";"',
}
"""Zones of others that many situations lead to."""


def start(net: DnsServers, situations: Sequence[Situation]) -> None:
    """Start one server per role, with the zones of all situations."""
    others = {**COMMON, **_zones_of_hosts()}
    others |= {name: text for each in situations for name, text in each.beside.items()}
    delegated = {
        **{name: _delegation(name, (SECOND if text else LAME,)) for name, text in others.items()},
        **{each.domain: _delegation(each.domain, each.served, each.hosts) for each in situations},
    }
    tlds = sorted({name.rpartition(".")[2] for name in delegated})
    at = _zones(situations, others)
    for tld in tlds:
        lines = [text for name, text in delegated.items() if name.endswith(f".{tld}")]
        at[TLD][f"{tld}."] = _zone("\n".join(lines), (TLD,))
    before = {
        f"{each.domain}.": _zone(each.remembered, each.served, serial=1)
        for each in situations
        if each.remembered is not None
    }
    signed = [f"{each.domain}." for each in situations if each.signed]
    net.knot(ROOT, {".": _zone("\n".join(_delegation(tld, (TLD,)) for tld in tlds), (ROOT,))})
    net.knot(TLD, at[TLD])
    net.knot(CHILD, {**at[CHILD], **before}, signed=signed, also=(SIX,) if has_ipv6() else ())
    net.knot(SECOND, at[SECOND])
    net.knot(LAME, {"elsewhere.net.": _zone("", (LAME,))})
    # A zone that Knot cannot load is one that it should hold, and cannot answer for.
    net.knot(FAILING, {f"{each.domain}.": "" for each in situations if FAILING in each.served})
    stubs = dict(_stubs(situations, at))
    stubs |= {f"{name}.": (LAME,) for name, records in others.items() if not records}
    net.unbound(RESOLVER, stubs, anchors=[*_anchors(net, situations)], remembers=True)
    if before:
        _let_resolver_remember(net, situations)
        net.change(CHILD, {name: at[CHILD][name] for name in before})


def loose_records(situation: Situation) -> str:
    """Give the records as `scripted_dns` reads them: whole names without a final dot."""
    lines = []
    for line in filter(None, map(str.strip, situation.zone.splitlines())):
        owner, kind, value = line.split(maxsplit=2)
        name = situation.domain if owner == "@" else f"{owner}.{situation.domain}"
        lines.append(f"{name} {kind} {value.removesuffix('.')}")
    soa = f"ns1.{situation.domain}. hostmaster.{situation.domain}. 2 3600 600 86400 60"
    return "\n".join((*lines, f"{situation.domain} SOA {soa}"))


def _zones(situations: Sequence[Situation], others: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Give the zones by the address of their server."""
    at: dict[str, dict[str, str]] = defaultdict(dict)
    at[SECOND] = {f"{name}.": _zone(text, (SECOND,)) for name, text in others.items() if text}
    for each in situations:
        for server, text in _served(each):
            at[server][f"{each.domain}."] = text
        for label, records in each.below.items():
            if records:
                at[SECOND][f"{label}.{each.domain}."] = _zone(records, (SECOND,))
    return at


def _served(situation: Situation) -> Iterable[tuple[str, str]]:
    below = "\n".join(
        _delegation(f"{label}.{situation.domain}", (SECOND,) if records else (LAME,))
        for label, records in situation.below.items()
    )
    for server in situation.served:
        records = situation.zone
        if server == SECOND and situation.second is not None:
            records = situation.second
        if server == SIX:
            server = CHILD  # noqa: PLW2901 - it listens there as well
        if server not in {*FAILS, LOOSE}:
            yield server, _zone(f"{records}\n{below}", situation.served, situation.hosts)


def _zone(
    records: str, served: Sequence[str], hosts: Sequence[str] = (), *, serial: int = 2
) -> str:
    lines = [f"@ SOA ns1 hostmaster {serial} 3600 600 86400 3600"]
    if hosts:
        lines += [f"@ NS {host}." for host in hosts]
    else:
        lines += [f"@ NS ns{at}" for at, _ in enumerate(served, 1)]
        lines += [f"ns{at} {_address(address)}" for at, address in enumerate(served, 1)]
    # White space at the beginning of a line would stand for the owner before.
    return "\n".join((*lines, *map(str.strip, records.splitlines())))


def _delegation(zone: str, served: Sequence[str], hosts: Sequence[str] = ()) -> str:
    if not served:
        return f"; {zone}. is not registered"
    if hosts:
        return "\n".join(f"{zone}. NS {host}." for host in hosts)
    numbered = [*enumerate(served, 1)]
    return "\n".join(
        (
            *(f"{zone}. NS ns{at}.{zone}." for at, _ in numbered),
            *(f"ns{at}.{zone}. {_address(address)}" for at, address in numbered),
        )
    )


def _address(address: str) -> str:
    return f"AAAA {address}" if ":" in address else f"A {address}"


def _zones_of_hosts() -> dict[str, str]:
    by_zone: dict[str, list[str]] = defaultdict(list)
    for host in _HOSTED:
        by_zone[".".join(host.split(".")[-2:])].append(f"{host}. A {CHILD}")
    return {zone: "\n".join((*lines, COMMON.get(zone, ""))) for zone, lines in by_zone.items()}


def _stubs(
    situations: Sequence[Situation], at: dict[str, dict[str, str]]
) -> Iterable[tuple[str, Sequence[str]]]:
    yield ".", (ROOT,)
    for name in at[TLD]:
        yield name, (TLD,)
    for name in at[SECOND]:
        yield name, (SECOND,)
    for each in situations:
        # A resolver takes long to give up on silent servers; one that refuses is given up at once.
        servers = [
            LAME if at in FAILS and at != FAILING else CHILD if at == SIX else at
            for at in each.served
        ]
        if servers:
            yield f"{each.domain}.", servers
        for label, records in each.below.items():
            if not records:
                yield f"{label}.{each.domain}.", (LAME,)


def _anchors(net: DnsServers, situations: Sequence[Situation]) -> Iterable[str]:
    for each in situations:
        for ds in net.ds(CHILD, f"{each.domain}.") if each.signed else ():
            yield _with_other_digest(ds) if each.bogus else ds


def _let_resolver_remember(net: DnsServers, situations: Sequence[Situation]) -> None:
    for each in situations:
        if each.remembered is not None:
            for kind in ("A", "AAAA", "CNAME"):
                query = dns.message.make_query(each.host, kind)
                dns.query.udp(query, RESOLVER, port=net.port, timeout=10)


def _with_other_digest(ds: str) -> str:
    front, _, digest = ds.rpartition(" ")
    return f"{front} {digest[::-1]}"
