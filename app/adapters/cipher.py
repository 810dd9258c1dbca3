"""Encryption at rest of webhook secrets and zone tokens, with rotation (Fernet, newest key first).

Rivals of `cryptography`'s MultiFernet were a KMS (a service more to run) and libsodium bindings
(no rotation of their own).
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
            NotReady: when one is no Fernet key.
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
        """Encrypt."""
        return self._fernet.encrypt(text.encode())

    def rotate(self, token: bytes) -> bytes | None:
        """Encrypt with the newest key what another encrypted; None where it is so already.

        Raises:
            NotReady: when no key fits.
        """
        try:
            self._newest.decrypt(token)
        except InvalidToken:
            return self.encrypt(self.decrypt(token))
        return None

    def decrypt(self, token: bytes) -> str:
        """Decrypt.

        Raises:
            NotReady: when no key fits, because the one that did was taken out of the settings.
        """
        try:
            return self._fernet.decrypt(token).decode()
        except InvalidToken:
            raise NotReady(
                "NAMEPLATE_SECRET_KEYS cannot decrypt a stored secret; add the former key again."
            ) from None
