"""Identifiers, tokens and random waits that look like Cloudflare's.

Waits are drawn by seed and name, so that a run can be repeated; identifiers never repeat but in
a simulation.
"""

import base64
import hashlib
import math
import random
from collections.abc import Sequence
from typing import Self
from uuid import UUID

_ISSUE_MEDIAN_SECONDS = 45.0
_ISSUE_SIGMA = 0.7
_SLOW_AUTHORITIES = {"ssl_com": (600.0, 1800.0)}
_TOKENS_LATE = (2.0, 5.0)


class Identifiers:
    """Identifiers and tokens, drawn from a source of randomness."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    @classmethod
    def unique(cls) -> Self:
        """Return identifiers that never repeat."""
        return cls(random.SystemRandom())

    @classmethod
    def repeatable(cls, seed: int) -> Self:
        """Return the same identifiers in every run of a seed."""
        return cls(random.Random(f"{seed}:identifiers"))  # noqa: S311 - no secret

    def uuid(self) -> str:
        """Return an identifier of the form custom hostnames and certificates have."""
        return str(self._uuid())

    def hex(self) -> str:
        """Return an identifier of the form DNS records have."""
        return self._uuid().hex

    def token(self) -> str:
        """Return a DCV token of the form certificate authorities give out."""
        return base64.urlsafe_b64encode(self._source.randbytes(32)).rstrip(b"=").decode()

    def serial_number(self) -> str:
        """Return a certificate's serial number in decimal digits."""
        return str(self._source.getrandbits(126) | 1 << 125)

    def _uuid(self) -> UUID:
        return UUID(int=self._source.getrandbits(128), version=4)


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

    def authority(self, name: str, creation: int, authorities: Sequence[str]) -> str:
        """Return the authority that a certificate gets where none was named."""
        return self._random("authority", name, creation).choice(authorities)

    def issuance_and_deployment(
        self, name: str, order: int, authority: str = "google"
    ) -> tuple[float, float]:
        """Return how long issuance and deployment take.

        Together lognormal, nearly always under three minutes; at SSL.com 10 to 30 minutes.
        """
        draw = self._random("issue", name, order)
        if slow := _SLOW_AUTHORITIES.get(authority):
            total = draw.uniform(*slow)
        else:
            total = draw.lognormvariate(math.log(_ISSUE_MEDIAN_SECONDS), _ISSUE_SIGMA)
        share = draw.uniform(0.4, 0.8)
        return total * share, total * (1 - share)

    def _random(self, purpose: str, name: str, order: int) -> random.Random:
        return random.Random(f"{self._seed}:{purpose}:{name}:{order}")  # noqa: S311 - no secret
