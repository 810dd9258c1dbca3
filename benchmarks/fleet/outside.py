"""The external systems within one process: DNS, and Cloudflare with its calls counted."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

import httpx
from typing_extensions import override

from app.domain.custom_hostname import CustomHostname, Purpose
from app.domain.hostname import Hostname
from app.domain.observation import (
    Absent,
    DnsView,
    Found,
    Routing,
    RoutingKind,
    RRsetKey,
    Unknown,
    Values,
)
from app.domain.plan import wanted_records
from app.domain.zone import Destinations
from sandbox.dns_zone import normal
from sandbox.state import Sandbox

PER_PAGE = 50
MAX_CNAMES = 16


@dataclass(slots=True)
class Bill:
    """What one name has cost so far."""

    calls: Counter[str] = field(default_factory=Counter)
    """Its own calls by kind: create, get, refresh, find."""
    listed: int = 0
    """How many pages showed it."""
    listed_share: float = 0.0
    """Its share of those pages, each divided by the number of names it showed."""

    @property
    def own(self) -> int:
        """Its own calls."""
        return sum(self.calls.values())

    @property
    def total(self) -> float:
        """Its own calls, and a fiftieth for each page that showed it."""
        return self.own + self.listed / PER_PAGE

    @property
    def total_divided(self) -> float:
        """Its own calls and its share of the pages. Over all names this adds up to all calls."""
        return self.own + self.listed_share


class CountingTransport(httpx.AsyncBaseTransport):
    """Counts on the wire which name each call was for, whichever code made it."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.bills: dict[str, Bill] = {}
        """By hostname. A bill that was taken out is closed."""
        self.total = 0
        self.pages = 0
        self.empty_pages = 0
        self._names: dict[str, str] = {}

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the call on, and add it to the bill."""
        response = await self._inner.handle_async_request(request)
        content = await response.aread()
        self.total += 1
        self._count(request, response.status_code, content)
        return httpx.Response(response.status_code, headers=response.headers, content=content)

    def _count(self, request: httpx.Request, status: int, content: bytes) -> None:
        tail = request.url.path.partition("/custom_hostnames")[2]
        if tail:
            name = self._names.get(tail[1:])
            self._bill(name, "get" if request.method == "GET" else "refresh")
        elif request.method == "POST":
            name = str(json.loads(request.content)["hostname"])
            self._bill(name, "create")
            if status == httpx.codes.CREATED:
                self._names[str(json.loads(content)["result"]["id"])] = name
        elif "hostname" in request.url.params:
            self._bill(request.url.params["hostname"], "find")
        elif status == httpx.codes.OK:
            self._count_page([str(row["hostname"]) for row in json.loads(content)["result"]])

    def _bill(self, name: str | None, kind: str) -> None:
        if name in self.bills:
            self.bills[name].calls[kind] += 1

    def _count_page(self, names: list[str]) -> None:
        self.pages += 1
        self.empty_pages += not names
        for name in names:
            if name in self.bills:
                self.bills[name].listed += 1
                self.bills[name].listed_share += 1 / len(names)


class SandboxDns:
    """The services' `Dns` over the sandbox's records: what the public sees, without sockets."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.looks = 0

    async def check(
        self,
        record: CustomHostname,
        *,
        thorough: bool,
        proxy_prefixes: object,  # noqa: ARG002
    ) -> DnsView:
        """Check a record's DNS. All servers of the sandbox agree, so one check is thorough.

        No tenant of this fleet proxies its name.
        """
        self.looks += not thorough
        keys: set[RRsetKey] = {
            (wanted.type, wanted.name)
            for wanted in wanted_records(record)
            if wanted.purpose is not Purpose.ROUTING
        }
        routing = self._points_to(record.hostname.name, record.zone.targets)
        return DnsView(routing, {key: self._values(*key) for key in sorted(keys)})

    async def leads_elsewhere(
        self,
        hostname: Hostname,
        *,
        ours: Destinations,
        tenant: str,
        proxy_prefixes: object,
        within: float,
    ) -> bool:
        """Tell nothing: the fleet's names are added by the provider's key."""
        raise NotImplementedError

    async def addresses(self, name: str) -> Values:
        """Return a name's addresses."""
        chain, addresses = self._follow(name, ())
        return Found(addresses) if addresses or chain else Absent()

    async def name_servers(self, domain: str) -> Values:  # noqa: ARG002
        """Find no name servers: this fleet has no apex names."""
        return Absent()

    def _points_to(self, name: str, targets: tuple[str, ...]) -> Found[Routing] | Unknown:
        chain, addresses = self._follow(name, targets)
        if set(chain) & set(targets):
            return Found(Routing(RoutingKind.CNAME, chain))
        if not addresses and not chain:
            return Found(Routing(RoutingKind.ABSENT))
        flattened = addresses and any(
            set(addresses) <= set(self._follow(target, ())[1]) for target in targets
        )
        kind = RoutingKind.FLATTENED if flattened else RoutingKind.ELSEWHERE
        return Found(Routing(kind, chain, addresses))

    def _follow(
        self, name: str, stop_at: tuple[str, ...]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        world, chain = self._sandbox.world, list[str]()
        for _ in range(MAX_CNAMES):
            found = world.rrset(name, "A")
            if found is not None:
                return tuple(chain), found.values
            alias = world.rrset(name, "CNAME")
            if alias is None:
                break
            name = normal(alias.values[0])
            chain.append(name)
            if name in stop_at:
                break
        return tuple(chain), ()

    def _values(self, rrtype: str, name: str) -> Values:
        found = self._sandbox.world.rrset(name, rrtype)
        if found is None:
            return Absent()
        return Found(tuple(value.strip('"') for value in found.values))
