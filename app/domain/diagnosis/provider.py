"""The tenant's DNS provider, recognised by the names of the zone's servers. Pure.

The list of providers is data: `adapters/dns/providers.json`, read once by `adapters/dns/providers`.
"""

from __future__ import annotations

import re
from collections import Counter
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
    """Suffixes of the host names of its name servers, for example ``domaincontrol.com``. May be
    empty if there is a `pattern`."""
    pattern: str | None = None
    """A regular expression for the whole host name of a server, in lower case, where no suffix
    is the provider's own: ``ns-\\d+\\.awsdns-\\d+\\.com``."""
    serves_others: bool = False
    """Whether other providers rent its servers: if another provider's server is listed beside
    them, the zone is that provider's."""
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
    owners = (_owner(server, providers) for server in name_servers)
    known = [owner for owner in owners if owner is not None]
    own = [owner for owner in known if not owner.serves_others]
    ranking = Counter(owner.id for owner in own or known).most_common(2)
    if not ranking or (len(ranking) > 1 and ranking[0][1] == ranking[1][1]):
        return None
    return next(owner for owner in known if owner.id == ranking[0][0])


def _owner(server: str, providers: Sequence[Provider]) -> Provider | None:
    name = server.lower().rstrip(".")
    return next((provider for provider in providers if _serves(provider, name)), None)


def _serves(provider: Provider, name: str) -> bool:
    if provider.pattern is not None and re.fullmatch(provider.pattern, name):
        return True
    return any(name == suffix or name.endswith("." + suffix) for suffix in provider.name_servers)
