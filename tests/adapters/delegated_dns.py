"""A root server that delegates shop.com to scripted servers, and a resolver beside them.

Each has an address of its own under 127.0.0.0/8, and all share one port, as on the internet.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.adapters.dns.answer import Server
from app.adapters.dns.authoritative import AuthoritativeServers
from app.adapters.dns.checker import DnsChecker
from app.adapters.dns.limits import ServerLimits
from app.adapters.dns.query import Questions
from tests.adapters.scripted_dns import ScriptedDns, scripted_dns

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
ZONE = "shop.com"
ROOT, RESOLVER = "127.0.0.1", "127.0.0.9"


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Script:
    """What one of the zone's servers says."""

    records: str = ""
    fault: str = ""
    faults: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Delegated:
    """The servers, and what asks them."""

    root: ScriptedDns
    resolver: ScriptedDns
    servers: tuple[ScriptedDns, ...]
    clock: Callable[[], float]

    @property
    def authoritative(self) -> AuthoritativeServers:
        return walker(self.root, self.resolver.server, clock=self.clock)

    def checker(self, *, wait: float = 5.0) -> DnsChecker:
        return DnsChecker(
            [self.resolver.server],
            wait=wait,
            authoritative=self.authoritative,
            limits=ServerLimits(LOOPBACK, clock=self.clock),
            clock=self.clock,
        )

    def counts(self) -> list[int]:
        return [len(server.asked) for server in self.servers]


@asynccontextmanager
async def delegated(
    *scripts: Script | str,
    resolver: str = "",
    resolver_faults: Mapping[str, str] | None = None,
    beside: str = "",
    follows: bool = True,
    zones: tuple[str, ...] = (ZONE,),
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Delegated]:
    """Serve shop.com by one server per script. `beside` are further records of the root."""
    read = [Script(script) if isinstance(script, str) else script for script in scripts]
    hosts = {f"ns{at}.{ZONE}": f"127.0.0.{at}" for at in range(2, 2 + len(read))}
    delegation = "\n".join(f"{ZONE} NS {host}\n{host} A {at}" for host, at in hosts.items())
    async with AsyncExitStack() as stack:
        root = await stack.enter_async_context(
            scripted_dns(f"{delegation}\n{beside}", zones=("",), address=ROOT)
        )
        servers = [
            await stack.enter_async_context(
                scripted_dns(
                    script.records,
                    zones=zones,
                    faults=script.faults or ({"*": script.fault} if script.fault else {}),
                    follows=follows,
                    address=address,
                    port=root.port,
                )
            )
            for script, address in zip(read, hosts.values(), strict=True)
        ]
        ours = await stack.enter_async_context(
            scripted_dns(
                resolver,
                faults=resolver_faults,
                follows=follows,
                address=RESOLVER,
                port=root.port,
            )
        )
        yield Delegated(root, ours, tuple(servers), clock)


def walker(
    root: ScriptedDns, *resolvers: Server, clock: Callable[[], float] = time.monotonic
) -> AuthoritativeServers:
    """Give a walk from a scripted root."""
    return AuthoritativeServers(
        resolvers, roots=[root.address], port=root.port, allowed=LOOPBACK, clock=clock
    )


async def addresses_of(
    authoritative: AuthoritativeServers, name: str = "www.shop.com", *, anew: bool = False
) -> list[str]:
    """Give the addresses of the servers that a walk finds."""
    servers = await authoritative.of(Questions(wait=5.0), name, anew=anew)
    return [server.address for server in servers]
