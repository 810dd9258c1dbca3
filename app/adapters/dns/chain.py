"""CNAMEs followed hop by hop, each asked of a server that holds it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from dns.rdatatype import RdataType

from app.adapters.dns.query import MAX_HOPS, Answer, CouldNotAsk, Questions, Server


@dataclass(frozen=True, slots=True)
class Way:
    """The server asked first, and the resolvers for what lies outside its zone."""

    server: Server
    resolvers: tuple[Server, ...]


async def follow(
    questions: Questions,
    way: Way,
    name: str,
    rdtype: RdataType,
    *,
    stop_at: Collection[str] = (),
) -> Answer:
    """Ask, and follow CNAMEs to the values, or no further than a name of `stop_at`.

    Raises:
        CouldNotAsk: a question had no usable answer, or the chain is too long or goes round.
    """
    chain: tuple[str, ...] = ()
    current = name
    while True:
        answer = await _hop(questions, way, current, rdtype, first=not chain)
        chain += answer.chain
        reached = next((at for at, hop in enumerate(chain, 1) if hop in stop_at), None)
        if reached is not None and reached <= MAX_HOPS:
            return Answer(chain[:reached], ())
        if len({name, *chain}) <= len(chain):
            raise CouldNotAsk("cname_loop")
        if len(chain) > MAX_HOPS:
            raise CouldNotAsk("cname_chain_too_long")
        if answer.values or not answer.chain:
            return Answer(chain, answer.values)
        current = chain[-1]


async def _hop(
    questions: Questions, way: Way, name: str, rdtype: RdataType, *, first: bool
) -> Answer:
    if way.server.holds(name):
        try:
            return await questions.ask(way.server, name, rdtype)
        except CouldNotAsk as error:
            # A CNAME may lead below a zone cut, where another zone's servers hold the name.
            if first or not error.is_lame:
                raise
    return await questions.ask_first(way.resolvers, name, rdtype)
