"""Encryption of webhook secrets and zone tokens at rest, with key rotation (Fernet).

The newest key comes first. The alternatives to `cryptography`'s MultiFernet were a KMS (one more
service to run) and libsodium bindings (without rotation).
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from app.domain.errors import NotReady


class Cipher:
    """Encrypts with the newest key, decrypts with any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take Fernet keys, newest first.

        Raises:
            NotReady: one of them is not a Fernet key.
        """
        try:
            fernets = [Fernet(key) for key in keys]
            self._fernet = MultiFernet(fernets)
        except ValueError:
            raise NotReady(
                "NAMEPLATE_SECRET_KEYS must hold Fernet keys (32 bytes in URL-safe base64), "
                "newest first; `nameplate keys secret` generates one."
            ) from None
        self._newest = fernets[0]

    def encrypt(self, text: str) -> bytes:
        """Encrypt with the newest key."""
        return self._fernet.encrypt(text.encode())

    def rotate(self, token: bytes) -> bytes | None:
        """Encrypt a token again with the newest key. None if that key encrypted it already.

        Raises:
            NotReady: no key fits.
        """
        try:
            self._newest.decrypt(token)
        except InvalidToken:
            return self.encrypt(self.decrypt(token))
        return None

    def decrypt(self, token: bytes) -> str:
        """Decrypt with whichever key fits.

        Raises:
            NotReady: no key fits, because the one that did was removed from the settings.
        """
        try:
            return self._fernet.decrypt(token).decode()
        except InvalidToken:
            raise NotReady(
                "NAMEPLATE_SECRET_KEYS cannot decrypt a stored secret; add the former key again."
            ) from None
