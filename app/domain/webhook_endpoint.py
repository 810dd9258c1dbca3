"""Webhook endpoints: which events they take, how they are signed, when they are disabled. Pure.

`domain/deliveries` has the rules of sending; `services/webhook_endpoints` changes endpoints.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from app.domain.events import EVENT_TYPES

ALL_TYPES = "*"
LONGEST_OVERLAP = timedelta(hours=168)
"""How long the previous secret of an endpoint may sign beside the new one."""
FAILING_FOR = timedelta(days=5)
"""An endpoint is disabled if its failures go on for longer, without a success in between."""
FAILED_WITHIN = timedelta(hours=24)
"""Failures that are further apart are two series: in between there was nothing to send."""
BURST = timedelta(seconds=1)
"""How far an endpoint may run ahead of its rate limit."""


class Signing(StrEnum):
    """How messages are signed (Standard Webhooks)."""

    HMAC_SHA256 = "hmac-sha256"
    """With a secret that both sides know: `whsec_`, signatures `v1`."""
    ED25519 = "ed25519"
    """With a private key, `whsk_`; receivers verify with its public key, `whpk_`: `v1a`."""


class DisabledReason(StrEnum):
    """Why an endpoint gets nothing."""

    BY_HAND = "by_hand"
    FAILING = "failing"
    GONE = "gone"
    """It answered 410 Gone, which asks for no more messages (Standard Webhooks)."""

    @property
    def detail(self) -> str:
        """Say it in a sentence, with the way out."""
        return _DETAILS[self]


_DETAILS = {
    DisabledReason.BY_HAND: "The endpoint was disabled.",
    DisabledReason.FAILING: (
        f"No message was accepted for {FAILING_FOR.days} days. Mend the receiver, enable the "
        "endpoint, and replay what it missed."
    ),
    DisabledReason.GONE: (
        "The receiver answered 410 Gone. If it should get messages again, enable the endpoint, and "
        "replay what it missed."
    ),
}


def selectors(event_type: str) -> tuple[str, ...]:
    """Return what an endpoint may list in order to get this event type: itself and wildcards."""
    return (event_type, f"{event_type.partition('.')[0]}.{ALL_TYPES}", ALL_TYPES)


SELECTORS = frozenset(each for kind in EVENT_TYPES for each in selectors(kind))
"""All that an endpoint may list."""


def selects(listed: Iterable[str], event_type: str) -> bool:
    """Whether an endpoint that lists these gets the event type. An empty list gets all types."""
    listed = tuple(listed)
    return not listed or not set(selectors(event_type)).isdisjoint(listed)


def failing_since(
    since: datetime | None, failed_before: datetime | None, now: datetime
) -> datetime:
    """Return since when an endpoint fails that failed just now.

    An endpoint that had nothing to do for longer than `FAILED_WITHIN` begins anew.

    Args:
        since: Since when it failed before; None: it did not.
        failed_before: When it failed last before this time.
        now: When it failed this time.
    """
    is_one_series = failed_before is not None and now - failed_before <= FAILED_WITHIN
    return since if since is not None and is_one_series else now


def is_given_up(since: datetime, now: datetime) -> bool:
    """Whether an endpoint that fails `since` then and failed just now is to be disabled."""
    return now - since > FAILING_FOR


@dataclass(frozen=True, slots=True)
class Paced:
    """How many messages a rate limit lets begin, and what to remember of them."""

    count: int
    paced_until: datetime
    """When the messages so far would have begun, one interval after the other."""

    @classmethod
    def at(cls, now: datetime, paced_until: datetime | None, *, rate: int, wanted: int) -> Self:
        """Let begin as many of the `wanted` messages as `rate` per second allows (GCRA)."""
        start = max(now, paced_until or now)
        count = max(0, min(wanted, (now + BURST - start) * rate // BURST))
        # Rounded up once for all of them: a rounded interval would add up to another rate.
        return cls(count, start - (-count * BURST // rate))
