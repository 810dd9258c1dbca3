"""Encrypted secrets: zones' API tokens and webhook endpoints' signing secrets.

`persistence/stored_secrets` reads and writes the columns; `adapters/cipher` encrypts.
"""

from __future__ import annotations

from app.domain.errors import Conflict, ErrorCode, InvalidInput, NotFound, NotReady
from app.domain.zone import Zone
from app.persistence import stored_secrets as store
from app.persistence.database import Database
from app.persistence.zones import get_zone, save_token
from app.services.ports import RotatingCipher

AT_ONCE = 200
MOST_NAMED = 10
LEAST_TOKEN = 20


class StoredSecrets:
    """Rotates the secrets' encryption, and checks that they can be decrypted."""

    def __init__(self, database: Database, cipher: RotatingCipher) -> None:
        self._database = database
        self._cipher = cipher

    async def rotate(self) -> tuple[int, int]:
        """Encrypt every secret with the newest key.

        Return how many were encrypted again, and how many used that key already. Those are left
        alone, so an interrupted run can be repeated.

        Raises:
            NotReady: some fit no key; the others are encrypted again all the same.
        """
        rotated, kept, unreadable = 0, 0, list[str]()
        for kind in store.KINDS:
            after = ""
            while True:
                async with self._database.transaction() as tx:
                    secrets = await store.lock_secrets(tx, kind, after=after, limit=AT_ONCE)
                    for secret in secrets:
                        try:
                            anew = self._cipher.rotate(secret.encrypted)
                        except NotReady:
                            unreadable.append(f"{kind.label} {secret.id}")
                            continue
                        kept += anew is None
                        rotated += anew is not None
                        if anew is not None:
                            await store.save_secret(tx, kind, secret.id, anew)
                if not secrets:
                    break
                after = secrets[-1].id
        if unreadable:
            raise NotReady(f"{rotated} secrets were re-encrypted. {_unreadable(unreadable)}")
        return rotated, kept

    async def require_readable(self) -> None:
        """Check that every secret can be decrypted.

        Raises:
            NotReady: with those that cannot.
        """
        unreadable = list[str]()
        for kind in store.KINDS:
            after = ""
            while True:
                async with self._database.transaction() as tx:
                    secrets = await store.read_secrets(tx, kind, after=after, limit=AT_ONCE)
                for secret in secrets:
                    try:
                        self._cipher.decrypt(secret.encrypted)
                    except NotReady:
                        unreadable.append(f"{kind.label} {secret.id}")
                if not secrets:
                    break
                after = secrets[-1].id
        if unreadable:
            raise NotReady(_unreadable(unreadable))

    def _is_readable(self, encrypted: bytes) -> bool:
        try:
            self._cipher.decrypt(encrypted)
        except NotReady:
            return False
        return True

    async def set_zone_token(self, zone_id: str, token: str) -> Zone:
        """Give a zone another API token.

        Raises:
            NotFound: no zone has this id.
            Conflict: it is the default zone, whose token is a setting, and can be decrypted.
            InvalidInput: the text cannot be a token.
        """
        if len(token) < LEAST_TOKEN or any(each.isspace() for each in token):
            raise InvalidInput("An API token must have at least 20 characters and no spaces.")
        async with self._database.transaction() as tx:
            zone = await get_zone(tx, zone_id)
            if zone is None:
                raise NotFound("Zone not found; `nameplate zones list` lists all zones.")
            if zone.is_default and self._is_readable(zone.api_token):
                raise Conflict(
                    "The default zone's token is NAMEPLATE_CLOUDFLARE_API_TOKEN; change that "
                    "setting and restart.",
                    code=ErrorCode.TOKEN_IS_A_SETTING,
                )
            await save_token(tx, zone.id, self._cipher.encrypt(token))
        return zone


def _unreadable(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return (
        f"NAMEPLATE_SECRET_KEYS cannot decrypt {', '.join(names[:MOST_NAMED])}{more}. Add "
        "the former key again, as the last one. If it is lost, set a zone's token with `nameplate "
        "zones set-token`, and remove a webhook endpoint and add it again."
    )
