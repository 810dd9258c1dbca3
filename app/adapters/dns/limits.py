"""What all checks of a process together may send to name servers, and which of these are silent.

A tenant's server that is slow or silent must not delay the checks of others, and a name server that
serves many tenants must not get more questions than its operator would call polite.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

from app.adapters.dns.answer import CouldNotAsk, Server

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SERVER_RATE = 50
"""The most questions to one address within any second."""
NETWORK_RATE = 100
"""The most questions to one /24, or for IPv6 to one /48, within any second."""
AT_ONCE = 500
"""Questions that wait for an answer at the same time."""
SERVER_AT_ONCE = 20
"""The same, to one address."""
TENANT_WAITING = 8
"""Questions of one tenant that wait for their turn at one /24 or /48. Others of the tenant are
given up, and asked less often. So a tenant with very many names at one DNS provider keeps neither
the provider's rate nor the worker's slots from the others: whoever else asks comes behind eight
questions, not behind thousands. Who is alone there can still use up the whole rate."""
LONGEST_WAIT = 1.0
"""How long a question waits for its turn. Then it is given up: the next server is asked."""
STRIKES = 3
DEAD_SECONDS = 60.0
MOST_DEAD = 10_000
"""How many servers with time-outs are remembered. The oldest is forgotten first."""
_BURST = 0.2
"""The share of a rate that may be used at one moment; the rest is spread over the second."""
_FEWEST_KEPT = 1024


class Pace:
    """Spreads events by key: at most `rate` of them within any second.

    For each key it holds the time at which its allowance is whole again (the generic cell rate
    algorithm, ITU-T I.371). Keys whose time has passed are dropped, so that what is held depends on
    the last two seconds alone.
    """

    def __init__(self, rate: int, clock: Callable[[], float]) -> None:
        self._interval = 1 / (rate * (1 - _BURST))
        self._slack = (rate * _BURST - 1) * self._interval
        self._clock = clock
        self._whole_at: dict[str, float] = {}
        self._drop_at = _FEWEST_KEPT

    def __len__(self) -> int:
        return len(self._whole_at)

    def delay(self, key: str) -> float:
        """Return how long the next event would have to wait, in seconds."""
        now = self._clock()
        return max(0.0, self._whole_at.get(key, now) - now - self._slack)

    def take(self, key: str, wait: float) -> None:
        """Count an event that comes in `wait` seconds, which are no fewer than its delay."""
        now = self._clock()
        self._whole_at[key] = max(self._whole_at.get(key, now), now + wait) + self._interval
        if len(self._whole_at) > self._drop_at:
            self._whole_at = {key: at for key, at in self._whole_at.items() if at > now}
            self._drop_at = max(_FEWEST_KEPT, 2 * len(self._whole_at))


@dataclass(frozen=True, slots=True)
class Silence:
    """Time-outs in a row of one server."""

    strikes: int
    name: str
    """The name last asked in vain."""
    until: float
    """When the server may be asked again, if the strikes are enough."""


class ServerLimits:
    """The limits and the dead servers, shared by all checks of one process.

    Rates hold for servers that DNS names. The configured resolvers and the servers in
    `own_networks` are the operator's, who knows what they take.
    """

    def __init__(
        self,
        own_networks: Collection[Network] = (),
        *,
        at_once: int = AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own_networks = tuple(own_networks)
        self._clock = clock
        self._places = asyncio.Semaphore(at_once)
        self._by_server = Pace(SERVER_RATE, clock)
        self._by_network = Pace(NETWORK_RATE, clock)
        self._under_way: Counter[str] = Counter()
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._silent: dict[tuple[str, int, str], Silence] = {}

    @asynccontextmanager
    async def turn(self, server: Server, tenant: str | None = None) -> AsyncIterator[None]:
        """Wait for the moment at which the server may be asked, and hold a place meanwhile.

        `tenant` is whose name is asked for; None if it is nobody's.

        Raises:
            CouldNotAsk: `timeout` for a dead server; `busy` if the turn would come too late.
        """
        if not self._is_own(server) and (wait := self.reserve(server.address, tenant)):
            await self._wait(wait, server.address, tenant)
        if self._places.locked():
            await self._queue()
        else:
            await self._places.acquire()
        self._under_way[server.address] += 1
        try:
            yield
        finally:
            self._places.release()
            self._under_way[server.address] -= 1
            if not self._under_way[server.address]:
                del self._under_way[server.address]

    def reserve(self, address: str, tenant: str | None = None) -> float:
        """Count a question to an address, and return in how many seconds it may go out.

        Raises:
            CouldNotAsk: `busy` if that would be too late, too many wait for its answers, or too
                many of the tenant wait for their turn.
        """
        if self._under_way[address] >= SERVER_AT_ONCE:
            raise CouldNotAsk("busy")
        network = _network(address)
        wait = max(self._by_server.delay(address), self._by_network.delay(network))
        enough_wait = tenant is not None and self._waiting[tenant, network] >= TENANT_WAITING
        if wait > LONGEST_WAIT or (wait and enough_wait):
            raise CouldNotAsk("busy")
        self._by_server.take(address, wait)
        self._by_network.take(network, wait)
        return wait

    def refuse_dead(self, server: Server) -> None:
        """Let a question through unless the server is dead. Once its time is over, let one through.

        Raises:
            CouldNotAsk: it is dead.
        """
        silence = self._silent.get(_key(server))
        if silence is None or silence.strikes < STRIKES:
            return
        now = self._clock()
        if now < silence.until:
            raise CouldNotAsk("timeout")
        self._silent[_key(server)] = replace(silence, until=now + DEAD_SECONDS)

    def answered(self, server: Server) -> None:
        """Note an answer, of any kind."""
        if self._silent:
            self._silent.pop(_key(server), None)

    def timed_out(self, server: Server, name: str) -> None:
        """Note that no answer came.

        A resolver is silent about a name whose own servers are silent. Only different names count.
        """
        key = _key(server)
        before = self._silent.pop(key, None)
        strikes = before.strikes if before else 0
        if before is None or server.zone is not None or before.name != name:
            strikes += 1
        while len(self._silent) >= MOST_DEAD:
            del self._silent[next(iter(self._silent))]
        self._silent[key] = Silence(strikes, name, self._clock() + DEAD_SECONDS)

    async def _wait(self, seconds: float, address: str, tenant: str | None) -> None:
        if tenant is None:
            await asyncio.sleep(seconds)
            return
        key = (tenant, _network(address))
        self._waiting[key] += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    async def _queue(self) -> None:
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await self._places.acquire()
        except TimeoutError:
            raise CouldNotAsk("busy") from None

    def _is_own(self, server: Server) -> bool:
        return server.zone is None or (
            bool(self._own_networks) and lies_in(server.address, self._own_networks)
        )


@lru_cache(maxsize=4096)
def lies_in(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether the address belongs to one of the networks."""
    parsed = ipaddress.ip_address(address)
    return any(parsed.version == each.version and parsed in each for each in networks)


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    prefix = 48 if ":" in address else 24
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))


def _key(server: Server) -> tuple[str, int, str]:
    """Tell servers apart, and the zones of one: some are silent about zones they do not hold.

    A tenant who delegates a zone to such a server must not take it away from the others.
    """
    zone = server.zone.to_text() if server.zone is not None else ""
    return (server.address, server.port, zone)
