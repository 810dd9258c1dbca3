"""API keys: made, kept as hashes, looked up with a short memory."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from enum import StrEnum

from app.domain.errors import InvalidInput, NotFound
from app.persistence import api_keys as store
from app.persistence.api_keys import ApiKey, ListedKey
from app.persistence.database import Database

REMEMBER_SECONDS = 5.0
"""How long a revoked key may still work on another replica."""
MOST_REMEMBERED = 10_000


class Scope(StrEnum):
    """What a key may do; each includes the one before."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: Scope) -> bool:
        """Whether this scope reaches as far as `other`."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


def digest(key: str) -> bytes:
    """Hash a key. It has 256 random bits, so a plain SHA-256 cannot be guessed back."""
    return hashlib.sha256(key.encode()).digest()


class ApiKeys:
    """The keys of callers."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[bytes, tuple[float, ApiKey | None]] = {}

    async def create(self, *, name: str, scope: str) -> tuple[ApiKey, str]:
        """Make a key; it is shown this once.

        Raises:
            InvalidInput: no such scope.
        """
        if scope not in set(Scope):
            raise InvalidInput("A scope is read, write or admin.", code="scope_unknown")
        secret = "np_" + secrets.token_urlsafe(32)
        async with self._database.transaction() as tx:
            key = await store.insert_key(tx, name=name, scope=scope, digest=digest(secret))
        return key, secret

    async def list(self) -> list[ListedKey]:
        """Give all keys, oldest first."""
        async with self._database.transaction() as tx:
            return await store.list_keys(tx)

    async def revoke(self, key_id: str) -> ListedKey:
        """Let a key work no more, within five seconds.

        Raises:
            NotFound: there is none of this id.
        """
        async with self._database.transaction() as tx:
            revoked = await store.revoke_key(tx, key_id)
        if revoked is None:
            raise NotFound("There is no API key with this id; `nameplate keys list` has them.")
        return revoked

    async def find(self, secret: str) -> ApiKey | None:
        """Give the key that `secret` is, or None when it is unknown or revoked."""
        hashed = digest(secret)
        known = self._known.get(hashed)
        now = self._clock()
        if known is not None and now < known[0]:
            return known[1]
        key = await store.find_key(self._database, hashed)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[hashed] = (now + REMEMBER_SECONDS, key)
        return key
