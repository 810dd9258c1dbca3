"""What happens without Nameplate: pure functions over the same fleet and the same random waits.

Cloudflare alone checks on its own back-off schedule, from the moment of creation. The naive way
polls each name every minute by a GET until it is active, and never asks for a refresh.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sandbox.backoff import TRIES, wait_before
from sandbox.identifiers import Waits

POLL_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class Need:
    """When a hostname was created, and when DNS had what it needed, in seconds of one clock."""

    hostname: str
    created_at: float
    proof_at: float
    """From when the hostname validates."""
    certificate_at: float
    """From when the certificate's validation passes."""


def active_alone_at(need: Need, waits: Waits) -> float | None:
    """When both statuses are active by Cloudflare's own schedule. None if it gives up first."""
    proven = _first_try(need.created_at, need.proof_at)
    tokens_at = need.created_at + waits.tokens(need.hostname, 1)
    validated = _first_try(tokens_at, need.certificate_at)
    if proven is None or validated is None:
        return None
    return max(proven, validated + sum(waits.issuance_and_deployment(need.hostname, 1)))


def naive_calls(created_at: float, active_at: float) -> int:
    """Calls of the naive way: the POST, and a GET each minute until one shows `active`."""
    return 1 + math.ceil((active_at - created_at) / POLL_EVERY)


def _first_try(begins_at: float, ready_at: float) -> float | None:
    at = begins_at
    for attempt in range(TRIES + 1):
        if at >= ready_at:
            return at
        at += wait_before(attempt)
    return None
