"""Follow CNAMEs from server to server, up to the values or to a name that is enough."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from dns.rdatatype import RdataType

from app.adapters.dns.answer import MAX_HOPS, Answer, CouldNotAsk, Server
from app.adapters.dns.query import Questions


@dataclass(frozen=True, slots=True)
class Upstream:
    """The server asked first, and the resolvers for what lies outside its zone."""

    server: Server
    resolvers: tuple[Server, ...]


async def follow(
    questions: Questions,
    upstream: Upstream,
    name: str,
    rdtype: RdataType,
    *,
    stop_at: Collection[str] = (),
) -> Answer:
    """Ask, and follow CNAMEs to the values, or no further than a name in `stop_at`.

    Raises:
        CouldNotAsk: a question had no usable answer, or the chain is too long or loops.
    """
    chain: tuple[str, ...] = ()
    current, ttl = name, None
    while True:
        answer = await _hop(questions, upstream, current, rdtype, first=not chain)
        ttl = answer.ttl if not chain else ttl
        chain += answer.chain
        reached = next((at for at, hop in enumerate(chain, 1) if hop in stop_at), None)
        if reached is not None and reached <= MAX_HOPS:
            return Answer(chain[:reached], (), ttl=ttl)
        if len({name, *chain}) <= len(chain):
            raise CouldNotAsk("cname_loop")
        if len(chain) > MAX_HOPS:
            raise CouldNotAsk("cname_chain_too_long")
        if answer.values or not answer.chain:
            return Answer(chain, answer.values, answer.exists, ttl)
        current = chain[-1]


async def _hop(
    questions: Questions, upstream: Upstream, name: str, rdtype: RdataType, *, first: bool
) -> Answer:
    if upstream.server.holds(name):
        try:
            return await questions.ask(upstream.server, name, rdtype)
        except CouldNotAsk as error:
            # A CNAME may point below a zone cut, where another zone's servers hold the name.
            if first or not error.is_lame:
                raise
    return await questions.ask_first(upstream.resolvers, name, rdtype)
