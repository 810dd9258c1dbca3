"""Verify Nameplate's webhooks that Ed25519 signs. Needs `pip install cryptography`."""

import json
from base64 import b64decode
from re import fullmatch
from time import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE_SECONDS = 300


def verify(body, headers, public_key):
    """Return the event. `body` is the bytes that arrived; ValueError: it is not Nameplate's."""
    if not fullmatch("whpk_[A-Za-z0-9+/]{43}=", public_key):
        raise ValueError("the public key must be whpk_...")
    given = {name.lower(): value for name, value in dict(headers).items()}
    try:
        event_id = given["webhook-id"]
        timestamp, signatures = given["webhook-timestamp"], given["webhook-signature"]
    except KeyError as missing:
        raise ValueError(f"not from Nameplate: {missing} is missing") from None
    if not timestamp.isdecimal() or abs(time() - int(timestamp)) > TOLERANCE_SECONDS:
        raise ValueError("not from Nameplate, or too old")
    key = Ed25519PublicKey.from_public_bytes(b64decode(public_key.removeprefix("whpk_")))
    signed = f"{event_id}.{timestamp}.".encode() + body
    for signature in signatures.split(" "):
        version, _, value = signature.partition(",")
        if version == "v1a":
            try:
                key.verify(b64decode(value), signed)
            except (InvalidSignature, ValueError):
                continue
            return json.loads(body)
    raise ValueError("not from Nameplate: no signature fits")
