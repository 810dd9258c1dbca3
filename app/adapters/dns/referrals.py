"""Which servers a zone is delegated to, remembered for at most an hour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import dns.name

from app.adapters.dns.answer import Server, name_text

LONGEST_KEPT = 3600.0
"""Seconds, however long the TTL is: a tenant who changes name servers must not wait for days."""
EMPTY_KEPT = 60.0
"""Seconds for which it is remembered that none of a zone's servers may be asked."""
MOST_KEPT = 100_000


class Kept(NamedTuple):
    """A delegation: since when and until when it is known, and the servers as one text.

    One text and two numbers take a fraction of the memory that as many objects would.
    """

    since: float
    until: float
    servers: str
    """`host address`, separated by spaces."""


class Referrals:
    """Delegations by the zone's name. The oldest entry makes room for the newest."""

    def __init__(self, clock: Callable[[], float], *, most: int = MOST_KEPT) -> None:
        self._clock = clock
        self._most = most
        self._kept: dict[str, Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def deepest(self, name: dns.name.Name, port: int) -> tuple[tuple[Server, ...], float] | None:
        """Return the servers of the nearest known zone at or above a name, and the entry's age."""
        now = self._clock()
        while name != dns.name.root:
            kept = self._kept.get(name_text(name))
            if kept is not None and now < kept.until:
                return _servers(name, kept, port), now - kept.since
            name = name.parent()
        return None

    def put(self, zone: dns.name.Name, servers: Sequence[Server], ttl: int) -> None:
        """Remember a zone's servers for their TTL, or for the longest time allowed."""
        text = name_text(zone)
        now = self._clock()
        until = now + (min(ttl, LONGEST_KEPT) if servers else EMPTY_KEPT)
        self._kept.pop(text, None)
        while len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        words = (word for server in servers for word in (server.host, server.address))
        self._kept[text] = Kept(now, until, " ".join(words))


def _servers(zone: dns.name.Name, kept: Kept, port: int) -> tuple[Server, ...]:
    words = kept.servers.split()
    pairs = zip(words[::2], words[1::2], strict=True)
    return tuple(Server(address, port, zone, host) for host, address in pairs)
