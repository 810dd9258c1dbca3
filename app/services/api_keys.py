"""API keys: created, stored as hashes, and looked up with a short-lived cache.

A revocation is notified to all processes, which then look every key up again. A key that expires is
cached until then at the longest.

A caller that tries keys at random must not slow down others. Unknown keys are cached apart from
known ones, and an address that tries too many unknown keys is refused without a query.
`persistence/api_keys` stores the keys.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TypeVar

import structlog

from app.domain.errors import (
    DatabaseUnavailable,
    ErrorCode,
    InvalidInput,
    NameplateError,
    NotFound,
)
from app.domain.tenant import LONGEST_TENANT, is_tenant
from app.persistence import api_keys as store
from app.persistence.api_keys import USES_APART_SECONDS, ApiKey, ListedKey
from app.persistence.clock import read_now
from app.persistence.database import Connection, Database
from app.persistence.idempotency import forget_answers
from app.persistence.wakeups import Channel, listening

log = structlog.get_logger(__name__)

K = TypeVar("K")
V = TypeVar("V")

REMEMBER_SECONDS = 5.0
"""How long a key is cached. A revoked one works no longer than that where the notification of its
revocation was lost."""
MOST_REMEMBERED = 10_000
"""How many known keys to cache, and likewise unknown keys, and addresses."""
LAST_USES_SECONDS = 2.0
"""How long a process that stops takes to write when keys were used last."""
SHOWN_CHARACTERS = 7
"""How much of a key is kept to recognise it by: `np_`, and 24 of its 256 bits."""
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


async def _accept(_tx: Connection, _key: ListedKey, _secret: str) -> None:
    """Accept a request that has no Idempotency-Key."""


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
        self._looking: Counter[str] = Counter()
        """How many keys that are not known to be good are being looked up, by address."""
        self._ended = asyncio.Event()
        """Is set when a look-up ends; the next one has another event."""
        self._forgotten = 0
        """How many times the known keys had to be looked up anew."""
        self._uses: dict[str, float] = {}
        """When each key was used last, since the uses were written."""

    async def create(
        self,
        *,
        name: str,
        scope: str,
        tenant: str | None = None,
        expires_at: datetime | None = None,
        accept: Callable[[Connection, ListedKey, str], Awaitable[None]] = _accept,
    ) -> tuple[ListedKey, str]:
        """Create a key, and return it with the key itself, of which only the hash is stored.

        Args:
            name: What people call it.
            scope: `read`, `write` or `admin`.
            tenant: The tenant that it is bound to. None: it reaches all tenants.
            expires_at: When it stops working, with a time zone. None: never.
            accept: Notes the request in the transaction that creates the key.

        Raises:
            InvalidInput: no such scope, a text that names no tenant, an admin key for one
                tenant, or a time that is past.
        """
        if scope not in set(Scope):
            raise InvalidInput(
                "The scope must be read, write or admin.", code=ErrorCode.SCOPE_UNKNOWN
            )
        if tenant is not None and not is_tenant(tenant):
            raise InvalidInput(
                f"`tenant` must have 1 to {LONGEST_TENANT} printable characters; leave it out for "
                "a key that reaches all tenants.",
                field="/tenant",
            )
        if tenant is not None and scope == Scope.ADMIN:
            raise InvalidInput(
                "A key with scope `admin` acts on all tenants; leave `tenant` out, or choose "
                "`write`.",
                code=ErrorCode.ADMIN_KEY_BOUND,
                field="/tenant",
            )
        secret = "np_" + secrets.token_urlsafe(32)
        async with self._database.transaction() as tx:
            if expires_at is not None and expires_at <= await read_now(tx):
                raise InvalidInput(
                    "`expires_at` must be in the future.",
                    code=ErrorCode.EXPIRY_PAST,
                    field="/expires_at",
                )
            key = await store.insert_key(
                tx,
                name=name,
                scope=scope,
                tenant=tenant,
                expires_at=expires_at,
                prefix=secret[:SHOWN_CHARACTERS],
                digest=digest(secret),
            )
            await accept(tx, key, secret)
        return key, secret

    async def get(self, key_id: str) -> ListedKey:
        """Return one, even if it is revoked.

        Raises:
            NotFound: no key has this id.
        """
        async with self._database.transaction() as tx:
            return _existing(await store.get_key(tx, key_id))

    async def list(self, *, after: str | None = None, limit: int | None = None) -> list[ListedKey]:
        """Return keys after the id `after`, newest first; all of them without a limit."""
        async with self._database.transaction() as tx:
            return await store.list_keys(tx, after=after, limit=limit)

    async def revoke(self, key_id: str) -> ListedKey:
        """Revoke a key. It stops working at once, and within five seconds in any case.

        The answer that showed it, if it was stored for an Idempotency-Key, is removed.

        Raises:
            NotFound: no key has this id.
        """
        async with self._database.transaction() as tx:
            revoked = _existing(await store.revoke_key(tx, key_id))
            await forget_answers(tx, key_id)
        return revoked

    async def find(self, secret: str, *, address: str = "") -> ApiKey | None:
        """Return the key that `secret` is, or None if it is unknown, revoked or expired.

        `address` is the caller's. It never causes a key that is known to be good to be refused,
        because all callers behind a proxy share one.

        Raises:
            TooManyFailedKeys: the address tried too many unknown keys; this one was not looked up.
        """
        hashed, network = digest(secret), _network(address)
        while True:
            now = self._clock()
            known = self._known.get(hashed)
            if known is not None:
                if now >= known[0]:
                    break
                key = known[1]
                self._uses[key.id] = now
                return key
            if now < self._unknown.get(hashed, now):
                return None
            # A key that is being looked up already is counted, and may still turn out to be known.
            if hashed in self._asking or self._may_look_up(network, now):
                break
            await self._ended.wait()
        return await self._look_up(hashed, network, now)

    async def _look_up(self, hashed: bytes, network: str, now: float) -> ApiKey | None:
        # Many unknown keys at once count as many, many requests with one key as one.
        first = hashed not in self._asking
        may_fail = first and hashed not in self._known
        self._asking[hashed] = self._asking.get(hashed, 0) + 1
        if may_fail:
            self._looking[network] += 1
        forgotten = self._forgotten
        try:
            found = await store.find_key(self._database, hashed)
        finally:
            self._asking[hashed] -= 1
            if not self._asking[hashed]:
                del self._asking[hashed]
            if may_fail:
                self._end_look_up(network)
        if found is not None:
            # What was read before a revocation counts for this one request.
            seconds = 0.0 if forgotten != self._forgotten else REMEMBER_SECONDS
            if found.seconds_left is not None:
                seconds = min(seconds, found.seconds_left)
            _put(self._known, hashed, (now + seconds, found.key))
            self._uses[found.key.id] = now
            return found.key
        if first:
            self._count_failure(network, now)
        self._known.pop(hashed, None)
        _put(self._unknown, hashed, now + REMEMBER_SECONDS)
        return None

    async def follow_revocations(self) -> None:
        """Look every key up anew whenever one was revoked, until cancelled.

        Likewise if notifications may have been missed, because the connection was lost.
        """
        async with listening(self._database.server, Channel.API_KEYS) as revoked:
            while True:
                await revoked.wait()
                revoked.clear()
                self.forget_all()

    def forget_all(self) -> None:
        """Look every key up at its next use. Those that were good still count as such."""
        self._forgotten += 1
        for hashed, (_, key) in self._known.items():
            self._known[hashed] = (float("-inf"), key)

    async def write_uses_regularly(self) -> None:
        """Write once a minute when keys were used last, until cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(USES_APART_SECONDS)
                try:
                    await self.write_uses()
                except Exception as error:  # noqa: BLE001 - whatever it was, the next time does it
                    log.warning("key_uses_not_written", error=type(error).__name__)
        finally:
            with suppress(DatabaseUnavailable, TimeoutError):
                async with asyncio.timeout(LAST_USES_SECONDS):
                    await self.write_uses()

    async def write_uses(self) -> None:
        """Write when the keys were used last that were used since this was done last.

        Raises:
            DatabaseUnavailable: it was not done; the next time does it.
        """
        uses, self._uses = self._uses, {}
        if not uses:
            return
        now = self._clock()
        ages = {key_id: now - used for key_id, used in uses.items()}
        try:
            await self._database.run(partial(store.write_uses, ages=ages))
        except BaseException:
            self._uses = uses | self._uses
            raise

    def _may_look_up(self, network: str, now: float) -> bool:
        """Whether a key may be looked up now, or has to wait until another look-up has ended.

        Were all those under way to fail, there would be no more failures than allowed. They may as
        well be good: behind one proxy many keys are new to a process that has just started.

        Raises:
            TooManyFailedKeys: too many have failed.
        """
        until, failed = self._failures.get(network, (0.0, 0))
        if now >= until:
            failed = 0
        if failed >= FAILURES:
            raise TooManyFailedKeys(retry_after=max(until - now, 1.0))
        return failed + self._looking[network] < FAILURES

    def _end_look_up(self, network: str) -> None:
        self._looking[network] -= 1
        if not self._looking[network]:
            del self._looking[network]
        ended, self._ended = self._ended, asyncio.Event()
        ended.set()

    def _count_failure(self, network: str, now: float) -> None:
        until, failed = self._failures.get(network, (0.0, 0))
        if now >= until:
            until, failed = now + FAILURE_SECONDS, 0
        _put(self._failures, network, (until, failed + 1))


def _existing(key: ListedKey | None) -> ListedKey:
    if key is None:
        raise NotFound("API key not found; find its id in the list of keys.")
    return key


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
