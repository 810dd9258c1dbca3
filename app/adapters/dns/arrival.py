"""Whether a name's traffic may arrive here, as one server has it.

More counts than for a live name: one address of ours among others, or one family of addresses. Who
adds the name would be served all the same.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterable

from dns.rdatatype import RdataType

from app.adapters.dns.cname_chain import Upstream, follow
from app.adapters.dns.query import Questions
from app.domain.zone import Destinations


async def may_arrive(
    questions: Questions,
    upstream: Upstream,
    name: str,
    ours: Destinations,
    proxy_prefixes: Callable[[], Awaitable[tuple[str, ...]]],
    is_at_cloudflare: Callable[[], Awaitable[bool]],
) -> bool:
    """Whether traffic for the name may arrive here.

    A name that its own zone at Cloudflare proxies may lead anywhere. `proxy_prefixes` gives the
    ranges of those proxies; none while they are not known.

    Raises:
        CouldNotAsk: a question had no usable answer.
    """
    first = await follow(questions, upstream, name, RdataType.A, stop_at=ours.names)
    if not set(first.chain).isdisjoint(ours.names):
        return True
    last = first.chain[-1] if first.chain else name
    second = await follow(questions, upstream, last, RdataType.AAAA, stop_at=ours.names)
    if not set(second.chain).isdisjoint(ours.names):
        return True
    addresses = {*first.values, *second.values}
    if not addresses:
        return False
    if _any_in(addresses, ours.prefixes):
        return True
    if not first.chain:
        proxies = await proxy_prefixes()
        is_proxied = not proxies or _any_in(addresses, proxies)
        if is_proxied and await is_at_cloudflare():
            return True
    for target in ours.targets:
        for rdtype in (RdataType.A, RdataType.AAAA):
            found = await follow(questions, upstream, target, rdtype)
            if not addresses.isdisjoint(found.values):
                return True
    return False


def _any_in(addresses: Iterable[str], prefixes: Iterable[str]) -> bool:
    networks = [ipaddress.ip_network(prefix) for prefix in prefixes]
    found = [ipaddress.ip_address(address) for address in addresses]
    return any(address in network for address in found for network in networks)
