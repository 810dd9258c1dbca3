"""API keys: created, stored as hashes, and looked up with a short-lived cache.

A caller that tries keys at random must not slow down others. Unknown keys are cached apart from
known ones, and an address that tries too many unknown keys is refused without a query.
`persistence/api_keys` stores the keys.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import time
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from app.domain.errors import ErrorCode, InvalidInput, NameplateError, NotFound
from app.persistence import api_keys as store
from app.persistence.api_keys import ApiKey, ListedKey
from app.persistence.database import Database

K = TypeVar("K")
V = TypeVar("V")

REMEMBER_SECONDS = 5.0
"""How long a revoked key may still work on another replica."""
MOST_REMEMBERED = 10_000
"""How many known keys to cache, and likewise unknown keys, and addresses."""
FAILURES = 20
"""How many unknown keys an address may try within `FAILURE_SECONDS`."""
FAILURE_SECONDS = 60.0


class TooManyFailedKeys(NameplateError):
    """The address tried too many unknown keys. It may try again in `retry_after` seconds."""

    code = ErrorCode.TOO_MANY_FAILED_KEYS

    def __init__(self, *, retry_after: float) -> None:
        super().__init__(
            "Too many unknown API keys came from this address. Check the key, and try again after "
            "`Retry-After`."
        )
        self.retry_after = retry_after


class Scope(StrEnum):
    """What a key may do. Each scope includes the one before."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: Scope) -> bool:
        """Whether this scope reaches as far as `other`."""
        return _REACH[self] >= _REACH[other]


_REACH = {scope: reach for reach, scope in enumerate(Scope)}


def digest(key: str) -> bytes:
    """Hash a key. It has 256 random bits, so a plain SHA-256 cannot be guessed back."""
    return hashlib.sha256(key.encode()).digest()


class ApiKeys:
    """The use cases of API keys."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[bytes, tuple[float, ApiKey]] = {}
        self._unknown: dict[bytes, float] = {}
        self._failures: dict[str, tuple[float, int]] = {}
        self._asking: dict[bytes, int] = {}
        """How many requests wait for the look-up of a key."""

    async def create(self, *, name: str, scope: str) -> tuple[ApiKey, str]:
        """Create a key. This is the only time that it is shown.

        Raises:
            InvalidInput: no such scope.
        """
        if scope not in set(Scope):
            raise InvalidInput(
                "The scope must be read, write or admin.", code=ErrorCode.SCOPE_UNKNOWN
            )
        secret = "np_" + secrets.token_urlsafe(32)
        async with self._database.transaction() as tx:
            key = await store.insert_key(tx, name=name, scope=scope, digest=digest(secret))
        return key, secret

    async def list(self) -> list[ListedKey]:
        """Return all keys, oldest first."""
        async with self._database.transaction() as tx:
            return await store.list_keys(tx)

    async def revoke(self, key_id: str) -> ListedKey:
        """Revoke a key. It stops working within five seconds.

        Raises:
            NotFound: no key has this id.
        """
        async with self._database.transaction() as tx:
            revoked = await store.revoke_key(tx, key_id)
        if revoked is None:
            raise NotFound("API key not found; `nameplate keys list` lists all keys.")
        return revoked

    async def find(self, secret: str, *, address: str = "") -> ApiKey | None:
        """Return the key that `secret` is, or None if it is unknown or revoked.

        `address` is the caller's. It never causes a key that is known to be good to be refused,
        because all callers behind a proxy share one.

        Raises:
            TooManyFailedKeys: the address tried too many unknown keys; this one was not looked up.
        """
        hashed = digest(secret)
        known = self._known.get(hashed)
        now = self._clock()
        if known is not None and now < known[0]:
            return known[1]
        if known is None:
            if now < self._unknown.get(hashed, now):
                return None
            self._refuse_if_throttled(address, now, self._asking.get(hashed, 0))
        # Count the key while it is looked up: many unknown keys at once count as many, many
        # requests with one key as one.
        first = hashed not in self._asking
        self._asking[hashed] = self._asking.get(hashed, 0) + 1
        if first:
            self._count(address, now, 1)
        try:
            key = await store.find_key(self._database, hashed)
        finally:
            self._asking[hashed] -= 1
            if not self._asking[hashed]:
                del self._asking[hashed]
        if key is not None:
            if first:
                self._count(address, now, -1)
            _put(self._known, hashed, (now + REMEMBER_SECONDS, key))
            return key
        self._known.pop(hashed, None)
        _put(self._unknown, hashed, now + REMEMBER_SECONDS)
        return None

    def _refuse_if_throttled(self, address: str, now: float, asking: int) -> None:
        if asking:
            # Already counted, and may still turn out to be known.
            return
        until, count = self._failures.get(_network(address), (0.0, 0))
        if count >= FAILURES and now < until:
            raise TooManyFailedKeys(retry_after=max(until - now, 1.0))

    def _count(self, address: str, now: float, more: int) -> None:
        network = _network(address)
        until, count = self._failures.get(network, (0.0, 0))
        if now >= until:
            until, count = now + FAILURE_SECONDS, 0
        _put(self._failures, network, (until, max(count + more, 0)))


def _network(address: str) -> str:
    """Return what counts as one address: for IPv6 the whole /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _put(memory: dict[K, V], key: K, value: V) -> None:
    """Remember a value, and forget the oldest one if there is no room."""
    memory.pop(key, None)
    if len(memory) >= MOST_REMEMBERED:
        del memory[next(iter(memory))]
    memory[key] = value
