"""The tenant's DNS provider, recognised by the names of the zone's servers. Pure.

The list of providers is data: `adapters/dns/providers.json`, read once by `adapters/dns/providers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One DNS provider, and what its forms are like."""

    id: str
    """A stable short name, for example ``godaddy``."""
    name: str
    """As the provider writes it."""
    name_servers: tuple[str, ...]
    """Suffixes of the host names of its name servers, for example ``domaincontrol.com``."""
    dns_page: str
    """The https URL of the page where its customers edit DNS records, or of its help page."""
    flattens_apex: bool
    """Whether it can point an apex at a host name: CNAME flattening, ALIAS, ANAME."""
    apex_record: str | None = None
    """What its forms call such a record: ``ALIAS``, ``ANAME``, ``CNAME``. None: it has none."""
    appends_domain: bool = True
    """Whether its forms append the domain to the host field, so that a full name is doubled."""
    apex_host: str = "@"
    """What its forms want in the host field for the domain itself. May be empty."""
    steps: tuple[str, ...] = ()
    """How to add a record there, in order. ``{type}``, ``{host}`` and ``{value}`` stand for the
    record's fields."""


def provider_of(name_servers: Sequence[str], providers: Sequence[Provider]) -> Provider | None:
    """Return the provider that most of the servers belong to. None: none is known, or a tie."""
    votes = [
        next((each for each in providers if _serves(each, server)), None) for server in name_servers
    ]
    counts = {each.id: votes.count(each) for each in votes if each is not None}
    if not counts:
        return None
    most = max(counts.values())
    winners = [each for each in providers if counts.get(each.id) == most]
    return winners[0] if len(winners) == 1 else None


def _serves(provider: Provider, server: str) -> bool:
    name = server.lower().rstrip(".")
    return any(name == each or name.endswith("." + each) for each in provider.name_servers)
