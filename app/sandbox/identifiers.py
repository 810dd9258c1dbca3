"""Identifiers, tokens and random waits that look like Cloudflare's.

Waits are drawn by seed and name, so that a run can be repeated; identifiers never repeat.
"""

import hashlib
import math
import random
import secrets
import uuid

_ISSUE_MEDIAN_SECONDS = 45.0
_ISSUE_SIGMA = 0.7
_TOKENS_LATE = (2.0, 5.0)


def new_uuid() -> str:
    """Return an identifier of the form custom hostnames and certificates have."""
    return str(uuid.uuid4())


def new_hex() -> str:
    """Return an identifier of the form DNS records have."""
    return uuid.uuid4().hex


def new_token() -> str:
    """Return a DCV token of the form certificate authorities give out."""
    return secrets.token_urlsafe(32)


def new_serial_number() -> str:
    """Return a certificate's serial number in decimal digits."""
    return str(secrets.randbits(126) | 1 << 125)


def etag(text: str) -> str:
    """Return a digest as `/ips` gives one."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Waits:
    """How long Cloudflare takes for a name's certificate, in schedule seconds."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def tokens(self, name: str, order: int) -> float:
        """Return how late the validation records appear."""
        return self._random("tokens", name, order).uniform(*_TOKENS_LATE)

    def issuance_and_deployment(self, name: str, order: int) -> tuple[float, float]:
        """Return how long issuance and deployment take: together lognormal."""
        draw = self._random("issue", name, order)
        total = draw.lognormvariate(math.log(_ISSUE_MEDIAN_SECONDS), _ISSUE_SIGMA)
        share = draw.uniform(0.4, 0.8)
        return total * share, total * (1 - share)

    def _random(self, purpose: str, name: str, order: int) -> random.Random:
        return random.Random(f"{self._seed}:{purpose}:{name}:{order}")  # noqa: S311 - no secret
