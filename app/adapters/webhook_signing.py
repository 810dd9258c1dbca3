"""Signatures of webhooks and the secrets that make them, after Standard Webhooks.

`whsec_` is a secret that both sides know and makes `v1` (HMAC-SHA256). `whsk_` is a private key and
makes `v1a` (Ed25519); receivers get its public half, `whpk_`.
"""

from __future__ import annotations

import base64
import secrets as random
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from app.domain.webhook_endpoint import Signing

SECRET = "whsec_"  # noqa: S105 - a prefix
PRIVATE_KEY = "whsk_"
PUBLIC_KEY = "whpk_"
SECRET_BYTES = 24
SEED_BYTES = 32
"""RFC 8032, section 5.1.5."""
MOST_PARSED = 4096
"""How many secrets are kept parsed."""

Signer = Callable[[str, datetime, str], str]
"""Signs the id of a message, the time of the attempt, and the body."""


def new_secret() -> str:
    """Make a secret that both sides know."""
    return SECRET + _encoded(random.token_bytes(SECRET_BYTES))


def new_private_key() -> str:
    """Make a private key: its seed and its public key, 64 bytes, as other senders write it.

    The specification asks for a "standard ed25519 key pair" in base64. This is how libsodium, Go
    and Svix write one.
    """
    key = Ed25519PrivateKey.generate()
    return PRIVATE_KEY + _encoded(key.private_bytes_raw() + _public_bytes(key))


def public_key_of(private_key: str) -> str:
    """Return what receivers verify with.

    Raises:
        ValueError: it is not a private key.
    """
    return PUBLIC_KEY + _encoded(_public_bytes(_read_private_key(private_key)))


def new_key(signing: Signing) -> tuple[str, str | None]:
    """Make a signing secret or private key, with the public key if there is one."""
    if signing is Signing.HMAC_SHA256:
        return new_secret(), None
    private_key = new_private_key()
    return private_key, public_key_of(private_key)


def signatures(secrets: Iterable[str], message_id: str, at: datetime, body: str) -> str:
    """Sign with each secret, in the form of the header `webhook-signature`.

    `at` must have a time zone, and it must be UTC: `standardwebhooks` takes any other for it.

    Raises:
        ValueError: a secret is malformed. The text does not contain it.
    """
    return " ".join(_signer(secret)(message_id, at, body) for secret in secrets)


@lru_cache(maxsize=MOST_PARSED)
def _signer(secret: str) -> Signer:
    if secret.startswith(PRIVATE_KEY):
        key = _read_private_key(secret)

        def sign(message_id: str, at: datetime, body: str) -> str:
            content = f"{message_id}.{int(at.timestamp())}.{body}".encode()
            return f"v1a,{_encoded(key.sign(content))}"

        return sign
    if not secret.startswith(SECRET):
        raise ValueError(f"A signing secret must begin with {SECRET} or {PRIVATE_KEY}.")
    try:
        return Webhook(secret).sign
    except (ValueError, EmptyWebhookSecretError):
        raise ValueError(f"What follows {SECRET} must be base64.") from None


def _read_private_key(text: str) -> Ed25519PrivateKey:
    """Read the seed, alone or followed by the public key that it makes."""
    try:
        raw = base64.b64decode(text.removeprefix(PRIVATE_KEY), validate=True)
    except ValueError:
        raw = b""
    if text.startswith(PRIVATE_KEY) and len(raw) in {SEED_BYTES, 2 * SEED_BYTES}:
        key = Ed25519PrivateKey.from_private_bytes(raw[:SEED_BYTES])
        if raw[SEED_BYTES:] in {b"", _public_bytes(key)}:
            return key
    raise ValueError(
        f"A private key must be {PRIVATE_KEY} and base64 of a seed of {SEED_BYTES} bytes, alone or "
        "with the public key after it."
    )


def _public_bytes(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
