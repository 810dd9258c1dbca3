"""Whether a message is one that Nameplate signed, and if not, why. Pure.

The rules are those of Standard Webhooks, sections "Signature scheme" and "Timestamp".
"""

from __future__ import annotations

import base64
import hmac
import http.client
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

TOLERANCE_SECONDS = 300
"""How far a receiver's clock and the timestamp may be apart."""
SECRET, PUBLIC_KEY = "whsec_", "whpk_"
SIGNATURE_BYTES = {"v1": 32, "v1a": 64}
"""HMAC-SHA256 by a secret, Ed25519 by a private key."""
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_TIMESTAMP = re.compile("[0-9]{1,11}")
_REQUEST_LINE = re.compile(rb"[A-Z]+ \S+ HTTP/\d")


class NotToBeJudged(Exception):
    """A key or a file is unusable, so that nothing is known of the signature; one line."""


@dataclass(frozen=True, slots=True)
class Received:
    """What arrived. A header that did not is an empty text."""

    id: str
    timestamp: str
    signature: str
    body: bytes

    @property
    def signed(self) -> bytes:
        """What signatures are made of."""
        return f"{self.id}.{self.timestamp}.".encode() + self.body


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a receiver should take the message, and why, in one line."""

    is_right: bool
    why: str


Check = Callable[[bytes, Received], bool]
"""Whether a signature fits what arrived."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What signatures are verified with, by their version."""

    checks: dict[str, Check]

    @classmethod
    def of(cls, *, secret: str | None, public_key: str | None) -> Keys:
        """Read the keys of an endpoint.

        Raises:
            NotToBeJudged: one is malformed, or there is none.
        """
        checks: dict[str, Check] = {}
        if secret is not None:
            checks["v1"] = _by_secret(_decoded(secret, SECRET, "the secret"))
        if public_key is not None:
            checks["v1a"] = _by_public_key(_decoded(public_key, PUBLIC_KEY, "the public key"))
        if not checks:
            raise NotToBeJudged("give --secret or --public-key, whichever the endpoint has")
        return cls(checks)


def judge(received: Received, keys: Keys, *, now: float) -> Verdict:
    """Judge a message at `now`, in seconds of Unix time."""
    for name, value in zip(
        HEADERS, (received.id, received.timestamp, received.signature), strict=True
    ):
        if not value:
            return _refused(f"malformed: there is no {name}")
    if not _TIMESTAMP.fullmatch(received.timestamp):
        return _refused("malformed: webhook-timestamp must be seconds of Unix time")
    fitting = _fitting(received, keys)
    if fitting is None:
        return _refused(_why_none_fits(received, keys))
    age = round(now) - int(received.timestamp)
    if abs(age) > TOLERANCE_SECONDS:
        apart = f"too old: it is {age} s old" if age > 0 else f"too new: it is {-age} s ahead"
        return _refused(
            f"{apart}, and receivers accept {TOLERANCE_SECONDS} s; the {fitting} signature fits"
        )
    return Verdict(is_right=True, why=f"right: the {fitting} signature fits")


def _refused(why: str) -> Verdict:
    return Verdict(is_right=False, why=why)


def parse_request(raw: bytes) -> Received:
    """Read a captured HTTP request: with or without its first line, with any line breaks.

    Raises:
        NotToBeJudged: it is no request, or its body is not whole.
    """
    stream = io.BytesIO(raw)
    if _REQUEST_LINE.match(raw):
        stream.readline()
    try:
        headers = http.client.parse_headers(stream)
    except http.client.HTTPException as error:
        raise NotToBeJudged(f"the request cannot be read: {error}") from None
    if not any(name in headers for name in HEADERS):
        raise NotToBeJudged(f"the request has no {HEADERS[0]}: give it as it was received")
    body = stream.read()
    if "chunked" in headers.get("transfer-encoding", "").lower():
        raise NotToBeJudged("the request's body is chunked: give FILE with the body put together")
    length = headers.get("content-length", "")
    if length.isdecimal():
        if len(body) < int(length):
            raise NotToBeJudged(f"the request has {len(body)} of the {length} bytes of its body")
        body = body[: int(length)]
    event_id, timestamp, signature = (headers.get(name, "").strip() for name in HEADERS)
    return Received(event_id, timestamp, signature, body)


def _fitting(received: Received, keys: Keys) -> str | None:
    """Return the version of the first signature that fits."""
    for version, signature in _signatures(received.signature):
        check = keys.checks.get(version)
        if check is not None and signature is not None and check(signature, received):
            return version
    return None


def _why_none_fits(received: Received, keys: Keys) -> str:
    given = list(_signatures(received.signature))
    versions = list(dict.fromkeys(version for version, _ in given))
    named = ", ".join(version or "none" for version in versions)
    if not any(version in SIGNATURE_BYTES for version in versions):
        return f"unknown version: the signatures are of version {named}; v1 and v1a are known"
    checked = [signature for version, signature in given if version in keys.checks]
    if not checked:
        wanted = "--secret" if "v1" in versions else "--public-key"
        return f"not verified: the signatures are of version {named}; give {wanted}"
    if all(signature is None for signature in checked):
        return "malformed: a signature must be its version, a comma, and all of its base64"
    for change, body in _likely_bodies(received.body):
        if _fitting(replace(received, body=body), keys) is not None:
            return f"changed body: {change}"
    return "wrong secret or changed body: no signature fits"


def _likely_bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Give what the body may have been, each with how it was changed."""
    if body.rstrip(b"\r\n") != body:
        yield "the signature fits without the line break at the end", body.rstrip(b"\r\n")
    try:
        written = json.dumps(json.loads(body)).encode()
    except ValueError:
        return
    yield "the signature fits the JSON as it was sent; verify the bytes that arrived", written


def _signatures(header: str) -> Iterator[tuple[str, bytes | None]]:
    """Give each signature with its version; None for one that is malformed."""
    for text in header.split():
        version, _, value = text.partition(",")
        signature = _bytes_of(value)
        whole = signature is not None and len(signature) == SIGNATURE_BYTES.get(version)
        yield version, signature if whole else None


def _by_secret(secret: bytes) -> Check:
    def fits(signature: bytes, received: Received) -> bool:
        at = datetime.fromtimestamp(int(received.timestamp), UTC)
        try:
            own = Webhook(secret).sign(received.id, at, received.body.decode())
        except UnicodeDecodeError:
            # Bodies are JSON in UTF-8.
            return False
        return hmac.compare_digest(base64.b64decode(own.partition(",")[2]), signature)

    return fits


def _by_public_key(public_key: bytes) -> Check:
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError:
        raise NotToBeJudged("the public key must have 32 bytes after whpk_") from None

    def fits(signature: bytes, received: Received) -> bool:
        try:
            key.verify(signature, received.signed)
        except InvalidSignature:
            return False
        return True

    return fits


def _decoded(text: str, prefix: str, what: str) -> bytes:
    key = _bytes_of(text.strip().removeprefix(prefix)) if text.strip().startswith(prefix) else None
    if not key:
        raise NotToBeJudged(f"{what} must be {prefix} and base64, as the API shows it")
    return key


def _bytes_of(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None
