"""Signatures, verified by others: `standardwebhooks`, `cryptography`, and Node's `crypto`."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from app.adapters.webhook_signing import new_private_key, new_secret, public_key_of, signatures

NODE = shutil.which("node")
BODY = json.dumps({"name": "b\u00fccher \u65e5\u672c"}, ensure_ascii=False)
# RFC 8032, section 7.1, test 1.
RFC_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")

VERIFY = """
const crypto = require("node:crypto");
const {key, content, signature} = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const x = Buffer.from(key.slice("whpk_".length), "base64").toString("base64url");
const publicKey = crypto.createPublicKey({key: {kty: "OKP", crv: "Ed25519", x}, format: "jwk"});
const bytes = Buffer.from(signature.slice("v1a,".length), "base64");
console.log(crypto.verify(null, Buffer.from(content, "utf8"), publicKey, bytes));
"""


def signed(secret: str, at: datetime) -> str:
    return signatures([secret], "msg_1", at, BODY)


def private_key(raw: bytes) -> str:
    return "whsk_" + base64.b64encode(raw).decode()


def headers(signature: str, at: datetime) -> dict[str, str]:
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def verify(public_key: str, signature: str, content: str) -> None:
    """Verify a `v1a` signature as the specification says.

    Raises:
        InvalidSignature: it is not valid.
    """
    version, _, encoded = signature.partition(",")
    assert version == "v1a"
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    key.verify(base64.b64decode(encoded), content.encode())


def test_a_secret_makes_a_signature_that_standardwebhooks_verifies() -> None:
    secret, now = new_secret(), datetime.now(UTC)
    signature = signed(secret, now)
    assert Webhook(secret).verify(BODY, headers(signature, now)) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, headers(signature, now))


def test_a_private_key_makes_a_signature_that_its_public_key_verifies() -> None:
    key, now = new_private_key(), datetime.now(UTC)
    content = f"msg_1.{int(now.timestamp())}.{BODY}"
    signature = signed(key, now)
    verify(public_key_of(key), signature, content)
    for other_key, other in ((key, content + " "), (new_private_key(), content)):
        with pytest.raises(InvalidSignature):
            verify(public_key_of(other_key), signature, other)


@pytest.mark.skipif(NODE is None, reason="Node is not installed: no second verifier of v1a")
@pytest.mark.parametrize(("tail", "valid"), [("", True), (" ", False)])
def test_node_agrees_about_a_private_keys_signature(tail: str, *, valid: bool) -> None:
    key, now = new_private_key(), datetime.now(UTC)
    given = {
        "key": public_key_of(key),
        "content": f"msg_1.{int(now.timestamp())}.{BODY}{tail}",
        "signature": signed(key, now),
    }
    ended = subprocess.run(
        [str(NODE), "-e", VERIFY],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.strip() == str(valid).lower()


def test_each_secret_signs_in_order() -> None:
    now = datetime.now(UTC)
    first, second, third = new_private_key(), new_secret(), new_secret()
    joined = signatures([first, second, third], "msg_1", now, BODY)
    assert joined == " ".join(signed(secret, now) for secret in (first, second, third))
    for secret in (second, third):
        assert Webhook(secret).verify(BODY, headers(joined.partition(" ")[2], now))


def test_a_seed_alone_and_with_its_public_key_are_the_same_key() -> None:
    now = datetime.now(UTC)
    short, long = private_key(RFC_SEED), private_key(RFC_SEED + RFC_PUBLIC)
    assert public_key_of(short) == public_key_of(long)
    assert public_key_of(short) == "whpk_" + base64.b64encode(RFC_PUBLIC).decode()
    assert signed(short, now) == signed(long, now)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsk_",
        "whsk_secret-text",
        "whsk_" + base64.b64encode(b"secret-text").decode(),
        private_key(RFC_SEED + bytes(32)),
        private_key(RFC_SEED + RFC_PUBLIC + b"x"),
        private_key(RFC_SEED[:-1]),
        "whsec_",
        "whsec_s",
        "secret-text",
        "whpk_" + base64.b64encode(RFC_PUBLIC).decode(),
    ],
)
def test_a_malformed_secret_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        signed(secret, datetime.now(UTC))
    hidden = secret.removeprefix("whsk_").removeprefix("whsec_")
    assert len(hidden) < 2 or hidden not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "whsec_" + "A" * 32, "whpk_" + base64.b64encode(RFC_SEED).decode()]
)
def test_only_a_private_key_has_a_public_key(text: str) -> None:
    with pytest.raises(ValueError, match="A private key must be"):
        public_key_of(text)


def test_a_new_secret_is_new_and_has_24_bytes() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    for secret in secrets:
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 24


def test_a_new_private_key_is_new_and_is_a_seed_with_its_public_key() -> None:
    keys = {new_private_key() for _ in range(50)}
    assert len(keys) == 50
    for key in keys:
        raw = base64.b64decode(key.removeprefix("whsk_"), validate=True)
        public = Ed25519PrivateKey.from_private_bytes(raw[:32]).public_key().public_bytes_raw()
        assert raw[32:] == public
        assert public_key_of(key) == "whpk_" + base64.b64encode(public).decode()
