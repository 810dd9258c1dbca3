"""Injected faults of the emulated API: which call fails and how, drawn by seed.

Decides only; the gateway carries the decision out.
"""

import random
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from sandbox.store import Store

Kind = Literal[
    429,
    "429_10100",
    "429_10429",
    "429_html",
    500,
    502,
    503,
    "timeout",
    "reset",
    "not_found",
    "not_routed",
    "unauthorized",
    "forbidden",
    "truncated",
    "html",
    "unsuccessful",
]
_FAULT_KIND = "cloudflare_faults"


class Faults(BaseModel):
    """How often calls fail, in which ways, the seed they are drawn by, and which (None: all)."""

    rate: float = Field(default=0.0, ge=0, le=1)
    kinds: list[Kind] = [429, 500, 503, "timeout", "reset"]
    seed: int = 0
    routes: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls one call. `variant` is a coin: the side of the effect, or the body's form."""

    kind: Kind
    variant: bool
    retry_after: int


class FaultInjector:
    """Draws one fault, or none, per call; the n-th draw of a seed is always the same."""

    def __init__(self, store: Store) -> None:
        self._store = store
        row = store.get(_FAULT_KIND, "config")
        self.faults = Faults.model_validate_json(row) if row else Faults()
        self._drawn = int(store.get(_FAULT_KIND, "drawn") or 0)

    def set(self, faults: Faults) -> None:
        """Begin a new sequence of faults."""
        self.faults = faults
        self._drawn = 0
        self._store.put(_FAULT_KIND, "config", faults.model_dump_json().encode())
        self._store.put(_FAULT_KIND, "drawn", b"0")

    def draw(self, route: str) -> Fault | None:
        """Return what befalls the next call; calls of other routes are not drawn for."""
        faults = self.faults
        if not faults.rate or not faults.kinds or route not in (faults.routes or [route]):
            return None
        self._drawn += 1
        self._store.put(_FAULT_KIND, "drawn", str(self._drawn).encode())
        dice = random.Random(f"{self.faults.seed}:{self._drawn}")  # noqa: S311 - no secret
        if dice.random() >= self.faults.rate:
            return None
        coin = bool(dice.getrandbits(1))
        return Fault(dice.choice(self.faults.kinds), coin, dice.randint(1, 2))
